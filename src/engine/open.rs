//! Opens a MODEL argument.

use attn_tui_kernels::threads;

use super::hearing::Hearing;
use super::protocol::{ModelInfo, OpenOptions};
use super::seeing::Seeing;
use super::session::Session;
use crate::axis::Medium;
use crate::capture::{self, Capture, ReadOptions, WINDOWS_NOTE};
use crate::checkpoint::ModelConfig;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::files::Bytes;
use crate::generate::GenerationConfig;
use crate::hub::{self, HubOptions, Located};
use crate::model::{FrontEndSpec, Model, ModelSpec, architecture, spec_of, tokenizer_class};
use crate::progress::Watch;
use crate::text::Tokenizer;

/// Example for the built-in models. Encoder layer 1, head 4 of `demo` links `The` to `is`, seven tokens
/// apart.
const DEMO_EXAMPLE: &str = "The woman who lives near my parents is very tired.";

/// Example for all other models.
const EXAMPLE: &str = "The animal didn't cross the street because it was too tired.";

/// An opened MODEL argument.
pub enum Opened {
    /// A model, ready to run.
    Model(Box<Session>),
    /// A capture file, which needs no run.
    Capture(Box<Capture>),
}

/// Opens a MODEL argument, and fetches missing files from the hub.
///
/// # Errors
/// Those of [`hub::locate_if`], the configuration, the tokenizer and the weights; [`Error::Cancelled`].
pub fn open(options: &OpenOptions, watch: &dyn Watch) -> Result<Opened> {
    let threads = super::threads(options.threads);
    threads::run(threads, || open_with(options, threads, watch))
}

fn open_with(options: &OpenOptions, threads: usize, watch: &dyn Watch) -> Result<Opened> {
    let hub_options = HubOptions { revision: options.revision.clone(), offline: options.offline };
    let accept = |config: &ModelConfig| spec_of(config).map(|_| ());
    let files = match hub::locate_if(options.hub.as_ref(), &options.model, &hub_options, &accept, watch)? {
        Located::Capture(path) => {
            let read = ReadOptions {
                memory: options.memory,
                kind: options.kind,
                trim_padding: options.trim_padding,
            };
            let mut capture = match hub::built_in_capture(&path) {
                Some(bytes) => capture::parse(&path, Bytes::Static(bytes), 0, &read)?,
                None => capture::read_with(&path, &read)?,
            };
            capture.architecture = architecture(&capture.model_type);
            return Ok(Opened::Capture(Box::new(capture)));
        }
        Located::Model(files) => files,
    };
    watch.check()?;
    let device = open_device(options.device)?;
    let config = files.config()?;
    let (hub, other) = (options.hub.as_ref(), options.tokenizer.as_deref());
    let tokenizer_files = hub::tokenizer_files(hub, &files, other, &hub_options, watch)?;
    let registered = tokenizer_class(tokenizer_files.config()?);
    // For small models both take about equally long.
    let (model, tokenizer) =
        rayon::join(|| Model::load(&files, &device, watch), || Tokenizer::load(&tokenizer_files, registered));
    let (model, tokenizer) = (model?, tokenizer?);
    let generation = files.json("generation_config.json")?;
    let settings = GenerationConfig::read(generation.as_ref(), config, model.spec())?;
    let ignored = settings.ignored.clone();
    let hearing = Hearing::open(&files, generation.as_ref(), config, model.spec())?;
    let seeing = Seeing::open(&files, model.spec())?;
    let mut info = ModelInfo { ignored, ..info(&files.name, &model, &tokenizer, config) };
    if options.device == Device::Cpu && !model.memory().fits() {
        info.notes.push(model.memory().sentence());
    }
    let session =
        Session::new(info, model, tokenizer, settings, files).with_resources(threads, options.memory);
    let session = session.with_hearing(hearing).with_seeing(seeing);
    Ok(Opened::Model(Box::new(session)))
}

/// Opens a device.
///
/// # Errors
/// [`Error::Usage`] if the program was built without it, or the machine has none.
pub fn open_device(device: Device) -> Result<candle_core::Device> {
    let missing = |name: &str, error: candle_core::Error| {
        let features = [("cuda", cfg!(feature = "cuda")), ("metal", cfg!(feature = "metal"))];
        let built = features.contains(&(name, true));
        Error::Usage(match built {
            true => format!("--device {name}: this machine's device does not open: {error}"),
            false => format!(
                "--device {name}: this program was built without {name}; build it with `--features {name}`, or leave \
                 --device out to use the CPU"
            ),
        })
    };
    match device {
        Device::Cpu => Ok(candle_core::Device::Cpu),
        Device::Cuda => candle_core::Device::new_cuda(0).map_err(|e| missing("cuda", e)),
        Device::Metal => candle_core::Device::new_metal(0).map_err(|e| missing("metal", e)),
    }
}

fn info(name: &str, model: &Model, tokenizer: &Tokenizer, config: &ModelConfig) -> ModelInfo {
    let spec = model.spec();
    let prefixes = prefixes(config);
    let default = tokenizer.default_languages();
    let example = match prefixes.first() {
        _ if medium(spec) != Medium::Text => hub::first_picture(name).unwrap_or_default(),
        _ if hub::BUILT_IN.contains(&name) => DEMO_EXAMPLE.to_string(),
        Some((_, prefix)) => format!("{prefix}{EXAMPLE}"),
        None => EXAMPLE.to_string(),
    };
    ModelInfo {
        name: name.into(),
        model_type: spec.model_type().into(),
        layers: spec.layers(),
        heads: spec.heads(),
        parameters: model.parameters(),
        medium: medium(spec),
        alignment_heads: Vec::new(),
        languages: tokenizer.languages(),
        default_languages: (default.src, default.tgt),
        prefixes,
        example,
        ignored: Vec::new(),
        notes: tokenizer
            .notes()
            .iter()
            .cloned()
            .chain(spec.merges_positions().then(|| WINDOWS_NOTE.into()))
            .collect(),
    }
}

/// Returns what a model reads as its source.
fn medium(spec: &ModelSpec) -> Medium {
    match spec.front_end() {
        None => Medium::Text,
        Some(FrontEndSpec::Convolutions(_)) => Medium::Sound,
        Some(FrontEndSpec::Patches(_) | FrontEndSpec::VariablePatches(_)) => Medium::Picture,
    }
}

/// Returns the task prefixes of T5 configs (`task_specific_params.{task}.prefix`) with the names of the
/// tasks.
fn prefixes(config: &ModelConfig) -> Vec<(String, String)> {
    let Some(tasks) = config.get("task_specific_params").and_then(|tasks| tasks.as_object()) else {
        return Vec::new();
    };
    tasks
        .iter()
        .filter_map(|(task, params)| Some((task.clone(), params.get("prefix")?.as_str()?.to_string())))
        .filter(|(_, prefix)| !prefix.is_empty())
        .collect()
}
