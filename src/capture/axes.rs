//! Axes of the maps in a capture file: their lengths and their items.

use std::collections::{HashMap, HashSet};

use super::MapStore;
use super::tensors::Parsed;
use crate::axis::{AxisItem, queries};
use crate::site::{Kind, Site};

/// Maximum number of items along an axis: the longest context of any model.
pub const MAX_ITEMS: usize = 1 << 17;

/// Longest piece in bytes that is read, as in a tokenizer.
const MAX_PIECE: usize = 4096;

/// Sequence lengths according to the maps.
pub struct Lengths {
    /// Length of the source.
    pub source: Option<usize>,
    /// Queries of the encoder; fewer than the source is long if the source ends in a rest.
    encoder_queries: Option<usize>,
    /// Length of the target.
    pub target: Option<usize>,
}

impl Lengths {
    /// Determines the lengths from all maps.
    pub fn of(maps: &MapStore) -> Parsed<Self> {
        let mut lengths = Lengths { source: None, encoder_queries: None, target: None };
        let agree = |slot: &mut Option<usize>, found: usize, site: Site, what: &str| match *slot {
            Some(known) if known != found => Err(format!("{site} has {found} {what} tokens, others {known}")),
            _ if found > MAX_ITEMS => {
                Err(format!("{site} has {found} {what} tokens, more than the {MAX_ITEMS} that are read"))
            }
            _ => {
                *slot = Some(found);
                Ok(())
            }
        };
        for (site, site_maps) in maps.sites() {
            let [_, queries, keys] = site_maps.shape();
            if site.kind == Kind::Encoder {
                agree(&mut lengths.encoder_queries, queries, site, "source")?;
            } else {
                agree(&mut lengths.target, queries, site, "target")?;
            }
            if site.kind == Kind::Decoder {
                agree(&mut lengths.target, keys, site, "target")?;
            } else {
                agree(&mut lengths.source, keys, site, "source")?;
            }
        }
        Ok(lengths)
    }

    /// Checks that the encoder's maps have a row for every item of the source that is a query.
    pub fn check_queries(&self, source: &[AxisItem]) -> Parsed<()> {
        match self.encoder_queries {
            Some(rows) if rows != queries(source).len() => Err(format!(
                "the encoder's maps have {rows} rows for {} source tokens",
                queries(source).len()
            )),
            _ => Ok(()),
        }
    }
}

/// Reader of the token lists in the metadata. Fills in what files from Python leave out, as far as it is
/// known.
pub struct Tokens<'a> {
    /// The metadata.
    pub fields: &'a HashMap<String, String>,
    /// Ids of special tokens.
    pub special: HashSet<u32>,
}

