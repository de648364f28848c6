//! NLLB-200 with experts (NLLB team 2022): M2M100 whose every fourth feed-forward block or so has them.

use super::m2m_100;
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{AttentionNames, ExpertSpec, FfnNames, ModelSpec};
use crate::nn::{MoeRouting, Top2Routing};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "nllb-moe",
    examples: "facebook/nllb-moe-54b",
    tokenizer: TokenizerClass::Named("NllbTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads NLLB-MoE's config.json.
fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    Top2Routing::check_policy(config.text_or("second_expert_policy", "all")?)?;
    let mut spec = m2m_100::spec(config)?;
    let pair = Top2Routing {
        fraction: config.number_or("moe_eval_capacity_token_fraction", 1.0)?,
        capacity: config.count_or("expert_capacity", 64)?,
        normalise_first: config.flag_or("normalize_router_prob_before_dropping", false)?,
        prioritised: config.flag_or("batch_prioritized_routing", false)?,
        scale: 1.0 - config.number_or("moe_token_dropout", 0.2)?,
    };
    for (side, stack) in [("encoder", &mut spec.encoder), ("decoder", &mut spec.decoder)] {
        let every = config.count_or(&format!("{side}_sparse_step"), 4)?;
        stack.names.ffn = FfnNames { up: "ffn.fc1", gate: None, down: "ffn.fc2", norm: "ff_layer_norm" };
        stack.experts = Some(ExpertSpec {
            layers: (1..=stack.layers).map(|i| every > 0 && i.is_multiple_of(every)).collect(),
            count: config.count_or("num_experts", 128)?,
            routing: MoeRouting::Top2(pair),
            router_bias: config.flag_or("router_bias", false)?,
            router: "ffn.router.classifier",
            up: "ffn.experts.expert_{}.fc1",
            down: "ffn.experts.expert_{}.fc2",
        });
    }
    spec.decoder.names.cross = Some(CROSS);
    Ok(spec)
}

/// Cross-attention as NLLB-MoE and SeamlessM4T name it.
pub(super) const CROSS: AttentionNames = AttentionNames {
    query: "cross_attention.q_proj",
    key: "cross_attention.k_proj",
    value: "cross_attention.v_proj",
    output: "cross_attention.out_proj",
    norm: "cross_attention_layer_norm",
};
