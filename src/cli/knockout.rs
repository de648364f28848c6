//! `attn-tui knockout`: does the output depend on this head, layer or link?

use clap::{Args, ValueEnum};

use super::common::{Input, Output, Which};
use super::run::{Keep, StatusLine, read_text};
use crate::analysis::knockout::{Effect, effect};
use crate::capture::Capture;
use crate::engine::{self, Opened, RunOptions, Session};
use crate::error::{Error, Result};
use crate::export::labels::token_label;
use crate::export::table::{Cell, Table};
use crate::matrix::Matrix;
use crate::site::{Ablation, Head, Site};
use crate::token::Token;

/// Options of `knockout`.
#[derive(Args)]
pub struct Knockout {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    which: Which,
    /// What is switched off, one after the other.
    #[arg(long, value_enum, default_value = "head", conflicts_with = "link")]
    by: By,
    /// Switch one link of one head off: query and key, from 0 (needs --kind, --layer and --head).
    #[arg(long, value_name = "QUERY:KEY", value_parser = link, requires_all = ["kind", "layer", "head"])]
    link: Option<(usize, usize)>,
    /// Print a row a target token, with everything that is chosen switched off together.
    #[arg(long)]
    tokens: bool,
    /// Print only the N strongest effects.
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    #[command(flatten)]
    output: Output,
}

/// `--by`.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum By {
    /// Every head.
    Head,
    /// All heads of a kind in a layer.
    Layer,
}

fn link(text: &str) -> std::result::Result<(usize, usize), String> {
    let pair = text.split_once(':').and_then(|(query, key)| Some((query.parse().ok()?, key.parse().ok()?)));
    pair.ok_or_else(|| "a pair like 3:7 is needed".into())
}

/// Runs the command.
pub fn run(args: &Knockout) -> Result<()> {
    let trial = Trial::open(args)?;
    let parts = args.parts(&trial.base)?;
    if args.tokens || args.link.is_some() {
        let effect = trial.without(parts)?;
        return args.output.print(&by_token(&trial, &effect));
    }
    let mut effects = Vec::with_capacity(parts.len());
    for (done, &part) in parts.iter().enumerate() {
        trial.watch.say(&format_args!("{done} of {} switched off", parts.len()));
        effects.push((part, trial.without(vec![part])?));
    }
    effects.sort_by(|(a_part, a), (b_part, b)| {
        b.mean_drop().total_cmp(&a.mean_drop()).then_with(|| a_part.cmp(b_part))
    });
    effects.truncate(args.top.unwrap_or(usize::MAX));
    args.output.print(&by_part(&trial.base, &effects))
}

impl Knockout {
    fn parts(&self, base: &Capture) -> Result<Vec<Ablation>> {
        let selection = self.which.selection();
        let heads = selection.heads(base)?;
        if let (Some((query, key)), Some(&head)) = (self.link, heads.first()) {
            let map = base.map(head)?;
            return match map.get(query, key) {
                Some(_) => Ok(vec![Ablation::Link { head, query, key }]),
                None => Err(Error::NoSuchHead(format!(
                    "{head} has {} queries and {} keys: there is no link {query}:{key}",
                    map.rows(),
                    map.cols()
                ))),
            };
        }
        let mut parts: Vec<_> = match self.by {
            By::Head => heads.into_iter().map(Ablation::Head).collect(),
            By::Layer => heads.into_iter().map(|head| Ablation::Site(head.site)).collect(),
        };
        parts.dedup();
        Ok(parts)
    }
}

/// A model, one target, and what the whole model says of it.
struct Trial {
    session: Box<Session>,
    options: RunOptions,
    base: Capture,
    scores: Matrix,
    watch: StatusLine,
}

impl Trial {
    fn open(args: &Knockout) -> Result<Self> {
        let watch = StatusLine::default();
        let input = &args.input;
        let Opened::Model(session) = engine::open(&input.open.options(&input.model)?, &watch)? else {
            return Err(Error::Usage(format!("{} is a capture file: knock-outs need a model", input.model)));
        };
        let source = match &input.text.source {
            Some(source) => read_text(source)?,
            None if crate::hub::BUILT_IN.contains(&session.info().name.as_str()) => {
                session.info().example.clone()
            }
            None => return Err(Error::Usage("--source TEXT is needed (`-` reads standard input)".into())),
        };
        let mut options = input.text.options(source, Keep { logits: true, ..Keep::default() })?;
        if options.target.is_none() {
            // Every run below is about this target, the first one too.
            options.target = Some(session.run(&options, &watch)?.target.text);
        }
        let base = session.run(&options, &watch)?;
        let scores = scores(&base)?;
        Ok(Self { session, options, base, scores, watch })
    }

    /// The effect of switching parts off, together.
    fn without(&self, ablations: Vec<Ablation>) -> Result<Effect> {
        let capture = self.session.run(&RunOptions { ablations, ..self.options.clone() }, &self.watch)?;
        effect(&self.scores, &scores(&capture)?, &self.base.target.ids())
    }
}

fn scores(capture: &Capture) -> Result<Matrix> {
    capture.logits.clone().ok_or_else(|| Error::Engine("the run kept no scores".into()))
}

/// A row a part: `drop` is the mean loss of log-probability, `worst_drop` that of the token which loses most.
fn by_part(base: &Capture, effects: &[(Ablation, Effect)]) -> Table {
    let mut table = Table::new([
        "kind",
        "layer",
        "head",
        "drop",
        "divergence",
        "changed",
        "worst",
        "worst_token",
        "worst_drop",
    ]);
    for (part, effect) in effects {
        let Site { kind, layer } = part.site();
        let worst = effect.worst();
        table.rows.push(vec![
            Cell::Text(kind.name().into()),
            Cell::Whole(layer as i64),
            match part {
                Ablation::Head(Head { head, .. }) => Cell::Whole(*head as i64),
                _ => Cell::Missing,
            },
            Cell::Number(effect.mean_drop()),
            Cell::Number(effect.mean_divergence()),
            Cell::Whole(effect.changed() as i64),
            worst.map_or(Cell::Missing, |(row, _)| Cell::Whole(row as i64)),
            worst.map_or(Cell::Missing, |(row, _)| word(base.target.tokens.get(row))),
            Cell::number(worst.map(|(_, drop)| drop)),
        ]);
    }
    table
}

/// A row a target token: its log-probability before and after, and what would be said instead.
fn by_token(trial: &Trial, effect: &Effect) -> Table {
    let mut table =
        Table::new(["row", "token", "logp", "logp_without", "drop", "divergence", "best", "best_without"]);
    let rows = effect.before.iter().zip(&effect.after).zip(effect.drops()).zip(&effect.divergence);
    for (row, (((&before, &after), drop), &divergence)) in rows.enumerate() {
        let best = |ids: &[u32]| ids.get(row).map_or(Cell::Missing, |&id| trial.spelt(id));
        table.rows.push(vec![
            Cell::Whole(row as i64),
            word(trial.base.target.tokens.get(row)),
            Cell::Number(before),
            Cell::Number(after),
            Cell::Number(drop),
            Cell::Number(divergence),
            best(&effect.best_before),
            best(&effect.best_after),
        ]);
    }
    table
}

impl Trial {
    /// The token of an id.
    fn spelt(&self, id: u32) -> Cell {
        word(Some(&self.session.token(id)))
    }
}

fn word(token: Option<&Token>) -> Cell {
    token.map_or(Cell::Missing, |token| Cell::Text(token_label(token)))
}
