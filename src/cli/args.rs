//! The command line as a whole: parser, help, man page and completions follow from this definition.

use clap::{Parser, Subcommand};

use super::context::Context;
use super::{
    align, attribute, beams, capture, compare, completions, config, doctor, examples, explore, export,
    faithful, find, heads, knockout, lens, links, man, needles, patch, rollout, scan, show, tour,
};
use crate::config::Overrides;
use crate::error::Result;
use crate::site::Kind;

/// A terminal explorer for attention in encoder-decoder Transformers.
#[derive(Parser)]
// The same name on every system, where clap would take that of the file (`attn-tui.exe`).
#[command(
    name = "attn-tui",
    bin_name = "attn-tui",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
#[command(after_help = examples::EXPLORE)]
pub struct Cli {
    /// The command; the explorer opens if there is none.
    #[command(subcommand)]
    pub command: Option<CliCommand>,
    /// Print the licences of the crates, fonts and models in the program.
    #[arg(long, exclusive = true)]
    pub licenses: bool,
    #[command(flatten)]
    pub explore: explore::ExploreArgs,
}

/// Commands of the program.
#[derive(Subcommand)]
#[allow(clippy::large_enum_variant, reason = "one value per process")]
pub enum CliCommand {
    #[command(flatten)]
    Model(ModelCommand),
    /// List the sentences of a scan in which a head has its strongest link or its largest metric.
    #[command(after_help = examples::FIND)]
    Find(find::FindArgs),
    /// List the supported model types and the models in the local cache.
    #[command(after_help = examples::MODELS)]
    Models,
    /// Check what opening a model would load and what is missing, without loading it.
    #[command(after_help = examples::DOCTOR)]
    Doctor(doctor::DoctorArgs),
    /// Print the settings and where each of them comes from.
    #[command(after_help = examples::CONFIG)]
    Config(config::ConfigArgs),
    /// Print shell completions.
    #[command(after_help = examples::COMPLETIONS)]
    Completions(completions::CompletionsArgs),
    /// Print the man page, or write one man page for each command.
    #[command(after_help = examples::MAN)]
    Man(man::ManArgs),
}

/// Commands that open a model or a capture file, and obey the settings.
#[derive(Subcommand)]
pub enum ModelCommand {
    /// Run the model once and write every attention map to a file.
    #[command(after_help = examples::CAPTURE)]
    Capture(capture::CaptureArgs),
    /// Print one attention map as text.
    #[command(after_help = examples::SHOW)]
    Show(show::ShowArgs),
    /// List all heads with their metrics.
    Heads(heads::HeadsArgs),
    /// List the strongest long-range links of all heads.
    #[command(after_help = examples::LINKS)]
    Links(links::LinksArgs),
    /// Align words by cross-attention, and compare with a gold alignment.
    #[command(after_help = examples::ALIGN)]
    Align(align::AlignArgs),
    /// List the heads that change most between two runs, and draw their maps side by side.
    #[command(after_help = examples::COMPARE)]
    Compare(compare::CompareArgs),
    /// Trace through all layers how much each position draws from every input token.
    #[command(after_help = examples::ROLLOUT)]
    Rollout(rollout::RolloutArgs),
    /// Switch off heads, layers or a link, or cover a part of the picture, and measure the effect on the output.
    #[command(after_help = examples::KNOCKOUT)]
    Knockout(knockout::KnockoutArgs),
    /// Take activations of a clean run into a corrupt one and measure what they restore.
    #[command(after_help = examples::PATCH)]
    Patch(patch::PatchArgs),
    /// List the targets that the beam search finishes, with their scores.
    #[command(after_help = examples::BEAMS)]
    Beams(beams::BeamsArgs),
    /// Score how much each source and prefix token contributed to each predicted token.
    #[command(after_help = examples::ATTRIBUTE)]
    Attribute(attribute::AttributeArgs),
    /// Measure how faithful maps and attributions are to what the output depends on.
    #[command(after_help = examples::FAITHFUL)]
    Faithful(faithful::FaithfulArgs),
    /// Show what each decoder layer would predict, and what heads and blocks add to a logit.
    #[command(after_help = examples::LENS)]
    Lens(lens::LensArgs),
    /// Measure every sentence of a corpus, and write the measures to a folder of Parquet files.
    #[command(after_help = examples::SCAN)]
    Scan(scan::ScanArgs),
    /// Find the heads that read a sentence planted in a long source.
    #[command(after_help = examples::NEEDLES)]
    Needles(needles::NeedlesArgs),
    /// Write maps to a picture, table or data file.
    #[command(after_help = examples::EXPORT)]
    Export(export::ExportArgs),
    /// Take a guided tour of attention on live maps.
    #[command(after_help = examples::TOUR)]
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
            Self::Compare(args) => Overrides { kind: args.heads.kind, ..args.input.overrides() },
            Self::Rollout(args) => Overrides { kind: args.kind, ..args.input.overrides() },
            Self::Knockout(args) => args.input.overrides(),
            Self::Patch(args) => args.input.overrides(),
            Self::Beams(args) => args.input.overrides(),
            Self::Attribute(args) => args.input.overrides(),
            Self::Faithful(args) => args.input.overrides(),
            Self::Lens(args) => args.input.overrides(),
            Self::Scan(args) => args.input.overrides(),
            Self::Needles(args) => args.input.overrides(),
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
            Self::Compare(args) => compare::run(args, context),
            Self::Rollout(args) => rollout::run(args, context),
            Self::Knockout(args) => knockout::run(args, context),
            Self::Patch(args) => patch::run(args, context),
            Self::Beams(args) => beams::run(args, context),
            Self::Attribute(args) => attribute::run(args, context),
            Self::Faithful(args) => faithful::run(args, context),
            Self::Lens(args) => lens::run(args, context),
            Self::Scan(args) => scan::run(args, context),
            Self::Needles(args) => needles::run(args, context),
            Self::Export(args) => export::run(args, context),
            Self::Tour(args) => tour::run(args, context),
        }
    }
}
