//! `attn-tui show`: prints one map as text.

use std::ops::Range;

use clap::{Args, ValueEnum};

use super::context::Context;
use super::options::{
    ColorChoice, HeadArgs, InputArgs, MergeChoice, PlaceArgs, ShadingArgs, WeightsArgs, whole,
};
use super::{input, output};
use crate::analysis::merge;
use crate::capture::Capture;
use crate::error::Result;
use crate::export::ansi::Colors;
use crate::export::labels::{Labels, keys_title, kind_title, model_title, queries_title};
use crate::export::text::{self, CellStyle, TextStyle};
use crate::matrix::Matrix;
use crate::paint::Ramp;
use crate::site::Kind;
use crate::terminal::Terminal;

/// Options of `show`.
#[derive(Args)]
pub struct ShowArgs {
    #[command(flatten)]
    pub heads: HeadArgs,
    #[command(flatten)]
    weights: WeightsArgs,
    #[command(flatten)]
    places: PlaceArgs,
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
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Appearance")]
    width: Option<usize>,
    #[command(flatten)]
    pub input: InputArgs,
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
/// Those of the engine; [`crate::error::Error::NoSuchHead`]; [`crate::error::Error::NoSuchPlace`].
pub fn run(args: &ShowArgs, context: &Context) -> Result<()> {
    let capture = input::weighted_capture(&args.input, args.weights, context)?;
    let (what, kind, map) = match args.merge {
        None => {
            let head = args.heads.selection().one_head(&capture)?;
            (head.to_string(), head.kind(), capture.map(head)?)
        }
        Some(how) => merged(&capture, args, how)?,
    };
    let (size, map, labels) = selected(&capture, args, kind, map)?;
    let title = format!(
        "{what} · {} · {size}\n{} · {}",
        model_title(&capture),
        queries_title(&capture, kind),
        keys_title(&capture, kind)
    );
    output::print_styled(&text::render_map(&title, &map, &labels, &args.picture(&context.terminal)))
}

/// Returns the selected rows and columns of a map, with their labels, and the size of the map for the title.
fn selected(capture: &Capture, args: &ShowArgs, kind: Kind, map: Matrix) -> Result<(String, Matrix, Labels)> {
    let (places, labels) = (args.places.selection(), Labels::of(capture, kind));
    if places.is_empty() {
        return Ok((format!("{} × {}", map.rows(), map.cols()), map, labels));
    }
    let positions = |chosen: Option<Vec<Range<usize>>>, count: usize| -> Vec<usize> {
        let is_chosen =
            |at: &usize| chosen.as_ref().is_none_or(|all| all.iter().any(|place| place.contains(at)));
        (0..count).filter(is_chosen).collect()
    };
    let rows = positions(places.queries(capture, kind), map.rows());
    let cols = positions(places.keys(capture, kind), map.cols());
    if rows.is_empty() || cols.is_empty() {
        return Err(places.no_match(!rows.is_empty(), &[kind]));
    }
    let size = format!("{} of {} × {} of {}", rows.len(), map.rows(), cols.len(), map.cols());
    let weight = |row: usize, col: usize| map.get(rows[row], cols[col]).unwrap_or(0.0);
    let part = Matrix::from_fn(rows.len(), cols.len(), weight);
    let label = |all: &[String], at: &[usize]| at.iter().map(|&at| all[at].clone()).collect();
    let labels = Labels { queries: label(&labels.queries, &rows), keys: label(&labels.keys, &cols) };
    Ok((size, part, labels))
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

/// Merges the selected heads into one map. Returns the first words of its title, its kind and the map.
fn merged(capture: &Capture, args: &ShowArgs, how: MergeChoice) -> Result<(String, Kind, Matrix)> {
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
    Ok((format!("{}, {what} over {} heads{layer}", kind_title(kind), heads.len()), kind, map))
}
