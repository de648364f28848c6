//! What goes into the softmax, and what it is made of. It follows from the queries and keys of a site.

use super::Capture;
use crate::checkpoint::Architecture;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::nn::CompactMaps;
use crate::site::{Head, Site};

/// What is shown of the scores before the softmax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Score {
    /// All that goes into the softmax.
    Whole,
    /// What queries and keys make out: `scale Q Kᵀ`.
    Content,
    /// What the distance of the positions makes out (Raffel et al. 2020, relative position bias).
    Bias,
}

/// The parts whose sum goes into the softmax, each `[queries, keys]`, minus infinity where a key is masked.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreParts {
    /// What queries and keys make out.
    pub content: Matrix,
    /// What the distance of the positions makes out; `None` where the site has no such bias.
    pub bias: Option<Matrix>,
}

impl Capture {
    /// What goes into the softmax of a head, `[queries, keys]`, minus infinity where a key is masked.
    ///
    /// # Errors
    /// As [`Capture::compact`].
    pub fn scores(&self, head: Head) -> Result<Matrix> {
        let ScoreParts { content, bias } = self.score_parts(head)?;
        let Some(bias) = bias else { return Ok(content) };
        let sum = content.as_slice().iter().zip(bias.as_slice()).map(|(content, bias)| content + bias);
        Ok(Matrix::new(content.rows(), content.cols(), sum.collect()))
    }

    /// What the scores of a head are made of.
    ///
    /// # Errors
    /// As [`Capture::compact`].
    pub fn score_parts(&self, head: Head) -> Result<ScoreParts> {
        if head.head >= self.heads(head.site) {
            return Err(Error::NoSuchHead(self.why_not(head)));
        }
        let compact = self.compact(head.site)?;
        let keys = compact.keys;
        let seen = |value: f32, at: usize| {
            if compact.sees(head.head, at / keys, at % keys) { value } else { f32::NEG_INFINITY }
        };
        let mut content = compact.content(head.head);
        content.iter_mut().enumerate().for_each(|(at, score)| *score = seen(*score, at));
        let bias = compact.bias.is_some().then(|| {
            Matrix::from_fn(compact.queries, keys, |query, key| {
                seen(compact.bias(head.head, query, key).unwrap_or(0.0), query * keys + key)
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

    /// Whether a site has a position bias among the scores that were kept.
    pub fn has_bias(&self, site: Site) -> bool {
        self.compact(site).is_ok_and(|compact| compact.bias.is_some())
    }

    /// What the scores of a site follow from.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] for a site that is not there, [`Error::NoScores`] with why there are none.
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
