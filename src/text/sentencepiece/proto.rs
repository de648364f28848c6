//! Reader of SentencePiece `.model` files, a protocol buffer (`sentencepiece_model.proto`).
//!
//! Only the fields that tokenizing needs are read.

/// Largest number of pieces.
const MAX_PIECES: usize = 1 << 20;

/// Longest piece in bytes.
const MAX_PIECE: usize = 4096;

/// Type of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PieceKind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

/// A piece of the vocabulary; its id is its index in [`Proto::pieces`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    pub text: String,
    /// Log probability (unigram), or negated rank of the merge (BPE).
    pub score: f32,
    pub kind: PieceKind,
}

/// Algorithm that splits text into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Unigram,
    Bpe,
}

/// Contents of a `.model` file; field names follow the protocol buffer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Proto {
    pub pieces: Vec<Piece>,
    pub algorithm: Algorithm,
    pub byte_fallback: bool,
    pub space_as_suffix: bool,
    pub unk_id: i32,
    pub bos_id: i32,
    pub eos_id: i32,
    pub unk_piece: String,
    pub bos_piece: String,
    pub eos_piece: String,
    /// Decoded text of the unknown piece.
    pub unk_surface: String,
    pub charsmap: Vec<u8>,
    pub denormalizer_charsmap: Vec<u8>,
    pub add_dummy_prefix: bool,
    pub remove_extra_whitespaces: bool,
    pub escape_whitespaces: bool,
}

impl Default for Proto {
    fn default() -> Self {
        Self {
            pieces: Vec::new(),
            algorithm: Algorithm::Unigram,
            byte_fallback: false,
            space_as_suffix: false,
            unk_id: 0,
            bos_id: 1,
            eos_id: 2,
            unk_piece: "<unk>".into(),
            bos_piece: "<s>".into(),
            eos_piece: "</s>".into(),
            unk_surface: " \u{2047} ".into(),
            charsmap: Vec::new(),
            denormalizer_charsmap: Vec::new(),
            add_dummy_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
        }
    }
}

impl Proto {
    /// Parses a `.model` file; the error says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut proto = Proto::default();
        for field in Fields(bytes) {
            match field? {
                (1, WireValue::Bytes(_)) if proto.pieces.len() >= MAX_PIECES => {
                    return Err(format!("the SentencePiece model has more than {MAX_PIECES} pieces"));
                }
                (1, WireValue::Bytes(message)) => proto.pieces.push(piece(message)?),
                (2, WireValue::Bytes(message)) => proto.trainer(message)?,
                (3, WireValue::Bytes(message)) => proto.normalizer(message)?,
                (5, WireValue::Bytes(message)) => {
                    for field in Fields(message) {
                        if let (2, WireValue::Bytes(map)) = field? {
                            proto.denormalizer_charsmap = map.to_vec();
                        }
                    }
                }
                _ => {}
            }
        }
        if proto.pieces.is_empty() {
            return Err("the SentencePiece model has no pieces".into());
        }
        Ok(proto)
    }

    fn trainer(&mut self, message: &[u8]) -> Result<(), String> {
        for field in Fields(message) {
            match field? {
                (3, WireValue::Int(1)) => self.algorithm = Algorithm::Unigram,
                (3, WireValue::Int(2)) => self.algorithm = Algorithm::Bpe,
                (3, WireValue::Int(_)) => {
                    return Err("SentencePiece models of type word or char are not supported".into());
                }
                (24, WireValue::Int(flag)) => self.space_as_suffix = flag != 0,
                (35, WireValue::Int(flag)) => self.byte_fallback = flag != 0,
                (40, WireValue::Int(id)) => self.unk_id = id as i32,
                (41, WireValue::Int(id)) => self.bos_id = id as i32,
                (42, WireValue::Int(id)) => self.eos_id = id as i32,
                (44, WireValue::Bytes(text)) => self.unk_surface = string(text)?,
                (45, WireValue::Bytes(text)) => self.unk_piece = string(text)?,
                (46, WireValue::Bytes(text)) => self.bos_piece = string(text)?,
                (47, WireValue::Bytes(text)) => self.eos_piece = string(text)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn normalizer(&mut self, message: &[u8]) -> Result<(), String> {
        for field in Fields(message) {
            match field? {
                (2, WireValue::Bytes(map)) => self.charsmap = map.to_vec(),
                (3, WireValue::Int(flag)) => self.add_dummy_prefix = flag != 0,
                (4, WireValue::Int(flag)) => self.remove_extra_whitespaces = flag != 0,
                (5, WireValue::Int(flag)) => self.escape_whitespaces = flag != 0,
                _ => {}
            }
        }
        Ok(())
    }
}

fn piece(message: &[u8]) -> Result<Piece, String> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: PieceKind::Normal };
    for field in Fields(message) {
        match field? {
            (1, WireValue::Bytes(text)) if text.len() > MAX_PIECE => {
                return Err(format!("a piece of {} bytes", text.len()));
            }
            (1, WireValue::Bytes(text)) => piece.text = string(text)?,
            (2, WireValue::Fixed32(bits)) => piece.score = f32::from_bits(bits),
            (3, WireValue::Int(kind)) => {
                piece.kind = match kind {
                    2 => PieceKind::Unknown,
                    3 => PieceKind::Control,
                    4 => PieceKind::UserDefined,
                    5 => PieceKind::Unused,
                    6 => PieceKind::Byte,
                    _ => PieceKind::Normal,
                }
            }
            _ => {}
        }
    }
    Ok(piece)
}

fn string(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a piece is not UTF-8".into())
}

/// Encoded value of a protocol buffer field.
enum WireValue<'a> {
    Int(u64),
    Fixed64,
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// Iterator over the fields of a message, as (field number, value).
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn field(&mut self) -> Option<(u64, WireValue<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => WireValue::Int(self.varint()?),
            1 => self.take(8).map(|_| WireValue::Fixed64)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                WireValue::Bytes(self.take(length)?)
            }
            5 => WireValue::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, WireValue<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or_else(|| "not a SentencePiece model, or truncated".to_string());
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rubbish_is_an_error_and_not_a_panic() {
        assert!(Proto::parse(b"").is_err());
        assert!(Proto::parse(b"\x0a\xff").is_err());
        assert!(Proto::parse(b"<html>not found</html>").is_err());
    }

    #[test]
    fn a_piece_is_read_with_its_score_and_kind() {
        let bytes = [0x0a, 0x0b, 0x0a, 0x02, b'h', b'i', 0x15, 0x00, 0x00, 0xc0, 0xbf, 0x18, 0x03];
        let proto = Proto::parse(&bytes).unwrap();
        let expected = Piece { text: "hi".into(), score: -1.5, kind: PieceKind::Control };
        assert_eq!(proto.pieces, [expected]);
    }
}
