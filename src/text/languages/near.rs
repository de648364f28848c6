//! Near misses: which known languages a user may have meant.

/// Up to three known names that are closest to what was asked for, where any is close.
pub(super) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = plain(wanted);
    let mut scored: Vec<(usize, &str)> = known.map(|name| (distance(&wanted, &plain(name)), name)).collect();
    let best = scored.iter().map(|(distance, _)| *distance).min().unwrap_or(usize::MAX);
    scored.retain(|(distance, _)| *distance == best && best <= 2);
    scored.into_iter().take(3).map(|(_, name)| name.to_string()).collect()
}

fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// 0 where one name begins with the other (`fr`, `fr_XX`), else the number of letters to change (Levenshtein
/// 1966), of the language codes alone where one name has no country or script.
fn distance(wanted: &[char], known: &[char]) -> usize {
    let shorter = wanted.len().min(known.len());
    if shorter >= 2 && wanted[..shorter] == known[..shorter] {
        return 0;
    }
    // `fre` is nearer to `fra_Latn` than the whole names say
    let head = if wanted.len() < known.len() { &known[..wanted.len()] } else { known };
    let mut row: Vec<usize> = (0..=head.len()).collect();
    for (i, a) in wanted.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in head.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    let changes = row.last().copied().unwrap_or(0);
    // a code of two letters with one of them wrong says too little
    if shorter == 0 || changes * 2 > shorter { usize::MAX } else { changes }
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
