//! Command line options that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

mod batch;
mod parsers;
mod picture;
mod recording;

pub use batch::{BatchArgs, needs_source_file};
use parsers::{colormaps, curves, devices, maskings, ranges, weights};
pub use parsers::{count, cross_head, kinds, named, non_negative, rectangle, span, steps, whole, within};
pub use picture::ImageArgs;
pub use recording::AudioArgs;

use super::context::Context;
use super::output;
use crate::analysis::links::LinkFilter;
use crate::analysis::merge::Merge;
use crate::analysis::places::Places;
use crate::capture::MapWeights;
use crate::config::{Overrides, Settings};
use crate::device::Device;
use crate::engine::{Masking, OpenOptions, RunOptions};
use crate::error::Result;
use crate::export::ansi::Colors;
use crate::export::drawing::Drawing;
use crate::export::figure::table::TitledTable;
use crate::export::figure::{FigureStyle, FigureTheme};
use crate::export::format::Format;
use crate::export::select::{HeadSelection, PlaceSelection};
use crate::export::table::Table;
use crate::files::check_free;
use crate::paint::{Colormap, Curve, Range, Scale};
use crate::site::Kind;
use crate::terminal::Terminal;

/// A model and a text, or a capture file.
#[derive(Args)]
pub struct InputArgs {
    /// Hub id (org/name, org/name@revision), folder, capture file or built-in model (`demo`, `demo-ocr`, `demo-rnn`,
    /// `demo-rnn-plain`, `demo-speech`).
    pub model: String,
    #[command(flatten)]
    pub open: ModelArgs,
    #[command(flatten)]
    pub text: TextArgs,
}

impl InputArgs {
    /// The settings that these options override.
    pub fn overrides(&self) -> Overrides {
        self.text.overrides(self.open.overrides())
    }
}

/// Options for opening a model.
#[derive(Args, Clone)]
pub struct ModelArgs {
    /// Branch, tag or commit of the hub repository.
    #[arg(long, value_name = "REVISION", help_heading = "Model")]
    pub revision: Option<String>,
    /// Hub id or folder with a tokenizer, for a model without its own.
    #[arg(long, value_name = "MODEL", help_heading = "Model")]
    pub tokenizer: Option<String>,
    /// Open only what is on this machine.
    #[arg(long, help_heading = "Model")]
    pub offline: bool,
    /// Device to run on; cuda is the first NVIDIA GPU [default: cpu].
    #[arg(long, value_parser = devices(), help_heading = "Model")]
    pub device: Option<Device>,
    /// Number of threads [default: physical cores].
    #[arg(long, value_name = "N", help_heading = "Model", value_parser = count)]
    pub threads: Option<usize>,
    /// Memory for maps, such as 512M; maps beyond it are recomputed [default: 1/4 of the free memory, up to 1G].
    #[arg(long, value_name = "SIZE", help_heading = "Model", value_parser = crate::config::bytes)]
    pub memory: Option<usize>,
    /// Leave out padding at the ends of a capture file's texts.
    #[arg(long, help_heading = "Model")]
    pub trim_padding: bool,
    /// Print the time of each step to standard error, as JSON.
    #[arg(long, help_heading = "Model")]
    pub timings: bool,
    /// Run the recorded pass N times and report the median time.
    #[arg(long, value_name = "N", help_heading = "Model", value_parser = count)]
    pub repeat: Option<usize>,
}

impl ModelArgs {
    /// The settings that these options override.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            device: self.device,
            threads: self.threads,
            memory: self.memory,
            offline: self.offline.then_some(true),
            trim_padding: self.trim_padding,
            ..Overrides::default()
        }
    }

    /// The engine's options for opening `model`.
    pub fn options(&self, model: &str, context: &Context) -> OpenOptions {
        let settings = &context.settings;
        OpenOptions {
            model: model.into(),
            revision: self.revision.clone(),
            hub: context.hub.clone(),
            tokenizer: self.tokenizer.clone(),
            offline: settings.offline,
            device: settings.device,
            threads: settings.threads,
            memory: settings.memory,
            kind: settings.kind,
            trim_padding: settings.trim_padding,
        }
    }
}

