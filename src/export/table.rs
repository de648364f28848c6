//! Tables, printed as aligned text, CSV or JSON.

use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr;

use super::ansi::Colors;
use crate::terminal::printable;

/// A table cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A number. Aligned text shows four decimals; CSV and JSON the shortest digits that read back as the
    /// same `f32`.
    Number(f32),
    /// An integer.
    Whole(i64),
    /// No value: `-` in aligned text, empty in CSV, null in JSON.
    Missing,
}

impl Cell {
    /// Creates a number cell, or [`Cell::Missing`] for `None`.
    pub fn number(value: Option<f32>) -> Self {
        value.map_or(Cell::Missing, Cell::Number)
    }

    /// Returns the cell for aligned text.
    pub fn to_text(&self) -> String {
        match self {
            Cell::Text(text) => printable(text),
            Cell::Number(value) => format!("{value:.4}"),
            Cell::Whole(value) => value.to_string(),
            Cell::Missing => "-".into(),
        }
    }

    fn to_csv(&self) -> String {
        match self {
            Cell::Text(text) => quoted(text),
            Cell::Number(value) => value.to_string(),
            Cell::Whole(value) => value.to_string(),
            Cell::Missing => String::new(),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Cell::Text(text) => text.as_str().into(),
            Cell::Number(value) => number(*value),
            Cell::Whole(value) => (*value).into(),
            Cell::Missing => Value::Null,
        }
    }
}

/// Converts a number to JSON with the shortest digits that read back as the same `f32`; NaN and infinities
/// become null.
pub fn number(value: f32) -> Value {
    value
        .to_string()
        .parse::<f64>()
        .ok()
        .and_then(serde_json::Number::from_f64)
        .map_or(Value::Null, Value::Number)
}

/// Returns a CSV field (RFC 4180), quoted if necessary. Control characters become `\u001b` and the like, as
/// in JSON.
pub fn quoted(text: &str) -> String {
    let text = escaped(text);
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Writes control characters as JSON escapes, `\u001b`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out += &format!("\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// A table with named columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Column names. Scripts rely on them, so they never change.
    pub columns: Vec<String>,
    /// Rows with one cell per column.
    pub rows: Vec<Vec<Cell>>,
    /// Name of the JSON schema; `None` for tables whose JSON is a bare array.
    pub schema: Option<&'static str>,
}

impl Table {
    /// Creates a table without rows.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The same table, whose JSON is an object with the name of its schema and the rows.
    pub fn with_schema(self, schema: &'static str) -> Self {
        Self { schema: Some(schema), ..self }
    }

    /// Renders aligned columns, text to the left and numbers to the right, with a header that is bold if
    /// `colors` allow. Widths are measured in terminal columns.
    pub fn render(&self, colors: Colors) -> String {
        let cells = std::iter::once(self.columns.clone())
            .chain(self.rows.iter().map(|row| row.iter().map(Cell::to_text).collect()));
        let words = |col: usize| self.rows.iter().any(|row| matches!(row.get(col), Some(Cell::Text(_))));
        let lines = aligned(&cells.collect::<Vec<_>>(), words);
        let (head, rows) = lines.split_first().map_or(("", &[][..]), |(head, rows)| (head.as_str(), rows));
        let mut out = colors.bold(head) + "\n";
        rows.iter().for_each(|row| out += &format!("{row}\n"));
        out
    }

    /// Renders CSV with a header line.
    pub fn to_csv(&self) -> String {
        let mut out = self.columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",") + "\n";
        for row in &self.rows {
            out += &row.iter().map(Cell::to_csv).collect::<Vec<_>>().join(",");
            out.push('\n');
        }
        out
    }

    /// Renders a JSON array with one object per row, each on its own line; with a schema
    /// `{"schema": ..., "rows": [...]}`.
    pub fn to_json(&self) -> String {
        let rows = self.json_rows();
        match self.schema {
            Some(schema) => format!("{{\"schema\": \"{schema}\", \"rows\": {rows}}}\n"),
            None => rows + "\n",
        }
    }

    fn json_rows(&self) -> String {
        if self.rows.is_empty() {
            return "[]".into();
        }
        // JSON itself need not escape U+007F to U+009F, which command some terminals.
        let rows: Vec<_> = (0..self.rows.len()).map(|row| escaped(&self.object(row).to_string())).collect();
        format!("[\n{}\n]", rows.join(",\n"))
    }

    /// Returns a row as a JSON object, which is empty beyond the last row.
    pub fn object(&self, row: usize) -> Value {
        let cells = self.rows.get(row).map_or(&[][..], Vec::as_slice);
        let object: Map<_, _> =
            self.columns.iter().zip(cells).map(|(name, cell)| (name.clone(), cell.to_json())).collect();
        Value::Object(object)
    }
}

/// Formats rows as lines with aligned columns, two spaces apart. Column `i` is left-aligned if `left(i)` is
/// true, otherwise right-aligned. Widths are measured in terminal columns.
pub fn aligned(rows: &[Vec<String>], left: impl Fn(usize) -> bool) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |col: usize| rows.iter().filter_map(|row| Some(row.get(col)?.width())).max().unwrap_or(0);
    let shape: Vec<_> = (0..columns).map(|col| (width(col), left(col))).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&shape).map(|(cell, &(width, left))| {
            let space = " ".repeat(width.saturating_sub(cell.width()));
            if left { format!("{cell}{space}") } else { format!("{space}{cell}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let rows = vec![
            vec![Cell::Text("你好, \"x\"".into()), Cell::Number(0.1), Cell::Whole(3)],
            vec![Cell::Text("a".into()), Cell::Missing, Cell::Whole(12)],
        ];
        Table { rows, ..Table::new(["token", "weight", "key"]) }
    }

    #[test]
    fn wide_characters_are_aligned() {
        let expected = "token      weight  key\n你好, \"x\"  0.1000    3\na               -   12\n";
        assert_eq!(table().render(Colors::None), expected);
        assert!(table().render(Colors::True).starts_with("\x1b[1mtoken"));
    }

    #[test]
    fn programs_get_exact_numbers() {
        assert_eq!(table().to_csv(), "token,weight,key\n\"你好, \"\"x\"\"\",0.1,3\na,,12\n");
        let json: Value = serde_json::from_str(&table().to_json()).unwrap();
        assert_eq!(json[0]["weight"], 0.1);
        assert!(json[1]["weight"].is_null());
        assert_eq!(Table::new(["a"]).to_json(), "[]\n");
        let empty = Table::new(["a"]).with_schema("a table 1");
        assert_eq!(empty.to_json(), "{\"schema\": \"a table 1\", \"rows\": []}\n");
        assert!(number(f32::NAN).is_null());
        let hostile = "\x1b]52;c;eA==\x07\u{9b}2J\n";
        let table = Table { rows: vec![vec![Cell::Text(hostile.into())]], ..Table::new(["token"]) };
        for text in [table.to_csv(), table.to_json(), table.render(Colors::None)] {
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        }
        assert!(table.to_csv().contains("\\u001b]52;c;eA==\\u0007\\u009b2J\\u000a"));
        assert_eq!(serde_json::from_str::<Value>(&table.to_json()).unwrap()[0]["token"], hostile);
    }
}
