//! Generation of several texts together: the decoder takes one step with the rows of all texts, and texts that
//! end leave.

use candle_core::Tensor;
use rayon::prelude::*;

use super::GenerationConfig;
use super::beam::BeamSearch;
use super::generated::{FinishedBeam, GeneratedText};
use super::greedy::GreedySearch;
use crate::error::Result;
use crate::model::{DecoderInput, DecoderSequence, Model};
use crate::nn::{Hook, KvCache, Ragged};

/// Most rows whose logits are in memory at once.
const ROWS_AT_ONCE: usize = 64;

/// One of the texts that are generated together.
pub struct GenerationRun<'a> {
    /// Ids of the source, for the settings that look at it.
    pub source: &'a [u32],
    /// States of the source, `[1, source, d_model]`.
    pub encoded: &'a Tensor,
    /// Settings.
    pub config: &'a GenerationConfig,
    /// Hook of the decoder, which may ablate parts of it.
    pub hook: &'a mut dyn Hook,
}

/// Generates target ids for the source of each run. The ids lack the start token, begin with
/// [`GenerationConfig::prompt`], and include an end token if generation reached one. Calls `on_step` with the
/// number of a run and its best text so far after each step of that run; an error stops all runs.
///
/// The ids equal those of transformers' `generate` with the same settings; sampled ids follow the same
/// distribution, and depend on the seed only.
///
/// # Errors
/// [`Error::NotNumbers`](crate::error::Error::NotNumbers) if the scores are NaN, and the errors of the hooks and
/// of `on_step`.
pub fn generate_many(
    model: &Model,
    runs: Vec<GenerationRun>,
    on_step: &mut dyn FnMut(usize, &[u32]) -> Result<()>,
) -> Result<Vec<GeneratedText>> {
    let mut texts = vec![GeneratedText::default(); runs.len()];
    let numbered = runs.into_iter().enumerate();
    let mut running: Vec<_> = numbered.map(|(index, run)| GrowingText::new(index, run, model)).collect();
    loop {
        for text in running.iter().filter(|text| text.ended()) {
            texts[text.index] = GeneratedText {
                ids: text.best().to_vec(),
                beams: text.beams(),
                log_probability: text.log_probability(),
            };
        }
        running.retain(|text| !text.ended());
        if running.is_empty() {
            return Ok(texts);
        }
        let new: Vec<_> = running.iter().map(GrowingText::new_ids).collect();
        let sequences = running.iter_mut().zip(&new).map(|(text, (ids, batch))| DecoderSequence {
            input: DecoderInput::Ids { ids, batch: *batch },
            source: text.run.encoded,
            cache: Some(&mut text.cache),
            hook: &mut *text.run.hook,
        });
        let states = model.decode_many(sequences.collect(), &mut |_| Ok(()))?;
        let last = states.iter().map(|states| states.narrow(1, states.dim(1)? - 1, 1));
        let states = last.collect::<candle_core::Result<Vec<_>>>()?;
        let most = ROWS_AT_ONCE / new.iter().map(|(_, batch)| *batch).max().unwrap_or(1).max(1);
        for (texts, states) in running.chunks_mut(most.max(1)).zip(states.chunks(most.max(1))) {
            extend(model, texts, states)?;
        }
        for text in &running {
            on_step(text.index, text.best())?;
        }
    }
}

/// A text on the way to its end.
struct GrowingText<'a> {
    index: usize,
    run: GenerationRun<'a>,
    cache: KvCache,
    search: Search,
}

enum Search {
    Greedy(GreedySearch),
    Beam(BeamSearch),
}

impl<'a> GrowingText<'a> {
    fn new(index: usize, run: GenerationRun<'a>, model: &Model) -> Self {
        let search = match run.config.beams {
            0 | 1 => Search::Greedy(GreedySearch::new(run.config)),
            _ => Search::Beam(BeamSearch::new(run.config)),
        };
        Self { index, run, cache: model.cache(), search }
    }

