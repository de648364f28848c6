//! Several runs through a model together give what each gives alone.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use attn_tui::analysis::knockout::effect;
use attn_tui::capture::{Ablator, Capture, Recorder};
use attn_tui::engine::{OpenOptions, Opened, RunOptions, Session, open};
use attn_tui::error::Error;
use attn_tui::files::ModelFiles;
use attn_tui::generate::{GenerationConfig, GenerationRun, generate_many};
use attn_tui::model::{DecoderInput, DecoderSequence, EncoderInput, EncoderSequence, Model};
use attn_tui::nn::NoHook;
use attn_tui::progress::{Progress, Unwatched, Watch};
use attn_tui::site::{Ablation, Head, Kind, Site};
use candle_core::Tensor;

use crate::parity::{files, fixtures, generate, load};

const TOLERANCE: f32 = 1e-5;

fn on(_: usize) -> Result<(), Error> {
    Ok(())
}

fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// Returns the largest difference of two slices of one length; NaN counts as infinite.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let off = |(a, b): (&f32, &f32)| if (a - b).abs().is_nan() { f32::INFINITY } else { (a - b).abs() };
    a.iter().zip(b).map(off).fold(0.0, f32::max)
}

/// Returns source and target ids for each pair of lengths, shortened to what the model has positions for.
fn texts(model: &Model, lengths: &[(usize, usize)]) -> Vec<(Vec<u32>, Vec<u32>)> {
    let ids = |count: usize, step: u32| (0..count as u32).map(|i| 5 + (i * step) % 20).collect::<Vec<_>>();
    let fits = |source: &[u32], target: &[u32]| {
        let encoded = model.encode(EncoderInput::Ids(source), &mut NoHook, &mut on)?;
        model.decode(target, 1, &encoded, None, &mut NoHook, &mut on)
    };
    let text = |&(source, target): &(usize, usize)| {
        let pairs = [1, 2, 4, 8].map(|part| (ids((source / part).max(1), 3), ids((target / part).max(1), 7)));
        pairs.into_iter().find(|(source, target)| fits(source, target).is_ok()).unwrap()
    };
    lengths.iter().map(text).collect()
}

/// Ablations of the run with this number; none of every other run.
fn ablations(run: usize) -> Vec<Ablation> {
    match run % 4 {
        1 => vec![
            Ablation::Head(Head::new(Kind::Encoder, 0, 1)),
            Ablation::Link { head: Head::new(Kind::Decoder, 0, 0), query: 3, key: 2 },
        ],
        3 => vec![Ablation::Site(Site::new(Kind::Cross, 0))],
        _ => Vec::new(),
    }
}

#[test]
fn sequences_of_all_families_go_through_a_stack_together() {
    for name in fixtures() {
        let model = load(&name).unwrap();
        let texts = texts(&model, &[(9, 1), (1, 9), (64, 33), (230, 70), (17, 12)]);
        let mut recorders: Vec<_> =
            (0..texts.len()).map(|run| Recorder::new(Ablator::new(ablations(run)))).collect();
        let sources = texts.iter().zip(&mut recorders);
        let sources =
            sources.map(|((ids, _), hook)| EncoderSequence { input: EncoderInput::Ids(ids), hook }).collect();
        let encoded = model.encode_many(sources, &mut on).unwrap();
        let targets = texts.iter().zip(&encoded).zip(&mut recorders);
        let targets = targets.map(|(((_, ids), source), hook)| DecoderSequence {
            input: DecoderInput::Ids { ids, batch: 1 },
            source,
            cache: None,
            hook,
        });
        let states = model.decode_many(targets.collect(), &mut on).unwrap();
        for (run, (((source, target), states), recorder)) in
            texts.iter().zip(&states).zip(recorders).enumerate()
        {
            let mut alone = Recorder::new(Ablator::new(ablations(run)));
            let encoded = model.encode(EncoderInput::Ids(source), &mut alone, &mut on).unwrap();
            let expected = model.decode(target, 1, &encoded, None, &mut alone, &mut on).unwrap();
            let what = format!("{name}, {} x {}", source.len(), target.len());
            let off = difference(&values(states), &values(&expected));
            assert!(off < 10.0 * TOLERANCE, "{what}: states off by {off}");
            let (maps, alone) = (recorder.finish().0, alone.finish().0);
            assert_eq!(maps.sites().count(), alone.sites().count(), "{what}");
            for (site, expected) in alone.sites() {
                let found = maps.site(site).unwrap();
                assert_eq!(found.shape(), expected.shape(), "{what} {site}");
                let off = difference(&found.data(), &expected.data());
                assert!(off < TOLERANCE, "{what} {site}: off by {off}");
            }
        }
    }
}

