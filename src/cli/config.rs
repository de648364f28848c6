//! `attn-tui config`: prints the settings and where each comes from.

use clap::Args;

use super::output;
use crate::config::{Overrides, Settings, origins};
use crate::error::Result;
use crate::export::ansi::Colors;
use crate::export::table::{Cell, Table};

/// Options of `config`.
#[derive(Args)]
pub struct ConfigArgs {
    /// Print a JSON object with the schema and a list of rows.
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// Prints the settings.
///
/// # Errors
/// Those of [`Settings::load`].
pub fn run(args: &ConfigArgs) -> Result<()> {
    Settings::load(Overrides::default())?;
    let mut table = Table::new(["setting", "value", "from", "meaning"]).with_schema("attn-tui config 1");
    for origin in origins()? {
        table.rows.push(vec![
            Cell::Text(origin.key.into()),
            origin.value.map_or(Cell::Missing, Cell::Text),
            Cell::Text(origin.place),
            Cell::Text(origin.meaning.into()),
        ]);
    }
    match args.json {
        true => output::print(&table.to_json()),
        false => output::print(&table.render(Colors::None)),
    }
}
