//! Frames of the explorer as SVG pictures of a terminal.

use std::fmt::Write;

use attn_tui::tui::widgets::cells;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

/// Width and height of a character cell, in units of the picture.
pub const CELL: (f32, f32) = (8.4, 18.0);

/// Margin around the terminal.
const MARGIN: f32 = 12.0;

const INK: &str = "#d7dae0";
const PAPER: &str = "#14161b";

/// Draws one frame.
pub fn picture(buffer: &Buffer) -> String {
    let rows: String = (0..buffer.area.height)
        .map(|y| {
            format!("<g transform=\"translate(0 {:.0})\">\n{}</g>\n", f32::from(y) * CELL.1, row(buffer, y))
        })
        .collect();
    terminal(buffer.area.width, buffer.area.height, "", &rows)
}

/// Draws a terminal of so many columns and rows with the picture's style sheet and content.
pub fn terminal(columns: u16, rows: u16, style: &str, content: &str) -> String {
    let width = f32::from(columns) * CELL.0 + 2.0 * MARGIN;
    let height = f32::from(rows) * CELL.1 + 2.0 * MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"'DejaVu Sans Mono','Menlo','Consolas',monospace\" font-size=\"14\">\n{style}\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{PAPER}\"/>\n\
         <g transform=\"translate({MARGIN} {MARGIN})\" fill=\"{INK}\">\n{content}</g>\n</svg>\n"
    )
}

/// Draws row `y` of a frame at the height of the first one: its backgrounds, then its characters.
pub fn row(buffer: &Buffer, y: u16) -> String {
    let mut out = String::new();
    let columns = buffer.area.width;
    let mut x = 0;
    while x < columns {
        let paper = color(buffer[(x, y)].bg);
        let end = (x + 1..columns).find(|&at| color(buffer[(at, y)].bg) != paper).unwrap_or(columns);
        if let Some(paper) = paper {
            rect(&mut out, x, f32::from(end - x), (0.0, 1.0), &paper);
        }
        x = end;
    }
    let mut x = 0;
    while x < columns {
        let cell = &buffer[(x, y)];
        let width = cells::width(cell.symbol()).max(1) as u16;
        x += match cell.symbol() {
            " " => 1,
            "▀" => block(&mut out, x, 1.0, (0.0, 0.5), cell),
            "▄" => block(&mut out, x, 1.0, (0.5, 0.5), cell),
            "█" => block(&mut out, x, 1.0, (0.2, 0.6), cell),
            symbol if "▏▎▍▌▋▊▉".contains(symbol) => {
                let eighths = "▏▎▍▌▋▊▉".chars().position(|c| symbol.starts_with(c)).unwrap_or(0) + 1;
                block(&mut out, x, eighths as f32 / 8.0, (0.2, 0.6), cell)
            }
            symbol if symbol.is_ascii() => text(&mut out, x, run_of(buffer, x, y), cell),
            symbol => text(&mut out, x, (symbol.to_string(), width), cell),
        };
    }
    out
}

/// The ASCII characters from cell `x` on that look alike, with their number of columns.
fn run_of(buffer: &Buffer, x: u16, y: u16) -> (String, u16) {
    let first = &buffer[(x, y)];
    let alike =
        |cell: &&Cell| cell.symbol().is_ascii() && (cell.fg, cell.modifier) == (first.fg, first.modifier);
    let cells = (x..buffer.area.width).map(|x| &buffer[(x, y)]).take_while(alike);
    let run: String = cells.map(Cell::symbol).collect();
    // Two spaces end a run: what follows is another column, and keeps its own place.
    let run = run.split("  ").next().unwrap_or_default().trim_end().to_string();
    let columns = run.len() as u16;
    (run, columns)
}

fn block(out: &mut String, x: u16, columns: f32, part: (f32, f32), cell: &Cell) -> u16 {
    rect(out, x, columns, part, &color(cell.fg).unwrap_or_else(|| INK.into()));
    1
}

fn rect(out: &mut String, x: u16, columns: f32, (top, part): (f32, f32), color: &str) {
    let (left, top) = (f32::from(x) * CELL.0, top * CELL.1);
    let (width, height) = (columns * CELL.0 + 0.15, part * CELL.1 + 0.15);
    let _ = writeln!(
        out,
        "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{color}\"/>"
    );
}

/// Draws characters over so many columns; returns the number of columns.
fn text(out: &mut String, x: u16, (symbols, columns): (String, u16), cell: &Cell) -> u16 {
    let symbols = symbols.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let ink = color(cell.fg).map(|ink| format!(" fill=\"{ink}\"")).unwrap_or_default();
    let bold = if cell.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let line =
        if cell.modifier.contains(Modifier::UNDERLINED) { " text-decoration=\"underline\"" } else { "" };
    let left = f32::from(x) * CELL.0;
    // Fonts differ in their width: a run takes exactly its columns.
    let fit = match columns {
        1 => String::new(),
        _ => format!(" textLength=\"{:.1}\"", f32::from(columns) * CELL.0),
    };
    let _ = writeln!(out, "<text x=\"{left:.1}\" y=\"13.5\"{fit}{ink}{bold}{line}>{symbols}</text>");
    columns
}

fn color(color: Color) -> Option<String> {
    match color {
        Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
        _ => None,
    }
}
