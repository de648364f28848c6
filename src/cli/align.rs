//! `attn-tui align`: aligns words by cross-attention.

mod boxes;
mod fallback;
mod find_heads;
mod word_times;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser;

use self::word_times::{HeadChoice, WordTimesArgs, WordsOfRecordings};
use super::batch::{self, Runner};
use super::context::Context;
use super::options::{BatchArgs, InputArgs, MergeChoice, OutputArgs, WeightsArgs, named, whole};
use super::{input, output};
use crate::analysis::align::{Agreement, Alignment, Convention, Gold, hard_alignment};
use crate::analysis::merge::merge;
use crate::axis::{AxisItem, Medium};
use crate::capture::Capture;
use crate::corpus::NumberedLines;
use crate::error::{Error, Result};
use crate::export::labels::word_numbers;
use crate::export::select::HeadSelection;
use crate::export::spoken::is_heard;
use crate::export::table::{Cell, Table};
use crate::matrix::Matrix;
use crate::site::{Head, Kind};
use crate::terminal::Terminal;

/// Options of `align`.
#[derive(Args)]
pub struct AlignArgs {
    #[command(flatten)]
    weights: WeightsArgs,
    /// Layer, counted from 0 [default: the last].
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Heads")]
    layer: Option<usize>,
    /// Head, counted from 0 [default: all heads of the layer, merged].
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Heads")]
    head: Option<usize>,
    /// Method of merging heads.
    #[arg(long, value_enum, default_value = "mean", help_heading = "Heads")]
    merge: MergeChoice,
    /// Align with each head by itself: all, or those of --heads. With --gold, the best head comes first.
    #[arg(long, conflicts_with_all = ["layer", "head"], help_heading = "Heads")]
    per_head: bool,
    /// Decoder row that stands for a target token: the row that predicts it, or the row that is fed it.
    #[arg(long, default_value = "predicts", value_parser = conventions())]
    convention: Convention,
    /// Align tokens instead of words. Words end at spaces; special tokens are left out.
    #[arg(long)]
    tokens: bool,
    /// File of gold alignments in Pharaoh format, one line per sentence: `3-4` is sure, `3?4` possible. For a
    /// picture, a JSON list of words with x, y, w and h, as --json prints them: boxes are scored by their
    /// overlap (IoU).
    #[arg(long, value_name = "FILE")]
    gold: Option<PathBuf>,
    /// Count words of the gold alignment from 1 instead of 0.
    #[arg(long, requires = "gold")]
    one_based: bool,
    #[command(flatten)]
    times: WordTimesArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub batch: BatchArgs,
}

fn conventions() -> impl TypedValueParser<Value = Convention> {
    named(Convention::ALL.map(Convention::name))
}

/// Runs the command.
///
/// # Errors
/// Those of the engine and of the files.
pub fn run(args: &AlignArgs, context: &Context) -> Result<()> {
    args.output.check()?;
    if args.times.find_heads {
        return find_heads::run(args, context);
    }
    if args.input.text.audio.audio.is_some() {
        return word_times::run(args, context);
    }
    if args.input.text.image.image.is_some() {
        return boxes::run(args, context);
    }
    let gold = || args.gold.as_deref().map(NumberedLines::open).transpose();
    let mut found = Alignments::default();
    let mut recordings = WordsOfRecordings::default();
    match batch::pairs(&args.batch)? {
        None => {
            let capture = input::weighted_capture(&args.input, args.weights, context)?;
            if is_heard(&capture) {
                return word_times::print(args, &capture, context);
            }
            if boxes::is_seen(&capture) {
                return boxes::print(args, &capture, context);
            }
            let mut gold = gold()?;
            found.add(args, &capture, gold.as_mut())?;
        }
        Some(mut pairs) => {
            let mut gold = gold()?;
            let runner = Runner::open(&args.input, args.weights, context)?;
            runner.run_each(pairs.by_ref(), |capture| match capture {
                Some(capture) if is_heard(&capture) => recordings.add(args, &capture),
                Some(capture) if boxes::is_seen(&capture) => Err(Error::Usage(
                    "the words of pictures are placed one picture at a time: give --image FILE".into(),
                )),
                Some(capture) => found.add(args, &capture, gold.as_mut()),
                None if runner.info().medium == Medium::Sound => {
                    recordings.add_blank();
                    Ok(())
                }
                None => found.add_blank(args, gold.as_mut()),
            })?;
            pairs.note_blank_lines();
        }
    }
    if !recordings.is_empty() {
        return recordings.print(args, context);
    }
    found.print(args, &context.terminal)
}

/// A head, or `None` for merged heads.
type Aligner = Option<Head>;

/// Alignments of all sentences, and their agreement with the gold alignments.
#[derive(Default)]
struct Alignments {
    sentences: usize,
    /// One alignment per sentence and head; empty with gold alignments, when only the rates are printed.
    lines: Vec<(usize, Aligner, Alignment)>,
    agreement: BTreeMap<Aligner, Agreement>,
}

