//! Logits processors: changes of the next token's scores before one is chosen, in transformers' order.

use super::config::{EndDecay, GenerationConfig};

/// Applies every processor to the next token's `scores`, `[vocabulary]`: logits in greedy search,
/// log-probabilities in beam search. `row` holds the decoder ids so far, the start token included.
pub(super) fn process(scores: &mut [f32], row: &[u32], source: &[u32], config: &GenerationConfig) {
    add_biases(scores, row, &config.sequence_bias);
    penalise(scores, source, 1.0 / config.encoder_repetition_penalty);
    penalise(scores, row, config.repetition_penalty);
    ban(scores, &repeated(row, row, config.no_repeat_ngram));
    ban(scores, &repeated(source, row, config.encoder_no_repeat_ngram));
    ban(scores, &bad_words(row, config));
    let prompt = 1 + config.prompt.len();
    if row.len() < config.min_length || row.len() < prompt.saturating_add(config.min_new_tokens) {
        ban(scores, &config.end);
    }
    if let (1, Some(token)) = (row.len(), config.forced_bos) {
        force(scores, &[token]);
    }
    if row.len() + 1 == config.max_length && !config.forced_eos.is_empty() {
        force(scores, &config.forced_eos);
    }
    if let Some(decay) = config.end_decay {
        favour_end(scores, row.len().saturating_sub(prompt), decay, &config.end);
    }
    ban(scores, &config.suppress);
    // A forced first token is no part of the text.
    let first = prompt + usize::from(prompt == 1 && config.forced_bos.is_some());
    if row.len() == first {
        ban(scores, &config.begin_suppress);
    }
    if let (Some(timestamps), Some(&end)) = (&config.timestamps, config.end.first()) {
        timestamps.process(scores, row.get(prompt..).unwrap_or_default(), end);
    }
    if let Some(&token) = row.len().checked_sub(1).and_then(|at| config.prefix.get(at)) {
        force(scores, &[token]);
    }
}

/// Adds each sequence's bias to the score of its last token if the tokens before that one are at the end of
/// `row`.
fn add_biases(scores: &mut [f32], row: &[u32], biases: &[(Vec<u32>, f32)]) {
    for (sequence, bias) in biases {
        let Some((&last, prefix)) = sequence.split_last() else { continue };
        if let Some(score) = scores.get_mut(last as usize).filter(|_| row.ends_with(prefix)) {
            *score += bias;
        }
    }
}

/// Raises the scores of the end tokens after `length` tokens of text by a share of their size that grows with the
/// length.
fn favour_end(scores: &mut [f32], length: usize, decay: EndDecay, end: &[u32]) {
    let Some(late) = length.checked_sub(decay.start).filter(|late| *late > 0) else { return };
    let factor = (decay.factor.powi(late.min(1 << 20) as i32) - 1.0) as f32;
    for &token in end {
        if let Some(score) = scores.get_mut(token as usize).filter(|score| score.is_finite()) {
            *score += score.abs() * factor;
        }
    }
}

/// Sets the scores of some tokens to minus infinity.
fn ban(scores: &mut [f32], tokens: &[u32]) {
    for &token in tokens {
        if let Some(score) = scores.get_mut(token as usize) {
            *score = f32::NEG_INFINITY;
        }
    }
}

/// Sets the scores of all other tokens to minus infinity.
fn force(scores: &mut [f32], tokens: &[u32]) {
    scores.fill(f32::NEG_INFINITY);
    for &token in tokens {
        if let Some(score) = scores.get_mut(token as usize) {
            *score = 0.0;
        }
    }
}

/// Applies the CTRL penalty (Keskar et al. 2019): divides positive scores and multiplies negative ones, once
/// for each distinct token.
fn penalise(scores: &mut [f32], tokens: &[u32], penalty: f32) {
    if penalty == 1.0 {
        return;
    }
    let mut distinct = tokens.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    for token in distinct {
        if let Some(score) = scores.get_mut(token as usize) {
            *score = if *score < 0.0 { *score * penalty } else { *score / penalty };
        }
    }
}

/// Returns the tokens that would complete, at the end of `row`, an n-gram of `text`.
fn repeated(text: &[u32], row: &[u32], size: usize) -> Vec<u32> {
    if size == 0 || row.len() + 1 < size {
        return Vec::new();
    }
    let prefix = &row[row.len() + 1 - size..];
    text.windows(size).filter(|gram| gram[..size - 1] == *prefix).map(|gram| gram[size - 1]).collect()
}

