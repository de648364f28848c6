//! The thread that runs the tour's steps. Models stay open from step to step.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::guide::{ReadyStep, StepRequest};
use super::message::Message;
use crate::engine::{Event, Models};
use crate::error::Error;
use crate::progress::{Progress, Watch};
use crate::tour::{self, PlayedStep};

/// Sender of requests to the thread.
pub struct TourWorker {
    requests: Sender<(u64, StepRequest)>,
    /// Number of the newest request; older ones stop.
    newest: Arc<AtomicU64>,
}

impl TourWorker {
    /// Starts the thread, which sends each finished step to `sender`.
    pub fn start(sender: Sender<Message>) -> Self {
        let (requests, inbox) = channel::<(u64, StepRequest)>();
        let newest = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&newest);
        thread::spawn(move || {
            let mut models = None;
            while let Ok((number, request)) = inbox.recv() {
                let models = models.get_or_insert_with(|| Models::new(request.how.clone()));
                let watch = Playing { number, newest: &clock, sender: &sender };
                let played = match watch.check() {
                    Ok(()) => play(models, &request, &watch),
                    Err(error) => Err(error),
                };
                if matches!(played, Err(Error::Cancelled)) {
                    continue;
                }
                let ready = ReadyStep { at: request.at, edition: request.edition, played };
                if sender.send(Message::StepReady(Box::new(ready))).is_err() {
                    return;
                }
            }
        });
        Self { requests, newest }
    }

    /// Requests a step; earlier requests are cancelled.
    pub fn play(&self, request: StepRequest) {
        let number = self.newest.fetch_add(1, Ordering::SeqCst) + 1;
        // The receiver lives as long as this sender.
        let _ = self.requests.send((number, request));
    }
}

fn play(models: &mut Models, request: &StepRequest, watch: &dyn Watch) -> crate::error::Result<PlayedStep> {
    let step = request.tour.steps.get(request.at).ok_or(Error::Cancelled)?;
    tour::play(step, request.own.as_deref(), &mut |model, run| models.run(model, run, watch))
}

/// Progress and cancellation of a running step.
struct Playing<'a> {
    number: u64,
    newest: &'a AtomicU64,
    sender: &'a Sender<Message>,
}

impl Watch for Playing<'_> {
    fn progress(&self, progress: Progress) {
        // The receiver is gone after the last frame.
        let _ = self.sender.send(Message::Engine(Event::Progress(progress)));
    }

    fn cancelled(&self) -> bool {
        self.newest.load(Ordering::SeqCst) != self.number
    }
}
