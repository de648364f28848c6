//! Mistyped commands, which would be taken for the name of a model.

use std::path::Path;

use clap::Command;

use crate::error::{Error, Result};
use crate::hub::BUILT_IN;

/// Refuses a MODEL argument that is near to a command of `program` and neither a path nor a built-in model.
///
/// # Errors
/// [`Error::Usage`] with the command that was meant.
pub fn check(model: &str, program: &Command) -> Result<()> {
    if model.contains(['/', '\\', '@', '.']) || BUILT_IN.contains(&model) || Path::new(model).exists() {
        return Ok(());
    }
    let names = program.get_subcommands().map(Command::get_name);
    let near = names.map(|name| (strsim::damerau_levenshtein(model, name), name)).min();
    match near {
        Some((edits @ 1..=2, name)) if 2 * edits < name.len() => Err(Error::Usage(format!(
            "'{model}' is no command, and no model on this machine; did you mean '{name}'?"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_refused() {
        let program = Command::new("p").subcommand(Command::new("heads")).subcommand(Command::new("show"));
        assert!(check("hedas", &program).unwrap_err().to_string().ends_with("did you mean 'heads'?"));
        assert!(check("shwo", &program).is_err());
        for model in ["demo", "t5-small", "org/heads", "./hedas", "shoes", "heads", "-s"] {
            assert!(check(model, &program).is_ok(), "{model}");
        }
    }
}
