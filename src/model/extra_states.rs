//! States that pass through the layers beside those of the tokens: PegasusX's global tokens and ProphetNet's
//! n-gram streams.

use candle_core::Tensor;

use super::layer::{Layer, remember};
use crate::error::Result;
use crate::nn::{
    AttentionArgs, ContentBias, ExtraArgs, ExtraKeys, Hook, InterventionsOnly, LayerCache, Norm, Visible,
};

/// Embeddings of the extra states.
#[derive(Clone)]
pub(super) enum ExtraStates {
    /// Of the global tokens, `[1, count, width]`.
    GlobalTokens(Tensor),
    /// Of the n-gram streams, `[streams, width]`, the first stream's last.
    NgramStreams(Tensor),
}

impl ExtraStates {
    /// Embeds the n-gram streams for tokens of shape `[batch, positions]`, without positions: `[streams,
    /// positions, width]` for a whole text, `[batch, positions, width]` of the first stream if the text grows
    /// token by token (`cached`), since no other stream influences it.
    pub fn embed_streams(all: &Tensor, [batch, positions]: [usize; 2], cached: bool) -> Result<Tensor> {
        let (streams, width) = all.dims2()?;
        let first = all.narrow(0, streams - 1, 1)?;
        let rows = if cached {
            first.expand((batch, width))?
        } else {
            Tensor::cat(&[&first, &all.narrow(0, 0, streams - 1)?], 0)?
        };
        let rows = rows.unsqueeze(1)?;
        Ok(rows.expand((rows.dim(0)?, positions, width))?.contiguous()?)
    }
}

impl Layer {
    /// Applies self-attention in which every token also sees the global tokens, and those see everything.
    pub fn attend_with_globals(
        &self,
        [x, globals]: [&Tensor; 2],
        norm: &Norm,
        args: &AttentionArgs,
        hook: &mut dyn Hook,
    ) -> Result<(Tensor, Tensor)> {
        let block = &self.self_attn;
        let queries = norm.forward(globals)?;
        let tokens = block.attention.keys_values(&block.norms.norm.forward(x)?, 0)?;
        let kv = tokens.append(&block.attention.keys_values(&queries, 0)?)?;
        let keys = ExtraKeys::plain(queries.dim(1)?);
        let extra = Some(ExtraArgs { keys: &keys, site: None });
        let input = block.norms.input(x)?;
        let output = block.attention.forward(&input, &kv, &AttentionArgs { extra, ..*args }, hook)?;
        let new = block.add([x, &output], &kv, args.site, hook)?;
        let args = AttentionArgs { visible: Visible::All, ..*args };
        let mut unseen = InterventionsOnly { hook, same_positions: false };
        let output = block.attention.forward(&queries, &kv, &args, &mut unseen)?;
        Ok((new, (globals + output)?))
    }

    /// Applies self-attention to the tokens, and to the n-gram streams, each of whose positions sees the
    /// tokens up to its own and itself.
    pub fn attend_with_streams(
        &self,
        [x, streams]: [&Tensor; 2],
        bias: &ContentBias,
        args: &AttentionArgs,
        cache: Option<&mut LayerCache>,
        hook: &mut dyn Hook,
    ) -> Result<(Tensor, Tensor)> {
        let block = &self.self_attn;
        let attention = &block.attention;
        let cached = cache.is_some();
        let input = block.norms.input(x)?;
        let tokens = remember(attention.keys_values(&input, args.past)?, cache)?;
        let keys = tokens.keys.dim(1)?;
        let table = bias.main_bias(&bias.bucket_biases(&input)?, args.past, keys)?;
        let token_args = AttentionArgs { table: Some(&table), ..*args };
        let output = attention.forward(&input, &tokens, &token_args, hook)?;
        let new = block.add([x, &output], &tokens, args.site, hook)?;
        let new_streams = block.norms.apply(streams, |input| {
            let kv = tokens.append(&attention.keys_values(input, args.past)?)?;
            let table = bias.ngram_bias(&bias.bucket_biases(input)?, args.past, keys, cached)?;
            let args = AttentionArgs { table: Some(&table), visible: Visible::All, ..*args };
            attention.forward(input, &kv, &args, &mut InterventionsOnly { hook, same_positions: true })
        })?;
        Ok((new, new_streams))
    }
}
