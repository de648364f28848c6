//! npz export: NumPy arrays in a zip file.

use std::io::{Error, ErrorKind, Result, Write};

use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::options::Options;
use super::prepared::PreparedExport;
use super::select::HeadSelection;
use crate::axis::{AxisItem, all_token_ids, token_ids};
use crate::capture::{Capture, Precision, encode, source_metadata};
use crate::matrix::Matrix;
use crate::site::{Head, Site};

/// Extension of its files.
pub const EXTENSION: &str = "npz";

/// Prepares the export of a capture.
///
/// # Errors
/// [`crate::error::Error::NoSuchHead`] if the selection is empty.
pub fn prepare<'a>(capture: &'a Capture, options: &Options) -> crate::error::Result<PreparedExport<'a>> {
    let selection = options.selection;
    let heads = selection.heads(capture)?;
    Ok(PreparedExport::new(move |out| write(capture, &selection, &heads, out)))
}

/// Writes the selected heads as npz, one map at a time. `heads` are the heads that `selection` selects.
///
/// Arrays, named as in the capture file:
/// - `{kind}.{layer}`: float32 `[heads, queries, keys]`
/// - `source_ids` (of a text), `target_ids`, `decoder_input_ids`, `special_ids`: int64
/// - `source_items`, `source_media` of a source that is no text: NumPy strings in JSON, as in the capture file
/// - `source_tokens`, `target_tokens`, `decoder_input_tokens`, `source`, `target`, `model`, `model_type`,
///   `weights`: NumPy strings
///
/// `numpy.load` reads the file without pickle, and the program opens it as a capture.
///
/// # Errors
/// Errors of `out`; a head that the capture lacks.
pub fn write(
    capture: &Capture,
    selection: &HeadSelection,
    heads: &[Head],
    out: &mut dyn Write,
) -> Result<()> {
    let mut archive = Archive { zip: ZipWriter::new_stream(UntilError { out, failed: false }) };
    for site in heads.chunk_by(|a, b| a.site == b.site) {
        let Some(first) = site.first() else { continue };
        let (queries, keys) = capture.shape(first.kind());
        archive.start(&first.site.to_string(), "<f4", &[site.len(), queries, keys], 4)?;
        for &head in site {
            archive.floats(&capture.map(head).map_err(Error::other)?)?;
        }
    }
    // These arrays cover all heads of a site, so they are written only for complete sites.
    let whole = |site: &Site| selection.head.is_none() && selection.contains(site.head(0));
    for (site, flow) in capture.values.iter().filter(|(site, _)| whole(site)) {
        for (what, matrix) in [("values", &flow.norms), ("contributions", &flow.contributions)] {
            archive.start(&format!("{what}.{site}"), "<f4", &[matrix.rows(), matrix.cols()], 4)?;
            archive.floats(matrix)?;
        }
    }
    archive.texts(capture)?;
    archive.zip.finish()?;
    Ok(())
}

/// Largest array, in bytes, that is written without ZIP64. The format's limit is 2^32 - 1; the rest leaves
/// room for what deflate adds to data that it cannot compress.
const ZIP32: usize = 4_000_000_000;

struct Archive<'a> {
    zip: ZipWriter<StreamWriter<UntilError<'a>>>,
}

/// A writer that reports its first error and swallows everything after it.
///
/// `ZipWriter` finishes an archive when it is dropped and prints an error to standard error if that fails.
/// With this writer the final write succeeds, so that nothing is printed over the screen.
struct UntilError<'a> {
    out: &'a mut dyn Write,
    failed: bool,
}

impl Write for UntilError<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.failed {
            return Ok(bytes.len());
        }
        let written = self.out.write(bytes);
        self.failed = written.as_ref().is_err_and(|e| e.kind() != ErrorKind::Interrupted);
        written
    }

    fn flush(&mut self) -> Result<()> {
        if self.failed { Ok(()) } else { self.out.flush() }
    }
}

