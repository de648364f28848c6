//! Memory on huge pages: advice to the system, and an arena for values that are written once.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Bytes of a huge page.
const HUGE_PAGE: usize = 2 << 20;

/// Asks the system for huge pages behind `bytes` bytes that nothing has touched yet: fewer page faults while
/// they are filled, and fewer entries of the translation cache while they are read. Does nothing where there
/// are none.
pub(crate) fn advise_huge(start: *mut u8, bytes: usize) {
    #[cfg(target_os = "linux")]
    {
        // Advice is for whole pages, and the first and last ones may belong to neighbours, too.
        let first = (start as usize).next_multiple_of(HUGE_PAGE);
        let end = (start as usize + bytes) / HUGE_PAGE * HUGE_PAGE;
        if first < end {
            // SAFETY: `madvise` with MADV_HUGEPAGE changes no values and accepts any range of addresses.
            unsafe { libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, bytes);
}

/// Immutable values in an arena of huge pages, which even small ones share with others. Cloning is cheap.
pub(crate) struct ArenaSlice<T> {
    block: Arc<ArenaBlock>,
    /// Offset of the first byte in the block.
    first: usize,
    len: usize,
    values: PhantomData<T>,
}

impl<T: Copy> ArenaSlice<T> {
    /// Allocates `len` values, aligned to a cache line, and lets `write` fill them.
    ///
    /// # Safety
    /// `write` writes all `len` values behind its pointer.
    pub unsafe fn new(len: usize, write: impl FnOnce(*mut T)) -> Self {
        let (block, first) = ArenaBlock::with_room((size_of::<T>() * len).next_multiple_of(CACHE_LINE));
        // SAFETY: `with_room` reserved the bytes behind `first` for this slice, within the block.
        write(unsafe { block.start.add(first) }.cast());
        Self { block, first, len, values: PhantomData }
    }
}

impl<T> Clone for ArenaSlice<T> {
    fn clone(&self) -> Self {
        Self { block: Arc::clone(&self.block), first: self.first, len: self.len, values: PhantomData }
    }
}

impl<T> std::ops::Deref for ArenaSlice<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `new` had all values written, they are aligned to a cache line, and nothing writes them
        // again.
        unsafe { std::slice::from_raw_parts(self.block.start.add(self.first).cast(), self.len) }
    }
}

/// Bytes of a cache line.
const CACHE_LINE: usize = 64;

/// An allocation that slices share; it is freed with the last of them.
struct ArenaBlock {
    start: *mut u8,
    layout: Layout,
}

// SAFETY: `with_room` hands out disjoint ranges, each written by its first owner and only read from then on.
unsafe impl Send for ArenaBlock {}
// SAFETY: as for `Send`.
unsafe impl Sync for ArenaBlock {}

impl ArenaBlock {
    /// Smallest size of a block in bytes. Unused pages are never touched, so they take no memory.
    const SIZE: usize = 16 * HUGE_PAGE;

    fn new(bytes: usize) -> Self {
        let bytes = bytes.max(Self::SIZE).next_multiple_of(HUGE_PAGE);
        let Ok(layout) = Layout::from_size_align(bytes, HUGE_PAGE) else {
            handle_alloc_error(Layout::new::<u8>());
        };
        // SAFETY: the size of the layout is not 0.
        let start = unsafe { alloc(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        advise_huge(start, bytes);
        Self { start, layout }
    }

    /// Reserves `bytes` in the newest block, or in a new one if they do not fit. Returns the block and the
    /// offset.
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
        // SAFETY: `new` allocated it with this layout.
        unsafe { dealloc(self.start, self.layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(len: usize, from: usize) -> ArenaSlice<f32> {
        // SAFETY: all `len` values are written.
        unsafe {
            ArenaSlice::new(len, |to: *mut f32| (0..len).for_each(|at| to.add(at).write((from + at) as f32)))
        }
    }

    #[test]
    fn values_last_and_share_no_line() {
        let sizes = [1, 15, 16, 17, 0, 3 << 20, 9 << 20, 5];
        let all: Vec<ArenaSlice<f32>> = sizes.iter().enumerate().map(|(i, &len)| counted(len, i)).collect();
        let copies = all.clone();
        drop(all);
        for (from, (values, len)) in copies.iter().zip(sizes).enumerate() {
            assert_eq!(values.len(), len);
            assert!(values.iter().enumerate().all(|(at, &value)| value == (from + at) as f32));
            assert!((values.as_ptr() as usize).is_multiple_of(CACHE_LINE));
        }
    }
}
