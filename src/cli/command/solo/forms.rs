//! Flags of `docker run` that have a form of their own: `--mount`, `--gpus`, `--network`.

use super::Section;
use crate::cli::command::pair;
use crate::cli::exit::Error;
use crate::engine::NewVolume;
use serde_json::{Map, Value, json};

/// A mount.
#[derive(Debug)]
pub struct Mount {
    /// As an entry of `volumes`.
    pub entry: Value,
    /// The volume that it names, with what it is made with if it is not there.
    pub volume: Option<(String, NewVolume)>,
}

/// Reads `type=…,source=…,target=…`: <https://docs.docker.com/engine/storage/bind-mounts/#options-for---mount>
pub fn mount(text: &str) -> Result<Mount, Error> {
    let invalid = |why: String| no_mount(text, &why);
    let (mut entry, mut bind, mut named) = <(Section, Section, Section)>::default();
    let (mut tmpfs, mut image) = <(Section, Section)>::default();
    let mut volume = NewVolume::default();
    for word in text.split(',') {
        let (key, value) = word.split_once('=').unwrap_or((word, "true"));
        let is = || truth(value).ok_or_else(|| invalid(format!("`{word}` is not true or false")));
        match key {
            "type" => entry.put("type", Some(value)),
            "source" | "src" => entry.put("source", Some(value)),
            "target" | "dst" | "destination" => entry.put("target", Some(value)),
            "readonly" | "ro" => entry.put("read_only", Some(is()?)),
            "consistency" => entry.put("consistency", Some(value)),
            "bind-propagation" => bind.put("propagation", Some(value)),
            "bind-recursive" => bind.put("recursive", Some(value)),
            "bind-nonrecursive" => bind.put("recursive", is()?.then_some("disabled")),
            "bind-create-src" => bind.put("create_host_path", Some(is()?)),
            "volume-nocopy" => named.put("nocopy", Some(is()?)),
            "volume-subpath" => named.put("subpath", Some(value)),
            "volume-driver" if matches!(value, "" | "local") => {}
            "volume-label" => volume.labels.extend([pair(value)]),
            "volume-opt" => volume.driver_opts.extend([pair(value)]),
            "tmpfs-size" => tmpfs.put("size", Some(value)),
            "tmpfs-mode" => {
                let mode = u32::from_str_radix(value, 8);
                let mode = mode.map_err(|_| invalid(format!("`{value}` is no octal number")))?;
                tmpfs.put("mode", Some(mode));
            }
            "image-subpath" => image.put("subpath", Some(value)),
            _ => return Err(invalid(format!("there is no `{word}`"))),
        }
    }
    let kind = entry.0.get("type").and_then(Value::as_str);
    let kind = kind.unwrap_or("volume").to_owned();
    if kind == "bind" && !bind.0.contains_key("create_host_path") {
        // `-v` makes the folder, `--mount` takes its absence for a mistake.
        bind.put("create_host_path", Some(false));
    }
    let source = entry.0.get("source").and_then(Value::as_str);
    let volume = match source.filter(|_| kind == "volume") {
        Some(name) => Some((name.to_owned(), volume)),
        None if volume != NewVolume::default() => {
            return Err(invalid(
                "options and labels are those of a volume with a name".to_owned(),
            ));
        }
        None => None,
    };
    entry.put("type", Some(kind));
    entry.section("bind", bind);
    entry.section("volume", named);
    entry.section("tmpfs", tmpfs);
    entry.section("image", image);
    Ok(Mount {
        entry: Value::Object(entry.0),
        volume,
    })
}

fn no_mount(text: &str, why: &str) -> Error {
    Error::usage(
        format!("invalid value `{text}` for `--mount`: {why}"),
        Some("write it as `type=bind,source=/srv/data,target=/data,readonly`".to_owned()),
    )
}

/// Reads `all`, a number, or `device=ID,…`, `count=N`, `driver=NAME`, `capabilities=NAME,…`.
pub fn gpus(text: &str) -> Result<Value, Error> {
    let invalid = || {
        Error::usage(
            format!("invalid value `{text}` for `--gpus`"),
            Some("write `all`, a number, or `device=0,2`".to_owned()),
        )
    };
    if text == "all" {
        return Ok(json!("all"));
    }
    let mut gpu = Section::default();
    let (mut ids, mut capabilities) = (Vec::new(), Vec::new());
    // Docker wants lists in quotes of their own; the shell has taken one pair already.
    let text = text.replace('"', "");
    let mut last = "count";
    for word in text.split(',') {
        let (key, value) = word.split_once('=').unwrap_or((last, word));
        last = key;
        match key {
            "device" => ids.push(value.to_owned()),
            "capabilities" => capabilities.push(value.to_owned()),
            "driver" => gpu.put("driver", Some(value)),
            "count" if value == "all" => gpu.put("count", Some(-1)),
            "count" => gpu.put("count", Some(value.parse::<u32>().map_err(|_| invalid())?)),
            _ => return Err(invalid()),
        }
    }
    gpu.list("device_ids", &ids);
    gpu.list("capabilities", &capabilities);
    Ok(json!([gpu.0]))
}

/// Reads a name, or `name=…,alias=…,ip=…,ip6=…`: the network, and what an entry of `networks` says of it.
pub fn network(text: &str) -> Result<(String, Map<String, Value>), Error> {
    let mut entry = Section::default();
    if !text.contains('=') {
        return Ok((text.to_owned(), entry.0));
    }
    let invalid = |word: &str| {
        Error::usage(
            format!("invalid value `{text}` for `--network`: there is no `{word}`"),
            Some("write it as `name=front,alias=web,ip=10.5.0.9`".to_owned()),
        )
    };
    let mut name = None;
    let (mut aliases, mut local) = (Vec::new(), Vec::new());
    let mut options = Vec::new();
    for word in text.split(',') {
        let (key, value) = word.split_once('=').ok_or_else(|| invalid(word))?;
        match key {
            "name" => name = Some(value.to_owned()),
            "alias" => aliases.push(value.to_owned()),
            "link-local-ip" => local.push(value.to_owned()),
            "ip" => entry.put("ipv4_address", Some(value)),
            "ip6" => entry.put("ipv6_address", Some(value)),
            "mac-address" => entry.put("mac_address", Some(value)),
            "gw-priority" => {
                let number: i64 = value.parse().map_err(|_| invalid(word))?;
                entry.put("gw_priority", Some(number));
            }
            "driver-opt" => options.push(pair(value)),
            _ => return Err(invalid(word)),
        }
    }
    entry.list("aliases", &aliases);
    entry.list("link_local_ips", &local);
    entry.pairs("driver_opts", &options);
    let name = name.ok_or_else(|| {
        let name = "say which with `name=NETWORK`".to_owned();
        Error::usage(format!("`--network {text}` names no network"), Some(name))
    })?;
    Ok((name, entry.0))
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}
