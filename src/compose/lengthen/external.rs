//! `external: {name: …}`, as it was written years ago.

use super::Lengthen;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;

/// Moves the name to where it belongs now.
pub fn external(walk: &mut Lengthen<'_>, node: &mut Node) {
    let Some(external) = node.entry_mut("external") else {
        return;
    };
    let Value::Map(_) = external.value else {
        return;
    };
    let span = external.span;
    let old = std::mem::replace(external, Node::new(Value::Bool(true), span));
    for (key, entry) in old.entries() {
        if key != "name" && !key.starts_with("x-") {
            let message = format!("unknown attribute `{key}` in `{}.external`", walk.path);
            walk.report
                .error("unknown-attribute", message)
                .at(entry.key)
                .hint("expected `name`");
        }
    }
    let Some(name) = old.get("name").cloned() else {
        return;
    };
    if let Some(newer) = node.get("name") {
        let message = format!("`{}.external.name` and `name` name it twice", walk.path);
        walk.report
            .error("contradiction", message)
            .at(name.span)
            .also(newer.span, "the other name")
            .hint("remove `external.name`");
        return;
    }
    let message = format!("`{}.external.name` is obsolete", walk.path);
    walk.report
        .warning("obsolete", message)
        .at(name.span)
        .hint("write `external: true` and `name: …` beside it");
    node.put("name", name);
}
