//! What the engine tells, and what it is asked.

use super::{show_error, survey};
use crate::engine::{Event, Request};
use crate::tui::action::Effect;
use crate::tui::app::{App, Axes, Job};
use crate::tui::survey::Survey;

/// Takes an event of the engine into the state.
pub fn event(app: &mut App, event: Event) -> Vec<Effect> {
    if !matches!(event, Event::Progress(_)) {
        app.pending = app.pending.saturating_sub(1);
        // a newer request is still under way
        if app.pending == 0 {
            app.job = None;
        }
    }
    match event {
        Event::Progress(progress) => {
            if let Some(job) = &mut app.job {
                job.progress = Some(progress);
            }
            Vec::new()
        }
        Event::Opened(info) => {
            if !app.given {
                app.run.source = info.example.clone();
            }
            app.info = Some(info);
            run(app)
        }
        Event::Captured(capture) => {
            app.serial += 1;
            app.axes = Axes::new(&capture, &app.reading);
            app.capture = Some(capture);
            app.survey = Survey::default();
            app.settle();
            app.compare();
            survey(app)
        }
        Event::Failed(error) => {
            let hint = error.hint();
            show_error(app, error.to_string(), hint);
            Vec::new()
        }
        Event::Cancelled => {
            if app.pending == 0 {
                app.notice = Some("stopped".into());
            }
            Vec::new()
        }
    }
}

/// Runs the model on the texts of the state.
pub fn run(app: &mut App) -> Vec<Effect> {
    if app.run.source.trim().is_empty() {
        app.notice = Some("type a source to begin".into());
        return Vec::new();
    }
    app.job = Some(Job { what: "running".into(), progress: None });
    app.pending += 1;
    vec![Effect::Ask(Request::Run(app.run.clone()))]
}
