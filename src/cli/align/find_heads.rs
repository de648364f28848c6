//! `attn-tui align --find-heads`: ranks heads by how well they align, and chooses a set of them.

mod speech;
mod text;

use std::collections::BTreeMap;

use attn_tui_kernels::threads;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::AlignArgs;
use super::word_times::{self, is_one_recording};
use crate::analysis::align::Convention;
use crate::axis::{ItemKind, Medium};
use crate::capture::Capture;
use crate::cli::batch::{self, Runner};
use crate::cli::context::Context;
use crate::cli::{input, output};
use crate::corpus::NumberedLines;
use crate::engine::{self, Session};
use crate::error::{Error, Result};
use crate::export::spoken::is_heard;
use crate::export::table::{Cell, Table};
use crate::files::check_free;
use crate::site::{Head, Kind};

/// Best heads of which a set is chosen.
const CANDIDATES: usize = 12;

/// Most heads of the set.
const MAX_SET: usize = 10;

/// Most bytes of maps that are kept to choose a set of heads.
const KEPT: usize = 1 << 30;

/// A way of aligning with one head: read at the rows that predict tokens, or at those that are fed them.
type Reading = (Head, Convention);

/// Judges heads by the texts or recordings that it is given one after the other.
trait HeadJudge {
    /// Adds a capture; `None` for a blank line.
    fn add(&mut self, args: &AlignArgs, capture: Option<Capture>) -> Result<()>;

    /// Tabulates every reading, the best first. `config` are the heads of the model's settings.
    fn table(&self, config: &[Head]) -> Table;

    /// Returns the predicting heads, the best first.
    fn predicting(&self) -> Vec<Head>;

    /// Error of some predicting heads together, on the captures whose maps are kept.
    fn error(&self, heads: &[Head]) -> f64;

    /// Formats an error with its unit.
    fn named(&self, error: f64) -> String;

    /// Says what the error is measured by.
    fn against(&self) -> String;
}

/// Runs the command.
///
/// # Errors
/// Those of the engine and of the files; [`Error::BadFile`] if the gold words are not those of the text.
pub fn run(args: &AlignArgs, context: &Context) -> Result<()> {
    if let Some(path) = &args.times.write_config {
        check_free(path, args.output.force)?;
    }
    let count = engine::threads(context.settings.threads);
    let judge = |heard: bool| -> Result<Box<dyn HeadJudge + Send + Sync>> {
        Ok(match heard {
            true => Box::new(speech::SpeechJudge::open(args.gold.as_deref())?),
            false => {
                Box::new(text::TextJudge::new(args.gold.as_deref().map(NumberedLines::open).transpose()?))
            }
        })
    };
    let Some(pairs) = batch::pairs(&args.batch)? else {
        let (session, capture) = one(args, context)?;
        if capture.source.items.iter().any(|item| matches!(item.kind, ItemKind::Patch { .. })) {
            return Err(no_pictures());
        }
        let mut judge = judge(is_heard(&capture))?;
        let config = capture.alignment_heads.clone();
        threads::run(count, || judge.add(args, Some(capture)))?;
        return report(args, &*judge, &config, session.as_deref(), context);
    };
    let runner = Runner::open(&args.input, args.weights, context)?;
    if runner.info().medium == Medium::Picture {
        return Err(no_pictures());
    }
    let mut judge = judge(runner.info().medium == Medium::Sound)?;
    let mut pairs = pairs;
    runner.run_each(pairs.by_ref(), |capture| threads::run(count, || judge.add(args, capture)))?;
    pairs.note_blank_lines();
    report(args, &*judge, &runner.info().alignment_heads, Some(runner.session()), context)
}

/// The error for pictures, whose patches follow no order that a text could be aligned to.
fn no_pictures() -> Error {
    Error::Usage(
        "--find-heads ranks heads for texts and recordings; for a picture, --per-head scores each head's boxes".into(),
    )
}

/// Runs one recording or text, or reads a capture file.
fn one(args: &AlignArgs, context: &Context) -> Result<(Option<Box<Session>>, Capture)> {
    if is_one_recording(args) {
        let (session, capture) = word_times::hear(args, context)?;
        return Ok((Some(session), capture));
    }
    Ok((None, input::weighted_capture(&args.input, args.weights, context)?))
}

