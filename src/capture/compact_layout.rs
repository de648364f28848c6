//! The compact layout of the capture file: queries, keys and position bias of a site in place of its maps.
//!
//! Tensors `{site}.query` `[queries, heads * width]`, `{site}.key` `[keys, key_heads * width]`,
//! `{site}.bias` `[heads, queries + keys - 1]` if there is a position bias (the value for key `j` and query
//! `i` at `queries - 1 + j - i`), and `{site}.beside` `[heads, 2 * summaries - 1]` if summaries of blocks
//! follow the tokens among the keys. The metadata field `{site}` is a JSON object of `heads`, `key_heads`,
//! `scale`, `cap`, `visible` (`all`, `causal`, `[before, after]`, `{"groups": [size, shift]}` or
//! `{"blocks": size}`), `block` (number of tokens that a summary stands for), `beside` (number of extra
//! keys without bias that follow the tokens), `again` (number of times that the keys of the first block are
//! repeated for the queries of inner blocks) and `part` (`beside` if the maps are those of the extra keys).

use std::collections::HashMap;

use safetensors::tensor::SafeTensors;
use serde_json::{Value, json};

use super::tensors::{Parsed, decode};
use crate::nn::{CompactMaps, ExtraBias, ExtraKeys, KeyPart, Visible};
use crate::site::Site;

/// Name, shape and values of the tensors of compact maps.
pub(super) fn tensors(compact: &CompactMaps) -> Vec<(&'static str, Vec<usize>, &[f32])> {
    let CompactMaps { heads, key_heads, queries, width, .. } = *compact;
    let across = |values: &[f32], width: usize| vec![values.len() / width.max(1), width];
    let mut tensors = vec![
        ("query", vec![queries, heads * width], compact.query.as_slice()),
        ("key", across(&compact.key, key_heads * width), compact.key.as_slice()),
    ];
    if let Some(bias) = &compact.bias {
        tensors.push(("bias", vec![heads, bias.len() / heads.max(1)], bias));
    }
    if let Some(ExtraKeys { bias: ExtraBias::Blocks { lines, .. }, .. }) = &compact.extra {
        tensors.push(("beside", vec![heads, lines.len() / heads.max(1)], lines));
    }
    tensors
}

/// The other fields of compact maps as a JSON object, for the metadata.
pub(super) fn settings(compact: &CompactMaps) -> String {
    let visible = match compact.visible {
        Visible::All => json!("all"),
        Visible::Causal => json!("causal"),
        Visible::Near { before, after } => json!([before, after]),
        Visible::Groups { size, shift } => json!({ "groups": [size, shift] }),
        Visible::Blocks(size) => json!({ "blocks": size }),
    };
    let mut settings = json!({
        "heads": compact.heads,
        "key_heads": compact.key_heads,
        "scale": compact.scale,
        "cap": compact.softcap,
        "visible": visible,
        "block": null,
    });
    if let Some(ExtraKeys { count, bias }) = &compact.extra {
        match bias {
            ExtraBias::None => settings["beside"] = json!(count),
            ExtraBias::Blocks { block, .. } => settings["block"] = json!(block),
            ExtraBias::Repeated { block, times } => {
                settings["beside"] = json!(count);
                settings["block"] = json!(block);
                settings["again"] = json!(times);
            }
        }
    }
    if compact.part == KeyPart::Extra {
        settings["part"] = json!("beside");
    }
    settings.to_string()
}

