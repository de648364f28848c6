//! One module's items, imports and paths.

use std::collections::BTreeSet;

use super::tokens::is_name;

/// A module: a source file, or an inline `mod` of one.
pub struct Module {
    /// The path from the crate's root, which itself is empty.
    pub path: Vec<String>,
    /// Names of the items that it defines.
    pub items: BTreeSet<String>,
    /// Its `use` declarations, one for each name.
    pub uses: Vec<Use>,
    /// Qualified paths in its code, such as `crate::engine::open`.
    pub paths: Vec<Vec<String>>,
}

/// One imported name, or everything of a module.
pub struct Use {
    /// The name in the importing module; `None` for `*`.
    pub name: Option<String>,
    /// The path as written.
    pub path: Vec<String>,
}

/// Keywords that are followed by the name of an item.
const DEFINERS: [&str; 9] = ["struct", "enum", "union", "trait", "type", "fn", "const", "static", "mod"];

impl Module {
    /// Reads a file's module and the modules that stand inline in it.
    pub fn read(path: Vec<String>, tokens: &[String]) -> Vec<Self> {
        let mut module = Self { path, items: BTreeSet::new(), uses: Vec::new(), paths: Vec::new() };
        let mut inner = Vec::new();
        let token = |at: usize| tokens.get(at).map_or("", String::as_str);
        let (mut at, mut depth) = (0, 0);
        while at < tokens.len() {
            match token(at) {
                "mod" if is_name(token(at + 1)) && token(at + 2) == "{" => {
                    let end = closing(tokens, at + 2);
                    let path = module.path.iter().cloned().chain([tokens[at + 1].clone()]).collect();
                    inner.extend(Self::read(path, &tokens[at + 3..end]));
                    at = end + 1;
                    continue;
                }
                "use" if token(at + 1) != "<" => {
                    at = read_use(tokens, at + 1, &[], &mut module.uses);
                    continue;
                }
                "{" => depth += 1,
                "}" => depth -= 1,
                "macro_rules" if token(at + 1) == "!" => {
                    module.items.insert(token(at + 2).into());
                }
                word if DEFINERS.contains(&word)
                    && depth == 0
                    && is_name(token(at + 1))
                    && !(word == "mod" && token(at + 2) == ";") =>
                {
                    module.items.insert(token(at + 1).into());
                }
                word if is_name(word)
                    && token(at + 1) == "::"
                    && !["::", "."].contains(&before(tokens, at)) =>
                {
                    let end = path_end(tokens, at);
                    module.paths.push(tokens[at..end].iter().step_by(2).cloned().collect());
                    at = end;
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        inner.push(module);
        inner
    }
}

fn before(tokens: &[String], at: usize) -> &str {
    at.checked_sub(1).map_or("", |at| &tokens[at])
}

/// The end of the path that begins at `from`, behind its last name.
fn path_end(tokens: &[String], from: usize) -> usize {
    let mut end = from + 1;
    while tokens.get(end).is_some_and(|token| token == "::")
        && tokens.get(end + 1).is_some_and(|token| is_name(token))
    {
        end += 2;
    }
    end
}

/// The index of the brace that closes the one at `from`.
fn closing(tokens: &[String], from: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return at,
            "}" => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Reads the tree of one `use` behind `prefix`, and returns where it ends: behind its `;`, or at the `,` or
/// `}` that follows it in a group.
fn read_use(tokens: &[String], from: usize, prefix: &[String], uses: &mut Vec<Use>) -> usize {
    let mut path = prefix.to_vec();
    let mut name = None;
    let mut at = from;
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            ";" | "," | "}" => break,
            // A path that begins with `::` leads out of the crate.
            "::" if path.is_empty() => path.push(String::new()),
            "::" => {}
            "*" => {
                uses.push(Use { name: None, path });
                return end_of_use(tokens, at + 1);
            }
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = read_use(tokens, at, &path, uses);
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return end_of_use(tokens, at + 1);
            }
            "as" => {
                name = tokens.get(at + 1).cloned();
                at += 1;
            }
            "self" if !path.is_empty() => {}
            _ => path.push(token.clone()),
        }
        at += 1;
    }
    let name = name.or_else(|| path.last().cloned());
    uses.push(Use { name, path });
    end_of_use(tokens, at)
}

fn end_of_use(tokens: &[String], at: usize) -> usize {
    at + usize::from(tokens.get(at).is_some_and(|token| token == ";"))
}
