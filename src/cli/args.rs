//! What the command line says: one definition makes parser, help, man page and completions.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::run::Keep;
use crate::config::{Overrides, Settings};
use crate::engine::{Device, OpenOptions, RunOptions};
use crate::error::Result;

/// A terminal explorer for attention in encoder-decoder Transformers.
#[derive(Parser)]
#[command(name = "attn-tui", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub struct Cli {
    /// A command; without one the explorer opens.
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub explore: Explore,
}

/// Commands that draw no screen.
#[derive(Subcommand)]
pub enum Command {
    /// Run the model once and write every attention map to a file.
    Capture(Capture),
    /// Print one attention map as text.
    Show(super::show::Show),
    /// List every head with its metrics.
    Heads(super::heads::Heads),
    /// List the strongest long-range links over all heads.
    Links(super::links::Links),
    /// Align words by cross-attention, and compare with a gold alignment.
    Align(super::align::Align),
    /// Follow attention through all layers: what each position draws from where.
    Rollout(super::rollout::Rollout),
    /// Switch heads, layers or a link off and see what the output loses.
    Knockout(super::knockout::Knockout),
    /// Write a picture, a table or a file of the maps.
    Export(super::export::Export),
    /// Take a guided tour of attention and self-attention on live maps.
    Tour(super::tour::Tour),
    /// List the supported families, and the models in this machine's cache.
    Models,
    /// Say what opening a model would load and what is missing, without loading it.
    Doctor(Doctor),
    /// Print a shell's completions of the command line.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write a page for every command.
    Man(Man),
}

/// Options of the explorer.
#[derive(Args)]
pub struct Explore {
    /// Reopen the last session: its model, texts, place and settings.
    #[arg(long, conflicts_with_all = ["model", "source", "target"])]
    pub resume: bool,
    /// Hub id (org/name, org/name@revision), folder, capture file or a built-in model (`demo`, `demo-rnn`, `demo-rnn-plain`) [default: demo].
    pub model: Option<String>,
    #[command(flatten)]
    pub open: Open,
    #[command(flatten)]
    pub text: Text,
}

/// Options of `capture`.
#[derive(Args)]
pub struct Capture {
    /// Hub id (org/name, org/name@revision), folder or `demo`.
    pub model: String,
    #[command(flatten)]
    pub open: Open,
    #[command(flatten)]
    pub text: Text,
    /// File to write, a safetensors file.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Keep the scores over the vocabulary, too.
    #[arg(long)]
    pub logits: bool,
    /// Keep what value-weighted maps and ALTI need, too.
    #[arg(long)]
    pub values: bool,
    /// Number type of the maps in the file.
    #[arg(long, value_enum, default_value = "f32")]
    pub dtype: Dtype,
    /// Overwrite an existing file.
    #[arg(long)]
    pub force: bool,
}

/// Options of `doctor`.
#[derive(Args)]
pub struct Doctor {
    /// Hub id (org/name, org/name@revision), folder, capture file or a built-in model (`demo`, `demo-rnn`, `demo-rnn-plain`).
    pub model: String,
    /// Branch, tag or commit of the hub repository.
    #[arg(long, value_name = "REVISION")]
    pub revision: Option<String>,
    /// Never touch the network: look at what is on this machine.
    #[arg(long)]
    pub offline: bool,
}

/// Options of `man`.
#[derive(Args)]
pub struct Man {
    /// Folder for the pages of all commands, instead of one page on standard output.
    #[arg(short, long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Overwrite existing pages.
    #[arg(long, requires = "output")]
    pub force: bool,
}

/// How a model is opened; shared by all commands.
#[derive(Args, Clone)]
pub struct Open {
    /// Branch, tag or commit of the hub repository.
    #[arg(long, value_name = "REVISION", help_heading = "Model")]
    pub revision: Option<String>,
    /// Never touch the network: open what is on this machine.
    #[arg(long, help_heading = "Model")]
    pub offline: bool,
    /// Where to run the model [default: cpu].
    #[arg(long, value_enum, help_heading = "Model")]
    pub device: Option<DeviceArg>,
    /// Threads of the engine [default: physical cores].
    #[arg(long, value_name = "N", help_heading = "Model", value_parser = count)]
    pub threads: Option<usize>,
    /// Memory for maps, in bytes or as 512M or 2G; what does not fit is computed when it is looked at
    /// [default: a quarter of what is free, at most 1G].
    #[arg(long, value_name = "SIZE", help_heading = "Model", value_parser = crate::config::bytes)]
    pub memory: Option<usize>,
    /// Print where the time went, as one line of JSON on standard error.
    #[arg(long, help_heading = "Model")]
    pub timings: bool,
    /// Run the recorded pass N times and time the median.
    #[arg(long, value_name = "N", help_heading = "Model", value_parser = count)]
    pub repeat: Option<usize>,
}

