//! The functions of templates: Go's own and docker's.

use super::Error;
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt::Write;

/// A function by its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Function {
    name: &'static str,
    /// Fewest and most arguments.
    takes: (usize, usize),
    body: fn(&'static str, &[Value]) -> Result<Value, Error>,
}

const MANY: usize = usize::MAX;

/// All of them.
const ALL: [Function; 22] = [
    function("json", (1, 1), |_, it| Ok(it[0].to_string().into())),
    function("print", (0, MANY), |_, it| Ok(printed(it, "").into())),
    function("println", (0, MANY), |_, it| {
        Ok((printed(it, " ") + "\n").into())
    }),
    function("printf", (1, MANY), |_, it| Ok(formatted(it).into())),
    function("lower", (1, 1), |_, it| {
        Ok(shown(&it[0]).to_lowercase().into())
    }),
    function("upper", (1, 1), |_, it| {
        Ok(shown(&it[0]).to_uppercase().into())
    }),
    function("title", (1, 1), |_, it| Ok(title(&shown(&it[0])).into())),
    function("join", (2, 2), join),
    function("split", (2, 2), |_, it| {
        let (text, by) = (shown(&it[0]), shown(&it[1]));
        Ok(text.split(by.as_str()).collect())
    }),
    function("truncate", (2, 2), |name, it| {
        let text = shown(&it[0]);
        Ok(text
            .chars()
            .take(number(name, &it[1])?)
            .collect::<String>()
            .into())
    }),
    function("len", (1, 1), len),
    function("index", (1, MANY), index),
    function("not", (1, 1), |_, it| Ok((!is_true(&it[0])).into())),
    function("and", (1, MANY), |_, it| {
        let chosen = it.iter().find(|value| !is_true(value)).or(it.last());
        Ok(chosen.cloned().unwrap_or_default())
    }),
    function("or", (1, MANY), |_, it| {
        let chosen = it.iter().find(|value| is_true(value)).or(it.last());
        Ok(chosen.cloned().unwrap_or_default())
    }),
    function("eq", (2, MANY), |_, it| {
        Ok(it[1..]
            .iter()
            .any(|other| order(&it[0], other) == Some(Ordering::Equal))
            .into())
    }),
    function("ne", (2, 2), |name, it| {
        compare(name, it, |o| o != Ordering::Equal)
    }),
    function("lt", (2, 2), |name, it| compare(name, it, Ordering::is_lt)),
    function("le", (2, 2), |name, it| compare(name, it, Ordering::is_le)),
    function("gt", (2, 2), |name, it| compare(name, it, Ordering::is_gt)),
    function("ge", (2, 2), |name, it| compare(name, it, Ordering::is_ge)),
    function("slice", (2, 3), slice),
];

const fn function(
    name: &'static str,
    takes: (usize, usize),
    body: fn(&'static str, &[Value]) -> Result<Value, Error>,
) -> Function {
    Function { name, takes, body }
}

/// `.Label "key"`: of the labels that the value before it has.
pub(super) const LABEL: Function = function("Label", (2, 2), |_, it| {
    let labels = it[0].get("Labels").map(shown).unwrap_or_default();
    let mut pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(key, _)| *key == shown(&it[1]));
    Ok(found.map_or("", |(_, value)| value).into())
});

impl Function {
    pub(super) fn named(word: &str) -> Option<Self> {
        ALL.into_iter().find(|it| it.name == word)
    }

    pub(super) fn call(self, arguments: Vec<Value>) -> Result<Value, Error> {
        let count = arguments.len();
        if count < self.takes.0 || count > self.takes.1 {
            return Err(Error::Argument(self.name, format!("{count} values")));
        }
        (self.body)(self.name, &arguments)
    }
}

/// Go's truth: not empty, not zero, not nothing.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(it) => *it,
        Value::Number(it) => it.as_f64() != Some(0.0),
        Value::String(it) => !it.is_empty(),
        Value::Array(it) => !it.is_empty(),
        Value::Object(it) => !it.is_empty(),
    }
}

/// A value as Go prints it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let mut text = "map[".to_owned();
            for (index, (key, value)) in map.iter().enumerate() {
                let gap = if index > 0 { " " } else { "" };
                write!(text, "{gap}{key}:{}", shown(value)).expect("a String takes every write");
            }
            text + "]"
        }
        other => other.to_string(),
    }
}

