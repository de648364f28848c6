//! Exports that are ready to write.

use std::io;

/// An export that is ready to write.
pub struct PreparedExport<'a> {
    /// Characters that no font has. A PNG shows boxes in their place; other formats hold the text itself.
    pub missing: Vec<char>,
    write: Box<Writer<'a>>,
}

type Writer<'a> = dyn Fn(&mut dyn io::Write) -> io::Result<()> + 'a;

impl<'a> PreparedExport<'a> {
    /// Creates an export that `write` writes piece by piece.
    pub(super) fn new(write: impl Fn(&mut dyn io::Write) -> io::Result<()> + 'a) -> Self {
        Self { missing: Vec::new(), write: Box::new(write) }
    }

    /// Creates an export of bytes that are in memory.
    pub fn whole(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::new(move |out| out.write_all(&bytes))
    }

    /// Writes the file. Data formats are written one map at a time, so that memory stays bounded.
    ///
    /// # Errors
    /// Errors of `out`; a head that the capture lacks.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        (self.write)(out)
    }
}
