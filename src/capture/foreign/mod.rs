//! Attention maps in the forms of other programs: one file for each, and [`recognise`], which tells them
//! apart by their contents.

mod array;
pub mod arrays;
mod fairseq;
mod inseq;
mod json;
mod layout;
mod marian;
mod nematus;
mod nested;
mod npy;
mod npz;
mod opennmt;
mod soft;
mod table;
mod torch;

use std::path::Path;

use arrays::ArrayFile;
use marian::SEPARATOR;
use soft::{Lines, SoftAlignment, read_numbered, skip_empty};

use super::tensors::Parsed;
use super::{Capture, ReadOptions};
use crate::checkpoint::torch::{is_old_format, is_pickle};

/// The form of a file.
pub enum Form {
    /// safetensors: the capture file, or maps by other names.
    Capture,
    /// Arrays, with the function that reads them.
    Arrays(fn(&[u8]) -> Parsed<ArrayFile<'_>>),
    /// Texts with maps, with the function that reads one of them by number.
    Sentences(fn(&[u8], usize, &ReadOptions) -> Parsed<Capture>),
    /// A known format that is not opened.
    Other {
        /// Kind of the file, with an article.
        found: &'static str,
        /// The way forward.
        hint: &'static str,
    },
    /// Any other file.
    Unknown,
}

/// Formats that are known by their first bytes, with what opens instead.
const OTHER: [(&[u8], &str, &str); 8] = [
    (b"\x89HDF\r\n", "an HDF5 file, as Keras and TensorFlow store weights", HDF5),
    (b"PAR1", "a Parquet file", SAVE_NPZ),
    (b"ARROW1", "an Arrow file", SAVE_NPZ),
    (b"\x1f\x8b", "a gzip archive", "unpack it first (gunzip)"),
    (b"BZh", "a bzip2 archive", "unpack it first (bunzip2)"),
    (b"\xfd7zXZ", "an xz archive", "unpack it first (unxz)"),
    (b"GGUF", "a GGUF model", ORIGINAL),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "`git lfs pull` fetches it"),
];

/// Formats that are known by the endings of their names.
const OTHER_NAMES: [(&str, &str); 3] =
    [("onnx", "an ONNX model"), ("keras", "a Keras model"), ("tflite", "a TensorFlow Lite model")];

const ORIGINAL: &str = "give the folder or hub id of the model with safetensors weights";

const HDF5: &str = "for a model, give its folder with safetensors weights; save maps with \
                    numpy.savez(\"maps.npz\", cross_attentions=...)";

const SAVE_NPZ: &str = "save the maps with numpy.savez(\"maps.npz\", cross_attentions=...)";

/// Part of a text file that is looked at.
const HEAD: usize = 1 << 16;

/// Tells the form of a file by its contents; the name decides only for files that are broken.
pub fn recognise(path: &Path, bytes: &[u8]) -> Form {
    if let Some((_, found, hint)) = OTHER.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return Form::Other { found, hint };
    }
    let named = |end: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(end));
    if let Some((_, found)) = OTHER_NAMES.iter().find(|(end, _)| named(end)) {
        return Form::Other { found, hint: ORIGINAL };
    }
    if bytes.starts_with(npy::MAGIC) {
        Form::Arrays(npy::read)
    } else if bytes.starts_with(npz::MAGIC) {
        match (npz::is_torch(bytes), npz::is_npz(bytes) || named("npz")) {
            (true, _) => Form::Arrays(torch::read),
            (false, true) => Form::Arrays(npz::read),
            (false, false) if named("pt") || named("pth") || named("bin") => Form::Arrays(torch::read),
            (false, false) => Form::Unknown,
        }
    } else if is_old_format(bytes) || is_pickle(bytes) {
        Form::Arrays(torch::read)
    } else if is_safetensors(bytes) || named("safetensors") {
        Form::Capture
    } else if named("npz") {
        Form::Arrays(npz::read)
    } else {
        recognise_text(bytes, named("csv") || named("tsv"))
    }
}

/// Returns true if a file starts with the length of a JSON header and the header.
fn is_safetensors(bytes: &[u8]) -> bool {
    let length = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length));
    length.is_some_and(|length| length < bytes.len() as u64) && bytes.get(8) == Some(&b'{')
}

/// Tells the forms of text files apart. `named_table` says that the name is that of a table.
fn recognise_text(bytes: &[u8], named_table: bool) -> Form {
    let part = bytes.get(..bytes.len().min(HEAD)).unwrap_or_default();
    if part.contains(&0) {
        return Form::Unknown;
    }
    let text = String::from_utf8_lossy(part);
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let Some(first) = lines.next() else { return Form::Unknown };
    let all = || std::iter::once(first).chain(lines.clone());
    if first.trim_start().starts_with(['{', '[']) && looks_like_maps(text) {
        Form::Sentences(json::read)
    } else if first.contains(SEPARATOR) {
        Form::Sentences(|bytes, sentence, _| read_numbered(bytes, sentence, next_alignment))
    } else if fairseq::is_line(first) {
        Form::Sentences(|bytes, sentence, _| fairseq::read(bytes, sentence))
    } else if all().take(64).any(opennmt::is_line) {
        Form::Sentences(|bytes, sentence, _| read_numbered(bytes, sentence, opennmt::next))
    } else if is_hard_alignment(first) {
        Form::Other {
            found: "a list of hard alignments, pairs of positions without weights",
            hint: "soft alignments open, such as those of marian-decoder --alignment soft",
        }
    } else if named_table || table::is_table(text, bytes.len() <= HEAD) {
        Form::Arrays(table::read)
    } else {
        Form::Unknown
    }
}

/// Returns true if JSON may hold maps: nested lists of numbers, at least two deep.
fn looks_like_maps(text: &str) -> bool {
    let mut last = ' ';
    text.contains("\"format\": \"attn-tui") || text.contains("\"format\":\"attn-tui") || {
        text.chars().filter(|next| !next.is_whitespace()).any(|next| {
            let nested = last == '[' && next == '[';
            last = next;
            nested
        })
    }
}

/// Returns true for `0-0 1-2 2-1`.
fn is_hard_alignment(line: &str) -> bool {
    let is_pair = |pair: &str| {
        pair.split_once('-').is_some_and(|(source, target)| {
            source.parse::<usize>().is_ok() && target.parse::<usize>().is_ok()
        })
    };
    line.split_whitespace().next().is_some() && line.split_whitespace().all(is_pair)
}

/// Reads the next alignment of Marian, Nematus or Sockeye.
fn next_alignment(lines: &mut Lines<'_>) -> Parsed<Option<SoftAlignment>> {
    let Some((number, line)) = skip_empty(lines) else { return Ok(None) };
    let at = |why: String| format!("line {number}: {why}");
    lines.next();
    let found = match nematus::read(line, lines) {
        Some(found) => found?,
        None => marian::parse(line).map_err(at)?,
    };
    soft::check(&found.rows).map_err(at)?;
    Ok(Some(found))
}
