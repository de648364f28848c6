//! Runs of one target with sets of source tokens masked, by which attributions are tried.

use std::collections::HashMap;

use super::session::Session;
use super::variants::{MaskedTokens, Masking};
use crate::analysis::faithful::{ErasureScope, LeaveOneOut};
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::progress::Watch;

/// Runs of one target with source tokens masked. Each set of tokens is run once.
pub struct Eraser<'a> {
    session: &'a Session,
    capture: &'a Capture,
    scope: ErasureScope,
    masking: Masking,
    watch: &'a dyn Watch,
    /// Probability of each target token by the set of masked tokens.
    known: HashMap<Vec<usize>, Vec<f32>>,
}

impl<'a> Eraser<'a> {
    /// Prepares runs of the target of `capture`.
    ///
    /// # Errors
    /// [`Error::Text`] if there is nothing to mask or to measure.
    pub fn new(
        session: &'a Session,
        capture: &'a Capture,
        scope: ErasureScope,
        masking: Masking,
        watch: &'a dyn Watch,
    ) -> Result<Self> {
        match scope.is_empty() {
            true => {
                Err(Error::Text("there are only special tokens: nothing can be erased or measured".into()))
            }
            false => Ok(Self { session, capture, scope, masking, watch, known: HashMap::new() }),
        }
    }

    /// Returns the mean probability of the measured target tokens with each set of tokens masked. Sets are places
    /// in [`ErasureScope::tokens`], sorted.
    ///
    /// # Errors
    /// As [`Session::force_variants`].
    pub fn probabilities(&mut self, sets: &[Vec<usize>]) -> Result<Vec<f32>> {
        self.run(sets)?;
        let known = sets.iter().filter_map(|set| self.known.get(set));
        Ok(known.map(|probabilities| self.scope.mean(|row| probabilities[row])).collect())
    }

    /// Masks each token alone.
    ///
    /// # Errors
    /// As [`Session::force_variants`].
    pub fn leave_one_out(&mut self) -> Result<LeaveOneOut> {
        let tokens = self.scope.tokens.len();
        let mut sets: Vec<Vec<usize>> = (0..tokens).map(|at| vec![at]).collect();
        sets.push(Vec::new());
        self.run(&sets)?;
        let of = |set: &[usize]| self.known.get(set).cloned().unwrap_or_default();
        let left_out = (0..tokens).flat_map(|at| of(&[at])).collect();
        Ok(LeaveOneOut {
            scope: self.scope.clone(),
            intact: of(&[]),
            left_out: Matrix::new(tokens, self.capture.target.len(), left_out),
        })
    }

    /// Runs the sets that are not known yet.
    fn run(&mut self, sets: &[Vec<usize>]) -> Result<()> {
        let mut new: Vec<&Vec<usize>> = sets.iter().filter(|set| !self.known.contains_key(*set)).collect();
        new.sort_unstable();
        new.dedup();
        let masked = |set: &&Vec<usize>| MaskedTokens {
            source: set.iter().map(|&at| self.scope.tokens[at]).collect(),
            prefix: Vec::new(),
        };
        let variants: Vec<_> = new.iter().map(masked).collect();
        let scores = self.session.force_variants(self.capture, &variants, self.masking, None, self.watch)?;
        for (set, scores) in new.into_iter().zip(scores) {
            self.known.insert(set.clone(), scores.into_iter().map(f32::exp).collect());
        }
        Ok(())
    }
}
