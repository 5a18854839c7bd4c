//! The part of Go's templates that `--format` needs: `{{.Field}}`, `{{json .}}`, functions, pipes, `\t` and `\n`.
//!
//! Fields are checked when the template is read, so a misspelt one is told before anything is asked or shown.

use serde_json::{Map, Value};
use std::fmt::Write;

/// A template that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `{{` without `}}`.
    #[error("`{{{{` in the template is not closed by `}}}}`")]
    Unclosed,
    /// `{{}}`.
    #[error("the template has an empty `{{{{}}}}`")]
    Empty,
    /// A field that rows do not have.
    #[error("the template names no field: `.{0}`")]
    UnknownField(String),
    /// A function that is not known.
    #[error("`{0}` in the template is not supported")]
    Unsupported(String),
    /// A function without the value it works on.
    #[error("`{0}` in the template needs one value")]
    Arity(String),
}

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A value and the functions it goes through.
    Pipe(Operand, Vec<Function>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operand {
    /// `.`
    Row,
    /// `.Field`
    Field(String),
    /// `.Label "key"`
    Label(String),
    /// `"text"`
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Json,
    Upper,
    Lower,
    Title,
    Print,
}

impl Template {
    /// Reads a template whose rows have `fields`.
    pub fn parse(text: &str, fields: &[&str]) -> Result<Self, Error> {
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        let mut trim = false;
        while let Some(start) = rest.find("{{") {
            let (before, action) = (&rest[..start], &rest[start + 2..]);
            let end = action.find("}}").ok_or(Error::Unclosed)?;
            let (mut inside, after) = (&action[..end], &action[end + 2..]);
            let mut before = if trim { before.trim_start() } else { before };
            if let Some(stripped) = inside.strip_prefix("- ") {
                (inside, before) = (stripped, before.trim_end());
            }
            trim = inside.ends_with(" -");
            inside = inside.strip_suffix(" -").unwrap_or(inside);
            push_text(&mut pieces, before);
            if !inside.trim().starts_with("/*") {
                pieces.push(pipe(inside, fields)?);
            }
            rest = after;
        }
        push_text(&mut pieces, if trim { rest.trim_start() } else { rest });
        Ok(Self { pieces })
    }

    /// The template with a row's values.
    pub fn render(&self, row: &Map<String, Value>) -> String {
        self.pieces.iter().map(|piece| piece.render(row)).collect()
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Reads `json .Labels` or `.Name | upper`.
fn pipe(text: &str, fields: &[&str]) -> Result<Piece, Error> {
    let mut operand = None;
    let mut functions = Vec::new();
    for stage in text.split('|') {
        let mut words = words(stage);
        let first = words.next().ok_or(Error::Empty)?;
        let argument = words.next();
        if words.next().is_some() {
            return Err(Error::Unsupported(stage.trim().to_owned()));
        }
        match (function(&first), argument, &operand) {
            (Some(function), Some(argument), None) => {
                operand = Some(value(&argument, None, fields)?);
                functions.push(function);
            }
            (Some(function), None, Some(_)) => functions.push(function),
            (Some(_), _, _) => return Err(Error::Arity(first)),
            (None, argument, None) => operand = Some(value(&first, argument, fields)?),
            (None, _, Some(_)) => return Err(Error::Unsupported(first)),
        }
    }
    Ok(Piece::Pipe(operand.ok_or(Error::Empty)?, functions))
}

/// Words of a stage; a quoted text is one word and keeps its quotes.
fn words(stage: &str) -> impl Iterator<Item = String> {
    let mut rest = stage.trim();
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let quote = rest.chars().next()?;
        let end = if quote == '"' || quote == '`' {
            rest[1..].find(quote).map_or(rest.len(), |at| at + 2)
        } else {
            rest.find(char::is_whitespace).unwrap_or(rest.len())
        };
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word.to_owned())
    })
}

fn function(word: &str) -> Option<Function> {
    Some(match word {
        "json" => Function::Json,
        "upper" => Function::Upper,
        "lower" => Function::Lower,
        "title" => Function::Title,
        "print" => Function::Print,
        _ => return None,
    })
}

