//! Occlusion, value zeroing, logit lens and direct logit attribution agree with transformers with hooks
//! (`tests/fixtures/make_evidence.py`).

use std::path::{Path, PathBuf};

use attn_tui::analysis::attribution::AttributionMethod;
use attn_tui::axis::{AxisItem, Sequence};
use attn_tui::capture::{Capture, MapStore, MapWeights};
use attn_tui::engine::{AttributionOptions, Masking, OpenOptions, Opened, Session, Source, open};
use attn_tui::error::Error;
use attn_tui::matrix::Matrix;
use attn_tui::progress::Unwatched;
use attn_tui::site::Kind;
use serde_json::Value;

pub const MODELS: [&str; 5] = ["t5", "bart", "marian", "m2m_100", "pegasus"];

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub fn session(name: &str) -> Session {
    session_within(name, None)
}

/// A session with a memory limit.
pub fn session_within(name: &str, memory: Option<usize>) -> Session {
    let folder = |name: &str| fixtures().join("models").join(name).join("model");
    let own = folder(name).join("tokenizer_config.json").exists();
    let options = OpenOptions {
        model: folder(name).to_str().unwrap().into(),
        tokenizer: (!own).then(|| folder("t5").to_str().unwrap().into()),
        offline: true,
        threads: Some(2),
        memory,
        ..OpenOptions::default()
    };
    match open(&options, &Unwatched).unwrap() {
        Opened::Model(session) => *session,
        Opened::Capture(_) => panic!("{name} is a capture"),
    }
}

fn reference(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../fixtures/evidence.json")).unwrap();
    all[name].clone()
}

pub fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn tokens(ids: &[u32]) -> Vec<AxisItem> {
    ids.iter().map(|&id| AxisItem::token(id, id.to_string(), false)).collect()
}

/// A run without maps on these ids.
pub fn base(source: &[u32], fed: &[u32], target: &[u32]) -> Capture {
    let sequence = |ids: &[u32]| Sequence { text: String::new(), items: tokens(ids) };
    Capture {
        model: String::new(),
        model_type: String::new(),
        architecture: Default::default(),
        source: sequence(source),
        target: sequence(target),
        decoder_input: tokens(fed),
        predictions: Vec::new(),
        logits: None,
        maps: MapStore::default(),
        values: Default::default(),
        weights: MapWeights::Attention,
        int8_target: false,
        beams: Vec::new(),
        session: None,
        sampled: None,
        sound: None,
        alignment_heads: Vec::new(),
        media: None,
        picture: None,
        notes: Vec::new(),
    }
}

/// The run of a reference.
pub fn base_of(reference: &Value) -> (Capture, Source) {
    let [source, fed, target] = ["source", "fed", "target"]
        .map(|key| numbers(&reference[key]).iter().map(|&id| id as u32).collect::<Vec<_>>());
    let base = base(&source, &fed, &target);
    let source = Source::tokens(base.source.clone());
    (base, source)
}

pub fn assert_near(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let gap = (ours - theirs).abs() / theirs.abs().max(1.0);
        assert!(gap <= 1e-4, "{what}[{at}]: {ours}, transformers gives {theirs}");
    }
}

#[test]
fn occlusion_and_value_zeroing_agree_with_transformers() {
    for name in MODELS {
        let reference = reference(name);
        let (base, source) = base_of(&reference);
        let session = session(name);
        let attribute = |method, masking| {
            let options = AttributionOptions { masking, ..AttributionOptions::default() };
            session.attribution(&base, &source, method, options, &Unwatched).unwrap()
        };
        let near = |ours: &Matrix, key: &str| {
            assert_near(ours.as_slice(), &numbers(&reference[key]), &format!("{name} {key}"));
        };
        let occluded = attribute(AttributionMethod::Occlusion, Masking::Unknown);
        near(&occluded.source, "occlusion_source");
        near(occluded.prefix.as_ref().unwrap(), "occlusion_prefix");
        let zeroed = attribute(AttributionMethod::ValueZeroing, Masking::Unknown);
        near(&zeroed.source, "zeroing_source");
        near(zeroed.prefix.as_ref().unwrap(), "zeroing_prefix");
        let removed = attribute(AttributionMethod::Occlusion, Masking::Removed);
        assert!(removed.prefix.is_none() && removed.source != occluded.source, "{name}");
    }
}

