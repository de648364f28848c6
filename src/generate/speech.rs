//! Prompts of speech models: language, task and timestamps, as `generate()` of transformers' Whisper forms
//! them.

use attn_tui_kernels::softmax::log_sum_exp;
use serde_json::Value;

use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};

/// Text that a speech model writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpeechTask {
    /// Write down the speech in its language.
    Transcribe,
    /// Write down the speech in English.
    Translate,
}

impl SpeechTask {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Transcribe, Self::Translate];

    /// The name in options and in generation_config.json.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transcribe => "transcribe",
            Self::Translate => "translate",
        }
    }
}

impl std::str::FromStr for SpeechTask {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|task| task.name() == text);
        found.ok_or_else(|| format!("'{text}' is not one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// A user's request to a speech model; `None` for the model's own settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PromptRequest {
    /// Language of the recording, as a code such as `de`.
    pub language: Option<String>,
    /// Text to write.
    pub task: Option<SpeechTask>,
    /// True for timestamps in the text.
    pub timestamps: bool,
}

/// Settings of a speech model's prompt, from its generation_config.json or an older config.json.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpeechSettings {
    /// Codes of languages and their tags, ordered by tag; empty for a model of one language.
    pub languages: Vec<(String, u32)>,
    /// Tokens of the tasks.
    tasks: Vec<(String, u32)>,
    /// Token for a text without timestamps; timestamps follow it in the vocabulary.
    no_timestamps: Option<u32>,
    /// Last timestamp that a text may begin with, counted from the first.
    max_initial: Option<usize>,
    /// Language and task that the model's settings name.
    language: Option<String>,
    task: Option<String>,
    timestamps: bool,
    /// Tokens after the start token that old settings force; `None` for a language to detect.
    forced: Vec<Option<u32>>,
    /// Cross-attention heads that align, as `[layer, head]`.
    pub alignment_heads: Vec<[usize; 2]>,
}

impl SpeechSettings {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`Error::Config`] if a field has the wrong type.
    pub fn read(generation: Option<&Value>, config: &ModelConfig) -> Result<Self> {
        let fields = generation.map_or_else(|| config.clone(), |value| ModelConfig::new(value.clone()));
        let multilingual = fields.flag_or("is_multilingual", true)?;
        let mut languages = match multilingual {
            true => named_ids(&fields, "lang_to_id")?,
            false => Vec::new(),
        };
        for (tag, _) in &mut languages {
            *tag = tag.trim_start_matches("<|").trim_end_matches("|>").to_string();
        }
        let forced = fields.get("forced_decoder_ids").or(config.get("forced_decoder_ids"));
        let text = |key| fields.text_or(key, "").map(|text| Some(text.to_string()).filter(|t| !t.is_empty()));
        Ok(Self {
            languages,
            tasks: if multilingual { named_ids(&fields, "task_to_id")? } else { Vec::new() },
            no_timestamps: fields.token("no_timestamps_token_id"),
            max_initial: fields.count_maybe("max_initial_timestamp_index")?,
            language: text("language")?,
            task: text("task")?,
            timestamps: fields.flag_or("return_timestamps", false)?,
            forced: forced.map_or_else(|| Ok(Vec::new()), forced_ids)?,
            alignment_heads: heads(&fields)?,
        })
    }

    /// First timestamp of the vocabulary; `None` for a model without timestamps.
    pub fn first_timestamp(&self) -> Option<u32> {
        self.no_timestamps.map(|token| token + 1)
    }

    /// Rules for timestamps if the request asks for them.
    ///
    /// # Errors
    /// [`Error::Usage`] if the model has no timestamps.
    pub fn timestamps(&self, request: &PromptRequest) -> Result<Option<Timestamps>> {
        match (request.timestamps || self.timestamps, self.no_timestamps) {
            (false, _) => Ok(None),
            (true, Some(token)) => Ok(Some(Timestamps { off: token, max_initial: self.max_initial })),
            (true, None) => Err(Error::Usage("the model has no timestamps: leave --timestamps out".into())),
        }
    }

    /// Returns the tokens after the start token that come before the text. `detect` finds the language's tag
    /// if neither the request nor the settings name a language.
    ///
    /// # Errors
    /// [`Error::Language`] for a language that the model lacks; [`Error::Usage`] for a language or a task of a
    /// model that has neither; those of `detect`.
    pub fn prompt(
        &self,
        request: &PromptRequest,
        detect: impl FnOnce(&[(String, u32)]) -> Result<u32>,
    ) -> Result<Vec<u32>> {
        if self.languages.is_empty() && (request.language.is_some() || request.task.is_some()) {
            return Err(Error::Usage(
                "the model knows one language and one task: leave --src-lang and --task out".into(),
            ));
        }
        let language = request.language.as_ref().or(self.language.as_ref());
        let task = request.task.map(SpeechTask::name).or(self.task.as_deref());
        let mut prompt = match (language, task) {
            (None, None) => self.forced.clone(),
            _ => Vec::new(),
        };
        let unknown = prompt.first().is_none_or(Option::is_none);
        let tag = match language {
            Some(code) => Some(self.tag(code)?),
            None if unknown && !self.languages.is_empty() => Some(detect(&self.languages)?),
            None => None,
        };
        match (prompt.first_mut(), tag) {
            (Some(first), Some(_)) => *first = tag,
            (None, Some(_)) => prompt.push(tag),
            (_, None) => {}
        }
        let id = |name: &str| self.tasks.iter().find(|(task, _)| task == name).map(|(_, id)| *id);
        let has_task = prompt.iter().flatten().any(|token| self.tasks.iter().any(|(_, id)| id == token));
        match task {
            Some(name) => prompt.push(id(name)),
            None if language.is_some() && !has_task => prompt.push(id(SpeechTask::Transcribe.name())),
            None => {}
        }
        let last = prompt.last().copied().flatten();
        match self.timestamps(request)? {
            None if last != self.no_timestamps => prompt.push(self.no_timestamps),
            Some(_) if last.is_some() && last == self.no_timestamps => {
                prompt.pop();
            }
            _ => {}
        }
        Ok(prompt.into_iter().flatten().collect())
    }

    /// Returns the tag of a language's code.
    fn tag(&self, code: &str) -> Result<u32> {
        let bare = code.trim_start_matches("<|").trim_end_matches("|>").to_lowercase();
        let known = self.languages.iter().find(|(known, _)| *known == bare);
        known.map(|(_, id)| *id).ok_or_else(|| {
            let near = |known: &&String| strsim::jaro_winkler(known, &bare) > 0.75;
            let nearest = self.languages.iter().map(|(known, _)| known).filter(near);
            Error::Language { language: code.into(), nearest: nearest.take(3).cloned().collect() }
        })
    }
}

