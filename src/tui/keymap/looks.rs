//! Commands for the appearance of maps.

use super::When::Always;
use super::entry::group::LOOK;
use super::{CommandEntry, SOME_VIEWS, shared};
use crate::tui::command::Command as C;

/// The commands in the order of the help.
pub const COMMANDS: &[CommandEntry] = &[
    shared(
        C::Words,
        "words",
        &["w"],
        "words",
        LOOK,
        Always,
        "Merge tokens into words: keys are summed, queries averaged",
    ),
    shared(
        C::Special,
        "special",
        &["x"],
        "",
        LOOK,
        Always,
        "Show special tokens, hide them, or hide them and renormalise",
    ),
    shared(
        C::Range,
        "range",
        &["r"],
        "",
        LOOK,
        Always,
        "Give the full colour to the maximum of the row, the maximum of the map, or 1",
    ),
    shared(
        C::Curve,
        "curve",
        &["c"],
        "",
        LOOK,
        Always,
        "Make colours linear, square root or logarithmic in the weight",
    ),
    shared(
        C::Values,
        "values",
        &["v"],
        "values",
        LOOK,
        Always,
        "Show value-weighted attention (weights times value norms), or plain weights",
    ),
    shared(C::Brighter, "brighter", &["("], "", LOOK, Always, "Lower gamma, which brightens small weights"),
    shared(C::Darker, "darker", &[")"], "", LOOK, Always, "Raise gamma, which darkens small weights"),
    shared(
        C::Filter,
        "filter",
        &["F"],
        "filter",
        LOOK,
        SOME_VIEWS,
        "Filter rows and columns by words, positions (3-9) or weights (>0.2)",
    ),
    shared(C::Colormap, "colours", &["C"], "", LOOK, Always, "Switch to the next colour map"),
    shared(C::Glyphs, "glyphs", &["G"], "", LOOK, Always, "Draw weights as characters, or as colours"),
    shared(
        C::Pixels,
        "pixels",
        &["ctrl-g"],
        "",
        LOOK,
        Always,
        "Draw zoomed-out maps, lines, pictures and spectra in pixels, or in character cells",
    ),
];
