//! Switch Transformers (Fedus et al. 2021): T5 with experts in every other feed-forward block or so.

use super::t5::{self, HeadScale, Kin};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{ExpertSpec, FfnNames, ModelSpec, StackSpec};
use crate::nn::{Activation, MoeRouting};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "switch_transformers",
    examples: "google/switch-base-8",
    tokenizer: TokenizerClass::Named("T5Tokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads a Switch Transformer's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let kin = Kin { feed_forward: "relu", bias_per_layer: false, head_scale: HeadScale::UnlessUntied };
    let mut spec = t5::build(config, &kin)?;
    let activation = Activation::parse(config.text_or("dense_act_fn", "relu")?)?;
    let dense = |up, down, norm| FfnNames { up, gate: None, down, norm };
    spec.encoder.names.ffn = dense("layer.1.mlp.wi", "layer.1.mlp.wo", "layer.1.layer_norm");
    spec.decoder.names.ffn = dense("layer.2.mlp.wi", "layer.2.mlp.wo", "layer.2.layer_norm");
    for (side, stack) in [("encoder", &mut spec.encoder), ("decoder", &mut spec.decoder)] {
        stack.activation = activation;
        stack.experts = Some(experts(config, side, stack)?);
    }
    Ok(spec)
}

fn experts(config: &ModelConfig, side: &str, stack: &StackSpec) -> Result<ExpertSpec> {
    // Newer files say how often experts come; all say how many layers have them.
    let sparse = config.count_or(&format!("num_sparse_{side}_layers"), 3)?;
    let every = stack.layers.checked_div(sparse).unwrap_or(stack.layers);
    let every = config.count_or(&format!("{side}_sparse_step"), every)?;
    let [router, up, down] = if side == "encoder" {
        [
            "layer.1.mlp.router.classifier",
            "layer.1.mlp.experts.expert_{}.wi",
            "layer.1.mlp.experts.expert_{}.wo",
        ]
    } else {
        [
            "layer.2.mlp.router.classifier",
            "layer.2.mlp.experts.expert_{}.wi",
            "layer.2.mlp.experts.expert_{}.wo",
        ]
    };
    Ok(ExpertSpec {
        layers: (0..stack.layers).map(|i| every == 1 || (every > 1 && i % every == 1)).collect(),
        count: config.count_or("num_experts", 8)?,
        routing: MoeRouting::Top1 { capacity: config.count_or("expert_capacity", 64)? },
        router_bias: config.flag_or("router_bias", false)?,
        router,
        up,
        down,
    })
}
