//! Front end of a speech model: convolutions between features and the encoder's first layer.

use candle_core::Tensor;

use super::builder::Builder;
use super::spec::{ConvSpec, ConvolutionsSpec};
use crate::error::{Error, Result};
use crate::nn::{Conv1d, JointNorm};

/// The convolutions of a speech model.
pub(super) struct Convolutions {
    spec: ConvolutionsSpec,
    /// The convolutions, each with the norm after it.
    convolutions: Vec<(Conv1d, Option<JointNorm>)>,
}

impl Convolutions {
    /// Builds the convolutions from a checkpoint's tensors.
    pub fn new(build: &Builder, spec: &ConvolutionsSpec) -> Result<Self> {
        let conv = |conv: &ConvSpec| {
            let [inputs, outputs] = [conv.channels[0], conv.channels[1] * conv.output.channels()];
            let weight =
                build.tensor(&[&format!("{}.weight", conv.name)], &[outputs, inputs, conv.kernel])?;
            let bias = || build.tensor(&[&format!("{}.bias", conv.name)], &[outputs]);
            let bias = conv.bias.then(bias).transpose()?;
            Conv1d::new(&weight, bias, [conv.stride, conv.padding], conv.output)
        };
        let norm = |conv: &ConvSpec| {
            let Some(name) = conv.norm else { return Ok(None) };
            let part = |part: &str| build.tensor(&[&format!("{name}.{part}")], &[conv.channels[1]]);
            Ok::<_, Error>(Some(JointNorm { weight: part("weight")?, bias: part("bias")?, eps: 1e-5 }))
        };
        let both = |spec: &ConvSpec| Ok((conv(spec)?, norm(spec)?));
        Ok(Self {
            spec: spec.clone(),
            convolutions: spec.convolutions.iter().map(both).collect::<Result<_>>()?,
        })
    }

    /// Applies the convolutions to features `[1, frames, bins]`. Returns `[1, positions, d_model]`.
    ///
    /// # Errors
    /// [`Error::Text`] if there are more or fewer features than the model reads, or too few for one position.
    pub fn forward(&self, features: &Tensor) -> Result<Tensor> {
        let ConvolutionsSpec { bins, frames, scale, .. } = self.spec;
        let (_, found, width) = features.dims3()?;
        if width != bins || frames.is_some_and(|frames| frames != found) {
            let frames = frames.map_or_else(|| "any number of".into(), |frames| frames.to_string());
            return Err(Error::Text(format!(
                "the model reads {frames} frames of {bins} bins, not features of shape {:?}",
                features.dims()
            )));
        }
        if self.convolutions.iter().fold(found, |frames, (conv, _)| conv.positions(frames)) == 0 {
            return Err(Error::Text("the recording is too short for this model to hear".into()));
        }
        let x = self.convolutions.iter().try_fold(features.clone(), |x, (conv, norm)| {
            let x = conv.forward(&x)?;
            norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(&x))
        })?;
        Ok(if scale == 1.0 { x } else { (x * scale)? })
    }
}
