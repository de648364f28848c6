//! Content of Compare as a drawing.

use super::rows::rows;
use crate::export::compared;
use crate::export::drawing::Drawing;
use crate::tui::app::App;
use crate::tui::exporting::remark;

/// Returns the heads by their change, and the selected head's two maps with their difference.
pub fn drawing(app: &App) -> Option<Drawing> {
    let view = &app.views.compare;
    let captures = [view.pinned.as_deref()?, app.capture.as_deref()?];
    let heads = rows(app);
    let shown = (app.selection.head, heads.as_slice());
    Some(compared::drawing(view.known()?, captures, ["pinned", "now"], shown, &remark(app)))
}
