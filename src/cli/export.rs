//! `attn-tui export`: pictures, tables and files of a capture.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::common::{ColorChoice, Input, Shading, Weighting, Which};
use super::run::Keep;
use super::{output, timings};
use crate::capture::{Layout, MapWeights};
use crate::error::{Error, Result};
use crate::export::ansi::Colors;
use crate::export::figure::{FigureStyle, FigureTheme};
use crate::export::format::{FigureKind, Format, Options, export};
use crate::files::{check_free, save_with};
use crate::paint::Range;

/// Options of `export`.
#[derive(Args)]
pub struct Export {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    heads: Which,
    #[command(flatten)]
    weighting: Weighting,
    /// File to write; its extension tells the format: csv, json, npz, safetensors, png, svg, html, txt.
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: PathBuf,
    /// What a safetensors file holds: the maps, or what they follow from.
    #[arg(long, value_enum, default_value = "plain", help_heading = "Output")]
    layout: LayoutArg,
    /// Overwrite an existing file.
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// What a picture shows [default: map with --layer or --head, text with --query, otherwise grid].
    #[arg(long, value_enum, help_heading = "Look")]
    view: Option<ViewArg>,
    /// Shade the text by what this query looks at, from 0.
    #[arg(long, value_name = "N", help_heading = "Look")]
    query: Option<usize>,
    /// Ink and paper.
    #[arg(long, value_enum, default_value = "light", help_heading = "Look")]
    theme: ThemeArg,
    #[command(flatten)]
    shading: Shading,
    /// Write the weights into the cells of a map.
    #[arg(long, help_heading = "Look")]
    values: bool,
    /// Pixels of a PNG to a unit of length (1/96 inch): 3 prints well, 1 is for screens.
    #[arg(long, value_name = "N", default_value_t = 2.0, value_parser = scale, help_heading = "Look")]
    scale: f32,
    /// A TrueType or OpenType font for characters that the built-in font lacks (Chinese, Japanese, Korean),
    /// for PNG.
    #[arg(long, value_name = "FILE", help_heading = "Look")]
    font: Option<PathBuf>,
    /// Colours in a txt file.
    #[arg(long, value_enum, default_value = "never", help_heading = "Look")]
    color: ColorChoice,
}

/// `--layout`.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum LayoutArg {
    /// Every map.
    Plain,
    /// Queries, keys and position bias of every site that has no more to it.
    Compact,
}

/// `--view`.
#[derive(Clone, Copy, ValueEnum)]
enum ViewArg {
    /// One head's map.
    Map,
    /// All heads of a kind.
    Grid,
    /// Running text, each token shaded by its weight.
    Text,
}

/// `--theme`.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum ThemeArg {
    /// Dark on white.
    Light,
    /// Light on near-black.
    Dark,
}

/// Runs the command.
pub fn run(args: &Export) -> Result<()> {
    let format = Format::of(&args.output)?;
    check_free(&args.output, args.force)?;
    let compact = args.layout == LayoutArg::Compact;
    if compact && (format != Format::Safetensors || args.weighting.weights == MapWeights::Values) {
        return Err(Error::Usage("--layout compact is for attention in a .safetensors file".into()));
    }
    let keep = Keep { compact, ..args.weighting.keep() };
    let capture = args.weighting.of(args.input.keeping(keep)?)?;
    let exported = export(&capture, format, &args.options())?;
    timings::writing(|| save_with(&args.output, args.force, |out| exported.write(out)))?;
    if !exported.missing.is_empty() {
        let characters: String = exported.missing.iter().take(20).collect();
        output::note(&format!(
            "the fonts have no {characters}: boxes stand for them; --font FILE gives a font that has, and SVG and HTML use the fonts of whoever looks at them"
        ));
    }
    Ok(())
}

impl Export {
    fn options(&self) -> Options {
        Options {
            selection: self.heads.selection(),
            layout: match self.layout {
                LayoutArg::Plain => Layout::Plain,
                LayoutArg::Compact => Layout::Compact,
            },
            figure: match self.view {
                None => FigureKind::Auto,
                Some(ViewArg::Map) => FigureKind::Map,
                Some(ViewArg::Grid) => FigureKind::Grid,
                Some(ViewArg::Text) => FigureKind::Passage,
            },
            query: self.query,
            style: FigureStyle {
                theme: if self.theme == ThemeArg::Dark { FigureTheme::Dark } else { FigureTheme::Light },
                colormap: self.shading.colormap,
                scale: self.shading.scale(Range::Map),
                values: self.values,
            },
            pixels: self.scale,
            font: self.font.clone(),
            colors: match self.color {
                // A file is no terminal.
                ColorChoice::Auto => Colors::None,
                choice => choice.colors(),
            },
        }
    }
}

fn scale(text: &str) -> std::result::Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.25..=16.0).contains(&value) => Ok(value),
        _ => Err("a number from 0.25 to 16 is needed".into()),
    }
}
