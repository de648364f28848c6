//! Words with their times as subtitles and in the formats of speech tools.

use std::fmt::Write;

use crate::analysis::word_times::TimedWord;

/// Most characters of a line of subtitles.
const LINE: usize = 42;

/// Longest time that one subtitle stays, in seconds.
const LONGEST: f64 = 6.0;

/// Format of words with times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TranscriptFormat {
    /// SubRip subtitles.
    Srt,
    /// WebVTT subtitles with the time of each word.
    Vtt,
    /// Time-marked words of NIST's scoring tools.
    Ctm,
    /// Praat's annotations.
    TextGrid,
}

impl TranscriptFormat {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Srt, Self::Vtt, Self::Ctm, Self::TextGrid];

    /// The name in options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Srt => "srt",
            Self::Vtt => "vtt",
            Self::Ctm => "ctm",
            Self::TextGrid => "textgrid",
        }
    }

    /// Formats the words of the recording `file`, which ends after `seconds`.
    pub fn write(self, words: &[TimedWord], file: &str, seconds: f64) -> String {
        match self {
            Self::Srt => srt(words),
            Self::Vtt => vtt(words),
            Self::Ctm => ctm(words, file),
            Self::TextGrid => text_grid(words, seconds),
        }
    }
}

impl std::str::FromStr for TranscriptFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| format!("'{text}' is not one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Splits words into subtitles: at the end of a sentence, and before a line or a time grows too long.
fn lines(words: &[TimedWord]) -> Vec<&[TimedWord]> {
    let mut lines = Vec::new();
    let mut first = 0;
    let mut length = 0;
    for (at, word) in words.iter().enumerate() {
        let count = word.text.chars().count();
        let too_long = length + 1 + count > LINE || word.end - words[first].start > LONGEST;
        let ended = at > first && words[at - 1].text.ends_with(['.', '?', '!', '。', '？', '！']);
        if at > first && word.spaced && (too_long || ended) {
            lines.push(&words[first..at]);
            (first, length) = (at, 0);
        }
        length += usize::from(length > 0) + count;
    }
    if first < words.len() {
        lines.push(&words[first..]);
    }
    lines
}

/// Formats seconds as `00:01:02,345`.
fn clock(seconds: f64, point: char) -> String {
    let ms = (seconds.max(0.0) * 1000.0).round() as u64;
    let (s, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}{point}{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

fn span(line: &[TimedWord], point: char) -> String {
    let [start, end] = [line.first().map(|word| word.start), line.last().map(|word| word.end)];
    format!("{} --> {}", clock(start.unwrap_or(0.0), point), clock(end.unwrap_or(0.0), point))
}

/// The text of a line.
fn joined(line: &[TimedWord]) -> String {
    let mut text = String::new();
    for word in line {
        if word.spaced && !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&word.text);
    }
    text
}

fn srt(words: &[TimedWord]) -> String {
    let mut out = String::new();
    for (number, line) in (1..).zip(lines(words)) {
        let _ = write!(out, "{number}\n{}\n{}\n\n", span(line, ','), joined(line));
    }
    out
}

fn vtt(words: &[TimedWord]) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut out = String::from("WEBVTT\n\n");
    for line in lines(words) {
        let _ = writeln!(out, "{}", span(line, '.'));
        for (at, word) in line.iter().enumerate() {
            match at {
                0 => out.push_str(&escaped(&word.text)),
                _ => {
                    let space = if word.spaced { " " } else { "" };
                    let _ = write!(out, "{space}<{}>{}", clock(word.start, '.'), escaped(&word.text));
                }
            }
        }
        out.push_str("\n\n");
    }
    out
}

fn ctm(words: &[TimedWord], file: &str) -> String {
    let one = |text: &str| text.split_whitespace().collect::<Vec<_>>().join("_");
    let mut out = String::new();
    for word in words {
        let length = word.end - word.start;
        let _ = write!(out, "{} 1 {:.2} {length:.2} {}", one(file), word.start, one(&word.text));
        let _ = match word.confidence {
            Some(confidence) => writeln!(out, " {confidence:.2}"),
            None => writeln!(out),
        };
    }
    out
}

fn text_grid(words: &[TimedWord], seconds: f64) -> String {
    let end = words.last().map_or(seconds, |word| word.end.max(seconds));
    // Every moment belongs to an interval: pauses are empty ones.
    let mut intervals: Vec<(f64, f64, &str)> = Vec::new();
    let mut until = 0.0;
    for word in words.iter().filter(|word| word.end > word.start) {
        if word.start > until {
            intervals.push((until, word.start, ""));
        }
        intervals.push((word.start.max(until), word.end, &word.text));
        until = word.end;
    }
    if until < end {
        intervals.push((until, end, ""));
    }
    let mut out = format!(
        "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0\nxmax = {end:.2}\ntiers? <exists>\n\
         size = 1\nitem []:\n    item [1]:\n        class = \"IntervalTier\"\n        name = \"words\"\n        \
         xmin = 0\n        xmax = {end:.2}\n        intervals: size = {}\n",
        intervals.len()
    );
    for (number, (start, end, text)) in (1..).zip(&intervals) {
        let _ = write!(
            out,
            "        intervals [{number}]:\n            xmin = {start:.2}\n            xmax = {end:.2}\n            \
             text = \"{}\"\n",
            text.replace('"', "\"\"")
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Vec<TimedWord> {
        let word = |text: &str, start, end| TimedWord {
            text: text.into(),
            spaced: true,
            tokens: 0..1,
            start,
            end,
            confidence: Some(0.5),
        };
        vec![word("Yes,", 0.1, 0.5), word("\"A&B\".", 0.5, 0.92), word("No", 61.0, 61.5)]
    }

    #[test]
    fn subtitles_break_after_sentences() {
        let srt = TranscriptFormat::Srt.write(&words(), "talk.wav", 62.0);
        assert_eq!(
            srt,
            "1\n00:00:00,100 --> 00:00:00,920\nYes, \"A&B\".\n\n2\n00:01:01,000 --> 00:01:01,500\nNo\n\n"
        );
        let vtt = TranscriptFormat::Vtt.write(&words(), "talk.wav", 62.0);
        assert!(
            vtt.starts_with("WEBVTT\n\n00:00:00.100 --> 00:00:00.920\nYes, <00:00:00.500>\"A&amp;B\".\n\n")
        );
        let long: Vec<TimedWord> = (0..30).flat_map(|_| words()[..1].to_vec()).collect();
        assert!(lines(&long).iter().all(|line| line.len() <= 8) && lines(&long).len() > 3);
    }

    #[test]
    fn parts_of_words_stay_together() {
        let mut words = words();
        (words[1].text, words[1].spaced) = ("-no.".into(), false);
        let srt = TranscriptFormat::Srt.write(&words, "talk.wav", 62.0);
        assert!(srt.contains("\nYes,-no.\n"), "{srt}");
        let vtt = TranscriptFormat::Vtt.write(&words, "talk.wav", 62.0);
        assert!(vtt.contains("\nYes,<00:00:00.500>-no.\n"), "{vtt}");
    }

    #[test]
    fn speech_tools_get_their_formats() {
        let ctm = TranscriptFormat::Ctm.write(&words(), "my talk.wav", 62.0);
        assert_eq!(ctm.lines().next(), Some("my_talk.wav 1 0.10 0.40 Yes, 0.50"));
        let grid = TranscriptFormat::TextGrid.write(&words(), "talk.wav", 62.0);
        assert!(grid.contains("intervals: size = 6\n") && grid.contains("text = \"\"\"A&B\"\".\"\n"));
        assert!(grid.contains("intervals [6]:\n            xmin = 61.50\n            xmax = 62.00\n"));
    }
}
