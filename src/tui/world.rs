//! The world outside the state: threads that send messages to the main loop, and the effects of updates.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::Ask;
use super::action::Effect;
use super::answers::Question;
use super::clipboard::{self, Carried, ClipboardRoute};
use super::export_job::{ExportJob, ExportedFile};
use super::guide::StepRequest;
use super::message::Message;
use super::pair_search::{self, PairRequest};
use super::prompts::{AcceptedText, PromptHistory};
use super::reader;
use super::recent::RecentFiles;
use super::render::{self, RenderJob};
use super::scan_reader::{self, ScanRequest};
use super::session_file::{self, SessionFile};
use super::survey::{self, SurveyRequest};
use super::terminal::{self, Screen};
use super::tour_worker::TourWorker;
use super::views::compare::state::ComparisonRequest;
use crate::engine::{OpenOptions, Openable, openable};
use crate::error::Result;
use crate::panics;

/// Folder of what is kept from session to session.
#[derive(Clone, Debug)]
pub struct StateFolder(PathBuf);

impl StateFolder {
    /// Takes the folder of the file of the last session.
    pub fn new(folder: &Path) -> Self {
        Self(folder.into())
    }

    /// File of the texts that were accepted in prompts.
    pub fn prompts(&self) -> PathBuf {
        self.0.join("history.toml")
    }

    /// File of the files that were opened lately.
    fn recent(&self) -> PathBuf {
        self.0.join("recent.toml")
    }

    /// Folder of the named sessions.
    fn sessions(&self) -> PathBuf {
        self.0.join(SESSIONS)
    }
}

/// Name of the folder of the named sessions.
pub const SESSIONS: &str = "sessions";

/// Background threads, and the means of starting them.
pub struct World {
    ask: Ask,
    state: Option<StateFolder>,
    clipboard: ClipboardRoute,
    sender: Sender<Message>,
    /// Number of the newest survey; older ones stop.
    newest_survey: Arc<AtomicU64>,
    /// Number of the newest render job; older ones stop.
    newest_render: Arc<AtomicU64>,
    /// Number of the newest search for given links; older ones stop.
    newest_search: Arc<AtomicU64>,
    /// Number of the newest request to read the scan; older ones stop.
    newest_scan: Arc<AtomicU64>,
    tour: OnceLock<TourWorker>,
    started: Instant,
}

impl World {
    /// Starts listening to signals and panics.
    pub fn start(
        sender: Sender<Message>,
        ask: Ask,
        state: Option<StateFolder>,
        clipboard: ClipboardRoute,
    ) -> Result<Self> {
        hook_panics(sender.clone());
        #[cfg(unix)]
        listen_to_signals(sender.clone())?;
        Ok(Self {
            ask,
            state,
            clipboard,
            sender,
            newest_survey: Arc::default(),
            newest_render: Arc::default(),
            newest_search: Arc::default(),
            newest_scan: Arc::default(),
            tour: OnceLock::new(),
            started: Instant::now(),
        })
    }

    /// Returns the time since the program started.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Starts listening to the terminal, which was asked `asked`.
    pub fn listen(&self, asked: Question) {
        reader::start(self.sender.clone(), asked);
    }

    /// Carries out the effects of an update.
    pub fn perform(&self, screen: &mut Screen, effects: Vec<Effect>) -> Result<()> {
        for effect in effects {
            match effect {
                Effect::Ask(request) => (self.ask)(request),
                Effect::Survey(request) => self.survey(request),
                Effect::Compare(request) => self.compare(request),
                Effect::ListOpenable(options) => self.list_openable(options),
                Effect::Export(job) => self.export(*job),
                Effect::WeighPairs(request) => self.weigh(request),
                Effect::ReadScan(request) => self.read_scan(request),
                Effect::PlayStep(play) => self.play(play),
                Effect::Remember(accepted) => self.remember(&accepted),
                Effect::RememberFile(path) => self.remember_file(&path),
                Effect::SaveSession(file) => self.save_session(*file),
                Effect::Copy(text) => self.copy(screen, text)?,
                Effect::Redraw => screen.redraw()?,
                Effect::Suspend => screen.suspend()?,
            }
        }
        Ok(())
    }

    /// Sends text to the clipboard, by the terminal or by a program on a thread of its own.
    fn copy(&self, screen: &mut Screen, text: String) -> Result<()> {
        let (route, sender) = (self.clipboard, self.sender.clone());
        let done = move |carried: Carried, text: String| {
            // The receiver is gone once the program ends.
            let _ = sender.send(Message::Copied((carried, text)));
        };
        match route.sequence(&text) {
            Some(sequence) => {
                screen.send(&sequence)?;
                done(Carried::Sent(route), text);
            }
            None => {
                thread::spawn(move || done(clipboard::carry(route, &text), text));
            }
        }
        Ok(())
    }

    /// Adds a text to the file of the prompts. Only their history is lost if that fails.
    fn remember(&self, accepted: &AcceptedText) {
        if let Some(state) = &self.state {
            let _ = PromptHistory::remember(&state.prompts(), accepted);
        }
    }

