//! Captures built by hand, for tests without a model.

use std::sync::Arc;

use attn_tui::axis::{AxisItem, Sequence, Token};
use attn_tui::capture::{
    Capture, MapStore, MapWeights, Precision, Prediction, SiteLayout, SiteMaps, ValuesBySite, write,
};
use attn_tui::site::{Kind, Site};

/// Makes tokens from pieces; those in angle brackets are special.
pub fn tokens(pieces: &[&str]) -> Vec<AxisItem> {
    pieces
        .iter()
        .enumerate()
        .map(|(id, piece)| AxisItem::token(id as u32, *piece, piece.starts_with('<') && piece.ends_with('>')))
        .collect()
}

/// Returns the bytes of the capture file of a capture.
pub fn file_of(capture: &Capture, precision: Precision) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(capture, precision, SiteLayout::Plain, &mut bytes).unwrap();
    bytes
}

/// Returns a reproducible pseudo-random number in `0..1`.
fn noise(seed: &[usize]) -> f32 {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for &part in seed {
        state = (state ^ part as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state ^= state >> 29;
    }
    (state >> 40) as f32 / (1u64 << 24) as f32
}

/// Makes a map whose rows sum to 1; heads differ in their preferred offset.
fn map(kind: Kind, layer: usize, head: usize, queries: usize, keys: usize) -> Vec<f32> {
    let mut data = Vec::with_capacity(queries * keys);
    for i in 0..queries {
        let diagonal = if kind == Kind::Cross { i * keys / queries } else { i };
        let liked = match head % 4 {
            0 => diagonal,
            1 => diagonal.saturating_sub(1 + layer),
            2 => keys - 1,
            _ => (diagonal + keys / 2) % keys,
        };
        let row: Vec<f32> = (0..keys)
            .map(|j| match kind {
                Kind::Decoder if j > i => 0.0,
                _ => {
                    let near = if j == liked { 3.0 } else { 0.0 };
                    (near + 2.0 * noise(&[layer, head, i, j])).exp()
                }
            })
            .collect();
        let sum: f32 = row.iter().sum();
        data.extend(row.iter().map(|weight| weight / sum));
    }
    data
}

/// Makes a capture of these texts with `layers` layers of `heads` heads of every kind.
pub fn capture(source: &[&str], target: &[&str], layers: usize, heads: usize) -> Capture {
    let source_tokens = tokens(source);
    let target_tokens = tokens(target);
    let mut decoder_input = tokens(&["<pad>"]);
    decoder_input.extend(target_tokens.iter().take(target.len() - 1).cloned());
    let mut maps = MapStore::default();
    for kind in Kind::ALL {
        let (queries, keys) = match kind {
            Kind::Encoder => (source.len(), source.len()),
            Kind::Decoder => (target.len(), target.len()),
            Kind::Cross => (target.len(), source.len()),
        };
        for layer in 0..layers {
            let data: Vec<f32> = (0..heads).flat_map(|head| map(kind, layer, head, queries, keys)).collect();
            maps.insert(Site::new(kind, layer), SiteMaps::new(heads, queries, keys, data));
        }
    }
    let predictions = (0..target.len())
        .map(|row| {
            let probability = 0.4 + 0.6 * noise(&[row]);
            let token = |at: usize| {
                let AxisItem { piece, special, .. } = target_tokens[at].clone();
                Token { id: at as u32, piece, special }
            };
            Prediction {
                probability,
                candidates: vec![
                    (token(row), probability),
                    (token((row + 1) % target.len()), (1.0 - probability) / 2.0),
                ],
            }
        })
        .collect();
    let text = |pieces: &[&str]| pieces.concat().replace('▁', " ").replace("</s>", "").trim().to_string();
    Capture {
        model: "made".into(),
        model_type: "marian".into(),
        architecture: Default::default(),
        source: Sequence { text: text(source), items: source_tokens },
        target: Sequence { text: text(target), items: target_tokens },
        decoder_input,
        predictions,
        logits: None,
        maps,
        values: ValuesBySite::new(),
        weights: MapWeights::Attention,
        media: None,
        picture: None,
        int8_target: false,
        beams: Vec::new(),
        session: None,
        sampled: None,
        sound: None,
        alignment_heads: Vec::new(),
        notes: Vec::new(),
    }
}

/// Makes a capture of an English sentence and its French translation.
pub fn sentence() -> Arc<Capture> {
    Arc::new(capture(
        &["▁The", "▁chil", "dren", "▁who", "▁live", "▁next", "▁door", "▁are", "▁play", "ing", ".", "</s>"],
        &["▁Les", "▁enfants", "▁qui", "▁vivent", "▁à", "▁côté", "▁jou", "ent", ".", "</s>"],
        3,
        6,
    ))
}

/// Makes a capture of tokens that are hard to draw: wide, combining, right-to-left, control and zero-width
/// characters.
pub fn awkward() -> Arc<Capture> {
    Arc::new(capture(
        &[
            "▁注意力",
            "机制",
            "👩‍🔬",
            "e\u{301}",
            "▁שלום",
            "▁العربية",
            "\n",
            "\t",
            "\u{200b}",
            "▁",
            "<0x0A>",
            "</s>",
        ],
        &["▁Ünï", "çødé", "▁日本", "🙂", "\u{7}", "▁a\u{202e}b", "…", "</s>"],
        2,
        3,
    ))
}

/// Makes a capture of `length` source and target tokens, with one layer of one head.
pub fn long(length: usize) -> Arc<Capture> {
    let pieces: Vec<String> = (0..length).map(|at| format!("▁t{at}")).collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    Arc::new(capture(&pieces, &pieces, 1, 1))
}

/// Makes a capture with cross-attention only, as of a recurrent network.
pub fn cross_alone() -> Capture {
    let mut capture = capture(&["▁un", "▁deux", "</s>"], &["▁one", "▁two", "</s>"], 1, 1);
    let cross = capture.maps.site(Site::new(Kind::Cross, 0)).expect("a map").clone();
    capture.maps = MapStore::default();
    capture.maps.insert(Site::new(Kind::Cross, 0), cross);
    capture
}