#[test]
fn a_pass_that_starts_at_a_later_layer_ends_like_a_whole_one() {
    for name in fixtures() {
        let model = load(&name).unwrap();
        let (source, target) = texts(&model, &[(70, 20)]).pop().unwrap();
        let mut recorder = Recorder::default().with_inputs(Some(1));
        let encoded = model.encode(EncoderInput::Ids(&source), &mut recorder, &mut on).unwrap();
        let states = model.decode(&target, 1, &encoded, None, &mut recorder, &mut on).unwrap();
        let [encoder, decoder] = recorder.take_inputs();
        let layers = if name.starts_with("recurrent") { (0, 0) } else { model.spec().layers() };
        assert_eq!((encoder.len(), decoder.len()), layers, "{name}");
        let (mut first, mut second) = (vec![NoHook; encoder.len()], vec![NoHook; decoder.len()]);
        let sources = encoder.iter().zip(&mut first);
        let sources = sources
            .map(|(input, hook)| EncoderSequence { input: EncoderInput::Layer(input), hook })
            .collect();
        for (again, input) in model.encode_many(sources, &mut on).unwrap().iter().zip(&encoder) {
            let off = difference(&values(again), &values(&encoded));
            assert!(off < 10.0 * TOLERANCE, "{name} from encoder layer {}: off by {off}", input.layer);
        }
        let targets = decoder.iter().zip(&mut second).map(|(input, hook)| DecoderSequence {
            input: DecoderInput::Layer(input),
            source: &encoded,
            cache: None,
            hook,
        });
        for (again, input) in model.decode_many(targets.collect(), &mut on).unwrap().iter().zip(&decoder) {
            let off = difference(&values(again), &values(&states));
            assert!(off < 10.0 * TOLERANCE, "{name} from decoder layer {}: off by {off}", input.layer);
        }
    }
}

fn generation_config(files: &ModelFiles, model: &Model, beams: usize) -> GenerationConfig {
    let generation = files.json("generation_config.json").unwrap();
    let mut config =
        GenerationConfig::read(generation.as_ref(), files.config().unwrap(), model.spec()).unwrap();
    config.beams = beams;
    config.max_length = 14;
    config
}

#[test]
fn texts_generated_together_are_those_generated_alone() {
    for name in fixtures() {
        let model = load(&name).unwrap();
        let files = files(&name);
        let quantised = if name == "t5" || name == "bart" { model.quantised() } else { None };
        let sources = texts(&model, &[(9, 1), (1, 1), (64, 1), (30, 1), (5, 1)]);
        for model in std::iter::once(&model).chain(&quantised) {
            let encoded: Vec<_> = sources
                .iter()
                .map(|(source, _)| model.encode(EncoderInput::Ids(source), &mut NoHook, &mut on).unwrap())
                .collect();
            // Greedy and beam search in one batch, with ablations in some.
            let configs: Vec<_> =
                [1, 3, 1, 2, 1].iter().map(|&beams| generation_config(&files, model, beams)).collect();
            let mut hooks: Vec<_> = (0..sources.len()).map(|run| Ablator::new(ablations(run))).collect();
            let mut steps = vec![0; sources.len()];
            let runs = sources.iter().zip(&encoded).zip(&configs).zip(&mut hooks);
            let runs = runs.map(|((((source, _), encoded), config), hook)| GenerationRun {
                source,
                encoded,
                config,
                hook,
            });
            let texts = generate_many(model, runs.collect(), &mut |run, _| {
                steps[run] += 1;
                Ok(())
            })
            .unwrap();
            for (run, (source, _)) in sources.iter().enumerate() {
                let mut hook = Ablator::new(ablations(run));
                let (expected, count) = generate(model, source, &encoded[run], &configs[run], &mut hook);
                assert_eq!(texts[run].ids, expected, "{name}, run {run}");
                assert_eq!(steps[run], count, "{name}, run {run}: steps");
            }
        }
    }
}

