//! generation_config.json, or the same fields of an older config.json.

use serde_json::Value;

use super::speech::Timestamps;
use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::ModelSpec;

/// Longest generated text in tokens, if neither the model nor the user sets a limit.
const DEFAULT_NEW_TOKENS: usize = 256;

/// Most beams that a model's own settings may ask for. Memory and time grow with their number.
const MAX_BEAMS: usize = 64;

/// Longest text in tokens that a model's own settings may ask for.
const MAX_LENGTH: usize = 2048;

/// Most tokens of all beams together that a model's own settings may ask for.
const MAX_BEAM_TOKENS: usize = 8192;

/// Rule that ends beam search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyStopping {
    /// Stop as soon as there are as many complete texts as beams.
    Yes,
    /// Stop when a better text is unlikely.
    No,
    /// Stop when a better text is impossible.
    Never,
}

/// Settings of generation. Lengths count decoder ids, the start token included, as in transformers.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationConfig {
    /// Number of beams; 1 for greedy search.
    pub beams: usize,
    /// A finished beam's log-probability is divided by its length to the power of this.
    pub length_penalty: f32,
    /// Rule that ends beam search.
    pub early_stopping: EarlyStopping,
    /// Maximum length.
    pub max_length: usize,
    /// True if the model's settings limit the generated tokens, not the whole length.
    pub limits_new: bool,
    /// Minimum length before an end token.
    pub min_length: usize,
    /// Minimum number of tokens after the start token and the prompt before an end token.
    pub min_new_tokens: usize,
    /// First decoder id.
    pub start: u32,
    /// Tokens between the start token and the text, such as those of a language and a task.
    pub prompt: Vec<u32>,
    /// End tokens.
    pub end: Vec<u32>,
    /// Token forced right after the start token, such as a language tag.
    pub forced_bos: Option<u32>,
    /// Tokens that the text begins with, after the start token.
    pub prefix: Vec<u32>,
    /// Tokens forced at the maximum length.
    pub forced_eos: Vec<u32>,
    /// Sequences that must not appear.
    pub bad_words: Vec<Vec<u32>>,
    /// Tokens that never appear.
    pub suppress: Vec<u32>,
    /// Tokens that do not appear first.
    pub begin_suppress: Vec<u32>,
    /// Size of the n-grams that must not appear twice; 0 for none.
    pub no_repeat_ngram: usize,
    /// Size of the n-grams of the source that must not appear; 0 for none.
    pub encoder_no_repeat_ngram: usize,
    /// Divisor of the scores of tokens that appeared before (Keskar et al. 2019); 1 for none.
    pub repetition_penalty: f32,
    /// Factor on the scores of tokens of the source; 1 for none.
    pub encoder_repetition_penalty: f32,
    /// Biases of sequences, added to the score of the last token if the others came right before.
    pub sequence_bias: Vec<(Vec<u32>, f32)>,
    /// Reward for ending long texts.
    pub end_decay: Option<EndDecay>,
    /// True to normalise log-probabilities again after the processors, in beam search.
    pub renormalise: bool,
    /// Rules for timestamps; `None` for a text without.
    pub timestamps: Option<Timestamps>,
    /// Settings of sampling; `None` to take the likeliest token.
    pub sampling: Option<Sampling>,
    /// True to compute the mean log-probability of a text.
    pub scored: bool,
    /// Names of the model's settings that change texts and that the program does not follow.
    pub ignored: Vec<&'static str>,
}

impl GenerationConfig {
    /// Generates without beams at a temperature, 0 for the likeliest tokens. As in transformers, the 50
    /// likeliest tokens are sampled from, unless the model's settings say otherwise.
    pub fn at_temperature(&mut self, temperature: f32, seed: u64) {
        let own = self.sampling.unwrap_or(Sampling { temperature, top_k: 50, top_p: 1.0, seed });
        self.sampling = (temperature > 0.0).then_some(Sampling { temperature, seed, ..own });
        if temperature > 0.0 {
            self.beams = 1;
        }
    }
}

/// Reward for ending the text that grows with its length (`exponential_decay_length_penalty`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EndDecay {
    /// Number of tokens after the start token and the prompt without a reward.
    pub start: usize,
    /// Factor on an end token's score for each token after those.
    pub factor: f64,
}

/// Settings of sampling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Divisor of the scores.
    pub temperature: f32,
    /// Number of likeliest tokens to sample from; 0 for all.
    pub top_k: usize,
    /// Minimum probability of the likeliest tokens to sample from, together; 1 for all.
    pub top_p: f32,
    /// Seed of the random numbers.
    pub seed: u64,
}

