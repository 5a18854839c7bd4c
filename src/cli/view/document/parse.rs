//! From text to [`Node`]s.

use super::functions::{Function, LABEL};
use super::token::{self, Token};
use super::{Command, Error, Node, Operand, Pipe};
use std::iter::Peekable;
use std::vec::IntoIter;

/// A piece of the text.
enum Part {
    Text(String),
    Action(Vec<Token>),
}

pub(super) fn template(text: &str) -> Result<Vec<Node>, Error> {
    let mut parts = split(text)?.into_iter().peekable();
    let (nodes, ended_by) = block(&mut parts)?;
    match ended_by {
        None => Ok(nodes),
        Some(tokens) => Err(Error::Unexpected(tokens[0].text())),
    }
}

/// Text and actions; `{{-` and `-}}` take the blanks beside them.
fn split(text: &str) -> Result<Vec<Part>, Error> {
    let text = text.replace("\\t", "\t").replace("\\n", "\n");
    let mut parts = Vec::new();
    let mut rest = text.as_str();
    let mut trim = false;
    while let Some(start) = rest.find("{{") {
        let (before, action) = (&rest[..start], &rest[start + 2..]);
        let end = action.find("}}").ok_or(Error::Unclosed)?;
        let mut inside = &action[..end];
        let mut before = if trim { before.trim_start() } else { before };
        if let Some(stripped) = inside.strip_prefix("- ") {
            (inside, before) = (stripped, before.trim_end());
        }
        trim = inside.ends_with(" -");
        inside = inside.strip_suffix(" -").unwrap_or(inside).trim();
        parts.push(Part::Text(before.to_owned()));
        if !inside.starts_with("/*") {
            let tokens = token::all(inside)?;
            if tokens.is_empty() {
                return Err(Error::Missing("{{}}".into()));
            }
            parts.push(Part::Action(tokens));
        }
        rest = &action[end + 2..];
    }
    let last = if trim { rest.trim_start() } else { rest };
    parts.push(Part::Text(last.to_owned()));
    Ok(parts)
}

type Parts = Peekable<IntoIter<Part>>;

/// Nodes up to the `else` or `end` that ends them, which comes along.
fn block(parts: &mut Parts) -> Result<(Vec<Node>, Option<Vec<Token>>), Error> {
    let mut nodes = Vec::new();
    while let Some(part) = parts.next() {
        let tokens = match part {
            Part::Text(text) if text.is_empty() => continue,
            Part::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Part::Action(tokens) => tokens,
        };
        match &tokens[0] {
            Token::Word(word) if word == "end" || word == "else" => {
                return Ok((nodes, Some(tokens)));
            }
            _ => nodes.push(action(tokens, parts)?),
        }
    }
    Ok((nodes, None))
}

fn action(tokens: Vec<Token>, parts: &mut Parts) -> Result<Node, Error> {
    let keyword = match &tokens[0] {
        Token::Word(word) => word.as_str(),
        _ => "",
    };
    match keyword {
        "if" => branch("if", tokens[1..].to_vec(), parts, Node::If),
        "with" => branch("with", tokens[1..].to_vec(), parts, Node::With),
        "range" => {
            let (names, tokens) = names(tokens[1..].to_vec());
            let range = |pipe, body, other| Node::Range(names, pipe, body, other);
            branch("range", tokens, parts, range)
        }
        _ => match tokens.as_slice() {
            [Token::Variable(name, fields), Token::Assign, ..] if fields.is_empty() => {
                let name = name.clone();
                Ok(Node::Assign(name, whole(tokens[2..].to_vec())?))
            }
            _ => Ok(Node::Show(whole(tokens)?)),
        },
    }
}

/// `$value :=` or `$key, $value :=` at the beginning of a `range`.
fn names(mut tokens: Vec<Token>) -> ([Option<String>; 2], Vec<Token>) {
    let found = match tokens.as_slice() {
        [Token::Variable(value, _), Token::Assign, ..] => ([None, Some(value.clone())], 2),
        [
            Token::Variable(key, _),
            Token::Comma,
            Token::Variable(value, _),
            Token::Assign,
            ..,
        ] => ([Some(key.clone()), Some(value.clone())], 4),
        _ => ([None, None], 0),
    };
    tokens.drain(..found.1);
    (found.0, tokens)
}

/// `if`, `with` and `range`: what they look at, what follows up to `else`, and from there to `end`.
fn branch(
    keyword: &'static str,
    tokens: Vec<Token>,
    parts: &mut Parts,
    make: impl FnOnce(Pipe, Vec<Node>, Vec<Node>) -> Node,
) -> Result<Node, Error> {
    let pipe = whole(tokens)?;
    let (body, ended_by) = block(parts)?;
    let ended_by = ended_by.ok_or(Error::Endless(keyword))?;
    let other = match ended_by.as_slice() {
        [Token::Word(end)] if end == "end" => Vec::new(),
        [_] => {
            let (nodes, ended_by) = block(parts)?;
            match ended_by.as_deref() {
                Some([Token::Word(end)]) if end == "end" => nodes,
                Some(tokens) => return Err(Error::Unexpected(tokens[0].text())),
                None => return Err(Error::Endless(keyword)),
            }
        }
        // `else if`: the inner one takes the `end` that both share.
        [Token::Word(_), Token::Word(inner), ..] if inner == "if" || inner == "with" => {
            vec![action(ended_by[1..].to_vec(), parts)?]
        }
        [_, more, ..] => return Err(Error::Unexpected(more.text())),
        [] => Vec::new(),
    };
    Ok(make(pipe, body, other))
}

fn whole(tokens: Vec<Token>) -> Result<Pipe, Error> {
    let mut tokens = tokens.into_iter().peekable();
    let pipe = pipe(&mut tokens)?;
    match tokens.next() {
        None => Ok(pipe),
        Some(token) => Err(Error::Unexpected(token.text())),
    }
}

fn pipe(tokens: &mut Peekable<IntoIter<Token>>) -> Result<Pipe, Error> {
    let mut pipe = vec![command(tokens)?];
    while tokens.next_if_eq(&Token::Pipe).is_some() {
        pipe.push(command(tokens)?);
    }
    Ok(pipe)
}

fn command(tokens: &mut Peekable<IntoIter<Token>>) -> Result<Command, Error> {
    let mut words = Command::new();
    while let Some(token) = tokens.next_if(|token| !matches!(token, Token::Pipe | Token::Close(_)))
    {
        words.push(match token {
            Token::Value(value) => Operand::Value(value),
            Token::Dot(fields) => Operand::Dot(fields),
            Token::Variable(name, fields) => Operand::Variable(name, fields),
            Token::Word(word) if words.is_empty() => {
                Operand::Function(Function::named(&word).ok_or(Error::UnknownFunction(word))?)
            }
            Token::Open => {
                let inner = pipe(tokens)?;
                match tokens.next() {
                    Some(Token::Close(fields)) => Operand::Group(inner, fields),
                    _ => return Err(Error::Missing("(".into())),
                }
            }
            other => return Err(Error::Unexpected(other.text())),
        });
    }
    match words.first() {
        None => Err(Error::Missing("|".into())),
        Some(Operand::Function(_)) => Ok(words),
        Some(_) if words.len() == 1 => Ok(words),
        Some(Operand::Dot(fields)) if fields.last().is_some_and(|it| it == "Label") => {
            let before = fields[..fields.len() - 1].to_vec();
            words[0] = Operand::Dot(before);
            words.insert(0, Operand::Function(LABEL));
            Ok(words)
        }
        Some(_) => Err(Error::Unexpected("a value with arguments".into())),
    }
}
