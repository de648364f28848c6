//! Commands that choose heads and links.

use super::When::Always;
use super::entry::group::HEAD;
use super::{CommandEntry, SOME_VIEWS, shared};
use crate::tui::command::Command as C;

/// The commands in the order of the help.
pub const COMMANDS: &[CommandEntry] = &[
    shared(C::PreviousHead, "previous-head", &["["], "", HEAD, Always, "Select the previous head"),
    shared(C::NextHead, "next-head", &["]"], "head", HEAD, Always, "Select the next head"),
    shared(C::PreviousLayer, "previous-layer", &["{"], "", HEAD, Always, "Select the previous layer"),
    shared(C::NextLayer, "next-layer", &["}"], "layer", HEAD, Always, "Select the next layer"),
    shared(
        C::NextKind,
        "next-kind",
        &["tab"],
        "kind",
        HEAD,
        Always,
        "Select the next kind: encoder, decoder, cross",
    ),
    shared(C::PreviousKind, "previous-kind", &["backtab"], "", HEAD, Always, "Select the previous kind"),
    shared(
        C::Overview,
        "overview",
        &["g"],
        "overview",
        HEAD,
        Always,
        "Show all layers and heads of this kind, or go back",
    ),
    shared(
        C::EveryHead,
        "every-head",
        &["*"],
        "every head",
        HEAD,
        Always,
        "List the link under the cursor in every head, strongest first",
    ),
    shared(
        C::FindLink,
        "find-link",
        &["|"],
        "",
        HEAD,
        Always,
        "List the link of two words in every head, as in it | cat",
    ),
    shared(C::Open, "open", &["enter"], "open", HEAD, SOME_VIEWS, "Open the selection"),
    shared(
        C::OneKind,
        "one-kind",
        &["f"],
        "one kind",
        HEAD,
        SOME_VIEWS,
        "Show only the selected kind, or all kinds",
    ),
    shared(C::Mark, "mark", &["space"], "mark", HEAD, SOME_VIEWS, "Mark or unmark the head"),
    shared(
        C::HeadOff,
        "head-off",
        &["X"],
        "off",
        HEAD,
        Always,
        "Switch the head (or all marked heads) off or on, to see what the output loses",
    ),
    shared(C::LinkOff, "link-off", &["D"], "", HEAD, Always, "Switch the link under the cursor off or on"),
    shared(
        C::MeanOff,
        "mean-off",
        &["ctrl-x"],
        "",
        HEAD,
        Always,
        "Let the head (or marked heads) read its mean in every row, or undo it",
    ),
    shared(
        C::Contrast,
        "contrast",
        &["ctrl-w"],
        "",
        HEAD,
        Always,
        "Ask why this row has its token and not another one (relevance)",
    ),
    shared(
        C::Faithful,
        "faithful",
        &["M"],
        "faithful?",
        HEAD,
        SOME_VIEWS,
        "Measure how far the map ranks the source as the output depends on it",
    ),
];
