//! `attn-tui models`: lists the supported model types and the models in the local cache.

use super::output::{self, encoder_and_decoder, table};
use crate::error::{Error, HubError, Result};
use crate::hub::{self, Hub, HubOptions, Inspection};
use crate::human::{bytes, shortened};
use crate::model::{ModelSpec, Weights, registry, spec_of};
use crate::progress::Unwatched;

/// Runs the command.
///
/// # Errors
/// [`Error::Hub`] if there is no cache folder; [`Error::Io`].
pub fn run(hub: Option<Hub>) -> Result<()> {
    let hub = hub.ok_or(Error::Hub(HubError::NoHome))?;
    let families =
        registry().iter().map(|family| vec![String::new(), family.model_type.into(), family.examples.into()]);
    let mut models =
        vec![["", "model", "type", "size", "layers", "heads", "opens"].map(String::from).to_vec()];
    for name in hub::BUILT_IN {
        models.extend(hub::inspect(Some(&hub), name, &HubOptions::default(), &Unwatched)?.iter().map(row));
    }
    models.extend(hub::cached(&hub).iter().map(row));
    output::print(&format!(
        "supported types, with models of each:\n{}\nbuilt in, and cached in {}:\n{}",
        table(&families.collect::<Vec<_>>()),
        hub.cache.display(),
        table(&models),
    ))
}

fn row(found: &Inspection) -> Vec<String> {
    let spec = found.config.as_ref().map(spec_of);
    let (layers, heads) = match &spec {
        Some(Ok(spec)) => (encoder_and_decoder(spec.layers()), encoder_and_decoder(spec.heads())),
        _ => ("-".into(), "-".into()),
    };
    let model_type = found.config.as_ref().and_then(|config| config.model_type().ok()).unwrap_or("-");
    let size = found.files.iter().filter_map(|file| file.size).sum();
    let opens = match opens(found, spec) {
        Ok(()) => "yes".into(),
        Err(error) => format!("no: {}", shortened(&error.to_string())),
    };
    vec![String::new(), found.name.clone(), shortened(model_type), bytes(size), layers, heads, opens]
}

/// Checks that a model on this machine opens, as far as its configuration and its weights' headers tell.
///
/// # Errors
/// The reason why it does not open.
fn opens(found: &Inspection, spec: Option<Result<ModelSpec>>) -> Result<()> {
    if let Some(Err(error)) = spec {
        return Err(error);
    }
    match (&found.problem, found.model_files()) {
        (None, Some(files)) => Weights::open(&files, &Unwatched).map(|_| ()),
        (Some(Error::MissingFile { file, .. }), _) => Err(Error::Text(format!("{file} is missing"))),
        (Some(problem), _) => Err(Error::Text(problem.to_string())),
        (None, None) => Err(Error::Text("some of its files are missing".into())),
    }
}
