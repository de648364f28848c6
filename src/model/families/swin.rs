//! Swin (Liu et al. 2021) as the encoder of Donut and Nougat: attention within windows, patches that merge.

use super::picture_config::{VisionEncoder, check_channels, check_grid, sides};
use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::spec::{
    AttentionNames, FfnNames, MergingNames, NormKind, PatchEdge, PatchesSpec, Placement, StackNames,
    StackSize, StackSpec, StageSpec, StagesSpec, head_dim,
};
use crate::nn::Activation;

/// Names of the layers of a stage, and of the merging after it.
macro_rules! stage {
    ($number:literal) => {
        (
            concat!("encoder.encoder.layers.", $number, ".blocks.{}"),
            MergingNames {
                norm: concat!("encoder.encoder.layers.", $number, ".downsample.norm"),
                map: concat!("encoder.encoder.layers.", $number, ".downsample.reduction"),
            },
        )
    };
}

/// Names of the stages that a model may have.
const STAGES: [(&str, MergingNames); 6] = [stage!(0), stage!(1), stage!(2), stage!(3), stage!(4), stage!(5)];

/// Layers and heads of each stage if config.json does not say.
const DEPTHS: [usize; 4] = [2, 2, 6, 2];
const HEADS: [usize; 4] = [3, 6, 12, 24];

/// Largest window that is read, in patches along a side: the bias of each head has its fourth power.
const MAX_WINDOW: usize = 32;

const SELF_ATTN: AttentionNames = AttentionNames::biased(
    ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"],
    "layernorm_before",
);
const FFN: FfnNames = FfnNames::biased("intermediate.dense", "output.dense", "layernorm_after");

/// Reads the encoder of Donut and Nougat.
pub(super) fn swin(config: &ModelConfig) -> Result<VisionEncoder> {
    check_channels(config)?;
    if config.flag_or("use_absolute_embeddings", false)? {
        return Err(Error::Config(
            "use_absolute_embeddings is true: no released model has such positions".into(),
        ));
    }
    let (depths, heads) = (counts(config, "depths", &DEPTHS)?, counts(config, "num_heads", &HEADS)?);
    if depths.len() != heads.len() {
        let why = format!("{} depths do not fit {} num_heads", depths.len(), heads.len());
        return Err(Error::Config(why));
    }
    let patches = PatchesSpec {
        picture: sides(config, "image_size", 224)?,
        patch: sides(config, "patch_size", 4)?,
        edge: PatchEdge::FilledUp,
        merges: depths.len() as u32 - 1,
        projection: "encoder.embeddings.patch_embeddings.projection",
        class_tokens: &[],
        norm: Some("encoder.embeddings.norm"),
        positions: None,
    };
    check_grid(&patches)?;
    let window = config.count_or("window_size", 7)?;
    if !(1..=MAX_WINDOW).contains(&window) {
        return Err(Error::Config(format!("window_size is {window}, not 1 to {MAX_WINDOW}")));
    }
    let width = config.count_or("embed_dim", 96)?;
    let ratio = config.number_or("mlp_ratio", 4.0)?;
    if !(ratio > 0.0 && ratio <= 64.0) {
        return Err(Error::Config(format!("mlp_ratio is {ratio}, not a number up to 64")));
    }
    let last = depths.len() - 1;
    let stage = |at: usize| {
        let (layer, merging) = STAGES[at];
        let d_model = width << at;
        Ok(StageSpec {
            d_model,
            layers: depths[at],
            heads: heads[at],
            head_dim: head_dim(d_model, heads[at])?,
            ffn_dim: (ratio * d_model as f64) as usize,
            layer,
            merging: (at < last).then_some(merging),
        })
    };
    let stages = (0..=last).map(stage).collect::<Result<Vec<_>>>()?;
    let StageSpec { d_model, heads, head_dim, ffn_dim, .. } = stages[last];
    let size = StackSize { d_model, layers: depths.iter().sum(), heads, head_dim, ffn_dim, vocabulary: 0 };
    let self_attn = SELF_ATTN.with_input_bias(config.flag_or("qkv_bias", true)?);
    let encoder = StackSpec {
        embedding_width: width,
        stages: Some(StagesSpec {
            stages,
            grid: patches.grid(),
            window,
            bias: "attention.self.relative_position_bias_table",
        }),
        norm: NormKind::Layer { eps: config.number_or("layer_norm_eps", 1e-5)? },
        placement: Placement::Pre,
        activation: Activation::parse(config.text_or("hidden_act", "gelu")?)?,
        ..StackSpec::new(size, StackNames::new(STAGES[0].0, self_attn, FFN, &[]))
    };
    Ok((encoder, patches))
}

/// Reads a positive number for each stage.
fn counts(config: &ModelConfig, key: &str, default: &[usize]) -> Result<Vec<usize>> {
    let Some(value) = config.get(key) else { return Ok(default.to_vec()) };
    let count = |value: &serde_json::Value| {
        value.as_u64().filter(|count| (1..=512).contains(count)).map(|count| count as usize)
    };
    let counts: Option<Vec<usize>> = value.as_array().and_then(|list| list.iter().map(count).collect());
    let counts = counts.filter(|counts| (1..=STAGES.len()).contains(&counts.len()));
    counts
        .ok_or_else(|| Error::Config(format!("{key} is {value}, not 1 to {} positive numbers", STAGES.len())))
}
