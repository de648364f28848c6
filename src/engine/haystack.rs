//! Long sources with a planted sentence.

use std::ops::Range;

use super::protocol::RunOptions;
use super::session::Session;
use crate::axis::AxisItem;
use crate::error::{Error, Result};

/// The place in a template that the filler text with the needle takes.
pub const CONTEXT: &str = "{context}";

/// A sentence to plant, and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle {
    /// The sentence.
    pub text: String,
    /// The target that is forced.
    pub target: String,
    /// The source, with [`CONTEXT`] where the filler goes.
    pub template: String,
}

impl Needle {
    /// A sentence that is planted in plain filler and forced as it is.
    pub fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { target: text.clone(), text, template: CONTEXT.into() }
    }
}

/// A run on a source with a planted sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Haystack {
    /// The run: the source, and the needle's target.
    pub run: RunOptions,
    /// Positions of the needle's tokens in the source.
    pub needle: Range<usize>,
    /// Number of tokens of the source.
    pub length: usize,
}

impl Session {
    /// Plants a needle after the share `depth`, 0 to 1, of the sentences of filler that make a source of at
    /// most `length` tokens. The sentences are repeated in their order. `run` gives all but the texts.
    ///
    /// # Errors
    /// [`Error::Usage`] if the needle and its template alone are longer, the template has no place for the filler, or
    /// there is no filler; those of [`Session::source`].
    pub fn haystack(
        &self,
        filler: &[String],
        needle: &Needle,
        length: usize,
        depth: f32,
        run: &RunOptions,
    ) -> Result<Haystack> {
        let Some((before, after)) = needle.template.split_once(CONTEXT) else {
            return Err(Error::Usage(format!("the source of a needle has no {CONTEXT}")));
        };
        let sentences: Vec<&str> =
            filler.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
        let items = |text: String| -> Result<Vec<AxisItem>> {
            let run = RunOptions { source: text, ..run.clone() };
            Ok(self.source(&run)?.items().to_vec())
        };
        let framed = |parts: &[&str]| {
            let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
            format!("{before}{}{after}", parts.join(" "))
        };
        let alone = items(framed(&[&needle.text]))?.len();
        if alone > length || sentences.is_empty() {
            return Err(Error::Usage(match sentences.is_empty() {
                true => "there is no filler text to plant a needle in".into(),
                false => format!("a source of {length} tokens has no room: the needle alone takes {alone}"),
            }));
        }
        let sizes = sentences
            .iter()
            .map(|line| Ok(items(framed(&[line, &needle.text]))?.len().saturating_sub(alone)));
        let sizes = sizes.collect::<Result<Vec<_>>>()?;
        let (mut chosen, mut size) = (Vec::new(), alone);
        for (&line, &tokens) in sentences.iter().zip(&sizes).cycle() {
            // Each line counts at least once: lines without tokens would never fill the source.
            if size + tokens.max(1) > length {
                break;
            }
            size += tokens.max(1);
            chosen.push(line);
        }
        loop {
            let cut = (depth.clamp(0.0, 1.0) * chosen.len() as f32).round() as usize;
            let [head, tail] = [&chosen[..cut], &chosen[cut..]].map(|lines| lines.join(" "));
            let source = framed(&[&head, &needle.text, &tail]);
            let all = items(source.clone())?;
            // Tokens at the joints may differ from those of the sentences alone.
            if all.len() > length && chosen.pop().is_some() {
                continue;
            }
            let first = common_prefix(&all, &optional(before, &head, &items)?);
            let space = if needle.text.is_empty() || tail.is_empty() { "" } else { " " };
            let last = common_suffix(&all, &optional("", &format!("{space}{tail}{after}"), &items)?);
            let needle_at = first..all.len().saturating_sub(last).max(first);
            let run = RunOptions { source, target: Some(needle.target.clone()), ..run.clone() };
            return Ok(Haystack { run, needle: needle_at, length: all.len() });
        }
    }
}

/// Returns the items of `before` and `text` together; the special tokens alone if both are empty.
fn optional(
    before: &str,
    text: &str,
    items: &impl Fn(String) -> Result<Vec<AxisItem>>,
) -> Result<Vec<AxisItem>> {
    let text = format!("{before}{text}");
    match text.trim().is_empty() {
        // The special tokens are the same around every text.
        true => Ok(items("a".into())?.into_iter().filter(|item| item.special).collect()),
        false => items(text),
    }
}

/// Number of items at the begin that are the same.
fn common_prefix(a: &[AxisItem], b: &[AxisItem]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Number of items at the end that are the same.
fn common_suffix(a: &[AxisItem], b: &[AxisItem]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}
