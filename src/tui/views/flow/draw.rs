//! Drawing of Flow: how much of an output token comes from each source token and each earlier target token,
//! through all layers (the rollout of an encoder-decoder) or through the heads of one layer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::shares::{FlowMaps, FlowShares, NoShares, row, shares, site};
use super::state::FlowMethod;
use crate::matrix::Matrix;
use crate::site::Kind;
use crate::tui::app::App;
use crate::tui::cache::Cache;
use crate::tui::command::Command;
use crate::tui::evidence_lines::RankAgreement;
use crate::tui::layout::{Layout, ViewHit};
use crate::tui::reading::{Axis, Special, max_of};
use crate::tui::widgets::cells::{fit, part, put, wrap};
use crate::tui::widgets::heat::fine;
use crate::tui::widgets::panel::{Panel, PanelShape, halves};
use crate::tui::widgets::picture::SourcePicture;
use crate::tui::widgets::rule::rule;
use crate::tui::widgets::thumbnail::thumbnail;

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, cache: &mut Cache, layout: &mut Layout) {
    let shares = match shares(app) {
        Ok(shares) => shares,
        Err(why) => {
            let why = match why {
                NoShares::Absent(why) => why,
                NoShares::NoValues => no_values(app),
                NoShares::NoRelevance => no_relevance(app),
            };
            let columns = usize::from(area.width.saturating_sub(4));
            for (y, line) in (area.y + 1..area.bottom()).zip(wrap(&why, columns)) {
                put(buf, area, area.x + 2, y, &line, app.theme.dim());
            }
            return;
        }
    };
    let (area, line) = split(app, area);
    if let Some((source, _)) = shares.maps.as_ref().filter(|_| !line.is_empty()) {
        let ranks = match app.views.flow.method {
            FlowMethod::Mean | FlowMethod::Max => "rollout",
            FlowMethod::Alti => "ALTI+",
            FlowMethod::Relevance => "relevance",
        };
        let agreement = RankAgreement::of_scores(app, source).unwrap_or_default();
        put(buf, line, line.x, line.y, &agreement.line(ranks, usize::from(line.width)), app.theme.text());
    }
    let (method, one_layer) = (app.views.flow.method, app.views.flow.shows_one_layer());
    let (from_source, from_prefix) = shares.totals();
    let heads = |kind: Kind| app.capture.as_ref().map_or(0, |capture| capture.heads(site(app, kind)));
    let titles = match (one_layer, method) {
        (false, FlowMethod::Alti) => {
            [format!("{from_source:.2} comes from the source"), format!("{from_prefix:.2} from the prefix")]
        }
        (false, _) => {
            [format!("source {from_source:.2}, parts of it"), format!("prefix {from_prefix:.2}, parts of it")]
        }
        (true, FlowMethod::Alti) => [
            format!("{}: {from_source:.2} in all, the rest is kept", site(app, Kind::Cross)),
            format!("{}: {from_prefix:.2} in all", site(app, Kind::Decoder)),
        ],
        (true, _) => [(Kind::Cross, from_source), (Kind::Decoder, from_prefix)].map(|(kind, total)| {
            format!("{}: {} of {} heads, {total:.2} in all", site(app, kind), method.name(), heads(kind))
        }),
    };
    let below = match (one_layer, method) {
        (true, _) => "all rows of this layer".to_string(),
        (false, FlowMethod::Alti) => {
            "all rows, through all layers: ALTI+, contributions measured with the values".into()
        }
        (false, FlowMethod::Relevance) => {
            "all rows, through all layers: relevance, weights times gradients (Chefer et al. 2021)".into()
        }
        // With attention weights alone, the totals of the sides follow from the residual's share.
        (false, _) => format!(
            "all rows, through all layers: rollout of the heads' {}, residual ½, which fixes the totals",
            method.name()
        ),
    };
    let scaled = !one_layer && method != FlowMethod::Alti;
    let part_of = |row: &[f32]| if scaled { normalised(row.to_vec()) } else { row.to_vec() };
    let (source, prefix) = (part_of(&shares.source), part_of(&shares.prefix));
    sides(buf, area, app, titles, [&source, &prefix], (&below, shares.maps.as_ref()), (cache, layout));
}

/// Splits the area into that of texts and maps, and the line below it that says how the flow agrees with
/// leave-one-out: empty while that is not known, for single layers, and on a low screen.
fn split(app: &App, area: Rect) -> (Rect, Rect) {
    let known = app.evidence.losses.is_some() && !app.views.flow.shows_one_layer();
    let lines = u16::from(known && area.height >= 8);
    let height = area.height - lines;
    let line = part(area, 1, height, area.width.saturating_sub(2), lines);
    (part(area, 0, 0, area.width, height), line)
}

/// Describes what the flow goes into, and by which method.
pub fn header(app: &App) -> String {
    let row = row(app);
    let (input, predicted) = (app.axes.input.label(row), app.axes.predicts.get(row));
    let predicted = predicted.map_or("", |(label, _)| label.as_str());
    let one_layer = app.views.flow.shows_one_layer();
    let method = match (app.views.flow.method, one_layer) {
        (FlowMethod::Relevance, _) => match &app.views.flow.contrast {
            Some(other) => format!("relevance, not {}", other.label),
            None => "relevance (weights × gradients)".into(),
        },
        (FlowMethod::Alti, true) => "contributions (ALTI)".into(),
        (FlowMethod::Alti, false) => "contributions (ALTI+)".into(),
        (method, true) => format!("{} of the heads", method.name()),
        (method, false) => format!("rollout of the heads' {}", method.name()),
    };
    let layers = match one_layer {
        true => format!("layer {} alone", app.selection.head.layer()),
        false => "through all layers".into(),
    };
    let row = app.axes.input.token_of(row);
    format!("flow into {input} → {predicted} (row {row}) · {layers} · {method}")
}

