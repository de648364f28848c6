//! `attn-tui needles`: heads that find a sentence planted in a long source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::context::Context;
use super::options::{InputArgs, OutputArgs, RunExtras, cross_head, whole};
use super::{input, output};
use crate::analysis::needles::{NeedleScores, RETRIEVAL, carried_mass, cross_scores, word_recall};
use crate::analysis::spread::Spread;
use crate::capture::Capture;
use crate::corpus::NumberedLines;
use crate::engine::{CONTEXT, Haystack, Needle, RunOptions, Session};
use crate::error::{Error, Result};
use crate::export::table::{Cell, Table};
use crate::export::tables::head_cells;
use crate::site::{Head, Kind};

/// Options of `needles`.
#[derive(Args)]
pub struct NeedlesArgs {
    /// Lengths of the source in tokens, separated by commas; 4k is 4,096.
    #[arg(long, value_name = "LENGTHS", default_value = "128,256,512")]
    #[arg(value_delimiter = ',', value_parser = length, help_heading = "Method")]
    lengths: Vec<usize>,
    /// Shares of the filler that stand before the needle, separated by commas, from 0 to 1.
    #[arg(long, value_name = "DEPTHS", default_value = "0,0.25,0.5,0.75,1")]
    #[arg(value_delimiter = ',', value_parser = depth, help_heading = "Method")]
    depths: Vec<f32>,
    /// File with the sentences of the filler, one a line [default: built in, English].
    #[arg(long, value_name = "FILE", help_heading = "Method")]
    filler: Option<PathBuf>,
    /// File of needles, one a line: a sentence, or a JSON object with `needle`, and perhaps `target` (by
    /// default the needle) and `source`, such as "summarize: {context}".
    #[arg(long, value_name = "FILE", help_heading = "Method")]
    templates: Option<PathBuf>,
    /// Let the model write what it makes of the source, instead of forcing the target. `recall` is the share
    /// of the target's words that it writes.
    #[arg(long, help_heading = "Method")]
    generate: bool,
    /// Print the lengths and depths of this cross-attention head, such as 2.4 [default: the best one].
    #[arg(long, value_name = "LAYER.HEAD", value_parser = cross_head, help_heading = "Output")]
    head: Option<Head>,
    /// Number of heads to list [default: those with a score over 0.1, at least 5; all with --json or --csv].
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Output")]
    top: Option<usize>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub input: InputArgs,
}

/// Number of heads that are listed even if none retrieves.
const LISTED: usize = 5;

/// Most lines of a file of filler or templates.
const MAX_LINES: usize = 100_000;

/// Longest source.
const LONGEST: usize = 1 << 20;

/// Sentences that are planted.
const NEEDLES: [&str; 3] = [
    "The secret number of the green door is 48213.",
    "The best thing to eat in Lisbon is a warm custard tart.",
    "My grandmother hid the silver key under the third stone of the garden wall.",
];

/// Sentences of the filler, about nothing that the needles are about.
const FILLER: [&str; 24] = [
    "The train left the station a few minutes late and nobody seemed to mind.",
    "In the afternoon the wind turned and brought the smell of rain.",
    "She wrote two letters, put them aside and made some tea.",
    "The market opens early, and by nine the best bread is gone.",
    "He had never been good with names, but he remembered every face.",
    "A bus stopped at the corner, waited and drove on without passengers.",
    "The report says that prices rose a little faster than last year.",
    "Nobody had used the old bridge since the new road was built.",
    "They talked about the weather, then about work, then about nothing.",
    "The museum keeps its maps in a cool room without windows.",
    "After lunch the children went outside and played until it was dark.",
    "The river is low in summer, and boats have to wait for the lock.",
    "Someone had left a bicycle against the fence of the school.",
    "The orchestra rehearsed the last movement again and again.",
    "It takes about an hour to walk from the harbour to the hills.",
    "The shop sells paper, pens, string and other small things.",
    "Most of the houses in this street were built after the fire.",
    "The speaker paused, looked at the clock and went on reading.",
    "Two dogs slept in the shade of the wall and did not move.",
    "The library closes at six, except on the first day of the month.",
    "He fixed the lamp, but the light in the hall still flickered.",
    "Farmers in the valley grow wheat, beans and a little fruit.",
    "The meeting ended without a decision, as everyone had expected.",
    "Clouds moved slowly over the roofs, and the evening was quiet.",
];

