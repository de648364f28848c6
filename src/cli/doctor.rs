//! `attn-tui doctor`: checks what opening a model would load and what is missing, without loading it.

use clap::Args;

use super::output::{self, encoder_and_decoder, table};
use crate::checkpoint::weights;
use crate::engine::{self, open_device};
use crate::error::{Error, Result};
use crate::files::ModelFiles;
use crate::hub::{self, Hub, HubOptions, Inspection, ModelLocation, NeededFile};
use crate::human::{bytes, shortened};
use crate::model::{Model, ModelSpec, Weights, WeightsMemory, spec_of, tokenizer_class};
use crate::progress::Unwatched;
use crate::sys;
use crate::text::Tokenizer;

/// Options of `doctor`.
#[derive(Args)]
pub struct DoctorArgs {
    /// Hub id (org/name, org/name@revision), folder, capture file or built-in model (`demo`, `demo-ocr`, `demo-rnn`,
    /// `demo-rnn-plain`, `demo-speech`).
    #[arg(required_unless_present = "device")]
    model: Option<String>,
    /// Say what this machine has for models to run on, and whether they can run on this device.
    #[arg(long, value_name = "DEVICE", value_parser = ["cpu", "cuda", "metal"])]
    device: Option<String>,
    /// Branch, tag or commit of the hub repository.
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    /// Hub id or folder whose tokenizer files are used, for a model without its own.
    #[arg(long, value_name = "MODEL")]
    tokenizer: Option<String>,
    /// Stay off the network: check only what is on this machine.
    #[arg(long)]
    offline: bool,
}

/// Number of languages on a line.
const LANGUAGES_A_LINE: usize = 10;

/// Number of wrong tensors to list.
const LISTED: usize = 8;

/// Runs the command. The report is printed in any case.
///
/// # Errors
/// The first problem that keeps the model from opening.
pub fn run(args: &DoctorArgs, hub: Option<&Hub>) -> Result<()> {
    let machine = args.device.as_deref().map(|device| {
        let device = device.parse().map_err(Error::Usage)?;
        output::print(&table(&machine()))?;
        open_device(device).map(drop)
    });
    let machine = machine.transpose();
    let Some(model) = &args.model else { return machine.map(drop) };
    let options = HubOptions { revision: args.revision.clone(), offline: args.offline };
    let Some(found) = hub::inspect(hub, model, &options, &Unwatched)? else {
        return capture_file(model).and(machine.map(drop));
    };
    let mut report = Report::default();
    report.problems.extend(machine.err());
    let tokenizer = |files: &ModelFiles| {
        hub::tokenizer_files(hub, files, args.tokenizer.as_deref(), &options, &Unwatched)
    };
    report.examine(found, args.tokenizer.as_deref(), tokenizer);
    output::print(&report.text())?;
    report.problems.into_iter().next().map_or(Ok(()), Err)
}

/// Describes what the machine and this build have for models to run on.
fn machine() -> Vec<Vec<String>> {
    let row = |label: &str, text: String| vec![label.to_string(), text];
    let features = [("cuda", cfg!(feature = "cuda")), ("metal", cfg!(feature = "metal"))];
    let built: Vec<&str> = features.iter().filter(|(_, built)| *built).map(|(name, _)| *name).collect();
    let mut rows = vec![
        row("processor", format!("{} threads, {} kernels", engine::threads(None), engine::kernels())),
        row("memory", sys::free_memory().map_or("unknown".into(), |free| format!("{} free", bytes(free)))),
        row("built for", ["cpu"].into_iter().chain(built).collect::<Vec<_>>().join(", ")),
    ];
    let gpus = sys::nvidia_gpus();
    if gpus.is_empty() {
        rows.push(row("GPUs", "no NVIDIA driver answers".into()));
    }
    rows.extend(
        gpus.iter().enumerate().map(|(at, name)| row(if at == 0 { "GPUs" } else { "" }, shortened(name))),
    );
    rows
}

