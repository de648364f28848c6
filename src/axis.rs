//! The items along the axes of attention maps, and the tokens of a vocabulary.

/// A token of a model's vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Id in the vocabulary.
    pub id: u32,
    /// The vocabulary's piece as the tokenizer spells it (`▁The`, `Ġof`, `</s>`).
    pub piece: String,
    /// True for special tokens: end, start, padding, language tags.
    pub special: bool,
}

/// An item at one position of an axis. Views, exports and metrics ask an item for its spelling and whether
/// it is special; only code that feeds a model asks for its kind.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisItem {
    /// Spelling: the vocabulary's piece of a token, the begin of a frame (`1.24s`), the top left corner of a
    /// patch (`128,32`), the name of a class token (`[CLS]`), or `rest`.
    pub piece: String,
    /// True if the item stands for no part of the input, such as special tokens.
    pub special: bool,
    /// The kind of the item, with what only this kind has.
    pub kind: ItemKind,
}

/// The kinds of [`AxisItem`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ItemKind {
    /// A token of a text.
    Token {
        /// Id in the model's vocabulary.
        id: u32,
    },
    /// A stretch of a recording, in seconds from its begin.
    Frame {
        /// Begin.
        start: f64,
        /// End.
        end: f64,
    },
    /// A rectangle of a picture.
    Patch(PixelBox),
    /// A learned token before the patches of a picture, such as `[CLS]`.
    Class,
    /// The last item of an axis that shows only the first positions of a source one by one: all others, whose
    /// weight is summed. Such positions are keys; as queries they are left out.
    Rest {
        /// Number of positions.
        count: usize,
    },
}

/// A rectangle of a picture, in its pixels, counted from the top left corner.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PixelBox {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl PixelBox {
    /// Rounds to hundredths of a pixel.
    #[must_use]
    pub fn rounded(self) -> Self {
        let round = |value: f64| (value * 100.0).round() / 100.0;
        Self { x: round(self.x), y: round(self.y), w: round(self.w), h: round(self.h) }
    }

    /// The middle, as x and y.
    pub fn centre(self) -> [f64; 2] {
        [self.x + self.w / 2.0, self.y + self.h / 2.0]
    }

    /// Area in pixels.
    pub fn area(self) -> f64 {
        self.w.max(0.0) * self.h.max(0.0)
    }

    /// The smallest rectangle around both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.w).max(other.x + other.w);
        let bottom = (self.y + self.h).max(other.y + other.h);
        Self { x, y, w: right - x, h: bottom - y }
    }

    /// Area of the intersection as a share of that of the union (IoU).
    pub fn iou(self, other: Self) -> f64 {
        let overlap = |from: f64, length: f64, other_from: f64, other_length: f64| {
            ((from + length).min(other_from + other_length) - from.max(other_from)).max(0.0)
        };
        let both = overlap(self.x, self.w, other.x, other.w) * overlap(self.y, self.h, other.y, other.h);
        let all = self.area() + other.area() - both;
        if all > 0.0 { both / all } else { 0.0 }
    }
}

/// The medium of a source: text, sound or picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Medium {
    /// A text.
    #[default]
    Text,
    /// A recording.
    Sound,
    /// A picture.
    Picture,
}

impl AxisItem {
    /// A token of a text.
    pub fn token(id: u32, piece: impl Into<String>, special: bool) -> Self {
        Self { piece: piece.into(), special, kind: ItemKind::Token { id } }
    }

    /// Returns the id in the vocabulary if the item is a token. Equal ids mean copies of one token.
    pub fn token_id(&self) -> Option<u32> {
        match self.kind {
            ItemKind::Token { id } => Some(id),
            ItemKind::Frame { .. } | ItemKind::Patch(_) | ItemKind::Class | ItemKind::Rest { .. } => None,
        }
    }

    /// A rectangle of a picture. One of no size stands for padding around it.
    pub fn patch(place: PixelBox) -> Self {
        let padding = place.w <= 0.0 || place.h <= 0.0;
        let corner = || format!("{:.0},{:.0}", place.x, place.y);
        let piece = if padding { "padding".into() } else { corner() };
        Self { piece, special: padding, kind: ItemKind::Patch(place) }
    }

    /// A learned token before the patches of a picture.
    pub fn class(name: impl Into<String>) -> Self {
        Self { piece: name.into(), special: true, kind: ItemKind::Class }
    }

    /// The rectangle of a patch that is no padding.
    pub fn place(&self) -> Option<PixelBox> {
        match self.kind {
            ItemKind::Patch(place) if !self.special => Some(place),
            _ => None,
        }
    }

    /// A stretch of a recording, in seconds from its begin, rounded to microseconds.
    pub fn frame(start: f64, end: f64) -> Self {
        let [start, end] = [start, end].map(|seconds| (seconds * 1e6).round() / 1e6);
        Self { piece: format!("{start:.2}s"), special: false, kind: ItemKind::Frame { start, end } }
    }

