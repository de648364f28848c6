//! `attn-tui align`: word alignment from cross-attention.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser;

use super::batch::{Files, Numbered, Runner};
use super::common::{Input, Output, Weighting, named};
use super::output;
use super::show::MergeArg;
use crate::analysis::align::{Agreement, Alignment, Convention, Gold, hard_alignment, words};
use crate::analysis::merge::merge;
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::export::select::Selection;
use crate::export::table::{Cell, Table};
use crate::matrix::Matrix;
use crate::site::{Head, Kind};
use crate::token::Token;

/// Options of `align`.
#[derive(Args)]
pub struct Align {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    weighting: Weighting,
    /// Layer, from 0 [default: the last].
    #[arg(long, value_name = "N", help_heading = "Heads")]
    layer: Option<usize>,
    /// Head, from 0; without it the heads of the layer are merged.
    #[arg(long, value_name = "N", help_heading = "Heads")]
    head: Option<usize>,
    /// How heads are merged.
    #[arg(long, value_enum, default_value = "mean", help_heading = "Heads")]
    merge: MergeArg,
    /// Every head by itself, the best first where there is a gold alignment.
    #[arg(long, conflicts_with_all = ["layer", "head"], help_heading = "Heads")]
    per_head: bool,
    /// Which row speaks for a target token: the one that predicts it, or the one that is fed it.
    #[arg(long, default_value = "predicts", value_parser = conventions())]
    convention: Convention,
    /// Align tokens, not words. (Words end at spaces; special tokens belong to none.)
    #[arg(long)]
    tokens: bool,
    /// Gold alignments in Pharaoh format, a line a sentence: `3-4` sure, `3?4` possible.
    #[arg(long, value_name = "FILE")]
    gold: Option<PathBuf>,
    /// The gold alignment counts from 1.
    #[arg(long, requires = "gold")]
    one_based: bool,
    #[command(flatten)]
    output: Output,
}

fn conventions() -> impl TypedValueParser<Value = Convention> {
    named(Convention::ALL.map(Convention::name))
}

/// Runs the command.
pub fn run(args: &Align) -> Result<()> {
    let mut gold = args.gold.as_deref().map(Numbered::open).transpose()?;
    let mut found = Found::default();
    match args.files.pairs()? {
        None => found.add(args, &args.weighting.capture(&args.input)?, gold.as_mut())?,
        Some(pairs) => {
            let runner = Runner::open(&args.input, args.weighting)?;
            for pair in pairs {
                found.add(args, &runner.run(&pair?)?, gold.as_mut())?;
                runner.tell(found.sentences);
            }
        }
    }
    found.print(args)
}

/// A head, or `None` for the merged ones.
type Who = Option<Head>;

/// What the sentences gave.
#[derive(Default)]
struct Found {
    sentences: usize,
    /// One alignment a sentence and head; left out where only the rates are printed.
    lines: Vec<(usize, Who, Alignment)>,
    agreement: BTreeMap<Who, Agreement>,
}

impl Found {
    fn add(&mut self, args: &Align, capture: &Capture, gold: Option<&mut Numbered>) -> Result<()> {
        let (source, target) = (sides(&capture.source.tokens, args), sides(&capture.target.tokens, args));
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

    fn print(self, args: &Align) -> Result<()> {
        if args.gold.is_some() {
            return args.output.print(&self.rates());
        }
        if args.output.for_programs() || args.per_head {
            return args.output.print(&self.table());
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

    /// The alignment error rate of every head, the best first.
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

fn named_cells(who: Who) -> [Cell; 2] {
    who.map_or([Cell::Missing, Cell::Missing], |head| {
        [Cell::Whole(head.layer() as i64), Cell::Whole(head.head as i64)]
    })
}

fn read_gold(lines: &mut Numbered, one_based: bool) -> Result<Gold> {
    match lines.next() {
        Some(line) => Gold::parse(&line?, one_based).map_err(|why| lines.bad(&why)),
        None => Err(lines.bad("there are fewer gold alignments than sentences")),
    }
}

/// The word of each token, or each token by itself.
fn sides(tokens: &[Token], args: &Align) -> Vec<Option<usize>> {
    if args.tokens {
        return tokens.iter().enumerate().map(|(at, token)| (!token.special).then_some(at)).collect();
    }
    // A vocabulary without word marks (letters, ideographs) has a word a token.
    let marked = tokens.iter().any(|token| !token.special && crate::text::starts_word(&token.piece));
    words(
        tokens
            .iter()
            .map(|token| (!token.special).then(|| !marked || crate::text::starts_word(&token.piece))),
    )
}

/// The maps to align with: one, or every cross-attention head's.
fn maps(args: &Align, capture: &Capture) -> Result<Vec<(Who, Matrix)>> {
    let mut selection = Selection { kind: Some(Kind::Cross), layer: args.layer, head: args.head };
    if args.per_head {
        let heads = selection.heads(capture)?.into_iter();
        return heads.map(|head| Ok((Some(head), capture.map(head)?))).collect();
    }
    selection.layer = args.layer.or_else(|| capture.layers(Kind::Cross).checked_sub(1));
    let heads = selection.heads(capture)?;
    if let [head] = heads[..] {
        return Ok(vec![(Some(head), capture.map(head)?)]);
    }
    let maps: Vec<_> = heads.iter().map(|&head| capture.map(head)).collect::<Result<_>>()?;
    let merged = merge(&maps, args.merge.how()).map_err(|_| Error::NoSuchHead("no heads to merge".into()))?;
    Ok(vec![(None, merged)])
}