impl GenerationConfig {
    /// Reads a model's generation_config.json. Without one, reads config.json: its own fields, then those of
    /// its decoder's section.
    ///
    /// # Errors
    /// [`Error::Config`] if a field has the wrong type or no file names the decoder's first token.
    pub fn read(generation: Option<&Value>, config: &ModelConfig, spec: &ModelSpec) -> Result<Self> {
        let fields = &match generation {
            Some(value) => ModelConfig::new(value.clone()),
            None => with_decoder(config),
        };
        let new_tokens = fields.count_maybe("max_new_tokens")?;
        let max_length = match (new_tokens, fields.count_maybe("max_length")?) {
            (Some(new), _) => new + 1,
            (None, Some(length)) => length,
            (None, None) => DEFAULT_NEW_TOKENS + 1,
        };
        // The last token is not fed to the decoder.
        let max_length =
            spec.target_positions().map_or(max_length, |positions| max_length.min(positions + 1));
        // One replaces the other; only the whole length includes the prompt.
        let (min_length, min_new_tokens) = match fields.count_maybe("min_new_tokens")? {
            Some(new) => (0, new),
            None => (fields.count_or("min_length", 0)?, 0),
        };
        let mut end = tokens(fields, "eos_token_id")?;
        if end.is_empty() {
            end.extend(spec.end());
        }
        let start = fields.token("decoder_start_token_id").or(fields.token("bos_token_id")).or(spec.start());
        let early_stopping = match fields.get("early_stopping") {
            Some(Value::Bool(true)) => EarlyStopping::Yes,
            Some(Value::String(word)) if word == "never" => EarlyStopping::Never,
            _ => EarlyStopping::No,
        };
        let asked_beams = fields.count_or("num_beams", 1)?.max(1);
        let beams = asked_beams.min(MAX_BEAMS);
        let mut ignored = ignored(fields, beams)?;
        // The prompt of a speech model holds them.
        ignored.retain(|name| *name != "forced_decoder_ids" || spec.front_end().is_none());
        if asked_beams > MAX_BEAMS {
            ignored.push("num_beams");
        }
        let longest = MAX_LENGTH.min(MAX_BEAM_TOKENS / beams);
        if max_length > longest {
            ignored.push(if new_tokens.is_some() { "max_new_tokens" } else { "max_length" });
        }
        Ok(Self {
            beams,
            length_penalty: fields.number_or("length_penalty", 1.0)? as f32,
            early_stopping,
            max_length: max_length.clamp(2, longest),
            limits_new: new_tokens.is_some(),
            prompt: Vec::new(),
            timestamps: None,
            min_length,
            min_new_tokens,
            start: start.ok_or_else(|| {
                Error::Config(
                    "there is neither decoder_start_token_id nor bos_token_id, nor in generation_config.json"
                        .into(),
                )
            })?,
            end,
            forced_bos: fields.token("forced_bos_token_id"),
            prefix: Vec::new(),
            forced_eos: tokens(fields, "forced_eos_token_id")?,
            bad_words: lists(fields, "bad_words_ids")?,
            suppress: tokens(fields, "suppress_tokens")?,
            begin_suppress: tokens(fields, "begin_suppress_tokens")?,
            no_repeat_ngram: fields.count_or("no_repeat_ngram_size", 0)?,
            encoder_no_repeat_ngram: fields.count_or("encoder_no_repeat_ngram_size", 0)?,
            repetition_penalty: fields.number_or("repetition_penalty", 1.0)? as f32,
            encoder_repetition_penalty: fields.number_or("encoder_repetition_penalty", 1.0)? as f32,
            sequence_bias: sequence_bias(fields)?,
            end_decay: end_decay(fields)?,
            renormalise: fields.flag_or("renormalize_logits", false)?,
            sampling: sampling(fields)?,
            scored: false,
            ignored,
        })
    }
}

impl GenerationConfig {
    /// Returns the same settings for texts that have `prompt` before them. `new_tokens` is the user's limit,
    /// `positions` that of the decoder. As in transformers' Whisper, the maximum length that the model's
    /// settings give grows by the length of the prompt, and by the same again for each of the `earlier`
    /// windows of the recording.
    #[must_use]
    pub fn with_prompt(
        mut self,
        prompt: Vec<u32>,
        earlier: usize,
        new_tokens: Option<usize>,
        positions: usize,
    ) -> Self {
        let given = prompt.len() + 1;
        let length = match new_tokens {
            Some(new) => new.saturating_add(given),
            None if self.limits_new => self.max_length - 1 + given,
            None => self.max_length + (1 + earlier) * given.min((positions / 2).saturating_sub(1)),
        };
        self.max_length = length.min(positions).max(given);
        self.prompt = prompt;
        self
    }