/// Options for the texts of a run.
#[derive(Args, Clone)]
pub struct TextArgs {
    /// Source text; `-` reads standard input.
    #[arg(short, long, value_name = "TEXT", help_heading = "Text", allow_hyphen_values = true)]
    pub source: Option<String>,
    /// The recording that a speech model hears.
    #[command(flatten)]
    pub audio: AudioArgs,
    /// The picture that a vision model sees.
    #[command(flatten)]
    pub image: ImageArgs,
    /// Target text; generated if absent.
    #[arg(short, long, value_name = "TEXT", help_heading = "Text", allow_hyphen_values = true)]
    pub target: Option<String>,
    /// Source language of a multilingual model.
    #[arg(long, value_name = "CODE", help_heading = "Text")]
    pub src_lang: Option<String>,
    /// Target language of a multilingual model.
    #[arg(long, value_name = "CODE", help_heading = "Text")]
    pub tgt_lang: Option<String>,
    /// Beams of the search; 1 is greedy [default: the model's].
    #[arg(long, value_name = "N", help_heading = "Text", value_parser = count)]
    pub beams: Option<usize>,
    /// Most tokens to generate [default: the model's].
    #[arg(long, value_name = "N", help_heading = "Text", value_parser = count)]
    pub max_new_tokens: Option<usize>,
    /// Seed of the sampling, where the model samples.
    #[arg(long, value_name = "N", value_parser = whole::<u64>, default_value_t = 0, help_heading = "Text")]
    pub seed: u64,
    /// Generate with 8-bit weights: faster, but the text may differ. Maps are computed with the model's own weights.
    #[arg(long, help_heading = "Text")]
    pub fast_generate: bool,
}

impl TextArgs {
    /// Adds the settings that these options override.
    pub fn overrides(&self, overrides: Overrides) -> Overrides {
        Overrides {
            beams: self.beams,
            max_new_tokens: self.max_new_tokens,
            fast_generate: self.fast_generate.then_some(true),
            src_lang: self.src_lang.clone(),
            tgt_lang: self.tgt_lang.clone(),
            ..overrides
        }
    }

    /// The engine's options for a run on `source`, or on the recording or picture if one is given.
    ///
    /// # Errors
    /// Those of [`AudioArgs::options`] and [`ImageArgs::options`].
    pub fn options(&self, source: String, extras: RunExtras, settings: &Settings) -> Result<RunOptions> {
        Ok(RunOptions {
            source,
            audio: self.audio.options()?,
            image: self.image.options()?,
            target: self.target.clone(),
            src_lang: settings.src_lang.clone(),
            tgt_lang: settings.tgt_lang.clone(),
            beams: settings.beams,
            max_new_tokens: settings.max_new_tokens,
            seed: self.seed,
            fast_generate: settings.fast_generate,
            logits: extras.logits,
            values: extras.values,
            scores: extras.scores,
            predictions: extras.predictions,
            profiles: extras.profiles.is_some(),
            gini: extras.profiles.as_ref().is_some_and(|profiles| profiles.gini),
            links: extras.profiles.and_then(|profiles| profiles.links),
            ..RunOptions::default()
        })
    }

    /// Returns true if a text, a recording or a picture is given as the source.
    pub fn has_source(&self) -> bool {
        let picture = self.image.image.is_some() || !self.image.cover.is_empty();
        self.source.is_some() || self.audio.audio.is_some() || picture
    }
}

/// Data that a run keeps besides the maps.
#[derive(Clone, Debug, Default)]
pub struct RunExtras {
    /// Logits over the vocabulary.
    pub logits: bool,
    /// Value norms and contributions, for value-weighted maps and ALTI.
    pub values: bool,
    /// Queries and keys in place of the maps, for scores and compact files.
    pub scores: bool,
    /// The predictions of every decoder row.
    pub predictions: bool,
    /// Profiles of all heads.
    pub profiles: Option<ProfileExtras>,
}