impl Alignments {
    fn add(&mut self, args: &AlignArgs, capture: &Capture, gold: Option<&mut NumberedLines>) -> Result<()> {
        if args.times.format.is_some() {
            let why = "--format is for the words of a recording or a picture, and this is a text";
            return Err(Error::Usage(why.into()));
        }
        let (source, target) = (units(&capture.source.items, args), units(&capture.target.items, args));
        let gold = gold.map(|lines| read_gold(lines, args.one_based)).transpose()?;
        for (who, map) in maps(args, capture)? {
            let alignment = hard_alignment(&map, &source, &target, args.convention);
            match &gold {
                Some(gold) => self.agreement.entry(who).or_default().add(&alignment, gold),
                None => self.lines.push((self.sentences, who, alignment)),
            }
        }
        self.sentences += 1;
        Ok(())
    }

    /// Adds a blank line: an empty alignment, or with gold alignments nothing.
    fn add_blank(&mut self, args: &AlignArgs, gold: Option<&mut NumberedLines>) -> Result<()> {
        match gold {
            Some(lines) => drop(read_gold(lines, args.one_based)?),
            None => self.lines.push((self.sentences, None, Alignment::default())),
        }
        self.sentences += 1;
        Ok(())
    }

    fn print(self, args: &AlignArgs, terminal: &Terminal) -> Result<()> {
        if args.gold.is_some() {
            return args.output.print(&self.rates(), terminal);
        }
        if args.output.machine_readable() || args.output.output.is_some() || args.per_head {
            return args.output.print(&self.table(), terminal);
        }
        let lines = self.lines.iter().map(|(_, _, alignment)| format!("{alignment}\n"));
        output::print(&lines.collect::<String>())
    }

    fn table(&self) -> Table {
        let mut table = Table::new(["sentence", "layer", "head", "alignment"]);
        for (sentence, who, alignment) in &self.lines {
            let [layer, head] = named_cells(*who);
            table.rows.push(vec![
                Cell::Whole(*sentence as i64),
                layer,
                head,
                Cell::Text(alignment.to_string()),
            ]);
        }
        table
    }

    /// Tabulates the alignment error rate of every head, the best first.
    fn rates(&self) -> Table {
        let mut table = Table::new(["layer", "head", "aer", "precision", "recall", "links"]);
        let mut rates: Vec<_> = self.agreement.iter().collect();
        let rate = |agreement: &Agreement| agreement.error_rate().unwrap_or(f32::INFINITY);
        rates.sort_by(|(_, a), (_, b)| rate(a).total_cmp(&rate(b)));
        for (who, agreement) in rates {
            let [layer, head] = named_cells(*who);
            table.rows.push(vec![
                layer,
                head,
                Cell::number(agreement.error_rate()),
                Cell::number(agreement.precision()),
                Cell::number(agreement.recall()),
                Cell::Whole(agreement.found as i64),
            ]);
        }
        table
    }
}

fn named_cells(who: Aligner) -> [Cell; 2] {
    who.map_or([Cell::Missing, Cell::Missing], |head| {
        [Cell::Whole(head.layer() as i64), Cell::Whole(head.head as i64)]
    })
}

fn read_gold(lines: &mut NumberedLines, one_based: bool) -> Result<Gold> {
    let line = lines.next();
    lines.take_notes().iter().for_each(|note| output::note(note));
    match line {
        Some(line) => Gold::parse(&line?, one_based).map_err(|why| lines.error(&why)),
        None => Err(lines.error("there are fewer gold alignments than sentences")),
    }
}

/// Returns the number of the word that each token belongs to, or with --tokens the number of the token;
/// `None` for special tokens.
fn units(tokens: &[AxisItem], args: &AlignArgs) -> Vec<Option<usize>> {
    match args.tokens {
        true => tokens.iter().enumerate().map(|(at, token)| (!token.special).then_some(at)).collect(),
        false => word_numbers(tokens),
    }
}

/// Returns the maps to align with: one, or with --per-head that of every cross-attention head.
fn maps(args: &AlignArgs, capture: &Capture) -> Result<Vec<(Aligner, Matrix)>> {
    let last = || capture.layers(Kind::Cross).checked_sub(1);
    let layer = if args.per_head { None } else { args.layer.or_else(last) };
    let heads = match &args.times.heads {
        HeadChoice::Auto => {
            HeadSelection { kind: Some(Kind::Cross), layer, head: args.head }.heads(capture)?
        }
        choice => choice.heads(capture)?,
    };
    if args.per_head {
        return heads.into_iter().map(|head| Ok((Some(head), capture.map(head)?))).collect();
    }
    if let [head] = heads[..] {
        return Ok(vec![(Some(head), capture.map(head)?)]);
    }
    let maps: Vec<_> = heads.iter().map(|&head| capture.map(head)).collect::<Result<_>>()?;
    let merged =
        merge(&maps, args.merge.method()).map_err(|_| Error::NoSuchHead("no heads to merge".into()))?;
    Ok(vec![(None, merged)])
}
