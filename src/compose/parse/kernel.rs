//! What a service asks of the kernel: namespaces, control group, block devices, requests of devices.

use super::context::Context;
use super::limits;
use super::values;
use crate::compose::model::Blkio;
use crate::compose::model::DeviceRequest;
use crate::compose::model::Service;
use crate::compose::yaml::Node;
use std::path::PathBuf;

/// Runtimes of docker that are a plain Linux container, which ours is.
const PLAIN_RUNTIMES: [&str; 3] = ["", "runc", "io.containerd.runc.v2"];

/// Reads one attribute of this topic.
pub fn attribute(cx: &mut Context<'_>, service: &mut Service, key: &str, node: &Node) {
    let kernel = &mut service.kernel;
    match key {
        "annotations" => kernel.annotations = cx.labels(node),
        "cgroup" => kernel.host_cgroups = node.as_str() == Some("host"),
        "cgroup_parent" => kernel.cgroup_parent = cx.parsed(node, cgroup_parent),
        "device_cgroup_rules" => cx.items(node, |cx, item| {
            kernel.device_rules.extend(cx.parsed(item, device_rule));
        }),
        "gpus" => kernel.requests.extend(requests(cx, node, true)),
        "uts" => kernel.host_uts = only(cx, node, &["host"], "only that of the host"),
        "userns_mode" => {
            only(cx, node, &["host"], "hoist maps no users");
        }
        "isolation" => {
            only(cx, node, &["default"], "the others are of Windows");
        }
        "runtime" => {
            let why = "containers run in hoist's own runtime; for GPUs there is `gpus`";
            only(cx, node, &PLAIN_RUNTIMES, why);
        }
        "storage_opt" => storage(cx, service, node),
        _ => service.limits.blkio = blkio(cx, node),
    }
}

/// Whether the value is one of the words (and not empty); another one is an error.
fn only(cx: &mut Context<'_>, node: &Node, words: &[&str], why: &str) -> bool {
    let text = node.as_str().unwrap_or_default();
    if !text.is_empty() && !words.contains(&text) {
        cx.invalid(node.span, format!("`{text}` is not available: {why}"));
    }
    !text.is_empty()
}

fn cgroup_parent(text: &str) -> Result<String, String> {
    let clean: Vec<&str> = text
        .split('/')
        .filter(|p| !p.is_empty() && *p != ".")
        .collect();
    if clean.is_empty() || clean.contains(&"..") {
        return Err(format!("`{text}` is not the path of a control group"));
    }
    Ok(clean.join("/"))
}

fn device_rule(text: &str) -> Result<String, String> {
    let number = |text: &str| text == "*" || text.parse::<u32>().is_ok();
    let words: Vec<&str> = text.split(' ').collect();
    let good = match words[..] {
        [kind, numbers, access] => {
            matches!(kind, "a" | "b" | "c")
                && numbers
                    .split_once(':')
                    .is_some_and(|(a, b)| number(a) && number(b))
                && (1..=3).contains(&access.len())
                && access.chars().all(|c| "rwm".contains(c))
        }
        _ => false,
    };
    match good {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is not a device rule such as `c 1:3 rwm`")),
    }
}

/// `gpus` (`gpu` is among the capabilities then) or `devices` of a reservation.
pub fn requests(cx: &mut Context<'_>, node: &Node, gpu: bool) -> Vec<DeviceRequest> {
    let mut all = Vec::new();
    cx.items(node, |cx, item| {
        let mut request = DeviceRequest::default();
        cx.fields(item, |cx, key, node| match key {
            "capabilities" => request.capabilities = cx.texts(node),
            "driver" => request.driver = cx.text(node).filter(|text| !text.is_empty()),
            "count" => request.count = cx.integer(node),
            "device_ids" => request.ids = cx.texts(node),
            _ => {}
        });
        if gpu && !request.capabilities.iter().any(|name| name == "gpu") {
            request.capabilities.push("gpu".into());
        }
        all.push(request);
    });
    all
}

fn storage(cx: &mut Context<'_>, service: &mut Service, node: &Node) {
    for (key, entry) in node.entries() {
        match key.as_str() {
            "size" => {
                service.kernel.storage = limits::positive(cx.parsed(&entry.value, values::bytes))
            }
            _ => cx.invalid(
                entry.key,
                format!("`{key}` is not an option, only `size` is"),
            ),
        }
    }
}

fn blkio(cx: &mut Context<'_>, node: &Node) -> Blkio {
    let mut blkio = Blkio::default();
    cx.fields(node, |cx, key, node| match key {
        "weight" => blkio.weight = weight(cx, node),
        "weight_device" => blkio.weight_device = devices(cx, node, "weight"),
        "device_read_bps" => blkio.read_bps = devices(cx, node, "rate"),
        "device_write_bps" => blkio.write_bps = devices(cx, node, "rate"),
        "device_read_iops" => blkio.read_iops = devices(cx, node, "rate"),
        _ => blkio.write_iops = devices(cx, node, "rate"),
    });
    blkio
}

/// 0 is docker's way to say: the default.
fn weight(cx: &mut Context<'_>, node: &Node) -> Option<u64> {
    let weight: u64 = cx.integer(node)?;
    if weight != 0 && !(10..=1000).contains(&weight) {
        cx.invalid(node.span, format!("{weight} is not within 10 to 1000"));
    }
    Some(weight).filter(|weight| *weight > 0)
}

fn devices(cx: &mut Context<'_>, node: &Node, value: &str) -> Vec<(PathBuf, u64)> {
    let mut all = Vec::new();
    cx.items(node, |cx, item| {
        let (Some(path), Some(amount)) = (item.text_at("path"), item.get(value)) else {
            return cx.invalid(item.span, format!("`path` and `{value}` belong together"));
        };
        let amount = match value {
            "weight" => weight(cx, amount),
            _ => limits::positive(cx.bytes(amount)),
        };
        all.extend(amount.map(|amount| (PathBuf::from(path), amount)));
    });
    all
}
