//! `volumes` in both forms, and `tmpfs`.

use super::context::Context;
use super::service::Draft;
use super::service::Target;
use super::shape;
use super::values;
use crate::compose::model::BindMount;
use crate::compose::model::Mount;
use crate::compose::model::TmpfsMount;
use crate::compose::model::VolumeMount;
use crate::compose::source::Span;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;

const PROPAGATIONS: [&str; 6] = [
    "rprivate", "private", "rshared", "shared", "rslave", "slave",
];

/// Parses `volumes`; a later entry with the same target replaces an earlier one.
pub fn volumes(cx: &mut Context<'_>, draft: &mut Draft, node: &Node) {
    cx.items(node, |cx, item| {
        let mount = match &item.value {
            Value::String(text) => short(cx, text, item.span),
            Value::Map(_) => long(cx, item),
            _ => {
                cx.wrong(item, "a text or a mapping");
                None
            }
        };
        let Some(mount) = mount else {
            return;
        };
        let mounts = &mut draft.service.mounts;
        match mounts.iter_mut().find(|old| old.target() == mount.target()) {
            Some(old) => *old = mount.clone(),
            None => mounts.push(mount.clone()),
        }
        if let Mount::Volume(VolumeMount {
            source: Some(name), ..
        }) = &mount
        {
            let span = item.get("source").map_or(item.span, |source| source.span);
            draft.refer(Target::Volume, name, span);
        }
    });
}

/// Parses `tmpfs`.
pub fn tmpfs(cx: &mut Context<'_>, draft: &mut Draft, node: &Node) {
    cx.each_text(node, |cx, item, text| {
        let Some(mount) = cx.checked(item, tmpfs_text(text)) else {
            return;
        };
        match draft
            .tmpfs
            .iter_mut()
            .find(|old| old.target() == mount.target)
        {
            Some(old) => *old = Mount::Tmpfs(mount),
            None => draft.tmpfs.push(Mount::Tmpfs(mount)),
        }
    });
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

/// Permission bits as octal digits.
pub fn octal(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| format!("`{text}` is not a file mode such as `0644`"))
}

/// Permission bits: a number, or octal digits.
pub fn mode(cx: &mut Context<'_>, node: &Node) -> Option<u32> {
    match &node.value {
        Value::String(text) => cx.checked(node, octal(text)),
        _ => cx.integer(node),
    }
}

/// `[SOURCE:]TARGET[:OPTION,…]`
fn short(cx: &mut Context<'_>, text: &str, span: Span) -> Option<Mount> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        _ => {
            cx.invalid(span, format!("`{text}` has too many `:`"));
            return None;
        }
    };
    let options = match ShortOptions::parse(options) {
        Ok(options) => options,
        Err(problem) => {
            cx.invalid(span, problem);
            return None;
        }
    };
    let target = match values::container_path(target) {
        Ok(target) => target,
        Err(problem) => {
            cx.invalid(span, problem);
            return None;
        }
    };
    match source {
        Some("") => {
            cx.invalid(span, format!("`{text}` has an empty source"));
            None
        }
        Some(source) if source.starts_with(['.', '/', '~']) => Some(Mount::Bind(BindMount {
            source: cx.host_path(source, span),
            target,
            read_only: options.read_only,
            propagation: options.propagation,
            create_host_path: true,
            recursive: true,
        })),
        source => Some(Mount::Volume(VolumeMount {
            source: source.map(str::to_owned),
            target,
            read_only: options.read_only,
            nocopy: options.nocopy,
            subpath: None,
        })),
    }
}

#[derive(Default)]
struct ShortOptions {
    read_only: bool,
    nocopy: bool,
    propagation: Option<String>,
}

impl ShortOptions {
    fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for option in text.split(',').filter(|option| !option.is_empty()) {
            match option {
                "ro" => options.read_only = true,
                "rw" => options.read_only = false,
                "nocopy" => options.nocopy = true,
                // SELinux labels and the consistency of other systems mean nothing here.
                "z" | "Z" | "cached" | "delegated" | "consistent" => {}
                word if PROPAGATIONS.contains(&word) => {
                    options.propagation = Some(word.to_owned());
                }
                word => return Err(format!("`{word}` is not an option of a volume")),
            }
        }
        Ok(options)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Bind,
    Volume,
    Tmpfs,
    Other,
}

