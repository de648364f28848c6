//! Texts that were accepted in prompts, kept for each model from session to session.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files;

/// Text that a prompt edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditedText {
    /// Source text of the encoder.
    Source,
    /// Target text of the decoder.
    Target,
    /// Source text of a corrupt run, to patch.
    Corrupt,
    /// Filter of rows and columns.
    Filter,
    /// Link to look for in every head.
    Link,
    /// New weights of a row.
    Row,
    /// Name of a session to save.
    SessionName,
}

impl EditedText {
    /// Returns true if the text may have several lines.
    pub fn is_multiline(self) -> bool {
        match self {
            EditedText::Source | EditedText::Target | EditedText::Corrupt => true,
            EditedText::Filter | EditedText::Link | EditedText::Row | EditedText::SessionName => false,
        }
    }
}

/// Accepted texts of one model by prompt, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct AcceptedTexts {
    source: Vec<String>,
    target: Vec<String>,
    corrupt: Vec<String>,
    filter: Vec<String>,
    link: Vec<String>,
    row: Vec<String>,
    session: Vec<String>,
}

impl AcceptedTexts {
    fn of(&self, edited: EditedText) -> &Vec<String> {
        match edited {
            EditedText::Source => &self.source,
            EditedText::Target => &self.target,
            EditedText::Corrupt => &self.corrupt,
            EditedText::Filter => &self.filter,
            EditedText::Link => &self.link,
            EditedText::Row => &self.row,
            EditedText::SessionName => &self.session,
        }
    }

    fn of_mut(&mut self, edited: EditedText) -> &mut Vec<String> {
        match edited {
            EditedText::Source => &mut self.source,
            EditedText::Target => &mut self.target,
            EditedText::Corrupt => &mut self.corrupt,
            EditedText::Filter => &mut self.filter,
            EditedText::Link => &mut self.link,
            EditedText::Row => &mut self.row,
            EditedText::SessionName => &mut self.session,
        }
    }
}

/// A text that was accepted in a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedText {
    /// The MODEL argument.
    pub model: String,
    /// The prompt.
    pub edited: EditedText,
    /// The text.
    pub text: String,
}

/// The accepted texts of every model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PromptHistory(BTreeMap<String, AcceptedTexts>);

impl PromptHistory {
    /// Limit on the texts of a prompt; the oldest go first.
    const MOST_TEXTS: usize = 100;
    /// Limit on the length of a text in bytes; longer ones are not kept.
    const LONGEST: usize = 1 << 16;
    /// Limit on the number of models.
    const MOST_MODELS: usize = 200;

    /// Returns the texts of a prompt, the newest last.
    pub fn texts(&self, model: &str, edited: EditedText) -> &[String] {
        self.0.get(model).map_or(&[], |texts| texts.of(edited))
    }

    /// Adds a text as the newest one.
    pub fn add(&mut self, accepted: &AcceptedText) {
        let AcceptedText { model, edited, text } = accepted;
        if text.trim().is_empty() || text.len() > Self::LONGEST {
            return;
        }
        let texts = self.0.entry(model.clone()).or_default().of_mut(*edited);
        texts.retain(|other| other != text);
        texts.push(text.clone());
        let over = texts.len().saturating_sub(Self::MOST_TEXTS);
        texts.drain(..over);
        while self.0.len() > Self::MOST_MODELS {
            let Some(first) = self.0.keys().find(|name| *name != model).cloned() else { break };
            self.0.remove(&first);
        }
    }

    /// Reads the file. A missing file, or one of another form, has no texts.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        toml::from_str(&text).unwrap_or_default()
    }

    /// Adds a text to the file, which another program may have changed meanwhile.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remember(path: &Path, accepted: &AcceptedText) -> Result<()> {
        let mut all = Self::read(path);
        all.add(accepted);
        let text = toml::to_string(&all)
            .map_err(|error| Error::BadFile { file: path.display().to_string(), why: error.to_string() })?;
        files::save_private(path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(model: &str, edited: EditedText, text: &str) -> AcceptedText {
        AcceptedText { model: model.into(), edited, text: text.into() }
    }

    #[test]
    fn texts_are_kept_by_model_and_prompt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/history.toml");
        for text in ["one", "two\nlines", "one", " "] {
            PromptHistory::remember(&path, &accepted("org/name", EditedText::Source, text)).unwrap();
        }
        PromptHistory::remember(&path, &accepted("demo", EditedText::Link, "it | cat")).unwrap();
        let read = PromptHistory::read(&path);
        assert_eq!(read.texts("org/name", EditedText::Source), ["two\nlines", "one"]);
        assert_eq!(read.texts("demo", EditedText::Link), ["it | cat"]);
        assert!(read.texts("demo", EditedText::Source).is_empty());
        std::fs::write(&path, "no = [toml").unwrap();
        assert_eq!(PromptHistory::read(&path), PromptHistory::default());
    }

    #[test]
    fn the_oldest_texts_go_first() {
        let mut history = PromptHistory::default();
        for at in 0..150 {
            history.add(&accepted("demo", EditedText::Source, &at.to_string()));
        }
        let texts = history.texts("demo", EditedText::Source);
        assert_eq!((texts.len(), texts[0].as_str()), (100, "50"));
        history.add(&accepted("demo", EditedText::Source, &"x".repeat(1 << 17)));
        assert_eq!(history.texts("demo", EditedText::Source).len(), 100);
    }
}
