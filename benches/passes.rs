//! Times opening a model, running it with everything recorded, and generating: `cargo bench --bench passes`.
//! The demo model, and a folder or hub id given as an argument (`-- FOLDER`) or in
//! `ATTN_TUI_BENCH_MODEL`. Each figure is the median of some runs after one that warms up.

use std::time::Instant;

use attn_tui::engine::{self, OpenOptions, Opened, RunOptions, Session};
use attn_tui::hub::Hub;
use attn_tui::progress::Unwatched;

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
