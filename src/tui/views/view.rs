//! The trait of views, and calls of the view on the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ViewCommand, ViewId, each_view};
use crate::export::drawing::Drawing;
use crate::site::{Head, Kind, Site};
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Motion;
use crate::tui::layout::{Layout, ViewHit};
use crate::tui::reading::Axis;
use crate::tui::widgets::{passage, timeline};

/// A view, implemented by the type of its state. What is saved of it from session to session is its serde
/// value.
pub trait View: Default + Serialize + DeserializeOwned {
    /// The view's own commands.
    type OwnCommand;

    /// Runs a command of this view.
    fn command(app: &mut App, command: Self::OwnCommand) -> Vec<Effect>;

    /// Moves the cursor. There is a capture.
    fn movement(app: &mut App, motion: Motion);

    /// Handles a click on a region that the view added to the layout, or a drag over the map.
    fn click(app: &mut App, hit: ViewHit, at: Position) {
        select_hit(app, hit, at);
    }

    /// Brings the selection and the view's own state together, after every change while the view is
    /// displayed. There is a capture.
    fn settle(_app: &mut App) {}

    /// Describes the subject of the view where it is not the selected head: the text of the line above the
    /// view.
    fn header(_app: &App) -> Option<String> {
        None
    }

    /// Describes the item under the cursor where it is not the selected weight: the text of the line below the
    /// view, in several wordings, the longest first.
    fn value(_app: &App, _cache: &mut Cache) -> Option<Vec<String>> {
        None
    }

    /// Returns what the view shows as a drawing, to be exported; `None` where maps of the capture are exported.
    fn drawing(_app: &App) -> Option<Drawing> {
        None
    }

    /// Draws the view into `area` and adds its mouse regions to the layout. There is a capture. A pure
    /// function of the state; `cache` only saves work.
    fn draw(app: &App, area: Rect, buf: &mut Buffer, cache: &mut Cache, layout: &mut Layout);
}

macro_rules! calls {
    ($($name:ident $folder:ident $state:ident $command:ident,)*) => {
        $(use super::$folder::state::$state;)*

        /// Runs a command of one view.
        pub fn command(app: &mut App, command: ViewCommand) -> Vec<Effect> {
            match command {
                $(ViewCommand::$name(command) => $state::command(app, command),)*
            }
        }

        /// Moves the cursor of the displayed view.
        pub fn movement(app: &mut App, motion: Motion) {
            match app.view {
                $(ViewId::$name => $state::movement(app, motion),)*
            }
        }

        /// Handles a click on a region of the displayed view.
        pub fn click(app: &mut App, hit: ViewHit, at: Position) {
            match app.view {
                $(ViewId::$name => $state::click(app, hit, at),)*
            }
        }

        /// Draws the displayed view.
        pub fn draw(app: &App, area: Rect, buf: &mut Buffer, cache: &mut Cache, layout: &mut Layout) {
            match app.view {
                $(ViewId::$name => $state::draw(app, area, buf, cache, layout),)*
            }
        }

        /// Describes the subject of the displayed view, where it is not the selected head.
        pub fn header(app: &App) -> Option<String> {
            match app.view {
                $(ViewId::$name => $state::header(app),)*
            }
        }

        /// Describes the item under the cursor of the displayed view, where it is not the selected weight.
        pub fn value(app: &App, cache: &mut Cache) -> Option<Vec<String>> {
            match app.view {
                $(ViewId::$name => $state::value(app, cache),)*
            }
        }

        /// Returns what the displayed view shows as a drawing.
        pub fn drawing(app: &App) -> Option<Drawing> {
            match app.view {
                $(ViewId::$name => $state::drawing(app),)*
            }
        }

        /// Brings the selection and the displayed view's own state together.
        pub fn settle(app: &mut App) {
            match app.view {
                $(ViewId::$name => $state::settle(app),)*
            }
        }
    };
}

each_view!(calls);

/// Opens the selection as a map.
pub fn open(app: &mut App) {
    app.leave();
    app.view = ViewId::Map;
}

/// Selects the query and the key, or the token, that was clicked on.
pub fn select_hit(app: &mut App, hit: ViewHit, at: Position) {
    match hit {
        ViewHit::Map => {
            if let Some((query, key)) = app.layout.window.as_ref().and_then(|window| window.places_at(at)) {
                app.select(query, key);
            }
        }
        ViewHit::Query(query) => app.select(query, app.key()),
        ViewHit::Source(place) => app.selection.source_key = app.axes.source.token_of(place),
        ViewHit::Target(place) => app.selection.target_query = app.axes.input.token_of(place),
        ViewHit::Item(_) => {}
    }
}

/// Handles a click on the line of a list of heads: the first click selects the head, the second opens it.
pub fn click_head(app: &mut App, head: Option<Head>) {
    match head {
        Some(head) if head == app.selection.head => open(app),
        Some(head) => app.selection.head = head,
        None => {}
    }
}

/// Returns the width of a column of head names, with a mark and a space before the name and a space behind it.
pub fn head_columns(app: &App) -> usize {
    const LEAST: usize = 13;
    let Some(capture) = &app.capture else { return LEAST };
    let longest = |kind: &Kind| {
        let layer = capture.layers(*kind).saturating_sub(1);
        Site::new(*kind, layer)
            .head(capture.heads(Site::new(*kind, layer)).saturating_sub(1))
            .to_string()
            .len()
    };
    capture.kinds().iter().map(longest).max().map_or(LEAST, |name| (name + 3).max(LEAST))
}

/// Returns the line of a list of `len` lines that a movement from line `at` leads to, with `room` visible
/// lines.
pub fn line(motion: Motion, at: usize, len: usize, room: usize) -> usize {
    let page = room.max(2) - 1;
    let to = match motion {
        Motion::Up => at.saturating_sub(1),
        Motion::Down => at + 1,
        Motion::PageUp => at.saturating_sub(page),
        Motion::PageDown => at + page,
        Motion::FirstKey | Motion::FirstQuery => 0,
        Motion::LastKey | Motion::LastQuery => len,
        Motion::Left | Motion::Right | Motion::PageLeft | Motion::PageRight | Motion::Strongest => at,
    };
    to.min(len.saturating_sub(1))
}

/// Returns the place of running text that a movement leads to from place `now`; `None` if the movement has no
/// meaning there. `area` is where the text stands.
pub fn place(motion: Motion, axis: &Axis, area: Rect, now: usize) -> Option<usize> {
    /// Number of units that a page moves by.
    const PAGE: usize = 50;
    let to = match motion {
        Motion::Left => now.saturating_sub(1),
        Motion::Right => now + 1,
        Motion::Up | Motion::Down if axis.is_timed() => {
            timeline::line_away(axis, area, now, motion == Motion::Down)
        }
        Motion::Up => passage::line_away(axis, area, now, false),
        Motion::Down => passage::line_away(axis, area, now, true),
        Motion::PageUp => now.saturating_sub(PAGE),
        Motion::PageDown => now + PAGE,
        Motion::FirstKey | Motion::FirstQuery => 0,
        Motion::LastKey | Motion::LastQuery => axis.len(),
        Motion::PageLeft | Motion::PageRight | Motion::Strongest => return None,
    };
    Some(to.min(axis.len().saturating_sub(1)))
}
