//! Scalars: what a row allows, and the canonical value.

use super::Conform;
use crate::compose::diagnostic::did_you_mean;
use crate::compose::parse::values;
use crate::compose::schema::Scalar;
use crate::compose::schema::describe_scalar;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;

/// Gives `node` its canonical value; `false` = it is no such value, and that is reported.
pub fn cast(walk: &mut Conform<'_>, node: &mut Node, scalar: Scalar) -> bool {
    let value = match value(walk, node, scalar) {
        Ok(Some(value)) => value,
        Ok(None) => return true,
        Err(Wrong::Type) => {
            walk.wrong(node, describe_scalar(scalar));
            return false;
        }
        Err(Wrong::Value(problem)) => {
            walk.invalid(node.span, problem);
            return false;
        }
        Err(Wrong::Told) => return false,
    };
    node.value = value;
    true
}

/// Why a value is none.
enum Wrong {
    Type,
    Value(String),
    Told,
}

impl From<String> for Wrong {
    fn from(problem: String) -> Self {
        Self::Value(problem)
    }
}

/// The canonical value; `None` = it is that already.
fn value(walk: &mut Conform<'_>, node: &Node, scalar: Scalar) -> Result<Option<Value>, Wrong> {
    let text = node.as_str();
    match scalar {
        Scalar::Text => text.map(|_| None).ok_or(Wrong::Type),
        Scalar::Word(words) => word(walk, node, words),
        Scalar::Tested(test, what) => match text.ok_or(Wrong::Type)? {
            text if test(text) => Ok(None),
            text => Err(Wrong::Value(format!("`{text}` is not {what}"))),
        },
        Scalar::Target => Ok(Some(Value::String(values::clean(text.ok_or(Wrong::Type)?)))),
        Scalar::Bool => boolean(node),
        Scalar::TrueFalse => match node.value {
            Value::Bool(_) => Ok(None),
            _ => Err(Wrong::Type),
        },
        Scalar::Int => integer(node),
        Scalar::Within(first, last) => within(node, first, last),
        Scalar::Truncated => match node.value {
            Value::Float(number) if number.is_finite() => Ok(Some(Value::Int(number as i64))),
            _ => integer(node),
        },
        Scalar::Number => number(node),
        Scalar::Count if text == Some("all") => Ok(Some(Value::Int(-1))),
        Scalar::Count => integer(node),
        Scalar::Bytes | Scalar::BytesText | Scalar::WholeBytes | Scalar::SignedBytes => {
            size(node, scalar).map(|size| Some(Value::String(size)))
        }
        Scalar::Duration => {
            let duration = values::duration(text.ok_or(Wrong::Type)?)?;
            Ok(Some(Value::String(values::format_duration(duration))))
        }
        Scalar::Mode => Ok(Some(Value::String(format!("0{:o}", mode(node)?)))),
        Scalar::ModeNumber => Ok(Some(Value::Int(i64::from(mode(node)?)))),
        Scalar::Address => {
            values::address(text.ok_or(Wrong::Type)?)?;
            Ok(None)
        }
        Scalar::TextOrInt if matches!(node.value, Value::Float(_)) => Err(Wrong::Type),
        Scalar::TextNumberOrNothing if node.is_null() => Ok(Some(Value::String(String::new()))),
        Scalar::TextOrNumber | Scalar::TextOrInt | Scalar::TextNumberOrNothing => {
            Ok(Some(Value::String(text_or_number(node)?)))
        }
        Scalar::TextOrBool => match &node.value {
            Value::Bool(value) => Ok(Some(Value::String(value.to_string()))),
            Value::String(_) => Ok(None),
            _ => Err(Wrong::Type),
        },
        Scalar::Loose | Scalar::Label => match (&node.value, scalar) {
            (Value::Null, Scalar::Loose) => Ok(None),
            (Value::Null, _) => Ok(Some(Value::String(String::new()))),
            _ => Ok(Some(Value::String(node.scalar().ok_or(Wrong::Type)?))),
        },
    }
}

