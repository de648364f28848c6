//! The explorer's logic as state, keys, new state.

use std::sync::Arc;

use attn_tui::engine::{AblatedRun, Event, Request, RunOptions};
use attn_tui::error::Error;
use attn_tui::tui::action::{Action, Effect};
use ratatui::crossterm::event::{
    Event as TerminalEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Rect;

use crate::made;
use crate::screens::Driver;

/// Returns view, head, query and key of the selection as text.
fn place(driver: &Driver) -> String {
    let app = &driver.app;
    format!("{} {} q{} k{}", app.view.name(), app.selection.head, app.selection.query(), app.selection.key())
}

#[test]
fn keys_move_the_selection() {
    for (keys, expected) in [
        ("", "Map cross.0.0 q0 k0"),
        ("jjl", "Map cross.0.0 q2 k1"),
        ("<down><down><right>", "Map cross.0.0 q2 k1"),
        ("hk", "Map cross.0.0 q0 k0"),
        ("$", "Map cross.0.0 q0 k11"),
        ("J$", "Map cross.0.0 q9 k11"),
        ("]", "Map cross.0.1 q0 k0"),
        ("[", "Map cross.0.5 q0 k0"),
        ("}}", "Map cross.2.0 q0 k0"),
        ("}}}", "Map cross.0.0 q0 k0"),
        // the cursor stays on its tokens: the key of the cross map is the key of the encoder's map
        ("jjlll<tab>", "Map encoder.0.0 q0 k3"),
        ("jjlll<tab><tab>", "Map decoder.0.0 q2 k0"),
        ("jjlll<tab><tab><tab>", "Map cross.0.0 q2 k3"),
        ("}]g", "Grid cross.1.1 q0 k0"),
        ("glj<enter>", "Map cross.1.1 q0 k0"),
        ("gg", "Map cross.0.0 q0 k0"),
        ("2g<esc>", "Text cross.0.0 q0 k0"),
        ("2ll", "Text cross.0.0 q2 k0"),
        ("6l1", "Map cross.0.0 q1 k0"),
        (":2.4<enter>", "Map cross.2.4 q0 k0"),
        (":enc 1.3<enter>", "Map encoder.1.3 q0 k0"),
        (":2.4<enter>u", "Map cross.0.0 q0 k0"),
        (":2.4<enter>uU", "Map cross.2.4 q0 k0"),
        (":qzx<enter>", "Map cross.0.0 q0 k0"),
        ("/play<enter>", "Map cross.0.0 q0 k8"),
        ("/côté<enter>", "Map cross.0.0 q5 k0"),
        ("w$", "Map cross.0.0 q0 k11"),
        ("wll", "Map cross.0.0 q0 k3"),
        ("wllw", "Map cross.0.0 q0 k3"),
        ("x$", "Map cross.0.0 q1 k10"),
        ("?jj<esc>j", "Map cross.0.0 q1 k0"),
        ("zj-+", "Map cross.0.0 q1 k0"),
    ] {
        let mut driver = Driver::over(made::sentence(), (80, 24));
        driver.app.selection = Default::default();
        driver.press(keys);
        assert_eq!(place(&driver), expected, "after {keys:?}");
    }
}

#[test]
fn far_links_are_walked_in_order_and_back_returns() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press(":3.3<enter>").press(":enc 0.3<enter>n");
    let first = place(&driver);
    let links = attn_tui::tui::selected::far(&driver.app);
    assert!(links.len() > 2 && links.windows(2).all(|pair| pair[0].weight >= pair[1].weight));
    assert!(links.iter().all(|link| link.distance.is_some_and(|distance| distance > 4.0)));
    assert_eq!(first, format!("Map encoder.0.3 q{} k{}", links[0].query, links[0].key));
    driver.press("n");
    assert_ne!(place(&driver), first);
    driver.press("N");
    assert_eq!(place(&driver), first);
    driver.press("uu");
    assert_eq!(place(&driver), first);
}

#[test]
fn a_link_of_the_list_opens_as_a_map() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press("5<home>j");
    let link = attn_tui::tui::views::links::rows::rows(&driver.app)[1].clone();
    driver.press("<enter>");
    assert_eq!(
        place(&driver),
        format!("Map {} q{} k{}", link.head, link.pair.queries.start, link.pair.keys.start)
    );
}

