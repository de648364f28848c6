//! Which model types open, and with which family.

use super::config::Config;
use super::families::{
    bart, bigbird_pegasus, blenderbot, blenderbot_small, encoder_decoder, fsmt, led, longt5, m2m_100, marian,
    mbart, mt5, mvp, nllb_moe, pegasus, pegasus_x, plbart, prophetnet, recurrent, seamless_m4t,
    switch_transformers, t5, t5gemma, t5gemma2, umt5,
};
use super::recurrent::RecurrentSpec;
use super::spec::{ModelSpec, Spec};
use crate::error::{Error, Result};

/// One supported model type.
pub struct Family {
    /// `model_type` in config.json.
    pub model_type: &'static str,
    /// Models on the hub that have it.
    pub examples: &'static str,
    /// Reads config.json.
    pub spec: Reader,
}

/// How a family's config.json is read: into which network's specification.
#[derive(Clone, Copy)]
pub enum Reader {
    /// An encoder and a decoder of attention layers.
    Transformer(fn(&Config) -> Result<ModelSpec>),
    /// Gated recurrent units.
    Recurrent(fn(&Config) -> Result<RecurrentSpec>),
}

use Reader::{Recurrent, Transformer};

const FAMILIES: &[Family] = &[
    Family {
        model_type: "t5",
        examples: "t5-small, google/flan-t5-base, google/byt5-small",
        spec: Transformer(t5::spec),
    },
    Family { model_type: "mt5", examples: "google/mt5-small", spec: Transformer(mt5::spec) },
    Family { model_type: "umt5", examples: "google/umt5-small", spec: Transformer(umt5::spec) },
    Family {
        model_type: "switch_transformers",
        examples: "google/switch-base-8",
        spec: Transformer(switch_transformers::spec),
    },
    Family {
        model_type: "longt5",
        examples: "google/long-t5-local-base, google/long-t5-tglobal-base",
        spec: Transformer(longt5::spec),
    },
    Family { model_type: "bart", examples: "facebook/bart-large-cnn", spec: Transformer(bart::spec) },
    Family { model_type: "marian", examples: "Helsinki-NLP/opus-mt-en-de", spec: Transformer(marian::spec) },
    Family {
        model_type: "blenderbot",
        examples: "facebook/blenderbot-400M-distill",
        spec: Transformer(blenderbot::spec),
    },
    Family {
        model_type: "blenderbot-small",
        examples: "facebook/blenderbot_small-90M",
        spec: Transformer(blenderbot_small::spec),
    },
    Family {
        model_type: "mbart",
        examples: "facebook/mbart-large-50-many-to-many-mmt, facebook/mbart-large-en-ro",
        spec: Transformer(mbart::spec),
    },
    Family {
        model_type: "m2m_100",
        examples: "facebook/m2m100_418M, facebook/nllb-200-distilled-600M",
        spec: Transformer(m2m_100::spec),
    },
    Family { model_type: "nllb-moe", examples: "facebook/nllb-moe-54b", spec: Transformer(nllb_moe::spec) },
    Family {
        model_type: "seamless_m4t",
        examples: "facebook/hf-seamless-m4t-medium",
        spec: Transformer(seamless_m4t::spec),
    },
    Family {
        model_type: "seamless_m4t_v2",
        examples: "facebook/seamless-m4t-v2-large",
        spec: Transformer(seamless_m4t::spec),
    },
    Family { model_type: "led", examples: "allenai/led-base-16384", spec: Transformer(led::spec) },
    Family { model_type: "pegasus", examples: "google/pegasus-xsum", spec: Transformer(pegasus::spec) },
    Family { model_type: "pegasus_x", examples: "google/pegasus-x-base", spec: Transformer(pegasus_x::spec) },
    Family {
        model_type: "bigbird_pegasus",
        examples: "google/bigbird-pegasus-large-arxiv",
        spec: Transformer(bigbird_pegasus::spec),
    },
    Family { model_type: "plbart", examples: "uclanlp/plbart-base", spec: Transformer(plbart::spec) },
    Family { model_type: "mvp", examples: "RUCAIBox/mvp", spec: Transformer(mvp::spec) },
    Family {
        model_type: "prophetnet",
        examples: "microsoft/prophetnet-large-uncased",
        spec: Transformer(prophetnet::spec),
    },
    Family {
        model_type: "xlm-prophetnet",
        examples: "microsoft/xprophetnet-large-wiki100-cased",
        spec: Transformer(prophetnet::spec),
    },
    Family { model_type: "fsmt", examples: "facebook/wmt19-en-de", spec: Transformer(fsmt::spec) },
    Family {
        model_type: "encoder-decoder",
        examples: "patrickvonplaten/bert2bert_cnn_daily_mail, google/roberta2roberta_L-24_bbc",
        spec: Transformer(encoder_decoder::spec),
    },
    Family {
        model_type: "recurrent",
        examples: "demo-rnn, demo-rnn-plain",
        spec: Recurrent(recurrent::spec),
    },
    Family { model_type: "t5gemma", examples: "google/t5gemma-2b-2b-ul2", spec: Transformer(t5gemma::spec) },
    Family {
        model_type: "t5gemma2",
        examples: "google/t5gemma-2-270m-270m",
        spec: Transformer(t5gemma2::spec),
    },
];

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

/// Every supported family.
pub fn registry() -> &'static [Family] {
    FAMILIES
}

/// The supported model types, in order.
pub fn supported() -> Vec<String> {
    FAMILIES.iter().map(|family| family.model_type.to_string()).collect()
}

/// The specification of the model that `config` describes.
///
/// # Errors
/// [`Error::NotEncoderDecoder`] or [`Error::UnsupportedModel`] for a type that has no family, and what the
/// family finds wrong.
pub fn spec_of(config: &Config) -> Result<Spec> {
    let model_type = config.model_type()?;
    if let Some(family) = FAMILIES.iter().find(|family| family.model_type == model_type) {
        return match family.spec {
            Transformer(read) => read(config).map(|spec| Spec::Transformer(Box::new(spec))),
            Recurrent(read) => read(config).map(Spec::Recurrent),
        };
    }
    let what = match model_type {
        known if DECODER_ONLY.contains(&known) => Some("a decoder-only model"),
        known if ENCODER_ONLY.contains(&known) => Some("an encoder-only model"),
        _ => None,
    };
    Err(match what {
        Some(what) => Error::NotEncoderDecoder { model_type: model_type.into(), what },
        None => Error::UnsupportedModel { model_type: model_type.into(), supported: supported() },
    })
}
