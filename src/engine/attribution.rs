//! Attributions that need further runs of the model.

use std::ops::Range;
use std::str::FromStr;

use attn_tui_kernels::threads;
use candle_core::{Device, Tensor};

use super::run_tokens::RunTokens;
use super::session::Session;
use super::source::Source;
use super::variants::{MaskedTokens, Masking};
use crate::analysis::attribution::{Attribution, AttributionMethod};
use crate::axis::token_ids;
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::model::ModelSpec;
use crate::nn::{Hook, NoHook};
use crate::progress::Watch;
use crate::site::{Kind, Site};

/// Options of [`Session::attribution`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributionOptions {
    /// Replacement of masked tokens, for occlusion.
    pub masking: Masking,
    /// Token to explain the target token against: the explained score is the difference between the two
    /// log-probabilities.
    pub contrast: Option<u32>,
    /// Decoder rows to explain together: the attribution then has one row, for the sum of their scores.
    pub span: Option<Range<usize>>,
    /// Start of the integration, for integrated gradients.
    pub baseline: EmbeddingBaseline,
    /// Number of points of the integration, for integrated gradients.
    pub steps: usize,
    /// Side of the squares of patches that are covered at once, for the occlusion of pictures.
    pub patches: usize,
}

impl Default for AttributionOptions {
    fn default() -> Self {
        Self {
            masking: Masking::default(),
            contrast: None,
            span: None,
            baseline: EmbeddingBaseline::default(),
            steps: 50,
            patches: 1,
        }
    }
}

/// Embeddings from which integrated gradients start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmbeddingBaseline {
    /// Zeros.
    #[default]
    Zero,
    /// That of the padding token at every position.
    Padding,
    /// That of the unknown token at every position.
    Unknown,
}

impl EmbeddingBaseline {
    /// All baselines.
    pub const ALL: [Self; 3] = [Self::Zero, Self::Padding, Self::Unknown];

    /// The name in options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Padding => "pad",
            Self::Unknown => "unk",
        }
    }
}