#[test]
fn the_table_of_heads_sorts_and_selects() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press("4<home>");
    let heads = attn_tui::tui::views::heads::rows::rows(&driver.app);
    assert_eq!(driver.app.selection.head, heads[0]);
    let far = |head| driver.app.survey.heads[head].metrics.far_mass;
    assert!(heads.windows(2).all(|pair| far(&pair[0]) >= far(&pair[1])));
    driver.press("O");
    let mut reversed = attn_tui::tui::views::heads::rows::rows(&driver.app);
    reversed.reverse();
    assert_eq!(reversed.len(), heads.len());
    assert_eq!(reversed[0], heads[0]);
}

#[test]
fn texts_are_typed_and_run() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press("s<ctrl-u>Hé<enter>");
    let run = |driver: &Driver| match driver.asked.last() {
        Some(Effect::Ask(Request::Run(run))) => run.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((run(&driver).source.as_str(), run(&driver).target), ("Hé", None));
    driver.press("t<ctrl-u>Ja<enter>");
    assert_eq!(run(&driver).target.as_deref(), Some("Ja"));
    driver.press("T<enter>");
    assert_eq!((run(&driver).source.as_str(), run(&driver).target), ("Hé", None));
    let asked = driver.asked.len();
    driver.press("sxyz<esc>");
    assert_eq!(driver.asked.len(), asked);
    driver.press("<esc>");
    assert_eq!(driver.asked.last(), Some(&Effect::Ask(Request::Cancel)));
}

#[test]
fn a_replaced_run_does_not_end_the_newer_one() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press("s<ctrl-u>a<enter>s<ctrl-u>b<enter>");
    driver.act(Action::Engine(Event::Cancelled));
    assert!(driver.app.run.activity.is_some());
    driver.act(Action::Engine(Event::Captured(made::awkward())));
    assert!(driver.app.run.activity.is_none());
}

#[test]
fn a_failure_leaves_the_capture() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press("s<ctrl-u>a<enter>");
    driver.act(Action::Engine(Event::Failed(Error::Text("too long".into()))));
    assert!(driver.app.run.activity.is_none() && driver.app.capture.is_some());
    driver.press("<esc>j");
    assert!(driver.app.overlays.is_empty());
}

#[test]
fn text_is_copied() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.app.selection = Default::default();
    driver.press("yY<enter><ctrl-y>");
    let copied: Vec<&String> = driver
        .asked
        .iter()
        .filter_map(|effect| if let Effect::Copy(text) = effect { Some(text) } else { None })
        .collect();
    assert!(copied[0].starts_with("made cross.0.0 <pad> → Les ← The 0."), "{}", copied[0]);
    // a line of names, then one per key
    assert_eq!(copied[1].lines().count(), 13);
    assert_eq!(copied[2].lines().count(), 11);
}

#[test]
fn the_mouse_picks_what_it_hits() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.app.selection = Default::default();
    driver.draw();
    let click = |driver: &mut Driver, area: Rect| {
        driver.send(TerminalEvent::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: area.x + area.width / 2,
            row: area.y,
            modifiers: KeyModifiers::NONE,
        }));
    };
    let window = driver.app.layout.window.clone().unwrap();
    let cell = Rect::new(window.area.x + 3 * window.columns, window.area.y + 2 * window.lines, 2, 1);
    click(&mut driver, cell);
    assert_eq!(place(&driver), "Map cross.0.0 q2 k3");
    for (text, expected) in [("Heads", "Heads"), ("Grid", "Grid")] {
        let area = find(&mut driver, text);
        click(&mut driver, area);
        assert_eq!(driver.app.view.name(), expected);
    }
    let tile = find(&mut driver, "1.2");
    click(&mut driver, tile);
    assert_eq!(driver.app.selection.head.to_string(), "cross.1.2");
    click(&mut driver, tile);
    assert_eq!(driver.app.view.name(), "Map");
}

/// Builds the result of ablating a part of the made sentence: the first token loses, another becomes
/// likeliest.
pub fn without(driver: &Driver) -> AblatedRun {
    let Some(Effect::Ask(Request::Ablate(run))) = driver.asked.last() else {
        panic!("{:?}", driver.asked.last())
    };
    let capture = made::sentence();
    let mut forced = capture.predictions.clone();
    forced[0].probability = capture.predictions[0].probability / std::f32::consts::E;
    forced[0].candidates.swap(0, 1);
    let mut generated = capture.target.clone();
    generated.items.remove(1);
    let RunOptions { ablations, own_means, edits, .. } = run.clone();
    AblatedRun { ablations, own_means, edits, forced, generated: Some(generated) }
}

