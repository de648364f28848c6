//! Tokenizer classes, chosen as transformers' `AutoTokenizer` does.

use serde_json::Value;

use super::config::TokenizerConfig;
use super::pipeline::vocab::VocabKind;

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
    Whisper,
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
    Speech2Text,
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
    ("WhisperTokenizer", Class::Whisper),
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
    ("Speech2TextTokenizer", Class::Speech2Text),
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
    /// Names the files that the class can be built from.
    pub fn files(self) -> &'static str {
        match self {
            Self::T5 | Self::Pegasus => "tokenizer.json or spiece.model",
            Self::XlmRoberta | Self::MBart | Self::MBart50 | Self::Nllb | Self::Seamless => {
                "tokenizer.json or sentencepiece.bpe.model"
            }
            Self::Gemma => "tokenizer.json or tokenizer.model",
            Self::Roberta | Self::Gpt2 | Self::Whisper | Self::Blenderbot => {
                "tokenizer.json, or vocab.json and merges.txt"
            }
            Self::Bert => "tokenizer.json or vocab.txt",
            Self::Json | Self::Byt5 => "tokenizer.json",
            Self::Marian => "source.spm, target.spm and vocab.json",
            Self::M2m100 | Self::Speech2Text => "sentencepiece.bpe.model and vocab.json",
            Self::Fsmt => "vocab-src.json, vocab-tgt.json and merges.txt",
            Self::BlenderbotSmall => "vocab.json and merges.txt",
            Self::PlBart => "sentencepiece.bpe.model",
            Self::ProphetNet | Self::XlmProphetNet => "prophetnet.tokenizer",
        }
    }

    /// Returns the kind of vocabulary that the class builds its pipeline from, if it builds one.
    pub fn vocabulary(self) -> Option<VocabKind> {
        match self {
            Self::T5 | Self::XlmRoberta | Self::MBart | Self::MBart50 | Self::Pegasus => {
                Some(VocabKind::Unigram)
            }
            Self::Roberta
            | Self::Gpt2
            | Self::Whisper
            | Self::Blenderbot
            | Self::Nllb
            | Self::Seamless
            | Self::Gemma => Some(VocabKind::Bpe),
            _ => None,
        }
    }

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
