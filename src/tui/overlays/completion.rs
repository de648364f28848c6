//! Completion of words in prompts.

use crate::site::Kind;
use crate::tui::app::App;
use crate::tui::prompts::EditedText;

/// Returns the candidates for a word that begins with `typed`, after the text `before`: accepted texts for a
/// source or a target, names on the axes for queries and keys.
pub fn candidates(app: &App, edited: EditedText, before: &str, typed: &str) -> Vec<String> {
    let mut found: Vec<String> = match edited {
        EditedText::Source | EditedText::Target | EditedText::Corrupt | EditedText::SessionName => {
            let texts = app.prompts.texts(&app.run.model, edited).iter().rev();
            return texts.filter(|text| text.starts_with(typed) && *text != typed).cloned().collect();
        }
        EditedText::Row => names(app, app.selection.head.kind(), true),
        EditedText::Filter => names(app, app.selection.head.kind(), before.contains('|')),
        EditedText::Link => {
            Kind::ALL.into_iter().flat_map(|kind| names(app, kind, before.contains('|'))).collect()
        }
    };
    let typed = typed.to_lowercase();
    found.retain(|name| name.starts_with(&typed) && *name != typed && !name.contains(char::is_whitespace));
    found.sort();
    found.dedup();
    found
}

fn names(app: &App, kind: Kind, keys: bool) -> Vec<String> {
    let names = if keys { app.axes.key_names(kind) } else { app.axes.query_names(kind) };
    names.iter().flat_map(|names| names.words.iter().map(|(_, name)| name.clone())).collect()
}
