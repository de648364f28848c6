//! The questions that the explorer answers, counted in key presses, on the built-in model and on made captures.

use std::process::Command;
use std::sync::{Arc, OnceLock};

use attn_tui::analysis::pairs::Pair;
use attn_tui::capture::{Capture, SiteMaps};
use attn_tui::engine::{Event, OpenOptions, Opened, Request, RunOptions, open};
use attn_tui::progress::Unwatched;
use attn_tui::site::{Ablation, Head, Kind, Site};
use attn_tui::tui::action::{Action, Effect};
use attn_tui::tui::selected;
use attn_tui::tui::views::links::rows::rows;
use serde_json::Value;

use crate::made;
use crate::screens::{Driver, screen_text};

const SENTENCE: &str = "The cat is sleeping because it is very tired.";

/// Returns the capture of the sentence by the built-in model, with value norms.
pub fn demo() -> Arc<Capture> {
    static CAPTURE: OnceLock<Arc<Capture>> = OnceLock::new();
    let run = || {
        let options = OpenOptions { model: "demo".into(), offline: true, ..OpenOptions::default() };
        let Ok(Opened::Model(session)) = open(&options, &Unwatched) else { panic!("no built-in model") };
        let run = RunOptions {
            source: SENTENCE.into(),
            predictions: true,
            values: true,
            profiles: true,
            ..RunOptions::default()
        };
        Arc::new(session.run(&run, &Unwatched).unwrap())
    };
    Arc::clone(CAPTURE.get_or_init(run))
}

/// Presses keys, each of which counts once, and returns their number.
pub fn press(driver: &mut Driver, keys: &[&str]) -> usize {
    keys.iter().for_each(|keys| {
        driver.press(keys);
    });
    keys.len()
}

/// Returns the position of the first source token with this piece.
fn source_token(capture: &Capture, piece: &str) -> usize {
    capture.source.items.iter().position(|item| item.piece == piece).unwrap()
}

/// Returns the heads of a kind with their weight at a cell, strongest first.
fn ranked(capture: &Capture, kind: Kind, query: usize, key: usize) -> Vec<(f32, Head)> {
    let weight = |head: Head| (capture.map(head).unwrap().get(query, key).unwrap(), head);
    let mut all: Vec<_> = capture.heads_of(kind).into_iter().map(weight).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    all
}

#[test]
fn the_head_that_links_a_pronoun_to_its_noun_is_three_keys_and_the_words_away() {
    let capture = demo();
    let (it, cat) = (source_token(&capture, "▁it"), source_token(&capture, "▁cat"));
    let mut driver = Driver::over(Arc::clone(&capture), (80, 24));
    driver.press("|");
    assert!(screen_text(&driver.draw()).contains("queries | keys"));
    driver.press("it | cat<enter>");
    let encoder = ranked(&capture, Kind::Encoder, it, cat);
    let listed = rows(&driver.app);
    assert_eq!(listed.len(), encoder.len(), "the French text has neither word");
    for (row, (weight, head)) in listed.iter().zip(&encoder) {
        assert_eq!((row.head, &row.pair), (*head, &Pair::link(it, cat)));
        assert!((row.weight - weight).abs() < 1e-6);
        let map = capture.map(*head).unwrap();
        let stronger = map.row(it).iter().filter(|other| *other > weight).count();
        assert_eq!(row.rank, Some((1 + stronger, map.cols())));
        let weighted = capture.value_weighted_map(*head).unwrap().get(it, cat).unwrap();
        assert!((row.value_weighted.unwrap() - weighted).abs() < 1e-6);
    }
    let screen = screen_text(&driver.draw());
    assert!(screen.contains("it | cat in every head of all kinds"), "{screen}");
    driver.press("<enter>");
    let app = &driver.app;
    assert_eq!((app.view.name(), app.selection.head), ("Map", encoder[0].1));
    assert_eq!((app.selection.query(), app.selection.key()), (it, cat));
}

