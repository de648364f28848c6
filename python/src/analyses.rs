//! Analyses of a capture, as tables and maps.

use attn_tui::analysis::align::{Convention, hard_alignment};
use attn_tui::analysis::knockout::{AblationEffect, Replacement};
use attn_tui::analysis::links::LinkFilter;
use attn_tui::analysis::merge::{CrossRollout, Merge, merge};
use attn_tui::analysis::metrics::HeadMetrics;
use attn_tui::axis::AxisItem;
use attn_tui::capture::{Capture, MetricOptions, RESIDUAL};
use attn_tui::error::{Error, Result};
use attn_tui::export::labels::{item_label, word_numbers};
use attn_tui::export::select::{HeadSelection, PlaceSelection};
use attn_tui::export::table::{Cell, Table};
use attn_tui::export::tables::{add_roles, effect_table, head_table, link_table, share_table, stack_table};
use attn_tui::matrix::Matrix;
use attn_tui::progress::Watch;
use attn_tui::site::{Ablation, Kind};

use crate::capture::Origin;
use crate::options::named;

/// Tabulates all metrics of heads, and their roles.
pub fn heads(capture: &Capture, selection: &HeadSelection, far: f32) -> Result<Table> {
    let names: Vec<_> = HeadMetrics::COLUMNS.iter().map(|column| column.name).collect();
    let rows = capture.head_metrics(&selection.heads(capture)?, MetricOptions { far, gini: true })?;
    let mut table = head_table(&rows, &names);
    add_roles(&mut table, &rows, |_| true);
    Ok(table)
}

/// Tabulates the strongest links of heads between places.
pub fn links(
    capture: &Capture,
    selection: &HeadSelection,
    places: &PlaceSelection,
    filter: &LinkFilter,
) -> Result<Table> {
    let heads = selection.heads(capture)?;
    let mut kinds: Vec<Kind> = heads.iter().map(|head| head.kind()).collect();
    kinds.dedup();
    Ok(link_table(capture, &capture.strongest_links(&heads, &places.filters(capture, &kinds, filter)?)?))
}

/// Choices of [`align`].
pub struct AlignOptions {
    /// Layer; `None` for the last.
    pub layer: Option<usize>,
    /// Head; `None` for all, merged.
    pub head: Option<usize>,
    /// Method of merging.
    pub merge: Merge,
    /// Row that stands for a target token.
    pub convention: Convention,
    /// True to align tokens instead of words.
    pub tokens: bool,
}

impl AlignOptions {
    /// Reads the names of the method and of the convention.
    pub fn new(merge: &str, convention: &str, tokens: bool) -> Result<Self> {
        let merge = match merge {
            "mean" => Merge::Mean,
            "max" => Merge::Max,
            other => return Err(Error::Usage(format!("merge: '{other}' is not one of mean, max"))),
        };
        let convention = named::<Convention>("convention", convention)?;
        Ok(Self { layer: None, head: None, merge, convention, tokens })
    }
}

/// Aligns words by cross-attention. One row for each pair: numbers and texts of the source and target word.
pub fn align(capture: &Capture, options: &AlignOptions) -> Result<Table> {
    let layer = options.layer.or_else(|| capture.layers(Kind::Cross).checked_sub(1));
    let selection = HeadSelection { kind: Some(Kind::Cross), layer, head: options.head };
    let maps = selection.heads(capture)?.into_iter().map(|head| capture.map(head));
    let map = merge(&maps.collect::<Result<Vec<_>>>()?, options.merge)?;
    let numbers = |items: &[AxisItem]| match options.tokens {
        true => items.iter().enumerate().map(|(at, item)| (!item.special).then_some(at)).collect(),
        false => word_numbers(items),
    };
    let [source, target] = [&capture.source.items, &capture.target.items].map(|items| numbers(items));
    let alignment = hard_alignment(&map, &source, &target, options.convention);
    let text = |items: &[AxisItem], numbers: &[Option<usize>], word: usize| {
        let parts = items.iter().zip(numbers).filter(|(_, number)| **number == Some(word));
        Cell::Text(parts.map(|(item, _)| item_label(item)).collect())
    };
    let mut table = Table::new(["source", "target", "source_word", "target_word"]);
    table.rows.extend(alignment.0.into_iter().map(|(from, to)| {
        vec![
            Cell::Whole(from as i64),
            Cell::Whole(to as i64),
            text(&capture.source.items, &source, from),
            text(&capture.target.items, &target, to),
        ]
    }));
    Ok(table)
}

