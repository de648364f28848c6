//! Splits Rust source into tokens, just well enough to follow its imports.

/// Returns the words and marks of a source text. `::` is one token; comments and lifetimes are dropped;
/// string and character literals are empty.
pub fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let (c, next) = (chars[at], chars.get(at + 1).copied().unwrap_or(' '));
        let end = match c {
            _ if c.is_whitespace() => at + 1,
            '/' if next == '/' => line_end(&chars, at),
            '/' if next == '*' => comment_end(&chars, at),
            '"' => string_end(&chars, at),
            '\'' => quote_end(&chars, at),
            ':' if next == ':' => at + 2,
            _ if is_word(c) => word_end(&chars, at),
            _ => at + 1,
        };
        match c {
            _ if c.is_whitespace() || (c == '/' && (next == '/' || next == '*')) => {}
            '"' => tokens.push("\"\"".into()),
            '\'' => {}
            _ if is_word(c) => {
                let word: String = chars[at..end].iter().collect();
                match raw_string_end(&chars, &word, end) {
                    Some(end) => {
                        tokens.push("\"\"".into());
                        at = end;
                        continue;
                    }
                    None => tokens.push(word),
                }
            }
            _ => tokens.push(chars[at..end].iter().collect()),
        }
        at = end;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns true if the token is a name or a keyword.
pub fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn word_end(chars: &[char], from: usize) -> usize {
    (from..chars.len()).find(|&at| !is_word(chars[at])).unwrap_or(chars.len())
}

fn line_end(chars: &[char], from: usize) -> usize {
    (from..chars.len()).find(|&at| chars[at] == '\n').unwrap_or(chars.len())
}

/// The end of a block comment; block comments nest.
fn comment_end(chars: &[char], from: usize) -> usize {
    let (mut depth, mut at) = (0, from);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The end of a raw string whose prefix (`r`, `br` or `cr`) ends at `from`; `None` if it is an ordinary word.
fn raw_string_end(chars: &[char], prefix: &str, from: usize) -> Option<usize> {
    if !["r", "br", "cr"].contains(&prefix) {
        return None;
    }
    let hashes = chars[from..].iter().take_while(|&&c| c == '#').count();
    (chars.get(from + hashes) == Some(&'"')).then_some(())?;
    let body = from + hashes + 1;
    let closes = |at: &usize| chars[*at] == '"' && chars[at + 1..].iter().take(hashes).all(|&c| c == '#');
    Some((body..chars.len()).find(closes).map_or(chars.len(), |at| at + 1 + hashes))
}

/// The end of a character literal or a lifetime.
fn quote_end(chars: &[char], from: usize) -> usize {
    if chars.get(from + 1) == Some(&'\\') {
        let close = (from + 3..chars.len()).find(|&at| chars[at] == '\'');
        return close.map_or(chars.len(), |at| at + 1);
    }
    if chars.get(from + 2) == Some(&'\'') { from + 3 } else { word_end(chars, from + 1) }
}

/// Removes the items that are compiled for tests alone.
pub fn without_tests(tokens: &[String]) -> Vec<String> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().take(TEST.len()).eq(TEST.iter()) {
            at = item_end(tokens, at + TEST.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The end of the item that begins at `from`: behind its `;` or its closing brace.
fn item_end(tokens: &[String], from: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

#[test]
fn comments_and_literals_carry_no_names() {
    let text = "a /* b /* c */ d */ // e\n\"f \\\" g\" r#\"h \" i\"# b'j' 'k' '\\'' &'l m::<'_>";
    assert_eq!(tokens(text).join(" "), "a \"\" \"\" b & m :: < >");
    assert_eq!(tokens("\"one\n two // three\" four").join(" "), "\"\" four");
}

#[test]
fn test_code_is_left_out() {
    let code = "use a; #[cfg(test)] mod tests { use b; fn c() {} } #[cfg(test)] use d; fn e() {}";
    assert_eq!(without_tests(&tokens(code)).join(" "), "use a ; fn e ( ) { }");
}
