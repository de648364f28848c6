//! `attn-tui show`: prints one map as text.

use clap::{Args, ValueEnum};

use super::context::Context;
use super::options::{ColorChoice, HeadArgs, InputArgs, MergeChoice, ShadingArgs, WeightsArgs};
use super::{input, output};
use crate::analysis::merge;
use crate::capture::Capture;
use crate::error::Result;
use crate::export::ansi::Colors;
use crate::export::labels::{Labels, keys_title, kind_title, model_title, queries_title};
use crate::export::text::{self, CellStyle, TextStyle};
use crate::paint::Ramp;
use crate::terminal::Terminal;

/// Options of `show`.
#[derive(Args)]
pub struct ShowArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub heads: HeadArgs,
    #[command(flatten)]
    weights: WeightsArgs,
    /// Merge the selected heads into one map.
    #[arg(long, value_enum, conflicts_with = "head", help_heading = "Heads")]
    merge: Option<MergeChoice>,
    /// Contents of the cells [default: colours on a terminal, numbers elsewhere].
    #[arg(long, value_enum, help_heading = "Appearance")]
    cells: Option<CellsChoice>,
    #[command(flatten)]
    shading: ShadingArgs,
    /// Use of colours.
    #[arg(long, value_enum, default_value = "auto", help_heading = "Appearance")]
    color: ColorChoice,
    /// Width of the output in columns [default: the terminal's width].
    #[arg(long, value_name = "N", help_heading = "Appearance")]
    width: Option<usize>,
}

/// `--cells`.
#[derive(Clone, Copy, ValueEnum)]
enum CellsChoice {
    /// Weights with three decimals.
    Numbers,
    /// Shades of block characters.
    Glyphs,
    /// Shades of ASCII characters.
    Ascii,
    /// Coloured cells.
    Colors,
}

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`crate::error::Error::NoSuchHead`].
pub fn run(args: &ShowArgs, context: &Context) -> Result<()> {
    let capture = input::weighted_capture(&args.input, args.weights, context)?;
    let picture = args.picture(&context.terminal);
    output::print_styled(&match args.merge {
        None => text::render(&capture, args.heads.selection().one_head(&capture)?, &picture)?,
        Some(how) => merged(&capture, args, how, &picture)?,
    })
}

impl ShowArgs {
    fn picture(&self, terminal: &Terminal) -> TextStyle {
        let colors = self.color.colors(terminal);
        let cells = match self.cells {
            Some(CellsChoice::Numbers) => CellStyle::Numbers,
            Some(CellsChoice::Glyphs) => CellStyle::Glyphs(Ramp::Blocks),
            Some(CellsChoice::Ascii) => CellStyle::Glyphs(Ramp::Ascii),
            Some(CellsChoice::Colors) if colors == Colors::None => CellStyle::Colors(Colors::Ansi256),
            Some(CellsChoice::Colors) => CellStyle::Colors(colors),
            None if colors == Colors::None => CellStyle::Numbers,
            None => CellStyle::Colors(colors),
        };
        TextStyle {
            cells,
            colormap: self.shading.colormap,
            scale: self.shading.scale(),
            width: self.width.or(terminal.width),
        }
    }
}

fn merged(capture: &Capture, args: &ShowArgs, how: MergeChoice, picture: &TextStyle) -> Result<String> {
    let mut selection = args.heads.selection();
    let kind = selection.one_kind(capture)?;
    selection.kind = Some(kind);
    let heads = selection.heads(capture)?;
    let maps: Vec<_> = heads.iter().map(|&head| capture.map(head)).collect::<Result<_>>()?;
    let map = merge::merge(&maps, how.method())?;
    let what = match how {
        MergeChoice::Mean => "mean",
        MergeChoice::Max => "maximum",
    };
    let layer = selection.layer.map_or_else(String::new, |layer| format!(" of layer {layer}"));
    let title = format!(
        "{}, {what} over {} heads{layer} · {} · {} × {}\n{} · {}",
        kind_title(kind),
        heads.len(),
        model_title(capture),
        map.rows(),
        map.cols(),
        queries_title(kind),
        keys_title(kind)
    );
    Ok(text::render_map(&title, &map, &Labels::of(capture, kind), picture))
}
