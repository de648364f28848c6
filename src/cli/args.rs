//! The command line as a whole: parser, help, man page and completions follow from this definition.

use clap::{Parser, Subcommand};

use super::context::Context;
use super::{
    align, capture, completions, doctor, explore, export, heads, knockout, links, man, rollout, show, tour,
};
use crate::config::Overrides;
use crate::error::Result;
use crate::site::Kind;

/// A terminal explorer for attention in encoder-decoder Transformers.
#[derive(Parser)]
#[command(name = "attn-tui", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub struct Cli {
    /// The command; the explorer opens if there is none.
    #[command(subcommand)]
    pub command: Option<CliCommand>,
    #[command(flatten)]
    pub explore: explore::ExploreArgs,
}

/// Commands of the program.
#[derive(Subcommand)]
#[allow(clippy::large_enum_variant, reason = "one value per process")]
pub enum CliCommand {
    #[command(flatten)]
    Model(ModelCommand),
    /// List the supported model types and the models in the local cache.
    Models,
    /// Check what opening a model would load and what is missing, without loading it.
    Doctor(doctor::DoctorArgs),
    /// Print shell completions.
    Completions(completions::CompletionsArgs),
    /// Print the man page, or write one man page for each command.
    Man(man::ManArgs),
}

/// Commands that open a model or a capture file, and obey the settings.
#[derive(Subcommand)]
pub enum ModelCommand {
    /// Run the model once and write every attention map to a file.
    Capture(capture::CaptureArgs),
    /// Print one attention map as text.
    Show(show::ShowArgs),
    /// List all heads with their metrics.
    Heads(heads::HeadsArgs),
    /// List the strongest long-range links of all heads.
    Links(links::LinksArgs),
    /// Align words by cross-attention, and compare with a gold alignment.
    Align(align::AlignArgs),
    /// Trace through all layers how much each position draws from every input token.
    Rollout(rollout::RolloutArgs),
    /// Switch off heads, layers or a link and measure the effect on the output.
    Knockout(knockout::KnockoutArgs),
    /// Write maps to a picture, table or data file.
    Export(export::ExportArgs),
    /// Take a guided tour of attention on live maps.
    Tour(tour::TourArgs),
}

impl ModelCommand {
    /// The settings that the command's options override.
    pub fn overrides(&self) -> Overrides {
        match self {
            Self::Capture(args) => Overrides { kind: args.kind, ..args.input.overrides() },
            Self::Show(args) => Overrides { kind: args.heads.kind, ..args.input.overrides() },
            Self::Heads(args) => Overrides { kind: args.heads.kind, ..args.input.overrides() },
            Self::Links(args) => Overrides { kind: args.heads.kind, ..args.input.overrides() },
            Self::Align(args) => Overrides { kind: Some(Kind::Cross), ..args.input.overrides() },
            Self::Rollout(args) => Overrides { kind: args.kind, ..args.input.overrides() },
            Self::Knockout(args) => args.input.overrides(),
            Self::Export(args) => Overrides { kind: args.heads.kind, ..args.input.overrides() },
            Self::Tour(args) => args.open.overrides(),
        }
    }

    /// Runs the command.
    ///
    /// # Errors
    /// Those of the command.
    pub fn run(&self, context: &Context) -> Result<()> {
        match self {
            Self::Capture(args) => capture::run(args, context),
            Self::Show(args) => show::run(args, context),
            Self::Heads(args) => heads::run(args, context),
            Self::Links(args) => links::run(args, context),
            Self::Align(args) => align::run(args, context),
            Self::Rollout(args) => rollout::run(args, context),
            Self::Knockout(args) => knockout::run(args, context),
            Self::Export(args) => export::run(args, context),
            Self::Tour(args) => tour::run(args, context),
        }
    }
}
