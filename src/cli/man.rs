//! `attn-tui man`: prints or writes man pages.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use super::output;
use crate::error::{Error, Result};
use crate::files::check_free;

/// Options of `man`.
#[derive(Args)]
pub struct ManArgs {
    /// Write one page for each command into this folder, instead of printing a single page.
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Overwrite existing pages.
    #[arg(long, requires = "output")]
    force: bool,
}

/// Runs the command for the command line `program`.
///
/// # Errors
/// [`Error::Io`], [`Error::Exists`].
pub fn run(args: &ManArgs, mut program: Command) -> Result<()> {
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
    output::save(path, force, |out| out.write_all(page(command).as_bytes()))
}

fn page(command: Command) -> String {
    let mut page = Vec::new();
    // Writing to memory does not fail.
    let _ = Man::new(command).render(&mut page);
    String::from_utf8_lossy(&page).into_owned()
}
