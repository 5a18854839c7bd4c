//! `secrets` and `configs`, in services and at the top level.

use super::context::Context;
use super::mounts::mode;
use super::service::Draft;
use super::service::Target;
use super::shape;
use super::shape::Shape;
use super::values;
use crate::compose::model::FileMount;
use crate::compose::source::Span;
use crate::compose::yaml::Entry;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use std::path::PathBuf;

/// Parses `secrets` of a service.
pub fn secrets(cx: &mut Context<'_>, draft: &mut Draft, node: &Node) {
    let mounts = mounts(cx, draft, node, Target::Secret, "/run/secrets");
    draft.service.secrets = mounts;
}

/// Parses `configs` of a service.
pub fn configs(cx: &mut Context<'_>, draft: &mut Draft, node: &Node) {
    let mounts = mounts(cx, draft, node, Target::Config, "");
    draft.service.configs = mounts;
}

fn mounts(
    cx: &mut Context<'_>,
    draft: &mut Draft,
    node: &Node,
    kind: Target,
    folder: &str,
) -> Vec<FileMount> {
    let mut mounts: Vec<FileMount> = Vec::new();
    cx.items(node, |cx, item| {
        let Some(mount) = mount(cx, item, folder) else {
            return;
        };
        let span = item.get("source").map_or(item.span, |source| source.span);
        draft.refer(kind, &mount.source, span);
        match mounts.iter_mut().find(|old| old.target == mount.target) {
            Some(old) => *old = mount,
            None => mounts.push(mount),
        }
    });
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
    match &node.value {
        Value::String(name) => mount.source.clone_from(name),
        _ => cx.fields(node, &shape::FILE_MOUNT, |cx, key, node| match key {
            "source" => mount.source = cx.text(node).unwrap_or_default(),
            "target" => mount.target = cx.text(node).unwrap_or_default(),
            "uid" => mount.uid = number(cx, node),
            "gid" => mount.gid = number(cx, node),
            _ => mount.mode = mode(cx, node),
        }),
    }
    if mount.source.is_empty() {
        if node.as_map().is_some_and(|map| !map.contains_key("source")) {
            cx.invalid(node.span, "`source` is missing");
        }
        return None;
    }
    let target = match mount.target.as_str() {
        "" => format!("{folder}/{}", mount.source),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => format!("{folder}/{relative}"),
    };
    mount.target = cx.checked(node, values::container_path(&target))?;
    Some(mount)
}

fn number(cx: &mut Context<'_>, node: &Node) -> Option<u32> {
    let text = cx.text_or_number(node)?;
    let number = text
        .parse()
        .map_err(|_| format!("`{text}` is not a numeric id"));
    cx.checked(node, number)
}

/// Where the bytes of a secret or config come from, environment not looked up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `file`
    File(PathBuf),
    /// `environment`
    Environment(String, Span),
    /// `content`
    Inline(String),
}

/// Parses one entry of the top-level `secrets` or `configs`.
pub fn object(
    cx: &mut Context<'_>,
    entry: &Entry,
    shape: &Shape,
) -> Option<(Option<String>, Origin)> {
    let mut name = None;
    let mut origins: Vec<(Origin, Span)> = Vec::new();
    let mut external = false;
    let before = cx.report.len();
    if !entry.value.is_null() {
        cx.fields(&entry.value, shape, |cx, key, node| {
            let span = node.span;
            match key {
                "name" => name = cx.text(node),
                "external" => {
                    external = node.as_map().is_some() || cx.boolean(node).unwrap_or_default();
                    if external {
                        cx.unsupported(span, "a secret or config that is kept elsewhere");
                    }
                }
                "file" => {
                    let path = cx.text(node).map(|text| cx.host_path(&text, span));
                    origins.extend(path.map(|path| (Origin::File(path), span)));
                }
                "environment" => {
                    let variable = cx.text(node);
                    origins.extend(variable.map(|v| (Origin::Environment(v, span), span)));
                }
                _ => {
                    let text = cx.text(node);
                    origins.extend(text.map(|text| (Origin::Inline(text), span)));
                }
            }
        });
    }
    let ways: Vec<String> = ["file", "environment", "content"]
        .iter()
        .filter(|way| shape.known.contains(way))
        .map(|way| format!("`{way}`"))
        .collect();
    match origins.len() {
        1 => {}
        0 if external || cx.report.len() > before => {}
        0 => cx.invalid(entry.key, format!("one of {} is needed", ways.join(", "))),
        _ => cx.invalid(
            origins[1].1,
            format!("only one of {} is possible", ways.join(", ")),
        ),
    }
    origins.into_iter().next().map(|(origin, _)| (name, origin))
}
