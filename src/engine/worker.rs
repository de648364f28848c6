//! The engine behind the screen: one thread, one job at a time, the newest request first.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use super::protocol::{Event, Request, RunOptions};
use super::session::{Opened, Session, open};
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::progress::{Progress, Watch};

type Emit = Arc<dyn Fn(Event) + Send + Sync>;

/// Runs requests on a thread of its own. A newer `Run` stops and replaces an older one; a newer `Open` or a
/// `Cancel` stops whatever is under way.
pub struct Worker {
    requests: mpsc::Sender<(u64, Request)>,
    clock: Arc<Clock>,
}

/// Numbers of the newest requests of each sort; a job stops once it is older than they allow.
#[derive(Default)]
struct Clock {
    last: AtomicU64,
    stop_all: AtomicU64,
    stop_runs: AtomicU64,
}

impl Worker {
    /// Starts the thread. `emit` is called from it for every event, and must return quickly.
    pub fn spawn(emit: impl Fn(Event) + Send + Sync + 'static) -> Self {
        let (requests, inbox) = mpsc::channel();
        let clock = Arc::new(Clock::default());
        let jobs = Jobs { clock: Arc::clone(&clock), emit: Arc::new(emit), session: None, last: None };
        std::thread::spawn(move || jobs.serve(&inbox));
        Self { requests, clock }
    }

    /// Asks for something; the answer comes as events.
    pub fn send(&self, request: Request) {
        let number = self.clock.last.fetch_add(1, Ordering::SeqCst) + 1;
        match request {
            Request::Run(_) | Request::Ablate(_) => self.clock.stop_runs.store(number, Ordering::SeqCst),
            Request::Open(_) | Request::Cancel => self.clock.stop_all.store(number, Ordering::SeqCst),
        }
        // The thread ends with this value alone, so somebody is there to receive.
        let _ = self.requests.send((number, request));
    }
}

struct Jobs {
    clock: Arc<Clock>,
    emit: Emit,
    session: Option<Box<Session>>,
    last: Option<Arc<Capture>>,
}

impl Jobs {
    fn serve(mut self, inbox: &mpsc::Receiver<(u64, Request)>) {
        while let Ok((number, request)) = inbox.recv() {
            // it has done its work on arrival, and is not answered
            if request == Request::Cancel {
                continue;
            }
            let run = matches!(request, Request::Run(_) | Request::Ablate(_));
            let (clock, emit) = (Arc::clone(&self.clock), Arc::clone(&self.emit));
            let job = Job { number, run, clock: &clock, emit: &emit };
            let outcome = if job.cancelled() { Err(Error::Cancelled) } else { self.serve_one(request, &job) };
            match outcome {
                Ok(()) => {}
                Err(Error::Cancelled) => (self.emit)(Event::Cancelled),
                Err(error) => (self.emit)(Event::Failed(error)),
            }
        }
    }

    fn serve_one(&mut self, request: Request, job: &Job) -> Result<()> {
        match request {
            Request::Cancel => {}
            Request::Open(options) => match open(&options, job)? {
                Opened::Model(opened) => {
                    (job.emit)(Event::Opened(opened.info().clone()));
                    self.session = Some(opened);
                }
                Opened::Capture(capture) => (job.emit)(Event::Captured(Arc::from(capture))),
            },
            Request::Run(options) => {
                let options = RunOptions { predictions: true, profiles: true, ..options };
                let capture = Arc::new(self.open_session()?.run(&options, job)?);
                self.last = Some(Arc::clone(&capture));
                (job.emit)(Event::Captured(capture));
                self.open_session()?.settle(|| !job.cancelled());
            }
            Request::Ablate(options) => {
                let session = self.open_session()?;
                let last = self.last.as_ref().ok_or_else(|| Error::Usage("nothing has run yet".into()))?;
                (job.emit)(Event::Ablated(session.run_ablated(last, &options, job)?));
            }
        }
        Ok(())
    }

    fn open_session(&self) -> Result<&Session> {
        self.session.as_deref().ok_or_else(|| Error::Usage("no model is open".into()))
    }
}

/// One request under way, as its long steps see it.
struct Job<'a> {
    number: u64,
    run: bool,
    clock: &'a Clock,
    emit: &'a Emit,
}

impl Watch for Job<'_> {
    fn progress(&self, progress: Progress) {
        (self.emit)(Event::Progress(progress));
    }

    fn cancelled(&self) -> bool {
        let newer = |clock: &AtomicU64| clock.load(Ordering::SeqCst) > self.number;
        newer(&self.clock.stop_all) || (self.run && newer(&self.clock.stop_runs))
    }
}
