//! Paragraphs with emphasis.

use super::cells::width;

/// Breaks a paragraph into lines, only at spaces, so that punctuation stays with its word; `*`, which marks
/// emphasis, takes no room.
pub fn at_spaces(paragraph: &str, columns: usize) -> Vec<String> {
    let room = |text: &str| width(text) - text.matches('*').count();
    let mut lines = vec![String::new()];
    for word in paragraph.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if room(line) + 1 + room(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::at_spaces;

    #[test]
    fn punctuation_stays_with_its_word() {
        assert_eq!(at_spaces("one *two*, three \"four\".", 8), ["one *two*,", "three", "\"four\"."]);
        assert_eq!(at_spaces("", 8), [""]);
    }
}