/// Scores of one head at one length and depth: means over the needles.
#[derive(Clone, Default)]
struct CellScores {
    retrieval: Spread,
    top_in_needle: Spread,
    mass: Spread,
    /// The mass over that of uniform weights.
    mass_ratio: Spread,
    /// Share of the expected words in what the model wrote.
    recall: Spread,
}

/// Scores of every head by length (its place among the lengths) and depth (likewise).
type Scores = BTreeMap<Head, BTreeMap<(usize, usize), CellScores>>;

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`Error::Usage`] for a capture file, a file without needles, or lengths that no model
/// input has room for.
pub fn run(args: &NeedlesArgs, context: &Context) -> Result<()> {
    args.output.check()?;
    if args.input.text.has_source() || args.input.text.target.is_some() {
        return Err(Error::Usage(
            "needles makes its own texts: leave out --source and --target, and give --filler or --templates"
                .into(),
        ));
    }
    let filler = match &args.filler {
        None => FILLER.map(String::from).to_vec(),
        Some(path) => filler(path)?,
    };
    let needles = match &args.templates {
        None => NEEDLES.map(Needle::plain).to_vec(),
        Some(path) => templates(path)?,
    };
    let watch = context.status_line();
    let session = input::text_session(&args.input, ("a needle needs", "a needle"), &watch, context)?;
    let run = args.input.text.options(String::new(), RunExtras::default(), &context.settings)?;
    let mut haystacks = Vec::new();
    for (length, tokens) in args.lengths.iter().enumerate() {
        for (depth, share) in args.depths.iter().enumerate() {
            for needle in &needles {
                let haystack = session.haystack(&filler, needle, *tokens, *share, &run)?;
                haystacks.push(((length, depth), haystack));
            }
        }
    }
    let scores = measure(&session, &haystacks, args, &watch)?;
    args.print(&scores, context)
}

/// Runs all haystacks and scores every head. A length that the model does not take is left out with a note.
fn measure(
    session: &Session,
    haystacks: &[((usize, usize), Haystack)],
    args: &NeedlesArgs,
    watch: &dyn crate::progress::Watch,
) -> Result<Scores> {
    let mut scores = Scores::new();
    let mut refused: BTreeMap<usize, Error> = BTreeMap::new();
    let runs = haystacks.iter().map(|(_, haystack)| {
        let target = haystack.run.target.clone().filter(|_| !args.generate);
        RunOptions { target, ..haystack.run.clone() }
    });
    session.run_many(runs, watch, |at, capture| {
        let (cell, haystack) = &haystacks[at];
        match capture {
            Ok(capture) => {
                let expected = haystack.run.target.as_deref().unwrap_or_default();
                let recall = args.generate.then(|| word_recall(expected, &capture.target.text));
                add(&mut scores, *cell, haystack, &capture, recall);
            }
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => drop(refused.entry(cell.0).or_insert(error)),
        }
        Ok(())
    })?;
    if scores.is_empty() {
        return Err(refused
            .into_values()
            .next()
            .unwrap_or_else(|| Error::Text("there are no needles".into())));
    }
    for (length, error) in refused {
        output::note(&format!("sources of {} tokens are left out: {error}", args.lengths[length]));
    }
    Ok(scores)
}

