//! `attn-tui patch`: takes activations of a clean run into a corrupt one and measures what they restore.

use std::ops::Range;
use std::str::FromStr;

use clap::Args;

use super::context::Context;
use super::options::{InputArgs, OutputArgs, RunExtras, named, whole};
use super::{input, output};
use crate::analysis::patching::{ActivationKind, PatchEffects, PositionMap, SpanPair};
use crate::axis::{AxisItem, Token};
use crate::capture::Capture;
use crate::engine::{EstimatedPatches, PatchOptions, RunOptions, Session};
use crate::error::{Error, Result};
use crate::export::drawing::Drawing;
use crate::export::format::Format;
use crate::export::labels::{Labels, item_label};
use crate::export::patching::{LabelledEffects, LabelledLinks};
use crate::export::table::Table;
use crate::progress::Watch;
use crate::site::Kind;

/// Options of `patch`.
#[derive(Args)]
pub struct PatchArgs {
    /// Source text of the clean run; the same as --source.
    #[arg(long, value_name = "TEXT", help_heading = "Runs", conflicts_with_all = ["source", "audio"],
          allow_hyphen_values = true)]
    clean: Option<String>,
    /// Source text of the corrupt run. Both runs are forced to the target of the clean one.
    #[arg(long, value_name = "TEXT", help_heading = "Runs", allow_hyphen_values = true)]
    corrupt: String,
    /// Activations to take from the clean run, one at a time: what a head reads (z), the residual stream that
    /// enters a layer or the output of a feed-forward block at a position, the weights of a head, the
    /// encoder's output at a position, or single weights: those of the largest estimated effects.
    #[arg(long, value_name = "WHAT", default_value = "heads", help_heading = "Method",
          value_parser = named::<PatchedPart>(PatchedPart::names()))]
    what: PatchedPart,
    /// Estimate the effects of all heads or links to first order, in one backward pass, instead of one run
    /// for each (attribution patching). For heads, pattern and links.
    #[arg(long, help_heading = "Method")]
    estimate: bool,
    /// Positions of the sources that belong together, those of the clean source first, such as 0-3:0-3,5:7
    /// [default: all if the lengths are the same, otherwise the common first and last tokens].
    #[arg(long, value_name = "CLEAN:CORRUPT", value_delimiter = ',', help_heading = "Method")]
    map: Vec<SpanPair>,
    /// Score the target token against TOKEN: by the difference of their log-probabilities.
    #[arg(long, value_name = "TOKEN", help_heading = "Method")]
    contrast: Option<String>,
    /// Score only the token that this decoder row predicts, counted from 0 [default: the sum over all rows].
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Method")]
    row: Option<usize>,
    /// Print only the N largest effects, the largest first [default: all, but 20 links; all links,
    /// too, with --estimate and --json or --csv].
    #[arg(long, value_name = "N", value_parser = whole::<usize>, help_heading = "Output")]
    top: Option<usize>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub input: InputArgs,
}

/// `--what`.
#[derive(Clone, Copy)]
enum PatchedPart {
    /// Activations of a kind.
    Activations(ActivationKind),
    /// Single weights.
    Links,
}

impl PatchedPart {
    const LINKS: &str = "links";

    fn names() -> impl Iterator<Item = &'static str> {
        ActivationKind::ALL.map(ActivationKind::name).into_iter().chain([Self::LINKS])
    }
}

impl FromStr for PatchedPart {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == Self::LINKS { Ok(Self::Links) } else { text.parse().map(Self::Activations) }
    }
}

/// Number of effects in the table of a picture, and of links that are measured.
const TOP: usize = 20;

/// The two runs.
struct PatchedSources<'a> {
    session: &'a Session,
    clean: Capture,
    corrupt: Vec<AxisItem>,
    ids: Vec<u32>,
    rows: Range<usize>,
    options: PatchOptions,
    watch: &'a dyn Watch,
}

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`Error::NotForModel`]; [`Error::Usage`] for a capture file or positions of `--map`
/// that a source has not.
pub fn run(args: &PatchArgs, context: &Context) -> Result<()> {
    args.output.check()?;
    let watch = context.status_line();
    let session =
        input::text_session(&args.input, ("patching needs", "activation patching"), &watch, context)?;
    let contrast = args.contrast.as_deref().map(|text| session.single_target_token(text)).transpose()?;
    let mut text = args.input.text.clone();
    text.source = args.clean.clone().or(text.source);
    let run = text.options(input::source(&text, &session)?, RunExtras::default(), &context.settings)?;
    let source = session.source(&run)?;
    let corrupt = input::read_text(&args.corrupt)?;
    let corrupt = session.source(&RunOptions { source: corrupt, ..run.clone() })?;
    let ids = corrupt.sequence().ids();
    let map = args.position_map([source.items().len(), ids.len()])?;
    let clean = session.run_source(&source, &run, &watch)?;
    if run.target.is_none() {
        input::note_generation(&session, &clean);
    }
    let sources = PatchedSources {
        session: &session,
        rows: input::chosen_rows(args.row, clean.target.len())?,
        clean,
        corrupt: corrupt.items().to_vec(),
        ids,
        options: PatchOptions { contrast: contrast.as_ref().map(|token| token.id), map },
        watch: &watch,
    };
    args.note_positions(&sources);
    let (table, drawing) = match args.what {
        PatchedPart::Activations(kind) => args.activations(&sources, kind, contrast.as_ref())?,
        PatchedPart::Links => args.links(&sources, contrast.as_ref())?,
    };
    match args.output.output.as_deref().map(Format::of).transpose()? {
        Some(Format::Svg | Format::Png | Format::Html) => args.output.write(&drawing),
        _ => args.output.print(&table, &context.terminal),
    }
}

