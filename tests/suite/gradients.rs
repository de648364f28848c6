//! Gradients agree with Captum and PyTorch on transformers' models (`tests/fixtures/make_gradients.py`), and the
//! passes that they come from with the fast ones.

use attn_tui::analysis::attribution::{Attribution, AttributionMethod};
use attn_tui::analysis::patching::{ActivationKind, PatchEffects};
use attn_tui::axis::AxisItem;
use attn_tui::capture::Capture;
use attn_tui::engine::{
    AttributionOptions, EmbeddingBaseline, EstimatedPatches, PatchOptions, Session, Source,
};
use attn_tui::error::Error;
use attn_tui::model::{DecoderInput, DecoderSequence, EncoderInput, LayerByLayer, Model};
use attn_tui::nn::{LayerInput, NoHook};
use attn_tui::progress::Unwatched;
use attn_tui::site::{Head, Kind};
use candle_core::{Device, Tensor, Var};
use serde_json::Value;

use crate::evidence::{MODELS, assert_near, base, base_of, fixtures, numbers, session, session_within};

fn reference(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../fixtures/gradients.json")).unwrap();
    all[name].clone()
}

fn attribute(
    session: &Session,
    reference: &Value,
    method: AttributionMethod,
    options: AttributionOptions,
) -> Attribution {
    let (base, source) = base_of(reference);
    session.attribution(&base, &source, method, options, &Unwatched).unwrap()
}

/// The scores of every row, those of the source first.
fn rows_of(found: &Attribution) -> Vec<f32> {
    let rows = 0..found.source.rows();
    let prefix = |row| found.prefix.as_ref().map_or(&[][..], |prefix| prefix.row(row));
    rows.flat_map(|row| [found.source.row(row), prefix(row)].concat()).collect()
}

/// Asserts that scores differ by at most 1e-3 of the largest.
fn assert_scores(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let largest = theirs.iter().fold(0f32, |largest, score| largest.max(score.abs()));
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!((ours - theirs).abs() <= 1e-3 * largest, "{what}[{at}]: {ours}, the reference has {theirs}");
    }
}

#[test]
fn attributions_agree_with_captum() {
    for name in MODELS {
        let (reference, session) = (reference(name), session(name));
        for (method, key) in [
            (AttributionMethod::Saliency, "saliency"),
            (AttributionMethod::InputGradient, "input_x_gradient"),
            (AttributionMethod::AttentionGradient(None), "attention_x_gradient"),
            (AttributionMethod::Relevance, "relevance"),
        ] {
            let found = attribute(&session, &reference, method, AttributionOptions::default());
            assert_scores(&rows_of(&found), &numbers(&reference[key]), &format!("{name} {key}"));
            assert_eq!(found.completeness_error, None, "{name} {key}");
        }
        // Fifty passes a row: one row is enough.
        let options = AttributionOptions { span: Some(3..4), ..AttributionOptions::default() };
        let found = attribute(&session, &reference, AttributionMethod::IntegratedGradients, options);
        let theirs = numbers(&reference["integrated_gradients"]);
        let ours = rows_of(&found);
        assert_scores(
            &ours,
            &theirs[3 * ours.len()..][..ours.len()],
            &format!("{name} integrated_gradients"),
        );
        assert!(found.completeness_error.is_some(), "{name}");
    }
}

#[test]
fn the_mean_over_heads_is_that_of_the_heads() {
    let (reference, session) = (reference("bart"), session("bart"));
    let scores = |head| {
        let method = AttributionMethod::AttentionGradient(head);
        rows_of(&attribute(&session, &reference, method, AttributionOptions::default()))
    };
    let (layers, heads) = (session.info().layers.1, session.info().heads.1);
    let mut sum = vec![0f32; numbers(&reference["attention_x_gradient"]).len()];
    for (layer, head) in (0..layers).flat_map(|layer| (0..heads).map(move |head| (layer, head))) {
        let one = scores(Some(Head::new(Kind::Cross, layer, head)));
        sum.iter_mut().zip(one).for_each(|(sum, score)| *sum += score / (layers * heads) as f32);
    }
    assert_scores(&sum, &scores(None), "mean");
    let (base, source) = base_of(&reference);
    let absent = AttributionMethod::AttentionGradient(Some(Head::new(Kind::Cross, layers, 0)));
    let found = session.attribution(&base, &source, absent, AttributionOptions::default(), &Unwatched);
    assert!(matches!(found, Err(Error::NoSuchHead(_))), "{found:?}");
}

