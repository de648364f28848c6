//! The guided tour: run on the built-in models, on the screen, printed, and as a page.

use std::sync::{Arc, Mutex, OnceLock};

use attn_tui::engine::{Event, Models, OpenOptions, Request, RunOptions};
use attn_tui::progress::Unwatched;
use attn_tui::tour::{self, PlayedStep, StepView, Tour};
use attn_tui::tui::action::{Action, Effect};
use attn_tui::tui::guide::ReadyStep;
use attn_tui::tui::views::ViewId;
use ratatui::buffer::Buffer;

use crate::screens::{Driver, picture};

/// Opens the three built-in models once.
fn models() -> &'static Mutex<Models> {
    static MODELS: OnceLock<Mutex<Models>> = OnceLock::new();
    MODELS.get_or_init(|| Mutex::new(Models::new(OpenOptions::default())))
}

fn play(tour: &Tour, at: usize, own: Option<&str>) -> attn_tui::error::Result<PlayedStep> {
    let mut models = models().lock().unwrap();
    tour::play(&tour.steps[at], own, &mut |model, run| models.run(model, run, &Unwatched))
}

fn run(model: &str, source: &str, target: Option<&str>) -> Arc<attn_tui::capture::Capture> {
    let run = RunOptions { source: source.into(), target: target.map(Into::into), ..RunOptions::default() };
    models().lock().unwrap().run(model, &run, &Unwatched).unwrap()
}

