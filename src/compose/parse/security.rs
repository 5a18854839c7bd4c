//! What a container may do: capabilities, namespaces, devices, kernel parameters.

use super::context::Context;
use super::networks::service_name;
use super::values;
use crate::compose::diagnostic::did_you_mean;
use crate::compose::model::NamespaceOf;
use crate::compose::model::Service;
use crate::compose::yaml::Node;

/// Reads one attribute of this topic.
pub fn attribute(cx: &mut Context<'_>, service: &mut Service, key: &str, node: &Node) {
    match key {
        "privileged" => service.privileged = cx.boolean(node).unwrap_or_default(),
        "read_only" => service.read_only = cx.boolean(node).unwrap_or_default(),
        "cap_add" => service.cap_add = capabilities(cx, node),
        "cap_drop" => service.cap_drop = capabilities(cx, node),
        "security_opt" => service.security_opt = security_opt(cx, node),
        "sysctls" => service.sysctls = cx.labels(node),
        "devices" => devices(cx, service, node),
        "group_add" => service.group_add = cx.texts(node),
        "pid" => service.pid = namespace(cx, node, false),
        _ => service.ipc = namespace(cx, node, true),
    }
}

const CAPABILITIES: [&str; 42] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

fn capabilities(cx: &mut Context<'_>, node: &Node) -> Vec<String> {
    let mut all = Vec::new();
    cx.items(node, |cx, item| {
        let Some(text) = cx.text(item) else {
            return;
        };
        let upper = text.to_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned();
        if !CAPABILITIES.contains(&name.as_str()) {
            let near = did_you_mean(&name, CAPABILITIES);
            let message = format!("`{}`: `{text}` is not a capability", cx.path());
            let diagnostic = cx.report.error("invalid-value", message);
            diagnostic.at(item.span);
            if let Some(near) = near {
                diagnostic.hint(format!("did you mean `{near}`?"));
            }
        } else if !all.contains(&name) {
            all.push(name);
        }
    });
    all
}

fn security_opt(cx: &mut Context<'_>, node: &Node) -> Vec<String> {
    let mut options = Vec::new();
    cx.items(node, |cx, item| {
        let Some(text) = cx.text(item) else {
            return;
        };
        let (name, value) = text
            .split_once('=')
            .or_else(|| text.split_once(':'))
            .unwrap_or((&text, ""));
        match name {
            "seccomp" if !matches!(value, "" | "unconfined" | "builtin") => {
                let path = cx.host_path(value);
                options.push(format!("seccomp:{}", path.display()));
            }
            "no-new-privileges" | "label" | "apparmor" | "seccomp" | "systempaths" => {
                options.push(text);
            }
            _ => cx.invalid(item.span, format!("`{name}` is not a security option")),
        }
    });
    options
}

fn namespace(cx: &mut Context<'_>, node: &Node, ipc: bool) -> Option<NamespaceOf> {
    let text = cx.text(node)?;
    match text.split_once(':') {
        None if text == "host" => Some(NamespaceOf::Host),
        None if ipc && (text == "private" || text == "shareable") => Some(NamespaceOf::Private),
        None if ipc && text == "none" => Some(NamespaceOf::Bare),
        None if text.is_empty() => None,
        Some(("service", name)) => service_name(cx, name, node.span).map(NamespaceOf::Service),
        Some(("container", name)) if !name.is_empty() => {
            Some(NamespaceOf::Container(name.to_owned()))
        }
        _ => {
            cx.invalid(
                node.span,
                match ipc {
                    true => format!("`{text}` is none of `host`, `shareable`, `private`, `none`, `service:NAME`, `container:NAME`"),
                    false => format!("`{text}` is not `host`, `service:NAME` or `container:NAME`"),
                },
            );
            None
        }
    }
}

/// Device nodes as `HOST:CONTAINER:rwm`.
fn devices(cx: &mut Context<'_>, service: &mut Service, node: &Node) {
    cx.items(node, |cx, item| match cdi_name(item) {
        Some(name) => service.kernel.cdi.push(name.to_owned()),
        None => service.devices.extend(device(cx, item)),
    });
}

/// `vendor/class=device`, a name of the container device interface.
fn cdi_name(node: &Node) -> Option<&str> {
    let source = node.text_at("source")?;
    let (kind, device) = source.split_once('=')?;
    let (vendor, class) = kind.split_once('/')?;
    let named = !vendor.is_empty() && !class.is_empty() && !device.is_empty();
    named.then_some(source)
}

fn device(cx: &mut Context<'_>, node: &Node) -> Option<String> {
    let source = node.text_at("source")?;
    let target = node.text_at("target").unwrap_or(source);
    let permissions = node.text_at("permissions").unwrap_or("rwm");
    if permissions.is_empty() || !permissions.chars().all(|c| "rwm".contains(c)) {
        cx.invalid(
            node.span,
            format!("`{permissions}` is not made of `r`, `w` and `m`"),
        );
        return None;
    }
    let source = cx.checked(node, values::container_path(source))?;
    let target = cx.checked(node, values::container_path(target))?;
    if source.contains(':') || target.contains(':') {
        cx.invalid(node.span, "the path of a device cannot contain `:`");
        return None;
    }
    Some(format!("{source}:{target}:{permissions}"))
}