/// Adds the scores of one capture, with the recall of what the model wrote.
fn add(
    scores: &mut Scores,
    cell: (usize, usize),
    haystack: &Haystack,
    capture: &Capture,
    recall: Option<f32>,
) {
    let (source, needle) = (&capture.source.items, &haystack.needle);
    let uniform = needle.len() as f32 / source.len().max(1) as f32;
    for head in capture.all_heads() {
        let found = match head.site.kind {
            Kind::Decoder => continue,
            Kind::Cross => {
                let Some(map) = capture.maps.map(head) else { continue };
                cross_scores(&map, needle, source, &capture.target.items)
            }
            Kind::Encoder => {
                let mass = carried_mass(capture.maps.pieces(head), needle, source);
                NeedleScores { mass, ..NeedleScores::default() }
            }
        };
        let entry = scores.entry(head).or_default().entry(cell).or_default();
        if head.site.kind == Kind::Cross {
            entry.retrieval.add(found.retrieval);
            entry.top_in_needle.add(found.top_in_needle);
        }
        entry.mass.add(found.mass);
        entry.mass_ratio.add(found.mass / uniform.max(f32::MIN_POSITIVE));
        recall.into_iter().for_each(|recall| entry.recall.add(recall));
    }
}

impl NeedlesArgs {
    fn print(&self, scores: &Scores, context: &Context) -> Result<()> {
        if self.output.machine_readable() {
            return self.output.print(&self.cells(scores), &context.terminal);
        }
        let mut ranked: Vec<_> = scores.iter().map(|(head, cells)| (*head, mean(cells))).collect();
        let order = |cells: &CellScores| {
            (cells.retrieval.mean().unwrap_or(-1.0), cells.mass_ratio.mean().unwrap_or_default())
        };
        ranked.sort_by(|(a, x), (b, y)| {
            let ((x, x_mass), (y, y_mass)) = (order(x), order(y));
            y.total_cmp(&x).then(y_mass.total_cmp(&x_mass)).then(a.cmp(b))
        });
        let retrieval = ranked
            .iter()
            .filter(|(_, cells)| cells.retrieval.mean().is_some_and(|score| score > RETRIEVAL))
            .count();
        let cross = ranked.iter().filter(|(head, _)| head.site.kind == Kind::Cross).count();
        let best = match self.head {
            None => ranked.first().map(|(head, _)| *head),
            Some(head) if scores.contains_key(&head) => Some(head),
            Some(head) => {
                let name = format!("{}.{}", head.layer(), head.head);
                let why = format!("--head {name}: there is no such head of cross-attention");
                return Err(Error::Usage(why));
            }
        };
        if self.output.output.is_none() {
            if let Some(best) = best {
                output::print(&format!("retrieval score of {best} by length and depth\n"))?;
                output::print_styled(
                    &self.by_depth(&scores[&best]).render(crate::export::ansi::Colors::None),
                )?;
                output::print("\n")?;
            }
            output::note(&format!(
                "{retrieval} of {cross} cross-attention heads have a retrieval score over {RETRIEVAL}"
            ));
            if let Some(recall) = ranked.first().and_then(|(_, cells)| cells.recall.mean()) {
                output::note(&format!("the model writes {recall:.2} of the targets' words"));
            }
        }
        let top = self.top.unwrap_or(retrieval.max(LISTED));
        let mut table =
            Table::new(["kind", "layer", "head", "retrieval", "top_in_needle", "mass", "mass_ratio"]);
        table.rows = ranked
            .iter()
            .take(top)
            .map(|(head, cells)| [&head_cells(*head)[..], &score_cells(cells)].concat())
            .collect();
        self.output.print(&table.with_schema("attn-tui needles 1"), &context.terminal)
    }

    /// One row for each head, length and depth.
    fn cells(&self, scores: &Scores) -> Table {
        let mut table = Table::new([
            "kind",
            "layer",
            "head",
            "length",
            "depth",
            "needles",
            "retrieval",
            "top_in_needle",
            "mass",
            "mass_ratio",
        ]);
        table.columns.extend(self.generate.then(|| "recall".into()));
        for (&head, cells) in scores {
            for (&(length, depth), cell) in cells {
                let place = [
                    Cell::Whole(self.lengths[length] as i64),
                    Cell::Number(self.depths[depth]),
                    Cell::Whole(cell.mass.count() as i64),
                ];
                let recall = self.generate.then(|| Cell::number(cell.recall.mean()));
                let recall: Vec<Cell> = recall.into_iter().collect();
                table.rows.push([&head_cells(head)[..], &place, &score_cells(cell), &recall[..]].concat());
            }
        }
        table.with_schema("attn-tui needles 1")
    }

