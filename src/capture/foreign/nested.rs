//! Nested lists of numbers in JSON.

use serde_json::Value;

/// Shape and values of nested lists of numbers; `None` if lists of one level differ in length or hold other
/// values.
pub fn array(value: &Value) -> Option<(Vec<usize>, Vec<f32>)> {
    let (mut shape, mut values) = (Vec::new(), Vec::new());
    let mut level = value;
    while let Value::Array(items) = level {
        shape.push(items.len());
        level = items.first()?;
    }
    if shape.is_empty() || shape.len() > 6 {
        return None;
    }
    flatten(value, &shape, &mut values)?;
    Some((shape, values))
}

fn flatten(value: &Value, shape: &[usize], values: &mut Vec<f32>) -> Option<()> {
    match (value, shape) {
        (Value::Array(items), [length, rest @ ..]) if items.len() == *length => {
            items.iter().try_for_each(|item| flatten(item, rest, values))
        }
        (Value::Number(number), []) => {
            values.push(number.as_f64()? as f32);
            Some(())
        }
        // Python writes NaN where a later token was not seen.
        (Value::Null, []) => {
            values.push(f32::NAN);
            Some(())
        }
        _ => None,
    }
}
