//! Checks of JSON before it is parsed. A value takes far more memory than its text.

/// Checks that a text has at most `most` values, keys included. Invalid JSON is left to the parser.
///
/// # Errors
/// One line with the limit.
pub fn check_values(bytes: &[u8], most: usize) -> Result<(), String> {
    let mut values = 0usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at += string_at(bytes, at).len() + 1,
            b',' | b'[' | b'{' => values += 1,
            _ => {}
        }
    }
    if values > most {
        Err(format!("it has {values} values, more than the {most} that are read"))
    } else {
        Ok(())
    }
}

/// Returns how many values a file of `size` bytes may have. The largest vocabularies have one for eight
/// bytes.
pub fn max_values(size: usize) -> usize {
    (1 << 20) + size / 8
}

/// Returns the string that starts at `at`, behind its quotation mark, as spelled.
pub fn string_at(bytes: &[u8], at: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    let mut escaped = false;
    let end = rest.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    &rest[..end.unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        let text = br#"{"a,[\",": [1, 2], "b": {}}"#;
        assert_eq!(check_values(text, 5), Ok(()));
        assert!(check_values(text, 4).is_err());
        assert_eq!(check_values(b"\"never closed, [", 0), Ok(()));
    }
}