    /// Adds a file to those that were opened lately. Only their list is lost if that fails.
    fn remember_file(&self, path: &str) {
        if let Some(state) = &self.state {
            let _ = RecentFiles::remember(&state.recent(), path);
        }
    }

    fn save_session(&self, file: SessionFile) {
        let (sender, sessions) = (self.sender.clone(), self.state.as_ref().map(StateFolder::sessions));
        thread::spawn(move || {
            // The receiver is gone once the program ends.
            let _ = sender.send(Message::Exported(file.write(sessions.as_deref()).map(ExportedFile::from)));
        });
    }

    fn survey(&self, request: SurveyRequest) {
        let number = self.newest_survey.fetch_add(1, Ordering::SeqCst) + 1;
        let (newest, sender) = (Arc::clone(&self.newest_survey), self.sender.clone());
        thread::spawn(move || {
            let go_on = || newest.load(Ordering::SeqCst) == number;
            survey::run(&request, go_on, |part| {
                // The receiver is gone once the program ends.
                let _ = sender.send(Message::Surveyed(Box::new(part)));
            });
        });
    }

    fn list_openable(&self, options: OpenOptions) {
        let (sender, state) = (self.sender.clone(), self.state.clone());
        thread::spawn(move || {
            let mut all = Vec::new();
            if let Some(state) = &state {
                all.extend(session_file::list(&state.sessions()));
                let listed = |file: &Openable| all.iter().any(|session| session.model == file.model);
                let recent = RecentFiles::read(&state.recent()).openable();
                let recent: Vec<_> = recent.into_iter().filter(|file| !listed(file)).collect();
                all.splice(0..0, recent);
            }
            all.extend(openable(&options, Path::new(".")));
            // The receiver is gone once the program ends.
            let _ = sender.send(Message::Openable(all));
        });
    }

    fn export(&self, job: ExportJob) {
        let sender = self.sender.clone();
        thread::spawn(move || {
            // The receiver is gone once the program ends.
            let _ = sender.send(Message::Exported(job.run()));
        });
    }

    fn compare(&self, request: ComparisonRequest) {
        let sender = self.sender.clone();
        thread::spawn(move || {
            // The receiver is gone once the program ends.
            let _ = sender.send(Message::Compared(Box::new(request.run())));
        });
    }

    /// Starts a search for given links and cancels the previous one.
    fn weigh(&self, request: PairRequest) {
        let (newest, sender) = (Arc::clone(&self.newest_search), self.sender.clone());
        newest.store(request.number, Ordering::SeqCst);
        thread::spawn(move || {
            let go_on = || newest.load(Ordering::SeqCst) == request.number;
            pair_search::run(&request, go_on, |part| {
                // The receiver is gone once the program ends.
                let _ = sender.send(Message::PairsFound(Box::new(part)));
            });
        });
    }

    /// Starts to read the scan and cancels the previous request.
    fn read_scan(&self, request: ScanRequest) {
        let (newest, sender) = (Arc::clone(&self.newest_scan), self.sender.clone());
        newest.store(request.number, Ordering::SeqCst);
        thread::spawn(move || {
            let go_on = || newest.load(Ordering::SeqCst) == request.number;
            scan_reader::run(&request, go_on, |part| {
                // The receiver is gone once the program ends.
                let _ = sender.send(Message::ScanRead(Box::new(part)));
            });
        });
    }

    /// Starts a render job and cancels the previous one.
    pub fn render(&self, job: RenderJob) {
        let number = self.newest_render.fetch_add(1, Ordering::SeqCst) + 1;
        let (newest, sender) = (Arc::clone(&self.newest_render), self.sender.clone());
        thread::spawn(move || {
            let go_on = || newest.load(Ordering::SeqCst) == number;
            render::render(&job, go_on, |part| {
                go_on() && sender.send(Message::Rendered(Box::new(part))).is_ok()
            });
        });
    }

    fn play(&self, play: StepRequest) {
        self.tour.get_or_init(|| TourWorker::start(self.sender.clone())).play(play);
    }

    /// Ends the program with its signal, as shells expect. The terminal has to be restored before.
    pub fn end(&self, signal: Option<i32>) -> Result<()> {
        #[cfg(unix)]
        if let Some(signal) = signal {
            crate::files::remove_parts();
            signal_hook::low_level::emulate_default_handler(signal)
                .map_err(|e| crate::error::Error::io("signal", e))?;
        }
        let _ = signal;
        Ok(())
    }
}

#[cfg(unix)]
fn listen_to_signals(sender: Sender<Message>) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
    let handled = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH];
    let mut signals =
        signal_hook::iterator::Signals::new(handled).map_err(|e| crate::error::Error::io("signals", e))?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let message = match signal {
                SIGTSTP => Message::Suspend,
                SIGWINCH => Message::Resized,
                signal => Message::End(signal),
            };
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Installs a panic hook. A panic of the drawing thread restores the terminal before it is reported; a panic
/// of another thread is shown on the screen.
fn hook_panics(sender: Sender<Message>) {
    let drawing = thread::current().id();
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if panics::are_caught() {
            return;
        }
        if thread::current().id() == drawing {
            terminal::restore();
            report(info);
        } else {
            let _ = sender.send(Message::Crashed(info.to_string()));
        }
    }));
}
