//! Look-up of model families, the only place that compares `model_type`.

use super::families::FAMILIES;
use super::family::{ConfigReader, Family, TokenizerClass};
use super::spec::ModelSpec;
use crate::checkpoint::{Architecture, ModelConfig};
use crate::error::{Error, Result};

/// Model types that are known and have no encoder.
const DECODER_ONLY: &[&str] = &[
    "bloom",
    "codegen",
    "cohere",
    "ctrl",
    "deepseek_v2",
    "deepseek_v3",
    "falcon",
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3_text",
    "glm",
    "gpt2",
    "gpt_bigcode",
    "gpt_neo",
    "gpt_neox",
    "gptj",
    "granite",
    "llama",
    "mamba",
    "mistral",
    "mixtral",
    "mpt",
    "olmo",
    "olmo2",
    "openai-gpt",
    "opt",
    "persimmon",
    "phi",
    "phi3",
    "qwen2",
    "qwen2_moe",
    "qwen3",
    "qwen3_moe",
    "stablelm",
    "starcoder2",
    "xglm",
    "xlnet",
];

/// Model types that are known and have no decoder.
const ENCODER_ONLY: &[&str] = &[
    "albert",
    "bert",
    "big_bird",
    "camembert",
    "clip",
    "convbert",
    "data2vec-text",
    "deberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "ernie",
    "esm",
    "funnel",
    "ibert",
    "layoutlm",
    "longformer",
    "luke",
    "mobilebert",
    "modernbert",
    "mpnet",
    "nomic_bert",
    "roberta",
    "roformer",
    "vit",
    "xlm",
    "xlm-roberta",
];

/// Types of speech models that are known, with what they need and the program lacks.
const SPEECH: &[(&str, &str)] = &[
    ("canary", "a FastConformer encoder"),
    ("cohere_asr", "a FastConformer encoder"),
    ("moonshine_streaming", "an encoder that hears in a sliding window"),
    ("pop2piano", "a front end for music"),
    ("speech-encoder-decoder", "an encoder of wav2vec 2.0"),
    ("speech_to_text_2", "an encoder of wav2vec 2.0"),
    ("speecht5", "an encoder of wav2vec 2.0 with relative positions"),
];

/// Types of vision models that are known, with what they need and the program lacks.
const VISION: &[(&str, &str)] = &[
    ("blip", "cross-attention in an encoder"),
    ("blip-2", "queries between its encoder and its decoder"),
    ("florence2", "an encoder with channel attention (DaViT)"),
    ("git", "a decoder that reads picture and text in one sequence"),
    ("kosmos-2", "a decoder that reads picture and text in one sequence"),
    ("udop", "an encoder of text, layout and patches together"),
];

/// Returns every supported family.
pub fn registry() -> &'static [Family] {
    FAMILIES
}

/// Returns the supported model types, in the registry's order.
pub fn supported() -> Vec<String> {
    FAMILIES.iter().map(|family| family.model_type.to_string()).collect()
}

fn family(model_type: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.model_type == model_type)
}

/// Returns the architecture of a model type; unknown types count as Transformers.
pub fn architecture(model_type: &str) -> Architecture {
    match family(model_type).map(|family| family.reader) {
        Some(ConfigReader::Recurrent(_)) => Architecture::Recurrent,
        Some(ConfigReader::Transformer(_)) | None => Architecture::Transformer,
    }
}

/// Returns the name of the tokenizer class that transformers registers for a model's family, or `None` if
/// there is no such class or no such family.
pub fn tokenizer_class(config: &ModelConfig) -> Option<&'static str> {
    match family(config.model_type().ok()?)?.tokenizer {
        TokenizerClass::Unregistered => None,
        TokenizerClass::Named(class) => Some(class),
        TokenizerClass::ByEncoder(classes) => {
            let encoder = config.section("encoder")?;
            let encoder = encoder.model_type().ok()?;
            classes.iter().find(|(model_type, _)| *model_type == encoder).map(|(_, class)| *class)
        }
    }
}

/// Endings of the names of classes with a decoder alone and with an encoder alone.
const HEADS: [(&str, &str); 7] = [
    ("ForCausalLM", "a decoder-only model"),
    ("LMHeadModel", "a decoder-only model"),
    ("ForMaskedLM", "an encoder-only model"),
    ("ForSequenceClassification", "an encoder-only model"),
    ("ForTokenClassification", "an encoder-only model"),
    ("ForQuestionAnswering", "an encoder-only model"),
    ("EncoderModel", "an encoder-only model"),
];

/// Returns the kind of a model of an unknown type, as far as the name of its class says.
fn head(config: &ModelConfig) -> Option<&'static str> {
    let class = config.get("architectures")?.get(0)?.as_str()?;
    if config.flag_or("is_encoder_decoder", false).unwrap_or(false) {
        return None;
    }
    HEADS.iter().find(|(end, _)| class.ends_with(end)).map(|(_, what)| *what)
}

/// Reads the specification of the model that `config` describes.
///
/// # Errors
/// [`Error::NotEncoderDecoder`] or [`Error::UnsupportedModel`] for a type without a family; [`Error::Config`]
/// for fields that are missing or wrong.
pub fn spec_of(config: &ModelConfig) -> Result<ModelSpec> {
    let model_type = config.model_type()?;
    if let Some(family) = family(model_type) {
        return match family.reader {
            ConfigReader::Transformer(read) => {
                read(config).map(|spec| ModelSpec::Transformer(Box::new(spec)))
            }
            ConfigReader::Recurrent(read) => read(config).map(ModelSpec::Recurrent),
        };
    }
    if let Some((_, lacks)) = SPEECH.iter().find(|(known, _)| *known == model_type) {
        return Err(Error::UnsupportedSpeech { model_type: model_type.into(), lacks });
    }
    if let Some((_, lacks)) = VISION.iter().find(|(known, _)| *known == model_type) {
        return Err(Error::UnsupportedVision { model_type: model_type.into(), lacks });
    }
    let what = match model_type {
        known if DECODER_ONLY.contains(&known) => Some("a decoder-only model"),
        known if ENCODER_ONLY.contains(&known) => Some("an encoder-only model"),
        _ => head(config),
    };
    Err(match what {
        Some(what) => Error::NotEncoderDecoder { model_type: model_type.into(), what },
        None => Error::UnsupportedModel { model_type: model_type.into(), supported: supported() },
    })
}