#[test]
fn a_head_is_switched_off_and_on_again() {
    use attn_tui::site::{Ablation, Head, Kind};
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press(":cross 2.4<enter>X");
    assert!(driver.app.run.activity.is_some() && driver.app.ablation.is_some());
    let outcome = without(&driver);
    assert_eq!(outcome.ablations, [Ablation::Head(Head::new(Kind::Cross, 2, 4))]);
    driver.act(Action::Engine(Event::Ablated(outcome)));
    assert!(driver.app.run.activity.is_none());
    let changes = driver.app.ablation_changes();
    assert_eq!(changes.len(), 10);
    assert!((changes[0].change + 1.0).abs() < 1e-5 && changes[1].change == 0.0);
    assert_eq!((changes[0].best.as_deref(), changes[1].best.as_deref()), (Some("enfants"), None));
    let screen = crate::screens::screen_text(&driver.draw());
    for sign in [
        "without cross.2.4 · −0.10 nats a token · 1 of 10",
        "old  Les enfants",
        "new  Les qui",
        "Les −1.00 ⇒ enfants",
    ] {
        assert!(screen.contains(sign), "no {sign:?} in\n{screen}");
    }
    // X on another head replaces the ablation, X again removes it
    driver.press("]X");
    assert!(driver.app.ablation.as_ref().is_some_and(|ablation| ablation.outcome.is_none()));
    driver.press("X");
    assert_eq!(
        (driver.app.ablation.is_none(), driver.asked.last()),
        (true, Some(&Effect::Ask(Request::Cancel)))
    );
    driver.act(Action::Engine(Event::Cancelled));
    driver.press(":enc 0.1<enter>D");
    assert_eq!(without(&driver).ablations.len(), 1);
    assert!(matches!(without(&driver).ablations[0], Ablation::Link { .. }));
    driver.act(Action::Engine(Event::Failed(Error::Text("no".into()))));
    assert!(driver.app.ablation.is_none());
}

#[test]
fn what_is_off_is_on_again_over_another_capture() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press("X");
    let late = without(&driver);
    driver.act(Action::Engine(Event::Captured(made::awkward())));
    driver.act(Action::Engine(Event::Ablated(late)));
    assert!(driver.app.ablation.is_none());
    driver.app.run.info = None;
    driver.press("X");
    assert!(driver.app.notice.as_deref().is_some_and(|notice| notice.contains("no model")));
}

#[test]
fn a_filter_leaves_what_fits() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.app.selection = Default::default();
    driver.press("Fjou ent | play 0-2<enter>");
    let labels = |axis: &attn_tui::tui::reading::Axis| {
        axis.units.iter().map(|unit| unit.label.clone()).collect::<Vec<_>>().join(" ")
    };
    // a row is named by what it reads and by what it predicts
    assert_eq!(labels(driver.app.queries()), "côté jou ent");
    assert_eq!(labels(driver.app.keys()), "The chil dren play");
    // the cursor moves to a visible token, and skips hidden ones
    assert_eq!(place(&driver), "Map cross.0.0 q6 k0");
    driver.press("j$");
    assert_eq!(place(&driver), "Map cross.0.0 q7 k8");
    let capture = made::sentence();
    let weight = capture.map(driver.app.selection.head).unwrap().get(7, 8).unwrap();
    driver.press("y");
    let Some(Effect::Copy(text)) = driver.asked.last() else { panic!("nothing copied") };
    assert!(
        text.starts_with("made cross.0.0 jou → ent ← play ") && text.ends_with(&format!("{weight:.6}")),
        "{text}"
    );
    let screen = crate::screens::screen_text(&driver.draw());
    assert!(screen.contains("filter leaves 3 of 10 rows, 4 of 12 keys"), "{screen}");
    // other views show all tokens; the filter applies again on return
    driver.press("2");
    assert!(driver.app.views.map.filtered.is_none());
    driver.press("1");
    assert!(driver.app.views.map.filtered.is_some());
    driver.press("F<ctrl-u>nowhere<enter>");
    assert!(driver.app.views.map.filtered.is_none() && driver.app.notice.is_some());
    driver.press("F<ctrl-u><enter>");
    assert!(driver.app.filter.is_empty() && driver.app.notice.is_none());
}

