//! Chapters of the book whose outputs and numbers the program computes: `UPDATE_DOCS=1 cargo test chapters::`
//! writes the outputs anew.

use std::path::PathBuf;
use std::process::Command;

/// A piece of a chapter.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    /// Lines of text.
    Prose(String),
    /// A command line.
    Command(String),
    /// The text that the command prints, notes first.
    Output(String),
}

/// Splits a chapter at its blocks of code: `sh` blocks are commands, `text` blocks outputs.
fn pieces(page: &str) -> Vec<Piece> {
    let mut pieces = vec![Piece::Prose(String::new())];
    for line in page.lines() {
        match (line, pieces.last_mut().unwrap()) {
            ("```sh", _) => pieces.push(Piece::Command(String::new())),
            ("```text", _) => pieces.push(Piece::Output(String::new())),
            ("```", _) => pieces.push(Piece::Prose(String::new())),
            (line, Piece::Prose(text) | Piece::Command(text) | Piece::Output(text)) => {
                *text += &format!("{line}\n");
            }
        }
    }
    pieces
}

/// Puts a chapter together again.
fn page(pieces: &[Piece]) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Prose(text) => text.clone(),
        Piece::Command(line) => format!("```sh\n{line}```\n"),
        Piece::Output(text) => format!("```text\n{text}```\n"),
    };
    pieces.iter().map(text).collect()
}

/// Splits a command line at spaces that are not quoted.
fn arguments(line: &str) -> Vec<String> {
    let parts = line.trim().split('"').enumerate();
    parts
        .flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(String::from).collect(),
            _ => vec![part.to_string()],
        })
        .collect()
}

/// Runs a command line of a chapter. Returns its notes and its output without spaces at the ends of lines.
fn output(line: &str) -> String {
    let arguments = arguments(line);
    assert_eq!(arguments[0], "attn-tui", "{line}");
    let output = Command::new(env!("CARGO_BIN_EXE_attn-tui"))
        .args(&arguments[1..])
        .args(["--threads", "2"])
        .env("COLUMNS", "160")
        .output()
        .unwrap();
    let [notes, text] = [output.stderr, output.stdout].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{line}: {notes}");
    (notes + &text).lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The number that a word is, perhaps followed by punctuation.
fn number(word: &str) -> Option<f64> {
    let word = word.trim_matches(['(', ')', ',', ':', ';', '#']).trim_end_matches('.');
    word.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Returns true if two outputs have the same words and nearly the same numbers: processors round differently.
fn agree(ours: &str, theirs: &str) -> bool {
    let [ours, theirs] = [ours, theirs].map(|text| text.split_whitespace().collect::<Vec<_>>());
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(ours, theirs)| match (number(ours), number(theirs)) {
            (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 2e-3 * theirs.abs().max(1.0),
            _ => *ours == theirs,
        })
}

/// The numbers with decimals in a text, with the number of their decimals.
fn decimals(text: &str) -> Vec<(f64, i32)> {
    let words = text
        .split_whitespace()
        .map(|word| word.trim_matches(['(', ')', ',', ':', ';', '#']).trim_end_matches('.'));
    words
        .filter_map(|word| {
            let (_, decimals) = word.split_once('.')?;
            Some((word.parse::<f64>().ok()?, i32::try_from(decimals.len()).ok()?))
        })
        .collect()
}

/// Returns the numbers of a section's text that no output of the section has when it is rounded.
fn unknown(section: &[Piece]) -> Vec<f64> {
    let of = |wanted: fn(&Piece) -> Option<&String>| {
        section.iter().filter_map(wanted).flat_map(|text| decimals(text)).collect::<Vec<_>>()
    };
    let known = of(|piece| if let Piece::Output(text) = piece { Some(text) } else { None });
    let prose = of(|piece| if let Piece::Prose(text) = piece { Some(text) } else { None });
    let rounds_to = |from: f64, (to, decimals): (f64, i32)| {
        (from.abs() - to.abs()).abs() <= 0.501 * 10f64.powi(-decimals)
    };
    let is_known = |number: &(f64, i32)| known.iter().any(|&(from, _)| rounds_to(from, *number));
    prose.into_iter().filter(|number| !is_known(number)).map(|(number, _)| number).collect()
}

/// Runs all commands of a chapter, and compares outputs and numbers in the text with what they print.
fn check(name: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/explanation").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut pieces = pieces(&text);
    let mut printed = None;
    let mut outputs = 0;
    for piece in &mut pieces {
        match piece {
            Piece::Command(line) => printed = Some((output(line), line.clone())),
            Piece::Output(shown) => {
                let (printed, line) = printed.take().expect("a command stands before its output");
                if std::env::var_os("UPDATE_DOCS").is_some() {
                    *shown = printed;
                } else {
                    let old = "is old: run `UPDATE_DOCS=1 cargo test chapters::`";
                    assert!(agree(&printed, shown), "{name} {old}\n{line}{printed}{shown}");
                }
                outputs += 1;
            }
            Piece::Prose(_) => {}
        }
    }
    assert!(outputs > 0, "{name} has no outputs");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, page(&pieces)).unwrap();
    }
    for section in page(&pieces).split("\n## ") {
        assert_eq!(
            unknown(&self::pieces(section)),
            Vec::<f64>::new(),
            "{name}: numbers that no output has: {section}"
        );
    }
}

#[test]
fn why_this_word() {
    check("why-this-word.md");
}

#[test]
fn numbers_that_no_output_has_are_found() {
    let text = "It is 0.12, not 3.5.\n```sh\nattn-tui x \"a b\" -c\n```\n\n```text\na 0.1239 -\n```\nAnd 0.1 here, 2 there.\n";
    let all = pieces(text);
    assert_eq!(page(&all), text);
    assert_eq!(unknown(&all), [3.5]);
    assert_eq!(arguments("attn-tui x \"a b\" -c\n"), ["attn-tui", "x", "a b", "-c"]);
    assert!(agree("a 0.1239", "a 0.1240") && !agree("a 0.12", "b 0.12") && !agree("a 0.12", "a 0.13"));
}
