//! The residual stream of a run: predictions after each layer, and the parts of the target's logits.

use attn_tui_kernels::threads;
use candle_core::Tensor;

use super::session::Session;
use super::source::Source;
use crate::analysis::lens::{DirectLogits, LensPrediction};
use crate::axis::token_ids;
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::nn::{AttentionTrace, FfnTrace, Hook, NoHook, PartSums, ResidualPart};
use crate::progress::Watch;
use crate::site::{Kind, Site};

/// Keeps the decoder's residual stream after each layer.
#[derive(Default)]
struct StreamRecorder {
    /// `[1, rows, d_model]` after each layer.
    streams: Vec<Tensor>,
}

impl Hook for StreamRecorder {
    fn wants(&self, _: Site) -> bool {
        false
    }

    fn wants_ffn_trace(&self, stack: Kind, _: usize) -> bool {
        stack == Kind::Decoder
    }

    fn ffn_trace(&mut self, _: Kind, _: usize, trace: &FfnTrace) -> Result<()> {
        self.streams.push(trace.result.clone());
        Ok(())
    }
}

/// Keeps what every block of the decoder adds to the residual stream.
#[derive(Default)]
struct PartRecorder {
    /// Input of the first layer, `[1, rows, d_model]`.
    embedding: Option<Tensor>,
    parts: Vec<ResidualPart>,
    /// The stream after the last block so far.
    last: Option<Tensor>,
    /// The heads' `z` since the last block.
    read: Vec<(Site, Tensor)>,
}

impl Hook for PartRecorder {
    fn wants(&self, site: Site) -> bool {
        site.kind != Kind::Encoder
    }

    fn z(&mut self, site: Site, z: Tensor) -> Result<Tensor> {
        self.read.push((site, z.clone()));
        Ok(z)
    }

    fn wants_trace(&self, site: Site) -> bool {
        self.wants(site)
    }

    fn trace(&mut self, _: Site, trace: &AttentionTrace) -> Result<()> {
        self.embedding.get_or_insert_with(|| trace.residual.clone());
        self.parts.push(ResidualPart::attention(trace, std::mem::take(&mut self.read))?);
        self.last = Some(trace.result.clone());
        Ok(())
    }

    fn wants_ffn_trace(&self, stack: Kind, _: usize) -> bool {
        stack == Kind::Decoder
    }

    fn ffn_trace(&mut self, _: Kind, _: usize, trace: &FfnTrace) -> Result<()> {
        self.parts.push(ResidualPart::ffn(trace)?);
        self.last = Some(trace.result.clone());
        Ok(())
    }
}

impl Session {
    /// Reads off what each decoder layer would predict in the run of `source` that gave `base`: final norm and
    /// map to the vocabulary on the residual stream after the layer. Returns the rows of each layer.
    ///
    /// # Errors
    /// [`Error::NotForModel`] if the decoder has no residual stream that it predicts from;
    /// [`Error::Cancelled`].
    pub fn lens(
        &self,
        base: &Capture,
        source: &Source,
        watch: &dyn Watch,
    ) -> Result<Vec<Vec<LensPrediction>>> {
        threads::run(self.threads, || {
            let mut recorder = StreamRecorder::default();
            let states = self.forced(base, source, &mut recorder, watch)?;
            if recorder.streams.is_empty() {
                // The error says why.
                return self.model.unembed(&states).map(|_| Vec::new());
            }
            let target = base.target.ids();
            let vocabulary = self.model.spec().vocabulary();
            let layer = |stream: &Tensor| {
                let mut rows = Vec::with_capacity(target.len());
                self.for_logits(
                    stream,
                    &target,
                    |rows| self.model.unembed(rows),
                    |logits, tokens| {
                        let row = |at: usize| {
                            LensPrediction::of(&logits[at * vocabulary..][..vocabulary], tokens[at])
                        };
                        rows.extend(threads::map(tokens.len(), logits.len(), row));
                        watch.check()
                    },
                )?;
                Ok(rows)
            };
            recorder.streams.iter().map(layer).collect()
        })
    }

    /// Splits the logit of every target token into the parts of heads, feed-forward blocks, embedding and
    /// biases in the run of `source` that gave `base`.
    ///
    /// # Errors
    /// [`Error::NotForModel`] if the logits are no linear map of the decoder's residual stream;
    /// [`Error::Cancelled`].
    pub fn direct_logits(&self, base: &Capture, source: &Source, watch: &dyn Watch) -> Result<DirectLogits> {
        threads::run(self.threads, || {
            let mut recorder = PartRecorder::default();
            let states = self.forced(base, source, &mut recorder, watch)?;
            let target = base.target.ids();
            let last = recorder.last.as_ref().unwrap_or(&states);
            let mut directions = self.model.logit_directions(last, &target)?;
            let mut direct = DirectLogits::default();
            for part in recorder.parts.iter().rev() {
                match part.descend(&mut directions)? {
                    PartSums::Ffn(rows) => direct.ffn.push(rows),
                    PartSums::Heads(sites) => {
                        for (site, heads) in sites {
                            let heads = heads.into_iter().enumerate();
                            direct.heads.extend(heads.map(|(head, rows)| (site.head(head), rows)));
                        }
                    }
                }
            }
            let embedding =
                recorder.embedding.ok_or_else(|| Error::Engine("the decoder has no layers".into()))?;
            direct.embedding = directions.parts_of(&embedding)?;
            direct.bias = directions.bias;
            direct.ffn.reverse();
            direct.heads.sort_by_key(|(head, _)| *head);
            direct.logit = self.target_logits(&states, &target)?;
            Ok(direct)
        })
    }

    /// Repeats the forced pass of `base` with a hook on the decoder; returns the decoder's last states.
    fn forced(
        &self,
        base: &Capture,
        source: &Source,
        hook: &mut dyn Hook,
        watch: &dyn Watch,
    ) -> Result<Tensor> {
        let encoded = self.model.encode(source.input(), &mut NoHook, &mut |_| watch.check())?;
        let input = token_ids(&base.decoder_input);
        self.model.decode(&input, 1, &encoded, None, hook, &mut |_| watch.check())
    }

    /// Computes the logit of each row's token from the decoder's last states.
    fn target_logits(&self, states: &Tensor, target: &[u32]) -> Result<Vec<f32>> {
        let vocabulary = self.model.spec().vocabulary();
        let mut found = Vec::with_capacity(target.len());
        self.for_logits(
            states,
            target,
            |rows| self.model.logits(rows),
            |logits, tokens| {
                let logits = logits.chunks(vocabulary.max(1)).zip(tokens);
                found
                    .extend(logits.map(|(logits, &id)| logits.get(id as usize).copied().unwrap_or_default()));
                Ok(())
            },
        )?;
        Ok(found)
    }
}
