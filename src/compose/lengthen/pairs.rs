//! Pairs: `[A=1]` and `{A: 1}`.

use super::Lengthen;
use crate::compose::parse::values;
use crate::compose::yaml::Entry;
use crate::compose::yaml::Map;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;

/// `[A=1, B]` as `{A: "1", B: }`. A list of something else than texts is left for the check to complain about.
pub fn pairs(node: &mut Node) {
    let Value::List(items) = &mut node.value else {
        return;
    };
    let text = |item: &Node| item.as_str().is_some() || item.is_broken();
    if !items.iter().all(text) {
        return;
    }
    let mut map = Map::default();
    for mut item in items.drain(..) {
        let Value::String(text) = &item.value else {
            continue;
        };
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Value::String(value.to_owned())),
            None => (text.clone(), Value::Null),
        };
        item.value = value;
        let entry = Entry {
            key: item.span,
            value: item,
        };
        map.insert(name, entry);
    }
    node.value = Value::Map(Box::new(map));
}

/// `HOST=IP`, `HOST:IP` and mappings as a list of `HOST=IP`.
pub fn hosts(walk: &mut Lengthen<'_>, node: &mut Node) {
    match &mut node.value {
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                if let Value::String(text) = &mut item.value {
                    *text = host(text);
                    if !text.contains('=') {
                        let problem = format!("`{text}` is not `HOST=IP`");
                        let mark = walk.path.index(index);
                        walk.below(mark, |walk| walk.invalid(item.span, problem));
                        item.spoil();
                    }
                }
            }
        }
        Value::Map(map) => {
            let lines = map.iter().flat_map(|(name, entry)| addresses(name, entry));
            node.value = Value::List(lines.collect());
        }
        _ => {}
    }
}

fn addresses(name: &str, entry: &Entry) -> Vec<Node> {
    let one = |node: &Node| match node.as_str() {
        Some(text) => Node::text(host(&format!("{name}={text}")), node.span),
        None => node.clone(),
    };
    match &entry.value.value {
        Value::List(items) => items.iter().map(one).collect(),
        _ => vec![one(&entry.value)],
    }
}

/// With `=`, and without brackets around an address.
fn host(text: &str) -> String {
    let Some((name, address)) = text.split_once('=').or_else(|| text.split_once(':')) else {
        return text.to_owned();
    };
    let address = address.trim();
    let bare = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match bare {
        Some(bare) if values::address(bare).is_ok() => format!("{}={bare}", name.trim()),
        _ => format!("{}={address}", name.trim()),
    }
}

/// `{id: path}` as a list of `id=path`; only `default` needs no path.
pub fn ssh(walk: &mut Lengthen<'_>, node: &mut Node) {
    if let Value::Map(map) = &node.value {
        let line = |(id, entry): (&String, &Entry)| match entry.value.scalar() {
            Some(path) => Node::text(format!("{id}={path}"), entry.value.span),
            None => Node::text(id.as_str(), entry.key),
        };
        node.value = Value::List(map.iter().map(line).collect());
    }
    for item in node.items() {
        if let Some(id) = item.as_str()
            && id != "default"
            && !id.contains('=')
        {
            let problem = format!("`{id}` is not `default` or `ID=PATH`");
            walk.invalid(item.span, problem);
        }
    }
}
