//! The list of views. Each is a folder with its state (`state.rs`, which also declares its tab and its
//! commands), what its commands do (`update.rs`) and its drawing (`draw.rs`). A view is added by its folder
//! and its lines here.

pub mod compare;
pub mod corpus;
pub mod flow;
pub mod grid;
pub mod heads;
pub mod lines;
pub mod links;
pub mod map;
pub mod patching;
pub mod text;
pub mod tour;
pub mod view;

use std::sync::Arc;

use serde::Serialize;

use super::keymap::entry::{ViewEntry, ViewInfo};
use crate::capture::Capture;

/// Hands the list of views to a macro, one line a view in the order of the tabs: its name, its folder, the
/// type of its state, and the type of its own commands.
macro_rules! each_view {
    ($make:ident) => {
        $make! {
            Map map MapView MapCommand,
            Text text TextView TextCommand,
            Grid grid GridView GridCommand,
            Heads heads HeadsView HeadsCommand,
            Links links LinksView LinksCommand,
            Flow flow FlowView FlowCommand,
            Compare compare CompareView CompareCommand,
            Lines lines LinesView LinesCommand,
            Patching patching PatchingView PatchingCommand,
            Corpus corpus CorpusView CorpusCommand,
            Tour tour TourView TourCommand,
        }
    };
}
use each_view;

macro_rules! declare {
    ($($name:ident $folder:ident $state:ident $command:ident,)*) => {
        $(use self::$folder::state::{$command, $state};)*

        /// A view of the list. The views share one selection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each view's folder says what it shows")]
        pub enum ViewId {
            $($name,)*
        }

        impl ViewId {
            /// Every view, in the order of the tabs.
            pub const ALL: &[ViewId] = &[$(ViewId::$name),*];

            /// Returns the name, the tab and the shared commands of the view.
            pub fn info(self) -> &'static ViewInfo {
                match self {
                    $(ViewId::$name => &self::$folder::state::INFO,)*
                }
            }
        }

        /// A command of a single view.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "one variant a view")]
        pub enum ViewCommand {
            $($name($command),)*
        }

        /// Returns the views' own commands, each with its view.
        pub fn commands() -> Vec<(ViewId, ViewEntry<ViewCommand>)> {
            let mut all = Vec::new();
            $(all.extend(
                self::$folder::state::COMMANDS
                    .iter()
                    .map(|entry| (ViewId::$name, entry.map(ViewCommand::$name))),
            );)*
            all
        }

        /// The state of every view.
        #[derive(Debug, Default)]
        #[allow(missing_docs, reason = "one field a view")]
        pub struct Views {
            $(pub $folder: $state,)*
        }

        impl Views {
            /// Returns the saved state of each view, by the name of its folder.
            pub fn saved(&self) -> toml::Table {
                let mut all = toml::Table::new();
                $(save(&mut all, stringify!($folder), &self.$folder);)*
                all
            }

            /// Restores what [`Views::saved`] returned. A view whose part is missing or of another version
            /// stays as it is.
            pub fn restore(&mut self, saved: &toml::Table) {
                $(if let Some(part) = saved.get(stringify!($folder))
                    && let Ok(state) = part.clone().try_into()
                {
                    self.$folder = state;
                })*
            }
        }
    };
}

each_view!(declare);

impl Views {
    /// Pins a capture: Compare shows it beside the present one, and Patching takes its source as the corrupt one.
    pub fn pin(&mut self, capture: Option<Arc<Capture>>) {
        self.compare.pinned = capture;
        self.patching.pinned_later = true;
    }
}

impl ViewId {
    /// Returns the views that have a tab: those with a key of their own.
    pub fn tabs() -> impl DoubleEndedIterator<Item = ViewId> {
        Self::ALL.iter().copied().filter(|view| view.info().tab.is_some_and(|tab| !tab.keys.is_empty()))
    }

    /// Returns the name on the view's tab.
    pub fn name(self) -> &'static str {
        self.info().name
    }
}

impl Default for ViewId {
    fn default() -> Self {
        Self::Map
    }
}

fn save(all: &mut toml::Table, name: &str, state: &impl Serialize) {
    if let Ok(toml::Value::Table(table)) = toml::Value::try_from(state)
        && !table.is_empty()
    {
        all.insert(name.into(), table.into());
    }
}
