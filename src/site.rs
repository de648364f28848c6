//! Addresses of attention maps: kind, layer, head; and their ablations.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The three kinds of attention of an encoder-decoder Transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Encoder self-attention, `[heads, source, source]`.
    Encoder,
    /// Decoder self-attention (causal), `[heads, target, target]`.
    Decoder,
    /// Cross-attention of target positions to source positions, `[heads, target, source]`.
    Cross,
}

impl Kind {
    /// All kinds, in display order.
    pub const ALL: [Kind; 3] = [Kind::Encoder, Kind::Decoder, Kind::Cross];

    /// Returns the name used in files, in options and on screen.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Encoder => "encoder",
            Kind::Decoder => "decoder",
            Kind::Cross => "cross",
        }
    }

    /// Returns the range of `keys` that row `query` may attend to: up to itself in decoder self-attention,
    /// else all.
    pub fn visible(self, query: usize, keys: usize) -> Range<usize> {
        match self {
            Kind::Decoder => 0..(query + 1).min(keys),
            Kind::Encoder | Kind::Cross => 0..keys,
        }
    }

    /// Returns the key on the diagonal of row `query`, as a real number, in a map of `queries` rows and
    /// `keys` columns. In self-attention that is the row itself, in a cross map `query * keys / queries`.
    pub fn diagonal(self, query: usize, queries: usize, keys: usize) -> f32 {
        match self {
            Kind::Encoder | Kind::Decoder => query as f32,
            Kind::Cross => query as f32 * keys as f32 / queries.max(1) as f32,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("'{text}' is not one of encoder, decoder, cross"))
    }
}

/// Limit on the number of layers that files name. No model comes near it, and work grows with it.
pub const MAX_LAYERS: usize = 4096;

/// A kind of attention and a zero-based layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    /// Kind of attention.
    pub kind: Kind,
    /// Zero-based layer of its stack.
    pub layer: usize,
}

/// A head: a site and a zero-based head number, written as `cross.2.4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Head {
    /// Site of the head.
    pub site: Site,
    /// Zero-based number within the site.
    pub head: usize,
}

/// A part of the model's attention that is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ablation {
    /// All heads of a site: their outputs become zero.
    Site(Site),
    /// One head: its output becomes zero (Michel et al. 2019).
    Head(Head),
    /// One link of a head: its score becomes minus infinity (Geva et al. 2023).
    Link {
        /// The head.
        head: Head,
        /// Row of the link.
        query: usize,
        /// Column of the link.
        key: usize,
    },
}

/// Weights of one query of a head that are replaced in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RowEdit {
    /// The head.
    pub head: Head,
    /// Row of the query.
    pub query: usize,
    /// New weights of the keys, as many as the head's map has columns.
    pub weights: Arc<[f32]>,
}

impl Ablation {
    /// Returns the site that it affects.
    pub fn site(self) -> Site {
        match self {
            Ablation::Site(site) => site,
            Ablation::Head(head) | Ablation::Link { head, .. } => head.site,
        }
    }
}

impl Site {
    /// Creates the site of `kind` in `layer`.
    pub fn new(kind: Kind, layer: usize) -> Self {
        Self { kind, layer }
    }

    /// Returns a head of this site.
    pub fn head(self, head: usize) -> Head {
        Head { site: self, head }
    }
}

impl Head {
    /// Creates head `head` of `kind` in `layer`.
    pub fn new(kind: Kind, layer: usize, head: usize) -> Self {
        Site::new(kind, layer).head(head)
    }

    /// Says why a model lacks the head: it has `layers` of its kind, and `heads` in its layer.
    pub fn absence(self, layers: usize, heads: usize) -> String {
        let (kind, layer) = (self.kind(), self.layer());
        match (layers.checked_sub(1), heads.checked_sub(1)) {
            (None, _) => format!("there is no {kind} attention"),
            (Some(last), Some(last_head)) if layer <= last => {
                format!("{} has heads 0 to {last_head}, not {}", self.site, self.head)
            }
            (Some(last), _) => format!("{kind} has layers 0 to {last}, not {layer}"),
        }
    }

    /// Returns the kind of its site.
    pub fn kind(self) -> Kind {
        self.site.kind
    }

    /// Returns the layer of its site.
    pub fn layer(self) -> usize {
        self.site.layer
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.layer)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.site, self.head)
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no head like cross.2.4");
        let [kind, layer, head] = text.split('.').collect::<Vec<_>>()[..] else { return Err(wrong()) };
        let number = |text: &str| text.parse().map_err(|_| wrong());
        Ok(Head::new(kind.parse().map_err(|_| wrong())?, number(layer)?, number(head)?))
    }
}

impl From<Head> for String {
    fn from(head: Head) -> String {
        head.to_string()
    }
}

impl TryFrom<String> for Head {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_back() {
        let head = Head::new(Kind::Decoder, 3, 11);
        assert_eq!(head.to_string().parse(), Ok(head));
        for text in ["", "cross.1", "cross.1.2.3", "other.1.2", "cross.1.-2"] {
            assert!(text.parse::<Head>().is_err(), "{text}");
        }
    }
}
