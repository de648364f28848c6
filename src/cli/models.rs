//! `attn-tui models`: what can be opened, and what is here.

use super::output::{self, table};
use crate::error::{Error, Result};
use crate::hub::{self, Hub, HubOptions, Inspection};
use crate::human::bytes;
use crate::model::{Spec, Weights, registry, spec_of};
use crate::progress::Unwatched;

/// Runs the command.
pub fn run() -> Result<()> {
    let hub = Hub::from_env()?;
    let families =
        registry().iter().map(|family| vec![String::new(), family.model_type.into(), family.examples.into()]);
    let mut models =
        vec![["", "model", "type", "size", "layers", "heads", "opens"].map(String::from).to_vec()];
    for name in hub::BUILT_IN {
        models.extend(hub::inspect(name, &HubOptions::default(), &Unwatched)?.iter().map(row));
    }
    models.extend(hub::cached(&hub).iter().map(row));
    output::print(&format!(
        "supported types, with models that have them:\n{}\nin the program and in {}:\n{}",
        table(&families.collect::<Vec<_>>()),
        hub.cache.display(),
        table(&models),
    ))
}

fn row(found: &Inspection) -> Vec<String> {
    let spec = found.config.as_ref().map(spec_of);
    let (layers, heads) = match &spec {
        Some(Ok(spec)) => (pair(spec.layers()), pair(spec.heads())),
        _ => ("-".into(), "-".into()),
    };
    let model_type = found.config.as_ref().and_then(|config| config.model_type().ok()).unwrap_or("-");
    let size = found.files.iter().filter_map(|file| file.size).sum();
    let opens = match opens(found, spec) {
        Ok(()) => "yes".into(),
        Err(error) => format!("no: {error}"),
    };
    vec![String::new(), found.name.clone(), model_type.into(), bytes(size), layers, heads, opens]
}

/// Whether a model on this machine opens, as far as its configuration and its weights' headers tell.
fn opens(found: &Inspection, spec: Option<Result<Spec>>) -> Result<()> {
    if let Some(Err(error)) = spec {
        return Err(error);
    }
    match (&found.problem, found.model_files()) {
        (None, Some(files)) => Weights::open(&files, &Unwatched).map(|_| ()),
        (Some(Error::MissingFile { file, .. }), _) => Err(Error::Text(format!("{file} is missing"))),
        (Some(problem), _) => Err(Error::Text(problem.to_string())),
        (None, None) => Err(Error::Text("not all of its files are here".into())),
    }
}

/// A number of the encoder and of the decoder: `6` where they agree, else `12+2`.
pub fn pair((encoder, decoder): (usize, usize)) -> String {
    if encoder == decoder { encoder.to_string() } else { format!("{encoder}+{decoder}") }
}
