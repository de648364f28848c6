//! Files and standard input, decompressed if they are gzip or Zstandard.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::error::{Error, Result};

/// The text of a file, decompressed.
pub type TextInput = Box<dyn BufRead + Send + Sync>;

/// Number of bytes or rows that were read of a file, out of how many.
#[derive(Clone, Debug, Default)]
pub struct ReadShare {
    read: Arc<AtomicU64>,
    total: Option<u64>,
}

impl ReadShare {
    /// Of `total` rows.
    pub(super) fn of_rows(total: u64) -> Self {
        Self { total: Some(total), ..Self::default() }
    }

    /// Counts a row.
    pub(super) fn add_row(&self) {
        self.read.fetch_add(1, Ordering::Relaxed);
    }

    /// The share of the file that was read; `None` if its size is not known.
    pub fn fraction(&self) -> Option<f64> {
        let total = self.total.filter(|&total| total > 0)?;
        Some((self.read.load(Ordering::Relaxed) as f64 / total as f64).min(1.0))
    }
}

/// Opens a file, or standard input for `-`.
///
/// # Errors
/// [`Error::Io`].
pub fn open(path: &Path) -> Result<(TextInput, ReadShare)> {
    let io = |error| Error::io(path, error);
    let mut share = ReadShare::default();
    let raw: Box<dyn Read + Send + Sync> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        let file = File::open(path).map_err(io)?;
        let data = file.metadata().map_err(io)?;
        share.total = data.is_file().then_some(data.len());
        Box::new(file)
    };
    let mut raw = BufReader::with_capacity(1 << 16, Counted { raw, read: Arc::clone(&share.read) });
    let begin = raw.fill_buf().map_err(io)?;
    let input: TextInput = match begin {
        [0x1f, 0x8b, ..] => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(raw))),
        // A frame, or one to be skipped, with which files that were compressed in parallel may begin.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            let frames = ZstdFrames { compressed: raw, decoder: FrameDecoder::new() };
            Box::new(BufReader::with_capacity(1 << 16, frames))
        }
        _ => Box::new(raw),
    };
    Ok((input, share))
}

/// Reader that counts bytes.
struct Counted {
    raw: Box<dyn Read + Send + Sync>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.raw.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Decoder of the frames of a Zstandard file, one after the other.
struct ZstdFrames {
    compressed: BufReader<Counted>,
    decoder: FrameDecoder,
}

impl ZstdFrames {
    /// Opens the next frame that holds data; false at the end of the file.
    fn open(&mut self) -> io::Result<bool> {
        loop {
            if self.compressed.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.compressed) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut (&mut self.compressed).take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

impl Read for ZstdFrames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.decoder.is_finished() {
                if !self.open()? {
                    return Ok(0);
                }
            } else {
                let blocks = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.compressed, blocks).map_err(io::Error::other)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `one`, a frame that is to be skipped, and `two`, as `zstd` writes them.
    const FRAMES: [&[u8]; 3] = [
        b"\x28\xb5\x2f\xfd\x20\x04\x21\x00\x00one\n",
        b"\x50\x2a\x4d\x18\x02\x00\x00\x00ab",
        b"\x28\xb5\x2f\xfd\x20\x04\x21\x00\x00two\n",
    ];

    #[test]
    fn frames_and_members_follow_one_another() {
        use std::io::Write;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let (mut input, bytes) = open(&path).unwrap();
            let mut text = String::new();
            input.read_to_string(&mut text).map(|_| (text, bytes.fraction()))
        };
        assert_eq!(read(&FRAMES.concat()).unwrap(), ("one\ntwo\n".into(), Some(1.0)));
        assert_eq!(read(&FRAMES[1..].concat()).unwrap().0, "two\n");
        assert!(read(&FRAMES[0][..12]).is_err());
        let member = |text: &str| {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(text.as_bytes()).unwrap();
            out.finish().unwrap()
        };
        assert_eq!(read(&[member("one\n"), member("two\n")].concat()).unwrap().0, "one\ntwo\n");
        assert_eq!(read(b"plain\n").unwrap().0, "plain\n");
        assert_eq!(read(b"").unwrap(), (String::new(), None));
    }
}