fn capture_file(path: &str) -> Result<()> {
    let capture = crate::capture::read(std::path::Path::new(path))?;
    let (source, target) = (capture.source.len(), capture.target.len());
    output::print(&format!(
        "capture  {path}\nmodel    {} ({})\ntokens   {source} source, {target} target\n{}opens    yes\n",
        shortened(&capture.model),
        shortened(&capture.model_type),
        capture.notes.iter().map(|note| format!("note     {note}\n")).collect::<String>()
    ))
}

/// Labelled lines, and the problems that keep the model from opening.
#[derive(Default)]
struct Report {
    rows: Vec<Vec<String>>,
    problems: Vec<Error>,
}

impl Report {
    fn say(&mut self, label: &str, text: impl Into<String>) {
        self.rows.push(vec![label.into(), text.into()]);
    }

    /// Examines a model. `tokenizer_of` returns the files that its tokenizer is built from, those of `other`
    /// if that is given.
    fn examine(
        &mut self,
        mut found: Inspection,
        other: Option<&str>,
        tokenizer_of: impl FnOnce(&ModelFiles) -> Result<ModelFiles>,
    ) {
        let commit = found.commit.as_deref().map(|commit| format!(" at commit {commit}")).unwrap_or_default();
        self.say("model", format!("{}{commit}", found.name));
        self.say("place", location(&found));
        self.problems.extend(found.problem.take());
        self.configuration(&found);
        self.files(&found);
        match found.model_files() {
            Some(files) if self.problems.is_empty() => {
                let opened = tokenizer_of(&files)
                    .and_then(|files| Tokenizer::load(&files, tokenizer_class(files.config()?)));
                let names = other.map_or_else(|| tokenizer_files(&found), |other| format!("from {other}"));
                self.tokenizer(&names, opened);
                self.weights(&found, Weights::open(&files, &Unwatched));
            }
            _ => {
                self.say("tokenizer", format!("{}; not checked", tokenizer_files(&found)));
                self.say("weights", format!("{}; not checked", weights_form(&found)));
                if let size @ 1.. = weights_size(&found) {
                    self.say("memory", WeightsMemory::of(size).sentence());
                }
            }
        }
    }

    fn configuration(&mut self, found: &Inspection) {
        let Some(config) = &found.config else {
            return self.say("type", "unknown: no readable config.json");
        };
        match spec_of(config) {
            Ok(spec) => {
                self.say("type", format!("{}, supported", spec.model_type()));
                self.say("shape", shape(&spec));
            }
            Err(error) => {
                let model_type = config.model_type().unwrap_or("unknown");
                self.say("type", shortened(model_type));
                self.problems.push(error);
            }
        }
        if !found.files.iter().any(|file| file.name == "generation_config.json") {
            self.say("generation", "no generation_config.json; the settings of config.json apply");
        }
    }

    fn files(&mut self, found: &Inspection) {
        let width = found.files.iter().map(|file| file.name.len()).max().unwrap_or(0);
        for (at, file) in found.files.iter().enumerate() {
            let size = file.size.map_or_else(|| "-".into(), bytes);
            let state = match (&file.file, &found.location) {
                (Some(_), _) => "",
                (None, ModelLocation::Hub(_)) => "  to fetch",
                (None, _) => "  missing",
            };
            self.say(if at == 0 { "files" } else { "" }, format!("{:width$}  {size:>8}{state}", file.name));
        }
    }

    fn tokenizer(&mut self, files: &str, tokenizer: Result<Tokenizer>) {
        match tokenizer {
            Ok(tokenizer) => {
                let languages = tokenizer.languages();
                match languages.len() {
                    0 => self.say("tokenizer", format!("{files}; opens")),
                    count => self.say("tokenizer", format!("{files}; opens, {count} languages")),
                }
                for line in languages.chunks(LANGUAGES_A_LINE) {
                    self.say("", line.join(" "));
                }
                tokenizer.notes().iter().for_each(|note| self.say("", note));
                self.problems.extend(tokenizer.check_default_languages().err());
            }
            Err(error) => {
                self.say("tokenizer", format!("{files}; does not open"));
                self.problems.push(error);
            }
        }
    }

