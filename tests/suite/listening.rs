//! The explorer over a recording: the real Whisper tiny.en on three seconds of speech.

use std::path::Path;
use std::sync::Arc;

use attn_tui::axis::{AxisItem, ItemKind, Medium};
use attn_tui::capture::{self, Capture};
use attn_tui::engine::{AudioOptions, Event, ModelInfo, Request};
use attn_tui::error::{AudioError, Error};
use attn_tui::site::{Head, Kind};
use attn_tui::tui::action::{Action, Effect};
use attn_tui::tui::keymap::Keymap;

use crate::screens::{Driver, screen_text};

fn recorded() -> Arc<Capture> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/demo-speech/speech.safetensors");
    Arc::new(capture::read(&path).unwrap())
}

/// The explorer with a speech model and its run on the recording.
fn listening(size: (u16, u16)) -> Driver {
    let mut driver = Driver::new(size);
    let audio = AudioOptions { path: "talk.wav".into(), ..AudioOptions::default() };
    driver.app.run.options.audio = Some(audio);
    driver.app.run.given = true;
    let info = ModelInfo { name: "made".into(), medium: Medium::Sound, ..ModelInfo::default() };
    driver.act(Action::Engine(Event::Opened(Box::new(info))));
    assert!(driver.asked.iter().any(|effect| matches!(effect, Effect::Ask(Request::Run(_)))));
    driver.act(Action::Engine(Event::Captured(recorded())));
    driver.app.selection.head = Head::new(Kind::Cross, 3, 0);
    driver.asked.clear();
    driver
}

#[test]
fn the_capture_has_the_sound_and_the_heads_that_align() {
    let capture = recorded();
    let sound = capture.sound.as_ref().unwrap();
    let frames =
        capture.source.items.iter().filter(|item| matches!(item.kind, ItemKind::Frame { .. })).count();
    assert_eq!((sound.bands.rows(), sound.bands.cols(), sound.peaks.len()), (frames, 40, frames));
    assert!(sound.bands.max() > 0.9 && sound.peaks.iter().copied().fold(0.0, f32::max) > 0.1);
    assert!(
        capture.alignment_heads.contains(&Head::new(Kind::Cross, 2, 2)) || capture.alignment_heads.len() > 3
    );
}

#[test]
fn map_shows_the_recording_above_its_columns() {
    for size in [(80, 24), (160, 50)] {
        let mut driver = listening(size);
        let text = screen_text(&driver.draw());
        assert!(text.contains('▀') && text.contains("╷1") && text.contains("▄"), "{text}");
        assert!(text.contains("amiable"), "{text}");
        driver.press("%");
        let text = screen_text(&driver.draw());
        assert!(text.contains('•'), "{text}");
        driver.press("%");
        assert!(!screen_text(&driver.draw()).contains('•'));
    }
}

#[test]
fn seconds_filter_frames() {
    let mut driver = listening((120, 40));
    driver.press("F").press("| 1s-1.5s").press("<enter>");
    assert_eq!(driver.app.keys().len(), 25);
    assert_eq!(driver.app.keys().label(0), "1.00s");
}

#[test]
fn text_is_a_timeline_and_links_are_segments() {
    let mut driver = listening((120, 40));
    let words: Vec<&str> = driver.app.spoken.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(words, ["He", "might", "even", "have", "been", "made", "amiable", "himself."]);
    driver.press("2");
    let text = screen_text(&driver.draw());
    assert!(text.contains("might") && text.contains("amiable"), "{text}");
    driver.press("5");
    let text = screen_text(&driver.draw());
    assert!(text.contains("–") && text.contains("s"), "{text}");
    driver.press("g");
    assert!(screen_text(&driver.draw()).contains("◇ aligns"));
    driver.press("4");
    assert!(screen_text(&driver.draw()).contains('◇'));
}

#[test]
fn windows_are_stepped_through() {
    let mut driver = listening((100, 30));
    driver.press("<ctrl-right>");
    let notice = driver.app.notice.clone().unwrap_or_default();
    assert!(notice.starts_with("the recording ends at 3."), "{notice}");
    driver.press("<ctrl-left>");
    assert_eq!(driver.app.notice.as_deref(), Some("this is the begin of the recording"));
    // A recording that goes on: the capture has no rest.
    let mut long = Capture::clone(&recorded());
    long.source.items.truncate(164);
    long.source.items.push(AxisItem::frame(3.28, 3.30));
    driver.app.capture = Some(Arc::new(long));
    driver.press("<ctrl-right>");
    let asked = driver.asked.iter().find_map(|effect| match effect {
        Effect::Ask(Request::Run(run)) => run.audio.clone(),
        _ => None,
    });
    let from = asked.unwrap().from;
    assert!((3.0..3.5).contains(&from), "{from}");
    let beyond = AudioError::BeyondEnd { file: "talk.wav".into(), seconds: 3.2, from };
    driver.act(Action::Engine(Event::Failed(Error::Audio(beyond))));
    assert_eq!(driver.app.run.options.audio.as_ref().map(|audio| audio.from), Some(0.0));
}

#[test]
fn the_window_keys_have_names() {
    let keymap = Keymap::default();
    let keys = |name: &str| {
        let entry = attn_tui::tui::keymap::TABLE.iter().find(|entry| entry.name == name).unwrap();
        keymap.keys(entry.command)
    };
    assert_eq!(
        (keys("next-window"), keys("previous-window")),
        (vec!["Ctrl-→".into()], vec!["Ctrl-←".into()])
    );
}