#[test]
fn a_filter_by_weight_follows_the_head() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press(":cross 0.0<enter>F| >0.5<enter>");
    let strong = |driver: &Driver| {
        let map = driver.app.capture.as_ref().unwrap().map(driver.app.selection.head).unwrap();
        let most = |col: usize| (0..map.rows()).filter_map(|row| map.get(row, col)).fold(0.0f32, f32::max);
        (0..map.cols()).filter(|&col| most(col) >= 0.5).count()
    };
    for _ in 0..3 {
        assert_eq!(driver.app.keys().len(), strong(&driver), "{}", driver.app.selection.head);
        driver.press("]");
    }
}

#[test]
fn the_number_under_the_cursor_shows_on_any_screen() {
    for width in [20, 24, 30, 40, 60, 80, 200] {
        let mut driver = Driver::over(made::sentence(), (width, 12));
        driver.press("1wx.");
        let weight = attn_tui::tui::copying::value_text(&driver.app).unwrap();
        let number: f32 = weight.rsplit(' ').next().unwrap().parse().unwrap();
        let screen = crate::screens::screen_text(&driver.draw());
        assert!(screen.contains(&format!(": {number:.4}")), "{width} columns\n{screen}");
    }
}

/// Returns the made sentence with value norms that grow with the key, and equal contributions.
fn with_values() -> Arc<attn_tui::capture::Capture> {
    use attn_tui::matrix::Matrix;
    use attn_tui::site::{Kind, Site};
    let mut capture = attn_tui::capture::Capture::clone(&made::sentence());
    for kind in Kind::ALL {
        let (queries, keys) = capture.shape(kind);
        let columns = keys + usize::from(kind == Kind::Cross);
        for layer in 0..capture.layers(kind) {
            let flow = attn_tui::capture::SiteValues {
                norms: Matrix::from_fn(6, keys, |_, key| 1.0 + key as f32),
                contributions: Matrix::from_fn(queries, columns, |_, _| 1.0 / columns as f32),
                beginnings: None,
            };
            capture.values.insert(Site::new(kind, layer), flow);
        }
    }
    Arc::new(capture)
}

