//! Attribution: how much each source and prefix token contributed to each predicted token, by a named method.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::matrix::Matrix;
use crate::site::{Head, Kind};

/// A method of attribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AttributionMethod {
    /// The cross-attention of one head.
    Head(Head),
    /// Mean of the cross-attention over all heads of all layers.
    Mean,
    /// Mean of the value-weighted cross-attention over all heads of all layers (Kobayashi et al. 2020).
    ValueWeighted,
    /// Attention rollout through encoder and decoder (Abnar and Zuidema 2020).
    Rollout,
    /// ALTI+ (Ferrando et al. 2022).
    Alti,
    /// Loss of the target token's log-probability when a token is masked (Zeiler and Fergus 2014; Li et al.
    /// 2016, "Understanding Neural Networks through Representation Erasure").
    Occlusion,
    /// Loss of the target token's log-probability when the value vectors of a token are 0 in every layer's
    /// cross-attention (source) or decoder self-attention (prefix), after Mohebbi et al. 2023, "Quantifying
    /// Context Mixing in Transformers", who compare the layers' outputs.
    ValueZeroing,
    /// Euclidean norm of the gradient with respect to the token's embedding (Simonyan et al. 2014; Li et al.
    /// 2016, "Visualizing and Understanding Neural Models in NLP").
    Saliency,
    /// Embedding times gradient, summed over the width (Denil et al. 2014; Shrikumar et al. 2017).
    InputGradient,
    /// Integrated gradients (Sundararajan et al. 2017).
    IntegratedGradients,
    /// `(A dL/dA)+` of the predicting row, of one head's cross-attention or the mean over all heads.
    AttentionGradient(Option<Head>),
    /// Relevance from attention times gradients through all layers (Chefer et al. 2021).
    Relevance,
}

impl AttributionMethod {
    /// All methods but those of single heads.
    pub const NAMED: [Self; 11] = [
        Self::Mean,
        Self::ValueWeighted,
        Self::Rollout,
        Self::Alti,
        Self::Occlusion,
        Self::ValueZeroing,
        Self::Saliency,
        Self::InputGradient,
        Self::IntegratedGradients,
        Self::AttentionGradient(None),
        Self::Relevance,
    ];

    /// Returns true if the method needs values beside the maps.
    pub fn needs_values(self) -> bool {
        matches!(self, Self::ValueWeighted | Self::Alti)
    }

    /// Returns true if the method needs further runs of the model.
    pub fn needs_runs(self) -> bool {
        matches!(self, Self::Occlusion | Self::ValueZeroing) || self.needs_gradients()
    }

    /// Returns true if the method needs gradients.
    pub fn needs_gradients(self) -> bool {
        match self {
            Self::Head(_) | Self::Mean | Self::ValueWeighted | Self::Rollout | Self::Alti => false,
            Self::Occlusion | Self::ValueZeroing => false,
            Self::Saliency | Self::InputGradient | Self::IntegratedGradients => true,
            Self::AttentionGradient(_) | Self::Relevance => true,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Head(_) => "cross.L.H",
            Self::Mean => "mean",
            Self::ValueWeighted => "value-weighted",
            Self::Rollout => "rollout",
            Self::Alti => "alti",
            Self::Occlusion => "occlusion",
            Self::ValueZeroing => "value-zeroing",
            Self::Saliency => "saliency",
            Self::InputGradient => "input-x-gradient",
            Self::IntegratedGradients => "integrated-gradients",
            Self::AttentionGradient(_) => "attention-x-gradient",
            Self::Relevance => "relevance",
        }
    }
}

impl fmt::Display for AttributionMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(head) => head.fmt(f),
            Self::AttentionGradient(Some(head)) => write!(f, "{}:{head}", self.name()),
            named => named.name().fmt(f),
        }
    }
}

impl FromStr for AttributionMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::NAMED.into_iter().find(|method| method.name() == text);
        let cross = |text: &str| text.parse().ok().filter(|head: &Head| head.kind() == Kind::Cross);
        let head = || match text.split_once(':') {
            Some(("attention-x-gradient", head)) => {
                cross(head).map(|head| Self::AttentionGradient(Some(head)))
            }
            _ => cross(text).map(Self::Head),
        };
        named.or_else(head).ok_or_else(|| {
            let names = Self::NAMED.map(Self::name).join(", ");
            format!(
                "must be {names}, a cross-attention head such as cross.2.4, or its weights times their gradients, \
                 attention-x-gradient:cross.2.4"
            )
        })
    }
}

/// Scores of tokens for each predicted token.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    /// Scores of the source tokens, `[target, source]`.
    pub source: Matrix,
    /// Scores of what the decoder was fed, `[target, target]`; `None` if the method says nothing of it.
    pub prefix: Option<Matrix>,
    /// Largest difference between the sum of a row's scores and the change of the explained score from the
    /// baseline to the input; `None` but for integrated gradients.
    pub completeness_error: Option<f32>,
}

impl Attribution {
    /// Adds up some rows of scores that are additive; returns a single row.
    pub fn summed(&self, rows: Range<usize>) -> Self {
        let sum = |matrix: &Matrix| {
            Matrix::from_fn(1, matrix.cols(), |_, at| rows.clone().map(|row| matrix.row(row)[at]).sum())
        };
        Self { source: sum(&self.source), prefix: self.prefix.as_ref().map(sum), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_read_back() {
        let head = AttributionMethod::Head(Head::new(Kind::Cross, 2, 4));
        let weighted = AttributionMethod::AttentionGradient(Some(Head::new(Kind::Cross, 0, 1)));
        for method in AttributionMethod::NAMED.into_iter().chain([head, weighted]) {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        for text in
            ["encoder.1.4", "cross.2", "attention", "attention-x-gradient:", "relevance:cross.0.1", ""]
        {
            assert!(text.parse::<AttributionMethod>().is_err(), "{text}");
        }
    }
}