fn value(word: &str, argument: Option<String>, fields: &[&str]) -> Result<Operand, Error> {
    let unquoted = |text: &str| text.trim_matches(['"', '`']).to_owned();
    match (word.strip_prefix('.'), argument) {
        (Some("Label"), Some(key)) => Ok(Operand::Label(unquoted(&key))),
        (_, Some(argument)) => Err(Error::Unsupported(format!("{word} {argument}"))),
        (Some(""), None) => Ok(Operand::Row),
        (Some(field), None) if fields.contains(&field) => Ok(Operand::Field(field.to_owned())),
        (Some(field), None) => Err(Error::UnknownField(field.to_owned())),
        (None, None) if word.starts_with(['"', '`']) => Ok(Operand::Text(unquoted(word))),
        (None, None) => Err(Error::Unsupported(word.to_owned())),
    }
}

impl Piece {
    fn render(&self, row: &Map<String, Value>) -> String {
        let (operand, functions) = match self {
            Self::Text(text) => return text.clone(),
            Self::Pipe(operand, functions) => (operand, functions),
        };
        let value = functions
            .iter()
            .fold(operand.value(row), |value, function| {
                Value::String(function.apply(&value))
            });
        shown(&value)
    }
}

impl Operand {
    fn value(&self, row: &Map<String, Value>) -> Value {
        match self {
            Self::Row => Value::Object(row.clone()),
            Self::Text(text) => Value::String(text.clone()),
            Self::Field(field) => row.get(field).cloned().unwrap_or_default(),
            Self::Label(key) => {
                let labels = row.get("Labels").and_then(Value::as_str).unwrap_or("");
                let pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
                let found = pairs.into_iter().find(|(name, _)| name == key);
                found.map_or_else(|| "".into(), |(_, value)| value.into())
            }
        }
    }
}

impl Function {
    fn apply(self, value: &Value) -> String {
        match self {
            Self::Json => value.to_string(),
            Self::Print => shown(value),
            Self::Upper => shown(value).to_uppercase(),
            Self::Lower => shown(value).to_lowercase(),
            Self::Title => {
                let text = shown(value);
                let mut chars = text.chars();
                let first = chars.next().into_iter().flat_map(char::to_uppercase);
                first.chain(chars.clone()).collect()
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [&str; 4] = ["Name", "Ports", "ExitCode", "Labels"];

    fn render(template: &str) -> Result<String, Error> {
        let row = serde_json::json!({
            "Name": "app-web-1", "Ports": ["a", "b"], "ExitCode": 0, "Labels": "k=v,tier=front"
        });
        let template = Template::parse(template, &FIELDS)?;
        Ok(template.render(row.as_object().unwrap()))
    }

    #[test]
    fn fields_functions_and_pipes_are_filled_in() {
        for (template, text) in [
            ("plain", "plain"),
            ("{{.Name}}", "app-web-1"),
            ("{{ .Name }}\\t{{.ExitCode}}\\n", "app-web-1\t0\n"),
            ("{{json .Name}}", "\"app-web-1\""),
            ("{{json .Ports}}", "[\"a\",\"b\"]"),
            ("{{.Ports}}", "[a b]"),
            ("{{.Name | upper}}", "APP-WEB-1"),
            ("{{upper .Name | json}}", "\"APP-WEB-1\""),
            ("{{title .Name}}", "App-web-1"),
            ("{{.Label \"tier\"}}/{{.Label \"none\"}}", "front/"),
            ("{{\"a b\"}}", "a b"),
            ("a {{- .ExitCode -}} b", "a0b"),
            ("a {{- /* why */ -}} b", "ab"),
        ] {
            assert_eq!(render(template).unwrap(), text, "{template}");
        }
    }

    #[test]
    fn the_whole_row_is_an_object() {
        assert_eq!(
            render("{{json .}}").unwrap(),
            r#"{"Name":"app-web-1","Ports":["a","b"],"ExitCode":0,"Labels":"k=v,tier=front"}"#
        );
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        for (template, error) in [
            ("{{.Name", Error::Unclosed),
            ("{{}}", Error::Empty),
            ("{{.Nmae}}", Error::UnknownField("Nmae".into())),
            (
                "{{range .Ports}}",
                Error::Unsupported("range .Ports".into()),
            ),
            ("{{end}}", Error::Unsupported("end".into())),
            ("{{json}}", Error::Arity("json".into())),
            ("{{.Name | .Name}}", Error::Unsupported(".Name".into())),
        ] {
            assert_eq!(render(template), Err(error), "{template}");
        }
    }
}