/// Rules for the timestamps in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// Token for a text without timestamps; those follow it in the vocabulary.
    off: u32,
    /// Last timestamp that a text may begin with, counted from the first.
    max_initial: Option<usize>,
}

impl Timestamps {
    /// Changes the next token's scores: timestamps come in pairs (but for the last one), do not decrease, and
    /// are taken where they are likelier together than any single token of text. `text` holds the ids after the
    /// prompt, and `end` ends a text.
    pub(super) fn process(&self, scores: &mut [f32], text: &[u32], end: u32) {
        let first = (self.off as usize + 1).min(scores.len());
        let is_stamp = |id: &u32| *id as usize >= first;
        let ban = |scores: &mut [f32]| scores.fill(f32::NEG_INFINITY);
        if let Some(score) = scores.get_mut(self.off as usize) {
            *score = f32::NEG_INFINITY;
        }
        let last = text.last().is_some_and(is_stamp);
        let before = text.len() < 2 || text.get(text.len() - 2).is_some_and(is_stamp);
        match (last, before) {
            (true, true) => ban(&mut scores[first..]),
            (true, false) => ban(&mut scores[..(end as usize).min(first)]),
            (false, _) => {}
        }
        if let Some(latest) = text.iter().rev().find(|id| is_stamp(id)) {
            // A pair may repeat its time; the next pair begins later.
            let least = *latest as usize + usize::from(!last || before);
            let least = least.min(scores.len());
            ban(&mut scores[first..least.max(first)]);
        }
        if text.is_empty() {
            ban(&mut scores[..first]);
            if let Some(most) = self.max_initial {
                let beyond = first.saturating_add(most).saturating_add(1).min(scores.len());
                ban(&mut scores[beyond..]);
            }
        }
        let (words, stamps) = scores.split_at_mut(first);
        let likeliest = words.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if log_sum_exp(stamps) > likeliest {
            ban(words);
        }
    }
}

/// Reads an object of names and token ids, ordered by id.
fn named_ids(fields: &ModelConfig, key: &str) -> Result<Vec<(String, u32)>> {
    let wrong = || Error::Config(format!("{key} is no object of token ids"));
    let Some(value) = fields.get(key) else { return Ok(Vec::new()) };
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let pairs = value.as_object().ok_or_else(wrong)?.iter();
    let mut ids: Vec<(String, u32)> =
        pairs.map(|(name, value)| Ok((name.clone(), id(value).ok_or_else(wrong)?))).collect::<Result<_>>()?;
    ids.sort_by_key(|(_, id)| *id);
    Ok(ids)
}

