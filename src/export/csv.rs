//! CSV: a line a weight.

use super::labels::token_label;
use super::select::Selection;
use super::table::quoted;
use crate::capture::Capture;
use crate::error::Result;
use crate::site::Kind;

/// The columns.
pub const COLUMNS: &str = "kind,layer,head,query,key,query_token,key_token,weight";

/// The chosen heads as CSV with a head line, [`COLUMNS`]; positions are zero-based, keys that a decoder row may
/// not look at are left out.
///
/// # Errors
/// [`crate::error::Error::NoSuchHead`] when nothing is chosen.
pub fn render(capture: &Capture, selection: &Selection) -> Result<Vec<u8>> {
    let mut out = format!("{COLUMNS}\n");
    for head in selection.heads(capture)? {
        let map = capture.map(head)?;
        let kind = head.kind();
        let words = |tokens: &[_]| tokens.iter().map(|token| quoted(&token_label(token))).collect::<Vec<_>>();
        let (queries, keys) = (words(capture.queries(kind)), words(capture.keys(kind)));
        for (i, query) in queries.iter().enumerate().take(map.rows()) {
            for (j, (key, weight)) in keys.iter().zip(map.row(i)).enumerate() {
                if kind != Kind::Decoder || j <= i {
                    let (layer, number) = (head.layer(), head.head);
                    out += &format!("{kind},{layer},{number},{i},{j},{query},{key},{weight}\n");
                }
            }
        }
    }
    Ok(out.into_bytes())
}