    /// Returns the ids that the cache lacks, equally many in every row, and the number of rows.
    fn new_ids(&self) -> (Vec<u32>, usize) {
        let past = self.cache.past;
        match &self.search {
            Search::Greedy(search) => (search.row().get(past..).unwrap_or_default().to_vec(), 1),
            Search::Beam(search) => {
                let rows = search.rows().map(|row| row.get(past..).unwrap_or_default());
                (rows.clone().flatten().copied().collect(), rows.count())
            }
        }
    }

    /// Returns the best text so far, without the start token.
    fn best(&self) -> &[u32] {
        let row = match &self.search {
            Search::Greedy(search) => search.row(),
            Search::Beam(search) => search.leader(),
        };
        row.get(1..).unwrap_or_default()
    }

    fn beams(&self) -> Vec<FinishedBeam> {
        match &self.search {
            Search::Greedy(_) => Vec::new(),
            Search::Beam(search) => search.finished(),
        }
    }

    fn log_probability(&self) -> Option<f64> {
        match &self.search {
            Search::Greedy(search) => search.log_probability(self.run.config),
            Search::Beam(search) => search.log_probability(self.run.config),
        }
    }

    fn ended(&self) -> bool {
        match &self.search {
            Search::Greedy(search) => search.ended(self.run.config),
            Search::Beam(search) => search.ended(),
        }
    }

    /// The search, if the likeliest next token is all that it asks for.
    fn candidate_search(&self) -> Option<&GreedySearch> {
        match &self.search {
            Search::Greedy(search) if search.takes_candidates(self.run.config) => Some(search),
            _ => None,
        }
    }

    /// Takes the logits of the next tokens, `[rows][vocabulary]`.
    fn extend(&mut self, mut logits: Vec<Vec<f32>>) -> Result<()> {
        let GenerationRun { source, config, .. } = self.run;
        match &mut self.search {
            Search::Greedy(search) => {
                let mut scores = logits.swap_remove(0);
                search.process(&mut scores, source, config);
                search.extend(scores, config)
            }
            Search::Beam(search) => {
                let rows = search.extend(logits, source, config)?;
                if search.ended() { Ok(()) } else { self.cache.reorder(&rows) }
            }
        }
    }
}

/// Extends texts by one token. `states` are the decoder's for each, `[rows, 1, width]`.
fn extend(model: &Model, texts: &mut [GrowingText], states: &[Tensor]) -> Result<()> {
    let (candidates, others): (Vec<_>, Vec<_>) =
        texts.iter_mut().zip(states).partition(|(text, _)| text.candidate_search().is_some());
    extend_by_candidates(model, candidates)?;
    let (mut texts, states): (Vec<_>, Vec<Tensor>) =
        others.into_iter().map(|(text, states)| (text, states.clone())).unzip();
    if texts.is_empty() {
        return Ok(());
    }
    let joined = Ragged::join(&states)?;
    let mut logits = model.logits(joined.rows())?.squeeze(0)?.to_vec2::<f32>()?.into_iter();
    let logits: Vec<Vec<_>> =
        joined.shapes().iter().map(|&[rows, _]| logits.by_ref().take(rows).collect()).collect();
    texts.par_iter_mut().zip(logits).try_for_each(|(text, logits)| text.extend(logits))
}

/// Extends texts that ask for the likeliest token only.
fn extend_by_candidates(model: &Model, texts: Vec<(&mut GrowingText, &Tensor)>) -> Result<()> {
    if texts.is_empty() {
        return Ok(());
    }
    let states: Vec<Tensor> = texts.iter().map(|(_, states)| (*states).clone()).collect();
    let searches: Vec<_> = texts
        .iter()
        .filter_map(|(text, _)| Some((text.candidate_search()?, text.run.source, text.run.config)))
        .collect();
    let process = |row: usize, scores: &mut [f32]| {
        let (search, source, config) = searches[row];
        search.process(scores, source, config);
    };
    let scores = model.argmax_candidates(Ragged::join(&states)?.rows(), &process)?;
    for ((text, _), scores) in texts.into_iter().zip(scores) {
        if let Search::Greedy(search) = &mut text.search {
            search.extend(scores, text.run.config)?;
        }
    }
    Ok(())
}
