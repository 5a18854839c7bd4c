//! Pairs and lists of texts as one list, for merging where variables stay as they are written.

use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use indexmap::IndexMap;

/// The items of both; a later one of the same key takes the place of an earlier one.
pub fn over(base: Node, over: Node) -> Node {
    let (span, history) = (base.span, base.history.clone());
    let mut result = Node::new(Value::Null, over.span);
    result.history = over.history.clone();
    result.history.over(history, span);
    let mut items: IndexMap<String, Node> = IndexMap::new();
    for (number, item) in texts(base).into_iter().chain(texts(over)).enumerate() {
        let key = match item.scalar() {
            Some(text) => text.split('=').next().unwrap_or(&text).to_owned(),
            None => format!("={number}"),
        };
        items.insert(key, item);
    }
    result.value = Value::List(items.into_values().collect());
    result
}

/// `{B: 1, A: }` as `[A, B=1]`, a single text as a list of one.
fn texts(node: Node) -> Vec<Node> {
    match node.value {
        Value::List(items) => items,
        Value::Map(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            let line = |(key, mut entry): (String, crate::compose::yaml::Entry)| {
                if entry.value.as_map().is_some() || !entry.value.items().is_empty() {
                    return entry.value;
                }
                entry.value.value = Value::String(match entry.value.scalar() {
                    Some(value) => format!("{key}={value}"),
                    None => key,
                });
                entry.value
            };
            entries.into_iter().map(line).collect()
        }
        Value::Null => Vec::new(),
        _ => vec![node],
    }
}
