//! Tokenizer classes, chosen as transformers' `AutoTokenizer` does.

use serde_json::Value;

use super::config::TokenizerConfig;

/// The tokenizer classes that can be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Any class, as its tokenizer.json has it.
    Json,
    T5,
    Byt5,
    Marian,
    Roberta,
    Gpt2,
    Blenderbot,
    BlenderbotSmall,
    Bert,
    ProphetNet,
    XlmRoberta,
    XlmProphetNet,
    MBart,
    MBart50,
    Nllb,
    M2m100,
    Pegasus,
    PlBart,
    Fsmt,
    Seamless,
    Gemma,
}

/// Class names without their `Fast` ending.
const NAMES: &[(&str, Class)] = &[
    ("T5Tokenizer", Class::T5),
    ("MT5Tokenizer", Class::T5),
    ("ByT5Tokenizer", Class::Byt5),
    ("MarianTokenizer", Class::Marian),
    ("RobertaTokenizer", Class::Roberta),
    ("BartTokenizer", Class::Roberta),
    ("LEDTokenizer", Class::Roberta),
    ("MvpTokenizer", Class::Roberta),
    ("LongformerTokenizer", Class::Roberta),
    ("GPT2Tokenizer", Class::Gpt2),
    ("BlenderbotTokenizer", Class::Blenderbot),
    ("BlenderbotSmallTokenizer", Class::BlenderbotSmall),
    ("BertTokenizer", Class::Bert),
    ("ElectraTokenizer", Class::Bert),
    ("DistilBertTokenizer", Class::Bert),
    ("ProphetNetTokenizer", Class::ProphetNet),
    ("XLMRobertaTokenizer", Class::XlmRoberta),
    ("XLMProphetNetTokenizer", Class::XlmProphetNet),
    ("MBartTokenizer", Class::MBart),
    ("MBart50Tokenizer", Class::MBart50),
    ("NllbTokenizer", Class::Nllb),
    ("M2M100Tokenizer", Class::M2m100),
    ("PegasusTokenizer", Class::Pegasus),
    ("PLBartTokenizer", Class::PlBart),
    ("FSMTTokenizer", Class::Fsmt),
    ("SeamlessM4TTokenizer", Class::Seamless),
    ("GemmaTokenizer", Class::Gemma),
];

/// Names of the classes by model type.
const REGISTERED: &[(&str, &str)] = &[
    ("t5", "T5Tokenizer"),
    ("mt5", "T5Tokenizer"),
    ("longt5", ""),
    ("switch_transformers", "T5Tokenizer"),
    ("umt5", "TokenizersBackend"),
    ("byt5", "ByT5Tokenizer"),
    ("bart", "RobertaTokenizer"),
    ("roberta", "RobertaTokenizer"),
    ("longformer", "RobertaTokenizer"),
    ("led", "LEDTokenizer"),
    ("mvp", "MvpTokenizer"),
    ("marian", "MarianTokenizer"),
    ("blenderbot", "BlenderbotTokenizer"),
    ("blenderbot-small", "BlenderbotSmallTokenizer"),
    ("bert", "BertTokenizer"),
    ("electra", "BertTokenizer"),
    ("gpt2", "GPT2Tokenizer"),
    ("mbart", "MBartTokenizer"),
    ("m2m_100", "M2M100Tokenizer"),
    ("nllb-moe", "NllbTokenizer"),
    ("pegasus", "PegasusTokenizer"),
    ("pegasus_x", "TokenizersBackend"),
    ("bigbird_pegasus", "TokenizersBackend"),
    ("plbart", "PLBartTokenizer"),
    ("fsmt", "FSMTTokenizer"),
    ("prophetnet", "ProphetNetTokenizer"),
    ("xlm-prophetnet", "XLMProphetNetTokenizer"),
    ("xlm-roberta", "XLMRobertaTokenizer"),
    ("seamless_m4t", "SeamlessM4TTokenizer"),
    ("seamless_m4t_v2", "SeamlessM4TTokenizer"),
    ("t5gemma", "GemmaTokenizer"),
    ("gemma", "GemmaTokenizer"),
    ("gemma2", "GemmaTokenizer"),
];

/// Returns the class of a name, with or without `Fast` at its end.
fn named(name: &str) -> Option<Class> {
    let name = name.strip_suffix("Fast").unwrap_or(name);
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, class)| *class)
}

impl Class {
    /// Returns the class that tokenizer_config.json or config.json names, or else the model type's. A model type
    /// with `TokenizersBackend` always uses its tokenizer.json.
    pub fn of(config: &TokenizerConfig) -> Self {
        let model_type = match config.model_type() {
            "encoder-decoder" => {
                config.model.pointer("/encoder/model_type").and_then(Value::as_str).unwrap_or_default()
            }
            model_type => model_type,
        };
        let registered = REGISTERED.iter().find(|(known, _)| *known == model_type).map(|(_, name)| *name);
        let registered = registered.filter(|name| !name.is_empty());
        let hub = config.text("tokenizer_class");
        let hub = hub.or_else(|| config.model.get("tokenizer_class").and_then(Value::as_str));
        match (hub, registered) {
            (Some(_), Some("TokenizersBackend")) => Class::Json,
            (Some(hub), _) => named(hub).unwrap_or(Class::Json),
            (None, Some(name)) => named(name).unwrap_or(Class::Json),
            (None, None) => Class::Json,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_name_is_known() {
        for (_, name) in REGISTERED {
            assert!(name.is_empty() || *name == "TokenizersBackend" || named(name).is_some(), "{name}");
        }
    }
}
