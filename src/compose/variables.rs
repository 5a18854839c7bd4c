//! The variables that a project is made of, as `config --variables` lists them.

use super::interpolation::expressions;
use super::yaml::Node;
use super::yaml::Value;
use std::collections::BTreeMap;

/// A variable, as it is used somewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variable {
    /// Whether there must be a value: `${NAME?}`.
    pub required: bool,
    /// What is used without a value: `${NAME-text}`.
    pub default: String,
    /// What is used if there is a value: `${NAME+text}`.
    pub alternate: String,
}

/// All variables in the values of a tree that is as it was written.
pub fn variables(root: &Node) -> BTreeMap<String, Variable> {
    let mut found = BTreeMap::new();
    below(root, &mut found);
    found
}

fn below(node: &Node, found: &mut BTreeMap<String, Variable>) {
    match &node.value {
        Value::String(text) => of_text(text, 0, found),
        Value::List(items) => items.iter().for_each(|item| below(item, found)),
        Value::Map(map) => map.values().for_each(|entry| below(&entry.value, found)),
        _ => {}
    }
}

fn of_text(text: &str, depth: usize, found: &mut BTreeMap<String, Variable>) {
    for (name, rest) in expressions(text) {
        let mut variable = Variable::default();
        let word = rest.strip_prefix(':').unwrap_or(rest);
        if let Some(default) = word.strip_prefix('-') {
            variable.default = default.to_owned();
            if depth < 32 {
                of_text(default, depth + 1, found);
            }
        } else if let Some(alternate) = word.strip_prefix('+') {
            variable.alternate = alternate.to_owned();
            if depth < 32 {
                of_text(alternate, depth + 1, found);
            }
        } else {
            variable.required = word.starts_with('?');
        }
        // What says more about a variable wins over a plain use of it.
        let known = found.entry(name.to_owned()).or_default();
        if *known == Variable::default() {
            *known = variable;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::source::Span;

    #[test]
    fn each_variable_is_found_with_what_is_said_about_it() {
        let text = "$A ${B:-x${C-y}} ${D?no} ${E:+alt} $$F ${A} ${} $";
        let found = variables(&Node::text(text, Span::default()));
        let line = |(name, it): (&String, &Variable)| {
            format!("{name} {} {:?} {:?}", it.required, it.default, it.alternate)
        };
        let lines: Vec<String> = found.iter().map(line).collect();
        let wanted = [
            "A false \"\" \"\"",
            "B false \"x${C-y}\" \"\"",
            "C false \"y\" \"\"",
            "D true \"\" \"\"",
            "E false \"\" \"alt\"",
        ];
        assert_eq!(lines, wanted);
    }
}
