//! A second sequence of states that goes through the layers beside the tokens'.

use candle_core::Tensor;

use super::stack::{Block, Stack, remember};
use crate::error::Result;
use crate::nn::{
    AttentionArgs, ContentBias, ExtraArgs, ExtraKeys, Hook, InterventionsOnly, LayerCache, Norm, Visible,
};

/// The second sequence's embeddings.
#[derive(Clone)]
pub(super) enum Second {
    /// Of learned tokens, `[1, count, width]`.
    Globals(Tensor),
    /// Of every stream's predicting positions, `[streams, width]`, the first stream's last.
    Ahead(Tensor),
}

/// What a layer has for it.
#[derive(Clone)]
pub(super) enum SecondBlock {
    /// Normalisation of the learned tokens before self-attention.
    Globals(Norm),
    /// Position bias of self-attention, for tokens and predicting positions alike.
    Ahead(ContentBias),
}

impl Second {
    /// The states before the first layer, for tokens of shape `[batch, positions, d_model]` from position
    /// `past` on. A whole text has all streams, one a row; where the text grows token by token (`apart`), the
    /// first stream of each row does, as nothing of the others reaches it.
    pub fn begin(&self, stack: &Stack, tokens: &[usize], past: usize, apart: bool) -> Result<Tensor> {
        match self {
            Second::Globals(all) => Ok(all.clone()),
            Second::Ahead(all) => {
                let (batch, count) =
                    (tokens.first().copied().unwrap_or(1), tokens.get(1).copied().unwrap_or(0));
                let (streams, width) = all.dims2()?;
                let first = all.narrow(0, streams - 1, 1)?;
                let rows = if apart {
                    first.expand((batch, width))?
                } else {
                    Tensor::cat(&[&first, &all.narrow(0, 0, streams - 1)?], 0)?
                };
                let rows = rows.unsqueeze(1)?;
                let rows = rows.expand((rows.dim(0)?, count, width))?.contiguous()?;
                stack.place(rows, past + 1)
            }
        }
    }
}

impl Stack {
    /// Self-attention in which every token sees the learned ones, and those see all.
    pub fn with_globals(
        &self,
        block: &Block,
        [x, globals]: [&Tensor; 2],
        norm: &Norm,
        args: &AttentionArgs,
        hook: &mut dyn Hook,
    ) -> Result<(Tensor, Tensor)> {
        let queries = norm.forward(globals)?;
        let tokens = block.own.keys_values(&block.own_norm.norm.forward(x)?, 0)?;
        let kv = tokens.append(&block.own.keys_values(&queries, 0)?)?;
        let learned = ExtraKeys::plain(queries.dim(1)?);
        let extra = ExtraArgs { keys: &learned, site: None };
        let read = self.enter(x, &block.own_norm)?;
        let given = block.own.forward(&read, &kv, &AttentionArgs { extra: Some(extra), ..*args }, hook)?;
        let new = self.join((&block.own, &block.own_norm), [x, &given], &kv, args.site, hook)?;
        let args = AttentionArgs { visible: Visible::All, ..*args };
        let read = block.own.forward(
            &queries,
            &kv,
            &args,
            &mut InterventionsOnly { hook, same_positions: false },
        )?;
        Ok((new, (globals + read)?))
    }

    /// Self-attention of tokens, and of predicting positions, which see those and themselves.
    pub fn with_ahead(
        &self,
        block: &Block,
        [x, ahead]: [&Tensor; 2],
        bias: &ContentBias,
        args: &AttentionArgs,
        slot: Option<&mut LayerCache>,
        hook: &mut dyn Hook,
    ) -> Result<(Tensor, Tensor)> {
        let apart = slot.is_some();
        let read = self.enter(x, &block.own_norm)?;
        let tokens = remember(block.own.keys_values(&read, args.past)?, slot)?;
        let keys = tokens.keys.dim(1)?;
        let table = bias.spread(&bias.of(&read)?, args.past, keys)?;
        let given =
            block.own.forward(&read, &tokens, &AttentionArgs { table: Some(&table), ..*args }, hook)?;
        let new = self.join((&block.own, &block.own_norm), [x, &given], &tokens, args.site, hook)?;
        let new_ahead = self.around(ahead, &block.own_norm, |ahead| {
            let kv = tokens.append(&block.own.keys_values(ahead, args.past)?)?;
            let table = bias.ahead(&bias.of(ahead)?, args.past, keys, apart)?;
            let args = AttentionArgs { table: Some(&table), visible: Visible::All, ..*args };
            block.own.forward(ahead, &kv, &args, &mut InterventionsOnly { hook, same_positions: true })
        })?;
        Ok((new, new_ahead))
    }
}
