//! Drawings whose content is at hand, such as what the explorer's screen shows or the table of a command, and
//! their export.

use super::ansi::Colors;
use super::figure::lines::LinesDrawing;
use super::figure::map::MapDrawing;
use super::figure::table::TitledTable;
use super::figure::{FigureStyle, lines, map, table};
use super::font::Fonts;
use super::format::Format;
use super::prepared::PreparedExport;
use super::scene::Scene;
use super::svg::escaped;
use super::table::{Cell, Table};
use super::{png, svg};
use crate::error::Result;

/// Pixels of a PNG per unit of length.
const PIXELS: f32 = 2.0;

/// A drawing whose content is at hand.
#[derive(Clone, Debug, PartialEq)]
pub enum Drawing {
    /// A map.
    Map(MapDrawing),
    /// Tokens joined by lines.
    Lines(LinesDrawing),
    /// A table.
    Table(TitledTable),
    /// Drawings side by side, the table of the first.
    Beside(Vec<Drawing>),
}

impl Drawing {
    /// Lays out the drawing.
    pub fn scene(&self, style: &FigureStyle, fonts: &Fonts) -> Scene {
        match self {
            Drawing::Map(drawing) => map::scene(drawing, style, fonts),
            Drawing::Lines(drawing) => lines::scene(drawing, style, fonts),
            Drawing::Table(titled) => table::scene(titled, style, fonts),
            Drawing::Beside(drawings) => {
                let scenes = drawings.iter().map(|drawing| drawing.scene(style, fonts)).collect();
                Scene::beside(scenes).unwrap_or_else(|| table::scene(&TitledTable::default(), style, fonts))
            }
        }
    }

    /// Returns the title.
    pub fn title(&self) -> &str {
        match self {
            Drawing::Map(drawing) => &drawing.title,
            Drawing::Lines(drawing) => &drawing.title,
            Drawing::Table(titled) => &titled.title,
            Drawing::Beside(drawings) => drawings.first().map_or("", Drawing::title),
        }
    }

    /// Returns the numbers of the drawing.
    pub fn table(&self) -> Table {
        let word = |labels: &[String], at: usize| labels.get(at).cloned().map_or(Cell::Missing, Cell::Text);
        match self {
            Drawing::Map(MapDrawing { map, queries, keys, .. }) => {
                let mut table = Table::new(["query", "key", "query_token", "key_token", "weight"]);
                for row in 0..map.rows() {
                    for (col, &value) in
                        map.row(row).iter().enumerate().filter(|(_, value)| value.is_finite())
                    {
                        table.rows.push(vec![
                            Cell::Whole(row as i64),
                            Cell::Whole(col as i64),
                            word(queries, row),
                            word(keys, col),
                            Cell::Number(value),
                        ]);
                    }
                }
                table
            }
            Drawing::Lines(LinesDrawing { queries, keys, links, heads, title, .. }) => {
                let mut table = Table::new(["head", "query", "key", "query_token", "key_token", "weight"]);
                for link in links.iter().rev() {
                    let head = link.head.and_then(|head| heads.get(head)).map_or(title, |(name, _)| name);
                    table.rows.push(vec![
                        Cell::Text(head.clone()),
                        Cell::Whole(link.query as i64),
                        Cell::Whole(link.key as i64),
                        word(queries, link.query),
                        word(keys, link.key),
                        Cell::Number(link.weight),
                    ]);
                }
                table
            }
            Drawing::Table(titled) => titled.table.clone(),
            Drawing::Beside(drawings) => drawings.first().map_or_else(Table::default, Drawing::table),
        }
    }

    /// Prepares the export: a picture for SVG and PNG, the numbers for tables and text, both for HTML.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] for formats that hold maps of a capture alone, and if the picture would be
    /// too large.
    pub fn export(&self, format: Format, style: &FigureStyle) -> Result<PreparedExport<'static>> {
        Ok(match format {
            Format::Svg => PreparedExport::whole(svg::render(&self.scene(style, &Fonts::built_in()?))),
            Format::Png => png::prepare_scene(None, PIXELS, |fonts| Ok(self.scene(style, fonts)))?,
            Format::Csv => PreparedExport::whole(self.table().to_csv()),
            Format::Json => PreparedExport::whole(self.table().to_json()),
            Format::Txt => PreparedExport::whole(self.table().render(Colors::None)),
            Format::Html => PreparedExport::whole(self.page(style, &Fonts::built_in()?)),
            Format::Npz | Format::Safetensors => return Err(format.no_table()),
        })
    }

    /// Returns a page with the picture, and its numbers as a table for readers who do not see it.
    fn page(&self, style: &FigureStyle, fonts: &Fonts) -> String {
        let table = self.table();
        let cells = |tag: &str, cells: Vec<String>| {
            let cells = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)));
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        };
        let mut rows =
            cells("th scope=\"col\"", table.columns.clone()).replace("</th scope=\"col\">", "</th>");
        for row in &table.rows {
            rows += &cells("td", row.iter().map(Cell::to_text).collect());
        }
        let title = escaped(self.title());
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>body {{ font: 14px/1.45 \"DejaVu Sans\", Verdana, sans-serif; margin: 24px; }} \
             table {{ border-collapse: collapse; }} th, td {{ text-align: left; padding: 2px 10px; }} \
             svg {{ max-width: 100%; height: auto; }}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{}\n\
             <details>\n<summary>The numbers as a table</summary>\n<table>\n{rows}</table>\n</details>\n</main>\n\
             </body>\n</html>\n",
            svg::render(&self.scene(style, fonts)),
        )
    }
}
