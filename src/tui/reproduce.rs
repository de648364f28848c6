//! The command line that prints what is on the screen.

use super::app::App;
use super::views::ViewId;
use super::views::flow::state::FlowMethod;
use super::views::heads::columns::{DIRECT, IMPORTANCE, sorted};
use super::views::links::state::KeptLinks;
use super::views::patching::state::corrupt_source;
use crate::analysis::pairs::Pair;
use crate::axis::PixelBox;
use crate::capture::MapWeights;
use crate::engine::RunOptions;
use crate::image::Rotation;

/// Returns the command line that prints what the displayed view shows: the map or the row, the table of heads,
/// the list of links, the rollout. Compare has none. `None` without a capture.
pub fn command_line(app: &App) -> Option<String> {
    let capture = app.capture.as_ref()?;
    let head = app.selection.head;
    let one_head = |rest: &[&str]| {
        let (layer, number) = (head.layer().to_string(), head.head.to_string());
        let place = ["--kind", head.kind().name(), "--layer", &layer, "--head", &number];
        [&place[..], rest].concat().into_iter().map(String::from).collect::<Vec<_>>()
    };
    let (command, arguments) = match app.view {
        ViewId::Map | ViewId::Grid | ViewId::Lines | ViewId::Tour | ViewId::Corpus => {
            ("show", [one_head(&[]), filter(app)].concat())
        }
        ViewId::Text => {
            let row = app.selection.query().to_string();
            ("show", one_head(&["--query", &row]))
        }
        ViewId::Heads if sorted(app) == DIRECT => {
            ("lens", strings(&["--direct", "--row", &app.selection.target_query.to_string()]))
        }
        ViewId::Heads => ("heads", heads(app)),
        ViewId::Links => ("links", links(app)),
        ViewId::Flow if app.views.flow.method == FlowMethod::Relevance => {
            let row = app.selection.target_query.to_string();
            let mut arguments = strings(&["--method", "relevance", "--row", &row]);
            if let Some(other) = &app.views.flow.contrast {
                arguments.extend(strings(&["--contrast", &other.label]));
            }
            ("attribute", arguments)
        }
        ViewId::Flow if app.views.flow.one_layer => {
            let how = if app.views.flow.method == FlowMethod::Max { "max" } else { "mean" };
            let layer = head.layer().to_string();
            ("show", strings(&["--kind", head.kind().name(), "--layer", &layer, "--merge", how]))
        }
        ViewId::Flow if app.views.flow.method == FlowMethod::Alti => {
            ("rollout", strings(&["--method", "alti"]))
        }
        ViewId::Flow => ("rollout", Vec::new()),
        ViewId::Patching => {
            let view = &app.views.patching;
            let row = app.selection.target_query.to_string();
            let mut arguments = strings(&["--corrupt", corrupt_source(app)?, "--what", view.kind.name()]);
            if view.one_row {
                arguments.extend(strings(&["--row", &row]));
            }
            ("patch", arguments)
        }
        ViewId::Compare => return None,
    };
    let model = if app.run.info.is_some() { &app.run.model } else { &capture.model };
    let mut words = vec!["attn-tui".to_string(), command.into(), model.clone()];
    if let Some(run) = app.run.displayed.as_deref() {
        words.extend(texts(&run.options));
    }
    words.extend(arguments);
    let weighed = app.is_weighed() && app.view != ViewId::Flow;
    if weighed && capture.weights == MapWeights::Attention {
        words.extend(strings(&["--weights", "values"]));
    }
    Some(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

/// Returns the options for the texts of a run.
fn texts(run: &RunOptions) -> Vec<String> {
    let number = |number: Option<usize>| number.map(|number| number.to_string());
    let path = |path: &std::path::Path| path.display().to_string();
    let is_text = run.audio.is_none() && run.image.is_none();
    let turned = run.image.as_ref().map(|image| image.rotation).filter(|turned| *turned != Rotation::None);
    let audio = run.audio.as_ref();
    // Without a path the picture is the model's example.
    let image = run.image.as_ref().filter(|image| !image.path.as_os_str().is_empty());
    let options = [
        ("--source", is_text.then(|| run.source.clone())),
        ("--audio", audio.map(|audio| path(&audio.path))),
        ("--from", audio.filter(|audio| audio.from > 0.0).map(|audio| audio.from.to_string())),
        ("--channel", number(audio.and_then(|audio| audio.channel))),
        ("--task", audio.and_then(|audio| audio.task).map(|task| task.name().to_string())),
        ("--image", image.map(|image| path(&image.path))),
        ("--rotate", turned.map(|turned| turned.name().to_string())),
        ("--prompt", run.image.as_ref().and_then(|image| image.prompt.clone())),
        ("--target", run.target.clone()),
        ("--src-lang", run.src_lang.clone()),
        ("--tgt-lang", run.tgt_lang.clone()),
        ("--beams", number(run.beams)),
        ("--max-new-tokens", number(run.max_new_tokens)),
        ("--seed", Some(run.seed).filter(|seed| *seed != 0).map(|seed| seed.to_string())),
    ];
    let given = options.into_iter().filter_map(|(name, value)| Some([name.to_string(), value?]));
    let flags = [
        ("--padding", audio.is_some_and(|audio| audio.padding)),
        ("--timestamps", audio.is_some_and(|audio| audio.timestamps)),
        ("--fast-generate", run.fast_generate),
    ];
    let flags = flags.into_iter().filter(|(_, set)| *set).map(|(name, _)| name.to_string());
    let covered = run.image.iter().flat_map(|image| &image.covered);
    let covered = covered
        .flat_map(|PixelBox { x, y, w, h }| ["--cover".to_string(), format!("{x:.2},{y:.2},{w:.2},{h:.2}")]);
    given.flatten().chain(covered).chain(flags).collect()
}

/// Returns the words and positions of the filter. The command line has no filter by weight.
fn filter(app: &App) -> Vec<String> {
    let places = &app.filter.places;
    let sides = [("--query", &places.queries), ("--key", &places.keys)];
    let named = sides.into_iter().filter(|(_, places)| places.names_any());
    named.flat_map(|(name, places)| [name.to_string(), places.named_text()]).collect()
}

fn heads(app: &App) -> Vec<String> {
    let sorted = sorted(app);
    let mut words = match sorted {
        IMPORTANCE => strings(&["--importance", "--sort", sorted]),
        metric => strings(&["--sort", metric]),
    };
    if app.views.heads.reverse {
        words.push("--reverse".into());
    }
    if app.reading.one_kind {
        words.extend(strings(&["--kind", app.selection.head.kind().name()]));
    }
    words.extend(["--far".to_string(), app.reading.distance.to_string()]);
    words
}

fn links(app: &App) -> Vec<String> {
    let mut words = Vec::new();
    if app.reading.one_kind {
        words.extend(strings(&["--kind", app.selection.head.kind().name()]));
    }
    if let Some(list) = &app.views.links.pairs {
        if let Some((query, key)) = list.title.split_once('|') {
            words.extend(["--query".into(), query.trim().into(), "--key".into(), key.trim().into()]);
        } else if let Some(link) = list.links.first() {
            let Pair { queries, keys } = &link.pair;
            words.extend(["--query".into(), positions(queries), "--key".into(), positions(keys)]);
        }
        return words;
    }
    words.extend(["--min-distance".to_string(), (app.reading.distance + 1).to_string()]);
    match app.views.links.keep {
        KeptLinks::All => words.extend(strings(&["--punctuation", "--sinks"])),
        KeptLinks::Words => words.push("--sinks".into()),
        KeptLinks::NoSinks => {}
    }
    words.extend(filter(app));
    words
}

fn positions(places: &std::ops::Range<usize>) -> String {
    match places.len() {
        1 => places.start.to_string(),
        _ => format!("{}-{}", places.start, places.end.saturating_sub(1)),
    }
}

/// Quotes a word for a POSIX shell where that is necessary.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quoted("org/name@main"), "org/name@main");
        assert_eq!(quoted("it's |x"), r"'it'\''s |x'");
        assert_eq!(quoted(""), "''");
    }
}
