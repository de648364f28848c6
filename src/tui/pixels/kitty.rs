//! kitty's graphics protocol.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ratatui::layout::Rect;

/// Maximum size of one chunk of a transmission, in base64 characters.
const CHUNK: usize = 4096;

/// Kitty's number of the first picture. The others follow it. Other programs seldom use such numbers.
const FIRST: usize = 31;

/// Returns the escape sequence that deletes picture `number` and its data without a reply from the terminal.
pub fn delete(number: usize) -> String {
    format!("\x1b_Ga=d,d=I,i={},q=2\x1b\\", FIRST + number)
}

/// Returns the escape sequences that show a PNG file as picture `number` in the cells of an area, starting at
/// the cursor, and replace the previous picture of this number.
pub fn show(png: &[u8], number: usize, area: Rect) -> String {
    let data = BASE64_STANDARD.encode(png);
    let mut out = String::with_capacity(data.len() + data.len() / CHUNK * 16 + 128);
    let mut rest = data.as_str();
    let id = FIRST + number;
    let mut head = format!("a=T,f=100,i={id},p=1,q=2,C=1,c={},r={},", area.width, area.height);
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(CHUNK.min(rest.len()));
        out.push_str(&format!("\x1b_G{head}m={};{chunk}\x1b\\", u8::from(!after.is_empty())));
        head = "q=2,".into();
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_piece_is_the_last() {
        let shown = show(b"foobar", 0, Rect::new(3, 4, 20, 10));
        assert_eq!(shown, "\x1b_Ga=T,f=100,i=31,p=1,q=2,C=1,c=20,r=10,m=0;Zm9vYmFy\x1b\\");
        assert!(show(b"foobar", 2, Rect::new(3, 4, 20, 10)).contains(",i=33,"));
        assert_eq!(delete(2), "\x1b_Ga=d,d=I,i=33,q=2\x1b\\");
    }

    #[test]
    fn pieces_make_up_the_file() {
        let file: Vec<u8> = (0..7000u32).map(|at| (at * at % 251) as u8).collect();
        let shown = show(&file, 0, Rect::new(0, 0, 1, 1));
        let pieces: Vec<&str> = shown.split_terminator("\x1b\\").collect();
        let (heads, data): (Vec<&str>, Vec<&str>) =
            pieces.iter().filter_map(|piece| piece.split_once(';')).unzip();
        assert_eq!(heads[1..], ["\x1b_Gq=2,m=1", "\x1b_Gq=2,m=0"]);
        assert!(heads[0].starts_with("\x1b_Ga=T,") && heads[0].ends_with(",m=1"));
        assert_eq!(data.iter().map(|piece| piece.len()).collect::<Vec<_>>(), [4096, 4096, 1144]);
        assert_eq!(data.concat(), BASE64_STANDARD.encode(&file));
    }
}