#[test]
fn the_recurrent_models_have_cross_attention_or_none() {
    use attn_tui::site::Kind;
    let with = run("demo-rnn", "I have a red car.", None);
    assert_eq!(with.kinds(), [Kind::Cross]);
    assert_eq!((with.layers(Kind::Cross), with.heads_of(Kind::Cross).len()), (1, 1));
    let map = with.map(with.heads_of(Kind::Cross)[0]).unwrap();
    for row in 0..map.rows() {
        assert!((map.row(row).iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
    assert!(with.why_absent(Kind::Encoder).contains("a recurrent network has no self-attention"));
    let without = run("demo-rnn-plain", "I have a red car.", None);
    assert!(without.kinds().is_empty() && !without.target.is_empty());
    assert!(without.why_absent(Kind::Cross).contains("one vector"));
}

#[test]
fn a_capture_without_attention_is_written_and_read() {
    let capture = run("demo-rnn-plain", "I have a red car.", None);
    let bytes = crate::made::file_of(&capture, attn_tui::capture::Precision::F32);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let read = attn_tui::capture::read(&path).unwrap();
    assert_eq!((&read.source, &read.target), (&capture.source, &capture.target));
    assert!(read.kinds().is_empty());
}

#[test]
fn the_experiment_pushes_its_words_as_far_apart_as_it_says() {
    let tour = tour::built_in().unwrap();
    let experiment = tour.steps.iter().find_map(|step| step.influence.as_ref()).unwrap();
    for case in &experiment.cases {
        let (a, b) = (run("demo", &case.source, Some("x")), run("demo", &case.changed, Some("x")));
        assert_eq!(tour::distance(&a, &b, &experiment.near), Some(case.distance), "{}", case.source);
    }
}

#[test]
fn the_numbers_of_the_text_are_those_of_the_maps() {
    let tour = tour::built_in().unwrap();
    let red = play(&tour, 1, None).unwrap();
    let location = red.location.unwrap();
    let (query, key) = (location.query.unwrap(), location.key.unwrap());
    let capture = &red.captures[0];
    assert_eq!(capture.target.items[query].piece, "▁rouge");
    let weight = capture.map(location.head).unwrap().get(query, key).unwrap();
    let key = capture.source.items[key].piece.trim_start_matches('▁');
    assert!(red.text.contains(&format!("\"rouge\" at \"{key}\" ({:.0} %)", weight * 100.0)), "{}", red.text);
    let (values, sum) = weighted_sum(&play(&tour, 2, None).unwrap());
    for (value, sum) in values.iter().zip(sum) {
        assert!((value - sum).abs() < 0.05, "{values:?} {sum:?}");
    }
    let causal = play(&tour, 3, None).unwrap();
    assert!(causal.text.contains("over all heads, is 0)"), "{}", causal.text);
    let plot = play(&tour, 6, None).unwrap().plot.unwrap();
    assert_eq!(plot.distances, [5, 8, 15, 30]);
    assert_eq!(plot.series.len(), 3);
    let drops = |at: usize| &plot.series[at].drops;
    for at in 0..4 {
        assert!(drops(0)[at] > drops(1)[at], "the Transformer is moved more than the recurrent network");
    }
}

/// Adds up the terms of the weighted sum of values that a step's text shows. Returns the sum, and that of the text.
fn weighted_sum(played: &PlayedStep) -> ([f32; 3], [f32; 3]) {
    let (_, shown) = played.text.split_once("Their first numbers: ").expect("the sum");
    let (terms, sum) = shown.split_once(" = ").unwrap();
    let vector = |text: &str| -> [f32; 3] {
        let (_, inside) = text.split_once('(').unwrap();
        let numbers = inside.split(", ").take(3).map(|number| number.replace('−', "-").parse().unwrap());
        numbers.collect::<Vec<f32>>().try_into().unwrap()
    };
    let (listed, others) = terms.split_once(" + the other").unwrap();
    let mut total = vector(others);
    for term in listed.split(" + ") {
        let (weight, value) = term.split_once(" × ").unwrap();
        let weight: f32 = weight.parse().unwrap();
        total.iter_mut().zip(vector(value)).for_each(|(total, value)| *total += weight * value);
    }
    (total, vector(sum))
}

/// The explorer on the tour, with all its requests answered at once.
struct Walk(Driver);

impl Walk {
    fn new(size: (u16, u16)) -> Self {
        let mut driver = Driver::new(size);
        (driver.app.run.model, driver.app.run.pending, driver.app.run.activity) = (String::new(), 0, None);
        let mut walk = Self(driver);
        walk.press("E");
        walk
    }

    fn press(&mut self, keys: &str) -> Buffer {
        for key in keys.chars() {
            self.0.press(&key.to_string());
            self.answer();
        }
        self.0.draw()
    }

    fn answer(&mut self) {
        while let Some(effect) = (!self.0.asked.is_empty()).then(|| self.0.asked.remove(0)) {
            match effect {
                Effect::PlayStep(asked) => {
                    let played = play(&asked.tour, asked.at, asked.own.as_deref());
                    let ready = ReadyStep { at: asked.at, edition: asked.edition, played };
                    self.0.act(Action::StepReady(Box::new(ready)));
                }
                Effect::Ask(Request::Open(open)) => {
                    let mut models = models().lock().unwrap();
                    let event = match models.info(&open.model).cloned() {
                        Some(info) => Event::Opened(Box::new(info)),
                        // A built-in capture.
                        None => {
                            let run = models.run(&open.model, &RunOptions::default(), &Unwatched);
                            Event::Captured(run.unwrap())
                        }
                    };
                    drop(models);
                    self.0.act(Action::Engine(event));
                }
                Effect::Ask(Request::Run(options)) => {
                    let model = self.0.app.run.model.clone();
                    let capture = models().lock().unwrap().run(&model, &options, &Unwatched).unwrap();
                    self.0.act(Action::Engine(Event::Captured(capture)));
                }
                _ => {}
            }
        }
    }

    fn text(&mut self) -> String {
        let buffer = self.0.draw();
        let area = buffer.area;
        (area.top()..area.bottom())
            .map(|y| (area.left()..area.right()).map(|x| buffer[(x, y)].symbol()).collect::<String>() + "\n")
            .collect()
    }

    fn at(&self) -> usize {
        self.0.app.guide.as_ref().unwrap().at
    }
}

#[test]
fn every_step_works_forwards_and_backwards() {
    for size in [(80, 24), (160, 50)] {
        let mut walk = Walk::new(size);
        let tour = tour::built_in().unwrap();
        let mut seen = Vec::new();
        for (at, step) in tour.steps.iter().enumerate() {
            assert_eq!(walk.at(), at);
            let screen = walk.text();
            assert!(
                screen.contains(&format!("{}/{} {}", at + 1, tour.steps.len() + 1, step.title)),
                "{size:?}\n{screen}"
            );
            assert!(screen.contains("a A next/previous step"), "{screen}");
            let app = &walk.0.app;
            assert!(app.overlays.is_empty(), "step {at}: {:?}", app.overlays);
            assert_eq!(app.run.pending, 0, "step {at}");
            assert_eq!(app.view == ViewId::Tour, matches!(step.view, StepView::Outputs | StepView::Plot));
            assert_eq!(app.run.model, step.runs[step.show].model);
            let name = app.run.info.as_ref().map(|info| info.name.as_str());
            assert_eq!(name, Some(app.run.model.as_str()).filter(|model| *model != "demo-speech"));
            seen.push((app.view, app.selection, app.capture.as_ref().unwrap().source.text.clone()));
            // turn the pages of the text until the next step
            let last = at + 1 == tour.steps.len();
            for _ in 0..40 {
                if walk.at() > at || (last && walk.0.app.notice.is_some()) {
                    break;
                }
                walk.press("a");
            }
        }
        for (at, (view, place, source)) in seen.iter().enumerate().rev() {
            for _ in 0..40 {
                if walk.at() == at {
                    break;
                }
                walk.press("A");
            }
            if at + 1 < seen.len() {
                let app = &walk.0.app;
                assert_eq!((app.view, app.selection), (*view, *place), "step {at}");
                assert_eq!(app.capture.as_ref().unwrap().source.text, *source);
            }
        }
        walk.press("E");
        assert!(walk.0.app.guide.is_none() && walk.0.app.view == ViewId::Map);
    }
}

#[test]
fn steps_listen_and_read() {
    let tour = tour::built_in().unwrap();
    let listens = play(&tour, 7, None).unwrap();
    let (capture, location) = (&listens.captures[0], listens.location.unwrap());
    let (query, key) = (location.query.unwrap(), location.key.unwrap());
    assert_eq!(capture.target.items[query].piece, "Ġam");
    assert!(
        listens.text.contains(&format!("begins at {} (", capture.source.items[key].piece)),
        "{}",
        listens.text
    );
    let reads = play(&tour, 8, None).unwrap();
    let (capture, location) = (&reads.captures[0], reads.location.unwrap());
    let (query, key) = (location.query.unwrap(), location.key.unwrap());
    assert_eq!((capture.target.text.as_str(), query), ("The old bridge", 8));
    let weight = capture.map(location.head).unwrap().get(query, key).unwrap();
    assert!(reads.text.contains(&format!("gives {:.0} % of its weight", weight * 100.0)), "{}", reads.text);
    assert!(
        reads.text.contains(&format!("corner is at {}.", capture.source.items[key].piece)),
        "{}",
        reads.text
    );
}

#[test]
fn a_step_stays_while_its_view_is_used() {
    let mut walk = Walk::new((120, 40));
    walk.press("a");
    let before = walk.0.app.selection;
    walk.press("jl]");
    assert_ne!(walk.0.app.selection, before);
    assert!(walk.text().contains("2/11"));
    walk.press("sHi.");
    walk.0.press("<enter>");
    walk.answer();
    assert!(walk.0.app.capture.as_ref().unwrap().source.text.ends_with("Hi."));
    assert_eq!((walk.at(), walk.0.app.run.model.as_str()), (1, "demo-rnn"));
}

#[test]
fn the_readers_sentence_goes_through_all_models() {
    let mut walk = Walk::new((120, 40));
    while walk.at() < 9 {
        walk.press("a");
    }
    walk.0.press("s<ctrl-u>I like tea.<enter>");
    walk.answer();
    let played = walk.0.app.guide.as_ref().unwrap().now().unwrap().clone();
    let models: Vec<_> = played.captures.iter().map(|capture| capture.model.as_str()).collect();
    assert_eq!(models, ["demo", "demo-rnn", "demo-rnn-plain"]);
    for capture in &played.captures {
        assert_eq!(capture.source.text, "I like tea.");
        assert!(walk.text().contains(capture.target.text.trim()));
    }
}

#[test]
fn steps_as_they_look() {
    let mut walk = Walk::new((80, 24));
    for at in 0..7 {
        if [0, 1, 6].contains(&at) {
            insta::assert_snapshot!(format!("tour-{}-80x24", at + 1), picture(&walk.0.draw()));
        }
        while walk.at() == at {
            walk.press("a");
        }
    }
}

#[test]
fn without_attention_every_view_says_why() {
    let capture = run("demo-rnn-plain", "I have a red car.", None);
    for keys in ["1", "2", "3", "4", "5", "6"] {
        let mut walk = Walk(Driver::over(Arc::clone(&capture), (100, 30)));
        walk.press(keys);
        assert!(walk.text().contains("this recurrent network has no attention"), "{keys}");
        walk.press("jl]}n/");
    }
    let capture = run("demo-rnn", "I have a red car.", None);
    let mut walk = Walk(Driver::over(capture, (120, 30)));
    walk.press("6");
    assert!(walk.text().contains("a recurrent network has no self-attention"));
    walk.0.press("1<tab>");
    assert!(walk.text().contains("a recurrent network has no self-attention"));
    walk.press("2");
    assert!(walk.text().contains("a recurrent network has no self-attention"));
}

fn binary(arguments: &[&str]) -> (bool, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_attn-tui"))
        .args(arguments)
        .env_remove("ATTN_TUI_MODEL")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn plain_text_describes_the_pictures() {
    let (ok, out, err) = binary(&["tour", "--plain", "--source", "I like tea."]);
    assert!(ok, "{err}");
    let tour = tour::built_in().unwrap();
    for (at, step) in tour.steps.iter().enumerate() {
        assert!(out.contains(&format!("\n{}. {}\n", at + 1, step.title)));
    }
    let plot = play(&tour, 6, None).unwrap().plot.unwrap();
    let numbers: Vec<String> =
        plot.series.iter().map(|series| format!("{} {:.2}", series.model, series.drops[3])).collect();
    assert!(out.contains(&format!("30 tokens apart, loss in nats: {}.", numbers.join(", "))), "{out}");
    let tea = run("demo-rnn", "I like tea.", None);
    assert!(out.contains(&format!("demo-rnn: \"I like tea.\" becomes \"{}\"", tea.target.text.trim())));
    assert!(out.contains("https://arxiv.org/abs/1409.0473") && !out.contains("{{") && !out.contains('*'));
}

#[test]
fn the_page_is_one_file_with_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tour.html");
    let name = path.to_str().unwrap();
    let (ok, _, err) = binary(&["tour", "--export", name]);
    assert!(ok, "{err}");
    let page = std::fs::read_to_string(&path).unwrap();
    assert_eq!(page.matches("<h2 id=\"step-").count(), 10);
    assert_eq!(page.matches("<figure>").count(), 10);
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("{{"));
    let (ok, _, err) = binary(&["tour", "--export", name]);
    assert!(!ok && err.contains("--force"), "{err}");
}

#[test]
fn somebody_elses_tour_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.md");
    let step = "+++\ntitle = \"Mine\"\n[[run]]\nname = \"a\"\nmodel = \"demo-rnn\"\nsource = \"Thank you.\"\n+++\n\
                It has {{a.source_tokens}} tokens.\n";
    std::fs::write(&path, step).unwrap();
    let (ok, out, err) = binary(&["tour", path.to_str().unwrap(), "--plain"]);
    let tokens = run("demo-rnn", "Thank you.", None).source.len();
    assert!(ok && out.contains(&format!("It has {tokens} tokens.")), "{out}{err}");
    std::fs::write(&path, step.replace("a.source_tokens", "a.colour")).unwrap();
    let (ok, _, err) = binary(&["tour", path.to_str().unwrap(), "--plain"]);
    assert!(!ok && err.contains("a.colour") && err.contains("Mine"), "{err}");
}