    /// The item that stands for the last `count` positions.
    pub fn rest(count: usize) -> Self {
        Self { piece: "rest".into(), special: true, kind: ItemKind::Rest { count } }
    }

    /// Number of positions that the item stands for.
    pub fn positions(&self) -> usize {
        if let ItemKind::Rest { count } = self.kind { count } else { 1 }
    }

    /// Returns true if the item is punctuation: its piece, word-boundary marks aside, has no letter and no
    /// digit.
    pub fn is_punctuation(&self) -> bool {
        let text = self.unmarked();
        !self.special && !text.is_empty() && !text.chars().any(char::is_alphanumeric)
    }

    /// The piece without the marks of word boundaries `▁`, `Ġ` and `</w>`, and without line breaks before it.
    pub fn unmarked(&self) -> &str {
        let text = self.piece.trim_start_matches(['▁', 'Ġ', 'Ċ', ' ']);
        text.strip_suffix("</w>").unwrap_or(text)
    }
}

impl From<Token> for AxisItem {
    fn from(Token { id, piece, special }: Token) -> Self {
        Self::token(id, piece, special)
    }
}

/// An input or output sequence: its text, and the items that a model sees of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sequence {
    /// The text as the user gave it, or as it was generated.
    pub text: String,
    /// Its items, special ones included. Those of a target are always tokens.
    pub items: Vec<AxisItem>,
}

impl Sequence {
    /// Number of items.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns true if there are no items.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The ids of the tokens among the items.
    pub fn ids(&self) -> Vec<u32> {
        token_ids(&self.items)
    }
}

/// The file that a source comes from, named without its folder.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Media {
    /// Name of the file.
    pub file: String,
    /// SHA-256 of its contents in hexadecimal; `None` if it was not computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Width and height of a picture in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
}

/// The items that are queries of self-attention: all but an [`ItemKind::Rest`] at the end.
pub fn queries(items: &[AxisItem]) -> &[AxisItem] {
    match items.split_last() {
        Some((last, others)) if matches!(last.kind, ItemKind::Rest { .. }) => others,
        _ => items,
    }
}

/// The ids of the items if every one of them is a token.
pub fn all_token_ids(items: &[AxisItem]) -> Option<Vec<u32>> {
    items.iter().map(AxisItem::token_id).collect()
}

/// The ids of the tokens among `items`.
pub fn token_ids(items: &[AxisItem]) -> Vec<u32> {
    items.iter().filter_map(AxisItem::token_id).collect()
}

/// Items for tests.
#[cfg(test)]
impl AxisItem {
    /// A class token and rows of patches of 10 x 20 pixels.
    pub(crate) fn picture(rows: usize, columns: usize) -> Vec<Self> {
        let patch = |at: usize| {
            let [x, y] = [at % columns * 10, at / columns * 20].map(|side| side as f64);
            Self::patch(PixelBox { x, y, w: 10.0, h: 20.0 })
        };
        [Self::class("[CLS]")].into_iter().chain((0..rows * columns).map(patch)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_of_rectangles_is_a_share_of_both() {
        let pixel_box = |x, y, w, h| PixelBox { x, y, w, h };
        let square = pixel_box(0.0, 0.0, 2.0, 2.0);
        assert_eq!(square.iou(square), 1.0);
        assert_eq!(square.iou(pixel_box(1.0, 0.0, 2.0, 2.0)), 1.0 / 3.0);
        assert_eq!(square.iou(pixel_box(2.0, 0.0, 2.0, 2.0)), 0.0);
        assert_eq!(square.union(pixel_box(3.0, 1.0, 1.0, 4.0)), pixel_box(0.0, 0.0, 4.0, 5.0));
        assert_eq!(square.iou(PixelBox::default()), 0.0);
    }

    #[test]
    fn patches_of_no_size_are_padding() {
        let patch = AxisItem::patch(PixelBox { x: 128.4, y: 32.0, w: 16.0, h: 8.0 });
        assert_eq!((patch.piece.as_str(), patch.special, patch.token_id()), ("128,32", false, None));
        assert!(patch.place().is_some());
        let padding = AxisItem::patch(PixelBox::default());
        assert_eq!((padding.piece.as_str(), padding.special, padding.place()), ("padding", true, None));
        assert!(AxisItem::class("[CLS]").special);
    }

    #[test]
    fn punctuation_is_seen_through_word_marks() {
        for piece in [",", "▁«", "Ġ--", "。", "!</w>"] {
            assert!(AxisItem::token(0, piece, false).is_punctuation(), "{piece}");
        }
        for piece in ["▁a", "Ġ1", "字", "▁", "é"] {
            assert!(!AxisItem::token(0, piece, false).is_punctuation(), "{piece}");
        }
        assert!(!AxisItem::token(0, "</s>", true).is_punctuation());
    }
}