/// Prints the ranking, then the chosen set.
fn report(
    args: &AlignArgs,
    judge: &(dyn HeadJudge + Send + Sync),
    config: &[Head],
    session: Option<&Session>,
    context: &Context,
) -> Result<()> {
    args.output.print(&judge.table(config), &context.terminal)?;
    let mut candidates = judge.predicting();
    candidates.truncate(CANDIDATES);
    let (set, error) = choose(candidates, &|heads| judge.error(heads));
    let listed =
        |heads: &[Head]| json!(heads.iter().map(|head| [head.layer(), head.head]).collect::<Vec<_>>());
    let mut sentence = format!("{} with the chosen set, {}", judge.named(error), judge.against());
    if !config.is_empty() {
        let common = set.iter().filter(|head| config.contains(head)).count();
        sentence += &format!(
            "; {} with the {} heads of generation_config.json, {common} of which are in the set",
            judge.named(judge.error(config)),
            config.len()
        );
    }
    output::note(&sentence);
    output::note(&format!("\"alignment_heads\": {}", listed(&set)));
    let Some(path) = &args.times.write_config else { return Ok(()) };
    let Some(session) = session else {
        return Err(Error::Usage(
            "a capture file has no generation_config.json: leave --write-config out".into(),
        ));
    };
    let mut fields = session.generation_file()?.unwrap_or_else(|| json!({}));
    if let Value::Object(fields) = &mut fields {
        fields.insert("alignment_heads".into(), listed(&set));
    }
    let text = format!("{fields:#}\n");
    output::save(path, args.output.force, |out| out.write_all(text.as_bytes()))?;
    output::note(&format!("wrote {}", path.display()));
    Ok(())
}

/// Chooses a set of heads: as long as the error shrinks, the head joins that shrinks it most. Sets differ from sums,
/// since all heads of a set align together.
fn choose(mut left: Vec<Head>, error_of: &(dyn Fn(&[Head]) -> f64 + Sync)) -> (Vec<Head>, f64) {
    let (mut set, mut error) = (Vec::new(), f64::INFINITY);
    while set.len() < MAX_SET {
        let with = |head: &Head| error_of(&[set.as_slice(), &[*head]].concat());
        let errors: Vec<f64> = left.par_iter().map(with).collect();
        let best = errors.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
        match best {
            Some((at, &mean)) if mean < error => {
                set.push(left.remove(at));
                error = mean;
            }
            _ => break,
        }
    }
    (set, error)
}

/// Tabulates readings. `measures` names the columns of their measures, `config` are the heads of the model's
/// settings, and `sharpness` has the sum of each head over `count` texts or recordings.
fn reading_table<const N: usize>(
    measures: [&str; N],
    rows: impl Iterator<Item = (Reading, [Cell; N])>,
    config: &[Head],
    (sharpness, count): (&BTreeMap<Head, f64>, usize),
) -> Table {
    let columns = ["layer", "head", "reading"].into_iter().chain(measures);
    let mut table = Table::new(columns.chain(["config", "sharpness"]));
    for ((head, convention), measures) in rows {
        let sharpness = sharpness.get(&head).copied().unwrap_or(0.0) / count.max(1) as f64;
        let mut row = [head.layer(), head.head].map(|number| Cell::Whole(number as i64)).to_vec();
        row.push(Cell::Text(convention.name().into()));
        row.extend(measures);
        row.push(Cell::Text(if config.contains(&head) { "yes" } else { "no" }.into()));
        row.push(Cell::number(Some(sharpness as f32)));
        table.rows.push(row);
    }
    table
}

/// Every way of reading the cross-attention heads of a capture.
fn readings(capture: &Capture) -> Vec<Reading> {
    let heads = capture.heads_of(Kind::Cross).into_iter();
    heads.flat_map(|head| Convention::ALL.map(|convention| (head, convention))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_grows_while_its_error_shrinks() {
        let head = |number| Head::new(Kind::Cross, 1, number);
        // Heads 0 and 2 complete one another; head 1 is the second best alone.
        let error = |heads: &[Head]| match heads.iter().map(|head| head.head).collect::<Vec<_>>()[..] {
            [0] => 0.3,
            [1] => 0.4,
            [0, 2] => 0.1,
            [0, 1] => 0.25,
            [0, 2, 1] => 0.2,
            _ => 1.0,
        };
        assert_eq!(choose(vec![head(0), head(1), head(2)], &error), (vec![head(0), head(2)], 0.1));
        assert_eq!(choose(Vec::new(), &error).0, []);
    }
}