/// Data that profiles hold only if it is asked for.
#[derive(Clone, Debug, Default)]
pub struct ProfileExtras {
    /// Gini coefficients.
    pub gini: bool,
    /// Links, however weak.
    pub links: Option<LinkFilter>,
}

/// The choice between attention and value-weighted attention.
#[derive(Args, Clone, Copy)]
pub struct WeightsArgs {
    /// Attention weights, or value-weighted attention: each weight times the norm of the value vector it
    /// scales, with rows normalized to sum to 1 (Kobayashi et al. 2020).
    #[arg(long, default_value = "attention", value_parser = weights(), help_heading = "Heads")]
    pub weights: MapWeights,
}

impl WeightsArgs {
    /// The data that a run must keep for these weights.
    pub fn extras(self) -> RunExtras {
        RunExtras { values: self.weights == MapWeights::Values, ..RunExtras::default() }
    }

    /// The data that a run must keep for an analysis of the selected heads. The pass computes the profiles
    /// if they are those of all heads; otherwise those of the selected heads are computed afterwards.
    pub fn analysis_extras(self, heads: &HeadArgs, profiles: ProfileExtras) -> RunExtras {
        let in_pass = self.weights == MapWeights::Attention && heads.selection() == HeadSelection::default();
        RunExtras { profiles: in_pass.then_some(profiles), ..self.extras() }
    }
}

/// Replacement of masked tokens.
#[derive(Args, Clone, Copy)]
pub struct MaskingArgs {
    /// Replacement of a masked token: the unknown token, which leaves every other token in its
    /// place; the padding token; or nothing (removed).
    #[arg(long, value_name = "HOW", default_value = "unknown", value_parser = maskings(), help_heading = "Method")]
    pub masking: Masking,
}

/// A selection of heads.
#[derive(Args)]
pub struct HeadArgs {
    /// Kind of attention; also the kind of a capture file's maps if the file does not say it.
    #[arg(long, value_parser = kinds(), help_heading = "Heads")]
    pub kind: Option<Kind>,
    /// Layer, counted from 0.
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Heads")]
    pub layer: Option<usize>,
    /// Head, counted from 0.
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Heads")]
    pub head: Option<usize>,
}

impl HeadArgs {
    /// The exporters' selection.
    pub fn selection(&self) -> HeadSelection {
        HeadSelection { kind: self.kind, layer: self.layer, head: self.head }
    }
}

/// A selection of rows and columns.
#[derive(Args)]
pub struct PlaceArgs {
    /// Queries (rows): words or tokens by their text, positions such as 3 or 3-9, several of them with spaces
    /// between. A decoder row goes by the token that it reads and by the one that it predicts.
    #[arg(long, value_name = "PLACES", help_heading = "Places", value_parser = places)]
    pub query: Option<Places>,
    /// Keys (columns), given in the same way.
    #[arg(long, value_name = "PLACES", help_heading = "Places", value_parser = places)]
    pub key: Option<Places>,
}

fn places(text: &str) -> std::result::Result<Places, String> {
    let places = Places::new(text);
    match places.names_any() && places.min_weight() == 0.0 {
        true => Ok(places),
        false => Err("must be words, tokens or positions, such as cat or 3-9".into()),
    }
}

impl PlaceArgs {
    /// The exporters' selection.
    pub fn selection(&self) -> PlaceSelection {
        PlaceSelection {
            queries: self.query.clone().unwrap_or_default(),
            keys: self.key.clone().unwrap_or_default(),
        }
    }
}

