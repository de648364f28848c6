//! Character classes of Moses' rules.

/// Inclusive ranges of characters, sorted.
type Ranges = Vec<(char, char)>;

/// Character classes, by the Unicode version of sacremoses' tables. A newer version would split newer scripts
/// in another way than the models' training data.
pub(super) struct CharClasses {
    alpha: Ranges,
    joiner: Ranges,
    digit: Ranges,
    number: Ranges,
    currency: Ranges,
}

impl CharClasses {
    /// Parses the tables, which are part of the program.
    pub fn new() -> Self {
        const TABLES: &str = include_str!("classes.txt");
        let class = |name: &str| {
            let lines = TABLES.lines().skip_while(|line| line.strip_suffix(':') != Some(name)).skip(1);
            let lines = lines.take_while(|line| !line.ends_with(':'));
            lines.flat_map(str::split_whitespace).filter_map(range).collect()
        };
        Self {
            alpha: class("alpha"),
            joiner: class("joiner"),
            digit: class("digit"),
            number: class("number"),
            currency: class("currency"),
        }
    }

    /// Returns true for letters and the combining marks that belong to them.
    pub fn is_alpha(&self, c: char) -> bool {
        within(&self.alpha, c) || within(&self.joiner, c)
    }

    /// Returns true for letters, their combining marks, and digits.
    pub fn is_alnum(&self, c: char) -> bool {
        self.is_alpha(c) || within(&self.digit, c)
    }

    /// Returns true for letters without combining marks.
    pub fn is_letter(&self, c: char) -> bool {
        within(&self.alpha, c)
    }

    /// Returns true for currency symbols.
    pub fn is_currency(&self, c: char) -> bool {
        within(&self.currency, c)
    }

    /// Replaces the class names of a pattern (`{alpha}`, `{alnum}`, `{number}`, `{space}`, always within
    /// brackets) by their ranges.
    pub fn expand(&self, pattern: &str) -> String {
        let alpha = || ranges_pattern(&[&self.alpha, &self.joiner]);
        let mut out = pattern.replace("{space}", r"\s\x1c-\x1f");
        if out.contains("{alnum}") {
            out = out.replace("{alnum}", &ranges_pattern(&[&self.alpha, &self.joiner, &self.digit]));
        }
        if out.contains("{alpha}") {
            out = out.replace("{alpha}", &alpha());
        }
        if out.contains("{number}") { out.replace("{number}", &ranges_pattern(&[&self.number])) } else { out }
    }
}

/// Parses a range of hexadecimal code points: `41-5A`, or `AA` for a single one.
fn range(text: &str) -> Option<(char, char)> {
    let code = |text: &str| u32::from_str_radix(text, 16).ok().and_then(char::from_u32);
    match text.split_once('-') {
        Some((first, last)) => Some((code(first)?, code(last)?)),
        None => code(text).map(|c| (c, c)),
    }
}

fn within(ranges: &Ranges, c: char) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= c);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| c <= *last)
}

/// Writes ranges in the syntax of regular expressions.
fn ranges_pattern(classes: &[&Ranges]) -> String {
    let ranges = classes.iter().flat_map(|class| class.iter());
    ranges
        .map(|(first, last)| format!("\\x{{{:X}}}-\\x{{{:X}}}", u32::from(*first), u32::from(*last)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_read() {
        let classes = CharClasses::new();
        assert!(classes.is_alpha('é') && classes.is_alpha('Ж') && !classes.is_alpha('5'));
        assert!(classes.is_alnum('5') && !classes.is_alnum('-'));
        assert!(classes.is_alpha('\u{94d}') && !classes.is_letter('\u{94d}'));
        assert!(classes.is_currency('€') && !classes.is_currency('e'));
    }
}
