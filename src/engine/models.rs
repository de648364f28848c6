//! Several models open at once, for who compares them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::protocol::{ModelInfo, OpenOptions, RunOptions};
use super::session::{Opened, Session, open};
use crate::capture::Capture;
use crate::error::Result;
use crate::progress::Watch;

/// Models that stay open once they have been asked for.
#[derive(Default)]
pub struct Models {
    how: OpenOptions,
    open: BTreeMap<String, Box<Session>>,
}

impl Models {
    /// Models are opened as `how` says, which names none itself.
    pub fn new(how: OpenOptions) -> Self {
        Self { how, open: BTreeMap::new() }
    }

    /// Runs a model, which is opened first where it is not open. A capture file is what it is, whatever the
    /// texts.
    ///
    /// # Errors
    /// Those of [`open`] and [`Session::run`].
    pub fn run(&mut self, model: &str, run: &RunOptions, watch: &dyn Watch) -> Result<Arc<Capture>> {
        if !self.open.contains_key(model) {
            match open(&OpenOptions { model: model.into(), ..self.how.clone() }, watch)? {
                Opened::Capture(capture) => return Ok(Arc::from(capture)),
                Opened::Model(session) => {
                    self.open.insert(model.into(), session);
                }
            }
        }
        let session = self.open.get(model).ok_or(crate::error::Error::Cancelled)?;
        session.run(&RunOptions { predictions: true, profiles: true, ..run.clone() }, watch).map(Arc::new)
    }

    /// What is known of a model that is open.
    pub fn info(&self, model: &str) -> Option<&ModelInfo> {
        self.open.get(model).map(|session| session.info())
    }
}
