//! Times opening a model, running it with everything recorded, and generating: `cargo bench --bench passes`.
//! The demo model, and a folder or hub id given as an argument (`-- FOLDER`) or in
//! `ATTN_TUI_BENCH_MODEL`. Each figure is the median of some runs after one that warms up.

use std::time::Instant;

use attn_tui::engine::{self, OpenOptions, Opened, RunOptions, Session};
use attn_tui::hub::Hub;
use attn_tui::progress::Unwatched;
use attn_tui::site::Ablation;

const ROUNDS: usize = 7;
const NEW_TOKENS: usize = 64;

fn main() {
    attn_tui::sys::keep_freed_memory();
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let named = named.or_else(|| std::env::var("ATTN_TUI_BENCH_MODEL").ok());
    println!("# {} threads, {}", engine::threads(None), engine::kernels());
    for model in ["demo".to_string()].into_iter().chain(named) {
        measure(&model);
    }
}

fn measure(model: &str) {
    println!("{model}: open {:.1} ms", median(|| drop(open(model))));
    let session = open(model);
    many(model, &session);
    knock_outs(model, &session);
    for copies in [1, 8, 32] {
        let source = vec![session.info().example.clone(); copies].join(" ");
        let run = RunOptions { source, max_new_tokens: Some(NEW_TOKENS), ..RunOptions::default() };
        let Ok((capture, _)) = session.measure(&run, 1, &Unwatched) else { continue };
        let (source, target) = (capture.source.len(), capture.target.len());
        let ms = median_of(|| time(&session, &run).1);
        println!("{model}: forward and capture {source} x {target}: {ms:.1} ms");
        for (what, beams, fast_generate) in [
            ("greedy", 1, false),
            ("greedy, 8 bits", 1, true),
            ("4 beams", 4, false),
            ("4 beams, 8 bits", 4, true),
        ] {
            let run = RunOptions { beams: Some(beams), fast_generate, ..run.clone() };
            let Ok((capture, _)) = session.measure(&run, 1, &Unwatched) else { continue };
            let tokens = capture.target.len();
            let ms = median_of(|| time(&session, &run).0);
            let rate = tokens as f64 / ms * 1e3;
            println!("{model}: decode {source} x {tokens}, {what}: {ms:.1} ms, {rate:.0} tokens/s");
        }
    }
}

/// Times runs of many short sources, one by one and together, with and without a target.
fn many(model: &str, session: &Session) {
    const RUNS: usize = 64;
    let words: Vec<&str> = session.info().example.split(' ').collect();
    for (what, target) in [("given", Some(session.info().example.clone())), ("generated", None)] {
        let run = |at: usize| RunOptions {
            source: words[..words.len() - at % 3].join(" "),
            target: target.clone(),
            beams: Some(1),
            max_new_tokens: Some(NEW_TOKENS / 4),
            ..RunOptions::default()
        };
        let runs: Vec<_> = (0..RUNS).map(run).collect();
        let alone = median(|| {
            for run in &runs {
                session.run(run, &Unwatched).expect("a run of the model's example");
            }
        });
        let together = median(|| {
            let done = session.run_many(runs.clone(), &Unwatched, |_, capture| capture.map(drop));
            done.expect("runs of the model's example");
        });
        println!("{model}: {RUNS} runs, targets {what}: one by one {alone:.1} ms, together {together:.1} ms");
    }
}

/// Times the effects of all heads on one run.
fn knock_outs(model: &str, session: &Session) {
    let text = session.info().example.clone();
    let run = RunOptions { source: text.clone(), target: Some(text), logits: true, ..RunOptions::default() };
    let source = session.source(&run).expect("the model's example");
    let (base, intact) = session.run_intact(&source, &run, &Unwatched).expect("a run of the model's example");
    let Some(logits) = &base.logits else { return };
    let heads: Vec<_> = base.all_heads().into_iter().map(|head| vec![Ablation::Head(head)]).collect();
    let ms = median(|| {
        session.ablation_effects(&intact, logits, &heads, None, &Unwatched).expect("runs with ablations");
    });
    println!("{model}: {} heads switched off, one at a time: {ms:.1} ms", heads.len());
}

fn open(model: &str) -> Box<Session> {
    let options = OpenOptions {
        model: model.into(),
        hub: Hub::from_env().ok(),
        offline: true,
        ..OpenOptions::default()
    };
    match engine::open(&options, &Unwatched) {
        Ok(Opened::Model(session)) => session,
        Ok(Opened::Capture(_)) => panic!("{model} is a capture, not a model"),
        Err(error) => panic!("{model}: {error}"),
    }
}

/// Milliseconds of generation and of the recorded pass.
fn time(session: &Session, run: &RunOptions) -> (f64, f64) {
    match session.measure(run, 1, &Unwatched) {
        Ok((_, timings)) => (timings.generate_ms, timings.capture_ms),
        Err(error) => panic!("{error}"),
    }
}

/// Median milliseconds of a run.
fn median(mut run: impl FnMut()) -> f64 {
    median_of(|| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64() * 1e3
    })
}

fn median_of(mut run: impl FnMut() -> f64) -> f64 {
    run();
    let mut all: Vec<f64> = (0..ROUNDS).map(|_| run()).collect();
    all.sort_by(f64::total_cmp);
    all[ROUNDS / 2]
}
