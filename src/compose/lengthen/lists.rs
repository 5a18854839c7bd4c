//! Forms that only wrap: a list around a value, a mapping around a list of names or a text.

use crate::compose::source::Span;
use crate::compose::yaml::Entry;
use crate::compose::yaml::Map;
use crate::compose::yaml::Node;
use crate::compose::yaml::Tag;
use crate::compose::yaml::Value;

/// A single value as a list of one.
pub fn one(node: &mut Node) {
    if matches!(node.value, Value::List(_) | Value::Map(_) | Value::Null) {
        return;
    }
    let value = std::mem::replace(&mut node.value, Value::Null);
    let mut item = Node::new(value, node.span);
    item.history = node.history.clone();
    node.value = Value::List(vec![item]);
}

/// `[a, b]` as a mapping.
pub fn names(node: &mut Node, meaning: impl Fn(Span) -> Value) {
    let Value::List(items) = &mut node.value else {
        return;
    };
    let mut seen = std::collections::HashSet::new();
    let fine = |item: &Node| item.as_str().is_some() && item.tag != Some(Tag::Broken);
    if !items
        .iter()
        .all(|item| fine(item) && seen.insert(item.as_str()))
    {
        return;
    }
    let mut map = Map::default();
    for item in items.drain(..) {
        let (key, value) = (item.span, meaning(item.span));
        if let Value::String(name) = item.value {
            let value = Node {
                value,
                span: key,
                tag: item.tag,
                history: item.history,
            };
            map.insert(name, Entry { key, value });
        }
    }
    node.value = Value::Map(Box::new(map));
}

/// `depends_on: [a]`
pub fn dependencies(node: &mut Node) {
    names(node, |span| {
        let started = Value::String("service_started".to_owned());
        let required = Value::Bool(true);
        Node::mapping(span, [("condition", started), ("required", required)]).value
    });
}

/// `build: DIR`
pub fn build(node: &mut Node) {
    wrap(node, "context");
}

/// `env_file: FILE`, or a list of files.
pub fn env_files(node: &mut Node) {
    if let Value::String(_) = node.value {
        one(node);
    }
    if let Value::List(items) = &mut node.value {
        items.iter_mut().for_each(|item| wrap(item, "path"));
    }
}

/// `gpus: all`
pub fn gpus(node: &mut Node) {
    if node.as_str() == Some("all") {
        let all = Node::mapping(node.span, [("count", Value::Int(-1))]);
        node.value = Value::List(vec![all]);
    }
}

/// A text as `{KEY: TEXT}`.
pub fn wrap(node: &mut Node, key: &str) {
    if let Value::String(_) = node.value {
        let text = std::mem::replace(&mut node.value, Value::Null);
        let mut long = Node::mapping(node.span, [(key, text)]);
        if let Some(inner) = long.entry_mut(key) {
            inner.history = node.history.clone();
        }
        node.value = long.value;
    }
}