/// Format of a printed table.
#[derive(Args)]
pub struct OutputArgs {
    /// Print JSON: an array with one object per row, or an object with `schema` and `rows`.
    #[arg(long, conflicts_with = "csv", help_heading = "Output")]
    pub json: bool,
    /// Print CSV with a header line.
    #[arg(long, help_heading = "Output")]
    pub csv: bool,
    /// Write the table to a file instead; its extension selects the format: svg or png for a picture with bars,
    /// html, csv, json or txt.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["json", "csv"], help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Overwrite an existing file.
    #[arg(long, help_heading = "Output")]
    pub force: bool,
}

impl OutputArgs {
    /// Prints a table, aligned and coloured unless JSON or CSV is asked for, or writes it to a file.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`]; [`crate::error::Error::Usage`] for a file that cannot hold a table.
    pub fn print(&self, table: &Table, terminal: &Terminal) -> Result<()> {
        if let Some(path) = &self.output {
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let titled = TitledTable { title: name, remark: String::new(), table: table.clone() };
            self.write(&Drawing::Table(titled))
        } else if self.json {
            output::print(&table.to_json())
        } else if self.csv {
            output::print(&table.to_csv())
        } else {
            output::print_styled(&table.render(ColorChoice::Auto.colors(terminal)))
        }
    }

    /// Writes a drawing to the file of `--output`, if there is one.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] for a format that cannot hold it; those of the file.
    pub fn write(&self, drawing: &Drawing) -> Result<()> {
        let Some(path) = &self.output else { return Ok(()) };
        let format = Format::of(path)?;
        let style = FigureStyle {
            theme: FigureTheme::Light,
            colormap: Colormap::default(),
            scale: Scale::default(),
            values: false,
        };
        let exported = drawing.export(format, &style)?;
        output::save(path, self.force, |out| exported.write(out))
    }

    /// Checks the file of `--output` before a long run.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] for a format that cannot hold a table; [`crate::error::Error::Exists`].
    pub fn check(&self) -> Result<()> {
        let Some(path) = &self.output else { return Ok(()) };
        match Format::of(path)? {
            format if format.holds_maps_alone() => Err(format.no_table()),
            _ => check_free(path, self.force),
        }
    }

    /// Returns true if the output is JSON or CSV.
    pub fn machine_readable(&self) -> bool {
        let data = |path: &PathBuf| matches!(Format::of(path), Ok(Format::Csv | Format::Json));
        self.json || self.csv || self.output.as_ref().is_some_and(data)
    }
}

/// Mapping from weights to shades.
#[derive(Args)]
pub struct ShadingArgs {
    /// Colour map for the weights.
    #[arg(long, default_value = "viridis", value_parser = colormaps(), help_heading = "Appearance")]
    pub colormap: Colormap,
    /// Curve from weight to shade.
    #[arg(long, default_value = "linear", value_parser = curves(), help_heading = "Appearance")]
    pub curve: Curve,
    /// Weight of the brightest shade: the row's maximum (but at least twice the uniform weight, so that even
    /// rows look even), the map's maximum, or 1.
    #[arg(long, default_value = "row", value_parser = ranges(), help_heading = "Appearance")]
    pub range: Range,
}

impl ShadingArgs {
    /// The scale from weight to shade.
    pub fn scale(&self) -> Scale {
        Scale::new(self.curve, self.range)
    }
}

/// `--color`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Into files and pipes, too.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// The colours for text on standard output.
    pub fn colors(self, terminal: &Terminal) -> Colors {
        let wanted = match self {
            Self::Auto => terminal.stdout && !terminal.plain,
            Self::Always => true,
            Self::Never => false,
        };
        match (wanted, terminal.true_color) {
            (false, _) => Colors::None,
            (true, false) => Colors::Ansi256,
            (true, true) => Colors::True,
        }
    }
}

/// `--merge`.
#[derive(Clone, Copy, ValueEnum)]
pub enum MergeChoice {
    /// Mean of each cell.
    Mean,
    /// Maximum of each cell.
    Max,
}

impl MergeChoice {
    /// The analysis's method.
    pub fn method(self) -> Merge {
        match self {
            Self::Mean => Merge::Mean,
            Self::Max => Merge::Max,
        }
    }
}
