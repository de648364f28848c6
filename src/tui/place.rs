//! Where the user is: the view, the selection that all views share, the places visited; and what views show there.

use crate::site::{Head, Kind};

/// The views, one key each. They share one selection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum View {
    /// One head as a heatmap.
    #[default]
    Map,
    /// Source and target as paragraphs.
    Text,
    /// Every head of a kind as thumbnails.
    Grid,
    /// A table of all heads with their metrics.
    Heads,
    /// The strongest long-range links.
    Links,
    /// Attention merged over heads and layers.
    Flow,
    /// Two captures side by side.
    Compare,
    /// What a step of the tour shows beside maps. It has no tab.
    Tour,
}

impl View {
    /// The views in the order of their tabs and keys, those that have them.
    pub const ALL: &[View] =
        &[View::Map, View::Text, View::Grid, View::Heads, View::Links, View::Flow, View::Compare];

    /// The name on its tab.
    pub fn name(self) -> &'static str {
        match self {
            View::Map => "Map",
            View::Text => "Text",
            View::Grid => "Grid",
            View::Heads => "Heads",
            View::Links => "Links",
            View::Flow => "Flow",
            View::Compare => "Compare",
            View::Tour => "Tour",
        }
    }
}

/// Whose weights shade the texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Over {
    /// The selected head's.
    #[default]
    Head,
    /// The mean over the marked heads, or over the layer's where none is marked.
    Mean,
    /// The maximum over them.
    Max,
    /// Each of them in a hue of its own, over each other.
    Hues,
}

impl Over {
    /// Its name on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Over::Head => "head",
            Over::Mean => "mean",
            Over::Max => "maximum",
            Over::Hues => "hues",
        }
    }

    /// The next of the four.
    pub fn next(self) -> Self {
        match self {
            Over::Head => Over::Mean,
            Over::Mean => Over::Max,
            Over::Max => Over::Hues,
            Over::Hues => Over::Head,
        }
    }
}

/// What the flow is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowOf {
    /// The mean of the heads' weights.
    #[default]
    Mean,
    /// The largest of the heads' weights.
    Max,
    /// Contributions that are measured with the values (ALTI).
    Alti,
}

impl FlowOf {
    /// Its name on the screen.
    pub fn name(self) -> &'static str {
        match self {
            FlowOf::Mean => "mean",
            FlowOf::Max => "largest",
            FlowOf::Alti => "ALTI",
        }
    }

    /// The next of the three.
    pub fn next(self) -> Self {
        match self {
            FlowOf::Mean => FlowOf::Max,
            FlowOf::Max => FlowOf::Alti,
            FlowOf::Alti => FlowOf::Mean,
        }
    }
}

/// The selection that all views share. Queries and keys are kept as tokens of the source and of the target,
/// so that the cursor stays on the same tokens when kind, layer or head changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The head.
    pub head: Head,
    /// The source token that asks, in encoder maps.
    pub source_query: usize,
    /// The source token that is asked, in encoder and cross maps.
    pub source_key: usize,
    /// The decoder row that asks, in decoder and cross maps.
    pub target_query: usize,
    /// The decoder row that is asked, in decoder maps.
    pub target_key: usize,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            head: Head::new(Kind::Cross, 0, 0),
            source_query: 0,
            source_key: 0,
            target_query: 0,
            target_key: 0,
        }
    }
}

impl Place {
    /// The token of the selected query.
    pub fn query(&self) -> usize {
        if self.head.kind() == Kind::Encoder { self.source_query } else { self.target_query }
    }

    /// The token of the selected key.
    pub fn key(&self) -> usize {
        if self.head.kind() == Kind::Decoder { self.target_key } else { self.source_key }
    }

    /// Selects a query token.
    pub fn set_query(&mut self, token: usize) {
        if self.head.kind() == Kind::Encoder { self.source_query = token } else { self.target_query = token }
    }

    /// Selects a key token.
    pub fn set_key(&mut self, token: usize) {
        if self.head.kind() == Kind::Decoder { self.target_key = token } else { self.source_key = token }
    }
}

/// Places visited, to walk back and forward.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    back: Vec<(View, Place)>,
    forward: Vec<(View, Place)>,
}

impl History {
    const LIMIT: usize = 200;

    /// Remembers a place that is being left by a jump.
    pub fn leave(&mut self, view: View, place: Place) {
        if self.back.last() != Some(&(view, place)) {
            self.back.push((view, place));
        }
        if self.back.len() > Self::LIMIT {
            self.back.remove(0);
        }
        self.forward.clear();
    }

    /// The place before; the present one is kept for the way forward.
    pub fn back(&mut self, now: (View, Place)) -> Option<(View, Place)> {
        let place = self.back.pop()?;
        self.forward.push(now);
        Some(place)
    }

    /// The place that [`History::back`] left.
    pub fn forward(&mut self, now: (View, Place)) -> Option<(View, Place)> {
        let place = self.forward.pop()?;
        self.back.push(now);
        Some(place)
    }
}
