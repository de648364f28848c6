//! BART (Lewis et al. 2020): norms after each block, a norm on the embeddings, learned positions from row 2
//! on. Its kin (Marian, Blenderbot, mBART, ...) differ in a few fields.

use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{Family, Reader, TokenizerClass};
use crate::model::spec::{
    AttentionNames, EmbeddingNorm, FfnNames, HeadBias, HeadSpec, ModelSpec, NormKind, Placement, Positions,
    Rare, Reach, StackNames, StackSpec,
};
use crate::nn::Activation;

const OWN: AttentionNames = AttentionNames {
    query: "self_attn.q_proj",
    key: "self_attn.k_proj",
    value: "self_attn.v_proj",
    output: "self_attn.out_proj",
    norm: "self_attn_layer_norm",
};
const CROSS: AttentionNames = AttentionNames {
    query: "encoder_attn.q_proj",
    key: "encoder_attn.k_proj",
    value: "encoder_attn.v_proj",
    output: "encoder_attn.out_proj",
    norm: "encoder_attn_layer_norm",
};
const FFN: FfnNames = FfnNames { up: "fc1", gate: None, down: "fc2", norm: "final_layer_norm" };
/// A head that the checkpoint holds counts, whatever config.json says of tying.
const HEAD: &[&str] = &[
    "lm_head.weight",
    "model.decoder.embed_tokens.weight",
    "model.shared.weight",
    "model.encoder.embed_tokens.weight",
];

/// Where BART's kin differ from one another.
pub(super) struct Kin {
    /// Where the norms stand.
    pub placement: Placement,
    /// Whether the embeddings are normalised.
    pub embedding_norm: bool,
    /// Whether there is a norm after the last layer.
    pub final_norm: bool,
    /// Positions of either stack.
    pub positions: Positions,
    /// `scale_embedding` where config.json does not say.
    pub scale_embedding: bool,
    /// `activation_function` where config.json does not say.
    pub activation: &'static str,
    /// Fields of config.json that give the encoder's and the decoder's vocabulary.
    pub vocabularies: [&'static str; 2],
}

/// One vocabulary for both sides.
pub(super) const ONE_VOCABULARY: [&str; 2] = ["vocab_size", "vocab_size"];

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "bart",
    examples: "facebook/bart-large-cnn",
    tokenizer: TokenizerClass::Named("RobertaTokenizer"),
    reader: Reader::Transformer(spec),
};

/// Reads BART's config.json.
pub(super) fn spec(config: &ModelConfig) -> Result<ModelSpec> {
    let count = config.count_or("max_position_embeddings", 1024)?;
    let kin = Kin {
        placement: Placement::Post,
        embedding_norm: true,
        final_norm: false,
        positions: Positions::Learned { offset: 2, count },
        scale_embedding: false,
        activation: "gelu",
        vocabularies: ONE_VOCABULARY,
    };
    build(config, &kin)
}

/// The specification of a model with BART's config fields and tensor names.
pub(super) fn build(config: &ModelConfig, kin: &Kin) -> Result<ModelSpec> {
    let d_model = match config.count_maybe("d_model")? {
        Some(width) => width,
        None => config.count("hidden_size")?,
    };
    let [source, target] = kin.vocabularies;
    let encoder = stack(config, kin, "encoder", d_model, source)?;
    let mut decoder = stack(config, kin, "decoder", d_model, target)?;
    decoder.names = StackNames {
        layer: "model.decoder.layers.{}",
        cross: Some(CROSS),
        embedding: &[
            "model.decoder.embed_tokens.weight",
            "model.shared.weight",
            "model.encoder.embed_tokens.weight",
            "lm_head.weight",
        ],
        positions: "model.decoder.embed_positions.weight",
        embedding_norm: kin.embedding_norm.then_some("model.decoder.layernorm_embedding"),
        final_norm: kin.final_norm.then_some("model.decoder.layer_norm"),
        ..encoder.names.clone()
    };
    Ok(ModelSpec {
        model_type: config.model_type()?.into(),
        encoder,
        decoder,
        bridge: None,
        head: HeadSpec {
            weight: HEAD,
            scale: 1.0,
            bias: HeadBias::Row("final_logits_bias"),
            transform: None,
            cap: None,
        },
        start: config.token("decoder_start_token_id").or(config.token("bos_token_id")),
        end: config.token("eos_token_id"),
        wraps: false,
        harmless: &[
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

fn stack(
    config: &ModelConfig,
    kin: &Kin,
    side: &str,
    d_model: usize,
    vocabulary: &'static str,
) -> Result<StackSpec> {
    let heads = config.count(&format!("{side}_attention_heads"))?;
    let head_dim = head_dim(d_model, heads)?;
    let scaled = config.flag_or("scale_embedding", kin.scale_embedding)?;
    Ok(StackSpec {
        d_model,
        embedding_width: d_model,
        source_width: d_model,
        transposed: false,
        segments: 0,
        key_heads: heads,
        score_cap: None,
        layers: config.count(&format!("{side}_layers"))?,
        heads,
        head_dim,
        ffn_dim: config.count(&format!("{side}_ffn_dim"))?,
        vocabulary: config.count(vocabulary)?,
        embedding_scale: if scaled { (d_model as f64).sqrt() } else { 1.0 },
        positions: kin.positions,
        bias: None,
        reach: Reach::All,
        summaries: None,
        experts: None,
        score_scale: (head_dim as f64).powf(-0.5),
        attention_bias: true,
        linear_bias: true,
        norm: NormKind::Layer { eps: 1e-5 },
        placement: kin.placement,
        activation: Activation::parse(config.text_or("activation_function", kin.activation)?)?,
        embedding_norm: EmbeddingNorm::AfterPositions,
        rare: Rare::default(),
        names: StackNames {
            layer: "model.encoder.layers.{}",
            own: OWN,
            cross: None,
            ffn: FFN,
            embedding: &[
                "model.encoder.embed_tokens.weight",
                "model.shared.weight",
                "model.decoder.embed_tokens.weight",
                "lm_head.weight",
            ],
            projection: "",
            segments: "",
            after: None,
            positions: "model.encoder.embed_positions.weight",
            embedding_norm: kin.embedding_norm.then_some("model.encoder.layernorm_embedding"),
            final_norm: kin.final_norm.then_some("model.encoder.layer_norm"),
            bias: "",
        },
    })
}

/// Width of a head where the heads share the states' width.
pub(super) fn head_dim(d_model: usize, heads: usize) -> Result<usize> {
    if heads == 0 || !d_model.is_multiple_of(heads) {
        return Err(Error::Config(format!("a width of {d_model} is no multiple of {heads} heads")));
    }
    Ok(d_model / heads)
}
