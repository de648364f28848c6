//! `attn-tui align --find-heads`: ranks heads by how well they time the words of recordings.

use std::path::Path;

use serde_json::Value;

use super::AlignArgs;
use super::word_times::{self, timed, upper_heads};
use crate::analysis::align::Convention;
use crate::analysis::word_times::{TimeErrors, TimedWord};
use crate::capture::Capture;
use crate::cli::batch::{self, Runner};
use crate::cli::context::Context;
use crate::cli::output;
use crate::error::{Error, Result};
use crate::export::table::{Cell, Table};
use crate::matrix::Matrix;
use crate::site::{Head, Kind};

/// Most recordings whose maps are kept, to choose a set of heads.
const MAX_RECORDINGS: usize = 64;

/// Best heads of which a set is chosen.
const CANDIDATES: usize = 12;

/// Most heads of the set.
const MAX_SET: usize = 10;

/// A recording with the begins of its words to compare with.
struct TimedCapture {
    capture: Capture,
    starts: Vec<f64>,
}

/// A head read at the rows that predict words, or at those that are fed them.
#[derive(Clone, Copy)]
struct RankedHead {
    head: Head,
    convention: Convention,
    errors: TimeErrors,
}

/// Runs the command.
///
/// # Errors
/// Those of the engine and of the files; [`Error::BadFile`] if the gold words are not those of the text.
pub fn run(args: &AlignArgs, context: &Context) -> Result<()> {
    let (captures, config) = captures(args, context)?;
    let gold = args.gold.as_deref().map(|path| gold(path, captures.len())).transpose()?;
    let recordings = recordings(captures, gold, args.gold.as_deref())?;
    let heads = recordings.first().map_or_else(Vec::new, |first| first.capture.heads_of(Kind::Cross));
    let mut ranked = Vec::new();
    for head in heads {
        for convention in Convention::ALL {
            ranked.push(RankedHead { head, convention, errors: errors(&recordings, &[head], convention)? });
        }
    }
    ranked.sort_by(|a, b| a.errors.mean.total_cmp(&b.errors.mean));
    args.output.print(&table(&ranked, &config), &context.terminal)?;
    let (set, error) = choose(&recordings, &ranked)?;
    let against =
        if args.gold.is_some() { "the gold times" } else { "the heads of the upper layers together" };
    output::note(&format!(
        "mean error over {} recordings against {against}: {:.0} ms with the chosen set, {}",
        recordings.len(),
        1e3 * error,
        configured(&recordings, &set, &config)?
    ));
    let list: Vec<[usize; 2]> = set.iter().map(|head| [head.layer(), head.head]).collect();
    output::note(&format!("\"alignment_heads\": {}", serde_json::json!(list)));
    Ok(())
}

/// Runs every recording. Also returns the heads that the model's settings name.
fn captures(args: &AlignArgs, context: &Context) -> Result<(Vec<Capture>, Vec<Head>)> {
    let Some(pairs) = batch::pairs(&args.batch)? else {
        let (capture, config) = word_times::hear(args, context)?;
        return Ok((vec![capture], config));
    };
    let runner = Runner::open(&args.input, args.weights, context)?;
    let mut captures = Vec::new();
    let mut pairs = pairs.filter(|pair| !matches!(pair, Ok(None)));
    runner.run_each(pairs.by_ref().take(MAX_RECORDINGS), |capture| {
        captures.extend(capture);
        Ok(())
    })?;
    if pairs.next().transpose()?.is_some() {
        output::note(&format!("the first {MAX_RECORDINGS} recordings are taken"));
    }
    Ok((captures, runner.info().alignment_heads.clone()))
}

/// Pairs each capture with the begins of its words: the gold ones, or those by the upper heads together.
fn recordings(
    captures: Vec<Capture>,
    gold: Option<Vec<Vec<f64>>>,
    file: Option<&Path>,
) -> Result<Vec<TimedCapture>> {
    let mut recordings = Vec::new();
    for (at, capture) in captures.into_iter().enumerate() {
        if !word_times::is_heard(&capture) {
            return Err(Error::Usage("--find-heads needs recordings: give --audio FILE".into()));
        }
        let found = starts(&capture, &upper_heads(&capture), Convention::Predicts)?;
        let starts = match &gold {
            None => found,
            Some(all) if all[at].len() == found.len() => all[at].clone(),
            Some(all) => {
                return Err(Error::BadFile {
                    file: file.map_or_else(String::new, |file| file.display().to_string()),
                    why: format!(
                        "recording {at} has {} gold words for the {} of the text \"{}\"",
                        all[at].len(),
                        found.len(),
                        capture.target.text.trim()
                    ),
                });
            }
        };
        recordings.push(TimedCapture { capture, starts });
    }
    // The first word of a recording is not compared.
    match recordings.iter().all(|recording| recording.starts.len() < 2) {
        true => Err(Error::Usage("no recording has two words: there is nothing to time".into())),
        false => Ok(recordings),
    }
}

