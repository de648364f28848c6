//! NLLB-200 with experts (NLLB team 2022): M2M100 with mixtures of experts in every fourth layer or so.

use super::m2m_100;
use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{AttentionNames, ExpertSpec, FfnNames, Projection, TransformerSpec};
use crate::nn::{MoeRouting, Top2Routing};

/// Cross-attention as NLLB-MoE and SeamlessM4T name it.
pub(super) const CROSS_ATTN: AttentionNames = AttentionNames::biased(
    [
        "cross_attention.q_proj",
        "cross_attention.k_proj",
        "cross_attention.v_proj",
        "cross_attention.out_proj",
    ],
    "cross_attention_layer_norm",
);

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "nllb-moe",
    examples: "facebook/nllb-moe-54b",
    tokenizer: TokenizerClass::Named("NllbTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads NLLB-MoE's config.json.
fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    Top2Routing::check_policy(config.text_or("second_expert_policy", "all")?)?;
    let mut spec = m2m_100::spec(config)?;
    let routing = Top2Routing {
        fraction: config.number_or("moe_eval_capacity_token_fraction", 1.0)?,
        capacity: config.count_or("expert_capacity", 64)?,
        normalise_first: config.flag_or("normalize_router_prob_before_dropping", false)?,
        prioritised: config.flag_or("batch_prioritized_routing", false)?,
        scale: 1.0 - config.number_or("moe_token_dropout", 0.2)?,
    };
    let router = Projection { name: "ffn.router.classifier", bias: config.flag_or("router_bias", false)? };
    for (side, stack) in [("encoder", &mut spec.encoder), ("decoder", &mut spec.decoder)] {
        let every = config.count_or(&format!("{side}_sparse_step"), 4)?;
        stack.names.ffn = FfnNames::biased("ffn.fc1", "ffn.fc2", "ff_layer_norm");
        stack.experts = Some(ExpertSpec {
            layers: (1..=stack.layers).map(|i| every > 0 && i.is_multiple_of(every)).collect(),
            count: config.count_or("num_experts", 128)?,
            routing: MoeRouting::Top2(routing),
            router,
            up: Projection::biased("ffn.experts.expert_{}.fc1"),
            down: Projection::biased("ffn.experts.expert_{}.fc2"),
        });
    }
    spec.decoder.names.cross_attn = Some(CROSS_ATTN);
    Ok(spec)
}