impl PatchArgs {
    /// Returns the positions of `--map`.
    fn position_map(&self, lengths: [usize; 2]) -> Result<Option<PositionMap>> {
        if self.map.is_empty() {
            return Ok(None);
        }
        let map = PositionMap::given(&self.map, lengths);
        map.map(Some).map_err(|why| Error::Usage(format!("--map {why}")))
    }

    /// Measures or estimates the effects of activations.
    fn activations(
        &self,
        sources: &PatchedSources,
        kind: ActivationKind,
        contrast: Option<&Token>,
    ) -> Result<(Table, Drawing)> {
        let PatchedSources { session, clean, ids, rows, options, watch, .. } = sources;
        let effects = match self.estimate {
            true => session.estimate_patching(&sources.estimated(), kind, *watch)?,
            false => session.patch(clean, ids, kind, options, *watch)?.effects(rows.clone()),
        };
        let labelled = LabelledEffects {
            kind,
            effects,
            source: sources.corrupt.iter().map(item_label).collect(),
            rows: Labels::of(clean, Kind::Decoder).queries,
        };
        let remark = self.note_scores(&labelled.effects, contrast, rows.len());
        let list = self.output.machine_readable() || self.top.is_some();
        let table = if list { labelled.list(self.top) } else { labelled.grid() };
        Ok((table, labelled.drawing(self.top.unwrap_or(TOP), &remark)))
    }

    /// Estimates the effects of all links, and measures the largest ones unless estimates are asked for.
    fn links(&self, sources: &PatchedSources, contrast: Option<&Token>) -> Result<(Table, Drawing)> {
        let PatchedSources { session, clean, ids, rows, options, watch, .. } = sources;
        let all = self.estimate && self.output.machine_readable();
        let most = self.top.unwrap_or(if all { usize::MAX } else { TOP });
        let estimated = session.estimate_links(&sources.estimated(), most, *watch)?;
        let remark = self.note_scores(&estimated, contrast, rows.len());
        let links: Vec<_> = estimated.changes.iter().map(|(link, _)| *link).collect();
        let measured = match self.estimate {
            true => None,
            false => Some(session.patch_links(clean, ids, &links, options, *watch)?.effects(rows.clone())),
        };
        let of_decoder = Labels::of(clean, Kind::Decoder);
        let labelled = LabelledLinks {
            estimated,
            measured,
            source: sources.corrupt.iter().map(item_label).collect(),
            rows: of_decoder.queries,
            fed: of_decoder.keys,
        };
        let table = if self.output.machine_readable() { labelled.list() } else { labelled.short_list() };
        Ok((table, labelled.drawing(&remark)))
    }

    /// Notes which positions belong together if these are not all.
    fn note_positions(&self, sources: &PatchedSources) {
        let PatchedSources { clean, corrupt, ids, options, .. } = sources;
        let map = options.map_of(&clean.source.ids(), ids);
        if map.whole {
            return;
        }
        let left_out = match self.what {
            PatchedPart::Activations(ActivationKind::Pattern) => {
                "weights of encoder and cross-attention heads are left out"
            }
            PatchedPart::Activations(_) => "encoder activations are patched there alone",
            PatchedPart::Links => "links to source positions are patched there alone",
        };
        let how = match options.map {
            Some(_) => "as --map says",
            None => "by their common begin and end (--map gives others)",
        };
        let [clean_alone, corrupt_alone] = map.alone([clean.source.len(), corrupt.len()]);
        output::note(&format!(
            "{} of {} positions of the corrupt source have their like in the clean one, {how}: {left_out}; \
             without like are {} (clean) and {} (corrupt)",
            map.pairs.len(),
            corrupt.len(),
            listed(&clean.source.items, &clean_alone),
            listed(corrupt, &corrupt_alone)
        ));
    }

    /// Notes the scores of the two runs, and returns the note.
    fn note_scores<T>(&self, effects: &PatchEffects<T>, contrast: Option<&Token>, rows: usize) -> String {
        let score = match contrast {
            Some(token) => format!("log p(target) - log p({})", item_label(&token.clone().into())),
            None => "log p(target)".into(),
        };
        let of = if rows == 1 { String::new() } else { format!(", summed over {rows} rows") };
        let how = if self.estimate { "; effects are estimated to first order" } else { "" };
        let remark = format!("{score}{of}: clean {:.3}, corrupt {:.3}{how}", effects.clean, effects.corrupt);
        output::note(&remark);
        if effects.effect(1.0).is_none() {
            output::note(
                "both runs score the target the same: there is nothing to restore, and effects are empty",
            );
        }
        remark
    }
}

impl PatchedSources<'_> {
    fn estimated(&self) -> EstimatedPatches<'_> {
        let Self { clean, ids, rows, options, .. } = self;
        EstimatedPatches { clean, corrupt: ids, rows: rows.clone(), options }
    }
}

/// Lists the first of some positions with their tokens.
fn listed(items: &[AxisItem], positions: &[usize]) -> String {
    const LISTED: usize = 8;
    if positions.is_empty() {
        return "none".into();
    }
    let place = |at: &usize| Some(format!("{at} ({})", item_label(items.get(*at)?)));
    let places: Vec<_> = positions.iter().take(LISTED).filter_map(place).collect();
    places.join(", ") + if positions.len() > LISTED { ", ..." } else { "" }
}