/// Begins of a capture's words by some heads together.
fn starts(capture: &Capture, heads: &[Head], convention: Convention) -> Result<Vec<f64>> {
    let maps: Vec<Matrix> = heads.iter().map(|&head| capture.map(head)).collect::<Result<_>>()?;
    let words: Vec<TimedWord> = timed(capture, &maps, convention, false)?;
    Ok(words.into_iter().map(|word| word.start).collect())
}

/// Errors of some heads together over all recordings. The first word of a recording is left out: every path begins
/// with it.
fn errors(recordings: &[TimedCapture], heads: &[Head], convention: Convention) -> Result<TimeErrors> {
    let mut differences = Vec::new();
    for recording in recordings {
        let found = starts(&recording.capture, heads, convention)?;
        differences.extend(found.iter().zip(&recording.starts).skip(1).map(|(found, gold)| found - gold));
    }
    Ok(TimeErrors::of(&differences))
}

/// Chooses a set of predicting heads: as long as the error shrinks, the head joins that shrinks it most. Sets
/// differ from sums, since a path follows the mean of its heads.
fn choose(recordings: &[TimedCapture], ranked: &[RankedHead]) -> Result<(Vec<Head>, f64)> {
    let predicting = ranked.iter().filter(|ranked| ranked.convention == Convention::Predicts);
    let mut left: Vec<Head> = predicting.take(CANDIDATES).map(|ranked| ranked.head).collect();
    let (mut set, mut error) = (Vec::new(), f64::INFINITY);
    while set.len() < MAX_SET {
        let mut best: Option<(usize, f64)> = None;
        for (at, &head) in left.iter().enumerate() {
            let with = [set.as_slice(), &[head]].concat();
            let mean = errors(recordings, &with, Convention::Predicts)?.mean;
            if best.is_none_or(|(_, least)| mean < least) {
                best = Some((at, mean));
            }
        }
        match best {
            Some((at, mean)) if mean < error => {
                set.push(left.remove(at));
                error = mean;
            }
            _ => break,
        }
    }
    Ok((set, error))
}

/// Says how the heads of the model's settings compare with the chosen set.
fn configured(recordings: &[TimedCapture], set: &[Head], config: &[Head]) -> Result<String> {
    if config.is_empty() {
        return Ok("the model's settings name none".into());
    }
    let common = set.iter().filter(|head| config.contains(head)).count();
    let error = errors(recordings, config, Convention::Predicts)?.mean;
    Ok(format!(
        "{:.0} ms with the {} heads of generation_config.json, {common} of which are in the set",
        1e3 * error,
        config.len()
    ))
}

fn table(ranked: &[RankedHead], config: &[Head]) -> Table {
    let mut table = Table::new(["layer", "head", "reading", "error", "median", "bias", "near", "config"]);
    for RankedHead { head, convention, errors } in ranked {
        let second = |value: f64| Cell::number(Some(value as f32));
        table.rows.push(vec![
            Cell::Whole(head.layer() as i64),
            Cell::Whole(head.head as i64),
            Cell::Text(convention.name().into()),
            second(errors.mean),
            second(errors.median),
            second(errors.bias),
            second(errors.near),
            Cell::Text(if config.contains(head) { "yes" } else { "no" }.into()),
        ]);
    }
    table
}

/// Reads the begins of gold words: a list of words, or an object with `words`, for one recording; a list of these for
/// several.
fn gold(path: &Path, count: usize) -> Result<Vec<Vec<f64>>> {
    let bad = |why: &str| Error::BadFile { file: path.display().to_string(), why: why.into() };
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let value: Value = serde_json::from_str(&text).map_err(|e| bad(&format!("not valid JSON: {e}")))?;
    let words = |value: &Value| {
        let list = value.get("words").unwrap_or(value).as_array()?;
        list.iter().map(|word| word.get("start")?.as_f64()).collect::<Option<Vec<f64>>>()
    };
    let all = match (words(&value), value.as_array()) {
        (Some(one), _) if count == 1 => Some(vec![one]),
        (_, Some(list)) => list.iter().map(words).collect(),
        _ => None,
    };
    match all {
        Some(all) if all.len() == count => Ok(all),
        Some(all) => Err(bad(&format!("it has the words of {} recordings, not of {count}", all.len()))),
        None => Err(bad("it is no list of words, each with its `start` in seconds")),
    }
}
