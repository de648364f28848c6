//! npz: NumPy's zip of arrays.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::select::Selection;
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::site::Site;
use crate::token::Token;

/// The chosen heads as npz: `{kind}.{layer}` float32 `[heads, queries, keys]` as in the capture file, `source_ids`,
/// `target_ids`, `decoder_input_ids`, `special_ids` int64, and `source_tokens`, `target_tokens`, `decoder_input_tokens`,
/// `source`, `target`, `model`, `model_type` as NumPy strings. `numpy.load` reads it without pickle,
/// and it opens as a capture again.
///
/// # Errors
/// [`Error::NoSuchHead`] when nothing is chosen.
pub fn render(capture: &Capture, selection: &Selection) -> Result<Vec<u8>> {
    let heads = selection.heads(capture)?;
    let mut archive = Archive { zip: ZipWriter::new(Cursor::new(Vec::new())) };
    for site in heads.chunk_by(|a, b| a.site == b.site) {
        let Some(first) = site.first() else { continue };
        let (queries, keys) = capture.shape(first.kind());
        let mut data = Vec::with_capacity(site.len() * queries * keys * 4);
        for &head in site {
            capture.map(head)?.as_slice().iter().for_each(|weight| data.extend(weight.to_le_bytes()));
        }
        archive.add(&name(first.site), "<f4", &[site.len(), queries, keys], &data)?;
    }
    // They belong to whole sites.
    let whole = |site: &Site| selection.head.is_none() && selection.holds(site.head(0));
    for (site, flow) in capture.flows.iter().filter(|(site, _)| whole(site)) {
        for (what, matrix) in [("values", &flow.norms), ("contributions", &flow.contributions)] {
            let data: Vec<u8> = matrix.as_slice().iter().flat_map(|value| value.to_le_bytes()).collect();
            archive.add(&format!("{what}.{site}"), "<f4", &[matrix.rows(), matrix.cols()], &data)?;
        }
    }
    let sequences = [
        ("source", &capture.source.tokens),
        ("target", &capture.target.tokens),
        ("decoder_input", &capture.decoder_input),
    ];
    for (what, tokens) in &sequences {
        archive.ids(&format!("{what}_ids"), tokens)?;
        let pieces: Vec<_> = tokens.iter().map(|token| token.piece.as_str()).collect();
        archive.strings(&format!("{what}_tokens"), &pieces, &[pieces.len()])?;
    }
    let tokens = || sequences.iter().flat_map(|(_, tokens)| tokens.iter());
    let mut special: Vec<_> = tokens().filter(|token| token.special).cloned().collect();
    special.sort_unstable_by_key(|token| token.id);
    special.dedup_by_key(|token| token.id);
    archive.ids("special_ids", &special)?;
    for (what, text) in [
        ("source", &capture.source.text),
        ("target", &capture.target.text),
        ("model", &capture.model),
        ("model_type", &capture.model_type),
        ("weights", &capture.weights.name().to_string()),
    ] {
        archive.strings(what, &[text], &[])?;
    }
    if capture.quick_target {
        archive.strings("target_generated_with", &["8-bit weights"], &[])?;
    }
    archive.finish()
}

fn name(site: Site) -> String {
    site.to_string()
}

struct Archive {
    zip: ZipWriter<Cursor<Vec<u8>>>,
}

impl Archive {
    fn ids(&mut self, name: &str, tokens: &[Token]) -> Result<()> {
        let data: Vec<u8> = tokens.iter().flat_map(|token| i64::from(token.id).to_le_bytes()).collect();
        self.add(name, "<i8", &[tokens.len()], &data)
    }

    /// Strings of equal width in UTF-32, zero-padded, as NumPy keeps them.
    fn strings(&mut self, name: &str, texts: &[&str], shape: &[usize]) -> Result<()> {
        let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
        let mut data = Vec::with_capacity(texts.len() * width * 4);
        for text in texts {
            let padding = std::iter::repeat_n('\0', width - text.chars().count());
            text.chars().chain(padding).for_each(|c| data.extend((c as u32).to_le_bytes()));
        }
        self.add(name, &format!("<U{width}"), shape, &data)
    }

    fn add(&mut self, name: &str, dtype: &str, shape: &[usize], data: &[u8]) -> Result<()> {
        // A fixed date: equal captures give equal files.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .large_file(data.len() > u32::MAX as usize);
        let mut write = || -> std::result::Result<(), zip::result::ZipError> {
            self.zip.start_file(format!("{name}.npy"), options)?;
            self.zip.write_all(&header(dtype, shape))?;
            Ok(self.zip.write_all(data)?)
        };
        write().map_err(bad)
    }

    fn finish(self) -> Result<Vec<u8>> {
        Ok(self.zip.finish().map_err(bad)?.into_inner())
    }
}

fn bad(error: zip::result::ZipError) -> Error {
    Error::BadFile { file: "npz".into(), why: error.to_string() }
}

/// The head of an .npy file, version 1.0: its length is a multiple of 64, as the format asks.
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
