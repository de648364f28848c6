//! Rows of JSON lines.

use std::path::PathBuf;

use serde_json::Value;

use super::column_names::ColumnNames;
use super::sentence_pair::SentencePair;

/// Reads a row from a JSON object. Names may have dots, which lead into objects.
pub fn pair(line: &str, names: &ColumnNames) -> Result<SentencePair, String> {
    let value: Value = serde_json::from_str(line).map_err(|e| format!("not a JSON object: {e}"))?;
    let text = |name: &str| {
        let whole = value.get(name);
        let found = whole.or_else(|| name.split('.').try_fold(&value, |value, part| value.get(part)));
        found.and_then(Value::as_str).map(str::to_string)
    };
    let [source_name, audio_name, image_name, target_name] = names.all();
    let source = text(source_name);
    let [audio, image] = [audio_name, image_name].map(|name| text(name).map(PathBuf::from));
    if [source.is_some(), audio.is_some(), image.is_some()].into_iter().filter(|&given| given).count() != 1 {
        return Err(format!(
            "the object needs one string field: `{source_name}`, `{audio_name}` or `{image_name}`"
        ));
    }
    let target = text(target_name);
    if names.target.is_some() && target.is_none() {
        return Err(format!("the object has no string field `{target_name}`"));
    }
    Ok(SentencePair { source: source.unwrap_or_default(), audio, image, target })
}