fn printed(values: &[Value], gap: &str) -> String {
    let texts: Vec<String> = values.iter().map(shown).collect();
    texts.join(gap)
}

fn cut(value: &Value, most: usize) -> String {
    shown(value).chars().take(most).collect()
}

/// `%s`, `%d`, `%v` and `%q`, with a width and, for texts, how much of them is shown at most.
fn formatted(values: &[Value]) -> String {
    let format = shown(&values[0]);
    let mut values = values[1..].iter();
    let mut text = String::new();
    let mut rest = format.as_str();
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest
            .find(|c: char| c.is_ascii_alphabetic() || c == '%')
            .unwrap_or(0);
        let (width, verb) = rest.split_at(end);
        let verb = verb.chars().next();
        if verb == Some('%') {
            text.push('%');
        } else {
            let value = values.next().unwrap_or(&Value::Null);
            let (width, most) = match width.split_once('.') {
                Some((width, most)) => (width, most.parse().unwrap_or(0)),
                None => (width, usize::MAX),
            };
            let value = match (verb, value) {
                (Some('q'), value) => Value::String(cut(value, most)).to_string(),
                (_, Value::String(_)) => cut(value, most),
                _ => shown(value),
            };
            let columns = width.trim_start_matches('-').parse().unwrap_or(0);
            match width.starts_with('-') {
                true => text += &format!("{value:<columns$}"),
                false => text += &format!("{value:>columns$}"),
            }
        }
        rest = rest
            .get(end + verb.map_or(0, char::len_utf8)..)
            .unwrap_or("");
    }
    text + rest
}

fn title(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars.clone()).collect()
}

fn join(name: &'static str, it: &[Value]) -> Result<Value, Error> {
    match &it[0] {
        Value::Null => Ok("".into()),
        Value::Array(items) => Ok(printed(items, &shown(&it[1])).into()),
        other => Err(Error::Argument(name, other.to_string())),
    }
}

fn len(name: &'static str, it: &[Value]) -> Result<Value, Error> {
    match &it[0] {
        Value::Null => Ok(0.into()),
        Value::String(text) => Ok(text.len().into()),
        Value::Array(items) => Ok(items.len().into()),
        Value::Object(map) => Ok(map.len().into()),
        other => Err(Error::Argument(name, other.to_string())),
    }
}

/// `index .Labels "a"`: a key that is not there is nothing, a number that is not there an error.
fn index(name: &'static str, it: &[Value]) -> Result<Value, Error> {
    let mut value = it[0].clone();
    for key in &it[1..] {
        value = match &value {
            Value::Null => "".into(),
            Value::Object(map) => map.get(&shown(key)).cloned().unwrap_or_else(|| "".into()),
            Value::Array(items) => {
                let found = items.get(number(name, key)?).cloned();
                found.ok_or_else(|| {
                    Error::Argument(name, format!("{key}: there are {}", items.len()))
                })?
            }
            other => return Err(Error::Argument(name, other.to_string())),
        };
    }
    Ok(value)
}

fn slice(name: &'static str, it: &[Value]) -> Result<Value, Error> {
    let bad = || Error::Argument(name, printed(it, " "));
    let from = number(name, &it[1])?;
    let to = it.get(2).map(|to| number(name, to)).transpose()?;
    match &it[0] {
        Value::String(text) => {
            let part = text.get(from..to.unwrap_or(text.len()));
            Ok(part.ok_or_else(bad)?.into())
        }
        Value::Array(items) => {
            let part = items.get(from..to.unwrap_or(items.len()));
            Ok(part.ok_or_else(bad)?.to_vec().into())
        }
        _ => Err(bad()),
    }
}

fn number(name: &'static str, value: &Value) -> Result<usize, Error> {
    let number = value.as_u64().and_then(|it| usize::try_from(it).ok());
    number.ok_or_else(|| Error::Argument(name, value.to_string()))
}

fn compare(name: &'static str, it: &[Value], holds: fn(Ordering) -> bool) -> Result<Value, Error> {
    match order(&it[0], &it[1]) {
        Some(order) => Ok(holds(order).into()),
        None => Err(Error::Argument(name, printed(it, " and "))),
    }
}

/// How two values of a kind compare.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        _ => None,
    }
}
