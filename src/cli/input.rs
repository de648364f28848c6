//! Opens MODEL and runs it on the texts of the command line.

use std::ops::Range;
use std::time::Instant;

use super::context::Context;
use super::options::{InputArgs, RunExtras, TextArgs, WeightsArgs};
use super::{output, stdin, timings};
use crate::axis::Medium;
use crate::capture::{Capture, MapWeights};
use crate::engine::{self, Opened, Session};
use crate::error::{AudioError, Error, PictureError, Result};
use crate::hub;
use crate::progress::Watch;

/// Opens the model and runs it on the text, or opens the capture file.
///
/// # Errors
/// Those of the engine; [`Error::Usage`] if a model gets no source, or a capture file gets a text.
pub fn capture(input: &InputArgs, extras: RunExtras, context: &Context) -> Result<Capture> {
    let watch = context.status_line();
    let start = Instant::now();
    let threads = engine::threads(context.settings.threads);
    match engine::open(&input.open.options(&input.model, context), &watch)? {
        Opened::Capture(capture) => {
            if input.text.has_source() || input.text.target.is_some() {
                return Err(Error::Usage(format!(
                    "{} is a capture file and has its own texts: leave out --source, --audio, --image and --target",
                    input.model
                )));
            }
            if input.open.timings {
                context.timings.captured(threads, timings::since(start), engine::Timings::default());
            }
            capture.notes.iter().for_each(|note| output::note(note));
            Ok(*capture)
        }
        Opened::Model(session) => {
            note_model(&session);
            let options = input.text.options(source(&input.text, &session)?, extras, &context.settings)?;
            let load_ms = timings::since(start);
            let repeat = input.open.repeat.unwrap_or(1);
            let (capture, steps) = session.measure(&options, repeat, &watch)?;
            if input.open.timings {
                context.timings.captured(threads, load_ms, steps);
            }
            capture.notes.iter().for_each(|note| output::note(note));
            if input.text.target.is_none() {
                note_generation(&session, &capture);
            }
            Ok(capture)
        }
    }
}

/// Prints the notes on the tokenizer and the size of an opened model.
fn note_model(session: &Session) {
    session.info().notes.iter().for_each(|note| output::note(note));
}

/// Notes that the target of a capture was sampled, and which of the model's generation settings were not
/// followed.
pub fn note_generation(session: &Session, capture: &Capture) {
    if let Some(note) = session.info().ignored_note() {
        output::note(&note);
    }
    if let Some(seed) = capture.sampled {
        output::note(&format!("sampled, seed {seed}"));
    }
}

/// [`capture()`] with the maps that `--weights` asks for.
///
/// # Errors
/// Those of [`capture()`]; [`Error::NoValues`] if a capture file has no value-weighted maps.
pub fn weighted_capture(input: &InputArgs, weights: WeightsArgs, context: &Context) -> Result<Capture> {
    weighted(capture(input, weights.extras(), context)?, weights)
}

/// Replaces the maps of a capture by those that `--weights` asks for.
///
/// # Errors
/// [`Error::NoValues`] if the capture has no value-weighted maps.
pub fn weighted(capture: Capture, weights: WeightsArgs) -> Result<Capture> {
    if weights.weights == MapWeights::Values { capture.value_weighted() } else { Ok(capture) }
}

/// Opens a model for several runs. `needs` names what a capture file cannot do, for the error message.
///
/// # Errors
/// Those of the engine; [`Error::Usage`] for a capture file.
pub fn session(input: &InputArgs, needs: &str, watch: &dyn Watch, context: &Context) -> Result<Box<Session>> {
    match engine::open(&input.open.options(&input.model, context), watch)? {
        Opened::Model(session) => {
            note_model(&session);
            Ok(session)
        }
        Opened::Capture(_) => {
            Err(Error::Usage(format!("{} is a capture file: {needs} a model", input.model)))
        }
    }
}

/// Opens a model for an analysis of texts. `needs` is as for [`session`]; `analysis` names the analysis in the error,
/// with an article if it needs one.
///
/// # Errors
/// [`Error::NotForModel`] for a model that hears or sees; those of [`session`].
pub fn text_session(
    input: &InputArgs,
    (needs, analysis): (&str, &'static str),
    watch: &dyn Watch,
    context: &Context,
) -> Result<Box<Session>> {
    let session = session(input, needs, watch, context)?;
    let why = match session.info().medium {
        Medium::Text => return Ok(session),
        Medium::Sound => "it hears recordings, and this analysis is one of texts",
        Medium::Picture => "it sees pictures, and this analysis is one of texts",
    };
    Err(Error::NotForModel { analysis, why })
}

/// The source text: `--source`, or a built-in model's own example; empty for a recording or a picture.
///
/// # Errors
/// [`Error::Usage`] if there is none of these; [`AudioError::Needed`] for a model that hears and gets a text;
/// [`PictureError::Needed`] for one that sees and gets no picture; those of [`read_text`].
pub fn source(text: &TextArgs, session: &Session) -> Result<String> {
    let info = session.info();
    let (heard, seen) = (text.audio.audio.is_some(), text.image.image.is_some());
    match info.medium {
        // The example stands in for a picture only where nothing else is given.
        Medium::Picture if !seen && (heard || text.source.is_some() || info.example.is_empty()) => {
            return Err(PictureError::Needed { model: info.name.clone() }.into());
        }
        Medium::Picture => return Ok(String::new()),
        _ if heard || seen => return Ok(String::new()),
        Medium::Sound => return Err(AudioError::Needed { model: info.name.clone() }.into()),
        Medium::Text => {}
    }
    match &text.source {
        Some(source) => read_text(source),
        None if hub::BUILT_IN.contains(&info.name.as_str()) => Ok(info.example.clone()),
        None => Err(Error::Usage("--source TEXT is required (`-` reads standard input)".into())),
    }
}

/// Returns the argument itself, or for `-` standard input without its last line break.
///
/// # Errors
/// Those of [`stdin::bytes`]; [`Error::Text`] if standard input is not UTF-8.
pub fn read_text(argument: &str) -> Result<String> {
    if argument != "-" {
        return Ok(argument.into());
    }
    let bytes = stdin::bytes()?;
    let text = std::str::from_utf8(&bytes);
    let mut text = text.map_err(|_| Error::Text("standard input is not valid UTF-8".into()))?.to_string();
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// Returns the decoder rows that `--row` chooses, out of `count`; all without that option.
///
/// # Errors
/// [`Error::Usage`] if there is no such row.
pub fn chosen_rows(row: Option<usize>, count: usize) -> Result<Range<usize>> {
    match row {
        None => Ok(0..count),
        Some(row) if row < count => Ok(row..row + 1),
        Some(row) => Err(Error::Usage(format!("--row {row}: the target has {count} rows, counted from 0"))),
    }
}
