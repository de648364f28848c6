//! Where an attention map comes from: kind, layer, head.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The three kinds of attention of an encoder-decoder Transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Encoder self-attention, `[heads, source, source]`.
    Encoder,
    /// Decoder self-attention (causal), `[heads, target, target]`.
    Decoder,
    /// Cross-attention: target positions look at source positions, `[heads, target, source]`.
    Cross,
}

impl Kind {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Kind; 3] = [Kind::Encoder, Kind::Decoder, Kind::Cross];

    /// The name used in files, options and on screen.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Encoder => "encoder",
            Kind::Decoder => "decoder",
            Kind::Cross => "cross",
        }
    }

    /// The keys of `keys` that row `query` may look at: those up to itself in decoder self-attention, otherwise
    /// all.
    pub fn visible(self, query: usize, keys: usize) -> Range<usize> {
        match self {
            Kind::Decoder => 0..(query + 1).min(keys),
            Kind::Encoder | Kind::Cross => 0..keys,
        }
    }

    /// The key on row `query`'s diagonal in a map of `queries` rows and `keys` columns, as a real number: the row
    /// itself in self-attention; in a cross map `query * keys / queries`, where word-for-word alignment would put
    /// it.
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
            .ok_or_else(|| format!("'{text}' is none of encoder, decoder, cross"))
    }
}

/// A kind and a layer (zero-based).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    /// Which attention.
    pub kind: Kind,
    /// Zero-based layer of the stack that holds it.
    pub layer: usize,
}

/// One head: a site and a head number (zero-based).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Head {
    /// The site it belongs to.
    pub site: Site,
    /// Zero-based number within the site.
    pub head: usize,
}

/// A part of the model's attention that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ablation {
    /// All heads of a site: what they read becomes zero.
    Site(Site),
    /// One head: what it reads becomes zero (Michel et al. 2019).
    Head(Head),
    /// One pair of one head: its score becomes minus infinity (Geva et al. 2023).
    Link {
        /// The head.
        head: Head,
        /// The row.
        query: usize,
        /// The column.
        key: usize,
    },
}

impl Ablation {
    /// Where it acts.
    pub fn site(self) -> Site {
        match self {
            Ablation::Site(site) => site,
            Ablation::Head(head) | Ablation::Link { head, .. } => head.site,
        }
    }
}

impl Site {
    /// The site of `kind` in `layer`.
    pub fn new(kind: Kind, layer: usize) -> Self {
        Self { kind, layer }
    }

    /// One head of this site.
    pub fn head(self, head: usize) -> Head {
        Head { site: self, head }
    }
}

impl Head {
    /// The head `head` of `kind` in `layer`.
    pub fn new(kind: Kind, layer: usize, head: usize) -> Self {
        Site::new(kind, layer).head(head)
    }

    /// Its kind.
    pub fn kind(self) -> Kind {
        self.site.kind
    }

    /// Its layer.
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
