//! Mounts, mounted files and devices.

use super::Lengthen;
use super::lists::wrap;
use crate::compose::parse::values;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;

const PROPAGATIONS: [&str; 6] = [
    "rprivate", "private", "rshared", "shared", "rslave", "slave",
];

/// `[SOURCE:]TARGET[:OPTION,…]`
pub fn mount(walk: &mut Lengthen<'_>, node: &mut Node) {
    if let Value::String(text) = &node.value {
        let long = short_mount(text, node);
        walk.replace(node, long);
    }
}

fn short_mount(text: &str, node: &Node) -> Result<Node, String> {
    let parts = parts(text);
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        _ => return Err(format!("`{text}` has too many `:`")),
    };
    if target.is_empty() {
        return Err(format!("`{text}` has an empty target"));
    }
    let is_path = source.is_some_and(|source| source.starts_with(['.', '/', '~']));
    let text_of = |text: &str| Value::String(text.to_owned());
    let mut fields = vec![("type", text_of(if is_path { "bind" } else { "volume" }))];
    match source {
        Some("") => return Err(format!("`{text}` has an empty source")),
        Some(source) => fields.push(("source", text_of(source))),
        None => {}
    }
    fields.push(("target", Value::String(values::clean(target))));
    let mut bind: Vec<(&str, Value)> = Vec::new();
    let mut volume: Vec<(&str, Value)> = Vec::new();
    for option in options.split(',') {
        match option {
            "ro" => fields.push(("read_only", Value::Bool(true))),
            "nocopy" => volume.push(("nocopy", Value::Bool(true))),
            "z" | "Z" => bind.push(("selinux", text_of(option))),
            word if PROPAGATIONS.contains(&word) => bind.push(("propagation", text_of(word))),
            // Others are of other systems, and docker compose takes any word.
            other => {
                if let Some(path) = other.strip_prefix("volume-subpath=") {
                    volume.push(("subpath", text_of(path)));
                }
            }
        }
    }
    if is_path {
        bind.push(("create_host_path", Value::Bool(true)));
    }
    // As in docker compose, where this is the shortest way out.
    if text.len() <= 2 {
        return Ok(Node::mapping(node.span, fields));
    }
    // What is said about the other type is kept, and what there is about its own, even if that is nothing.
    for (inner, options, is_own) in [("bind", bind, is_path), ("volume", volume, !is_path)] {
        if is_own || !options.is_empty() {
            fields.push((inner, Node::mapping(node.span, options).value));
        }
    }
    Ok(Node::mapping(node.span, fields))
}

/// What stands between the colons; those of a variable are its own.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut open) = (Vec::new(), 0, 0u32);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if text[..at].ends_with('$') => open += 1,
            b'}' => open = open.saturating_sub(1),
            b':' if open == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// A name; mounted below `folder`, if one is given.
pub fn file(node: &mut Node, folder: Option<&str>) {
    wrap(node, "source");
    let Some(name) = node.text_at("source").map(str::to_owned) else {
        return;
    };
    // One that is empty is not printed, and would be another one when that is read.
    let has_none = matches!(node.text_at("target"), Some("")) || node.get("target").is_none();
    if let (Some(folder), true) = (folder, has_none) {
        node.put("target", Node::text(format!("{folder}{name}"), node.span));
    }
}

/// `HOST[:CONTAINER[:rwm]]`, or the name of a device of the container device interface.
pub fn device(walk: &mut Lengthen<'_>, node: &mut Node) {
    if let Value::String(text) = &node.value {
        let long = short_device(text, node);
        walk.replace(node, long);
    }
    if let (Some(source), Some("")) = (node.text_at("source"), node.text_at("target")) {
        let same = Node::text(source, node.span);
        node.put("target", same);
    }
}

fn short_device(text: &str, node: &Node) -> Result<Node, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_mode = |text: &str| !text.is_empty() && text.chars().all(|c| "rwm".contains(c));
    let (source, target, permissions) = match parts.as_slice() {
        [source] => (*source, *source, "rwm"),
        [source, mode] if is_mode(mode) => (*source, *source, *mode),
        [source, target] => (*source, *target, "rwm"),
        [source, target, mode] => (*source, *target, *mode),
        _ => return Err(format!("`{text}` is not `HOST[:CONTAINER[:rwm]]`")),
    };
    if source.is_empty() {
        return Err(format!("`{text}` names no device of the host"));
    }
    let text_of = |text: &str| Value::String(text.to_owned());
    Ok(Node::mapping(
        node.span,
        [
            ("source", text_of(source)),
            ("target", text_of(target)),
            ("permissions", text_of(permissions)),
        ],
    ))
}