fn session(model: &str, memory: Option<usize>) -> Box<Session> {
    let options = OpenOptions { model: model.into(), offline: true, memory, ..OpenOptions::default() };
    let Opened::Model(session) = open(&options, &Unwatched).unwrap() else { panic!("a model") };
    session
}

const SENTENCES: [&str; 7] = [
    "Hello.",
    "The woman who lives near my parents is very tired.",
    "I am here.",
    "The cat sleeps in the garden behind the old house, and the dog sleeps in the kitchen.",
    "Yes.",
    "The book that the teacher gave to the children who came late is very interesting.",
    "It rains.",
];

/// Runs with and without targets, ablations, predictions and profiles.
fn runs() -> Vec<RunOptions> {
    let run = |(run, source): (usize, &&str)| RunOptions {
        source: (*source).into(),
        target: (run % 3 == 1).then(|| "La femme est fatiguée.".into()),
        beams: Some(1 + run % 2),
        max_new_tokens: Some(20),
        fast_generate: run == 4,
        predictions: run % 2 == 0,
        profiles: run != 3,
        values: run == 2,
        ablations: ablations(run),
        ..RunOptions::default()
    };
    SENTENCES.iter().enumerate().map(run).collect()
}

fn assert_same(a: &Capture, b: &Capture) {
    assert_eq!((&a.source, &a.target, &a.decoder_input), (&b.source, &b.target, &b.decoder_input));
    assert_eq!((a.predictions.len(), a.int8_target), (b.predictions.len(), b.int8_target));
    for (a, b) in a.predictions.iter().zip(&b.predictions) {
        assert!((a.probability - b.probability).abs() < TOLERANCE);
    }
    assert_eq!(a.all_heads(), b.all_heads());
    for head in a.all_heads() {
        let maps = [a, b].map(|capture| capture.map(head).unwrap());
        assert!(difference(maps[0].as_slice(), maps[1].as_slice()) < TOLERANCE, "{head}");
        let profiles = [a, b].map(|capture| capture.profile(head).unwrap().row_max.clone());
        assert!(difference(&profiles[0], &profiles[1]) < TOLERANCE, "{head}");
    }
    assert_eq!(a.values.len(), b.values.len());
    for (site, values) in &a.values {
        let norms = [&values.norms, &b.values[site].norms].map(|norms| norms.as_slice());
        assert!(difference(norms[0], norms[1]) < 1e-3, "{site}");
    }
}

