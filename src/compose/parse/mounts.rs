//! `volumes` and `tmpfs`.

use super::context::Context;
use super::values;
pub use super::values::octal;
use crate::compose::model::BindMount;
use crate::compose::model::ImageMount;
use crate::compose::model::Mount;
use crate::compose::model::Recursion;
use crate::compose::model::TmpfsMount;
use crate::compose::model::VolumeMount;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use std::path::PathBuf;

const PROPAGATIONS: [&str; 6] = [
    "rprivate", "private", "rshared", "shared", "rslave", "slave",
];

/// Reads `volumes`.
pub fn volumes(cx: &mut Context<'_>, node: &Node) -> Vec<Mount> {
    let mut mounts = Vec::new();
    cx.items(node, |cx, item| mounts.extend(mount(cx, item)));
    mounts
}

/// Reads `tmpfs`.
pub fn tmpfs(cx: &mut Context<'_>, node: &Node) -> Vec<Mount> {
    let mut mounts = Vec::new();
    cx.items(node, |cx, item| {
        mounts.extend(cx.parsed(item, tmpfs_text).map(Mount::Tmpfs));
    });
    mounts
}

/// `TARGET[:OPTION,…]`
fn tmpfs_text(text: &str) -> Result<TmpfsMount, String> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let mut mount = TmpfsMount {
        target: values::container_path(target)?,
        read_only: false,
        size: None,
        mode: None,
        options: Vec::new(),
    };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", size)) if !size.ends_with('%') => mount.size = Some(values::bytes(size)?),
            Some(("mode", mode)) => mount.mode = Some(octal(mode)?),
            None if option == "ro" => mount.read_only = true,
            None if option == "rw" => mount.read_only = false,
            _ => mount.options.push(option.to_owned()),
        }
    }
    Ok(mount)
}

fn mount(cx: &mut Context<'_>, node: &Node) -> Option<Mount> {
    let target = node.get("target")?;
    let target = cx.parsed(target, values::container_path)?;
    let read_only = flag(node, "read_only");
    let source = node.text_at("source");
    match node.text_at("type")? {
        "bind" => bind(cx, node, target, read_only).map(Mount::Bind),
        "tmpfs" => Some(Mount::Tmpfs(tmpfs_mount(cx, node, target, read_only))),
        "volume" => {
            let options = node.get("volume");
            let subpath = options.and_then(|options| options.text_at("subpath"));
            Some(Mount::Volume(VolumeMount {
                source: source.filter(|name| !name.is_empty()).map(str::to_owned),
                target,
                read_only,
                nocopy: options.is_some_and(|options| flag(options, "nocopy")),
                subpath: subpath.map(str::to_owned),
                labels: options
                    .and_then(|options| options.get("labels"))
                    .map(|labels| cx.labels(labels))
                    .unwrap_or_default(),
            }))
        }
        "image" => Some(Mount::Image(ImageMount {
            source: source?.to_owned(),
            target,
            subpath: node
                .get("image")
                .and_then(|options| options.text_at("subpath"))
                .map(str::to_owned),
        })),
        other => {
            let span = node.get("type").map_or(node.span, |node| node.span);
            cx.within("type", |cx| cx.unsupported(span, format!("`{other}`")));
            None
        }
    }
}

fn flag(node: &Node, key: &str) -> bool {
    node.get(key).map(|node| &node.value) == Some(&Value::Bool(true))
}

fn tmpfs_mount(cx: &mut Context<'_>, node: &Node, target: String, read_only: bool) -> TmpfsMount {
    let mut mount = TmpfsMount {
        target,
        read_only,
        size: None,
        mode: None,
        options: Vec::new(),
    };
    if let Some(options) = node.get("tmpfs") {
        cx.fields(options, |cx, key, node| match key {
            "size" => mount.size = cx.bytes(node),
            _ => mount.mode = cx.integer(node),
        });
    }
    mount
}

fn bind(cx: &mut Context<'_>, node: &Node, target: String, read_only: bool) -> Option<BindMount> {
    let Some(source) = node.text_at("source") else {
        cx.invalid(node.span, "`source` is missing");
        return None;
    };
    let mut mount = BindMount {
        source: PathBuf::from(source),
        target,
        read_only,
        propagation: None,
        create_host_path: true,
        recursive: Recursion::default(),
        selinux: None,
    };
    if let Some(options) = node.get("bind") {
        cx.fields(options, |cx, key, node| match key {
            "propagation" => {
                let words = PROPAGATIONS.map(|word| (word, word));
                mount.propagation = cx.one_of(node, &words).map(str::to_owned);
            }
            "create_host_path" => mount.create_host_path = cx.boolean(node).unwrap_or(true),
            "recursive" => {
                let words = [
                    ("enabled", Recursion::Enabled),
                    ("disabled", Recursion::Disabled),
                    ("writable", Recursion::Writable),
                    ("readonly", Recursion::ReadOnly),
                ];
                mount.recursive = cx.one_of(node, &words).unwrap_or_default();
                if mount.recursive == Recursion::ReadOnly && !read_only {
                    cx.invalid(node.span, "`readonly` needs `read_only: true`, too");
                }
            }
            _ => mount.selinux = node.as_str().and_then(|text| text.chars().next()),
        });
    }
    Some(mount)
}