#[test]
fn a_contrast_is_the_difference_of_two_tokens() {
    let reference = reference("bart");
    let (base, source) = base_of(&reference);
    let session = session("bart");
    let against = |target: &[u32], contrast| {
        let ids: Vec<u32> = base.decoder_input.iter().filter_map(AxisItem::token_id).collect();
        let base = self::base(&base.source.ids(), &ids, target);
        let options = AttributionOptions { contrast, ..AttributionOptions::default() };
        let found = session.attribution(&base, &source, AttributionMethod::Occlusion, options, &Unwatched);
        found.unwrap().source
    };
    let (own, other) = (base.target.ids(), vec![9; base.target.len()]);
    let (plain, rival, both) = (against(&own, None), against(&other, None), against(&own, Some(9)));
    let difference: Vec<_> = plain.as_slice().iter().zip(rival.as_slice()).map(|(a, b)| a - b).collect();
    assert_near(both.as_slice(), &difference, "contrast");
}

#[test]
fn the_logit_lens_agrees_with_transformers() {
    for name in MODELS {
        let reference = reference(name);
        let (base, source) = base_of(&reference);
        let layers = session(name).lens(&base, &source, &Unwatched).unwrap();
        let all: Vec<_> = layers.into_iter().flatten().collect();
        let logp: Vec<_> = all.iter().map(|found| found.target_probability.ln()).collect();
        assert_near(&logp, &numbers(&reference["lens_logp"]), name);
        let top: Vec<_> = all.iter().map(|found| found.top as f32).collect();
        let rank: Vec<_> = all.iter().map(|found| found.target_rank as f32).collect();
        assert_eq!(
            (top, rank),
            (numbers(&reference["lens_top"]), numbers(&reference["lens_rank"])),
            "{name}"
        );
    }
}

#[test]
fn direct_logits_agree_with_transformers_and_add_up() {
    for name in MODELS {
        let reference = reference(name);
        let (base, source) = base_of(&reference);
        let direct = session(name).direct_logits(&base, &source, &Unwatched).unwrap();
        let near = |ours: &[f32], key: &str| {
            assert_near(ours, &numbers(&reference[key]), &format!("{name} {key}"));
        };
        near(&direct.logit, "logit");
        near(&direct.embedding, "embedding");
        near(&direct.bias, "bias");
        near(&direct.ffn.concat(), "ffn");
        for (kind, key) in [(Kind::Decoder, "self_attn"), (Kind::Cross, "cross")] {
            let heads = direct.heads.iter().filter(|(head, _)| head.kind() == kind);
            near(&heads.flat_map(|(_, rows)| rows.clone()).collect::<Vec<_>>(), key);
        }
        assert!(direct.largest_gap() < 1e-4, "{name}: {}", direct.largest_gap());
    }
}

#[test]
fn models_that_the_analyses_do_not_fit_are_refused() {
    let base = base(&[5, 6, 7], &[2, 5], &[5, 6]);
    let source = Source::tokens(base.source.clone());
    for (name, lens, direct) in [
        ("recurrent", false, false),
        ("prophetnet", false, false),
        ("encoder-decoder-bert-bert", true, false),
        ("t5gemma", true, false),
        ("t5gemma2", true, false),
        ("mvp-prompt", true, true),
        ("switch", true, true),
    ] {
        let session = session(name);
        let found = session.lens(&base, &source, &Unwatched);
        assert!(matches!(&found, Err(Error::NotForModel { .. })) != lens, "{name}: {found:?}");
        let method = AttributionMethod::ValueZeroing;
        let found = session.attribution(&base, &source, method, AttributionOptions::default(), &Unwatched);
        let zeroes = !["recurrent", "prophetnet"].contains(&name);
        assert!(matches!(&found, Err(Error::NotForModel { .. })) != zeroes, "{name}: {found:?}");
        if let Ok(found) = found {
            assert!(found.source.as_slice().iter().any(|loss| loss.abs() > 1e-4), "{name}: no source counts");
        }
        let found = session.direct_logits(&base, &source, &Unwatched);
        match (&found, direct) {
            (Ok(found), true) => assert!(found.largest_gap() < 1e-3, "{name}: {}", found.largest_gap()),
            (found, direct) => {
                assert!(!direct && matches!(found, Err(Error::NotForModel { .. })), "{name}: {found:?}");
            }
        }
    }
}
