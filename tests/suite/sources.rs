//! Runs of sources that a front end has turned into states.

use attn_tui::axis::Sequence;
use attn_tui::capture::Capture;
use attn_tui::engine::{OpenOptions, Opened, RunOptions, Session, Source, open};
use attn_tui::error::Error;
use attn_tui::hub::{self, HubOptions, Located};
use attn_tui::model::Model;
use attn_tui::progress::Unwatched;
use attn_tui::site::{Ablation, Head, Kind};
use candle_core::{Device, Tensor};

fn demo() -> Box<Session> {
    let options = OpenOptions { model: "demo".into(), offline: true, ..OpenOptions::default() };
    let Opened::Model(session) = open(&options, &Unwatched).unwrap() else { panic!("a model") };
    session
}

/// Embeds tokens as the demo model does, `[1, ids, d_model]`.
fn embed(ids: &[u32]) -> Tensor {
    let located = hub::locate(None, "demo", &HubOptions::default(), &Unwatched).unwrap();
    let Located::Model(files) = located else { panic!("a model") };
    Model::load(&files, &Device::Cpu, &Unwatched).unwrap().embed_source(ids).unwrap()
}

fn assert_same(a: &Capture, b: &Capture) {
    assert_eq!((&a.source, &a.target, &a.decoder_input), (&b.source, &b.target, &b.decoder_input));
    assert_eq!(a.predictions, b.predictions);
    assert_eq!(a.all_heads(), b.all_heads());
    for head in a.all_heads() {
        assert_eq!(a.map(head).unwrap(), b.map(head).unwrap(), "{head}");
        assert_eq!(a.profile(head).unwrap().received, b.profile(head).unwrap().received, "{head}");
    }
}

#[test]
fn states_with_their_items_run_as_the_text_that_they_come_from() {
    let session = demo();
    let run = RunOptions {
        source: "The woman who lives near my parents is very tired.".into(),
        predictions: true,
        profiles: true,
        ..RunOptions::default()
    };
    let text = session.source(&run).unwrap();
    let states = embed(&text.sequence().ids());
    let states = Source::states(text.sequence().clone(), states).unwrap();
    let nothing = RunOptions { source: String::new(), ..run.clone() };
    let capture = session.run(&run, &Unwatched).unwrap();
    assert_same(&capture, &session.run_source(&states, &nothing, &Unwatched).unwrap());
    let [text, states] =
        [&text, &states].map(|source| session.run_intact(source, &run, &Unwatched).unwrap().1);
    let off = RunOptions { ablations: vec![Ablation::Head(Head::new(Kind::Cross, 1, 0))], ..run };
    let [a, b] = [text, states].map(|intact| session.run_ablated(&intact, &off, &Unwatched).unwrap());
    assert!(a.forced != capture.predictions);
    assert_eq!((a.forced, a.generated), (b.forced, b.generated));
}

#[test]
fn every_position_of_states_has_an_item() {
    let session = demo();
    let run = RunOptions { source: "I am here.".into(), ..RunOptions::default() };
    let mut sequence = session.source(&run).unwrap().sequence().clone();
    let states = embed(&sequence.ids());
    sequence.items.pop();
    for sequence in [sequence, Sequence::default()] {
        assert!(matches!(Source::states(sequence, states.clone()), Err(Error::Text(_))));
    }
}