/// Reads the compact maps of a site.
pub(super) fn read(site: Site, file: &SafeTensors, fields: &HashMap<String, String>) -> Parsed<CompactMaps> {
    let field = fields.get(&site.to_string());
    let field = field.ok_or_else(|| format!("{site}.query comes without the metadata field {site}"))?;
    let settings: Value = serde_json::from_str(field).map_err(|e| format!("metadata field {site}: {e}"))?;
    let count = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n < 1 << 32);
    let need = |name: &str| {
        count(&settings[name]).ok_or_else(|| format!("metadata field {site}: {name} is no number"))
    };
    let visible = match &settings["visible"] {
        Value::String(all) if all == "all" => Visible::All,
        Value::String(causal) if causal == "causal" => Visible::Causal,
        Value::Array(ends) => match ends.as_slice() {
            [before, after] if count(before).is_some() && count(after).is_some() => {
                Visible::Near { before: count(before).unwrap_or(0), after: count(after).unwrap_or(0) }
            }
            _ => return Err(format!("metadata field {site}: visible is not [before, after]")),
        },
        Value::Object(groups) => {
            let sizes = groups.get("groups").and_then(Value::as_array).map(Vec::as_slice);
            match (sizes, groups.get("blocks").and_then(count)) {
                (Some([size, shift]), _) if count(size).is_some() && count(shift).is_some() => {
                    Visible::Groups { size: count(size).unwrap_or(0), shift: count(shift).unwrap_or(0) }
                }
                (None, Some(size)) => Visible::Blocks(size),
                _ => return Err(format!("metadata field {site}: visible is {}", settings["visible"])),
            }
        }
        other => return Err(format!("metadata field {site}: visible is {other}")),
    };
    let matrix = |name: &str| -> Parsed<Option<([usize; 2], Vec<f32>)>> {
        let name = format!("{site}.{name}");
        let Ok(view) = file.tensor(&name) else { return Ok(None) };
        let &[rows, cols] = view.shape() else {
            return Err(format!("{name} has shape {:?}, which has not two sides", view.shape()));
        };
        let values = decode(&name, &view)?;
        match values.iter().find(|value| !value.is_finite()) {
            Some(bad) => Err(format!("{name} holds {bad}")),
            None => Ok(Some(([rows, cols], values))),
        }
    };
    let missing = |name: &str| format!("{site}.{name} is not there");
    let ([queries, inner], query) = matrix("query")?.ok_or_else(|| missing("query"))?;
    let ([all, _], key) = matrix("key")?.ok_or_else(|| missing("key"))?;
    let heads = need("heads")?.max(1);
    let given = |name: &str| settings.get(name).is_some_and(|value| !value.is_null());
    let extra = match matrix("beside")? {
        Some(([_, lines], values)) => Some(ExtraKeys {
            count: lines.div_ceil(2),
            bias: ExtraBias::Blocks { block: need("block")?, lines: values },
        }),
        None if given("again") => Some(ExtraKeys {
            count: need("beside")?,
            bias: ExtraBias::Repeated { block: need("block")?, times: need("again")? },
        }),
        None if given("beside") => Some(ExtraKeys::plain(need("beside")?)),
        None => None,
    };
    let part = if settings["part"] == "beside" { KeyPart::Extra } else { KeyPart::Tokens };
    let compact = CompactMaps {
        heads,
        key_heads: need("key_heads")?,
        queries,
        keys: all.saturating_sub(extra.as_ref().map_or(0, |extra| extra.count)),
        width: inner / heads,
        scale: settings["scale"].as_f64().unwrap_or(1.0) as f32,
        softcap: settings["cap"].as_f64().map(|softcap| softcap as f32),
        visible,
        bias: matrix("bias")?.map(|(_, values)| values),
        extra,
        part,
        masked: Vec::new(),
        query,
        key,
    };
    compact.check().map_err(|why| format!("{site}: {why}"))?;
    Ok(compact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Capture, Precision, SiteLayout, SiteMaps, read as read_file, write};
    use crate::site::Kind;

    fn noise(len: usize, step: f32) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * step).sin()).collect()
    }

    /// Local attention with summaries.
    fn local() -> CompactMaps {
        CompactMaps {
            heads: 2,
            key_heads: 1,
            queries: 50,
            keys: 50,
            width: 4,
            scale: 0.5,
            softcap: Some(3.0),
            visible: Visible::Near { before: 7, after: 3 },
            bias: Some(noise(2 * 99, 0.7)),
            extra: Some(ExtraKeys {
                count: 3,
                bias: ExtraBias::Blocks { block: 16, lines: noise(2 * 5, 1.3) },
            }),
            part: KeyPart::Tokens,
            masked: Vec::new(),
            query: noise(50 * 8, 0.3),
            key: noise(53 * 4, 0.9),
        }
    }

    /// A capture of one site.
    fn capture(compact: CompactMaps) -> Capture {
        assert_eq!(compact.check(), Ok(()));
        let token = |id| crate::axis::AxisItem::token(id, format!("t{id}"), false);
        let mut capture = Capture {
            model: "m".into(),
            model_type: "longt5".into(),
            architecture: crate::checkpoint::Architecture::Transformer,
            source: crate::axis::Sequence { text: "t".into(), items: (0..50).map(token).collect() },
            target: crate::axis::Sequence { text: String::new(), items: Vec::new() },
            decoder_input: Vec::new(),
            predictions: Vec::new(),
            logits: None,
            maps: Default::default(),
            values: Default::default(),
            weights: Default::default(),
            media: None,
            picture: None,
            int8_target: false,
            beams: Vec::new(),
            session: None,
            sampled: None,
            sound: None,
            alignment_heads: Vec::new(),
            notes: Vec::new(),
        };
        capture.maps.insert(Site::new(Kind::Encoder, 0), SiteMaps::of(compact));
        capture
    }

    #[test]
    fn both_layouts_give_the_same_maps() {
        let capture = capture(local());
        let site = Site::new(Kind::Encoder, 0);
        let folder = tempfile::tempdir().unwrap();
        for (name, layout) in [("compact", SiteLayout::Compact), ("plain", SiteLayout::Plain)] {
            let mut bytes = Vec::new();
            write(&capture, Precision::F32, layout, &mut bytes).unwrap();
            let path = folder.path().join(format!("{name}.safetensors"));
            std::fs::write(&path, bytes).unwrap();
            let back = read_file(&path).unwrap();
            assert_eq!(back.maps.site(site).unwrap().compact().is_some(), name == "compact");
            for head in 0..2 {
                let (found, made) =
                    (back.map(site.head(head)).unwrap(), capture.map(site.head(head)).unwrap());
                assert_eq!(found.as_slice(), made.as_slice(), "{name}");
                // What the summaries take is missing from the tokens.
                assert!(made.row(20).iter().sum::<f32>() < 0.99);
                assert_eq!(made.row(20)[..13], [0.0; 13]);
            }
        }
    }

    #[test]
    fn all_compact_maps_survive_a_round_trip() {
        let again = ExtraKeys { count: 3, bias: ExtraBias::Repeated { block: 3, times: 2 } };
        let extra = Some(ExtraKeys::plain(50));
        let merged =
            CompactMaps { visible: Visible::Causal, bias: None, extra, key: noise(100 * 4, 0.9), ..local() };
        let visible = Visible::Groups { size: 16, shift: 8 };
        for compact in [
            local(),
            CompactMaps { extra: Some(again), visible: Visible::Blocks(3), ..local() },
            CompactMaps { extra: Some(ExtraKeys::plain(3)), visible, ..local() },
            CompactMaps { extra: None, visible: Visible::All, key: noise(50 * 4, 0.9), ..local() },
            CompactMaps { part: KeyPart::Extra, ..merged.clone() },
            merged,
        ] {
            let mut bytes = Vec::new();
            write(&capture(compact.clone()), Precision::F32, SiteLayout::Compact, &mut bytes).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("c.safetensors");
            std::fs::write(&path, bytes).unwrap();
            let back = read_file(&path).unwrap();
            assert_eq!(back.maps.site(Site::new(Kind::Encoder, 0)).unwrap().compact(), Some(&compact));
        }
    }

    #[test]
    fn a_compact_form_that_does_not_fit_is_refused() {
        let mut bytes = Vec::new();
        write(&capture(local()), Precision::F32, SiteLayout::Compact, &mut bytes).unwrap();
        let at = bytes.windows(13).position(|window| window == b"key_heads\\\":1").unwrap();
        bytes[at + 12] = b'0';
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.safetensors");
        std::fs::write(&path, bytes).unwrap();
        let error = read_file(&path).unwrap_err().to_string();
        assert!(error.contains("encoder.0: 2 heads of 4 over 0"), "{error}");
    }
}