#[test]
fn the_importance_of_heads_agrees_with_pytorch() {
    for name in MODELS {
        let reference = reference(name);
        let (base, _) = base_of(&reference);
        let heads = session(name).head_importance(&base, &Unwatched).unwrap();
        assert!(heads.is_sorted_by_key(|(head, _)| *head), "{name}");
        let values: Vec<f32> = heads.iter().map(|(_, value)| *value).collect();
        assert_scores(&values, &numbers(&reference["importance"]), name);
    }
}

#[test]
fn estimates_of_patching_agree_with_pytorch() {
    for name in MODELS {
        let (reference, session) = (reference(name), session(name));
        let (clean, _) = base_of(&reference);
        let corrupt: Vec<u32> = numbers(&reference["corrupt"]).iter().map(|&id| id as u32).collect();
        let (all, options) = (0..clean.target.len(), PatchOptions::default());
        let estimate = |corrupt: &[u32], kind| {
            let runs = EstimatedPatches { clean: &clean, corrupt, rows: all.clone(), options: &options };
            session.estimate_patching(&runs, kind, &Unwatched)
        };
        let heads = |corrupt: &[u32]| estimate(corrupt, ActivationKind::Heads).unwrap();
        let found = heads(&corrupt);
        let changes: Vec<f32> = found.changes.iter().map(|(_, change)| *change).collect();
        assert_scores(&changes, &numbers(&reference["patching"]), name);
        let measured = session.patch(&clean, &corrupt, ActivationKind::Heads, &options, &Unwatched).unwrap();
        let measured = measured.effects(all.clone());
        assert_near(&[found.clean, found.corrupt], &[measured.clean, measured.corrupt], name);
        let names =
            |effects: &PatchEffects| effects.changes.iter().map(|(what, _)| *what).collect::<Vec<_>>();
        assert_eq!(names(&found), names(&measured), "{name}");
        // In a source of another length, encoder heads are patched where it has the same tokens.
        let ids = clean.source.ids();
        assert_eq!(heads(&ids[1..]).changes.len(), changes.len(), "{name}");
        assert!(heads(&ids).changes.iter().all(|(_, change)| change.abs() < 1e-3), "{name}");
        let blocks = estimate(&corrupt, ActivationKind::Mlp);
        assert!(matches!(blocks, Err(Error::Usage(_))), "{name}: {blocks:?}");
    }
}

#[test]
fn the_sum_of_rows_has_the_sum_of_gradients() {
    let (reference, session) = (reference("t5"), session("t5"));
    let scores = |options| attribute(&session, &reference, AttributionMethod::InputGradient, options);
    let all = scores(AttributionOptions::default());
    let span = scores(AttributionOptions { span: Some(2..5), ..AttributionOptions::default() });
    assert_eq!(span.source.rows(), 1);
    assert_scores(&rows_of(&span), &rows_of(&all.summed(2..5)), "span");
    let (base, source) = base_of(&reference);
    for span in [3..3, 5..base.target.len() + 1] {
        let options = AttributionOptions { span: Some(span), ..AttributionOptions::default() };
        for method in [AttributionMethod::Saliency, AttributionMethod::Occlusion] {
            let found = session.attribution(&base, &source, method, options.clone(), &Unwatched);
            assert!(matches!(found, Err(Error::Usage(_))), "{found:?}");
        }
    }
}

#[test]
fn a_contrast_has_the_difference_of_gradients() {
    let session = session("marian");
    let scores = |target: Option<u32>, contrast| {
        let mut reference = reference("marian");
        if let Some(token) = target {
            let count = reference["target"].as_array().unwrap().len();
            reference["target"] = vec![token; count].into();
        }
        let options = AttributionOptions { contrast, ..AttributionOptions::default() };
        rows_of(&attribute(&session, &reference, AttributionMethod::InputGradient, options))
    };
    let (own, other, both) = (scores(None, None), scores(Some(9), None), scores(None, Some(9)));
    let difference: Vec<_> = own.iter().zip(&other).map(|(a, b)| a - b).collect();
    assert_scores(&both, &difference, "contrast");
}

