//! What a template makes of a document.

use super::functions::{is_true, shown};
use super::{Command, Error, Node, Operand, Pipe};
use serde_json::Value;

/// Where a template is: what `.` is, and the variables, the innermost last.
struct Scope<'a> {
    root: &'a Value,
    variables: Vec<(String, Value)>,
}

pub(super) fn render(nodes: &[Node], document: &Value) -> Result<String, Error> {
    let mut scope = Scope {
        root: document,
        variables: Vec::new(),
    };
    let mut text = String::new();
    scope.nodes(nodes, document, &mut text)?;
    Ok(text)
}

impl Scope<'_> {
    /// Shows a block; the variables that it makes end with it.
    fn nodes(&mut self, nodes: &[Node], dot: &Value, text: &mut String) -> Result<(), Error> {
        let outer = self.variables.len();
        for node in nodes {
            self.node(node, dot, text)?;
        }
        self.variables.truncate(outer);
        Ok(())
    }

    fn node(&mut self, node: &Node, dot: &Value, text: &mut String) -> Result<(), Error> {
        match node {
            Node::Text(plain) => text.push_str(plain),
            Node::Show(pipe) => match self.pipe(pipe, dot)? {
                Value::Null => text.push_str("<no value>"),
                value => text.push_str(&shown(&value)),
            },
            Node::Assign(name, pipe) => {
                let value = self.pipe(pipe, dot)?;
                self.variables.push((name.clone(), value));
            }
            Node::If(pipe, body, other) => {
                let chosen = if is_true(&self.pipe(pipe, dot)?) {
                    body
                } else {
                    other
                };
                self.nodes(chosen, dot, text)?;
            }
            Node::With(pipe, body, other) => {
                let value = self.pipe(pipe, dot)?;
                match is_true(&value) {
                    true => self.nodes(body, &value, text)?,
                    false => self.nodes(other, dot, text)?,
                }
            }
            Node::Range(names, pipe, body, other) => {
                let items = items(self.pipe(pipe, dot)?)?;
                if items.is_empty() {
                    self.nodes(other, dot, text)?;
                }
                for (key, value) in items {
                    let outer = self.variables.len();
                    for (name, value) in names.iter().zip([&key, &value]) {
                        let named = name.iter().map(|name| (name.clone(), value.clone()));
                        self.variables.extend(named);
                    }
                    self.nodes(body, &value, text)?;
                    self.variables.truncate(outer);
                }
            }
        }
        Ok(())
    }

    fn pipe(&self, pipe: &Pipe, dot: &Value) -> Result<Value, Error> {
        let mut result = None;
        for command in pipe {
            result = Some(self.command(command, dot, result)?);
        }
        Ok(result.unwrap_or_default())
    }

    fn command(&self, command: &Command, dot: &Value, last: Option<Value>) -> Result<Value, Error> {
        let function = match command.first() {
            Some(Operand::Function(function)) => function,
            Some(operand) if last.is_none() => return self.operand(operand, dot),
            _ => return Err(Error::Unexpected("a value after `|`".into())),
        };
        let arguments = command[1..].iter().map(|it| self.operand(it, dot));
        let mut arguments = arguments.collect::<Result<Vec<_>, _>>()?;
        arguments.extend(last);
        function.call(arguments)
    }

    fn operand(&self, operand: &Operand, dot: &Value) -> Result<Value, Error> {
        match operand {
            Operand::Value(value) => Ok(value.clone()),
            Operand::Function(function) => function.call(Vec::new()),
            Operand::Dot(fields) => field(dot, fields),
            Operand::Variable(name, fields) if name.is_empty() => field(self.root, fields),
            Operand::Variable(name, fields) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let (_, value) = known.ok_or_else(|| Error::UnknownVariable(format!("${name}")))?;
                field(value, fields)
            }
            Operand::Group(pipe, fields) => field(&self.pipe(pipe, dot)?, fields),
        }
    }
}

fn field(value: &Value, fields: &[String]) -> Result<Value, Error> {
    let mut value = value;
    for (at, name) in fields.iter().enumerate() {
        let found = value.as_object().and_then(|map| map.get(name));
        value = found.ok_or_else(|| Error::UnknownField(fields[..=at].join(".")))?;
    }
    Ok(value.clone())
}

/// What a `range` goes through: items by their number, values by their key.
fn items(value: Value) -> Result<Vec<(Value, Value)>, Error> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => Ok((0_u64..).map(Value::from).zip(items).collect()),
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.into_iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Ok(pairs
                .into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect())
        }
        other => Err(Error::Argument("range", other.to_string())),
    }
}
