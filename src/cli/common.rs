//! Options and habits that the headless commands share.

use std::str::FromStr;

use attn_tui_kernels::threads;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::args::{Open, Text};
use super::run::Keep;
use super::{output, run};
use crate::capture::{Capture, MapWeights};
use crate::engine;
use crate::error::Result;
use crate::export::ansi::Colors;
use crate::export::select::Selection;
use crate::export::table::Table;
use crate::paint::{Colormap, Curve, Range, Scale};
use crate::site::Kind;

/// What a command looks at: a model and a text, or a capture file.
#[derive(Args)]
pub struct Input {
    /// Hub id (org/name, org/name@revision), folder, capture file or a built-in model (`demo`, `demo-rnn`, `demo-rnn-plain`).
    pub model: String,
    #[command(flatten)]
    pub open: Open,
    #[command(flatten)]
    pub text: Text,
}

impl Input {
    /// Runs the model, or opens the capture file.
    pub fn keeping(&self, keep: Keep) -> Result<Capture> {
        run::open_capture(&self.model, &self.open, &self.text, keep)
    }

    /// Does `work` over as many threads as the engine has.
    ///
    /// # Errors
    /// Those of `work`, and of settings that cannot be read.
    pub fn spread<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        threads::run(engine::threads(self.open.options(&self.model)?.threads), work)
    }
}

/// What the maps show.
#[derive(Args, Clone, Copy)]
pub struct Weighting {
    /// Attention weights, or value-weighted attention: each weight times the norm of what the head takes from the
    /// key, rows scaled to sum to 1 (Kobayashi et al. 2020).
    #[arg(long, default_value = "attention", value_parser = weights(), help_heading = "Heads")]
    pub weights: MapWeights,
}

impl Weighting {
    /// What a run must keep for it.
    pub fn keep(self) -> Keep {
        Keep { values: self.weights == MapWeights::Values, ..Keep::default() }
    }

    /// The maps that are asked for.
    pub fn of(self, capture: Capture) -> Result<Capture> {
        if self.weights == MapWeights::Values { capture.value_weighted() } else { Ok(capture) }
    }

    /// Runs the model, or opens the capture file.
    pub fn capture(self, input: &Input) -> Result<Capture> {
        self.of(input.keeping(self.keep())?)
    }
}

fn weights() -> impl TypedValueParser<Value = MapWeights> {
    named(MapWeights::ALL.map(MapWeights::name))
}

/// Which heads a command looks at.
#[derive(Args)]
pub struct Which {
    /// Which attention.
    #[arg(long, value_parser = kinds(), help_heading = "Heads")]
    pub kind: Option<Kind>,
    /// Layer, from 0.
    #[arg(long, value_name = "N", help_heading = "Heads")]
    pub layer: Option<usize>,
    /// Head, from 0.
    #[arg(long, value_name = "N", help_heading = "Heads")]
    pub head: Option<usize>,
}

impl Which {
    /// For the exporters.
    pub fn selection(&self) -> Selection {
        Selection { kind: self.kind, layer: self.layer, head: self.head }
    }
}

/// How a table is printed.
#[derive(Args)]
pub struct Output {
    /// Print JSON: a list of objects, one a row.
    #[arg(long, conflicts_with = "csv", help_heading = "Output")]
    pub json: bool,
    /// Print CSV with a head line.
    #[arg(long, help_heading = "Output")]
    pub csv: bool,
}

impl Output {
    /// Prints a table: for people unless a program's format is asked for.
    pub fn print(&self, table: &Table) -> Result<()> {
        output::print(&if self.json {
            table.to_json()
        } else if self.csv {
            table.to_csv()
        } else {
            table.render(ColorChoice::Auto.colors())
        })
    }

    /// Whether a program will read it.
    pub fn for_programs(&self) -> bool {
        self.json || self.csv
    }
}

/// How weights become shades.
#[derive(Args)]
pub struct Shading {
    /// Colours of the weights.
    #[arg(long, default_value = "viridis", value_parser = colormaps(), help_heading = "Look")]
    pub colormap: Colormap,
    /// How shades grow with weights.
    #[arg(long, default_value = "linear", value_parser = curves(), help_heading = "Look")]
    pub curve: Curve,
    /// The weight that is fully bright: the row's largest, the map's largest, or 1
    /// [default: row for text, map for pictures].
    #[arg(long, value_parser = ranges(), help_heading = "Look")]
    pub range: Option<Range>,
}

impl Shading {
    /// The scale, with a range for where none is asked for.
    pub fn scale(&self, default: Range) -> Scale {
        Scale::new(self.curve, self.range.unwrap_or(default))
    }
}

/// `--color`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Also into files and pipes.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// What standard output can show.
    pub fn colors(self) -> Colors {
        use std::io::IsTerminal;
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let wanted = match self {
            Self::Auto => std::io::stdout().is_terminal() && !set("NO_COLOR") && !dumb,
            Self::Always => true,
            Self::Never => false,
        };
        let deep = std::env::var("COLORTERM").is_ok_and(|term| term == "truecolor" || term == "24bit");
        match (wanted, deep) {
            (false, _) => Colors::None,
            (true, false) => Colors::Ansi256,
            (true, true) => Colors::True,
        }
    }
}

/// A parser of named values that lists the names in the help.
pub fn named<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    named(Kind::ALL.map(Kind::name))
}

fn colormaps() -> impl TypedValueParser<Value = Colormap> {
    named(Colormap::ALL.map(Colormap::name))
}

fn curves() -> impl TypedValueParser<Value = Curve> {
    named(Curve::ALL.iter().map(|curve| curve.name()))
}

fn ranges() -> impl TypedValueParser<Value = Range> {
    named(Range::ALL.iter().map(|range| range.name()))
}
