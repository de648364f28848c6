//! The record of one forward pass: tokens and all attention maps. Immutable once made.

mod assemble;
mod attribution;
mod axes;
mod compact_layout;
pub mod comparison;
mod file;
mod file_maps;
mod folded_rows;
mod foreign;
mod head_means;
mod head_metrics;
mod items;
mod padding;
mod pairs;
mod predictions;
mod recomputed;
mod recorder;
mod rest;
mod scores;
mod site_maps;
mod sound_strip;
mod sparse_layout;
mod store;
mod strongest_links;
mod tensors;
mod values;
mod write;

pub use attribution::RESIDUAL;
pub use file::{FORMAT, parse, read, read_with};
pub use head_means::HeadMeans;
pub use head_metrics::{HeadRow, MetricOptions};
pub(crate) use items::source_metadata;
pub use predictions::{CANDIDATES, Prediction, predictions};
pub use recorder::{Ablator, Recorder};
pub use rest::Rest;
pub use scores::{Score, ScoreParts};
pub use site_maps::{SiteMaps, WINDOWS_NOTE};
pub use sound_strip::SoundStrip;
pub use store::MapStore;
pub use values::{MapWeights, SiteValues, ValuesBySite};
pub(crate) use write::encode;
pub use write::{Precision, SiteLayout, write, write_with_picture};

use std::sync::Arc;

use crate::analysis::MapAxes;
use crate::analysis::profile::{HeadProfile, ProfileAxes};
use crate::axis::{self, AxisItem, Media, PixelBox, Sequence};
use crate::checkpoint::Architecture;
use crate::error::{Error, Result};
use crate::image::RgbPicture;
use crate::matrix::Matrix;
use crate::site::{Head, Kind, Site};

/// Options for reading a capture file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Most bytes of maps that are kept in memory ([`MapStore::within`]); others are read when they are
    /// needed.
    pub memory: Option<usize>,
    /// Kind of maps whose file names none; `None` to tell it from their shape.
    pub kind: Option<Kind>,
    /// True to leave out padding at the ends of the texts.
    pub trim_padding: bool,
}

/// A target that a beam search finished.
#[derive(Clone, Debug, PartialEq)]
pub struct BeamTarget {
    /// The target.
    pub target: Sequence,
    /// Its score, see [`crate::generate::FinishedBeam::score`].
    pub score: f32,
}

/// The record of one forward pass, with the items along its axes.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Model argument of the user: hub id, folder name, `demo`.
    pub model: String,
    /// `model_type` of the model's config.json.
    pub model_type: String,
    /// Architecture of the model; capture files do not hold it.
    pub architecture: Architecture,
    /// Source; empty if the capture has no encoder.
    pub source: Sequence,
    /// File that the source comes from, if it is no text.
    pub media: Option<Media>,
    /// Loudness of the source's frames, if the source is a recording.
    pub sound: Option<SoundStrip>,
    /// Cross-attention heads that the settings of a speech model name as aligning.
    pub alignment_heads: Vec<Head>,
    /// The picture that the source's items are places of, perhaps scaled down.
    pub picture: Option<Arc<RgbPicture>>,
    /// Target: what the decoder predicts, one token per decoder row.
    pub target: Sequence,
    /// Decoder input, one token per decoder row, the start token first.
    pub decoder_input: Vec<AxisItem>,
    /// One prediction per decoder row, if the engine made the capture or the file has logits.
    pub predictions: Vec<Prediction>,
    /// Logits `[target, vocabulary]`, if asked for.
    pub logits: Option<Matrix>,
    /// The maps.
    pub maps: MapStore,
    /// Value norms and contributions, if asked for: for value-weighted maps ([`Capture::value_weighted`])
    /// and ALTI ([`Capture::contributions`]).
    pub values: ValuesBySite,
    /// Meaning of the weights in the maps.
    pub weights: MapWeights,
    /// True if the target was generated with 8-bit weights, so that the exact model may generate another
    /// text. Maps always come from the exact weights.
    pub int8_target: bool,
    /// Seed of the sampled target; `None` if the target was given or comes from a search.
    pub sampled: Option<u64>,
    /// Targets that the beam search finished, the best first; empty if the target was given or comes from
    /// another search. Capture files do not hold them.
    pub beams: Vec<BeamTarget>,
    /// State of the explorer when it wrote the file, in the form of a saved session; `None` if another
    /// program or command wrote it.
    pub session: Option<String>,
    /// Notes for the user on how a file was read, such as the kind that its maps were taken for.
    pub notes: Vec<String>,
}

