//! Figure of a table, with a bar for its main number.

use super::{FigureStyle, MARGIN, SMALL, anchored, fitted, heading, heading_width, text};
use crate::export::font::Fonts;
use crate::export::scene::{Anchor, Area, Scene, Shape};
use crate::export::table::{Cell, Table};

/// A table with its titles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TitledTable {
    /// Title.
    pub title: String,
    /// Line below the title.
    pub remark: String,
    /// The table.
    pub table: Table,
}

/// Height of a row.
const ROW: f32 = 19.0;
/// Space between columns.
const GAP: f32 = 18.0;
/// Width of the bars.
const BAR: f32 = 110.0;
/// Largest width of a column.
const COLUMN: f32 = 260.0;
/// Largest number of rows that are drawn.
const MOST: usize = 200;

/// Lays out a table. The first column of numbers with decimals has bars, as long as its absolute values.
pub fn scene(titled: &TitledTable, style: &FigureStyle, fonts: &Fonts) -> Scene {
    let TitledTable { title, remark, table } = titled;
    let rows = &table.rows[..table.rows.len().min(MOST)];
    let remark = match table.rows.len() > MOST {
        true => format!("{remark} · the first {MOST} of {} rows", table.rows.len()),
        false => remark.clone(),
    };
    let (mut shapes, top) = heading(title, &remark, style);
    let theme = style.theme;
    let mut y = top + ROW;
    let barred = (0..table.columns.len())
        .find(|&col| rows.iter().any(|row| matches!(row.get(col), Some(Cell::Number(_)))));
    let mut x = MARGIN;
    for (col, name) in table.columns.iter().enumerate() {
        let cells: Vec<String> = rows
            .iter()
            .map(|row| row.get(col).map_or_else(String::new, Cell::to_text))
            .map(|cell| fitted(&cell, SMALL, COLUMN, fonts))
            .collect();
        let name = name.replace('_', " ");
        let widths = cells.iter().chain([&name]).map(|cell| fonts.width(cell, SMALL));
        let width = widths.fold(0.0f32, f32::max);
        let left = rows.iter().any(|row| matches!(row.get(col), Some(Cell::Text(_))));
        let mut put = |y: f32, color, content: &str| {
            shapes.push(match left {
                true => text(x, y, SMALL, color, content),
                false => anchored(x + width, y, SMALL, color, content, Anchor::End),
            });
        };
        put(y, theme.dim(), &name);
        for (at, cell) in cells.iter().enumerate() {
            put(y + (at + 1) as f32 * ROW, theme.ink(), cell);
        }
        x += width + GAP;
        if barred == Some(col) {
            let size = |row: &Vec<Cell>| match row.get(col) {
                Some(Cell::Number(value)) if value.is_finite() => value.abs(),
                _ => 0.0,
            };
            let largest = rows.iter().map(size).fold(1e-9f32, f32::max);
            for (at, row) in rows.iter().enumerate() {
                let y = y + (at + 1) as f32 * ROW - SMALL;
                let area =
                    Area { x: x - GAP / 2.0, y, width: BAR * size(row) / largest, height: SMALL + 2.0 };
                shapes.push(Shape::Fill(area, theme.accent()));
            }
            x += BAR + GAP / 2.0;
        }
    }
    y += rows.len() as f32 * ROW;
    Scene {
        width: (x - GAP).max(heading_width(&shapes[..2], fonts)) + MARGIN,
        height: y + MARGIN,
        background: theme.background(),
        description: format!("{title}: a table of {} rows", table.rows.len()),
        shapes,
    }
}
