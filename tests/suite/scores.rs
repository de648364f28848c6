//! Attention scores: their softmax equals the maps of a pass that recorded the maps themselves.

use std::path::Path;
use std::sync::Arc;

use attn_tui::axis::{AxisItem, Sequence};
use attn_tui::capture::{Ablator, Capture, MapWeights, Recorder, Score};
use attn_tui::engine::{Event, Request};
use attn_tui::files::{ModelFile, ModelFiles};
use attn_tui::model::{EncoderInput, Model};
use attn_tui::progress::Unwatched;
use attn_tui::site::{Ablation, Kind, Site};
use attn_tui::tui::action::{Action, Effect};
use candle_core::Device;

use crate::made;
use crate::screens::{Driver, screen_text};

const SOURCE: [u32; 7] = [5, 9, 12, 7, 20, 6, 1];
const FED: [u32; 5] = [0, 8, 11, 6, 14];

fn run(name: &str, scores: bool, ablations: Vec<Ablation>) -> Capture {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models").join(name).join("model");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), ModelFile::Path(entry.path()))
    });
    let files = ModelFiles::new(name, None, files);
    let model = Model::load(&files, &Device::Cpu, &Unwatched).unwrap();
    let mut recorder = Recorder::new(Ablator::new(ablations)).with_scores(scores);
    let encoded = model.encode(EncoderInput::Ids(&SOURCE), &mut recorder, &mut |_| Ok(())).unwrap();
    model.decode(&FED, 1, &encoded, None, &mut recorder, &mut |_| Ok(())).unwrap();
    let (maps, values) = recorder.finish();
    let tokens = |ids: &[u32]| -> Vec<AxisItem> {
        ids.iter().map(|&id| AxisItem::token(id, format!("▁t{id}"), false)).collect()
    };
    Capture {
        model: name.into(),
        model_type: name.into(),
        architecture: Default::default(),
        source: Sequence { text: "s".into(), items: tokens(&SOURCE) },
        target: Sequence { text: "t".into(), items: tokens(&FED) },
        decoder_input: tokens(&FED),
        predictions: Vec::new(),
        logits: None,
        maps,
        values,
        weights: MapWeights::Attention,
        media: None,
        picture: None,
        int8_target: false,
        beams: Vec::new(),
        session: None,
        sampled: None,
        sound: None,
        alignment_heads: Vec::new(),
        notes: Vec::new(),
    }
}

fn softmax(row: &[f32]) -> Vec<f32> {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp: Vec<f64> = row.iter().map(|score| f64::from(score - max).exp()).collect();
    let sum: f64 = exp.iter().sum();
    exp.iter().map(|value| (value / sum) as f32).collect()
}

#[test]
fn the_softmax_of_the_scores_is_the_map() {
    for name in ["marian", "bart", "t5", "t5-v1_1", "t5gemma", "longt5-local"] {
        let (kept, maps) = (run(name, true, Vec::new()), run(name, false, Vec::new()));
        for head in maps.all_heads() {
            let (scores, map) = (kept.scores(head).unwrap(), maps.map(head).unwrap());
            assert_eq!((scores.rows(), scores.cols()), (map.rows(), map.cols()));
            for row in 0..map.rows() {
                for (key, (made, weight)) in softmax(scores.row(row)).iter().zip(map.row(row)).enumerate() {
                    assert!((made - weight).abs() <= 1e-6, "{name} {head} {row} {key}: {made}, not {weight}");
                    let at = format!("{name} {head} {row} {key}");
                    let (score, ahead) = (scores.row(row)[key], head.kind() == Kind::Decoder && key > row);
                    assert_eq!(score == f32::NEG_INFINITY, *weight == 0.0, "{at}");
                    // local attention masks distant keys, too
                    assert!(score.is_finite() != ahead || name == "longt5-local", "{at}");
                }
            }
            // the same map, recomputed
            for (again, weight) in kept.map(head).unwrap().as_slice().iter().zip(map.as_slice()) {
                assert!((again - weight).abs() <= 1e-6, "{name} {head}");
            }
        }
    }
}

