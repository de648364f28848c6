//! `attn-tui show`: one map as text.

use clap::{Args, ValueEnum};

use super::common::{ColorChoice, Input, Shading, Weighting, Which};
use super::output;
use crate::analysis::merge;
use crate::capture::Capture;
use crate::error::Result;
use crate::export::ansi::Colors;
use crate::export::labels::{Labels, keys_title, kind_title, model_title, queries_title};
use crate::export::text::{self, CellStyle, TextStyle};
use crate::paint::{Ramp, Range};

/// Options of `show`.
#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    heads: Which,
    #[command(flatten)]
    weighting: Weighting,
    /// Show several heads as one map: all of --kind, or those of --layer.
    #[arg(long, value_enum, conflicts_with = "head", help_heading = "Heads")]
    merge: Option<MergeArg>,
    /// What stands in a cell [default: colours on a terminal, numbers elsewhere].
    #[arg(long, value_enum, help_heading = "Look")]
    cells: Option<CellsArg>,
    #[command(flatten)]
    shading: Shading,
    /// When to use colours.
    #[arg(long, value_enum, default_value = "auto", help_heading = "Look")]
    color: ColorChoice,
    /// Columns to fit the map into [default: the terminal's].
    #[arg(long, value_name = "N", help_heading = "Look")]
    width: Option<usize>,
}

/// `--cells`.
#[derive(Clone, Copy, ValueEnum)]
enum CellsArg {
    /// Weights in three decimals.
    Numbers,
    /// Shades of block characters.
    Glyphs,
    /// Shades of ASCII characters.
    Ascii,
    /// Coloured cells.
    Colors,
}

/// `--merge`.
#[derive(Clone, Copy, ValueEnum)]
pub enum MergeArg {
    /// Cell by cell mean.
    Mean,
    /// Cell by cell maximum.
    Max,
}

impl MergeArg {
    /// For the analysis.
    pub fn how(self) -> merge::Merge {
        match self {
            Self::Mean => merge::Merge::Mean,
            Self::Max => merge::Merge::Max,
        }
    }
}

/// Runs the command.
pub fn run(args: &Show) -> Result<()> {
    let capture = args.weighting.capture(&args.input)?;
    let picture = args.picture();
    output::print(&match args.merge {
        None => text::render(&capture, args.heads.selection().one_head(&capture)?, &picture)?,
        Some(how) => merged(&capture, args, how, &picture)?,
    })
}

impl Show {
    fn picture(&self) -> TextStyle {
        let colors = self.color.colors();
        let cells = match self.cells {
            Some(CellsArg::Numbers) => CellStyle::Numbers,
            Some(CellsArg::Glyphs) => CellStyle::Glyphs(Ramp::Blocks),
            Some(CellsArg::Ascii) => CellStyle::Glyphs(Ramp::Ascii),
            Some(CellsArg::Colors) if colors == Colors::None => CellStyle::Colors(Colors::Ansi256),
            Some(CellsArg::Colors) => CellStyle::Colors(colors),
            None if colors == Colors::None => CellStyle::Numbers,
            None => CellStyle::Colors(colors),
        };
        TextStyle {
            cells,
            colormap: self.shading.colormap,
            scale: self.shading.scale(Range::Row),
            width: self.width.or_else(output::width),
        }
    }
}

fn merged(capture: &Capture, args: &Show, how: MergeArg, picture: &TextStyle) -> Result<String> {
    let mut selection = args.heads.selection();
    let kind = selection.one_kind(capture)?;
    selection.kind = Some(kind);
    let heads = selection.heads(capture)?;
    let maps: Vec<_> = heads.iter().map(|&head| capture.map(head)).collect::<Result<_>>()?;
    let map = merge::merge(&maps, how.how())?;
    let what = match how {
        MergeArg::Mean => "mean",
        MergeArg::Max => "maximum",
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
