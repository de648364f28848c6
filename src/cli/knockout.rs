//! `attn-tui knockout`: measures the effect of switching off heads, layers or a link, or of covering a part
//! of the picture.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::context::Context;
use super::options::{HeadArgs, InputArgs, OutputArgs, RunExtras, TextArgs, whole};
use super::status::StatusLine;
use super::{batch, input, output};
use crate::analysis::knockout::{AblationEffect, Replacement, effect};
use crate::axis::PixelBox;
use crate::capture::{Capture, HeadMeans};
use crate::corpus::CorpusFiles;
use crate::engine::{IntactRun, RunOptions, Session};
use crate::error::{Error, Result};
use crate::export::labels::item_cell;
use crate::export::select::HeadSelection;
use crate::export::table::{Cell, Table};
use crate::export::tables::effect_table;
use crate::site::{Ablation, Kind};

/// Options of `knockout`. With --cover, the rectangles are covered in place of anything switched off, and
/// there is one row per target token.
#[derive(Args)]
pub struct KnockoutArgs {
    #[command(flatten)]
    heads: HeadArgs,
    /// Switch off one head, or one layer, at a time.
    #[arg(long, value_enum, default_value = "head", conflicts_with = "link")]
    by: AblationUnit,
    /// Switch off one link of one head, given as query and key counted from 0. Requires --kind, --layer and
    /// --head.
    #[arg(long, value_name = "QUERY:KEY", value_parser = link, requires_all = ["kind", "layer", "head"])]
    link: Option<(usize, usize)>,
    /// Let heads that are switched off read their mean over the tokens of the sentences of a file, in place
    /// of zeros. The file is one of those of --source-file of other commands; targets that it does not have
    /// are generated.
    #[arg(long, value_name = "FILE", help_heading = "Method")]
    #[arg(conflicts_with_all = ["link", "cover"])]
    mean_over: Option<PathBuf>,
    /// Switch off everything selected at once, and print one row per target token.
    #[arg(long)]
    tokens: bool,
    /// Print only the N strongest effects.
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    top: Option<usize>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub input: InputArgs,
}

/// `--by`.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum AblationUnit {
    /// One head at a time.
    Head,
    /// All heads of one kind in a layer at a time.
    Layer,
}

fn link(text: &str) -> std::result::Result<(usize, usize), String> {
    let pair = text.split_once(':').and_then(|(query, key)| Some((query.parse().ok()?, key.parse().ok()?)));
    pair.ok_or_else(|| "must be a pair such as 3:7".into())
}

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`Error::Usage`] for a capture file.
pub fn run(args: &KnockoutArgs, context: &Context) -> Result<()> {
    args.output.check()?;
    let target = AblationTarget::open(args, context)?;
    let covered = &args.input.text.image.cover;
    if !covered.is_empty() {
        if args.link.is_some() || args.heads.selection() != HeadSelection::default() {
            return Err(Error::Usage(
                "--cover does not go with heads or a link: measure them one by one".into(),
            ));
        }
        return args.output.print(&args.by_token(&target, &target.covered(covered)?), &context.terminal);
    }
    let parts = args.parts(&target.base)?;
    if args.tokens || args.link.is_some() {
        let effects = target.effects(&[parts])?;
        return match effects.first() {
            Some(effect) => args.output.print(&args.by_token(&target, effect), &context.terminal),
            None => Ok(()),
        };
    }
    let each: Vec<_> = parts.iter().map(|&part| vec![part]).collect();
    let mut effects: Vec<_> = parts.into_iter().zip(target.effects(&each)?).collect();
    AblationEffect::sort(&mut effects);
    effects.truncate(args.top.unwrap_or(usize::MAX));
    args.output.print(&effect_table(&target.base, &effects, target.replacement()), &context.terminal)
}

impl KnockoutArgs {
    fn parts(&self, base: &Capture) -> Result<Vec<Ablation>> {
        let selection = self.heads.selection();
        let heads = selection.heads(base)?;
        if let (Some((query, key)), Some(&head)) = (self.link, heads.first()) {
            let map = base.map(head)?;
            return match map.get(query, key) {
                Some(_) => Ok(vec![Ablation::Link { head, query, key }]),
                None => Err(Error::NoSuchHead(format!(
                    "{head} has no link {query}:{key}: it has {} queries and {} keys",
                    map.rows(),
                    map.cols()
                ))),
            };
        }
        let mut parts: Vec<_> = match self.by {
            AblationUnit::Head => heads.into_iter().map(Ablation::Head).collect(),
            AblationUnit::Layer => heads.into_iter().map(|head| Ablation::Site(head.site)).collect(),
        };
        parts.dedup();
        Ok(parts)
    }

