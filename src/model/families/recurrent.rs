//! Recurrent encoder-decoders: gated recurrent units in both directions over the source, in one over the
//! target, with additive attention between them (Bahdanau et al. 2014) or with one context vector for the
//! whole target (Cho et al. 2014). The layout is this project's own (`assets/demo-rnn/README.md`).

use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::family::{ConfigReader, Family, TokenizerClass};
use crate::model::spec::{RecurrentAttention, RecurrentSpec};

/// The family's description.
pub(crate) const FAMILY: Family = Family {
    model_type: "recurrent",
    examples: "demo-rnn, demo-rnn-plain",
    tokenizer: TokenizerClass::Unregistered,
    reader: ConfigReader::Recurrent(spec),
};

/// Reads the config.json of a recurrent model.
fn spec(config: &ModelConfig) -> Result<RecurrentSpec> {
    let width = config.count("d_model")?;
    let attention = match config.text_or("attention", "additive")? {
        "additive" => RecurrentAttention::Additive { size: config.count("attention_size")? },
        "none" => RecurrentAttention::None,
        other => {
            return Err(Error::Config(format!("attention is '{other}', neither 'additive' nor 'none'")));
        }
    };
    Ok(RecurrentSpec {
        model_type: config.model_type()?.to_string(),
        attention,
        vocabulary: config.count("vocab_size")?,
        width,
        encoder: config.count("encoder_hidden_size")?,
        decoder: config.count("decoder_hidden_size")?,
        embedding_scale: if config.flag_or("scale_embedding", false)? { (width as f64).sqrt() } else { 1.0 },
        start: config.token("decoder_start_token_id").or(Some(0)),
        end: config.token("eos_token_id"),
    })
}
