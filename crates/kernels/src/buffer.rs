//! Buffers that are filled without being cleared first.

use std::mem::MaybeUninit;
use std::sync::Arc;

use crate::pages::advise_huge;

/// An `Arc<[f32]>` under construction: a fixed number of values, written front to back.
pub struct ArcBuilder {
    values: Arc<[MaybeUninit<f32>]>,
    /// The first `written` values are initialised.
    written: usize,
}

impl ArcBuilder {
    /// Allocates room for `len` values, on huge pages where the system has them.
    pub fn new(len: usize) -> Self {
        let mut values = Arc::new_uninit_slice(len);
        if let Some(values) = Arc::get_mut(&mut values) {
            advise_huge(values.as_mut_ptr().cast(), size_of_val(values));
        }
        Self { values, written: 0 }
    }

    /// Appends values.
    ///
    /// # Panics
    /// If there is no room for them.
    #[inline]
    pub fn push(&mut self, values: &[f32]) {
        let room = &mut self.unwritten()[..values.len()];
        room.iter_mut().zip(values).for_each(|(room, &value)| _ = room.write(value));
        self.written += values.len();
    }

    /// Sets the values that are not written yet to 0, and returns all of them.
    pub fn zero_filled(&mut self) -> &mut [f32] {
        self.unwritten().fill(MaybeUninit::new(0.0));
        self.written = self.values.len();
        let values = self.all();
        // SAFETY: the values before the old end were written, and those behind it have just been.
        unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
    }

    /// Forgets what was written, to fill the same memory again.
    #[inline]
    pub fn clear(&mut self) {
        self.written = 0;
    }

    /// Returns the values.
    ///
    /// # Panics
    /// If some are not written.
    pub fn finish(self) -> Arc<[f32]> {
        assert_eq!(self.written, self.values.len(), "values are missing");
        // SAFETY: all values are written.
        unsafe { self.values.assume_init() }
    }

    /// The values that are not written yet.
    #[inline]
    pub(crate) fn unwritten(&mut self) -> &mut [MaybeUninit<f32>] {
        let written = self.written;
        &mut self.all()[written..]
    }

    /// Counts the next `len` values as written.
    ///
    /// # Safety
    /// They must have been written.
    pub(crate) unsafe fn advance(&mut self, len: usize) {
        debug_assert!(len <= self.values.len() - self.written);
        self.written += len;
    }

    fn all(&mut self) -> &mut [MaybeUninit<f32>] {
        // The builder never hands out a second handle.
        Arc::get_mut(&mut self.values).unwrap_or_default()
    }
}

impl std::fmt::Debug for ArcBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ArcBuilder[{} of {}]", self.written, self.values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_out_as_they_were_pushed() {
        let mut builder = ArcBuilder::new(5);
        builder.push(&[1.0, 2.0]);
        builder.push(&[3.0, 4.0, 5.0]);
        assert_eq!(*builder.finish(), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!(ArcBuilder::new(0).finish().is_empty());
    }

    #[test]
    fn what_is_missing_is_zero_on_demand() {
        let mut builder = ArcBuilder::new(4);
        builder.push(&[1.0]);
        builder.zero_filled()[2] = 3.0;
        assert_eq!(builder.zero_filled(), [1.0, 0.0, 3.0, 0.0]);
        builder.clear();
        builder.push(&[7.0; 4]);
        assert_eq!(*builder.finish(), [7.0; 4]);
    }

    #[test]
    #[should_panic(expected = "values are missing")]
    fn an_unfinished_buffer_is_never_read() {
        let mut builder = ArcBuilder::new(2);
        builder.push(&[1.0]);
        builder.finish();
    }
}