/// The long form, all kinds together.
#[derive(Default)]
struct Long {
    kind: Option<Kind>,
    source: Option<(String, Span)>,
    target: Option<String>,
    read_only: bool,
    propagation: Option<String>,
    keep_host_path: bool,
    flat: bool,
    nocopy: bool,
    subpath: Option<String>,
    size: Option<u64>,
    mode: Option<u32>,
}

fn long(cx: &mut Context<'_>, node: &Node) -> Option<Mount> {
    let mut mount = Long::default();
    let before = cx.report.len();
    cx.fields(node, &shape::MOUNT, |cx, key, node| match key {
        "type" => mount.kind = kind(cx, node),
        "source" => mount.source = cx.text(node).map(|text| (text, node.span)),
        "target" => mount.target = cx.parsed(node, values::container_path),
        "read_only" => mount.read_only = cx.boolean(node).unwrap_or_default(),
        "bind" => bind(cx, node, &mut mount),
        "volume" => cx.fields(node, &shape::MOUNT_VOLUME, |cx, key, node| match key {
            "nocopy" => mount.nocopy = cx.boolean(node).unwrap_or_default(),
            _ => mount.subpath = cx.text(node),
        }),
        "tmpfs" => cx.fields(node, &shape::MOUNT_TMPFS, |cx, key, node| match key {
            "size" => mount.size = cx.bytes(node),
            _ => mount.mode = self::mode(cx, node),
        }),
        // `consistency` is about other systems.
        _ => {
            cx.text(node);
        }
    });
    if cx.report.len() == before {
        for key in ["type", "target"] {
            if node.get(key).is_none_or(Node::is_null) {
                cx.invalid(node.span, format!("`{key}` is missing"));
            }
        }
    }
    finish(cx, mount, node.span)
}

fn kind(cx: &mut Context<'_>, node: &Node) -> Option<Kind> {
    let kinds = [
        ("bind", Kind::Bind),
        ("volume", Kind::Volume),
        ("tmpfs", Kind::Tmpfs),
        ("image", Kind::Other),
        ("npipe", Kind::Other),
        ("cluster", Kind::Other),
    ];
    let kind = cx.one_of(node, &kinds)?;
    if kind == Kind::Other {
        cx.unsupported(
            node.span,
            format!("`{}`", node.as_str().unwrap_or_default()),
        );
        return None;
    }
    Some(kind)
}

fn bind(cx: &mut Context<'_>, node: &Node, mount: &mut Long) {
    cx.fields(node, &shape::MOUNT_BIND, |cx, key, node| match key {
        "propagation" => {
            mount.propagation = cx
                .one_of(node, &PROPAGATIONS.map(|p| (p, p)))
                .map(str::to_owned);
        }
        "create_host_path" => mount.keep_host_path = !cx.boolean(node).unwrap_or(true),
        "recursive" => match cx.text(node).as_deref() {
            Some("enabled") | None => {}
            Some("disabled") => mount.flat = true,
            Some(other @ ("readonly" | "writable")) => {
                cx.unsupported(node.span, format!("`{other}`"));
            }
            Some(other) => cx.invalid(
                node.span,
                format!("`{other}` is not `enabled` or `disabled`"),
            ),
        },
        // `selinux`
        _ => {
            cx.one_of(node, &[("z", ()), ("Z", ())]);
        }
    });
}

fn finish(cx: &mut Context<'_>, mount: Long, span: Span) -> Option<Mount> {
    let (kind, target) = (mount.kind?, mount.target?);
    let read_only = mount.read_only;
    Some(match kind {
        Kind::Bind => {
            let Some((source, place)) = mount.source else {
                cx.invalid(span, "`source` is missing");
                return None;
            };
            Mount::Bind(BindMount {
                source: cx.host_path(&source, place),
                target,
                read_only,
                propagation: mount.propagation,
                create_host_path: !mount.keep_host_path,
                recursive: !mount.flat,
            })
        }
        Kind::Tmpfs => Mount::Tmpfs(TmpfsMount {
            target,
            read_only,
            size: mount.size,
            mode: mount.mode,
            options: Vec::new(),
        }),
        Kind::Volume | Kind::Other => Mount::Volume(VolumeMount {
            source: mount
                .source
                .map(|(name, _)| name)
                .filter(|name| !name.is_empty()),
            target,
            read_only,
            nocopy: mount.nocopy,
            subpath: mount.subpath,
        }),
    })
}
