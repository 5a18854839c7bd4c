//! The canonical tree as text, as docker compose's `config` prints it.
//!
//! Invariant: what is printed reads back as the same project.

mod graph;
mod order;
mod scalar;
mod yaml;
mod zeros;

pub use graph::Graph;
pub use graph::dot;
pub use graph::mermaid;
pub use graph::svg;
pub use graph::tree;

use super::canonical::Canonical;
use super::yaml::Node;
use serde_json::Map;
use serde_json::Value;

/// The resolved project as `config` prints it.
pub fn yaml(canonical: &Canonical) -> String {
    let value = to_json(&canonical.root);
    yaml::print(&shown(value, canonical, order::natural))
}

/// A tree as it is written, as `config --no-interpolate` prints it.
pub fn written_yaml(root: &Node) -> String {
    let mut value = to_json(root);
    order::sort(&mut value, order::natural);
    yaml::print(&value)
}

/// A tree as it is written, as `config --no-interpolate --format json` prints it.
pub fn written_json(root: &Node) -> String {
    let mut value = to_json(root);
    sort(&mut value);
    let text = serde_json::to_string_pretty(&value);
    text.expect("a JSON tree with text keys can always be printed") + "\n"
}

/// The resolved project as `config --format json` prints it.
pub fn json(canonical: &Canonical) -> String {
    let mut value = to_json(&canonical.root);
    zeros::show(&mut value);
    let text = serde_json::to_string_pretty(&shown(value, canonical, order::bytes));
    text.expect("a JSON tree with text keys can always be printed") + "\n"
}

/// The tree in docker compose's order of keys, with every `$` doubled so that it can be fed back in.
fn shown(mut value: Value, canonical: &Canonical, compare: order::Compare) -> Value {
    order::order(&mut value, compare);
    if canonical.interpolated {
        escape(&mut value);
    }
    value
}

/// A tree without its places.
pub fn to_json(node: &Node) -> Value {
    use super::yaml::Value as Yaml;
    match &node.value {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(*value),
        Yaml::Int(number) => Value::from(*number),
        Yaml::Unsigned(number) => Value::from(*number),
        Yaml::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            Value::from(*number as i64)
        }
        Yaml::Float(number) => Value::from(*number),
        Yaml::String(text) => Value::String(text.clone()),
        Yaml::List(items) => items.iter().map(to_json).collect(),
        Yaml::Map(map) => {
            let entries = map.iter();
            let entries = entries.map(|(key, entry)| (key.clone(), to_json(&entry.value)));
            Value::Object(entries.collect())
        }
    }
}

/// Sorts the keys of all maps, by their bytes.
pub fn sort(value: &mut Value) {
    order::sort(value, order::bytes);
}

fn escape(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Value::Object(fields) => {
            if fields.keys().any(|key| key.contains('$')) {
                let doubled = std::mem::take(fields).into_iter();
                *fields = doubled
                    .map(|(key, value)| (key.replace('$', "$$"), value))
                    .collect::<Map<_, _>>();
            }
            fields.values_mut().for_each(escape);
        }
        Value::Array(items) => items.iter_mut().for_each(escape),
        _ => {}
    }
}