impl Archive<'_> {
    /// Writes the tokens and the capture's description.
    fn texts(&mut self, capture: &Capture) -> Result<()> {
        let sequences = [
            ("source", &capture.source.items),
            ("target", &capture.target.items),
            ("decoder_input", &capture.decoder_input),
        ];
        for (what, tokens) in &sequences {
            if all_token_ids(tokens).is_some() {
                self.ids(&format!("{what}_ids"), tokens)?;
            }
            let pieces: Vec<_> = tokens.iter().map(|token| token.piece.as_str()).collect();
            self.strings(&format!("{what}_tokens"), &pieces, &[pieces.len()])?;
        }
        let tokens = || sequences.iter().flat_map(|(_, tokens)| tokens.iter());
        let mut special: Vec<_> = tokens().filter(|token| token.special).cloned().collect();
        special.sort_unstable_by_key(AxisItem::token_id);
        special.dedup_by_key(|item| item.token_id());
        special.retain(|item| item.token_id().is_some());
        self.ids("special_ids", &special)?;
        for (what, text) in [
            ("source", &capture.source.text),
            ("target", &capture.target.text),
            ("model", &capture.model),
            ("model_type", &capture.model_type),
            ("weights", &capture.weights.name().to_string()),
        ] {
            self.strings(what, &[text], &[])?;
        }
        for (name, list) in source_metadata(capture) {
            self.strings(name, &[&list], &[])?;
        }
        if capture.int8_target {
            self.strings("target_generated_with", &["8-bit weights"], &[])?;
        }
        if let Some(seed) = capture.sampled {
            self.strings("target_sampled_with_seed", &[&seed.to_string()], &[])?;
        }
        Ok(())
    }

    fn ids(&mut self, name: &str, tokens: &[AxisItem]) -> Result<()> {
        let ids = token_ids(tokens);
        let data: Vec<u8> = ids.iter().flat_map(|&id| i64::from(id).to_le_bytes()).collect();
        self.start(name, "<i8", &[ids.len()], 8)?;
        self.zip.write_all(&data)
    }

    /// Writes strings in NumPy's format: UTF-32, padded with zeros to equal width.
    fn strings(&mut self, name: &str, texts: &[&str], shape: &[usize]) -> Result<()> {
        let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
        let mut data = Vec::with_capacity(texts.len() * width * 4);
        for text in texts {
            let padding = std::iter::repeat_n('\0', width - text.chars().count());
            text.chars().chain(padding).for_each(|c| data.extend((c as u32).to_le_bytes()));
        }
        self.start(name, &format!("<U{width}"), shape, 4 * width)?;
        self.zip.write_all(&data)
    }

    fn floats(&mut self, matrix: &Matrix) -> Result<()> {
        self.zip.write_all(&encode(matrix.as_slice(), Precision::F32))
    }

    /// Starts an array whose elements have `size` bytes each. Its data has to be written next.
    fn start(&mut self, name: &str, dtype: &str, shape: &[usize], size: usize) -> Result<()> {
        let bytes = size * shape.iter().product::<usize>();
        // A fixed date, so that equal captures give identical files.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .large_file(bytes > ZIP32);
        self.zip.start_file(format!("{name}.npy"), options)?;
        self.zip.write_all(&header(dtype, shape))
    }
}

/// Returns the header of an .npy file, version 1.0, padded to a multiple of 64 bytes as the format requires.
fn header(dtype: &str, shape: &[usize]) -> Vec<u8> {
    let dims: String = shape.iter().map(|dim| format!("{dim}, ")).collect();
    let text = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({}), }}", dims.trim_end());
    const FIXED: usize = 10;
    let length = (FIXED + text.len() + 1).next_multiple_of(64) - FIXED;
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((length as u16).to_le_bytes());
    out.extend(text.as_bytes());
    out.resize(FIXED + length - 1, b' ');
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_aligned_and_shapes_are_tuples() {
        let text = |shape: &[usize]| String::from_utf8_lossy(&header("<f4", shape)).into_owned();
        assert_eq!(header("<f4", &[6, 13, 12]).len() % 64, 0);
        assert!(text(&[6, 13]).contains("'shape': (6, 13,), "));
        assert!(text(&[7]).contains("'shape': (7,), "));
        assert!(text(&[]).contains("'shape': (), "));
    }
}