/// Method of tracing attention through all layers.
pub enum TracingMethod {
    /// Attention rollout with a share of the residual connection.
    Rollout(f32),
    /// ALTI.
    Alti,
}

impl TracingMethod {
    /// Reads the name of the method and the share.
    pub fn new(method: &str, residual: Option<f32>) -> Result<Self> {
        match (method, residual) {
            ("rollout", residual) => {
                let share = residual.unwrap_or(RESIDUAL);
                match (0.0..=1.0).contains(&share) {
                    true => Ok(Self::Rollout(share)),
                    false => Err(Error::Usage(format!("residual: {share} is not a number from 0 to 1"))),
                }
            }
            ("alti", None) => Ok(Self::Alti),
            ("alti", Some(_)) => Err(Error::Usage(
                "residual is of method=\"rollout\"; ALTI measures the residual share".into(),
            )),
            (other, _) => Err(Error::Usage(format!("method: '{other}' is not one of rollout, alti"))),
        }
    }

    fn through(&self, capture: &Capture, kind: Kind) -> Result<Matrix> {
        match self {
            Self::Rollout(residual) => capture.rollout(kind, *residual),
            Self::Alti => capture.alti(kind),
        }
    }

    fn through_both(&self, capture: &Capture) -> Result<CrossRollout> {
        match self {
            Self::Rollout(residual) => capture.cross_rollout(*residual),
            Self::Alti => capture.alti_plus(),
        }
    }
}

/// Traces attention through all layers, and returns the table of shares and the map.
pub fn rollout(capture: &Capture, kind: Option<&str>, method: &TracingMethod) -> Result<(Table, Matrix)> {
    let kind = kind.map(|name| named::<Kind>("kind", name)).transpose()?;
    let all = capture.layers(Kind::Cross) > 0;
    let kind = kind.or_else(|| if all { Some(Kind::Cross) } else { capture.kinds().first().copied() });
    match kind.unwrap_or(Kind::Cross) {
        Kind::Cross => {
            let both = method.through_both(capture)?;
            Ok((share_table(capture, &both), both.source))
        }
        kind => {
            let map = method.through(capture, kind)?;
            Ok((stack_table(capture, kind, &map), map))
        }
    }
}

/// Tabulates what the target's predictions lose with each head, or each layer, switched off; the most first.
pub fn knockout(
    capture: &Capture,
    origin: &Origin,
    selection: &HeadSelection,
    whole_layers: bool,
    watch: &dyn Watch,
) -> Result<Table> {
    let Origin { session, run } = origin;
    let mut parts: Vec<_> = match selection.heads(capture)?.into_iter() {
        heads if whole_layers => heads.map(|head| Ablation::Site(head.site)).collect(),
        heads => heads.map(Ablation::Head).collect(),
    };
    parts.dedup();
    let run = attn_tui::engine::RunOptions { logits: true, ..run.clone() };
    let source = session.source(&run)?;
    let (base, intact) = session.run_intact(&source, &run, watch)?;
    let logits = base.logits.as_ref().ok_or_else(|| Error::Engine("the run kept no logits".into()))?;
    let each: Vec<_> = parts.iter().map(|&part| vec![part]).collect();
    let effects = session.ablation_effects(&intact, logits, &each, None, watch)?;
    let mut effects: Vec<_> = parts.into_iter().zip(effects).collect();
    AblationEffect::sort(&mut effects);
    Ok(effect_table(&base, &effects, Replacement::Zero))
}
