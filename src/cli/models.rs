//! `attn-tui models`: what can be opened, and what is here.

use super::output::{self, table};
use crate::error::{Error, Result};
use crate::hub::{self, Hub, HubOptions, Survey};
use crate::human::bytes;
use crate::model::{Config, Spec, Weights, registry, spec_of};
use crate::progress::Unwatched;

/// Runs the command.
pub fn run() -> Result<()> {
    let hub = Hub::from_env()?;
    let families =
        registry().iter().map(|family| vec![String::new(), family.model_type.into(), family.examples.into()]);
    let mut models =
        vec![["", "model", "type", "size", "layers", "heads", "opens"].map(String::from).to_vec()];
    for name in hub::BUILT_IN {
        models.extend(hub::survey(name, &HubOptions::default(), &Unwatched)?.iter().map(row));
    }
    models.extend(hub::cached(&hub).iter().map(row));
    output::print(&format!(
        "supported types, with models that have them:\n{}\nin the program and in {}:\n{}",
        table(&families.collect::<Vec<_>>()),
        hub.cache.display(),
        table(&models),
    ))
}

fn row(survey: &Survey) -> Vec<String> {
    let spec = survey.config.clone().map(|config| spec_of(&Config::new(config)));
    let (layers, heads) = match &spec {
        Some(Ok(spec)) => (pair(spec.layers()), pair(spec.heads())),
        _ => ("-".into(), "-".into()),
    };
    let model_type =
        survey.config.as_ref().and_then(|config| config.get("model_type")?.as_str()).unwrap_or("-");
    let size = survey.parts.iter().filter_map(|part| part.size).sum();
    let opens = match opens(survey, spec) {
        Ok(()) => "yes".into(),
        Err(error) => format!("no: {error}"),
    };
    vec![String::new(), survey.name.clone(), model_type.into(), bytes(size), layers, heads, opens]
}

/// Whether a model on this machine opens, as far as its configuration and its weights' headers tell.
fn opens(survey: &Survey, spec: Option<Result<Spec>>) -> Result<()> {
    if let Some(Err(error)) = spec {
        return Err(error);
    }
    match (&survey.problem, survey.files()) {
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
