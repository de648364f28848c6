//! Suggestions for misspelt languages.

/// Largest number of edits between a name and a suggestion.
const MAX_EDITS: usize = 2;

/// Returns up to three known languages that are closest to an unknown one; none if no language is close.
pub(super) fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let unknown = letters(unknown);
    let scored: Vec<(usize, &str)> =
        known.filter_map(|name| Some((distance(&unknown, &letters(name))?, name))).collect();
    let best = scored.iter().map(|(distance, _)| *distance).min().filter(|best| *best <= MAX_EDITS);
    let closest = scored.into_iter().filter(|(distance, _)| Some(*distance) == best);
    closest.take(3).map(|(_, name)| name.to_string()).collect()
}

fn letters(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Returns 0 if one name starts with the other (`fr` and `fr_XX`), or else the edit distance (Levenshtein
/// 1966) of `unknown` and as many letters of `known`: `fre` is one edit from `fra_Latn`. `None` if the edits
/// outnumber half of the shorter name's letters.
fn distance(unknown: &str, known: &str) -> Option<usize> {
    let length = unknown.chars().count();
    let shorter = length.min(known.chars().count());
    if shorter >= 2 && (known.starts_with(unknown) || unknown.starts_with(known)) {
        return Some(0);
    }
    let head: String = known.chars().take(length).collect();
    let edits = strsim::levenshtein(unknown, &head);
    (shorter > 0 && edits * 2 <= shorter).then_some(edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NLLB: [&str; 5] = ["deu_Latn", "eng_Latn", "fra_Latn", "zho_Hans", "zho_Hant"];

    #[test]
    fn short_and_misspelt_codes_find_theirs() {
        assert_eq!(nearest("fr", NLLB.into_iter()), ["fra_Latn"]);
        assert_eq!(nearest("fre", NLLB.into_iter()), ["fra_Latn"]);
        assert_eq!(nearest("eng_latn", NLLB.into_iter()), ["eng_Latn"]);
        assert_eq!(nearest("zho", NLLB.into_iter()), ["zho_Hans", "zho_Hant"]);
        assert_eq!(nearest("en_XX", ["en", "fr"].into_iter()), ["en"]);
    }

    #[test]
    fn nothing_is_suggested_where_nothing_is_near() {
        assert!(nearest("xx", NLLB.into_iter()).is_empty());
        assert!(nearest("", NLLB.into_iter()).is_empty());
    }
}