/// A size as decimal text.
fn size(node: &Node, scalar: Scalar) -> Result<String, Wrong> {
    let text = node.as_str();
    match (&node.value, scalar) {
        (Value::Int(_), Scalar::BytesText) => Err(Wrong::Type),
        (Value::Float(_), Scalar::BytesText | Scalar::WholeBytes) => Err(Wrong::Type),
        (Value::Int(number), _) => Ok(number.to_string()),
        (_, Scalar::SignedBytes) if text == Some("-1") => Ok("-1".to_owned()),
        _ => Ok(values::bytes(&text_or_number(node)?)?.to_string()),
    }
}

fn word(walk: &mut Conform<'_>, node: &Node, words: &[&str]) -> Result<Option<Value>, Wrong> {
    let text = node.as_str().ok_or(Wrong::Type)?;
    if words.contains(&text) {
        return Ok(None);
    }
    let hint = match did_you_mean(text, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let all: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            format!("it is one of {}", all.join(", "))
        }
    };
    let message = format!("`{}` cannot be `{text}`", walk.path);
    walk.error("invalid-value", message, node.span).hint(hint);
    Err(Wrong::Told)
}

fn boolean(node: &Node) -> Result<Option<Value>, Wrong> {
    match &node.value {
        Value::Bool(_) => Ok(None),
        Value::String(text) => {
            let value = values::boolean(text).ok_or(Wrong::Type)?;
            Ok(Some(Value::Bool(value)))
        }
        _ => Err(Wrong::Type),
    }
}

fn integer(node: &Node) -> Result<Option<Value>, Wrong> {
    match &node.value {
        Value::Int(_) => Ok(None),
        Value::String(text) => match text.parse() {
            Ok(number) => Ok(Some(Value::Int(number))),
            Err(_) => Err(Wrong::Type),
        },
        Value::Unsigned(number) => Err(Wrong::Value(format!("{number} is too large"))),
        Value::Float(number) if number.fract() == 0.0 => Ok(Some(Value::Int(*number as i64))),
        _ => Err(Wrong::Type),
    }
}

fn within(node: &Node, first: i64, last: i64) -> Result<Option<Value>, Wrong> {
    let value = integer(node)?;
    let Value::Int(number) = *value.as_ref().unwrap_or(&node.value) else {
        return Err(Wrong::Type);
    };
    match (number < first, number > last) {
        (false, false) => Ok(value),
        (true, _) if last == i64::MAX => Err(Wrong::Value(format!("{number} is below {first}"))),
        _ => {
            let problem = format!("{number} is not within {first} to {last}");
            Err(Wrong::Value(problem))
        }
    }
}

fn number(node: &Node) -> Result<Option<Value>, Wrong> {
    let number: f64 = match &node.value {
        Value::Int(_) => return Ok(None),
        Value::Unsigned(number) => *number as f64,
        Value::Float(number) => *number,
        Value::String(text) => text.parse().map_err(|_| Wrong::Type)?,
        _ => return Err(Wrong::Type),
    };
    if !number.is_finite() {
        return Err(Wrong::Type);
    }
    let whole = number.fract() == 0.0 && number.abs() < 1e15;
    Ok(Some(match whole {
        true => Value::Int(number as i64),
        false => Value::Float(number),
    }))
}

fn text_or_number(node: &Node) -> Result<String, Wrong> {
    match &node.value {
        Value::String(_) | Value::Int(_) | Value::Unsigned(_) | Value::Float(_) => {
            node.scalar().ok_or(Wrong::Type)
        }
        _ => Err(Wrong::Type),
    }
}

fn mode(node: &Node) -> Result<u32, Wrong> {
    match &node.value {
        Value::String(text) => Ok(values::octal(text)?),
        Value::Int(number) => {
            let mode = u32::try_from(*number).ok().filter(|mode| *mode <= 0o7777);
            mode.ok_or_else(|| Wrong::Value(format!("{number} is not a file mode such as `0644`")))
        }
        _ => Err(Wrong::Type),
    }
}
