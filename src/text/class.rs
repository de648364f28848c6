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

/// Returns the class of a name, with or without `Fast` at its end.
fn named(name: &str) -> Option<Class> {
    let name = name.strip_suffix("Fast").unwrap_or(name);
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, class)| *class)
}

impl Class {
    /// Returns the class that tokenizer_config.json or config.json names, or else the one `registered` for
    /// the model's family. A family registered as `TokenizersBackend` always uses its tokenizer.json.
    pub fn of(config: &TokenizerConfig, registered: Option<&str>) -> Self {
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
