//! Attribution: how much each source and prefix token contributed to each predicted token, by a named method.

use std::fmt;
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
}

impl AttributionMethod {
    /// All methods but those of single heads.
    pub const NAMED: [Self; 6] =
        [Self::Mean, Self::ValueWeighted, Self::Rollout, Self::Alti, Self::Occlusion, Self::ValueZeroing];

    /// Returns true if the method needs values beside the maps.
    pub fn needs_values(self) -> bool {
        matches!(self, Self::ValueWeighted | Self::Alti)
    }

    /// Returns true if the method needs further runs of the model.
    pub fn needs_runs(self) -> bool {
        matches!(self, Self::Occlusion | Self::ValueZeroing)
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
        }
    }
}

impl fmt::Display for AttributionMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(head) => head.fmt(f),
            named => named.name().fmt(f),
        }
    }
}

impl FromStr for AttributionMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::NAMED.into_iter().find(|method| method.name() == text);
        let head = || text.parse().ok().filter(|head: &Head| head.kind() == Kind::Cross).map(Self::Head);
        named.or_else(head).ok_or_else(|| {
            let names = Self::NAMED.map(Self::name).join(", ");
            format!("must be {names} or a cross-attention head such as cross.2.4")
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_read_back() {
        let head = AttributionMethod::Head(Head::new(Kind::Cross, 2, 4));
        for method in AttributionMethod::NAMED.into_iter().chain([head]) {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        for text in ["encoder.1.4", "cross.2", "attention", ""] {
            assert!(text.parse::<AttributionMethod>().is_err(), "{text}");
        }
    }
}