    /// The ids that every text begins with: the start token and the prompt.
    pub fn begin(&self) -> Vec<u32> {
        [&[self.start], self.prompt.as_slice()].concat()
    }
}

/// Returns the fields of config.json, completed with those of its decoder's section.
fn with_decoder(config: &ModelConfig) -> ModelConfig {
    let mut fields = config.value().clone();
    let section = ["decoder", "generator", "text_config"].into_iter().find_map(|key| config.get(key));
    if let (Some(fields), Some(Value::Object(section))) = (fields.as_object_mut(), section) {
        for (key, value) in section {
            if fields.get(key).is_none_or(Value::is_null) {
                fields.insert(key.clone(), value.clone());
            }
        }
    }
    ModelConfig::new(fields)
}

fn sampling(fields: &ModelConfig) -> Result<Option<Sampling>> {
    if !fields.flag_or("do_sample", false)? {
        return Ok(None);
    }
    let number = |key, least: f64| match fields.number_or(key, 1.0)? {
        number if number >= least => Ok(number as f32),
        number => Err(Error::Config(format!("{key} is {number}: nothing can be sampled with it"))),
    };
    Ok(Some(Sampling {
        temperature: number("temperature", f64::from(f32::MIN_POSITIVE))?,
        top_k: fields.count_or("top_k", 50)?,
        top_p: number("top_p", 0.0)?,
        seed: 0,
    }))
}

fn sequence_bias(fields: &ModelConfig) -> Result<Vec<(Vec<u32>, f32)>> {
    let Some(value) = fields.get("sequence_bias") else { return Ok(Vec::new()) };
    let pair = |pair: &Value| match pair.as_array()?.as_slice() {
        [sequence, bias] => Some((token_list(sequence)?, bias.as_f64()? as f32)),
        _ => None,
    };
    let pairs: Option<Vec<_>> = value.as_array().and_then(|pairs| pairs.iter().map(pair).collect());
    pairs.ok_or_else(|| Error::Config("sequence_bias is no list of token ids, each with a number".into()))
}

fn end_decay(fields: &ModelConfig) -> Result<Option<EndDecay>> {
    const KEY: &str = "exponential_decay_length_penalty";
    let Some(value) = fields.get(KEY) else { return Ok(None) };
    let decay = match value.as_array().map(Vec::as_slice) {
        Some([start, factor]) => start.as_u64().zip(factor.as_f64()),
        _ => None,
    };
    match decay {
        Some((start, factor)) if start <= 1 << 32 => Ok(Some(EndDecay { start: start as usize, factor })),
        _ => Err(Error::Config(format!("{KEY} is {value}, not a length and a factor"))),
    }
}

/// Returns the names of settings that change the text in transformers and that this program does not follow.
fn ignored(fields: &ModelConfig, beams: usize) -> Result<Vec<&'static str>> {
    let sampled = fields.flag_or("do_sample", false)?;
    let number = |key, off: f64| fields.number_or(key, off).map(|number| number != off);
    let between = |key| fields.number_or(key, 0.0).map(|number| number > 0.0 && number < 1.0);
    let is_set = |key| Ok::<bool, Error>(fields.get(key).is_some());
    let contrastive =
        beams == 1 && !sampled && fields.count_or("top_k", 50)? > 1 && number("penalty_alpha", 0.0)?;
    let checks = [
        ("num_beam_groups", beams > 1 && fields.count_or("num_beam_groups", 1)? > 1),
        ("penalty_alpha", contrastive),
        ("force_words_ids", is_set("force_words_ids")?),
        ("constraints", is_set("constraints")?),
        ("forced_decoder_ids", is_set("forced_decoder_ids")?),
        ("stop_strings", is_set("stop_strings")?),
        ("max_time", is_set("max_time")?),
        ("dola_layers", is_set("dola_layers")?),
        ("guidance_scale", number("guidance_scale", 1.0)?),
        ("watermarking_config", is_set("watermarking_config")?),
        ("custom_generate", is_set("custom_generate")?),
        ("min_p", sampled && number("min_p", 0.0)?),
        ("typical_p", sampled && number("typical_p", 1.0)?),
        ("epsilon_cutoff", sampled && between("epsilon_cutoff")?),
        ("eta_cutoff", sampled && between("eta_cutoff")?),
        ("top_h", sampled && is_set("top_h")?),
    ];
    Ok(checks.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect())
}

fn tokens(fields: &ModelConfig, key: &str) -> Result<Vec<u32>> {
    match fields.get(key) {
        None => Ok(Vec::new()),
        Some(value) => token_list(value).ok_or_else(|| wrong(key, value)),
    }
}

