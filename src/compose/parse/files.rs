//! `secrets` and `configs`, in services and at the top level.

use super::context::Context;
use super::mounts::octal;
use super::values;
use crate::compose::model::FileContent;
use crate::compose::model::FileMount;
use crate::compose::model::FileObject;
use crate::compose::yaml::Entry;
use crate::compose::yaml::Node;
use std::path::PathBuf;

/// Reads `secrets` or `configs` of a service; a relative target is below `folder`.
pub fn mounts(cx: &mut Context<'_>, node: &Node, folder: &str) -> Vec<FileMount> {
    let mut mounts = Vec::new();
    cx.items(node, |cx, item| mounts.extend(mount(cx, item, folder)));
    mounts
}

fn mount(cx: &mut Context<'_>, node: &Node, folder: &str) -> Option<FileMount> {
    let mut mount = FileMount {
        source: String::new(),
        target: String::new(),
        uid: None,
        gid: None,
        mode: None,
    };
    cx.fields(node, |cx, key, node| match key {
        "source" => mount.source = cx.text(node).unwrap_or_default(),
        "target" => mount.target = cx.text(node).unwrap_or_default(),
        "uid" => mount.uid = number(cx, node),
        "gid" => mount.gid = number(cx, node),
        _ => mount.mode = cx.parsed(node, octal),
    });
    let target = match mount.target.as_str() {
        "" => format!("{folder}/{}", mount.source),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => format!("{folder}/{relative}"),
    };
    mount.target = cx.checked(node, values::container_path(&target))?;
    (!mount.source.is_empty()).then_some(mount)
}

fn number(cx: &mut Context<'_>, node: &Node) -> Option<u32> {
    cx.parsed(node, |text| {
        text.parse()
            .map_err(|_| format!("`{text}` is not a numeric id"))
    })
}

/// Reads one entry of the top-level `secrets` or `configs`.
pub fn object(cx: &mut Context<'_>, key: &str, entry: &Entry) -> Option<FileObject> {
    let node = &entry.value;
    let name = node.text_at("name").unwrap_or(key).to_owned();
    let content = if let Some(path) = node.text_at("file") {
        FileContent::File(PathBuf::from(path))
    } else if let Some(text) = node.text_at("content") {
        FileContent::Inline(text.to_owned())
    } else {
        let variable = node.get("environment")?;
        let name = variable.as_str()?;
        match cx.canonical.variables.get(name) {
            Some(value) => FileContent::Environment(name.to_owned(), value.clone()),
            None => {
                cx.report
                    .error("required-variable", format!("variable `{name}` is not set"))
                    .at(variable.span)
                    .hint(format!("set it: `export {name}=…`"));
                return None;
            }
        }
    };
    Some(FileObject { name, content })
}
