//! The table of knock-outs.

use crate::analysis::knockout::{AblationEffect, Replacement};
use crate::capture::Capture;
use crate::export::labels::item_cell;
use crate::export::table::{Cell, Table};
use crate::site::{Ablation, Head, Site};

/// Tabulates the effect of each part: `drop` is the mean loss of log-probability, `worst_drop` the largest
/// loss of a token. Ablated heads read `replacement`.
pub fn effect_table(
    base: &Capture,
    effects: &[(Ablation, AblationEffect)],
    replacement: Replacement,
) -> Table {
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
        "ablation",
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
            worst.map_or(Cell::Missing, |(row, _)| item_cell(base.target.items.get(row))),
            Cell::number(worst.map(|(_, drop)| drop)),
            Cell::Text(replacement.name().into()),
        ]);
    }
    table
}
