//! How the system backs memory.

/// Asks for large pages behind `bytes` bytes that nobody has touched yet: fewer to hand out one by one while they
/// are filled, and fewer addresses to look up while they are read. Where the system has none, nothing happens.
pub fn ask_for_large(start: *mut u8, bytes: usize) {
    #[cfg(target_os = "linux")]
    {
        const LARGE: usize = 2 << 20;
        // Only whole pages can be asked for, and the neighbours' are not ours.
        let first = (start as usize).next_multiple_of(LARGE);
        let end = (start as usize + bytes) / LARGE * LARGE;
        if first < end {
            // SAFETY: advice about pages that lie within the caller's memory; it changes no value.
            unsafe { libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, bytes);
}
