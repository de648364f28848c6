//! Content of Compare as a drawing.

use super::maps::ComparedMaps;
use super::rows::rows;
use crate::export::drawing::Drawing;
use crate::export::figure::map::MapDrawing;
use crate::export::figure::table::TitledTable;
use crate::export::table::{Cell, Table};
use crate::matrix::Matrix;
use crate::tui::app::App;
use crate::tui::exporting::remark;
use crate::tui::reading::Axis;

/// Returns the heads by their change, and the selected head's two maps with their difference.
pub fn drawing(app: &App) -> Option<Drawing> {
    let head = app.selection.head;
    let maps = ComparedMaps::new(app, head)?;
    let mut table = Table::new(["head", "divergence"]);
    let cells = |(head, change): &_| vec![Cell::Text(format!("{head}")), Cell::Number(*change)];
    table.rows = rows(app).iter().map(cells).collect();
    let (pinned, present) = (app.views.compare.pinned.as_ref()?, app.capture.as_ref()?);
    let labels = |axis: &Axis| axis.units.iter().map(|unit| unit.label.clone()).collect::<Vec<_>>();
    let map = |title: String, remark: &str, map: Option<Matrix>, signed: bool| {
        Some(Drawing::Map(MapDrawing {
            description: format!("{title} of {}", present.model),
            title,
            remark: remark.into(),
            map: map?,
            queries: labels(&maps.queries),
            keys: labels(&maps.keys),
            causal: false,
            signed,
        }))
    };
    let remark = format!("{} · mean Jensen-Shannon divergence in nats", remark(app));
    let list = TitledTable { title: "heads by change".into(), remark, table };
    let drawings = [
        Some(Drawing::Table(list)),
        map(format!("{head}, pinned"), &pinned.source.text, maps.pinned.clone(), false),
        map(format!("{head}, now"), &present.source.text, maps.present.clone(), false),
        map(format!("{head}, now − pinned"), "", maps.difference.clone(), true),
    ];
    Some(Drawing::Beside(drawings.into_iter().flatten().collect()))
}
