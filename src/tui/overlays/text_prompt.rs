//! A prompt for a text: an editor, the texts accepted before, and completion.

use crate::tui::prompts::EditedText;
use crate::tui::widgets::editor::{Edit, Editor};

/// A prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct TextPrompt {
    /// The edited text.
    pub edited: EditedText,
    /// The editor.
    pub editor: Editor,
    /// Number of the recalled text, counted back from the newest; 0 for the user's own.
    recalled: usize,
    /// The user's own text while an accepted one is recalled.
    own: String,
    completion: Option<Completion>,
}

/// A completion in progress.
#[derive(Clone, Debug, PartialEq)]
struct Completion {
    /// Byte offset of the completed word.
    start: usize,
    /// The part that the user typed.
    typed: String,
    /// Number of the shown candidate.
    at: usize,
}

impl TextPrompt {
    /// Creates a prompt with a text to edit.
    pub fn new(edited: EditedText, text: impl Into<String>) -> Self {
        Self { edited, editor: Editor::new(text), recalled: 0, own: String::new(), completion: None }
    }

    /// Edits the text.
    pub fn apply(&mut self, edit: Edit) {
        self.editor.apply(edit);
        (self.recalled, self.completion) = (0, None);
    }

    /// Pastes text. A source and a target keep line breaks and tabs.
    pub fn paste(&mut self, text: &str) {
        self.editor.paste(text, self.edited.is_multiline());
        (self.recalled, self.completion) = (0, None);
    }

    /// Recalls an earlier (`steps` below 0) or a later one of the accepted texts, the newest last.
    pub fn recall(&mut self, texts: &[String], steps: isize) {
        if self.recalled == 0 {
            self.own = self.editor.text().to_string();
        }
        let to = self.recalled.saturating_add_signed(-steps).min(texts.len());
        if to == self.recalled {
            return;
        }
        let text = texts.len().checked_sub(to).and_then(|at| texts.get(at)).filter(|_| to > 0);
        self.editor = Editor::new(text.unwrap_or(&self.own).clone());
        (self.recalled, self.completion) = (to, None);
    }

    /// Replaces the last word by the next candidate that begins with what was typed of it. Returns false if there is none.
    pub fn complete(&mut self, candidates: impl Fn(&str, &str) -> Vec<String>) -> bool {
        let text = self.editor.text().to_string();
        let fresh = || {
            let start = match self.edited.is_multiline() {
                true => 0,
                false => text.rfind(|c: char| c.is_whitespace() || c == '|').map_or(0, |at| at + 1),
            };
            let start = (start..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
            Completion { start, typed: text.get(start..).unwrap_or_default().to_string(), at: 0 }
        };
        let next = match &self.completion {
            Some(completion) => Completion { at: completion.at + 1, ..completion.clone() },
            None => fresh(),
        };
        let before = text.get(..next.start).unwrap_or_default();
        let found = candidates(before, &next.typed);
        let Some(candidate) = found.get(next.at % found.len().max(1)) else { return false };
        self.editor = Editor::new(format!("{before}{candidate}"));
        self.completion = Some(next);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_texts_are_recalled_and_the_own_text_returns() {
        let texts = ["first".to_string(), "second".to_string()];
        let mut prompt = TextPrompt::new(EditedText::Source, "own");
        let mut recall = |steps: isize| {
            prompt.recall(&texts, steps);
            prompt.editor.text().to_string()
        };
        assert_eq!(
            [-1, -1, -1, 1, 1, 1].map(&mut recall),
            ["second", "first", "first", "second", "own", "own"]
        );
    }

    #[test]
    fn words_are_completed_one_candidate_after_the_other() {
        let names = ["cat", "catch", "dog"];
        let fitting = |_: &str, typed: &str| -> Vec<String> {
            names.iter().filter(|name| name.starts_with(typed)).map(|name| name.to_string()).collect()
        };
        let mut prompt = TextPrompt::new(EditedText::Link, "it | ca");
        let mut complete = || {
            assert!(prompt.complete(fitting));
            prompt.editor.text().to_string()
        };
        assert_eq!([complete(), complete(), complete()], ["it | cat", "it | catch", "it | cat"]);
        let mut prompt = TextPrompt::new(EditedText::Link, "é|x");
        assert!(!prompt.complete(fitting));
        assert_eq!(prompt.editor.text(), "é|x");
    }
}
