//! States that pass through the layers beside those of the tokens: PegasusX's global tokens and ProphetNet's
//! n-gram streams.

use candle_core::Tensor;

use super::layer::{Layer, LayerArgs, LayerSequence, interventions, pasts, remember, values};
use crate::error::Result;
use crate::nn::{AttentionArgs, AttentionCall, ContentBias, ExtraArgs, ExtraKeys, Norm, Ragged, Visible};

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
        [x, globals]: [&Ragged; 2],
        norm: &Norm,
        args: LayerArgs,
        sequences: &mut [LayerSequence],
    ) -> Result<(Ragged, Ragged)> {
        let block = &self.self_attn;
        let attention = &block.attention;
        let positions = pasts(sequences);
        let globals_input = globals.with(norm.forward(globals.rows())?);
        let tokens = attention.keys_values(&x.with(block.norms.norm.forward(x.rows())?), &positions)?;
        let more = attention.keys_values(&globals_input, &vec![0; sequences.len()])?;
        let kvs = tokens.iter().zip(&more).map(|(kv, more)| kv.append(more)).collect::<Result<Vec<_>>>()?;
        let keys: Vec<_> = globals.shapes().iter().map(|shape| ExtraKeys::plain(shape[1])).collect();
        let queries = attention.queries(&block.norms.input(x)?, &positions)?;
        let calls = queries.into_iter().zip(&kvs).zip(&keys).zip(sequences.iter_mut());
        let calls = calls.map(|(((queries, kv), keys), sequence)| AttentionCall {
            queries,
            kv: kv.clone(),
            args: AttentionArgs {
                extra: Some(ExtraArgs { keys, site: None }),
                ..sequence.self_attention(&args)
            },
            hook: &mut *sequence.hook,
        });
        let output = attention.forward(calls.collect())?;
        let new = block.add(x, &output, &values(&kvs), args.site, sequences)?;
        let queries = attention.queries(&globals_input, &positions)?;
        let all_args: Vec<_> = sequences.iter().map(|sequence| sequence.self_attention(&args)).collect();
        let mut hooks = interventions(sequences, false);
        let calls = queries.into_iter().zip(kvs).zip(all_args).zip(&mut hooks);
        let calls = calls.map(|(((queries, kv), args), hook)| AttentionCall {
            queries,
            kv,
            args: AttentionArgs { visible: Visible::All, ..args },
            hook,
        });
        let output = attention.forward(calls.collect())?;
        Ok((new, globals.with((globals.rows() + output)?)))
    }

    /// Applies self-attention to the tokens, and to the n-gram streams, each of whose positions sees the
    /// tokens up to its own and itself.
    pub fn attend_with_streams(
        &self,
        [x, streams]: [&Ragged; 2],
        bias: &ContentBias,
        args: LayerArgs,
        sequences: &mut [LayerSequence],
    ) -> Result<(Ragged, Ragged)> {
        let block = &self.self_attn;
        let attention = &block.attention;
        let positions = pasts(sequences);
        let cached: Vec<bool> = sequences.iter().map(|sequence| sequence.cache.is_some()).collect();
        let input = block.norms.input(x)?;
        let (queries, new) = attention.project(&input, &positions)?;
        let tokens = remember(new, sequences)?;
        let keys = tokens.iter().map(|kv| kv.keys.dim(1)).collect::<candle_core::Result<Vec<_>>>()?;
        let biases = input.split(&bias.bucket_biases(input.rows())?)?;
        let tables = biases.iter().zip(&positions).zip(&keys);
        let tables = tables.map(|((biases, &past), &keys)| bias.main_bias(biases, past, keys));
        let tables = tables.collect::<Result<Vec<_>>>()?;
        let calls = queries.into_iter().zip(&tokens).zip(&tables).zip(sequences.iter_mut());
        let calls = calls.map(|(((queries, kv), table), sequence)| AttentionCall {
            queries,
            kv: kv.clone(),
            args: AttentionArgs { table: Some(table), ..sequence.self_attention(&args) },
            hook: &mut *sequence.hook,
        });
        let output = attention.forward(calls.collect())?;
        let new = block.add(x, &output, &values(&tokens), args.site, sequences)?;
        let new_streams = block.norms.apply(streams, |input| {
            let (queries, own) = attention.project(input, &positions)?;
            let kvs = tokens.iter().zip(&own).map(|(kv, own)| kv.append(own)).collect::<Result<Vec<_>>>()?;
            let biases = input.split(&bias.bucket_biases(input.rows())?)?;
            let tables = biases.iter().zip(&positions).zip(&keys).zip(&cached);
            let tables = tables
                .map(|(((biases, &past), &keys), &cached)| bias.ngram_bias(biases, past, keys, cached))
                .collect::<Result<Vec<_>>>()?;
            let all_args: Vec<_> = sequences.iter().map(|sequence| sequence.self_attention(&args)).collect();
            let mut hooks = interventions(sequences, true);
            let calls = queries.into_iter().zip(kvs).zip(&tables).zip(all_args).zip(&mut hooks);
            let calls = calls.map(|((((queries, kv), table), args), hook)| AttentionCall {
                queries,
                kv,
                args: AttentionArgs { table: Some(table), visible: Visible::All, ..args },
                hook,
            });
            attention.forward(calls.collect())
        })?;
        Ok((new, new_streams))
    }
}