    fn weights(&mut self, found: &Inspection, weights: Result<Weights>) {
        let form = weights_form(found);
        match weights {
            Ok(weights) => {
                let dtypes: Vec<_> =
                    weights.dtypes().into_iter().map(|(name, count)| format!("{count} {name}")).collect();
                let millions = weights.parameters() as f64 / 1e6;
                self.say(
                    "weights",
                    format!("{form}; tensors: {}; {millions:.2} million weights", dtypes.join(", ")),
                );
                let memory = WeightsMemory::of(weights.size());
                self.tensors(found, weights);
                self.say("memory", memory.sentence());
            }
            Err(error) => {
                self.say("weights", format!("{form}; cannot be read"));
                self.problems.push(error);
            }
        }
    }

    /// Compares the tensors' names and shapes with those that the model requires.
    fn tensors(&mut self, found: &Inspection, weights: Weights) {
        let spec = found.config.as_ref().map(spec_of);
        let Some(Ok(spec)) = spec else { return };
        match Model::check(&spec, weights) {
            Ok(wrong) if wrong.is_empty() => {
                self.say("", "all tensors are present with the right shapes, and there are no others");
            }
            Ok(wrong) => {
                for line in wrong.iter().take(LISTED) {
                    self.say("", line);
                }
                if wrong.len() > LISTED {
                    self.say("", format!("and {} more", wrong.len() - LISTED));
                }
                self.problems.push(Error::Weights(format!(
                    "{} tensors are missing, unknown or of the wrong shape",
                    wrong.len()
                )));
            }
            Err(error) => self.problems.push(error),
        }
    }

    fn text(&self) -> String {
        let mut rows = self.rows.clone();
        let answers: Vec<String> = match self.problems.is_empty() {
            true => vec!["yes, as far as can be told without loading it".into()],
            false => self
                .problems
                .iter()
                .map(|problem| format!("no: {}", shortened(&problem.to_string())))
                .collect(),
        };
        for (at, answer) in answers.into_iter().enumerate() {
            rows.push(vec![if at == 0 { "opens" } else { "" }.into(), answer]);
        }
        table(&rows)
    }
}

fn location(found: &Inspection) -> String {
    let missing: Vec<&NeededFile> = found.files.iter().filter(|file| file.file.is_none()).collect();
    match &found.location {
        ModelLocation::BuiltIn => "built into the program".into(),
        ModelLocation::Folder(path) => format!("folder {}", path.display()),
        ModelLocation::Cache(path) => format!("cache {}", path.display()),
        ModelLocation::Hub(path) if missing.is_empty() => {
            format!("cache {}, up to date with the hub", path.display())
        }
        ModelLocation::Hub(_) => {
            let size = missing.iter().filter_map(|file| file.size).sum();
            format!("the hub: {} of {} files to fetch, {}", missing.len(), found.files.len(), bytes(size))
        }
    }
}

fn shape(spec: &ModelSpec) -> String {
    let [layers, heads, width] = [spec.layers(), spec.heads(), spec.widths()].map(encoder_and_decoder);
    let most = if spec.merges_positions() { "at most " } else { "" };
    format!("{layers} layers, {most}{heads} heads, width {width}")
}

fn tokenizer_files(found: &Inspection) -> String {
    let names = found.files.iter().map(|file| file.name.as_str());
    let names: Vec<_> = names
        .filter(|name| weights::readable_format(name).is_none())
        .filter(|name| !["config.json", "generation_config.json"].contains(name))
        .collect();
    if names.is_empty() { "no files of its own".into() } else { names.join(", ") }
}

/// Returns the files with weights, shards one by one.
fn weight_files(found: &Inspection) -> impl Iterator<Item = &NeededFile> {
    let is_weights = |name: &str| weights::readable_format(name).is_some() && !name.ends_with(weights::INDEX);
    found.files.iter().filter(move |file| is_weights(&file.name))
}

/// Returns the bytes of all files with weights, as far as they are known.
fn weights_size(found: &Inspection) -> u64 {
    weight_files(found).filter_map(|file| file.size).sum()
}

fn weights_form(found: &Inspection) -> String {
    let Some(format) = found.files.iter().find_map(|file| weights::readable_format(&file.name)) else {
        return "none".into();
    };
    let count = weight_files(found).count();
    let sharded = if count > 1 { format!(" in {count} shards") } else { String::new() };
    format!("{format}{sharded}, {}", bytes(weights_size(found)))
}
