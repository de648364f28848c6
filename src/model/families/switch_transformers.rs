//! Switch Transformers (Fedus et al. 2021): T5 with mixtures of experts in every other layer or so.

use super::t5::{T5Options, build};
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{ExpertSpec, FfnNames, Projection, StackSpec, TransformerSpec};
use crate::nn::{Activation, MoeRouting};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "switch_transformers",
    examples: "google/switch-base-8",
    tokenizer: TokenizerClass::Named("T5Tokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads a Switch Transformer's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    let mut spec = build(config, &T5Options::default())?;
    let activation = Activation::parse(config.text_or("dense_act_fn", "relu")?)?;
    spec.encoder.names.ffn = FfnNames::unbiased("layer.1.mlp.wi", "layer.1.mlp.wo", "layer.1.layer_norm");
    spec.decoder.names.ffn = FfnNames::unbiased("layer.2.mlp.wi", "layer.2.mlp.wo", "layer.2.layer_norm");
    for (side, stack) in [("encoder", &mut spec.encoder), ("decoder", &mut spec.decoder)] {
        stack.activation = activation;
        stack.experts = Some(experts(config, side, stack)?);
    }
    Ok(spec)
}

fn experts(config: &ModelConfig, side: &str, stack: &StackSpec) -> Result<ExpertSpec> {
    // Newer files state the distance between layers with experts; all state the number of such layers.
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
        router: Projection { name: router, bias: config.flag_or("router_bias", false)? },
        up: Projection::unbiased(up),
        down: Projection::unbiased(down),
    })
}
