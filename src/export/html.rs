//! HTML export: one self-contained page with all selected maps.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::figure::{FigureStyle, FigureTheme};
use super::labels::{Labels, keys_title, kind_title, model_title, queries_title};
use super::options::Options;
use super::prepared::PreparedExport;
use super::select::HeadSelection;
use super::shaping::in_order;
use super::svg::escaped;
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::paint::Colormap;
use crate::site::{Head, Kind};

/// Extension of its files.
pub const EXTENSION: &str = "html";

/// Most weights of a page. They are held in memory one by one, and a browser opens no larger page well.
const MAX_WEIGHTS: usize = 30_000_000;

/// Prepares the export of a capture.
///
/// # Errors
/// [`Error::NoSuchHead`] if the selection is empty; [`Error::Usage`] if it has too many weights for a page.
pub fn prepare<'a>(capture: &'a Capture, options: &Options) -> Result<PreparedExport<'a>> {
    let (style, dark) = (options.style, options.style.theme == FigureTheme::Dark);
    Ok(PreparedExport::whole(render(capture, &options.selection, dark, &style)?))
}

/// Template of the page; `{{...}}` are placeholders.
const PAGE: &str = include_str!("page.html");

/// Renders the selected heads as a self-contained HTML page.
///
/// The reader can switch kind, layer, head, colours and scale, and can read every weight. Weights are stored
/// as integers in units of 1/10,000.
///
/// # Errors
/// [`Error::NoSuchHead`] if the selection is empty; [`Error::Usage`] if it has too many weights for a page.
pub fn render(
    capture: &Capture,
    selection: &HeadSelection,
    dark: bool,
    style: &FigureStyle,
) -> Result<Vec<u8>> {
    let mut kinds: BTreeMap<Kind, Vec<Head>> = BTreeMap::new();
    let heads = selection.heads(capture)?;
    let weights = |head: &Head| {
        let (queries, keys) = capture.shape(head.kind());
        queries.saturating_mul(keys)
    };
    check_count(heads.iter().map(weights).fold(0, usize::saturating_add))?;
    for head in heads {
        kinds.entry(head.kind()).or_default().push(head);
    }
    let mut data = Vec::new();
    for (kind, heads) in kinds {
        let labels = Labels::of(capture, kind);
        let queries: Vec<_> = labels.queries.iter().map(|label| in_order(label)).collect();
        let mut maps = Vec::new();
        for head in heads {
            let map = capture.map(head)?;
            let weights: Value = map.as_slice().iter().map(|weight| (weight * 1e4).round() as i64).collect();
            maps.push(json!({"layer": head.layer(), "head": head.head, "weights": weights}));
        }
        data.push(json!({
            "kind": kind.name(), "title": kind_title(kind), "queries": queries, "keys": labels.keys,
            "rows": queries_title(capture, kind), "columns": keys_title(capture, kind),
            "causal": kind == Kind::Decoder, "maps": maps,
        }));
    }
    let colors: serde_json::Map<_, _> = Colormap::ALL
        .into_iter()
        .filter(|&map| map != Colormap::Diverging)
        .map(|map| (map.name().to_string(), palette(map)))
        .collect();
    let data = json!({
        "kinds": data, "colors": colors, "colormap": style.colormap.name(),
        "scale": style.scale.range.name(), "theme": if dark { "dark" } else { "light" },
    });
    // A token that spells "</script>" must not end the script.
    let data = data.to_string().replace('<', "\\u003c");
    let page = filled(PAGE, |name| match name {
        "model" => escaped(&model_title(capture)),
        "source" => escaped(&capture.source.text),
        "target" => escaped(&capture.target.text),
        _ => data.clone(),
    });
    Ok(page.into_bytes())
}

/// Checks the number of weights of a page.
fn check_count(weights: usize) -> Result<()> {
    match weights {
        0..=MAX_WEIGHTS => Ok(()),
        _ => Err(Error::Usage(format!(
            "the page would hold {weights} weights, more than {MAX_WEIGHTS}: choose some of the heads with --kind, --layer \
             or --head"
        ))),
    }
}

/// Returns the colours of a colour map from 0 to 1, as CSS colours.
fn palette(map: Colormap) -> Value {
    const STEPS: usize = 64;
    (0..STEPS)
        .map(|step| {
            let [r, g, b] = map.color(step as f32 / (STEPS - 1) as f32);
            format!("#{r:02x}{g:02x}{b:02x}")
        })
        .collect()
}

/// Replaces the placeholders of a template in one pass; inserted text is not searched for placeholders.
fn filled(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, name, after)) = rest
        .split_once("{{")
        .and_then(|(before, tail)| tail.split_once("}}").map(|(name, after)| (before, name, after)))
    {
        out += before;
        out += &value(name);
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bounded() {
        assert!(check_count(MAX_WEIGHTS).is_ok());
        let error = check_count(324_000_000).unwrap_err();
        assert!(matches!(&error, Error::Usage(why) if why.contains("324000000 weights")), "{error}");
        assert!(error.to_string().contains("--layer"), "{error}");
    }
}