#[test]
fn maps_are_weighed_by_their_values() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press(":cross 1.2<enter>v<enter>");
    let Some(Effect::Ask(Request::Run(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    assert!(run.values);
    // a capture without values
    driver.act(Action::Engine(Event::Captured(made::sentence())));
    assert!(!driver.app.is_weighed() && driver.app.notice.is_some());
    // a capture with values
    driver.press("v<enter>");
    driver.act(Action::Engine(Event::Captured(with_values())));
    let head = driver.app.selection.head;
    let (plain, weighed) = (made::sentence().map(head).unwrap(), driver.app.map(head).unwrap());
    let lengthened: Vec<f32> = plain.row(3).iter().zip(1..).map(|(weight, at)| weight * at as f32).collect();
    let sum: f32 = lengthened.iter().sum();
    for (got, wanted) in weighed.row(3).iter().zip(&lengthened) {
        assert!((got - wanted / sum).abs() < 1e-6);
    }
    let screen = crate::screens::screen_text(&driver.draw());
    assert!(screen.contains("value-weighted in Map, Text and Lines"), "{screen}");
    driver.press("6oo");
    let screen = crate::screens::screen_text(&driver.draw());
    // three cross-attention blocks keep a thirteenth each
    assert!(screen.contains("1.00 comes from the source"), "{screen}");
    driver.press("1v");
    assert_eq!(driver.app.map(head), Some(plain));
}

#[test]
fn gamma_walks_its_steps_and_stays_at_the_ends() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press("((((((((((((");
    assert_eq!(driver.app.reading.scale.gamma, 3);
    driver.press("))))");
    assert_eq!(driver.app.reading.scale.gamma, 10);
    driver.press("))))))))))))");
    assert_eq!(driver.app.reading.scale.gamma, 30);
}

fn multilingual(default: Option<&str>) -> attn_tui::engine::ModelInfo {
    attn_tui::engine::ModelInfo {
        name: "made".into(),
        languages: ["de_DE", "en_XX", "fr_XX"].map(String::from).to_vec(),
        default_languages: (Some("en_XX".into()), default.map(String::from)),
        example: "Hello.".into(),
        ..Default::default()
    }
}

#[test]
fn a_multilingual_model_asks_for_its_language() {
    let mut driver = Driver::new((80, 24));
    driver.act(Action::Engine(Event::Opened(Box::new(multilingual(None)))));
    assert!(driver.asked.is_empty(), "it asks before it runs");
    driver.press("fr<enter>");
    let Some(Effect::Ask(Request::Run(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    assert_eq!((run.tgt_lang.as_deref(), run.source.as_str()), (Some("fr_XX"), "Hello."));
    driver.act(Action::Engine(Event::Captured(made::sentence())));
    assert!(crate::screens::screen_text(&driver.draw()).contains("en_XX → fr_XX"));
    driver.press("<ctrl-s>de<enter>");
    assert_eq!(driver.app.run.options.src_lang.as_deref(), Some("de_DE"));
}

#[test]
fn a_multilingual_model_says_which_languages_it_takes() {
    let mut driver = Driver::new((80, 24));
    driver.app.run.options.tgt_lang = Some("fr_XX".into());
    driver.act(Action::Engine(Event::Opened(Box::new(multilingual(None)))));
    let Some(Effect::Ask(Request::Run(run))) = driver.asked.last() else { panic!("{:?}", driver.asked) };
    assert_eq!((run.tgt_lang.as_deref(), run.source.as_str()), (Some("fr_XX"), "Hello."));
    let mut driver = Driver::new((80, 24));
    driver.act(Action::Engine(Event::Opened(Box::new(multilingual(Some("de_DE"))))));
    assert!(matches!(driver.asked.last(), Some(Effect::Ask(Request::Run(_)))));
    assert_eq!(driver.app.notice.as_deref(), Some("en_XX → de_DE, the model's own languages"));
    let mut driver = Driver::over(made::sentence(), (80, 24));
    driver.press("<ctrl-t>");
    assert!(driver.app.overlays.is_empty() && driver.app.notice.is_some());
}

#[test]
fn flow_is_of_all_layers_or_of_one() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    let flows = driver.app.survey.flow.clone().expect("a flow");
    for flow in [&flows.mean, &flows.max] {
        for row in 0..flow.source.rows() {
            let sum: f32 = flow.source.row(row).iter().chain(flow.prefix.row(row)).sum();
            assert!((sum - 1.0).abs() < 1e-4, "row {row} sums to {sum}");
        }
    }
    driver.press(":cross 1.0<enter>6<home>llB");
    let capture = made::sentence();
    let site = attn_tui::site::Site::new(attn_tui::site::Kind::Cross, 1);
    let weights = |head: usize| capture.map(site.head(head)).unwrap().row(2).to_vec();
    let heads: Vec<Vec<f32>> = (0..6).map(weights).collect();
    let mean = (0..12).map(|key| heads.iter().map(|row| row[key]).sum::<f32>() / 6.0).fold(0.0, f32::max);
    let most = heads.iter().flatten().copied().fold(0.0, f32::max);
    let screen = crate::screens::screen_text(&driver.draw());
    assert!(
        screen.contains("cross.1: mean of 6 heads") && screen.contains(&format!("{mean:.3}")),
        "{screen}"
    );
    driver.press("o");
    let screen = crate::screens::screen_text(&driver.draw());
    assert!(screen.contains("cross.1: largest of 6") && screen.contains(&format!("{most:.3}")), "{screen}");
    driver.press("B");
    assert!(crate::screens::screen_text(&driver.draw()).contains("rollout of the heads' largest"));
}

#[test]
fn marked_heads_lie_over_each_other() {
    let mut driver = Driver::over(made::sentence(), (120, 40));
    driver.press(":cross 1.2<enter>3<space>l<space>2ooo");
    let screen = crate::screens::screen_text(&driver.draw());
    assert!(screen.contains("hues of 2 marked cross heads") && screen.contains("■1.2 ■1.3"), "{screen}");
    driver.press("o");
    assert_eq!(driver.app.views.text.shading.name(), "head");
}

#[test]
fn the_terminal_tells_its_background() {
    let mut driver = Driver::over(made::sentence(), (80, 24));
    let place_before = place(&driver);
    driver.act(Action::Background { light: true });
    assert!(driver.app.theme.light);
    assert_eq!(place(&driver), place_before);
    assert_eq!(driver.app.theme.colormap, attn_tui::paint::Colormap::Ink);
}

/// Finds a text on the screen.
fn find(driver: &mut Driver, text: &str) -> Rect {
    let buffer = driver.draw();
    for y in 0..buffer.area.height {
        let line: Vec<&str> = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        let wanted: Vec<String> = text.chars().map(String::from).collect();
        if let Some(x) = line.windows(wanted.len()).position(|w| w == wanted.as_slice()) {
            return Rect::new(x as u16, y, wanted.len() as u16, 1);
        }
    }
    panic!("no {text:?} on the screen");
}
