//! Lines of a text file with their numbers.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use super::compressed::{self, ReadShare, TextInput};
use crate::error::{Error, Result};

/// Longest line, in bytes.
const MAX_LINE: u64 = 16 << 20;

/// Reader of a file's lines that counts them for error messages.
pub struct NumberedLines {
    path: PathBuf,
    /// Number of the line that was read last, from 1.
    at: usize,
    input: TextInput,
    share: ReadShare,
    notes: Vec<String>,
    /// The last line that is not UTF-8.
    lossy: String,
}

impl NumberedLines {
    /// Opens a file, which may be compressed; `-` is standard input.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let (input, share) = compressed::open(path)?;
        Ok(Self { path: path.into(), at: 0, input, share, notes: Vec::new(), lossy: String::new() })
    }

    /// Names the file and the line that was read last.
    pub fn place(&self) -> String {
        match self.path.as_os_str() == "-" {
            true => format!("standard input, line {}", self.at),
            false => format!("{}, line {}", self.path.display(), self.at),
        }
    }

    /// Creates the error for the line that was read last.
    pub fn error(&self, why: &str) -> Error {
        Error::BadFile { file: self.place(), why: why.into() }
    }

    /// Returns the notes for the user since the last call.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Returns the bad line that was read last, with U+FFFD in place of bytes that are not UTF-8; nothing of a
    /// line that was too long.
    pub fn take_lossy(&mut self) -> String {
        std::mem::take(&mut self.lossy)
    }

    /// The share of the file that was read, as it grows.
    pub fn share(&self) -> ReadShare {
        self.share.clone()
    }

    /// Reads a line without its end: the text, or the reason why it is none; `None` at the end of the file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::BadFile`] if the file is UTF-16.
    pub fn read(&mut self) -> Result<Option<std::result::Result<String, String>>> {
        let mut line = Vec::new();
        let io = |error| Error::io(&self.path, error);
        let count = (&mut self.input).take(MAX_LINE).read_until(b'\n', &mut line).map_err(io)?;
        if count == 0 {
            return Ok(None);
        }
        self.at += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        } else if count as u64 == MAX_LINE {
            self.skip_line().map_err(|error| Error::io(&self.path, error))?;
            self.lossy.clear();
            return Ok(Some(Err(format!("longer than {} MB", MAX_LINE >> 20))));
        }
        self.text(line).map(Some)
    }

    /// Reads to the end of the line.
    fn skip_line(&mut self) -> std::io::Result<()> {
        loop {
            let bytes = self.input.fill_buf()?;
            let end = bytes.iter().position(|&byte| byte == b'\n');
            let count = end.map_or(bytes.len(), |at| at + 1);
            let done = end.is_some() || bytes.is_empty();
            self.input.consume(count);
            if done {
                return Ok(());
            }
        }
    }

    /// Decodes the line that was read last, without a byte order mark at its start.
    fn text(&mut self, line: Vec<u8>) -> Result<std::result::Result<String, String>> {
        const MARK: char = '\u{feff}';
        if self.at == 1 && (line.starts_with(&[0xff, 0xfe]) || line.starts_with(&[0xfe, 0xff])) {
            return Err(self.error("the file is UTF-16, as its byte order mark says: convert it to UTF-8"));
        }
        let line = match String::from_utf8(line) {
            Ok(line) => line,
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                self.lossy = String::from_utf8_lossy(error.as_bytes()).into_owned();
                return Ok(Err(format!("byte {} is not valid UTF-8", at + 1)));
            }
        };
        let Some(rest) = line.strip_prefix(MARK) else { return Ok(Ok(line)) };
        self.notes.push(format!("{}: byte order mark left out", self.place()));
        Ok(Ok(rest.into()))
    }
}

/// Lines, each of which must be a text.
impl Iterator for NumberedLines {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.read().transpose()?;
        Some(line.and_then(|line| line.map_err(|why| self.error(&why))))
    }
}