/// Reads the tokens that old settings force at positions 1, 2, ... without a gap.
fn forced_ids(value: &Value) -> Result<Vec<Option<u32>>> {
    let wrong = || Error::Config("forced_decoder_ids is no list of positions and tokens from 1 on".into());
    let pairs = value.as_array().ok_or_else(wrong)?;
    let token = |(at, pair): (usize, &Value)| match pair.as_array().map(Vec::as_slice) {
        Some([place, Value::Null]) if place.as_u64() == Some(at as u64 + 1) => Ok(None),
        Some([place, token]) if place.as_u64() == Some(at as u64 + 1) => {
            token.as_u64().and_then(|id| u32::try_from(id).ok()).map(Some).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    };
    pairs.iter().enumerate().map(token).collect()
}

/// Reads `alignment_heads`.
fn heads(fields: &ModelConfig) -> Result<Vec<[usize; 2]>> {
    let wrong = || Error::Config("alignment_heads is no list of layers and heads".into());
    let Some(value) = fields.get("alignment_heads") else { return Ok(Vec::new()) };
    let number = |value: &Value| value.as_u64().filter(|n| *n < 1 << 16).map(|n| n as usize);
    let head = |pair: &Value| match pair.as_array()?.as_slice() {
        [layer, head] => Some([number(layer)?, number(head)?]),
        _ => None,
    };
    value.as_array().ok_or_else(wrong)?.iter().map(|pair| head(pair).ok_or_else(wrong)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(more: Value) -> SpeechSettings {
        let mut value = json!({
            "is_multilingual": true, "no_timestamps_token_id": 50, "max_initial_timestamp_index": 3,
            "lang_to_id": {"<|de|>": 41, "<|en|>": 40}, "task_to_id": {"transcribe": 45, "translate": 46},
        });
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        SpeechSettings::read(Some(&value), &ModelConfig::default()).unwrap()
    }

    fn prompt(settings: &SpeechSettings, request: PromptRequest) -> Vec<u32> {
        settings.prompt(&request, |known| Ok(known[1].1)).unwrap()
    }

    #[test]
    fn the_prompt_names_language_task_and_timestamps() {
        let plain = PromptRequest::default();
        let german = PromptRequest { language: Some("de".into()), ..plain.clone() };
        let english = PromptRequest { task: Some(SpeechTask::Translate), ..german.clone() };
        let old = settings(json!({"forced_decoder_ids": [[1, null], [2, 45]]}));
        assert_eq!(prompt(&old, plain.clone()), [41, 45, 50]);
        assert_eq!(prompt(&old, english.clone()), [41, 46, 50]);
        let new = settings(json!({}));
        assert_eq!(prompt(&new, plain.clone()), [41, 50]);
        assert_eq!(prompt(&new, german), [41, 45, 50]);
        assert_eq!(prompt(&new, PromptRequest { timestamps: true, ..english.clone() }), [41, 46]);
        let one = settings(json!({"is_multilingual": false, "forced_decoder_ids": [[1, 50]]}));
        assert_eq!(prompt(&one, plain.clone()), [50]);
        assert!(prompt(&one, PromptRequest { timestamps: true, ..plain.clone() }).is_empty());
        assert!(matches!(one.prompt(&english, |_| Ok(0)), Err(Error::Usage(_))));
        let unknown = PromptRequest { language: Some("eng".into()), ..plain };
        let error = new.prompt(&unknown, |_| Ok(0)).unwrap_err();
        assert!(matches!(error, Error::Language { nearest, .. } if nearest == ["en"]));
    }

    /// Ids that may follow `text`: 0 to 4 are words, 5 ends, 6 is the token without timestamps, the rest stamps.
    fn allowed(text: &[u32], stamp: f32) -> Vec<usize> {
        let mut scores = vec![0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, stamp, stamp, stamp, stamp, stamp];
        Timestamps { off: 6, max_initial: Some(1) }.process(&mut scores, text, 5);
        (0..scores.len()).filter(|&id| scores[id].is_finite()).collect()
    }

    #[test]
    fn timestamps_come_in_pairs_and_do_not_decrease() {
        assert_eq!(allowed(&[], 0.0), [7, 8]);
        assert_eq!(allowed(&[7], -9.0), [0, 1, 2, 3, 4, 5]);
        assert_eq!(allowed(&[7, 1], -9.0), [0, 1, 2, 3, 4, 5, 8, 9, 10, 11]);
        assert_eq!(allowed(&[7, 1, 9], -9.0), [5, 9, 10, 11]);
        assert_eq!(allowed(&[7, 1, 9, 9], -9.0), [0, 1, 2, 3, 4, 5]);
        assert_eq!(allowed(&[7, 1], 0.0), [8, 9, 10, 11], "together they are likelier than a word");
    }
}
