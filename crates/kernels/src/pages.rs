//! How the system backs memory.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Bytes of a huge page.
const HUGE_PAGE: usize = 2 << 20;

/// Asks the system for huge pages behind `bytes` bytes that nothing has touched yet: fewer page faults while they
/// are filled, and fewer entries of the translation cache while they are read. Does nothing where there are none.
pub(crate) fn advise_huge(start: *mut u8, bytes: usize) {
    #[cfg(target_os = "linux")]
    {
        // Only whole pages can be asked for, and the neighbours' are not ours.
        let first = (start as usize).next_multiple_of(HUGE_PAGE);
        let end = (start as usize + bytes) / HUGE_PAGE * HUGE_PAGE;
        if first < end {
            // SAFETY: advice about pages that lie within the caller's memory; it changes no value.
            unsafe { libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, bytes);
}

/// Values that stay as they are once they are written, side by side with others of their kind: even small ones
/// lie on large pages. Cloning is free.
#[derive(Clone)]
pub(crate) struct ArenaSlice {
    block: Arc<ArenaBlock>,
    /// First byte within the block.
    first: usize,
    len: usize,
}

impl ArenaSlice {
    /// `len` values that `write` writes, all of them. They begin at a line of the cache.
    ///
    /// # Safety
    /// `write` must have written every one of the values behind its pointer.
    pub unsafe fn new(len: usize, write: impl FnOnce(*mut f32)) -> Self {
        let (block, first) = ArenaBlock::with_room((4 * len).next_multiple_of(CACHE_LINE));
        // SAFETY: the block has room for the values behind `first`, which are nobody else's.
        write(unsafe { block.start.add(first) }.cast());
        Self { block, first, len }
    }
}

impl std::ops::Deref for ArenaSlice {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: they were written when this was made, and nobody writes there again.
        unsafe { std::slice::from_raw_parts(self.block.start.add(self.first).cast(), self.len) }
    }
}

/// A line of the cache.
const CACHE_LINE: usize = 64;

/// Memory that many share; it goes with the last of them.
struct ArenaBlock {
    start: *mut u8,
    layout: Layout,
}

// SAFETY: whoever gets room in it gets it alone.
unsafe impl Send for ArenaBlock {}
// SAFETY: as above; what is written is only read from then on.
unsafe impl Sync for ArenaBlock {}

impl ArenaBlock {
    /// Bytes of a block, at least. What is not used of it is never touched.
    const SIZE: usize = 16 * HUGE_PAGE;

    fn new(bytes: usize) -> Self {
        let bytes = bytes.max(Self::SIZE).next_multiple_of(HUGE_PAGE);
        let Ok(layout) = Layout::from_size_align(bytes, HUGE_PAGE) else {
            handle_alloc_error(Layout::new::<u8>());
        };
        // SAFETY: the layout has a size.
        let start = unsafe { alloc(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        advise_huge(start, bytes);
        Self { start, layout }
    }

    /// Room for so many bytes, and where it begins: in the newest block if it is there.
    fn with_room(bytes: usize) -> (Arc<Self>, usize) {
        static NEWEST: Mutex<(Weak<ArenaBlock>, usize)> = Mutex::new((Weak::new(), 0));
        let mut newest = NEWEST.lock().unwrap_or_else(PoisonError::into_inner);
        let (block, used) = match newest.0.upgrade() {
            Some(block) if block.layout.size() - newest.1 >= bytes => (block, newest.1),
            _ => (Arc::new(Self::new(bytes)), 0),
        };
        *newest = (Arc::downgrade(&block), used + bytes);
        (block, used)
    }
}

impl Drop for ArenaBlock {
    fn drop(&mut self) {
        // SAFETY: it came from there with this layout.
        unsafe { dealloc(self.start, self.layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(len: usize, from: usize) -> ArenaSlice {
        // SAFETY: all are written.
        unsafe { ArenaSlice::new(len, |to| (0..len).for_each(|at| to.add(at).write((from + at) as f32))) }
    }

    #[test]
    fn values_last_and_share_no_line() {
        let sizes = [1, 15, 16, 17, 0, 3 << 20, 9 << 20, 5];
        let all: Vec<ArenaSlice> = sizes.iter().enumerate().map(|(i, &len)| counted(len, i)).collect();
        let copies = all.clone();
        drop(all);
        for (from, (values, len)) in copies.iter().zip(sizes).enumerate() {
            assert_eq!(values.len(), len);
            assert!(values.iter().enumerate().all(|(at, &value)| value == (from + at) as f32));
            assert!((values.as_ptr() as usize).is_multiple_of(CACHE_LINE));
        }
    }
}
