//! Layout of the two texts, and the heads that shade them.

use ratatui::layout::Rect;

use super::state::Shading;
use crate::site::{Head, Kind, Site};
use crate::tui::app::App;
use crate::tui::widgets::panel::{PanelShape, halves};

/// Returns the areas of source and target.
pub fn sides(area: Rect) -> (Rect, Rect) {
    halves(area)
}

/// Maximum number of heads that shade the text at once: the number of hues.
const MOST_OVERLAID: usize = 6;

/// Returns the heads of a kind that shade the texts, and how: the selected one, or those that are merged. The
/// text of a kind that is not selected is shaded by the head of it that was selected last, or by the mean of the
/// layer's heads if none was.
pub fn heads(app: &App, kind: Kind) -> (Vec<Head>, Shading) {
    let Some(capture) = &app.capture else { return (Vec::new(), Shading::Head) };
    let view = &app.views.text;
    let layer = app.selection.head.layer().min(capture.layers(kind).saturating_sub(1));
    let site = Site::new(kind, layer);
    let of_layer = || (0..capture.heads(site)).map(|head| site.head(head)).collect::<Vec<_>>();
    if view.shading == Shading::Head {
        let left = view.left.get(&kind).filter(|head| capture.check(**head).is_ok()).copied();
        return match (kind == app.selection.head.kind(), left) {
            (true, _) => (vec![app.selection.head], Shading::Head),
            (false, Some(head)) => (vec![head], Shading::Head),
            (false, None) => (of_layer(), Shading::Mean),
        };
    }
    let marked: Vec<Head> = app.marks.iter().filter(|head| head.kind() == kind).copied().collect();
    let mut heads = if marked.is_empty() { of_layer() } else { marked };
    if view.shading == Shading::Hues {
        heads.truncate(MOST_OVERLAID);
    }
    (heads, view.shading)
}

/// Returns the area of the running text of the source or the target.
pub fn text_area(app: &App, area: Rect, source: bool) -> Rect {
    let (left, right) = sides(area);
    let (area, axis) = if source { (left, &app.axes.source) } else { (right, &app.axes.input) };
    shape(app, source).parts(area, axis).text
}

/// Returns the parts that the panel of a text has, as its drawing finds them.
fn shape(app: &App, source: bool) -> PanelShape {
    let selected = app.selection.head.kind();
    // Weights that a key receives shade the query axis.
    let kind = match (app.views.text.receives, source) {
        (true, _) if source == (selected == Kind::Encoder) => {
            return PanelShape { named: false, listed: true };
        }
        (true, _) => return PanelShape { named: false, listed: false },
        (false, true) if selected == Kind::Encoder => Kind::Encoder,
        (false, true) => Kind::Cross,
        (false, false) if selected == Kind::Encoder => return PanelShape { named: false, listed: false },
        (false, false) => Kind::Decoder,
    };
    let known = |head: &Head| app.capture.as_ref().is_some_and(|capture| capture.check(*head).is_ok());
    let shaded = heads(app, kind).0.iter().any(known);
    PanelShape { named: shaded && app.views.text.shading == Shading::Hues, listed: shaded }
}
