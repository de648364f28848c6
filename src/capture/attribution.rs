//! Attributions that follow from the maps of a capture.

use super::Capture;
use crate::analysis::alti::{alti, alti_plus};
use crate::analysis::attribution::{Attribution, AttributionMethod};
use crate::analysis::merge::{CrossRollout, Merge, cross_rollout, merge, rollout};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::site::{Kind, Site};

/// Share of the residual connection in a rollout (Abnar and Zuidema 2020).
pub const RESIDUAL: f32 = 0.5;

impl Capture {
    /// Computes an attribution of every predicted token from the maps.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] if maps are missing; [`Error::NoValues`] if the method needs values that the
    /// capture does not have; [`Error::Usage`] for a method that needs further runs of the model.
    pub fn attribution(&self, method: AttributionMethod) -> Result<Attribution> {
        let both = |rollout: CrossRollout| Attribution {
            source: rollout.source,
            prefix: Some(rollout.prefix),
            completeness_error: None,
        };
        let source = |source| Attribution { source, prefix: None, completeness_error: None };
        match method {
            AttributionMethod::Head(head) => self.map(head).map(source),
            AttributionMethod::Mean => merge(&self.mean_maps(Kind::Cross)?, Merge::Mean).map(source),
            AttributionMethod::ValueWeighted => {
                merge(&self.value_weighted()?.mean_maps(Kind::Cross)?, Merge::Mean).map(source)
            }
            AttributionMethod::Rollout => self.cross_rollout(RESIDUAL).map(both),
            AttributionMethod::Alti => self.alti_plus().map(both),
            AttributionMethod::Occlusion
            | AttributionMethod::ValueZeroing
            | AttributionMethod::Saliency
            | AttributionMethod::InputGradient
            | AttributionMethod::IntegratedGradients
            | AttributionMethod::AttentionGradient(_)
            | AttributionMethod::Relevance => Err(Error::Usage(format!("{method} needs a model to run"))),
        }
    }

    /// Returns the mean map of each layer's heads.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] if there are no maps of this kind.
    pub fn mean_maps(&self, kind: Kind) -> Result<Vec<Matrix>> {
        if self.layers(kind) == 0 {
            return Err(Error::NoSuchHead(self.why_absent(kind)));
        }
        let one = |layer| {
            let site = Site::new(kind, layer);
            let heads = (0..self.heads(site)).map(|head| self.map(site.head(head)));
            merge(&heads.collect::<Result<Vec<_>>>()?, Merge::Mean)
        };
        (0..self.layers(kind)).map(one).collect()
    }

    /// Rolls out the attention of one stack by itself.
    ///
    /// # Errors
    /// Those of [`Capture::mean_maps`] and [`rollout`].
    pub fn rollout(&self, kind: Kind, residual: f32) -> Result<Matrix> {
        rollout(&self.mean_maps(kind)?, residual)
    }

    /// Rolls out the attention of the decoder and, below its cross-attention, of the encoder.
    ///
    /// # Errors
    /// Those of [`Capture::mean_maps`] and [`cross_rollout`].
    pub fn cross_rollout(&self, residual: f32) -> Result<CrossRollout> {
        let encoder = self.rollout(Kind::Encoder, residual)?;
        cross_rollout(&encoder, &self.mean_maps(Kind::Decoder)?, &self.mean_maps(Kind::Cross)?, residual)
    }

    /// Rolls out the contributions of one stack by itself (ALTI).
    ///
    /// # Errors
    /// [`Error::NoValues`] if the capture has no contributions.
    pub fn alti(&self, kind: Kind) -> Result<Matrix> {
        alti(&self.contributions(kind)?)
    }

    /// Rolls out the contributions of the decoder and, below its cross-attention, of the encoder (ALTI+).
    ///
    /// # Errors
    /// [`Error::NoValues`] if the capture has no contributions.
    pub fn alti_plus(&self) -> Result<CrossRollout> {
        let encoder = self.alti(Kind::Encoder)?;
        alti_plus(&encoder, &self.contributions(Kind::Decoder)?, &self.contributions(Kind::Cross)?)
    }
}
