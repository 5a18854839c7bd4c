//! What a scalar means, by the rules of Go's YAML reader.

use super::Tag;
use super::Value;
use std::borrow::Cow;

/// A number as Go's `%v` prints it.
pub fn format_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        format!("{value}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    }
}

/// The value of a scalar, from its style and tags.
pub fn typed(
    text: Cow<'_, str>,
    plain: bool,
    tag: Option<&saphyr_parser::Tag>,
    directive: Option<Tag>,
) -> Value {
    let core = tag.filter(|tag| tag.is_yaml_core_schema());
    let resolves = match core.map(|tag| tag.suffix.as_str()) {
        Some("str" | "binary") => false,
        Some(_) => true,
        None => plain && (tag.is_none() || directive.is_some()),
    };
    let other = resolves.then(|| other_than_text(&text)).flatten();
    other.unwrap_or_else(|| Value::String(text.into_owned()))
}

/// The value of a plain scalar, by Go's YAML rules.
pub fn resolve(text: &str) -> Value {
    other_than_text(text).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// What a plain scalar is if it is no text.
fn other_than_text(text: &str) -> Option<Value> {
    let special = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Value::Float(f64::NEG_INFINITY),
        _ => return number(text),
    };
    Some(special)
}

fn number(text: &str) -> Option<Value> {
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    if !numeric || text.len() > 64 {
        return None;
    }
    let bare = text.replace('_', "");
    integer(&bare).or_else(|| float(&bare))
}

fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (digits, radix) = match digits.get(..2) {
        Some("0x" | "0X") => (&digits[2..], 16),
        Some("0o" | "0O") => (&digits[2..], 8),
        Some("0b" | "0B") => (&digits[2..], 2),
        Some(two) if two.starts_with('0') => (&digits[1..], 8),
        _ => (digits, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    match i64::try_from(value) {
        Ok(value) => Some(Value::Int(value)),
        // With a sign, the larger half of 64 bits is a fraction to Go.
        Err(_) if text.starts_with('+') => None,
        Err(_) => u64::try_from(value).ok().map(Value::Unsigned),
    }
}

fn float(text: &str) -> Option<Value> {
    let simple = text
        .chars()
        .all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    let has_digit = text.contains(|c: char| c.is_ascii_digit());
    if !simple || !has_digit {
        return None;
    }
    let number = text.parse().ok();
    number
        .filter(|number: &f64| number.is_finite())
        .map(Value::Float)
}