impl FromStr for EmbeddingBaseline {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|baseline| baseline.name() == text);
        found.ok_or_else(|| format!("'{text}' is not one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Sets the value vectors of one position to 0 at all sites of a kind.
struct ZeroedValues {
    kind: Kind,
    position: usize,
}

impl Hook for ZeroedValues {
    fn wants(&self, _: Site) -> bool {
        false
    }

    fn wants_values(&self, site: Site) -> bool {
        site.kind == self.kind
    }

    fn values(&mut self, _: Site, values: Tensor) -> Result<Tensor> {
        let (_, keys, _) = values.dims3()?;
        let factors: Vec<f32> = (0..keys).map(|key| f32::from(u8::from(key != self.position))).collect();
        let factors = Tensor::from_vec(factors, (1, keys, 1), &Device::Cpu)?.to_device(values.device())?;
        Ok(values.broadcast_mul(&factors)?)
    }
}

impl Session {
    /// Attributes every target token of the run of `source` that gave `base` to source and prefix tokens.
    ///
    /// # Errors
    /// [`Error::Usage`] for options that the method does not have; [`Error::NotForModel`]; those of
    /// [`Capture::attribution`] and [`Session::force_variants`]; [`Error::Cancelled`].
    pub fn attribution(
        &self,
        base: &Capture,
        source: &Source,
        method: AttributionMethod,
        options: AttributionOptions,
        watch: &dyn Watch,
    ) -> Result<Attribution> {
        let rows = base.target.len();
        if let Some(span) = options.span.as_ref().filter(|span| span.is_empty() || span.end > rows) {
            let (first, last) = (span.start, span.end.saturating_sub(1));
            return Err(Error::Usage(format!("there are no rows {first}-{last}: the target has {rows}")));
        }
        let span = options.span.clone();
        let summed = |all: Attribution| span.map_or(all.clone(), |span| all.summed(span));
        match method {
            AttributionMethod::Occlusion if source.image().is_some() => {
                let covered = || self.cover_patches(base, source, &options, watch);
                threads::run(self.threads, covered).map(summed)
            }
            AttributionMethod::Occlusion => self.occlusion(base, &options, watch).map(summed),
            AttributionMethod::ValueZeroing => {
                let zeroed = || self.value_zeroing(base, source, options.contrast, watch);
                threads::run(self.threads, zeroed).map(summed)
            }
            method if method.needs_gradients() => {
                let tokens = RunTokens::of(base)?;
                threads::run(self.threads, || self.gradient_attribution(tokens, method, &options, watch))
            }
            method if options.contrast.is_some() || options.span.is_some() => {
                Err(Error::Usage(format!("{method} explains no log-probability")))
            }
            method => threads::run(self.threads, || base.attribution(method)),
        }
    }

    /// Returns true if the method applies to the model.
    pub fn supports(&self, method: AttributionMethod) -> bool {
        match method {
            AttributionMethod::ValueZeroing => {
                matches!(self.model.spec(), ModelSpec::Transformer(spec) if spec.decoder.extra_states.is_none())
            }
            AttributionMethod::ValueWeighted | AttributionMethod::Rollout | AttributionMethod::Alti => {
                matches!(self.model.spec(), ModelSpec::Transformer(_))
            }
            method => !method.needs_gradients() || self.model.layer_by_layer().is_ok(),
        }
    }

    /// Masks one token at a time.
    fn occlusion(
        &self,
        base: &Capture,
        &AttributionOptions { masking, contrast, .. }: &AttributionOptions,
        watch: &dyn Watch,
    ) -> Result<Attribution> {
        let (rows, keys) = (base.target.len(), base.source.len());
        if base.source.ids().len() != keys {
            let why = "only the tokens of a text can be masked: `--method mean` and a head such as cross.2.4 mask none";
            return Err(Error::Usage(why.into()));
        }
        let masks_prefix = masking != Masking::Removed;
        let source = (0..keys).map(|at| MaskedTokens { source: vec![at], prefix: Vec::new() });
        let prefix = (0..rows).filter(|_| masks_prefix);
        let prefix = prefix.map(|at| MaskedTokens { source: Vec::new(), prefix: vec![at] });
        let variants: Vec<_> = std::iter::once(MaskedTokens::default()).chain(source).chain(prefix).collect();
        let mut scores = self.force_variants(base, &variants, masking, contrast, watch)?.into_iter();
        let intact = scores.next().unwrap_or_default();
        let source = losses(&intact, &scores.by_ref().take(keys).collect::<Vec<_>>());
        let prefix = masks_prefix.then(|| losses(&intact, &scores.collect::<Vec<_>>()));
        Ok(Attribution { source, prefix: prefix.map(|prefix| causal(&prefix)), completeness_error: None })
    }

    /// Sets the value vectors of one token at a time to 0.
    fn value_zeroing(
        &self,
        base: &Capture,
        source: &Source,
        contrast: Option<u32>,
        watch: &dyn Watch,
    ) -> Result<Attribution> {
        if !self.supports(AttributionMethod::ValueZeroing) {
            let why = "its decoder does not read value vectors of its tokens alone";
            return Err(Error::NotForModel { analysis: "value zeroing", why });
        }
        if base.source.ids().len() != base.source.len() {
            return Err(Error::Usage("value zeroing is about the tokens of a text".into()));
        }
        let encoded = self.model.encode(source.input(), &mut NoHook, &mut |_| watch.check())?;
        let (input, target) = (token_ids(&base.decoder_input), base.target.ids());
        let forced = |hook: &mut dyn Hook| {
            let states = self.model.decode(&input, 1, &encoded, None, hook, &mut |_| watch.check())?;
            self.relative_logits(&states, &target, contrast)
        };
        let intact = forced(&mut NoHook)?;
        let zeroed = |kind: Kind, count: usize| {
            let scores = (0..count).map(|position| forced(&mut ZeroedValues { kind, position }));
            Ok::<_, Error>(losses(&intact, &scores.collect::<Result<Vec<_>>>()?))
        };
        let prefix = zeroed(Kind::Decoder, input.len())?;
        let source = zeroed(Kind::Cross, base.source.len())?;
        Ok(Attribution { source, prefix: Some(causal(&prefix)), completeness_error: None })
    }
}

/// Differences between the scores of a run and those of its variants, `[rows, variants]`.
pub(super) fn losses(intact: &[f32], variants: &[Vec<f32>]) -> Matrix {
    Matrix::from_fn(intact.len(), variants.len(), |row, variant| intact[row] - variants[variant][row])
}

/// Removes rounding errors where a row cannot depend on a token, `[rows, rows]`: on what is fed after it.
pub(super) fn causal(prefix: &Matrix) -> Matrix {
    Matrix::from_fn(prefix.rows(), prefix.cols(), |row, at| if at > row { 0.0 } else { prefix.row(row)[at] })
}
