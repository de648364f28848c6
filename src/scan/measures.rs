//! The measures of one sentence.

use crate::analysis::align::{Alignment, Convention, hard_alignment};
use crate::analysis::links::{Link, StrongLinks};
use crate::analysis::merge::{Merge, merge};
use crate::axis::AxisItem;
use crate::capture::{Capture, HeadRow};
use crate::error::Result;
use crate::export::labels::{item_label, word_numbers};
use crate::matrix::Matrix;
use crate::site::{Head, Kind, Site};

use super::options::ScanOptions;

/// The measures of one sentence.
#[derive(Clone, Debug)]
pub struct SentenceMeasures {
    /// The source; for a recording or a picture the name of its file.
    pub source: String,
    /// The target, given or generated.
    pub target: String,
    /// Ids of the source's tokens; empty for a recording or a picture.
    pub source_ids: Vec<u32>,
    /// Ids of the target's tokens.
    pub target_ids: Vec<u32>,
    /// The source's tokens as the vocabulary spells them.
    pub source_tokens: Vec<String>,
    /// The target's tokens as the vocabulary spells them.
    pub target_tokens: Vec<String>,
    /// The tokens that the decoder was fed, the start token first.
    pub decoder_tokens: Vec<String>,
    /// Positions of special tokens in the source.
    pub source_special: Vec<u32>,
    /// Positions of special tokens in the target.
    pub target_special: Vec<u32>,
    /// Positions of special tokens in what the decoder was fed.
    pub decoder_special: Vec<u32>,
    /// Natural logarithm of the target's probability.
    pub log_probability: f32,
    /// Mean share of the source in the target's tokens by ALTI, if asked for.
    pub source_share: Option<f32>,
    /// Word alignment by the mean of the last layer's cross-attention heads.
    pub alignment: Alignment,
    /// The metrics of every head.
    pub heads: Vec<HeadRow>,
    /// The strongest far links of every head.
    pub links: Vec<FarLink>,
    /// The maps, if asked for.
    pub maps: Vec<(Head, Matrix)>,
}

/// A far link with its tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct FarLink {
    /// The link.
    pub link: Link,
    /// Label of the query.
    pub query_token: String,
    /// Label of the token that the row predicts; `None` in encoder self-attention.
    pub predicted: Option<String>,
    /// Label of the key.
    pub key_token: String,
}

impl SentenceMeasures {
    /// Measures a capture, which must be that of a run with [`ScanOptions::run`].
    ///
    /// # Errors
    /// [`crate::error::Error::NoSuchHead`]; [`crate::error::Error::NoValues`].
    pub fn of(capture: &Capture, options: &ScanOptions) -> Result<Self> {
        let heads = capture.all_heads();
        let pieces = |items: &[AxisItem]| items.iter().map(|item| item.piece.clone()).collect();
        let special = |items: &[AxisItem]| {
            items.iter().zip(0..).filter(|(item, _)| item.special).map(|(_, at)| at).collect()
        };
        let maps = |head: &Head| Ok((*head, capture.map(*head)?));
        Ok(Self {
            source: capture.source.text.clone(),
            target: capture.target.text.clone(),
            source_ids: capture.source.ids(),
            target_ids: capture.target.ids(),
            source_tokens: pieces(&capture.source.items),
            target_tokens: pieces(&capture.target.items),
            decoder_tokens: pieces(&capture.decoder_input),
            source_special: special(&capture.source.items),
            target_special: special(&capture.target.items),
            decoder_special: special(&capture.decoder_input),
            log_probability: log_probability(capture),
            source_share: source_share(capture, options)?,
            alignment: alignment(capture)?,
            links: links(capture, &heads, options)?,
            maps: if options.maps { heads.iter().map(maps).collect::<Result<_>>()? } else { Vec::new() },
            heads: capture.head_metrics(&heads, options.metrics())?,
        })
    }
}

fn log_probability(capture: &Capture) -> f32 {
    let of = |probability: f32| f64::from(probability.max(f32::MIN_POSITIVE)).ln();
    capture.predictions.iter().map(|prediction| of(prediction.probability)).sum::<f64>() as f32
}

fn source_share(capture: &Capture, options: &ScanOptions) -> Result<Option<f32>> {
    if !options.source_share || capture.layers(Kind::Cross) == 0 {
        return Ok(None);
    }
    let shares = capture.alti_plus()?.source_shares();
    Ok(Some(shares.iter().sum::<f32>() / shares.len().max(1) as f32))
}

/// Aligns words by the mean of the last layer's cross-attention heads.
fn alignment(capture: &Capture) -> Result<Alignment> {
    let Some(layer) = capture.layers(Kind::Cross).checked_sub(1) else { return Ok(Alignment::default()) };
    let site = Site::new(Kind::Cross, layer);
    let maps = (0..capture.heads(site)).map(|head| capture.map(site.head(head)));
    let map = merge(&maps.collect::<Result<Vec<_>>>()?, Merge::Mean)?;
    let (source, target) = (word_numbers(&capture.source.items), word_numbers(&capture.target.items));
    Ok(hard_alignment(&map, &source, &target, Convention::Predicts))
}

fn links(capture: &Capture, heads: &[Head], options: &ScanOptions) -> Result<Vec<FarLink>> {
    let filter = options.filter();
    let mut all = Vec::new();
    for heads in heads.chunk_by(|a, b| a.kind() == b.kind()) {
        let Some(kind) = heads.first().map(|head| head.kind()) else { continue };
        let axes = capture.axes(kind);
        let strong = StrongLinks::new(&axes, capture.shape(kind).into(), &filter);
        let labels = |items: &[AxisItem]| items.iter().map(item_label).collect::<Vec<_>>();
        let (queries, keys) = (labels(axes.queries), labels(axes.keys));
        let predicted = if kind == Kind::Encoder { Vec::new() } else { labels(&capture.target.items) };
        let label = |labels: &[String], at: usize| labels.get(at).cloned().unwrap_or_default();
        for &head in heads {
            let found = strong.of(head, capture.profile(head)?);
            all.extend(found.into_iter().map(|link| FarLink {
                link,
                query_token: label(&queries, link.query),
                predicted: (kind != Kind::Encoder).then(|| label(&predicted, link.query)),
                key_token: label(&keys, link.key),
            }));
        }
    }
    Ok(all)
}
