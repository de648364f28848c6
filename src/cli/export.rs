//! `attn-tui export`: writes pictures, tables and data files of a capture.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::context::Context;
use super::options::{ColorChoice, HeadArgs, InputArgs, RunExtras, ShadingArgs, WeightsArgs, whole};
use super::{input, output};
use crate::capture::{MapWeights, SiteLayout};
use crate::error::{Error, Result};
use crate::export::ansi::Colors;
use crate::export::figure::{FigureStyle, FigureTheme};
use crate::export::format::{Format, export};
use crate::export::options::{FigureKind, Options};
use crate::files::check_free;
use crate::terminal::Terminal;

/// Options of `export`.
#[derive(Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub heads: HeadArgs,
    #[command(flatten)]
    weights: WeightsArgs,
    #[arg(short, long, value_name = "FILE", help_heading = "Output", help = output_help())]
    output: PathBuf,
    /// Contents of a safetensors file.
    #[arg(long, value_enum, default_value = "plain", help_heading = "Output")]
    layout: LayoutChoice,
    /// Overwrite an existing file.
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Content of a picture [default: map with --layer or --head, text with --query, otherwise grid].
    #[arg(long, value_enum, help_heading = "Appearance")]
    view: Option<ViewChoice>,
    /// Shade the text by the weights of this query, counted from 0.
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Appearance")]
    query: Option<usize>,
    /// Colours of text and background.
    #[arg(long, value_enum, default_value = "light", help_heading = "Appearance")]
    theme: ThemeChoice,
    #[command(flatten)]
    shading: ShadingArgs,
    /// Print the weights in the cells of a map.
    #[arg(long, help_heading = "Appearance")]
    values: bool,
    /// Scale of a PNG in pixels per unit (1/96 inch): 1 suits screens, 3 print.
    #[arg(long, value_name = "N", default_value_t = 2.0, value_parser = scale, help_heading = "Appearance")]
    scale: f32,
    /// TrueType or OpenType font for characters that the built-in font lacks (such as Chinese, Japanese and
    /// Korean), for PNG [default: fonts of the machine that have them].
    #[arg(long, value_name = "FILE", help_heading = "Appearance")]
    font: Option<PathBuf>,
    /// Use of colours in a txt file.
    #[arg(long, value_enum, default_value = "never", help_heading = "Appearance")]
    color: ColorChoice,
    #[command(flatten)]
    pub input: InputArgs,
}

/// `--layout`.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum LayoutChoice {
    /// All maps.
    Plain,
    /// Queries, keys and position bias, from which the maps are recomputed; a site with other terms keeps its
    /// maps.
    Compact,
}

/// `--view`.
#[derive(Clone, Copy, ValueEnum)]
enum ViewChoice {
    /// One head's map.
    Map,
    /// All heads of a kind.
    Grid,
    /// Running text, each token shaded by its weight.
    Text,
    /// One head's queries and keys, joined by lines as strong as their weights.
    Lines,
}

/// `--theme`.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum ThemeChoice {
    /// Dark on white.
    Light,
    /// Light on near-black.
    Dark,
}

/// Runs the command.
///
/// # Errors
/// Those of the engine and of the exporter; [`Error::Usage`], [`Error::Exists`], [`Error::Io`] for the file.
pub fn run(args: &ExportArgs, context: &Context) -> Result<()> {
    let format = Format::of(&args.output)?;
    check_free(&args.output, args.force)?;
    let compact = args.layout == LayoutChoice::Compact;
    if compact && (format != Format::Safetensors || args.weights.weights == MapWeights::Values) {
        return Err(Error::Usage(
            "--layout compact requires --weights attention and a .safetensors file".into(),
        ));
    }
    if args.view.is_some() && !matches!(format, Format::Svg | Format::Png) {
        return Err(Error::Usage(format!(
            "--view chooses the content of a picture, and a .{} file holds maps: write an svg or png file",
            format.extension()
        )));
    }
    if args.query.is_some()
        && matches!(args.view, Some(ViewChoice::Map | ViewChoice::Grid | ViewChoice::Lines))
    {
        return Err(Error::Usage(
            "--query chooses a row of --view text; the other views show all rows".into(),
        ));
    }
    let extras = RunExtras { scores: compact, ..args.weights.extras() };
    let capture = input::weighted(input::capture(&args.input, extras, context)?, args.weights)?;
    let exported = export(&capture, format, &args.options(&context.terminal))?;
    context.timings.writing(|| output::save(&args.output, args.force, |out| exported.write(out)))?;
    if !exported.missing.is_empty() {
        let characters: String = exported.missing.iter().take(20).collect();
        output::note(&format!(
            "no font has {characters}; they are drawn as boxes. Give a font with --font FILE, or export to SVG or HTML, which use the fonts of the reader's machine"
        ));
    }
    Ok(())
}

impl ExportArgs {
    fn options(&self, terminal: &Terminal) -> Options {
        Options {
            selection: self.heads.selection(),
            layout: match self.layout {
                LayoutChoice::Plain => SiteLayout::Plain,
                LayoutChoice::Compact => SiteLayout::Compact,
            },
            figure: match self.view {
                None => FigureKind::Auto,
                Some(ViewChoice::Map) => FigureKind::Map,
                Some(ViewChoice::Grid) => FigureKind::Grid,
                Some(ViewChoice::Text) => FigureKind::Passage,
                Some(ViewChoice::Lines) => FigureKind::Lines,
            },
            query: self.query,
            style: FigureStyle {
                theme: if self.theme == ThemeChoice::Dark { FigureTheme::Dark } else { FigureTheme::Light },
                colormap: self.shading.colormap,
                scale: self.shading.scale(),
                values: self.values,
            },
            pixels: self.scale,
            font: self.font.clone(),
            colors: match self.color {
                // The file is not the terminal.
                ColorChoice::Auto => Colors::None,
                choice => choice.colors(terminal),
            },
        }
    }
}

/// Help of `--output`, with the extensions of all formats.
fn output_help() -> String {
    format!("File to write. Its extension selects the format: {}", Format::extensions())
}

fn scale(text: &str) -> std::result::Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.25..=16.0).contains(&value) => Ok(value),
        _ => Err("must be a number from 0.25 to 16".into()),
    }
}
