//! Several models that stay open, for comparisons.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::open::{Opened, open};
use super::protocol::{ModelInfo, OpenOptions, RunOptions};
use super::session::Session;
use crate::capture::Capture;
use crate::error::Result;
use crate::progress::Watch;

/// Models that are opened by their first run and stay open.
#[derive(Default)]
pub struct Models {
    options: OpenOptions,
    open: BTreeMap<String, Box<Session>>,
}

impl Models {
    /// Creates a pool that opens models with `options`; the model named there is ignored.
    pub fn new(options: OpenOptions) -> Self {
        Self { options, open: BTreeMap::new() }
    }

    /// Runs a model, and opens it first if need be. A capture file is returned as it is; the texts are
    /// ignored.
    ///
    /// # Errors
    /// Those of [`open`] and [`Session::run`].
    pub fn run(&mut self, model: &str, run: &RunOptions, watch: &dyn Watch) -> Result<Arc<Capture>> {
        if !self.open.contains_key(model) {
            match open(&OpenOptions { model: model.into(), ..self.options.clone() }, watch)? {
                Opened::Capture(capture) => return Ok(Arc::from(capture)),
                Opened::Model(session) => {
                    self.open.insert(model.into(), session);
                }
            }
        }
        let session = self.open.get(model).ok_or(crate::error::Error::Cancelled)?;
        session.run(&RunOptions { predictions: true, profiles: true, ..run.clone() }, watch).map(Arc::new)
    }

    /// Returns the description of an open model.
    pub fn info(&self, model: &str) -> Option<&ModelInfo> {
        self.open.get(model).map(|session| session.info())
    }
}
