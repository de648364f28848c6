//! Text templates.
//!
//! `{{name}}` inserts a value, `{{name:3}}` a number with three decimals, `{{name:%}}` a fraction in per
//! cent. `{{if a > b}}…{{else}}…{{end}}` selects one of two texts; the operands are names, numbers or quoted
//! words.

use std::collections::BTreeMap;

/// Most digits after the point that a number is printed with: those of a double.
const MOST_DIGITS: usize = 17;

/// A value that a template can insert.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplateValue {
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
}

/// Template values by name.
pub type TemplateValues = BTreeMap<String, TemplateValue>;

/// Replaces the placeholders of a template by their values. The error says what is wrong with the template.
pub(super) fn fill(text: &str, values: &TemplateValues) -> Result<String, String> {
    let mut out = String::new();
    // One entry per enclosing condition: true if its current branch is taken.
    let mut taken: Vec<bool> = Vec::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("{{") {
        let Some((inside, after)) = tail.split_once("}}") else {
            return Err("a {{ has no }}".into());
        };
        let active = taken.iter().all(|taken| *taken);
        if active {
            out.push_str(before);
        }
        match inside.trim() {
            "else" => {
                let last = taken.last_mut().ok_or("{{else}} without {{if}}")?;
                *last = !*last;
            }
            "end" => {
                taken.pop().ok_or("{{end}} without {{if}}")?;
            }
            other => match other.strip_prefix("if ") {
                Some(condition) => taken.push(holds(condition, values)?),
                None if active => out.push_str(&formatted(other, values)?),
                None => {}
            },
        }
        rest = after;
    }
    if !taken.is_empty() {
        return Err("an {{if}} has no {{end}}".into());
    }
    Ok(out + rest)
}

fn value<'a>(name: &str, values: &'a TemplateValues) -> Result<&'a TemplateValue, String> {
    values.get(name).ok_or_else(|| format!("nothing is called '{name}'"))
}

fn formatted(placeholder: &str, values: &TemplateValues) -> Result<String, String> {
    let (name, format) = match placeholder.rsplit_once(':') {
        Some((name, format)) => (name.trim(), format.trim()),
        None => (placeholder, ""),
    };
    let number = match value(name, values)? {
        TemplateValue::Text(text) => return Ok(text.clone()),
        TemplateValue::Number(number) => *number,
    };
    Ok(match format {
        "%" => format!("{:.0} %", number * 100.0),
        "" if number.fract() == 0.0 => format!("{number:.0}"),
        "" => format!("{number:.2}"),
        digits => {
            let digits = digits.parse().ok().filter(|digits: &usize| *digits <= MOST_DIGITS);
            let digits = digits.ok_or_else(|| format!("'{placeholder}': unknown number format"))?;
            format!("{number:.digits$}")
        }
    })
}

fn holds(condition: &str, values: &TemplateValues) -> Result<bool, String> {
    let wrong = || format!("'{condition}' is not a condition: write it as a > b");
    let (left, rest) = condition.trim().split_once(' ').ok_or_else(wrong)?;
    let (sign, right) = rest.trim().split_once(' ').ok_or_else(wrong)?;
    let operand = |text: &str| {
        let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        match (text.parse::<f64>(), quoted) {
            (Ok(number), _) => Ok(TemplateValue::Number(number)),
            (_, Some(words)) => Ok(TemplateValue::Text(words.into())),
            _ => value(text, values).cloned(),
        }
    };
    let (left, right) = (operand(left)?, operand(right.trim())?);
    match (sign, &left, &right) {
        ("=", left, right) => Ok(left == right),
        (">", TemplateValue::Number(left), TemplateValue::Number(right)) => Ok(left > right),
        ("<", TemplateValue::Number(left), TemplateValue::Number(right)) => Ok(left < right),
        _ => Err(wrong()),
    }
}

/// Emphasis of a part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emphasis {
    /// No emphasis.
    Plain,
    /// Written as `*emphasised*`.
    Strong,
}

/// Splits a paragraph into plain and emphasised parts. A star with spaces on both sides is an ordinary
/// character.
pub fn spans(paragraph: &str) -> Vec<(Emphasis, &str)> {
    let mut parts = Vec::new();
    let mut rest = paragraph;
    while let Some((before, inside, after)) = starred(rest) {
        parts.push((Emphasis::Plain, before));
        parts.push((Emphasis::Strong, inside));
        rest = after;
    }
    parts.push((Emphasis::Plain, rest));
    parts.retain(|(_, text)| !text.is_empty());
    parts
}

fn starred(text: &str) -> Option<(&str, &str, &str)> {
    let (before, tail) = text.split_once('*')?;
    let (inside, after) = tail.split_once('*')?;
    (!inside.is_empty() && inside.trim() == inside).then_some((before, inside, after))
}

/// Removes the marks of emphasis from a text.
pub fn plain(text: &str) -> String {
    spans(text).into_iter().map(|(_, part)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> TemplateValues {
        TemplateValues::from([
            ("n".into(), TemplateValue::Number(3.0)),
            ("x".into(), TemplateValue::Number(0.876)),
            ("w".into(), TemplateValue::Text("red".into())),
        ])
    }

    #[test]
    fn placeholders_are_filled() {
        let fill = |text: &str| fill(text, &values());
        assert_eq!(fill("{{n}} {{x}} {{x:1}} {{x:%}} {{w}}!").unwrap(), "3 0.88 0.9 88 % red!");
        assert_eq!(fill("{{if n > x}}yes {{w}}{{else}}no{{end}}.").unwrap(), "yes red.");
        assert_eq!(fill("{{if w = \"red\"}}yes{{else}}no{{end}}").unwrap(), "yes");
        assert_eq!(fill("{{if x > n}}yes{{else}}no{{end}}").unwrap(), "no");
        assert_eq!(fill("{{if x > 0.5}}a{{if n = 4}}b{{else}}c{{end}}{{end}}").unwrap(), "ac");
        for wrong in
            ["{{m}}", "{{n", "{{else}}", "{{end}}", "{{if n}}x{{end}}", "{{if w > n}}x{{end}}", "{{n:z}}"]
        {
            assert!(fill(wrong).is_err(), "{wrong}");
        }
        assert!(fill("{{if n > 1}}x").is_err());
    }

    #[test]
    fn emphasis_is_kept_apart() {
        assert_eq!(
            spans("a *b c* d"),
            [(Emphasis::Plain, "a "), (Emphasis::Strong, "b c"), (Emphasis::Plain, " d")]
        );
        assert_eq!(plain("a *b c* d, 2 * 3"), "a b c d, 2 * 3");
    }
}
