//! `attn-tui man`: manual pages, made from the command line's own definition.

use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::args::{self, Cli};
use super::output;
use crate::error::{Error, Result};
use crate::files::{check_free, save};

/// Runs the command.
pub fn run(args: &args::Man) -> Result<()> {
    let mut program = Cli::command();
    program.build();
    let Some(folder) = &args.output else { return output::print(&page(program)) };
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let commands = program.get_subcommands().filter(|command| command.get_name() != "help");
    let pages: Vec<_> = std::iter::once(&program)
        .chain(commands)
        .map(|command| (format!("{}.1", command.get_display_name().unwrap_or("attn-tui")), command.clone()))
        .collect();
    for (file, _) in &pages {
        check_free(&folder.join(file), args.force)?;
    }
    pages.into_iter().try_for_each(|(file, command)| write(&folder.join(file), command, args.force))
}

fn write(path: &Path, command: Command, force: bool) -> Result<()> {
    save(path, page(command).as_bytes(), force)
}

fn page(command: Command) -> String {
    let mut page = Vec::new();
    // writing to memory does not fail
    let _ = Man::new(command).render(&mut page);
    String::from_utf8_lossy(&page).into_owned()
}
