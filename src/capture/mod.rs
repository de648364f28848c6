//! What one forward pass recorded: tokens and every attention map. Immutable once made.

mod axes;
mod compact_layout;
mod file;
mod file_maps;
mod npz;
mod predictions;
mod recomputed;
mod recorder;
mod scores;
mod site_maps;
mod soft;
mod store;
mod tensors;
mod values;
mod write;

pub use file::{FORMAT, read, read_within};
pub use predictions::{CANDIDATES, Prediction, predictions};
pub use recorder::{Ablator, Recorder};
pub use scores::{Score, ScoreParts};
pub use site_maps::SiteMaps;
pub use store::MapStore;
pub use values::{MapWeights, SiteValues, ValuesBySite};
pub(crate) use write::encode;
pub use write::{Layout, Precision, write};

use std::borrow::Cow;

use crate::analysis::profile::{HeadProfile, ProfileAxes};
use crate::axis::{Item, Sequence};
use crate::checkpoint::Architecture;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::site::{Head, Kind, Site};

/// All that one forward pass recorded, with its tokens.
#[derive(Clone, Debug)]
pub struct Capture {
    /// What the user asked for: hub id, folder name, `demo`.
    pub model: String,
    /// `model_type` of the model's config.json.
    pub model_type: String,
    /// Architecture of the model; capture files do not hold it.
    pub architecture: Architecture,
    /// Encoder text; empty where the capture has no encoder.
    pub source: Sequence,
    /// What the decoder predicts, one token per decoder row.
    pub target: Sequence,
    /// What the decoder is fed, one token per decoder row (the start token first).
    pub decoder_input: Vec<Item>,
    /// One entry per decoder row, where the capture was made by the engine or carries logits.
    pub predictions: Vec<Prediction>,
    /// `[target, vocabulary]` scores before the softmax, where asked for.
    pub logits: Option<Matrix>,
    /// The maps.
    pub maps: MapStore,
    /// Norms of values and contributions of keys, where asked for: for value-weighted maps
    /// ([`Capture::value_weighted`]) and ALTI ([`Capture::contributions`]).
    pub values: ValuesBySite,
    /// What the maps show.
    pub weights: MapWeights,
    /// Whether the target was generated with weights of 8 bits: the model as it is may say something else. Its maps
    /// are made with the weights as they are, whatever the target.
    pub int8_target: bool,
    /// Seed of the sampled target; `None` if the target was given or comes from a search.
    pub sampled: Option<u64>,
}

impl Capture {
    /// The kinds that this capture has, in display order.
    pub fn kinds(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|&kind| self.layers(kind) > 0).collect()
    }

    /// Number of layers of a kind; 0 where the kind is absent.
    pub fn layers(&self, kind: Kind) -> usize {
        self.maps.layers(kind)
    }

    /// Number of heads at a site; 0 where the site is absent.
    pub fn heads(&self, site: Site) -> usize {
        self.maps.heads(site)
    }

    /// Every head of a kind, layer by layer.
    pub fn heads_of(&self, kind: Kind) -> Vec<Head> {
        (0..self.layers(kind))
            .flat_map(|layer| {
                let site = Site::new(kind, layer);
                (0..self.heads(site)).map(move |head| site.head(head))
            })
            .collect()
    }

    /// Every head of every kind.
    pub fn all_heads(&self) -> Vec<Head> {
        Kind::ALL.into_iter().flat_map(|kind| self.heads_of(kind)).collect()
    }

    /// `(queries, keys)` of a kind's maps.
    pub fn shape(&self, kind: Kind) -> (usize, usize) {
        let (source, target) = (self.source.len(), self.decoder_input.len());
        match kind {
            Kind::Encoder => (source, source),
            Kind::Decoder => (target, target),
            Kind::Cross => (target, source),
        }
    }

    /// One head's map, `[queries, keys]`, rows summing to 1.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`], naming what there is.
    pub fn map(&self, head: Head) -> Result<Matrix> {
        self.maps.map(head).ok_or_else(|| Error::NoSuchHead(self.why_not(head)))
    }

    /// Whether a head is there, without its map.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`], naming what there is.
    pub fn check(&self, head: Head) -> Result<()> {
        if head.head < self.heads(head.site) { Ok(()) } else { Err(Error::NoSuchHead(self.why_not(head))) }
    }

    /// What is told of a head without its map: from the pass, or from the map's rows now, which are not kept.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`], naming what there is.
    pub fn profile(&self, head: Head) -> Result<Cow<'_, HeadProfile>> {
        self.check(head)?;
        let maps = self.maps.site(head.site).ok_or_else(|| Error::NoSuchHead(self.why_not(head)))?;
        if let Some(profile) = maps.profile(head.head) {
            return Ok(Cow::Borrowed(profile));
        }
        let [_, queries, keys] = maps.shape();
        let axes = ProfileAxes::new(head.kind(), [queries, keys], self.keys(head.kind()));
        Ok(Cow::Owned(self.compute_profile(head, axes)?))
    }

    /// A head's profile as `axes`, which is that of maps of this size, says: from the map's rows, which are not
    /// kept.
    ///
    /// # Errors
    /// As [`Capture::profile`].
    pub fn compute_profile(&self, head: Head, axes: ProfileAxes) -> Result<HeadProfile> {
        self.check(head)?;
        let compact = self.maps.site(head.site).and_then(SiteMaps::compact);
        if let Some(compact) = compact.filter(|_| !self.maps.is_there(head)) {
            return Ok(HeadProfile::of_compact(compact, head.head, axes));
        }
        let mut profile = HeadProfile::new(&axes);
        self.maps.pieces(head).for_each(|(first, rows)| profile.add_rows(first, &rows, &axes));
        Ok(profile)
    }

    /// The tokens of a kind's queries: source tokens, or what the decoder is fed.
    pub fn queries(&self, kind: Kind) -> &[Item] {
        match kind {
            Kind::Encoder => &self.source.items,
            Kind::Decoder | Kind::Cross => &self.decoder_input,
        }
    }

    /// The tokens of a kind's keys: source tokens, or what the decoder is fed.
    pub fn keys(&self, kind: Kind) -> &[Item] {
        match kind {
            Kind::Encoder | Kind::Cross => &self.source.items,
            Kind::Decoder => &self.decoder_input,
        }
    }

    /// Why there are no maps of a kind that the capture lacks.
    pub fn why_absent(&self, kind: Kind) -> String {
        match (self.architecture, kind) {
            (Architecture::Recurrent, Kind::Cross) => {
                "this recurrent network has no attention: its decoder sees one vector, \
                                         the same at every step"
                    .into()
            }
            (Architecture::Recurrent, _) => {
                format!(
                    "a recurrent network has no self-attention: its {kind} reads one token after the other"
                )
            }
            (Architecture::Transformer, _) => {
                let have: Vec<_> = self.kinds().iter().map(|kind| kind.name()).collect();
                format!("this capture has no {kind} attention; it has: {}", have.join(", "))
            }
        }
    }

    fn why_not(&self, head: Head) -> String {
        let kind = head.kind();
        let layers = self.layers(kind);
        if layers == 0 {
            return self.why_absent(kind);
        }
        if head.layer() >= layers {
            return format!("{kind} has layers 0 to {}, not {}", layers - 1, head.layer());
        }
        let heads = self.heads(head.site);
        format!("{} has heads 0 to {}, not {}", head.site, heads.saturating_sub(1), head.head)
    }
}