/// What the model is run on; shared by all commands.
#[derive(Args, Clone)]
pub struct Text {
    /// Text for the encoder; `-` reads standard input.
    #[arg(short, long, value_name = "TEXT", help_heading = "Text", allow_hyphen_values = true)]
    pub source: Option<String>,
    /// Text for the decoder; without it one is generated.
    #[arg(short, long, value_name = "TEXT", help_heading = "Text", allow_hyphen_values = true)]
    pub target: Option<String>,
    /// Language of the source, for multilingual models.
    #[arg(long, value_name = "CODE", help_heading = "Text")]
    pub src_lang: Option<String>,
    /// Language of the target, for multilingual models.
    #[arg(long, value_name = "CODE", help_heading = "Text")]
    pub tgt_lang: Option<String>,
    /// Beams of the search; 1 is greedy [default: the model's own].
    #[arg(long, value_name = "N", help_heading = "Text", value_parser = count)]
    pub beams: Option<usize>,
    /// Longest generated text, in tokens [default: the model's own].
    #[arg(long, value_name = "N", help_heading = "Text", value_parser = count)]
    pub max_new_tokens: Option<usize>,
    /// Generate with weights of 8 bits: faster, and now and then another text; maps are always exact.
    #[arg(long, help_heading = "Text")]
    pub fast_generate: bool,
}

/// `--device`.
#[derive(Clone, Copy, ValueEnum)]
pub enum DeviceArg {
    /// The processor.
    Cpu,
    /// The first NVIDIA GPU.
    Cuda,
    /// Apple's GPU.
    Metal,
}

/// `--dtype`.
#[derive(Clone, Copy, ValueEnum)]
pub enum Dtype {
    /// 32 bits.
    F32,
    /// 16 bits.
    F16,
}

impl DeviceArg {
    fn name(self) -> &'static str {
        match self {
            DeviceArg::Cpu => "cpu",
            DeviceArg::Cuda => "cuda",
            DeviceArg::Metal => "metal",
        }
    }
}

impl Open {
    /// For the engine: what the command line says, else the environment, else the settings file.
    ///
    /// # Errors
    /// Those of [`Settings::load`].
    pub fn options(&self, model: &str) -> Result<OpenOptions> {
        let settings = Settings::load(Overrides {
            device: self.device.map(|device| device.name().into()),
            threads: self.threads,
            memory: self.memory,
            offline: self.offline.then_some(true),
            ..Overrides::default()
        })?;
        Ok(OpenOptions {
            model: model.into(),
            revision: self.revision.clone(),
            offline: settings.offline,
            device: match settings.device.as_str() {
                "cuda" => Device::Cuda,
                "metal" => Device::Metal,
                _ => Device::Cpu,
            },
            threads: settings.threads,
            memory: settings.memory,
        })
    }
}

impl Text {
    /// For the engine, with `source` as the text; settings as in [`Open::options`].
    ///
    /// # Errors
    /// Those of [`Settings::load`].
    pub fn options(&self, source: String, keep: Keep) -> Result<RunOptions> {
        let settings = Settings::load(Overrides {
            beams: self.beams,
            max_new_tokens: self.max_new_tokens,
            fast_generate: self.fast_generate.then_some(true),
            src_lang: self.src_lang.clone(),
            tgt_lang: self.tgt_lang.clone(),
            ..Overrides::default()
        })?;
        Ok(RunOptions {
            source,
            target: self.target.clone(),
            src_lang: settings.src_lang,
            tgt_lang: settings.tgt_lang,
            beams: settings.beams,
            max_new_tokens: settings.max_new_tokens,
            fast_generate: settings.fast_generate,
            predictions: false,
            logits: keep.logits,
            values: keep.values,
            scores: keep.compact,
            profiles: false,
            ablations: Vec::new(),
        })
    }
}

/// A number from 1 to 65536.
fn count(text: &str) -> std::result::Result<usize, String> {
    match text.parse::<usize>() {
        Ok(n) if (1..=65_536).contains(&n) => Ok(n),
        _ => Err("a number from 1 to 65536 is needed".into()),
    }
}