#[test]
fn a_position_bias_is_what_the_content_leaves() {
    let t5 = run("t5", true, Vec::new());
    for head in t5.all_heads() {
        let parts = t5.score_parts(head).unwrap();
        assert_eq!(parts.bias.is_some(), head.kind() != Kind::Cross, "{head}");
        assert_eq!(t5.has_bias(head.site), parts.bias.is_some());
        let Some(bias) = parts.bias else {
            assert!(t5.score(head, Score::Bias).unwrap_err().to_string().contains("no position bias"));
            continue;
        };
        let whole = t5.scores(head).unwrap();
        let cells = || (0..whole.rows()).flat_map(|row| (0..whole.cols()).map(move |key| (row, key)));
        for (row, key) in cells().filter(|&(row, key)| whole.row(row)[key].is_finite()) {
            let left = whole.row(row)[key] - parts.content.row(row)[key];
            assert!((left - bias.row(row)[key]).abs() <= 1e-5, "{head} {row} {key}");
            // the bias depends only on the distance, and every layer uses the first one's
            if row > 0 && key > 0 {
                assert_eq!(bias.row(row)[key], bias.row(row - 1)[key - 1], "{head} {row} {key}");
            }
        }
        assert!(bias.as_slice().iter().any(|&value| value.is_finite() && value != 0.0), "{head}");
        let first = Site::new(head.kind(), 0).head(head.head);
        assert_eq!(t5.score(first, Score::Bias).unwrap(), bias);
    }
    let marian = run("marian", true, Vec::new());
    let head = Site::new(Kind::Encoder, 0).head(0);
    assert_eq!(marian.score_parts(head).unwrap().bias, None);
}

#[test]
fn missing_scores_are_explained() {
    let encoder = Site::new(Kind::Encoder, 0);
    let why = |capture: &Capture| capture.scores(encoder.head(0)).unwrap_err().to_string();
    assert!(why(&run("marian", false, Vec::new())).contains("the maps alone"));
    assert!(why(&run("longt5-tglobal", true, Vec::new())).contains("summaries"));
    assert!(run("t5", true, Vec::new()).scores(encoder.head(99)).unwrap_err().to_string().contains("heads"));
}

#[test]
fn scores_are_there_where_something_is_switched_off() {
    let head = Site::new(Kind::Encoder, 0).head(0);
    let scores = |ablations: Vec<Ablation>| run("marian", true, ablations).scores(head).unwrap();
    let whole = scores(Vec::new());
    // the ablation of a head takes effect after the softmax
    assert_eq!(scores(vec![Ablation::Site(head.site)]), whole);
    let cut = scores(vec![Ablation::Link { head, query: 1, key: 0 }]);
    for (row, key) in (0..whole.rows()).flat_map(|row| (0..whole.cols()).map(move |key| (row, key))) {
        let expected = if (row, key) == (1, 0) { f32::NEG_INFINITY } else { whole.row(row)[key] };
        assert_eq!(cut.row(row)[key], expected, "{row} {key}");
    }
}

#[test]
fn the_map_walks_through_scores_content_and_bias() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press("S<enter>");
    let Some(Effect::Ask(Request::Run(asked))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    assert!(asked.scores);
    let t5 = Arc::new(run("t5", true, Vec::new()));
    driver.act(Action::Engine(Event::Captured(t5.clone())));
    driver.press(":encoder 0.1<enter><right>");
    let head = Site::new(Kind::Encoder, 0).head(1);
    assert_eq!(driver.app.selection.head, head);
    let (query, key) = (driver.app.selection.query(), driver.app.selection.key());
    for (score, said) in [
        (Score::Whole, "scores before the softmax"),
        (Score::Content, "content part of the scores"),
        (Score::Bias, "position bias of the scores"),
    ] {
        assert_eq!(driver.app.views.map.score, Some(score));
        let screen = screen_text(&driver.draw());
        let number = t5.score(head, score).unwrap().get(query, key).unwrap();
        assert!(screen.contains(&format!(": {number:.4}")) && screen.contains(said), "{screen}");
        assert!(screen.contains("highest scores"), "{screen}");
        driver.press("S");
    }
    assert_eq!(driver.app.views.map.score, None);
    assert!(screen_text(&driver.draw()).contains("strongest keys"));
    // cross-attention has no position bias, and the screen says so
    driver.press("SSS:cross 0.1<enter>");
    assert!(screen_text(&driver.draw()).contains("cross.0 has no position bias"));
    // other views show weights
    driver.press("2");
    assert_eq!(driver.app.scored(), None);
}

#[test]
fn a_model_without_scores_says_so() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press("S<enter>");
    driver.act(Action::Engine(Event::Captured(made::sentence())));
    assert_eq!(driver.app.views.map.score, None);
    assert!(driver.app.notice.as_ref().unwrap().contains("no scores were kept"));
}
