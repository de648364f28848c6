//! Content of Patching as a drawing.

use super::draw::header;
use super::effects::labelled;
use crate::export::drawing::Drawing;
use crate::tui::app::App;
use crate::tui::exporting::remark;

/// Number of effects in the table beside the maps.
const TOP: usize = 20;

/// Returns the largest effects as a table, and all of them as maps.
pub fn drawing(app: &App) -> Option<Drawing> {
    let remark = format!("{} · {}", header(app), remark(app));
    Some(labelled(app)?.drawing(TOP, &remark))
}
