//! Scores before the softmax and their parts, computed from queries, keys and position bias.

use super::Capture;
use crate::checkpoint::Architecture;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::nn::CompactMaps;
use crate::site::{Head, Site};

/// Selection of scores or of one of their parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Score {
    /// Complete scores.
    Whole,
    /// Content part: `scale Q Kᵀ`.
    Content,
    /// Position part (Raffel et al. 2020, relative position bias).
    Bias,
}

/// Parts of the scores, each `[queries, keys]`, minus infinity for masked keys. Their sum goes into the
/// softmax.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreParts {
    /// Content part.
    pub content: Matrix,
    /// Position part; `None` if the site has no position bias.
    pub bias: Option<Matrix>,
}

impl Capture {
    /// Scores of a head, `[queries, keys]`, minus infinity for masked keys.
    pub fn scores(&self, head: Head) -> Result<Matrix> {
        let ScoreParts { content, bias } = self.score_parts(head)?;
        let Some(bias) = bias else { return Ok(content) };
        let sum = content.as_slice().iter().zip(bias.as_slice()).map(|(content, bias)| content + bias);
        Ok(Matrix::new(content.rows(), content.cols(), sum.collect()))
    }

    /// Parts of the scores of a head.
    pub fn score_parts(&self, head: Head) -> Result<ScoreParts> {
        if head.head >= self.heads(head.site) {
            return Err(Error::NoSuchHead(self.why_not(head)));
        }
        let compact = self.compact(head.site)?;
        let keys = compact.keys;
        let masked = |value: f32, at: usize| {
            if compact.sees(head.head, at / keys, at % keys) { value } else { f32::NEG_INFINITY }
        };
        let mut content = compact.content(head.head);
        content.iter_mut().enumerate().for_each(|(at, score)| *score = masked(*score, at));
        let bias = compact.bias.is_some().then(|| {
            Matrix::from_fn(compact.queries, keys, |query, key| {
                masked(compact.bias(head.head, query, key).unwrap_or(0.0), query * keys + key)
            })
        });
        Ok(ScoreParts { content: Matrix::new(compact.queries, keys, content), bias })
    }

    /// Scores of a head, or one of their parts.
    ///
    /// # Errors
    /// As [`Capture::compact`]; [`Error::NoScores`] for the bias of a site that has none.
    pub fn score(&self, head: Head, score: Score) -> Result<Matrix> {
        match score {
            Score::Whole => self.scores(head),
            Score::Content => Ok(self.score_parts(head)?.content),
            Score::Bias => self.score_parts(head)?.bias.ok_or_else(|| {
                Error::NoScores(format!("{} has no position bias: its scores are content alone", head.site))
            }),
        }
    }

    /// Returns true if the scores of a site are kept and have a position bias.
    pub fn has_bias(&self, site: Site) -> bool {
        self.compact(site).is_ok_and(|compact| compact.bias.is_some())
    }

    /// Compact maps of a site, from which scores can be computed.
    pub fn compact(&self, site: Site) -> Result<&CompactMaps> {
        let Some(maps) = self.maps.site(site) else {
            return Err(Error::NoSuchHead(self.why_not(site.head(0))));
        };
        let why = match maps.compact() {
            Some(compact) if compact.extra.is_none() => return Ok(compact),
            Some(_) => {
                format!(
                    "other keys (summaries, prompts, another sequence) share the softmax of {site}: its own scores are not all"
                )
            }
            None if self.architecture == Architecture::Recurrent => {
                "additive attention has no products of queries and keys: its scores are not kept".into()
            }
            None if self.maps.sites().any(|(_, maps)| maps.compact().is_some()) => {
                format!(
                    "the scores of {site} are more than queries, keys and a position bias: they are not kept"
                )
            }
            None => "no scores were kept: the maps alone are there".into(),
        };
        Err(Error::NoScores(why))
    }
}
