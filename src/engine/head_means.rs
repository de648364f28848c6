//! Means of what heads read, for mean ablation.

use attn_tui_kernels::threads;

use super::ablated::IntactRun;
use super::protocol::RunOptions;
use super::session::Session;
use super::source::Source;
use crate::axis::{Medium, token_ids};
use crate::capture::{Capture, HeadMeans};
use crate::error::{Error, PictureError, Result};
use crate::progress::{Progress, Watch};
use crate::site::Kind;

impl Session {
    /// Computes the mean of what each head reads over all positions of several runs, special tokens included.
    /// Targets that are not given are generated.
    ///
    /// # Errors
    /// [`Error::Text`] if there are no runs; the errors of the iterator and of [`Session::add_run_to_means`].
    pub fn head_means(
        &self,
        runs: impl IntoIterator<Item = Result<RunOptions>>,
        watch: &dyn Watch,
    ) -> Result<HeadMeans> {
        let mut means = HeadMeans::default();
        for (done, run) in runs.into_iter().enumerate() {
            self.add_run_to_means(&mut means, &run?, watch)?;
            watch.progress(Progress::Runs { done: done + 1, total: None });
        }
        match means.is_empty() {
            true => Err(Error::Text("there are no sentences to take means over".into())),
            false => Ok(means),
        }
    }

    /// Runs the model, and adds the positions of the run.
    ///
    /// # Errors
    /// [`PictureError::Needed`] if a vision model gets no picture; the errors of [`Session::run`] and of
    /// [`Session::add_to_means`].
    pub fn add_run_to_means(&self, means: &mut HeadMeans, run: &RunOptions, watch: &dyn Watch) -> Result<()> {
        if self.info.medium == Medium::Picture && run.image.is_none() {
            return Err(PictureError::Needed { model: self.info.name.clone() }.into());
        }
        let source = self.source(run)?;
        let base = self.run_source(&source, run, watch)?;
        self.add_to_means(means, &base, &source, watch)
    }

    /// Adds the positions of the run of `source` that gave `base`.
    ///
    /// # Errors
    /// [`Error::NotForModel`] if heads read other states than those of the tokens, too; [`Error::Cancelled`].
    pub fn add_to_means(
        &self,
        means: &mut HeadMeans,
        base: &Capture,
        source: &Source,
        watch: &dyn Watch,
    ) -> Result<()> {
        self.add_positions(means, source, &token_ids(&base.decoder_input), watch)
    }

    /// Computes the mean of what each head reads over all positions of an intact run.
    pub(super) fn own_means(&self, intact: &IntactRun, watch: &dyn Watch) -> Result<HeadMeans> {
        let mut means = HeadMeans::default();
        let (source, fed) = intact.inputs();
        self.add_positions(&mut means, source, fed, watch)?;
        Ok(means)
    }

    /// Adds the positions of a run on a source and on what the decoder is fed.
    fn add_positions(
        &self,
        means: &mut HeadMeans,
        source: &Source,
        fed: &[u32],
        watch: &dyn Watch,
    ) -> Result<()> {
        threads::run(self.threads, || {
            let before: Vec<_> = means.positions().collect();
            let encoded = self.model.encode(source.input(), means, &mut |_| watch.check())?;
            self.model.decode(fed, 1, &encoded, None, means, &mut |_| watch.check())?;
            let expected = |kind| if kind == Kind::Encoder { source.positions() } else { fed.len() };
            let tokens_alone = means.positions().all(|(site, positions)| {
                let known = before.iter().find(|(known, _)| *known == site).map_or(0, |(_, known)| *known);
                positions - known == expected(site.kind)
            });
            match tokens_alone {
                true => Ok(()),
                false => {
                    let why = "its heads read other states than those of the tokens, too";
                    Err(Error::NotForModel { analysis: "mean ablation", why })
                }
            }
        })
    }
}
