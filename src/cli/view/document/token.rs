//! The words between `{{` and `}}`.

use super::Error;
use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name: a keyword or a function.
    Word(String),
    /// `.` or `.A.B`
    Dot(Vec<String>),
    /// `$`, `$x` or `$x.A`
    Variable(String, Vec<String>),
    Value(Value),
    Open,
    /// `)`, and the fields that are taken of what it closes.
    Close(Vec<String>),
    Pipe,
    Comma,
    Assign,
}

impl Token {
    /// As it is written, for errors.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            Self::Dot(fields) => format!(".{}", fields.join(".")),
            Self::Variable(name, _) => format!("${name}"),
            Self::Value(value) => value.to_string(),
            Self::Open => "(".into(),
            Self::Close(_) => ")".into(),
            Self::Pipe => "|".into(),
            Self::Comma => ",".into(),
            Self::Assign => ":=".into(),
        }
    }
}

/// The tokens of an action.
pub(super) fn all(text: &str) -> Result<Vec<Token>, Error> {
    let mut tokens = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '(' => (Token::Open, &rest[1..]),
            ')' => {
                let (fields, after) = fields(&rest[1..]);
                (Token::Close(fields), after)
            }
            '|' => (Token::Pipe, &rest[1..]),
            ',' => (Token::Comma, &rest[1..]),
            ':' | '=' => {
                let bare = rest.strip_prefix(":=").or_else(|| rest.strip_prefix('='));
                (Token::Assign, bare.ok_or_else(|| unexpected(rest))?)
            }
            '.' => {
                let (fields, after) = fields(rest);
                let after = after.strip_prefix('.').unwrap_or(after);
                (Token::Dot(fields), after)
            }
            '$' => {
                let (name, after) = name(&rest[1..]);
                let (fields, after) = fields(after);
                (Token::Variable(name.to_owned(), fields), after)
            }
            '"' | '`' => quoted(rest, first)?,
            '-' | '0'..='9' => {
                let end = rest[1..].find(|c: char| !c.is_ascii_digit() && c != '.');
                let (number, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
                let value = serde_json::from_str(number).map_err(|_| unexpected(rest))?;
                (Token::Value(value), after)
            }
            _ => {
                let (word, after) = name(rest);
                if word.is_empty() {
                    return Err(unexpected(rest));
                }
                let token = match word {
                    "true" | "false" => Token::Value(Value::Bool(word == "true")),
                    "nil" => Token::Value(Value::Null),
                    _ => Token::Word(word.to_owned()),
                };
                (token, after)
            }
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn unexpected(rest: &str) -> Error {
    let word = rest.split_whitespace().next().unwrap_or_default();
    Error::Unexpected(word.to_owned())
}

/// `.A.B` as its names, and what comes after.
fn fields(mut rest: &str) -> (Vec<String>, &str) {
    let mut fields = Vec::new();
    while let Some(after) = rest.strip_prefix('.') {
        let (field, after) = name(after);
        if field.is_empty() {
            break;
        }
        fields.push(field.to_owned());
        rest = after;
    }
    (fields, rest)
}

fn name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    text.split_at(end.unwrap_or(text.len()))
}

fn quoted(text: &str, quote: char) -> Result<(Token, &str), Error> {
    let mut escaped = false;
    let end = text[1..].find(|c| {
        let ends = c == quote && !escaped;
        escaped = quote == '"' && c == '\\' && !escaped;
        ends
    });
    let (text, after) = text.split_at(end.ok_or(Error::Unquoted(quote))? + 2);
    let value = match quote {
        '"' => serde_json::from_str(text).map_err(|_| Error::Unexpected(text.to_owned()))?,
        _ => Value::String(text.trim_matches(quote).to_owned()),
    };
    Ok((Token::Value(value), after))
}