impl Tokens<'_> {
    /// Reads the items of `source` or `target`.
    pub fn read(&self, side: &str, length: Option<usize>) -> Parsed<Vec<AxisItem>> {
        let ids = list::<u32>(self.fields, &format!("{side}_ids"))?;
        let pieces = list::<String>(self.fields, &format!("{side}_tokens"))?;
        let count = length.or(pieces.as_ref().map(Vec::len)).or(ids.as_ref().map(Vec::len)).unwrap_or(0);
        self.join(side, ids, pieces, count)
    }

    /// Reads what the decoder is fed; if the file does not say, the target shifted by a start token.
    pub fn decoder_input(
        &self,
        source: &[AxisItem],
        target: &[AxisItem],
        length: Option<usize>,
    ) -> Parsed<Vec<AxisItem>> {
        let count = length.unwrap_or(target.len());
        let ids = list::<u32>(self.fields, "decoder_input_ids")?;
        let mut pieces = list::<String>(self.fields, "decoder_input_tokens")?;
        if pieces.is_none()
            && let Some(ids) = &ids
        {
            // Row t is fed what row t-1 predicted; the start token may be spelt elsewhere in the file.
            let spelt = items_by_id(&[source, target]);
            let spelling = |(row, &id): (usize, &u32)| {
                let before = row.checked_sub(1).and_then(|before| target.get(before));
                let known = before.filter(|item| item.token_id() == Some(id));
                let known = known.or_else(|| spelt.get(&id).copied());
                known.map_or_else(
                    || if row == 0 { "<start>".into() } else { format!("#{id}") },
                    |t| t.piece.clone(),
                )
            };
            pieces = Some(ids.iter().enumerate().map(spelling).collect());
        }
        if pieces.is_none() {
            pieces = Some(
                std::iter::once("<start>".to_string())
                    .chain(target.iter().map(|token| token.piece.clone()))
                    .take(count)
                    .collect(),
            );
        }
        let mut tokens = self.join("decoder_input", ids, pieces, count)?;
        if let Some(first) = tokens.first_mut() {
            first.special = true;
        }
        Ok(tokens)
    }

    fn join(
        &self,
        side: &str,
        ids: Option<Vec<u32>>,
        pieces: Option<Vec<String>>,
        count: usize,
    ) -> Parsed<Vec<AxisItem>> {
        let wrong = |key: String, found: usize| format!("{key} has {found} entries, the maps {count}");
        if let Some(ids) = ids.as_ref().filter(|ids| ids.len() != count) {
            return Err(wrong(format!("{side}_ids"), ids.len()));
        }
        if let Some(pieces) = pieces.as_ref().filter(|pieces| pieces.len() != count) {
            return Err(wrong(format!("{side}_tokens"), pieces.len()));
        }
        if let Some(piece) = pieces.iter().flatten().find(|piece| piece.len() > MAX_PIECE) {
            return Err(format!(
                "{side}_tokens has a piece of {} bytes, more than the {MAX_PIECE} that are read",
                piece.len()
            ));
        }
        Ok((0..count)
            .map(|i| {
                let id = ids.as_ref().map_or(i as u32, |ids| ids[i]);
                let piece = pieces.as_ref().map_or_else(|| format!("#{id}"), |pieces| pieces[i].clone());
                let special = (ids.is_some() && self.special.contains(&id)) || looks_special(&piece);
                AxisItem::token(id, piece, special)
            })
            .collect())
    }
}

/// Returns the first item of each token id in `axes`, of which the first counts first.
pub fn items_by_id<'a>(axes: &[&'a [AxisItem]]) -> HashMap<u32, &'a AxisItem> {
    let items = axes.iter().rev().flat_map(|axis| axis.iter().rev());
    items.filter_map(|item| Some((item.token_id()?, item))).collect()
}

/// Returns true if a piece is spelt like a special token, since files from Python do not list them.
fn looks_special(piece: &str) -> bool {
    let inner = |open: char, close: char| {
        piece.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(|rest| {
            !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || "_/|".contains(c))
        })
    };
    // Byte pieces such as <0x0A> are text.
    (inner('<', '>') && !piece.starts_with("<0x")) || inner('[', ']')
}

/// Reads a JSON list from the metadata; `None` if there is no such field.
pub fn list<T: serde::de::DeserializeOwned>(
    fields: &HashMap<String, String>,
    key: &str,
) -> Parsed<Option<Vec<T>>> {
    let Some(text) = fields.get(key) else { return Ok(None) };
    let list: Vec<T> =
        serde_json::from_str(text).map_err(|e| format!("metadata {key} is not a JSON list: {e}"))?;
    match list.len() {
        count if count > MAX_ITEMS => {
            Err(format!("metadata {key} has {count} entries, more than the {MAX_ITEMS} that are read"))
        }
        _ => Ok(Some(list)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_pieces_are_refused() {
        let read = |length: usize| {
            let pieces = format!("[\"a\", \"{}\"]", "b".repeat(length));
            let fields = HashMap::from([("target_tokens".to_string(), pieces)]);
            Tokens { fields: &fields, special: HashSet::new() }.read("target", Some(2))
        };
        assert_eq!(read(MAX_PIECE).unwrap().len(), 2);
        assert_eq!(
            read(5000).unwrap_err(),
            "target_tokens has a piece of 5000 bytes, more than the 4096 that are read"
        );
    }
}