/// Describes the shares of the selected row, the longest wording first.
pub fn value(app: &App) -> Vec<String> {
    let Ok(shares) = shares(app) else { return vec!["no flow".into()] };
    let label = app.axes.predicts.get(row(app)).map_or("", |(label, _)| label.as_str());
    let (from_source, from_prefix) = shares.totals();
    let most = |weights: &[f32], axis: &Axis| {
        let best = (0..weights.len()).max_by(|&a, &b| weights[a].total_cmp(&weights[b]));
        best.map_or_else(String::new, |at| format!(", most from {} ({})", axis.label(at), fine(weights[at])))
    };
    let source = format!("{label} draws {from_source:.2} from the source");
    let prefix = format!("{from_prefix:.2} from the prefix");
    let (of_source, of_prefix) =
        (most(&shares.source, &app.axes.source), most(&shares.prefix, &app.axes.input));
    let lost = 1.0 - from_source - from_prefix;
    let windows = app.capture.as_ref().is_some_and(|capture| capture.has_windows(Kind::Encoder));
    // What hidden units have is not lost.
    let whole = app.reading.special == Special::Show && !app.views.flow.shows_one_layer();
    let rest = match windows && whole && lost >= 0.005 {
        true => format!("; {lost:.2} lost to what fills windows"),
        false => String::new(),
    };
    vec![
        format!("{source}{of_source}; {prefix}{of_prefix}{rest}"),
        format!("{source}{of_source}; {prefix}{rest}"),
        format!("{source}, {prefix}{rest}"),
        format!("{source}, {prefix}"),
        format!("source {from_source:.2}, prefix {from_prefix:.2}"),
    ]
}

fn no_values(app: &App) -> String {
    match app.run.info {
        Some(_) => {
            let key = app.first_key(Command::Values);
            format!("ALTI needs what the values add. It is being measured, or {key} runs the model for it.")
        }
        None => "ALTI needs what the values add, which this capture does not hold.".into(),
    }
}

fn no_relevance(app: &App) -> String {
    match app.run.info {
        Some(_) => {
            "Relevance needs gradients: a backward pass of the model. It shows here as soon as it is known."
                .into()
        }
        None => "Relevance needs gradients, and this capture has no model to compute them.".into(),
    }
}

/// Returns the height of the maps below the texts; 0 without maps.
fn picture_height(area: Rect, shares: &FlowShares) -> u16 {
    if area.height >= 20 && shares.maps.is_some() { area.height / 3 } else { 0 }
}

/// Returns the area of the target's running text.
pub fn prefix_text(app: &App, area: Rect) -> Rect {
    let (area, _) = split(app, area);
    let picture = shares(app).map_or(0, |shares| picture_height(area, &shares));
    let (_, right) = halves(part(area, 0, 0, area.width, area.height - picture));
    PanelShape { named: false, listed: true }.parts(right, &app.axes.input).text
}

/// Draws source and prefix of the selected row, with the maps of all rows below.
fn sides(
    buf: &mut Buffer,
    area: Rect,
    app: &App,
    [left_title, right_title]: [String; 2],
    [source, prefix]: [&[f32]; 2],
    (below, maps): (&str, Option<&FlowMaps>),
    (cache, layout): (&mut Cache, &mut Layout),
) {
    let row = row(app);
    let picture = if area.height >= 20 && maps.is_some() { area.height / 3 } else { 0 };
    let (left, right) = halves(part(area, 0, 0, area.width, area.height - picture));
    Panel {
        title: left_title,
        axis: &app.axes.source,
        timeline: app.timeline(),
        weights: source,
        overlaid: &[],
        top: app.reading.scale.top(max_of(source), 1.0, source.len()),
        query: None,
        key: None,
        hit: ViewHit::Source,
        scale: app.reading.scale,
        theme: &app.theme,
        picture: SourcePicture::new(app, cache, Panel::picture_area(left)),
    }
    .draw(buf, left, layout);
    Panel {
        title: right_title,
        axis: &app.axes.input,
        timeline: app.timeline(),
        weights: prefix,
        overlaid: &[],
        top: app.reading.scale.top(max_of(prefix), 1.0, row + 1),
        query: Some(row),
        key: None,
        hit: ViewHit::Target,
        scale: app.reading.scale,
        theme: &app.theme,
        picture: None,
    }
    .draw(buf, right, layout);
    if let Some((source, prefix)) = maps.filter(|_| picture > 0) {
        let area = part(area, 0, area.height - picture, area.width, picture);
        pictures(buf, area, app, below, source, prefix);
    }
}

fn normalised(mut row: Vec<f32>) -> Vec<f32> {
    let sum: f32 = row.iter().sum();
    if sum > 0.0 {
        row.iter_mut().for_each(|weight| *weight /= sum);
    }
    row
}

/// Draws two small maps side by side, with one row per output token.
fn pictures(buf: &mut Buffer, area: Rect, app: &App, title: &str, source: &Matrix, prefix: &Matrix) {
    let title = fit(title, usize::from(area.width).saturating_sub(4));
    rule(buf, part(area, 0, 0, area.width, 1), &[(1, &title)], &app.theme);
    let (left, right) = halves(part(area, 0, 1, area.width, area.height - 1));
    for (area, map, causal) in [(left, source, false), (right, prefix, true)] {
        let inner = part(area, 1, 0, area.width.saturating_sub(3).min(80), area.height);
        thumbnail(buf, inner, &app.theme, map, app.reading.scale, causal);
    }
}