#[test]
fn many_runs_give_the_captures_of_single_runs_within_the_memory() {
    for memory in [None, Some(0), Some(20_000), Some(200_000)] {
        let session = session("demo", memory);
        let mut seen = Vec::new();
        session
            .run_many(runs(), &Unwatched, |run, capture| {
                let capture = capture.unwrap();
                let held = capture.maps.held();
                assert!(memory.is_none_or(|memory| held <= memory), "{held} of {memory:?} bytes");
                assert_same(&capture, &session.run(&runs()[run], &Unwatched).unwrap());
                seen.push(run);
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, (0..SENTENCES.len()).collect::<Vec<_>>());
    }
}

#[test]
fn a_run_that_fails_leaves_the_others_alone() {
    let session = session("demo", None);
    let mut runs = runs();
    runs[1].source = "  ".into();
    runs[3].target = Some(String::new());
    let mut failed = Vec::new();
    let each = |run: usize, capture: Result<Capture, Error>| {
        failed.extend(capture.err().map(|error| (run, matches!(error, Error::Text(_)))));
        Ok(())
    };
    session.run_many(runs.clone(), &Unwatched, each).unwrap();
    assert_eq!(failed, [(1, true), (3, true)]);
    let mut done = 0;
    let stopped = session.run_many(runs, &Unwatched, |_, capture| {
        done += 1;
        capture.map(drop)
    });
    assert!(matches!(stopped, Err(Error::Text(_))) && done == 2);
    // A text that is too long for the model is found out in the pass.
    let bart = self::session("tests/fixtures/models/bart/model", None);
    let run = |words: usize| RunOptions {
        source: "a ".repeat(words),
        target: Some("a b".into()),
        ..RunOptions::default()
    };
    let mut results = Vec::new();
    let each = |_, capture: Result<Capture, Error>| {
        results.push(capture.is_ok());
        Ok(())
    };
    bart.run_many([run(2), run(5000), run(3)], &Unwatched, each).unwrap();
    assert_eq!(results, [true, false, true]);
}

/// Counts finished runs, and cancels after a number of questions.
struct Impatient {
    questions: AtomicUsize,
    progress: Mutex<Vec<Progress>>,
}

impl Watch for Impatient {
    fn progress(&self, progress: Progress) {
        self.progress.lock().unwrap().push(progress);
    }

    fn cancelled(&self) -> bool {
        self.questions.fetch_sub(1, Ordering::SeqCst) == 1
    }
}

#[test]
fn many_runs_report_progress_and_can_be_cancelled() {
    let session = session("demo", None);
    let watch = |questions| Impatient { questions: AtomicUsize::new(questions), progress: Mutex::default() };
    let patient = watch(usize::MAX);
    session.run_many(runs(), &patient, |_, capture| capture.map(drop)).unwrap();
    let expected = |done| Progress::Runs { done, total: Some(SENTENCES.len()) };
    let all: Vec<_> = (1..=SENTENCES.len()).map(expected).collect();
    assert_eq!(*patient.progress.lock().unwrap(), all);
    for questions in [1, 5, 20] {
        let mut done = 0;
        let cancelled = session.run_many(runs(), &watch(questions), |_, _| {
            done += 1;
            Ok(())
        });
        assert!(matches!(cancelled, Err(Error::Cancelled)) && done == 0);
    }
}

#[test]
fn effects_of_ablations_together_are_those_of_whole_runs() {
    let models = [
        "demo",
        "t5",
        "bart",
        "longt5-tglobal",
        "pegasus_x",
        "prophetnet",
        "switch",
        "t5gemma2",
        "bart-flags",
    ];
    let mut measured = 0;
    for name in models {
        let folder = format!("tests/fixtures/models/{name}/model");
        let model = if name == "demo" { name } else { &folder };
        for memory in [None, Some(0), Some(30_000)] {
            let options =
                OpenOptions { model: model.into(), offline: true, memory, ..OpenOptions::default() };
            let Ok(Opened::Model(session)) = open(&options, &Unwatched) else { continue };
            let run = RunOptions {
                source: "the woman who lives near my parents is tired".into(),
                target: Some("la femme est fatiguée".into()),
                logits: true,
                ..RunOptions::default()
            };
            let source = session.source(&run).unwrap();
            let (base, intact) = session.run_intact(&source, &run, &Unwatched).unwrap();
            let logits = base.logits.clone().unwrap();
            let heads = base.all_heads().into_iter().map(Ablation::Head);
            let mut variants: Vec<Vec<Ablation>> = heads.map(|part| vec![part]).collect();
            variants.push(vec![Ablation::Site(Site::new(Kind::Encoder, 1))]);
            variants.push(Vec::new());
            variants.push(vec![
                Ablation::Head(Head::new(Kind::Encoder, 1, 0)),
                Ablation::Link { head: Head::new(Kind::Cross, 0, 1), query: 1, key: 2 },
            ]);
            let effects = session.ablation_effects(&intact, &logits, &variants, None, &Unwatched).unwrap();
            assert_eq!(effects.len(), variants.len());
            for (variant, found) in variants.iter().zip(effects) {
                let run = RunOptions { ablations: variant.clone(), ..run.clone() };
                let after = session.run(&run, &Unwatched).unwrap().logits.unwrap();
                let expected = effect(&logits, &after, &base.target.ids()).unwrap();
                assert_eq!(found.best_after, expected.best_after, "{name} {variant:?}");
                assert!(difference(&found.after, &expected.after) < TOLERANCE, "{name} {variant:?}");
                assert!(
                    difference(&found.divergence, &expected.divergence) < TOLERANCE,
                    "{name} {variant:?}"
                );
                let ablated = session.run_ablated(&intact, &run, &Unwatched).unwrap();
                let log: Vec<_> = ablated.forced.iter().map(|row| row.probability.ln()).collect();
                assert!(difference(&log, &expected.after) < 1e-4, "{name} {variant:?}");
                measured += 1;
            }
        }
    }
    assert!(measured > 200, "{measured} ablations");
}