/// Returns the last tokens of forbidden sequences whose other tokens are at the end of `row`. As in
/// transformers, a single end token is never forbidden.
fn bad_words(row: &[u32], config: &GenerationConfig) -> Vec<u32> {
    let mut banned = Vec::new();
    for word in &config.bad_words {
        let Some((&last, prefix)) = word.split_last() else { continue };
        let lone_end = prefix.is_empty() && config.end.contains(&last);
        if !lone_end && row.ends_with(prefix) {
            banned.push(last);
        }
    }
    banned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::EarlyStopping;

    fn config() -> GenerationConfig {
        GenerationConfig {
            beams: 1,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::No,
            max_length: 20,
            limits_new: false,
            prompt: vec![],
            timestamps: None,
            min_length: 0,
            min_new_tokens: 0,
            start: 0,
            end: vec![1],
            forced_bos: None,
            prefix: Vec::new(),
            forced_eos: vec![],
            bad_words: vec![],
            suppress: vec![],
            begin_suppress: vec![],
            no_repeat_ngram: 0,
            encoder_no_repeat_ngram: 0,
            repetition_penalty: 1.0,
            encoder_repetition_penalty: 1.0,
            sequence_bias: vec![],
            end_decay: None,
            renormalise: false,
            sampling: None,
            scored: false,
            ignored: vec![],
        }
    }

    fn banned(config: &GenerationConfig, row: &[u32], source: &[u32]) -> Vec<usize> {
        let mut scores = vec![1.0; 8];
        process(&mut scores, row, source, config);
        (0..8).filter(|&i| scores[i] == f32::NEG_INFINITY).collect()
    }

    #[test]
    fn ngrams_do_not_come_twice() {
        let config = GenerationConfig { no_repeat_ngram: 2, ..config() };
        assert_eq!(banned(&config, &[0, 3, 4, 3], &[]), [4]);
        assert!(banned(&config, &[0, 3, 4, 5], &[]).is_empty());
        let config = GenerationConfig { no_repeat_ngram: 0, encoder_no_repeat_ngram: 3, ..config };
        assert_eq!(banned(&config, &[0, 3, 4], &[2, 3, 4, 6, 3, 4, 7]), [6, 7]);
        assert!(banned(&config, &[0], &[2, 3, 4]).is_empty());
    }

    #[test]
    fn bad_words_are_banned_at_their_last_token() {
        let config = GenerationConfig { bad_words: vec![vec![5], vec![3, 4, 6], vec![1]], ..config() };
        assert_eq!(banned(&config, &[0, 3, 4], &[]), [5, 6]);
        assert_eq!(banned(&config, &[3, 4], &[]), [5, 6]);
        assert_eq!(banned(&config, &[4], &[]), [5]);
    }

    #[test]
    fn forced_and_suppressed_tokens() {
        let config =
            GenerationConfig { forced_bos: Some(6), begin_suppress: vec![2], suppress: vec![7], ..config() };
        assert_eq!(banned(&config, &[0], &[]), [0, 1, 2, 3, 4, 5, 7]);
        assert_eq!(banned(&config, &[0, 6], &[]), [2, 7]);
        let config = GenerationConfig { forced_eos: vec![1], max_length: 4, ..self::config() };
        assert_eq!(banned(&config, &[0, 6, 6], &[]), [0, 2, 3, 4, 5, 6, 7]);
        let config = GenerationConfig { min_length: 3, ..self::config() };
        assert_eq!(banned(&config, &[0, 6], &[]), [1]);
        assert!(banned(&config, &[0, 6, 6], &[]).is_empty());
        let config = GenerationConfig { min_new_tokens: 1, prompt: vec![5, 6], ..self::config() };
        assert_eq!(banned(&config, &[0, 5, 6], &[]), [1]);
        assert!(banned(&config, &[0, 5, 6, 7], &[]).is_empty());
    }

    #[test]
    fn repetition_is_penalised_once_a_token() {
        let config = GenerationConfig { repetition_penalty: 2.0, ..config() };
        let mut scores = vec![1.0, -1.0, 4.0, 0.5];
        process(&mut scores, &[2, 2, 1], &[], &config);
        assert_eq!(scores, [1.0, -2.0, 2.0, 0.5]);
    }

    #[test]
    fn sequences_are_favoured_at_their_last_token() {
        let sequence_bias = vec![(vec![2], 0.5), (vec![0, 3], 2.0), (vec![1, 1, 3], 4.0)];
        let config = GenerationConfig { sequence_bias, ..config() };
        let mut scores = vec![1.0; 4];
        process(&mut scores, &[0], &[], &config);
        assert_eq!(scores, [1.0, 1.0, 1.5, 3.0]);
    }

    #[test]
    fn the_end_comes_nearer_with_every_token() {
        let config = GenerationConfig { end_decay: Some(EndDecay { start: 2, factor: 1.5 }), ..config() };
        let end = |length: usize, score: f32| {
            let mut scores = vec![0.0, score];
            process(&mut scores, &vec![0; length], &[], &config);
            scores[1]
        };
        assert_eq!([end(3, 2.0), end(4, 2.0), end(5, 2.0)], [2.0, 3.0, 4.5]);
        assert_eq!(end(5, -2.0), 0.5);
        assert_eq!(end(5, f32::NEG_INFINITY), f32::NEG_INFINITY);
        // The prompt does not count.
        let config = GenerationConfig { prompt: vec![0; 4], ..config.clone() };
        let mut scores = vec![0.0, 2.0];
        process(&mut scores, &[0; 8], &[], &config);
        assert_eq!(scores[1], 3.0);
    }

    #[test]
    fn a_text_begins_with_its_prefix() {
        let config = GenerationConfig { prefix: vec![3, 1], min_length: 9, ..config() };
        let choose = |row: &[u32]| {
            let mut scores = vec![0.5, 0.1, 0.9, 0.2, 0.3, 0.0, 0.0, 0.0];
            process(&mut scores, row, &[], &config);
            (0..scores.len()).filter(|&at| scores[at] > f32::NEG_INFINITY).collect::<Vec<_>>()
        };
        assert_eq!(choose(&[0]), [3]);
        assert_eq!(choose(&[0, 3]), [1]);
        assert!(choose(&[0, 3, 1]).len() > 1);
    }
}