fn lists(fields: &ModelConfig, key: &str) -> Result<Vec<Vec<u32>>> {
    let Some(value) = fields.get(key) else { return Ok(Vec::new()) };
    let lists: Option<Vec<_>> = value.as_array().and_then(|lists| lists.iter().map(token_list).collect());
    Ok(lists.ok_or_else(|| wrong(key, value))?.into_iter().filter(|list| !list.is_empty()).collect())
}

/// Reads one id or a list of ids.
fn token_list(value: &Value) -> Option<Vec<u32>> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(ids) => ids.iter().map(id).collect(),
        single => id(single).map(|id| vec![id]),
    }
}

fn wrong(key: &str, value: &Value) -> Error {
    Error::Config(format!("{key} is {value}, not token ids"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::spec_of;

    fn read(generation: Option<Value>, more: Value) -> Result<GenerationConfig> {
        let mut config = json!({
            "model_type": "bart", "vocab_size": 9, "d_model": 4, "encoder_layers": 1, "decoder_layers": 1,
            "encoder_attention_heads": 1, "decoder_attention_heads": 1, "encoder_ffn_dim": 4, "decoder_ffn_dim": 4,
        });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config = ModelConfig::new(config);
        GenerationConfig::read(generation.as_ref(), &config, &spec_of(&config)?)
    }

    #[test]
    fn the_first_token_may_stand_in_either_file() {
        assert_eq!(read(Some(json!({"decoder_start_token_id": 5})), json!({})).unwrap().start, 5);
        assert_eq!(
            read(Some(json!({"bos_token_id": 6})), json!({"decoder_start_token_id": 7})).unwrap().start,
            6
        );
        assert_eq!(read(Some(json!({})), json!({"decoder_start_token_id": 7})).unwrap().start, 7);
        assert_eq!(read(None, json!({"bos_token_id": 8})).unwrap().start, 8);
        assert!(matches!(read(Some(json!({})), json!({})), Err(Error::Config(_))));
    }

    #[test]
    fn the_decoder_s_section_fills_what_config_json_lacks() {
        let decoder = json!({"num_beams": 3, "max_length": 9, "decoder_start_token_id": 4});
        let config = json!({"decoder": decoder, "max_length": 7, "num_beams": null});
        let found = read(None, config.clone()).unwrap();
        assert_eq!((found.beams, found.max_length, found.start), (3, 7, 4));
        let found = read(Some(json!({"decoder_start_token_id": 2})), config).unwrap();
        assert_eq!((found.beams, found.start), (1, 2));
    }

    #[test]
    fn the_maximum_length_grows_with_every_window() {
        let config = read(Some(json!({"decoder_start_token_id": 5, "max_length": 24})), json!({})).unwrap();
        let length = |earlier, new| config.clone().with_prompt(vec![7], earlier, new, 64).max_length;
        // Those of transformers in the windows of a recording.
        assert_eq!([length(0, None), length(5, None), length(90, None)], [26, 36, 64]);
        assert_eq!([length(0, Some(8)), length(5, Some(8))], [10, 10]);
    }

    #[test]
    fn minimum_lengths_count_all_or_the_new_tokens() {
        let lengths = |more: Value| {
            let mut value = json!({"decoder_start_token_id": 2, "min_length": 5});
            value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let config = read(Some(value), json!({})).unwrap();
            (config.min_length, config.min_new_tokens)
        };
        assert_eq!([lengths(json!({})), lengths(json!({"min_new_tokens": 3}))], [(5, 0), (0, 3)]);
    }

    #[test]
    fn sampling_and_settings_not_followed_are_read() {
        let start = |more: Value| {
            let mut value = json!({"decoder_start_token_id": 2});
            value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            read(Some(value), json!({}))
        };
        assert_eq!(start(json!({"do_sample": false, "temperature": 0.5})).unwrap().sampling, None);
        let sampling = start(json!({"do_sample": true, "temperature": 0.5})).unwrap().sampling.unwrap();
        assert_eq!((sampling.temperature, sampling.top_k, sampling.top_p, sampling.seed), (0.5, 50, 1.0, 0));
        assert!(start(json!({"do_sample": true, "temperature": 0.0})).is_err());
        let ignored = |more| start(more).unwrap().ignored;
        assert!(ignored(json!({"typical_p": 0.5, "num_beam_groups": 2, "penalty_alpha": 0.0})).is_empty());
        assert_eq!(
            ignored(json!({"penalty_alpha": 0.6, "force_words_ids": [[1]]})),
            ["penalty_alpha", "force_words_ids"]
        );
        assert_eq!(
            ignored(json!({"do_sample": true, "typical_p": 0.5, "min_p": 0.1})),
            ["min_p", "typical_p"]
        );
    }
}