#[test]
fn the_link_under_the_cursor_is_two_keys_away_in_its_strongest_head() {
    let capture = demo();
    for place in [":enc 0.2<enter>/very<down><enter>/cat<enter>", ":cross 1.3<enter>/cat<enter>j"] {
        let mut driver = Driver::over(Arc::clone(&capture), (120, 40));
        driver.press(place);
        let (kind, query, key) = {
            let selection = &driver.app.selection;
            (selection.head.kind(), selection.query(), selection.key())
        };
        assert_eq!(press(&mut driver, &["*", "<enter>"]), 2);
        assert_eq!(driver.app.selection.head, ranked(&capture, kind, query, key)[0].1, "{place}");
        assert_eq!((driver.app.selection.query(), driver.app.selection.key()), (query, key));
        driver.press("u");
        assert_eq!(driver.app.view.name(), "Links");
        driver.press("u");
        assert_eq!(driver.app.view.name(), "Map");
    }
}

#[test]
fn a_word_of_several_tokens_is_summed_and_its_kind_can_be_chosen() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press("|playing | children<enter>");
    let capture = made::sentence();
    let listed = rows(&driver.app);
    // the decoder reads French words alone
    assert_eq!(listed.len(), capture.heads_of(Kind::Encoder).len());
    for row in &listed {
        let map = capture.map(row.head).unwrap();
        // the word is "playing": two rows
        let weight: f32 = [8, 9].iter().map(|&q| map.get(q, 1).unwrap() + map.get(q, 2).unwrap()).sum();
        assert!((row.weight - weight / 2.0).abs() < 1e-6);
    }
    driver.press("D");
    let Some(Effect::Ask(Request::Ablate(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    let head = driver.app.selection.head;
    let links = [(8, 1), (8, 2), (9, 1), (9, 2)];
    let links = links.map(|(query, key)| Ablation::Link { head, query, key });
    assert_eq!(run.ablations, links);
    driver.press("<esc>").press("|vivent | live<enter>");
    assert!(rows(&driver.app).iter().all(|row| row.head.kind() == Kind::Cross));
    // a row goes by the token that it reads and by the one that it predicts
    let mut queries: Vec<usize> = rows(&driver.app).iter().map(|row| row.pair.queries.start).collect();
    queries.sort_unstable();
    queries.dedup();
    assert_eq!(queries, [3, 4]);
    driver.press("|zebra | live<enter>");
    assert_eq!(
        driver.app.notice.as_deref(),
        Some("'zebra' names none of the queries of encoder, decoder, cross maps")
    );
}

#[test]
fn whether_the_output_depends_on_it_is_one_key() {
    let mut driver = Driver::over(demo(), (80, 24));
    assert_eq!(press(&mut driver, &["X"]), 1);
    let Some(Effect::Ask(Request::Ablate(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    assert_eq!(run.ablations, [Ablation::Head(driver.app.selection.head)]);
}

/// Returns a capture of 641 source tokens of 40 words, so that every word occurs often, with encoder maps only:
/// even rows, and one long-range link.
pub fn long() -> Arc<Capture> {
    const LENGTH: usize = 641;
    let pieces: Vec<String> = (0..LENGTH).map(|at| format!("▁w{}", at % 40)).collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let mut capture = made::capture(&pieces, &["▁un", "</s>"], 1, 1);
    let mut data = vec![1.0 / LENGTH as f32; 2 * LENGTH * LENGTH];
    let row = &mut data[(LENGTH + 600) * LENGTH..][..LENGTH];
    row.fill(0.5 / (LENGTH - 1) as f32);
    row[20] = 0.5;
    capture.maps = capture.maps.like();
    capture.maps.insert(Site::new(Kind::Encoder, 0), SiteMaps::new(2, LENGTH, LENGTH, data));
    Arc::new(capture)
}

#[test]
fn the_strongest_far_link_of_a_long_text_is_two_keys_away_with_its_context() {
    let capture = long();
    let mut driver = Driver::over(Arc::clone(&capture), (80, 24));
    assert_eq!(press(&mut driver, &["5", "<home>"]), 2);
    let strongest = rows(&driver.app)[0].clone();
    let facts = driver.app.survey.heads.values().flat_map(|facts| &facts.links);
    let most = facts.map(|link| link.weight).fold(0.0, f32::max);
    assert_eq!((strongest.weight, most, &strongest.pair), (0.5, 0.5, &Pair::link(600, 20)));
    assert_eq!(driver.app.selection.head, strongest.head);
    let screen = screen_text(&driver.draw());
    let key = strongest.pair.keys.start;
    let around = format!("w{} ‹w{}› w{}", (key + 39) % 40, key % 40, (key + 1) % 40);
    assert!(screen.contains(&format!("w{}@{key}", key % 40)), "{screen}");
    assert!(screen.contains(&format!("key {key}")) && screen.contains(&around), "{screen}");
}

#[test]
fn the_selection_is_one_in_every_view() {
    for view in ["3", "4", "5", "6", "7"] {
        let mut driver = Driver::over(made::sentence(), (120, 40));
        driver.press(":enc 1.3<enter>P").press(view);
        for keys in ["j", "j", "<end>", "k"] {
            driver.press(keys);
            let head = driver.app.selection.head;
            let screen = screen_text(&driver.draw());
            let layer = format!("layer ◂ {} ▸", head.layer());
            // Flow has a line of its own
            assert!(view == "6" || screen.contains(&layer), "view {view}, {head}\n{screen}");
            if ["4", "5"].contains(&view) {
                assert!(screen.contains(&format!("▸ {head} ")), "view {view}, {head}\n{screen}");
            }
            driver.press("y");
            let Some(Effect::Copy(text)) = driver.asked.last() else { panic!("nothing copied in {view}") };
            assert!(text.contains(&head.to_string()), "view {view}: {text}");
        }
        driver.press("X");
        let Some(Effect::Ask(Request::Ablate(run))) = driver.asked.last() else { panic!("{view}") };
        assert_eq!(run.ablations, [Ablation::Head(driver.app.selection.head)]);
    }
}

#[test]
fn links_select_what_they_highlight() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press("5<home>");
    for _ in 0..5 {
        let row = rows(&driver.app)[driver.app.views.links.selected].clone();
        assert!(row.is_selected(&driver.app));
        let weight = selected::shown_row(&driver.app).unwrap()[driver.app.key()];
        assert_eq!(weight, row.weight);
        driver.press("D");
        let Some(Effect::Ask(Request::Ablate(run))) = driver.asked.last() else { panic!("nothing asked") };
        assert_eq!(run.ablations, row.pair.ablations(row.head));
        driver.press("<esc><esc>j");
    }
    // another head goes to its own first link
    driver.press("<tab>");
    assert!(rows(&driver.app)[driver.app.views.links.selected].is_selected(&driver.app));
    driver.press("Fchil | dren<enter>");
    let screen = screen_text(&driver.draw());
    assert!(screen.contains("filter chil | dren"), "{screen}");
    assert!(rows(&driver.app).iter().all(|row| row.pair.contains(1, 2)));
}

#[test]
fn effects_of_listed_links_are_measured_one_after_the_other() {
    use attn_tui::engine::Event;
    use attn_tui::tui::action::Action;
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press("|jou | play<enter>");
    driver.asked.clear();
    driver.press("M");
    let listed = rows(&driver.app);
    for (done, row) in listed.iter().enumerate() {
        let Some(Effect::Ask(Request::Ablate(run))) = driver.asked.last() else { panic!("after {done}") };
        assert_eq!((run.ablations.clone(), run.forced_only), (row.pair.ablations(row.head), true));
        let mut outcome = crate::explorer::without(&driver);
        outcome.forced[0].probability /= (1 + done) as f32;
        driver.act(Action::Engine(Event::Ablated(outcome)));
        assert!(driver.app.ablation.is_none());
    }
    assert_eq!(driver.asked.len(), listed.len());
    let screen = screen_text(&driver.draw());
    assert!(
        screen.contains("without it") && screen.contains("−1.00 Les") && screen.contains("−1.69 Les"),
        "{screen}"
    );
    driver.press("M");
    assert_eq!(driver.asked.len(), listed.len(), "all are known");
}

#[test]
fn a_search_sets_the_query_or_the_key_and_says_which() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press(":enc 0.0<enter>0K");
    driver.press("/door<enter>");
    let selection = driver.app.selection;
    assert_eq!((selection.query(), selection.key(), driver.app.notice.as_deref()), (0, 6, Some("key: door")));
    driver.press("/live<down><enter>");
    let selection = driver.app.selection;
    assert_eq!(
        (selection.query(), selection.key(), driver.app.notice.as_deref()),
        (4, 6, Some("query: live"))
    );
    // the text moves its query
    driver.press("2/are<enter>");
    assert_eq!((driver.app.selection.query(), driver.app.selection.key()), (7, 6));
    driver.press("6/vivent<enter>");
    assert_eq!(driver.app.selection.query(), 3);
}

fn json(args: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_attn-tui")).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_command_line_gives_the_same_list() {
    let capture = demo();
    let (it, cat) = (source_token(&capture, "▁it"), source_token(&capture, "▁cat"));
    let links = json(&["links", "demo", "-s", SENTENCE, "--query", "it", "--key", "cat", "--json"]);
    let encoder = ranked(&capture, Kind::Encoder, it, cat);
    assert_eq!(links.len(), encoder.len());
    for (link, (weight, head)) in links.iter().zip(&encoder) {
        let number = |name: &str| link[name].as_f64().unwrap() as f32;
        assert_eq!((link["kind"].as_str(), number("head")), (Some("encoder"), head.head as f32));
        assert!((number("weight") - weight).abs() < 1e-5);
        assert_eq!((number("query"), number("key")), (it as f32, cat as f32));
        assert_eq!((link["query_token"].as_str(), link["key_token"].as_str()), (Some("it"), Some("cat")));
        assert!(number("rank") >= 1.0 && number("value_weighted") > 0.0);
    }
    // one side alone keeps the strongest long-range links from there
    let links = json(&["links", "demo", "-s", SENTENCE, "--query", "it", "--min-distance", "3", "--json"]);
    assert!(!links.is_empty());
    for link in &links {
        assert!([link["query_token"].as_str(), link["predicted"].as_str()].contains(&Some("it")), "{link}");
    }
    let shown = |args: &[&str]| {
        let place = ["show", "demo", "-s", SENTENCE, "--kind", "encoder", "--cells", "numbers"];
        let output = Command::new(env!("CARGO_BIN_EXE_attn-tui")).args(place).args(args).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (text, _) = shown(&["--query", "it", "--key", "cat 0"]);
    let map = capture.map(Head::new(Kind::Encoder, 0, 0)).unwrap();
    assert!(text.contains(&format!("1 of {} × 2 of {}", map.rows(), map.cols())), "{text}");
    let numbers = format!("{:.3} {:.3}", map.get(it, 0).unwrap(), map.get(it, cat).unwrap());
    assert!(text.contains(&numbers), "{text}");
    let (_, error) = shown(&["--query", "it", "--key", "zebra"]);
    assert!(error.contains("'zebra' names none of the keys of encoder maps"), "{error}");
}

#[test]
fn a_repeated_run_keeps_the_listed_links_and_the_selection() {
    let again = || Action::Engine(Event::Captured(Arc::new(Capture::clone(&demo()))));
    let mut driver = Driver::over(demo(), (120, 40));
    for keys in ["*jj", "5<home>jjj"] {
        driver.press(keys);
        let (listed, place) = (rows(&driver.app), driver.app.selection);
        driver.act(again());
        assert_eq!((rows(&driver.app), driver.app.selection), (listed, place), "after {keys}");
        driver.press("<esc>");
    }
    driver.press("*");
    driver.act(Action::Engine(Event::Captured(made::sentence())));
    assert!(driver.app.views.links.pairs.is_none());
}
