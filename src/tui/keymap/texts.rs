//! Commands for the model's texts, and copying.

use super::When::Always;
use super::entry::group::{COPY, TEXT};
use super::{CommandEntry, shared};
use crate::tui::command::Command as C;

/// The commands in the order of the help.
pub const COMMANDS: &[CommandEntry] = &[
    shared(C::EditSource, "source", &["s"], "source", TEXT, Always, "Edit the source"),
    shared(
        C::EditTarget,
        "target",
        &["t"],
        "target",
        TEXT,
        Always,
        "Edit the target to force; leave it empty to generate one",
    ),
    shared(C::Generate, "generate", &["T"], "", TEXT, Always, "Drop the forced target and generate one"),
    shared(
        C::SourceLanguage,
        "source-language",
        &["ctrl-s"],
        "",
        TEXT,
        Always,
        "Choose the source language, if the model has several",
    ),
    shared(
        C::TargetLanguage,
        "target-language",
        &["ctrl-t"],
        "",
        TEXT,
        Always,
        "Choose the target language, if the model has several",
    ),
    shared(
        C::Alternatives,
        "alternatives",
        &["b"],
        "branch",
        TEXT,
        Always,
        "Choose another token that this row predicts, and generate the rest of the target anew from there",
    ),
    shared(
        C::Runs,
        "runs",
        &["ctrl-r"],
        "runs",
        TEXT,
        Always,
        "List the runs of this model with their scores: beams of the search, branches, forced targets",
    ),
    shared(
        C::CopyValue,
        "copy-value",
        &["y"],
        "",
        COPY,
        Always,
        "Copy the selected weight with its head and tokens",
    ),
    shared(
        C::CopyRow,
        "copy-row",
        &["Y"],
        "",
        COPY,
        Always,
        "Copy the selected row, or the listed links, as text, CSV, JSON or a command line",
    ),
    shared(C::CopyMap, "copy-map", &["ctrl-y"], "", COPY, Always, "Copy the whole map as a table"),
    shared(
        C::Export,
        "export",
        &["e"],
        "export",
        COPY,
        Always,
        "Write what the screen shows to a file: a picture, a page, a table or the maps",
    ),
];