#[test]
fn integrated_gradients_add_up_in_every_family() {
    let base = base(&[5, 6, 7, 8, 9, 10, 11], &[2, 5, 6], &[5, 6, 7]);
    let source = Source::tokens(base.source.clone());
    for name in [
        "t5-flags",
        "mbart",
        "led",
        "longt5-tglobal",
        "t5gemma",
        "t5gemma2",
        "fsmt",
        "bigbird_pegasus",
        "encoder-decoder-bert-bert",
        "mvp-prompt",
    ] {
        let session = session(name);
        let error = |baseline, steps| {
            let options =
                AttributionOptions { baseline, steps, span: Some(1..2), ..AttributionOptions::default() };
            let method = AttributionMethod::IntegratedGradients;
            let found = session.attribution(&base, &source, method, options, &Unwatched);
            found.unwrap().completeness_error.unwrap()
        };
        let (coarse, fine) = (error(EmbeddingBaseline::Unknown, 2), error(EmbeddingBaseline::Unknown, 64));
        assert!(fine < 0.01 || fine < coarse / 20.0, "{name}: {coarse}, {fine}");
    }
}

/// Loads a fixture model.
pub fn model(name: &str) -> Model {
    let folder = fixtures().join("models").join(name).join("model");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), attn_tui::files::ModelFile::Path(entry.path()))
    });
    let files = attn_tui::files::ModelFiles::new(name, None, files);
    Model::load(&files, &Device::Cpu, &Unwatched).unwrap()
}

/// Runs a stack layer by layer on differentiable embeddings.
fn climb(model: &dyn LayerByLayer, stack: Kind, ids: &[u32], source: Option<&Tensor>) -> Tensor {
    let embeddings = Var::from_tensor(&model.token_embeddings(stack, ids).unwrap()).unwrap();
    let mut states = model.enter(stack, embeddings.as_tensor(), ids).unwrap();
    for layer in 0..model.layers(stack) {
        let input = LayerInput { layer, states, extra: None };
        states = model.layer(stack, &input, source, &mut NoHook).unwrap();
        assert!(states.track_op(), "layer {layer} of the {stack} left the graph");
    }
    model.leave(stack, &states).unwrap()
}

#[test]
fn differentiable_passes_agree_with_fast_ones() {
    for name in MODELS {
        let (base, _) = base_of(&reference(name));
        let ids = base.source.ids();
        let fed: Vec<u32> = base.decoder_input.iter().filter_map(AxisItem::token_id).collect();
        let model = model(name);
        let encoded = model.encode(EncoderInput::Ids(&ids), &mut NoHook, &mut |_| Ok(())).unwrap();
        let input = DecoderInput::Ids { ids: &fed, batch: 1 };
        let sequence = DecoderSequence { input, source: &encoded, cache: None, hook: &mut NoHook };
        let states = model.decode_many(vec![sequence], &mut |_| Ok(())).unwrap();
        let fast = model.logits(&states[0]).unwrap();
        let layers = model.layer_by_layer().unwrap();
        let source = climb(layers, Kind::Encoder, &ids, None);
        let states = climb(layers, Kind::Decoder, &fed, Some(&source));
        let slow = layers.map_to_vocabulary(&states).unwrap();
        let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_near(&values(&slow), &values(&fast), name);
    }
}

#[test]
fn models_and_limits_that_do_not_fit_are_refused() {
    let (base, source) = base_of(&reference("t5"));
    let found = |session: &Session, base: &Capture| {
        let method = AttributionMethod::Saliency;
        session.attribution(base, &source, method, AttributionOptions::default(), &Unwatched)
    };
    for name in ["recurrent", "prophetnet", "switch"] {
        let found = found(&session(name), &base);
        assert!(matches!(found, Err(Error::NotForModel { .. })), "{name}: {found:?}");
    }
    let error = found(&session_within("t5", Some(20_000)), &base).unwrap_err();
    let Error::Memory { needed, limit: 20_000, .. } = error else { panic!("{error}") };
    assert!(error.hint().unwrap().contains("--memory"), "{error}");
    // What the error asks for is enough.
    let enough = session_within("t5", Some(needed as usize));
    let all = found(&session("t5"), &base).unwrap();
    assert_eq!(found(&enough, &base).unwrap(), all);
}
