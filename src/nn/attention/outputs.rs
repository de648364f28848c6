//! Outputs of the weights of one attention call: stored maps, compact maps and row observers.

use std::sync::Arc;

use attn_tui_kernels::attention::{AttentionKernel, RowObserver, WeightSink};
use attn_tui_kernels::buffer::ArcBuilder;
use candle_core::Tensor;

use super::AttentionArgs;
use crate::error::Result;
use crate::nn::{CompactMaps, Hook, KeyPart, MapForm, host};
use crate::site::Site;

/// Outputs for the keys of the sequence and for the extra keys.
pub(super) struct Outputs([Option<SiteOutput>; 2]);

/// Outputs of the weights of one site.
struct SiteOutput {
    site: Site,
    /// Form in which the hook takes the maps.
    form: MapForm,
    /// The maps, if the hook takes them whole.
    maps: Option<ArcBuilder>,
    observer: Option<Arc<dyn RowObserver>>,
}

impl Outputs {
    /// Collects the hook's requests for the sites of this call.
    pub fn new(kernel: &AttentionKernel, args: &AttentionArgs, hook: &mut dyn Hook) -> Self {
        let AttentionKernel { heads, kv_heads, queries, width, .. } = *kernel;
        let columns = kernel.columns();
        let bias = kernel.bias.map_or(0, |bias| bias.lines.len());
        let extra = args.extra.map_or(0, |extra| extra.keys.values());
        let vectors = queries * heads + columns.iter().sum::<usize>() * kv_heads;
        // The compact form has no field for `past`.
        let bytes = (args.past == 0).then_some(4 * (vectors * width + bias + extra));
        let mut outputs = [None, None];
        for (site, part) in args.sites() {
            if hook.wants(site) {
                let shape = [heads, queries, columns[part as usize]];
                outputs[part as usize] = Some(SiteOutput::new(site, shape, bytes, hook));
            }
        }
        Self(outputs)
    }

    /// Returns the sinks that the kernel fills.
    pub fn sinks(&mut self) -> [WeightSink<'_>; 2] {
        self.0.each_mut().map(|out| out.as_mut().map(SiteOutput::sink).unwrap_or_default())
    }

    /// Passes the outputs to the hook, once all [`Outputs::sinks`] are filled. `queries` and `keys` are
    /// `[1, positions, heads * head_dim]`.
    pub fn pass_to_hook(
        self,
        kernel: &AttentionKernel,
        args: &AttentionArgs,
        [queries, keys]: [&Tensor; 2],
        hook: &mut dyn Hook,
    ) -> Result<()> {
        for (out, part) in self.0.into_iter().zip([KeyPart::Tokens, KeyPart::Extra]) {
            let Some(SiteOutput { site, form, maps, observer }) = out else { continue };
            // The hook holds the last reference, so that it can take the observer back.
            drop(observer);
            let shape = [kernel.heads, kernel.queries, kernel.columns()[part as usize]];
            match (form, maps) {
                (_, Some(maps)) => hook.maps(site, shape, maps.finish())?,
                (MapForm::Rows, None) => hook.observed(site)?,
                (_, None) => hook.compact(site, compact_maps(kernel, args, part, [queries, keys])?)?,
            }
        }
        Ok(())
    }
}

impl SiteOutput {
    /// Asks the hook for the outputs it needs of maps of `shape`. `bytes` is the size of their compact
    /// form, `None` if there is none.
    fn new(site: Site, shape: [usize; 3], bytes: Option<usize>, hook: &mut dyn Hook) -> Self {
        let form = match hook.map_form(site, shape, bytes) {
            MapForm::Compact if bytes.is_none() => MapForm::Whole,
            form => form,
        };
        let maps = (form == MapForm::Whole).then(|| ArcBuilder::new(shape.iter().product()));
        Self { site, form, maps, observer: hook.row_observer(site, shape, form) }
    }

    fn sink(&mut self) -> WeightSink<'_> {
        WeightSink { maps: self.maps.as_mut(), observer: self.observer.as_deref() }
    }
}

/// Returns the compact form of the maps of a part of the keys.
fn compact_maps(
    kernel: &AttentionKernel,
    args: &AttentionArgs,
    part: KeyPart,
    vectors: [&Tensor; 2],
) -> Result<CompactMaps> {
    let AttentionKernel { heads, kv_heads: key_heads, queries, keys, width, scale, softcap, visible, .. } =
        *kernel;
    let [query, key] = vectors.map(|tensor| host(&tensor.narrow(0, 0, 1)?));
    let extra = args.extra.map(|extra| extra.keys).filter(|keys| keys.count > 0);
    Ok(CompactMaps {
        heads,
        key_heads,
        queries,
        keys,
        width,
        scale,
        softcap,
        visible,
        bias: kernel.bias.map(|bias| bias.lines.to_vec()),
        extra: extra.cloned(),
        part,
        masked: kernel.masked.to_vec(),
        query: query?,
        key: key?,
    })
}