impl Capture {
    /// Kinds of attention in this capture, in display order.
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

    /// Keys that a query of a site attends among, ascending, if the encoder attends within windows of patches;
    /// see [`SiteMaps::window`].
    pub fn window(&self, site: Site, query: usize) -> Option<&[u32]> {
        self.maps.site(site)?.window(query)
    }

    /// The rectangle around the patches of [`Capture::window`].
    pub fn window_place(&self, site: Site, query: usize) -> Option<PixelBox> {
        let places = self.window(site, query)?.iter();
        places.filter_map(|&key| self.source.items.get(key as usize)?.place()).reduce(PixelBox::union)
    }

    /// Returns true if maps of a kind are within windows of patches.
    pub fn has_windows(&self, kind: Kind) -> bool {
        self.maps.sites().any(|(site, maps)| site.kind == kind && maps.window(0).is_some())
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
            Kind::Encoder => (self.queries(kind).len(), source),
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

    /// Checks that a head exists.
    pub fn check(&self, head: Head) -> Result<()> {
        if head.head < self.heads(head.site) { Ok(()) } else { Err(Error::NoSuchHead(self.why_not(head))) }
    }

    /// Returns the profile of a head: from the pass, or computed from its map and kept.
    pub fn profile(&self, head: Head) -> Result<&HeadProfile> {
        self.check(head)?;
        let no_head = || Error::NoSuchHead(self.why_not(head));
        let maps = self.maps.site(head.site).ok_or_else(no_head)?;
        let compute = || {
            let [_, queries, keys] = maps.shape();
            self.profile_of(head, &Arc::new(self.axes(head.kind()).profile_axes([queries, keys])))
        };
        maps.profile_or(head.head, compute).ok_or_else(no_head)
    }

    /// Computes a head's profile with `axes`, which must be those of maps of this size. It is not kept.
    pub fn compute_profile(&self, head: Head, axes: &Arc<ProfileAxes>) -> Result<HeadProfile> {
        self.check(head)?;
        Ok(self.profile_of(head, axes))
    }

    /// [`Capture::compute_profile`] of a head that exists.
    fn profile_of(&self, head: Head, axes: &Arc<ProfileAxes>) -> HeadProfile {
        let compact = self.maps.site(head.site).and_then(SiteMaps::compact);
        if let Some(compact) = compact.filter(|_| !self.maps.is_there(head)) {
            return HeadProfile::of_compact(compact, head.head, axes);
        }
        let mut profile = HeadProfile::new(axes);
        self.maps.pieces(head).for_each(|(first, rows)| profile.add_rows(first, &rows, axes));
        profile
    }

    /// Returns the axes of a kind's maps.
    pub fn axes(&self, kind: Kind) -> MapAxes<'_> {
        MapAxes::new(kind, self.queries(kind), self.keys(kind))
    }

    /// Items of the queries of a kind: of the source, or of the decoder input.
    pub fn queries(&self, kind: Kind) -> &[AxisItem] {
        match kind {
            Kind::Encoder => axis::queries(&self.source.items),
            Kind::Decoder | Kind::Cross => &self.decoder_input,
        }
    }

    /// Items of the keys of a kind: of the source, or of the decoder input.
    pub fn keys(&self, kind: Kind) -> &[AxisItem] {
        match kind {
            Kind::Encoder | Kind::Cross => &self.source.items,
            Kind::Decoder => &self.decoder_input,
        }
    }

    /// Explains why the capture has no maps of a kind.
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
        head.absence(layers, self.heads(head.site))
    }
}
