//! Go's templates over a JSON document, as `--format` takes them: fields, `if`, `range`, `with`, variables, pipes
//! and the functions that docker has.
//!
//! Invariants: a template is read whole before anything is shown; a field that is not there is an error, a key that
//! `index` does not find is nothing.

mod evaluate;
mod functions;
mod parse;
mod token;

use serde_json::Value;

/// A template that cannot be read, or does not fit the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `{{` without `}}`.
    #[error("`{{{{` in the template is not closed by `}}}}`")]
    Unclosed,
    /// A quote without its fellow.
    #[error("a text in the template is not closed by `{0}`")]
    Unquoted(char),
    /// Something that is no part of the language, or stands in the wrong place.
    #[error("the template cannot have `{0}` here")]
    Unexpected(String),
    /// An action that lacks something.
    #[error("the template ends an action too early: `{0}`")]
    Missing(String),
    /// `{{if}}`, `{{range}}` or `{{with}}` without `{{end}}`.
    #[error("`{0}` in the template has no `{{{{end}}}}`")]
    Endless(&'static str),
    /// A function that is not known.
    #[error("the template names no function: `{0}`")]
    UnknownFunction(String),
    /// A variable that is not known.
    #[error("the template names no variable: `{0}`")]
    UnknownVariable(String),
    /// A field that the document does not have.
    #[error("the template names no field: `.{0}`")]
    UnknownField(String),
    /// A function that cannot work with what it is given.
    #[error("`{0}` in the template cannot take {1}")]
    Argument(&'static str, String),
}

/// A template that was read.
#[derive(Debug, Clone)]
pub struct Document {
    nodes: Vec<Node>,
}

/// A part of a template.
#[derive(Debug, Clone)]
enum Node {
    Text(String),
    Show(Pipe),
    Assign(String, Pipe),
    If(Pipe, Vec<Node>, Vec<Node>),
    With(Pipe, Vec<Node>, Vec<Node>),
    /// The variables for key and value, what is gone through, what is shown of each, and of none.
    Range([Option<String>; 2], Pipe, Vec<Node>, Vec<Node>),
}

/// Commands, each given the result of the one before as its last argument.
type Pipe = Vec<Command>;

/// A function with its arguments, or a value alone.
type Command = Vec<Operand>;

#[derive(Debug, Clone)]
enum Operand {
    Value(Value),
    Function(functions::Function),
    /// Fields of `.`
    Dot(Vec<String>),
    /// Fields of a variable; `` is `$`.
    Variable(String, Vec<String>),
    /// Fields of the result of what is in parentheses.
    Group(Pipe, Vec<String>),
}

impl Document {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, Error> {
        parse::template(text).map(|nodes| Self { nodes })
    }

    /// Reads a template for rows that have `fields`: a misspelt one is told before anything is asked or shown.
    pub fn of_rows(text: &str, fields: &[&str]) -> Result<Self, Error> {
        let document = Self::parse(text)?;
        let mut used = document.nodes.iter().flat_map(Node::fields);
        match used.find(|field| !fields.contains(field)) {
            Some(field) => Err(Error::UnknownField(field.to_owned())),
            None => Ok(document),
        }
    }

    /// The template with the document's values.
    pub fn render(&self, document: &Value) -> Result<String, Error> {
        evaluate::render(&self.nodes, document)
    }
}

impl Node {
    /// The fields of the document that it names; what `range` and `with` show of something else is seen when it is shown.
    fn fields(&self) -> Vec<&str> {
        match self {
            Self::Text(_) => Vec::new(),
            Self::Show(pipe) | Self::Assign(_, pipe) => fields(pipe),
            Self::If(pipe, body, other) => {
                let inside = body.iter().chain(other).flat_map(Self::fields);
                fields(pipe).into_iter().chain(inside).collect()
            }
            Self::With(pipe, _, other) | Self::Range(_, pipe, _, other) => {
                let inside = other.iter().flat_map(Self::fields);
                fields(pipe).into_iter().chain(inside).collect()
            }
        }
    }
}

fn fields(pipe: &Pipe) -> Vec<&str> {
    let operands = pipe.iter().flatten();
    operands.flat_map(Operand::fields).collect()
}

impl Operand {
    fn fields(&self) -> Vec<&str> {
        match self {
            Self::Dot(names) => names.first().map(String::as_str).into_iter().collect(),
            Self::Group(pipe, _) => fields(pipe),
            Self::Value(_) | Self::Function(_) | Self::Variable(..) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