    /// The retrieval scores of one head: a row for each length, a column for each depth.
    fn by_depth(&self, cells: &BTreeMap<(usize, usize), CellScores>) -> Table {
        let depths = self.depths.iter().map(|depth| format!("{depth}"));
        let mut table = Table::new(std::iter::once("length".to_string()).chain(depths));
        for (length, tokens) in self.lengths.iter().enumerate() {
            let score = |depth| cells.get(&(length, depth)).and_then(|cell| cell.retrieval.mean());
            let row = (0..self.depths.len()).map(|depth| Cell::number(score(depth)));
            table.rows.push(std::iter::once(Cell::Whole(*tokens as i64)).chain(row).collect());
        }
        table
    }
}

/// Means over lengths and depths.
fn mean(cells: &BTreeMap<(usize, usize), CellScores>) -> CellScores {
    let mut all = CellScores::default();
    for cell in cells.values() {
        let pairs = [
            (&mut all.retrieval, &cell.retrieval),
            (&mut all.top_in_needle, &cell.top_in_needle),
            (&mut all.mass, &cell.mass),
            (&mut all.mass_ratio, &cell.mass_ratio),
            (&mut all.recall, &cell.recall),
        ];
        for (all, one) in pairs {
            one.mean().into_iter().for_each(|value| all.add(value));
        }
    }
    all
}

fn score_cells(cells: &CellScores) -> [Cell; 4] {
    [&cells.retrieval, &cells.top_in_needle, &cells.mass, &cells.mass_ratio]
        .map(|spread| Cell::number(spread.mean()))
}

/// Reads the sentences of the filler.
fn filler(path: &Path) -> Result<Vec<String>> {
    let mut lines = NumberedLines::open(path)?;
    let mut sentences = Vec::new();
    while let Some(line) = lines.read()? {
        sentences.push(line.map_err(|why| lines.error(&why))?);
        if sentences.len() > MAX_LINES {
            return Err(lines.error(&format!("more than {MAX_LINES} lines of filler")));
        }
    }
    Ok(sentences)
}

/// Reads needles from a file of sentences or JSON objects.
fn templates(path: &Path) -> Result<Vec<Needle>> {
    let mut lines = NumberedLines::open(path)?;
    let mut needles = Vec::new();
    while let Some(line) = lines.read()? {
        let line = line.map_err(|why| lines.error(&why))?;
        if !line.trim().is_empty() {
            needles.push(template(&line).map_err(|why| lines.error(&why))?);
        }
        if needles.len() > MAX_LINES {
            return Err(lines.error(&format!("more than {MAX_LINES} needles")));
        }
    }
    if needles.is_empty() { Err(lines.error("there are no needles")) } else { Ok(needles) }
}

fn template(line: &str) -> std::result::Result<Needle, String> {
    if !line.trim_start().starts_with('{') {
        return Ok(Needle::plain(line.trim()));
    }
    let value: Value = serde_json::from_str(line).map_err(|e| format!("not a JSON object: {e}"))?;
    let text = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{name}` is not a text")),
    };
    let needle = text("needle")?.filter(|needle| !needle.trim().is_empty());
    let needle = needle.ok_or("the object needs a text `needle`")?;
    let template = text("source")?.unwrap_or_else(|| CONTEXT.into());
    if !template.contains(CONTEXT) {
        return Err(format!("`source` has no {CONTEXT}"));
    }
    Ok(Needle { target: text("target")?.unwrap_or_else(|| needle.clone()), text: needle, template })
}

/// Parses a number of tokens.
fn length(text: &str) -> std::result::Result<usize, String> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1024),
        None => (text, 1),
    };
    let tokens = digits.parse::<usize>().ok().and_then(|tokens| tokens.checked_mul(unit));
    let tokens = tokens.filter(|tokens| (1..=LONGEST).contains(tokens));
    tokens.ok_or_else(|| "must be a number of tokens, such as 512 or 4k".into())
}

/// Parses a share.
fn depth(text: &str) -> std::result::Result<f32, String> {
    let share = text.parse::<f32>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "must be a number from 0 to 1".into())
}
