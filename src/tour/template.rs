//! Texts with placeholders: `{{name}}` is a value, `{{name:3}}` one with three decimals, `{{name:%}}` a share in
//! per cent; `{{if a > b}}…{{else}}…{{end}}` says one thing or the other. Operands are
//! names, numbers, or words in quotes.

use std::collections::BTreeMap;

/// Something that a text can speak of.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// Words.
    Text(String),
}

/// Values by name.
pub type Values = BTreeMap<String, Value>;

/// Fills in the placeholders.
pub(super) fn fill(text: &str, values: &Values) -> Result<String, String> {
    let mut out = String::new();
    // Whether what stands here is said, for each condition around it.
    let mut said: Vec<bool> = Vec::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("{{") {
        let Some((inside, after)) = tail.split_once("}}") else {
            return Err("a {{ has no }}".into());
        };
        let speak = said.iter().all(|said| *said);
        if speak {
            out.push_str(before);
        }
        match inside.trim() {
            "else" => {
                let last = said.last_mut().ok_or("{{else}} without {{if}}")?;
                *last = !*last;
            }
            "end" => {
                said.pop().ok_or("{{end}} without {{if}}")?;
            }
            other => match other.strip_prefix("if ") {
                Some(condition) => said.push(holds(condition, values)?),
                None if speak => out.push_str(&shown(other, values)?),
                None => {}
            },
        }
        rest = after;
    }
    if !said.is_empty() {
        return Err("an {{if}} has no {{end}}".into());
    }
    Ok(out + rest)
}

fn value<'a>(name: &str, values: &'a Values) -> Result<&'a Value, String> {
    values.get(name).ok_or_else(|| format!("nothing is called '{name}'"))
}

fn shown(placeholder: &str, values: &Values) -> Result<String, String> {
    let (name, form) = match placeholder.rsplit_once(':') {
        Some((name, form)) => (name.trim(), form.trim()),
        None => (placeholder, ""),
    };
    let number = match value(name, values)? {
        Value::Text(text) => return Ok(text.clone()),
        Value::Number(number) => *number,
    };
    Ok(match form {
        "%" => format!("{:.0} %", number * 100.0),
        "" if number.fract() == 0.0 => format!("{number:.0}"),
        "" => format!("{number:.2}"),
        digits => {
            let digits: usize = digits.parse().map_err(|_| format!("'{placeholder}': no such form"))?;
            format!("{number:.digits$}")
        }
    })
}

fn holds(condition: &str, values: &Values) -> Result<bool, String> {
    let wrong = || format!("'{condition}' is no condition: write it as a > b");
    let (left, rest) = condition.trim().split_once(' ').ok_or_else(wrong)?;
    let (sign, right) = rest.trim().split_once(' ').ok_or_else(wrong)?;
    let operand = |text: &str| {
        let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        match (text.parse::<f64>(), quoted) {
            (Ok(number), _) => Ok(Value::Number(number)),
            (_, Some(words)) => Ok(Value::Text(words.into())),
            _ => value(text, values).cloned(),
        }
    };
    let (left, right) = (operand(left)?, operand(right.trim())?);
    match (sign, &left, &right) {
        ("=", left, right) => Ok(left == right),
        (">", Value::Number(left), Value::Number(right)) => Ok(left > right),
        ("<", Value::Number(left), Value::Number(right)) => Ok(left < right),
        _ => Err(wrong()),
    }
}

/// How a part of a text is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// As usual.
    Plain,
    /// `*emphasised*`
    Strong,
}

/// A paragraph as parts, `*…*` being emphasised. A star between spaces stays a star.
pub fn spans(paragraph: &str) -> Vec<(Weight, &str)> {
    let mut parts = Vec::new();
    let mut rest = paragraph;
    while let Some((before, inside, after)) = starred(rest) {
        parts.push((Weight::Plain, before));
        parts.push((Weight::Strong, inside));
        rest = after;
    }
    parts.push((Weight::Plain, rest));
    parts.retain(|(_, text)| !text.is_empty());
    parts
}

fn starred(text: &str) -> Option<(&str, &str, &str)> {
    let (before, tail) = text.split_once('*')?;
    let (inside, after) = tail.split_once('*')?;
    (!inside.is_empty() && inside.trim() == inside).then_some((before, inside, after))
}

/// A text without its marks of emphasis.
pub fn plain(text: &str) -> String {
    spans(text).into_iter().map(|(_, part)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values::from([
            ("n".into(), Value::Number(3.0)),
            ("x".into(), Value::Number(0.876)),
            ("w".into(), Value::Text("red".into())),
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
            [(Weight::Plain, "a "), (Weight::Strong, "b c"), (Weight::Plain, " d")]
        );
        assert_eq!(plain("a *b c* d, 2 * 3"), "a b c d, 2 * 3");
    }
}
