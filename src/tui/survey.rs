//! Survey of all heads of a capture: thumbnails, metrics and long-range links, computed on a thread of its
//! own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::analysis::MapAxes;
use crate::analysis::alti::{alti, alti_plus};
use crate::analysis::links::{Link, LinkFilter, StrongLinks};
use crate::analysis::merge::{CrossRollout, Merge, cross_rollout, merge, rollout};
use crate::analysis::metrics::{HeadMetrics, metrics};
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
    /// True if their Gini coefficients are being computed or done.
    pub gini: bool,
    /// The rollout of the whole model, where it could be computed.
    pub flow: Option<Rollouts>,
    /// Reason why there is no rollout.
    pub no_flow: Option<String>,
}

impl Survey {
    /// Adds measurements of heads. Gini coefficients that they lack are those known before.
    pub fn add(&mut self, heads: Vec<(Head, HeadFacts)>) {
        for (head, mut facts) in heads {
            let known = self.heads.get(&head).and_then(|known| known.metrics.gini);
            facts.metrics.gini = facts.metrics.gini.or(known);
            self.heads.insert(head, facts);
        }
    }
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

/// A request to measure every head of a capture.
#[derive(Clone, Debug)]
pub struct SurveyRequest {
    /// Number of the capture; results with an older number are dropped.
    pub serial: u64,
    /// The capture.
    pub capture: Arc<Capture>,
    /// Links longer than this are long-range, in positions.
    pub distance: usize,
    /// True to measure with Gini coefficients, which takes longer, once everything else is measured.
    pub gini: bool,
}

impl PartialEq for SurveyRequest {
    fn eq(&self, other: &Self) -> bool {
        (self.serial, self.distance, self.gini) == (other.serial, other.distance, other.gini)
    }
}

/// Measures every head and calls `report` after each site or, with Gini coefficients, after each head. Stops
/// once `go_on` returns false.
pub fn run(request: &SurveyRequest, go_on: impl Fn() -> bool, mut report: impl FnMut(Surveyed)) {
    let SurveyRequest { serial, distance, .. } = *request;
    let capture = request.capture.as_ref();
    if request.gini {
        return run_with_gini(request, go_on, report);
    }
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
}

fn run_with_gini(request: &SurveyRequest, go_on: impl Fn() -> bool, mut report: impl FnMut(Surveyed)) {
    let SurveyRequest { serial, distance, .. } = *request;
    let capture = request.capture.as_ref();
    for kind in capture.kinds() {
        let (queries, keys) = capture.shape(kind);
        let axes = Arc::new(capture.axes(kind).profile_axes([queries, keys]).with_gini());
        for head in capture.heads_of(kind).into_iter().take_while(|_| go_on()) {
            let Ok(profile) = capture.compute_profile(head, &axes) else { continue };
            let heads = vec![(head, facts(capture, head, &profile, distance))];
            report(Surveyed { serial, distance, heads, complete: false, flow: None });
        }
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

fn measure(capture: &Capture, head: Head, distance: usize) -> Result<HeadFacts> {
    Ok(facts(capture, head, capture.profile(head)?, distance))
}

fn facts(capture: &Capture, head: Head, profile: &HeadProfile, distance: usize) -> HeadFacts {
    let context = capture.axes(head.kind());
    HeadFacts {
        thumbnail: profile.max_thumbnail(),
        metrics: metrics(profile, &context, distance as f32),
        links: links_of(head, profile, &context, distance),
    }
}

/// Returns the links of a head that are longer than `distance` tokens, strongest first, without special
/// tokens.
pub fn long_range_links(capture: &Capture, head: Head, distance: usize) -> Result<Vec<Link>> {
    Ok(links_of(head, capture.profile(head)?, &capture.axes(head.kind()), distance))
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
    StrongLinks::new(context, [profile.rows, profile.keys], &filter).of(head, profile)
}
