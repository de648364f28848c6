//! `attn-tui capture`: writes every map of one run to a file.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::context::Context;
use super::options::{InputArgs, RunExtras, kinds};
use super::{input, output};
use crate::capture::{Precision, SiteLayout, write, write_with_picture};
use crate::error::{Error, Result};
use crate::files::check_free;
use crate::site::Kind;

/// Options of `capture`.
#[derive(Args)]
pub struct CaptureArgs {
    /// Kind of attention of the maps, if MODEL is a capture file that does not say it.
    #[arg(long, value_parser = kinds())]
    pub kind: Option<Kind>,
    /// File to write, in safetensors format.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Store the logits over the vocabulary, too.
    #[arg(long)]
    logits: bool,
    /// Store the data for value-weighted maps and ALTI, too.
    #[arg(long)]
    values: bool,
    /// Store a copy of the picture, too, so that the file shows its maps over it. Whoever gets the file sees the
    /// picture.
    #[arg(long)]
    keep_picture: bool,
    /// Number type of the stored maps.
    #[arg(long, value_enum, default_value = "f32")]
    dtype: DtypeChoice,
    /// Overwrite an existing file.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub input: InputArgs,
}

/// `--dtype`.
#[derive(Clone, Copy, ValueEnum)]
enum DtypeChoice {
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point.
    F16,
}

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`Error::Usage`], [`Error::Exists`], [`Error::Io`] for the file.
pub fn run(args: &CaptureArgs, context: &Context) -> Result<()> {
    if args.kind.is_some() && !Path::new(&args.input.model).is_file() {
        return Err(Error::Usage(format!(
            "--kind names the kind of a capture file's maps, and {} is no such file: a model records every kind",
            args.input.model
        )));
    }
    check_free(&args.output, args.force)?;
    if args.output.extension().is_none_or(|ext| ext != "safetensors") {
        return Err(Error::Usage(format!(
            "--output {}: the file name must end in .safetensors; `attn-tui export` writes other formats",
            args.output.display()
        )));
    }
    let extras = RunExtras { logits: args.logits, values: args.values, ..RunExtras::default() };
    let capture = input::capture(&args.input, extras, context)?;
    let precision = match args.dtype {
        DtypeChoice::F32 => Precision::F32,
        DtypeChoice::F16 => Precision::F16,
    };
    if args.keep_picture && capture.picture.is_none() {
        return Err(Error::Usage("--keep-picture: there is no picture to keep".into()));
    }
    let write = if args.keep_picture { write_with_picture } else { write };
    context.timings.writing(|| {
        output::save(&args.output, args.force, |out| write(&capture, precision, SiteLayout::Large, out))
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
        if capture.int8_target { "; text generated with 8-bit weights" } else { "" },
    ))
}
