//! The engine's thread: one request at a time, the newest first.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use super::ablated::IntactRun;
use super::open::{Opened, open};
use super::patching::PatchOptions;
use super::protocol::{Event, PatchedRun, Request, RunOptions};
use super::session::Session;
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::progress::{Progress, Watch};

type Emit = Arc<dyn Fn(Event) + Send + Sync>;

/// Serves requests on a thread of its own. A new `Run` or `Ablate` cancels an older one; a new `Open` or
/// `Cancel` cancels every older request.
pub struct Worker {
    requests: mpsc::Sender<(u64, Request)>,
    newest: Arc<NewestRequests>,
}

/// Numbers of the newest requests, by which an older request learns that it is cancelled.
#[derive(Default)]
struct NewestRequests {
    any: AtomicU64,
    /// The newest request that cancels all older ones.
    cancels_all: AtomicU64,
    /// The newest request that cancels older runs.
    cancels_runs: AtomicU64,
}

impl Worker {
    /// Starts the thread, which calls `emit` for every event. `emit` must return quickly.
    pub fn spawn(emit: impl Fn(Event) + Send + Sync + 'static) -> Self {
        let (requests, inbox) = mpsc::channel();
        let newest = Arc::new(NewestRequests::default());
        let server = Server { newest: Arc::clone(&newest), emit: Arc::new(emit), session: None, last: None };
        std::thread::spawn(move || server.serve(&inbox));
        Self { requests, newest }
    }

    /// Sends a request, which is answered by events.
    pub fn send(&self, request: Request) {
        let number = self.newest.any.fetch_add(1, Ordering::SeqCst) + 1;
        match request {
            Request::Run(_) | Request::Ablate(_) | Request::Measure(_) | Request::Patch(_) => {
                self.newest.cancels_runs.store(number, Ordering::SeqCst);
            }
            Request::Open(_) | Request::Cancel => self.newest.cancels_all.store(number, Ordering::SeqCst),
        }
        // The receiver lives as long as this sender.
        let _ = self.requests.send((number, request));
    }
}

/// State of the engine's thread.
struct Server {
    newest: Arc<NewestRequests>,
    emit: Emit,
    session: Option<Box<Session>>,
    /// The last run with its options, from which runs with ablations start.
    last: Option<(RunOptions, IntactRun)>,
}

impl Server {
    fn serve(mut self, inbox: &mpsc::Receiver<(u64, Request)>) {
        while let Ok((number, request)) = inbox.recv() {
            // `send` has cancelled the older requests already
            if request == Request::Cancel {
                continue;
            }
            let run = !matches!(request, Request::Open(_));
            let (newest, emit) = (Arc::clone(&self.newest), Arc::clone(&self.emit));
            let job = ServedRequest { number, run, newest: &newest, emit: &emit };
            let outcome = if job.cancelled() { Err(Error::Cancelled) } else { self.serve_one(request, &job) };
            match outcome {
                Ok(()) => {}
                Err(Error::Cancelled) => (self.emit)(Event::Cancelled),
                Err(error) => (self.emit)(Event::Failed(error)),
            }
        }
    }

    fn serve_one(&mut self, request: Request, job: &ServedRequest) -> Result<()> {
        match request {
            Request::Cancel => {}
            Request::Open(options) => match open(&options, job)? {
                Opened::Model(opened) => {
                    (job.emit)(Event::Opened(Box::new(opened.info().clone())));
                    self.session = Some(opened);
                    self.last = None;
                }
                Opened::Capture(capture) => (job.emit)(Event::Captured(Arc::from(capture))),
            },
            Request::Run(options) => {
                let capture = self.run(options, job)?;
                (job.emit)(Event::Captured(Arc::new(capture)));
                self.open_session()?.settle(|| !job.cancelled());
            }
            Request::Patch(request) => {
                let session = self.open_session()?;
                let corrupt = session.source(&request.corrupt)?.sequence().ids();
                let scores =
                    session.patch(&request.clean, &corrupt, request.kind, &PatchOptions::default(), job)?;
                (job.emit)(Event::Patched(Box::new(PatchedRun { request, corrupt, scores })));
            }
            Request::Ablate(options) => {
                // The explorer may show an earlier run again.
                if self.last.as_ref().is_none_or(|(last, _)| !last.has_texts_of(&options)) {
                    self.run(options.intact(), job)?;
                }
                let session = self.open_session()?;
                let (_, last) =
                    self.last.as_ref().ok_or_else(|| Error::Usage("nothing has run yet".into()))?;
                (job.emit)(Event::Ablated(session.run_ablated(last, &options, job)?));
            }
            Request::Measure(request) => {
                let evidence = Box::new(self.open_session()?.evidence(&request, job)?);
                (job.emit)(Event::Measured { serial: request.serial, evidence });
            }
        }
        Ok(())
    }

    /// Runs the open model and keeps the states from which runs with ablations start.
    fn run(&mut self, options: RunOptions, job: &ServedRequest) -> Result<Capture> {
        let options = RunOptions { predictions: true, profiles: true, ..options };
        let session = self.open_session()?;
        let source = session.source(&options)?;
        let (capture, intact) = session.run_intact(&source, &options, job)?;
        self.last = Some((options, intact));
        Ok(capture)
    }

    fn open_session(&self) -> Result<&Session> {
        self.session.as_deref().ok_or_else(|| Error::Usage("no model is open".into()))
    }
}

/// The current request, which reports progress and asks whether it is cancelled.
struct ServedRequest<'a> {
    number: u64,
    run: bool,
    newest: &'a NewestRequests,
    emit: &'a Emit,
}

impl Watch for ServedRequest<'_> {
    fn progress(&self, progress: Progress) {
        (self.emit)(Event::Progress(progress));
    }

    fn cancelled(&self) -> bool {
        let newer = |number: &AtomicU64| number.load(Ordering::SeqCst) > self.number;
        newer(&self.newest.cancels_all) || (self.run && newer(&self.newest.cancels_runs))
    }
}
