//! Survey of all heads of a capture: thumbnails, metrics and long-range links, computed on a thread of its
//! own.

use std::collections::BTreeMap;

use crate::analysis::MapAxes;
use crate::analysis::alti::{alti, alti_plus};
use crate::analysis::links::{Link, LinkFilter, strong_links};
use crate::analysis::merge::{CrossRollout, Merge, cross_rollout, merge, rollout};
use crate::analysis::metrics::{HeadMetrics, gini_sum, metrics};
use crate::analysis::profile::{HeadProfile, STRONG_WEIGHT};
use crate::capture::Capture;
use crate::error::Result;
use crate::matrix::Matrix;
use crate::site::{Head, Kind, Site};

/// Measurements of one head.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadFacts {
    /// The map in at most [`THUMBNAIL`](crate::analysis::profile::THUMBNAIL) rows and columns, max-pooled.
    pub thumbnail: Matrix,
    /// Its metrics.
    pub metrics: HeadMetrics,
    /// Its long-range links, strongest first.
    pub links: Vec<Link>,
}

/// Measurements of every head of one capture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// The heads measured so far.
    pub heads: BTreeMap<Head, HeadFacts>,
    /// True if all heads are measured.
    pub complete: bool,
    /// The rollout of the whole model, where it could be computed.
    pub flow: Option<Rollouts>,
    /// Reason why there is no rollout.
    pub no_flow: Option<String>,
}

/// Partial results of a survey.
#[derive(Debug)]
pub struct Surveyed {
    /// Number of the capture.
    pub serial: u64,
    /// Distance beyond which links are long-range, in positions.
    pub distance: usize,
    /// Heads that were measured.
    pub heads: Vec<(Head, HeadFacts)>,
    /// True if all heads are measured.
    pub complete: bool,
    /// The rollout, or the reason why there is none; sent once all heads are measured.
    pub flow: Option<std::result::Result<Rollouts, String>>,
}

/// The rollout of the whole model.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollouts {
    /// Rollout of the mean of each layer's heads.
    pub mean: CrossRollout,
    /// Rollout of the maximum of each layer's heads, with rows scaled to sum to 1.
    pub max: CrossRollout,
    /// ALTI+; `None` if the capture has no contributions.
    pub alti: Option<CrossRollout>,
}

/// Measures every head of a capture and calls `report` after each site. Stops once `go_on` returns false.
pub fn run(
    serial: u64,
    capture: &Capture,
    distance: usize,
    go_on: impl Fn() -> bool,
    mut report: impl FnMut(Surveyed),
) {
    for kind in Kind::ALL {
        for layer in 0..capture.layers(kind) {
            let site = Site::new(kind, layer);
            let heads = (0..capture.heads(site)).map(|head| site.head(head));
            let heads =
                heads.filter_map(|head| Some((head, measure(capture, head, distance).ok()?))).collect();
            if !go_on() {
                return;
            }
            report(Surveyed { serial, distance, heads, complete: false, flow: None });
        }
    }
    let flow = Some(flow(capture));
    report(Surveyed { serial, distance, heads: Vec::new(), complete: true, flow });
    // The Gini coefficient needs sorted rows, which takes longest.
    for head in capture.all_heads() {
        let Ok(mut facts) = measure(capture, head, distance) else { continue };
        let (context, mut sum) = (context(capture, head.kind()), 0.0);
        for (first, rows) in capture.maps.pieces(head) {
            if !go_on() {
                return;
            }
            sum += gini_sum(first, &rows, &context);
        }
        facts.metrics.gini = Some((sum / capture.shape(head.kind()).0.max(1) as f64) as f32);
        report(Surveyed { serial, distance, heads: vec![(head, facts)], complete: false, flow: None });
    }
}

/// Maximum number of tokens of a rollout, whose time grows with the cube of it.
const LONGEST_FLOW: usize = 768;

/// Share of the residual connection in a rollout (Abnar and Zuidema 2020).
const RESIDUAL: f32 = 0.5;

fn flow(capture: &Capture) -> std::result::Result<Rollouts, String> {
    for kind in Kind::ALL {
        if capture.layers(kind) == 0 {
            return Err(format!("the flow through all layers needs all kinds: {}", capture.why_absent(kind)));
        }
    }
    let (target, source) = capture.shape(Kind::Cross);
    if target.max(source) > LONGEST_FLOW {
        return Err(format!("the flow through all layers is shown for texts of up to {LONGEST_FLOW} tokens"));
    }
    let layers = |kind: Kind, how: Merge| -> Result<Vec<Matrix>> {
        (0..capture.layers(kind))
            .map(|layer| {
                let site = Site::new(kind, layer);
                let maps: Result<Vec<Matrix>> =
                    (0..capture.heads(site)).map(|head| capture.map(site.head(head))).collect();
                merge(&maps?, how).map(|map| if how == Merge::Max { normalise_rows(&map) } else { map })
            })
            .collect()
    };
    let merged_rollout = |how: Merge| {
        let encoder = rollout(&layers(Kind::Encoder, how)?, RESIDUAL)?;
        cross_rollout(&encoder, &layers(Kind::Decoder, how)?, &layers(Kind::Cross, how)?, RESIDUAL)
    };
    let with_values = || {
        let encoder = alti(&capture.contributions(Kind::Encoder)?)?;
        let (decoder, cross) = (capture.contributions(Kind::Decoder)?, capture.contributions(Kind::Cross)?);
        alti_plus(&encoder, &decoder, &cross)
    };
    let has_values = !capture.values.is_empty();
    let flows = || {
        let alti = has_values.then(with_values).transpose()?;
        Ok(Rollouts { mean: merged_rollout(Merge::Mean)?, max: merged_rollout(Merge::Max)?, alti })
    };
    flows().map_err(|error: crate::error::Error| error.to_string())
}

/// Scales rows to sum to 1; rows of zeros stay.
fn normalise_rows(map: &Matrix) -> Matrix {
    let mut data = Vec::with_capacity(map.rows() * map.cols());
    for row in 0..map.rows() {
        let sum: f32 = map.row(row).iter().sum();
        data.extend(map.row(row).iter().map(|weight| if sum > 0.0 { weight / sum } else { 0.0 }));
    }
    Matrix::new(map.rows(), map.cols(), data)
}

/// Returns the axes of a kind's maps.
pub fn context(capture: &Capture, kind: Kind) -> MapAxes<'_> {
    MapAxes::new(kind, capture.queries(kind), capture.keys(kind))
}

fn measure(capture: &Capture, head: Head, distance: usize) -> Result<HeadFacts> {
    let profile = capture.profile(head)?;
    let context = context(capture, head.kind());
    Ok(HeadFacts {
        thumbnail: profile.max_thumbnail(),
        metrics: metrics(&profile, &context, distance as f32),
        links: links_of(head, &profile, &context, distance),
    })
}

/// Returns the links of a head that are longer than `distance` tokens, strongest first, without special
/// tokens.
pub fn long_range_links(capture: &Capture, head: Head, distance: usize) -> Result<Vec<Link>> {
    Ok(links_of(head, &*capture.profile(head)?, &context(capture, head.kind()), distance))
}

fn links_of(head: Head, profile: &HeadProfile, context: &MapAxes, distance: usize) -> Vec<Link> {
    let filter = LinkFilter {
        min_distance: distance as f32 + 1.0,
        min_weight: STRONG_WEIGHT,
        top: 50,
        punctuation: true,
        sinks: true,
        special: false,
        ..LinkFilter::default()
    };
    strong_links(head, profile, context, &filter)
}
