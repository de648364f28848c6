//! `attn-tui capture`: every map of one run, in a file.

use super::args::{self, Dtype};
use super::{output, run, timings};
use crate::capture::{Layout, Precision, write};
use crate::error::{Error, Result};
use crate::files::{check_free, save_with};
use crate::site::Kind;

/// Runs the command.
pub fn run(args: &args::Capture) -> Result<()> {
    check_free(&args.output, args.force)?;
    if args.output.extension().is_none_or(|ext| ext != "safetensors") {
        return Err(Error::Usage(format!(
            "--output {}: a capture is a .safetensors file; `export` writes others",
            args.output.display()
        )));
    }
    let keep = run::Keep { logits: args.logits, values: args.values, ..run::Keep::default() };
    let capture = run::open_capture(&args.model, &args.open, &args.text, keep)?;
    let precision = match args.dtype {
        Dtype::F32 => Precision::F32,
        Dtype::F16 => Precision::F16,
    };
    timings::writing(|| {
        save_with(&args.output, args.force, |out| write(&capture, precision, Layout::Large, out))
    })?;
    let heads = |kind| capture.heads_of(kind).len();
    output::print(&format!(
        "{}\n{}: {} source and {} target tokens; heads: {} encoder, {} decoder, {} cross{}\n",
        capture.target.text,
        args.output.display(),
        capture.source.len(),
        capture.target.len(),
        heads(Kind::Encoder),
        heads(Kind::Decoder),
        heads(Kind::Cross),
        if capture.int8_target { "; text by 8-bit weights" } else { "" },
    ))
}
