//! BART (Lewis et al. 2020): norms after each block, normalised embeddings, learned positions from row 2 on.
//! Marian, Blenderbot, mBART and others are built here, too, with other options.

use crate::checkpoint::ModelConfig;
use crate::error::Result;
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{
    AttentionNames, FfnNames, LmHeadBias, LmHeadSpec, Placement, Positions, StackNames, StackSize, StackSpec,
    TransformerSpec, head_dim,
};
use crate::nn::{Activation, PadPositions};

pub(super) const SELF_ATTN: AttentionNames = AttentionNames::biased(
    ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"],
    "self_attn_layer_norm",
);
pub(super) const CROSS_ATTN: AttentionNames = AttentionNames::biased(
    ["encoder_attn.q_proj", "encoder_attn.k_proj", "encoder_attn.v_proj", "encoder_attn.out_proj"],
    "encoder_attn_layer_norm",
);
pub(super) const FFN: FfnNames = FfnNames::biased("fc1", "fc2", "final_layer_norm");
const ENCODER: StackNames = StackNames {
    positions: Some("model.encoder.embed_positions.weight"),
    ..StackNames::new(
        "model.encoder.layers.{}",
        SELF_ATTN,
        FFN,
        &[
            "model.encoder.embed_tokens.weight",
            "model.shared.weight",
            "model.decoder.embed_tokens.weight",
            "lm_head.weight",
        ],
    )
};
const DECODER: StackNames = StackNames {
    cross_attn: Some(CROSS_ATTN),
    positions: Some("model.decoder.embed_positions.weight"),
    ..StackNames::new(
        "model.decoder.layers.{}",
        SELF_ATTN,
        FFN,
        &[
            "model.decoder.embed_tokens.weight",
            "model.shared.weight",
            "model.encoder.embed_tokens.weight",
            "lm_head.weight",
        ],
    )
};

/// Differences between the families with BART's config fields and tensor names.
pub(super) struct BartOptions {
    /// Place of the norms.
    pub placement: Placement,
    /// True if the embeddings are normalised.
    pub embedding_norm: bool,
    /// True if there is a norm after the last layer.
    pub final_norm: bool,
    /// Positions of both stacks.
    pub positions: Positions,
    /// Default of `scale_embedding`.
    pub scale_embedding: bool,
    /// Default of `activation_function`.
    pub activation: &'static str,
    /// Config fields with the sizes of the source and the target vocabulary.
    pub vocabularies: [&'static str; 2],
}

impl BartOptions {
    /// Creates BART's own options, with these positions.
    pub fn new(positions: Positions) -> Self {
        Self {
            placement: Placement::Post,
            embedding_norm: true,
            final_norm: false,
            positions,
            scale_embedding: false,
            activation: "gelu",
            vocabularies: ["vocab_size", "vocab_size"],
        }
    }

    /// Creates the options of families with norms before each block and after the last, none on the
    /// embeddings.
    pub fn pre_norm(positions: Positions) -> Self {
        Self { placement: Placement::Pre, embedding_norm: false, final_norm: true, ..Self::new(positions) }
    }
}

/// Returns learned positions from row `offset` on; `count` is the default of `max_position_embeddings`.
pub(super) fn learned(config: &ModelConfig, offset: usize, count: usize) -> Result<Positions> {
    let count = config.count_or("max_position_embeddings", count)?;
    Ok(Positions::Learned { offset, count, padding: PadPositions::Counted })
}

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "bart",
    examples: "facebook/bart-large-cnn",
    tokenizer: TokenizerClass::Named("RobertaTokenizer"),
    reader: ConfigReader::Transformer(spec),
};

/// Reads BART's config.json.
pub(super) fn spec(config: &ModelConfig) -> Result<TransformerSpec> {
    build(config, &BartOptions::new(learned(config, 2, 1024)?))
}

/// Builds the specification of a model with BART's config fields and tensor names.
pub(super) fn build(config: &ModelConfig, options: &BartOptions) -> Result<TransformerSpec> {
    let d_model = match config.count_maybe("d_model")? {
        Some(width) => width,
        None => config.count("hidden_size")?,
    };
    let [source, target] = options.vocabularies;
    let mut encoder = stack(config, options, "encoder", (d_model, config.count(source)?), ENCODER)?;
    encoder.names.embedding_norm = options.embedding_norm.then_some("model.encoder.layernorm_embedding");
    encoder.names.final_norm = options.final_norm.then_some("model.encoder.layer_norm");
    let mut decoder = stack(config, options, "decoder", (d_model, config.count(target)?), DECODER)?;
    decoder.names.embedding_norm = options.embedding_norm.then_some("model.decoder.layernorm_embedding");
    decoder.names.final_norm = options.final_norm.then_some("model.decoder.layer_norm");
    Ok(TransformerSpec {
        model_type: config.model_type()?.into(),
        encoder,
        decoder,
        encoder_projection: None,
        lm_head: LmHeadSpec {
            bias: LmHeadBias::Row("final_logits_bias"),
            // A head in the checkpoint counts, whatever config.json says about tying.
            ..LmHeadSpec::new(&[
                "lm_head.weight",
                "model.decoder.embed_tokens.weight",
                "model.shared.weight",
                "model.encoder.embed_tokens.weight",
            ])
        },
        start: config.token("decoder_start_token_id").or(config.token("bos_token_id")),
        end: config.token("eos_token_id"),
        wraps: false,
        front_end: None,
        ignored: &[
            "lm_head.weight",
            "*shared.weight",
            "*embed_tokens.weight",
            "*embed_positions.weight",
            "*embed_positions.weights",
            "final_logits_bias",
            "*.version",
            "*_float_tensor",
            "classification_head.*",
            "qa_outputs.*",
        ],
    })
}

/// Builds the specification of one side with BART's config fields.
pub(super) fn stack(
    config: &ModelConfig,
    options: &BartOptions,
    side: &str,
    (d_model, vocabulary): (usize, usize),
    names: StackNames,
) -> Result<StackSpec> {
    let heads = config.count(&format!("{side}_attention_heads"))?;
    let size = StackSize {
        d_model,
        layers: config.count(&format!("{side}_layers"))?,
        heads,
        head_dim: head_dim(d_model, heads)?,
        ffn_dim: config.count(&format!("{side}_ffn_dim"))?,
        vocabulary,
    };
    let scaled = config.flag_or("scale_embedding", options.scale_embedding)?;
    Ok(StackSpec {
        embedding_scale: if scaled { (d_model as f64).sqrt() } else { 1.0 },
        positions: options.positions,
        placement: options.placement,
        activation: Activation::parse(config.text_or("activation_function", options.activation)?)?,
        ..StackSpec::new(size, names)
    })
}