    /// Computes the means of `--mean-over`.
    fn means(&self, session: &Session, watch: &StatusLine, context: &Context) -> Result<Option<HeadMeans>> {
        let Some(path) = &self.mean_over else { return Ok(None) };
        let files = CorpusFiles { source: path.clone(), ..CorpusFiles::default() };
        let (mut means, mut sentences) = (HeadMeans::default(), 0);
        let mut text = TextArgs { source: None, target: None, ..self.input.text.clone() };
        (text.audio.audio, text.image.image) = (None, None);
        text.image.cover.clear();
        for pair in batch::SentencePairs::open(&files)? {
            let Some(pair) = pair? else { continue };
            let extras = RunExtras::default();
            let run = batch::run_options(session, pair.clone(), &text, extras, &context.settings)?;
            let added = session.add_run_to_means(&mut means, &run, watch);
            added.map_err(|error| batch::in_sentence(error, &pair))?;
            sentences += 1;
            watch.say(&format_args!("{sentences} sentences"));
        }
        if sentences == 0 {
            return Err(Error::Usage(format!("--mean-over: there are no sentences in {}", path.display())));
        }
        let positions = |wanted: Kind| means.positions().find(|(site, _)| site.kind == wanted);
        let counts = [(Kind::Encoder, "source"), (Kind::Cross, "target")];
        let counts = counts.map(|(kind, side)| Some(format!("{} {side}", positions(kind)?.1)));
        let counts = counts.into_iter().flatten().collect::<Vec<_>>().join(" and ");
        output::note(&format!("heads read their mean over {counts} positions; sentences: {sentences}"));
        Ok(Some(means))
    }

    /// Tabulates for each target token its log-probability before and after, and the likeliest tokens.
    fn by_token(&self, target: &AblationTarget, effect: &AblationEffect) -> Table {
        let mut table = Table::new([
            "row",
            "token",
            "logp",
            "logp_without",
            "drop",
            "divergence",
            "best",
            "best_without",
            "ablation",
        ]);
        let ablation = match self.link.is_some() || !self.input.text.image.cover.is_empty() {
            false => Cell::Text(target.replacement().name().into()),
            true => Cell::Missing,
        };
        let rows = effect.before.iter().zip(&effect.after).zip(effect.drops()).zip(&effect.divergence);
        for (row, (((&before, &after), drop), &divergence)) in rows.enumerate() {
            let best = |ids: &[u32]| ids.get(row).map_or(Cell::Missing, |&id| target.token_cell(id));
            table.rows.push(vec![
                Cell::Whole(row as i64),
                item_cell(target.base.target.items.get(row)),
                Cell::Number(before),
                Cell::Number(after),
                Cell::Number(drop),
                Cell::Number(divergence),
                best(&effect.best_before),
                best(&effect.best_after),
                ablation.clone(),
            ]);
        }
        table
    }
}

/// The unchanged model and its run, whose logits are kept.
struct AblationTarget {
    session: Box<Session>,
    /// Options of the run, with the target that it gave.
    options: RunOptions,
    base: Capture,
    intact: IntactRun,
    means: Option<Arc<HeadMeans>>,
    watch: StatusLine,
}

impl AblationTarget {
    fn open(args: &KnockoutArgs, context: &Context) -> Result<Self> {
        let watch = context.status_line();
        let session = input::session(&args.input, "knock-outs need", &watch, context)?;
        let source = input::source(&args.input.text, &session)?;
        let extras = RunExtras { logits: true, ..RunExtras::default() };
        let mut options = args.input.text.options(source, extras, &context.settings)?;
        options.image.iter_mut().for_each(|image| image.covered.clear());
        let source = session.source(&options)?;
        let (base, intact) = session.run_intact(&source, &options, &watch)?;
        base.notes.iter().for_each(|note| output::note(note));
        if options.target.is_none() {
            input::note_generation(&session, &base);
        }
        let means = args.means(&session, &watch, context)?.map(Arc::new);
        Ok(Self { session, options, base, intact, means, watch })
    }

    /// Measures the effect of covering rectangles of the picture on the same target.
    fn covered(&self, places: &[PixelBox]) -> Result<AblationEffect> {
        let mut options = RunOptions { prefix: self.base.target.ids(), ..self.options.clone() };
        options.image.get_or_insert_default().covered = places.to_vec();
        let covered = self.session.run_source(&self.session.source(&options)?, &options, &self.watch)?;
        match (&self.base.logits, &covered.logits) {
            (Some(before), Some(after)) => effect(before, after, &self.base.target.ids()),
            _ => Err(Error::Engine("the run kept no logits".into())),
        }
    }

    /// Returns the replacement of what ablated heads read.
    fn replacement(&self) -> Replacement {
        if self.means.is_some() { Replacement::Mean } else { Replacement::Zero }
    }

    /// Measures the effect of switching off each of several sets of parts.
    fn effects(&self, sets: &[Vec<Ablation>]) -> Result<Vec<AblationEffect>> {
        let logits = self.base.logits.as_ref();
        let logits = logits.ok_or_else(|| Error::Engine("the run kept no logits".into()))?;
        self.session.ablation_effects(&self.intact, logits, sets, self.means.as_ref(), &self.watch)
    }

    /// Returns the cell of a token id.
    fn token_cell(&self, id: u32) -> Cell {
        item_cell(Some(&self.session.token(id).into()))
    }
}
