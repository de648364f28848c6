//! Tables: aligned for people, CSV and JSON for programs.

use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr;

use super::ansi::Colors;

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number; people see four decimals, programs the shortest digits that give the same 32-bit number.
    Number(f32),
    /// A whole number.
    Whole(i64),
    /// Nothing: a dash for people, empty in CSV, null in JSON.
    Missing,
}

impl Cell {
    /// A number, or nothing.
    pub fn number(value: Option<f32>) -> Self {
        value.map_or(Cell::Missing, Cell::Number)
    }

    fn for_people(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Number(value) => format!("{value:.4}"),
            Cell::Whole(value) => value.to_string(),
            Cell::Missing => "-".into(),
        }
    }

    fn for_csv(&self) -> String {
        match self {
            Cell::Text(text) => quoted(text),
            Cell::Number(value) => value.to_string(),
            Cell::Whole(value) => value.to_string(),
            Cell::Missing => String::new(),
        }
    }

    fn for_json(&self) -> Value {
        match self {
            Cell::Text(text) => text.as_str().into(),
            Cell::Number(value) => number(*value),
            Cell::Whole(value) => (*value).into(),
            Cell::Missing => Value::Null,
        }
    }
}

/// A 32-bit number as JSON with the shortest digits that give it again; null where it is no number.
pub fn number(value: f32) -> Value {
    value
        .to_string()
        .parse::<f64>()
        .ok()
        .and_then(serde_json::Number::from_f64)
        .map_or(Value::Null, Value::Number)
}

/// A CSV field (RFC 4180): quoted where it must be.
pub fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_string()
    }
}

/// A table with named columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The columns' names: stable, for programs and people alike.
    pub columns: Vec<String>,
    /// One cell a column in every row.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Aligned columns, words to the left and numbers to the right, as wide as what they show takes on a
    /// terminal; a bold head where there are colours.
    pub fn render(&self, colors: Colors) -> String {
        let cells = std::iter::once(self.columns.clone())
            .chain(self.rows.iter().map(|row| row.iter().map(Cell::for_people).collect()));
        let words = |col: usize| self.rows.iter().any(|row| matches!(row.get(col), Some(Cell::Text(_))));
        let lines = aligned(&cells.collect::<Vec<_>>(), words);
        let (head, rows) = lines.split_first().map_or(("", &[][..]), |(head, rows)| (head.as_str(), rows));
        let mut out = colors.bold(head) + "\n";
        rows.iter().for_each(|row| out += &format!("{row}\n"));
        out
    }

    /// CSV with a head line.
    pub fn to_csv(&self) -> String {
        let mut out = self.columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",") + "\n";
        for row in &self.rows {
            out += &row.iter().map(Cell::for_csv).collect::<Vec<_>>().join(",");
            out.push('\n');
        }
        out
    }

    /// A JSON array of one object a row, a row a line.
    pub fn to_json(&self) -> String {
        if self.rows.is_empty() {
            return "[]\n".into();
        }
        let rows: Vec<_> = (0..self.rows.len()).map(|row| self.object(row).to_string()).collect();
        format!("[\n{}\n]\n", rows.join(",\n"))
    }

    /// A row as a JSON object; empty beyond the table.
    pub fn object(&self, row: usize) -> Value {
        let cells = self.rows.get(row).map_or(&[][..], Vec::as_slice);
        let object: Map<_, _> =
            self.columns.iter().zip(cells).map(|(name, cell)| (name.clone(), cell.for_json())).collect();
        Value::Object(object)
    }
}

/// Rows of cells as lines, with columns as wide as their widest cell on a terminal and two spaces between them;
/// to the left in the columns that `left` says, to the right in the others.
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
        Table {
            columns: vec!["token".into(), "weight".into(), "key".into()],
            rows: vec![
                vec![Cell::Text("你好, \"x\"".into()), Cell::Number(0.1), Cell::Whole(3)],
                vec![Cell::Text("a".into()), Cell::Missing, Cell::Whole(12)],
            ],
        }
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
        assert!(number(f32::NAN).is_null());
    }
}
