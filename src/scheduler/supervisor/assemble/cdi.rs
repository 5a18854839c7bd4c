//! The container device interface: devices that their vendors describe in files, and what a container needs for them.
//!
//! A file says, for each device and for all of them: nodes, mounts, variables, groups, and programs that run while the
//! container is made (hooks). Those run as root on the host, so a file that has some must be nobody's to change but root's.

use crate::compose::diagnostic::Report;
use crate::compose::model::DeviceRequest;
use crate::compose::yaml;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use crate::runtime::spec::{DeviceSpec, HookSpec, HookStage, MountKind, MountSpec};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

/// Where the files are; a later folder wins.
pub const FOLDERS: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

/// A device that a container cannot have.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No file describes it.
    #[error("no device `{name}` is described in {}", FOLDERS.join(" or "))]
    Unknown {
        /// As asked for.
        name: String,
    },
    /// Nothing that could be meant by a request.
    #[error("no file in {} describes devices of class `gpu`", FOLDERS.join(" or "))]
    NoGpus,
    /// A capability other than `gpu`.
    #[error("nothing is known of devices with the capabilities {0}")]
    Capabilities(String),
    /// It comes with a program for a time at which hoist runs none.
    #[error(
        "device `{name}` needs the hook `{hook}` at `{stage}`, and hoist runs those of `prestart`, `createRuntime` and \
         `createContainer` only"
    )]
    Stage {
        /// The device.
        name: String,
        /// The program.
        hook: String,
        /// When it is to run.
        stage: String,
    },
    /// It comes with a program whose path means something else in each folder.
    #[error("device `{name}` needs the hook `{hook}`, which is no absolute path")]
    Relative {
        /// The device.
        name: String,
        /// The program.
        hook: String,
    },
    /// Its programs may be of anybody.
    #[error("device `{name}` brings programs that run as root, and others than root can change `{}`", file.display())]
    Unsafe {
        /// The device.
        name: String,
        /// The file, or its folder.
        file: PathBuf,
    },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { .. } | Self::NoGpus => Some(
                "have the vendor's tool write one, e.g. `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`".into(),
            ),
            Self::Unsafe { file, .. } => Some(format!(
                "chown root: {0} && chmod go-w {0}",
                file.display()
            )),
            _ => None,
        }
    }
}

/// What devices add to a container.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Variables, `KEY=value`.
    pub env: Vec<String>,
    /// Device nodes.
    pub devices: Vec<DeviceSpec>,
    /// Files and folders of the host.
    pub mounts: Vec<MountSpec>,
    /// Groups of the process.
    pub groups: Vec<String>,
    /// Programs that have a part in its making.
    pub hooks: Vec<HookSpec>,
}

/// All devices that are described, by their full names.
#[derive(Debug, Default)]
pub struct Registry {
    devices: BTreeMap<String, Described>,
}

/// What is said of a device.
#[derive(Debug)]
struct Described {
    file: PathBuf,
    /// The edits of its file and its own.
    edits: Vec<Node>,
}

impl Registry {
    /// Reads the files of the folders. One that cannot be read describes nothing.
    pub fn read(folders: &[&Path]) -> Self {
        let mut registry = Self::default();
        for folder in folders {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
            files.sort();
            for file in files {
                let known = file
                    .extension()
                    .is_some_and(|e| e == "json" || e == "yaml" || e == "yml");
                if let Some(text) = known.then(|| std::fs::read_to_string(&file).ok()).flatten() {
                    registry.add(&text, &file);
                }
            }
        }
        registry
    }

    fn add(&mut self, text: &str, file: &Path) {
        for document in yaml::parse(text, 0, &mut Report::default()) {
            let Some(kind) = document.text_at("kind") else {
                continue;
            };
            let common = document.get("containerEdits");
            for device in document.get("devices").map_or(&[][..], Node::items) {
                let Some(name) = device.get("name").and_then(scalar) else {
                    continue;
                };
                let edits = common.into_iter().chain(device.get("containerEdits"));
                let described = Described {
                    file: file.to_owned(),
                    edits: edits.cloned().collect(),
                };
                self.devices.insert(format!("{kind}={name}"), described);
            }
        }
    }

    /// The full names that a request stands for.
    pub fn names(&self, request: &DeviceRequest) -> Result<Vec<String>, Error> {
        if request.driver.as_deref() == Some("cdi") {
            return Ok(request.ids.clone());
        }
        if !request.capabilities.iter().any(|name| name == "gpu") {
            return Err(Error::Capabilities(request.capabilities.join(", ")));
        }
        let vendor = request
            .driver
            .as_deref()
            .map(|driver| format!("{driver}.com/gpu="));
        let wanted = |name: &&String| match &vendor {
            Some(vendor) => name.starts_with(vendor.as_str()),
            None => name.contains("/gpu="),
        };
        let known = self.devices.keys().find(wanted);
        let kind = known
            .and_then(|name| name.split_once('='))
            .ok_or(Error::NoGpus)?
            .0;
        Ok(match request.count {
            _ if !request.ids.is_empty() => request
                .ids
                .iter()
                .map(|id| format!("{kind}={id}"))
                .collect(),
            Some(count) if count >= 0 => {
                (0..count).map(|index| format!("{kind}={index}")).collect()
            }
            _ => vec![format!("{kind}=all")],
        })
    }

    /// What the devices of these names add.
    pub fn edits(&self, names: &[String]) -> Result<Edits, Error> {
        let mut edits = Edits::default();
        let mut done: Vec<&Node> = Vec::new();
        for name in names {
            let found = self
                .devices
                .get(name)
                .ok_or_else(|| Error::Unknown { name: name.clone() })?;
            let hooks = edits.hooks.len();
            for node in &found.edits {
                // What a file says of all its devices counts once.
                if !done.contains(&node) {
                    edits.add(name, node)?;
                    done.push(node);
                }
            }
            if edits.hooks.len() > hooks {
                of_root_alone(name, &found.file)?;
            }
        }
        Ok(edits)
    }
}

impl Edits {
    fn add(&mut self, name: &str, node: &Node) -> Result<(), Error> {
        let items = |key: &str| node.get(key).map_or(&[][..], Node::items);
        for item in items("hooks") {
            self.hooks.push(hook(name, item)?);
        }
        self.env.extend(
            items("env")
                .iter()
                .filter_map(Node::as_str)
                .map(str::to_owned),
        );
        self.groups
            .extend(items("additionalGids").iter().filter_map(scalar));
        for item in items("deviceNodes") {
            let Some(target) = item.text_at("path") else {
                continue;
            };
            self.devices.push(DeviceSpec {
                source: PathBuf::from(item.text_at("hostPath").unwrap_or(target)),
                target: target.to_owned(),
                access: item.text_at("permissions").unwrap_or("rwm").to_owned(),
            });
        }
        for item in items("mounts") {
            let (Some(source), Some(target)) =
                (item.text_at("hostPath"), item.text_at("containerPath"))
            else {
                continue;
            };
            let options = item.get("options").map_or(&[][..], Node::items);
            self.mounts.push(MountSpec {
                target: target.to_owned(),
                kind: MountKind::Bind {
                    source: PathBuf::from(source),
                    subpath: None,
                    propagation: None,
                    recursive: true,
                    shallow: false,
                    copy_up: false,
                },
                read_only: options.iter().any(|option| option.as_str() == Some("ro")),
            });
        }
        Ok(())
    }
}

fn hook(device: &str, node: &Node) -> Result<HookSpec, Error> {
    let (name, hook) = (device.to_owned(), node.text_at("path").unwrap_or_default());
    let path = PathBuf::from(hook);
    let hook = hook.to_owned();
    if !path.is_absolute() {
        return Err(Error::Relative { name, hook });
    }
    let stage = match node.text_at("hookName").unwrap_or_default() {
        "prestart" | "createRuntime" => HookStage::CreateRuntime,
        "createContainer" => HookStage::CreateContainer,
        stage => {
            let stage = stage.to_owned();
            return Err(Error::Stage { name, hook, stage });
        }
    };
    let texts = |key: &str| {
        let items = node.get(key).map_or(&[][..], Node::items);
        items.iter().filter_map(scalar).collect()
    };
    let timeout = node.get("timeout").and_then(scalar);
    Ok(HookSpec {
        stage,
        path,
        args: texts("args"),
        env: texts("env"),
        timeout: timeout.and_then(|seconds| seconds.parse().ok()),
    })
}

/// Whoever can write the file, or put another in its place, has code run as root.
fn of_root_alone(device: &str, file: &Path) -> Result<(), Error> {
    for path in [Some(file), file.parent()].into_iter().flatten() {
        let safe = std::fs::metadata(path).is_ok_and(|m| m.uid() == 0 && m.mode() & 0o022 == 0);
        if !safe {
            return Err(Error::Unsafe {
                name: device.to_owned(),
                file: path.to_owned(),
            });
        }
    }
    Ok(())
}

/// Names may be numbers in YAML.
fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    const FILE: &str = "cdiVersion: 0.6.0
kind: acme.com/gpu
containerEdits:
  env: [ACME=1]
  mounts: [{hostPath: /usr/share, containerPath: /opt/acme, options: [ro, bind]}]
devices:
- name: 0
  containerEdits: {deviceNodes: [{path: /dev/acme0, hostPath: /dev/null, permissions: rw}]}
- name: all
  containerEdits: {deviceNodes: [{path: /dev/acme0, hostPath: /dev/null}], additionalGids: [44]}
- name: hooked
  containerEdits: {hooks: [{hookName: createContainer, path: /usr/bin/acme-hook, args: [acme, 1], env: [A=b], timeout: 3}]}
- name: late
  containerEdits: {hooks: [{hookName: poststop, path: /usr/bin/acme-hook}]}
- name: near
  containerEdits: {hooks: [{hookName: createContainer, path: acme-hook}]}
";

    fn described() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("acme.yaml");
        std::fs::write(&file, FILE).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "kind: x").unwrap();
        (folder, file)
    }

    fn registry() -> Registry {
        let (folder, _) = described();
        Registry::read(&[folder.path(), Path::new("/nonesuch")])
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_device_brings_its_own_and_its_file_s_edits_once() {
        let edits = registry()
            .edits(&names(&["acme.com/gpu=0", "acme.com/gpu=all"]))
            .unwrap();
        assert_eq!(edits.env, ["ACME=1"]);
        assert_eq!(edits.groups, ["44"]);
        assert_eq!(edits.mounts.len(), 1);
        assert!(edits.mounts[0].read_only);
        let nodes: Vec<_> = edits
            .devices
            .iter()
            .map(|d| (d.target.as_str(), d.access.as_str()))
            .collect();
        assert_eq!(nodes, [("/dev/acme0", "rw"), ("/dev/acme0", "rwm")]);
    }

    #[test]
    fn what_is_unknown_or_brings_a_program_for_another_time_is_refused_by_name() {
        let registry = registry();
        let error = registry.edits(&names(&["acme.com/gpu=7"])).unwrap_err();
        assert!(error.to_string().contains("`acme.com/gpu=7`"), "{error}");
        let error = registry.edits(&names(&["acme.com/gpu=late"])).unwrap_err();
        assert!(error.to_string().contains("`poststop`"), "{error}");
        let error = registry.edits(&names(&["acme.com/gpu=near"])).unwrap_err();
        assert!(error.to_string().contains("`acme-hook`"), "{error}");
    }

    #[test]
    fn programs_are_taken_from_a_file_that_only_root_can_change() {
        let (folder, file) = described();
        let allow = |path: &Path, mode| {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        let edits = || Registry::read(&[folder.path()]).edits(&names(&["acme.com/gpu=hooked"]));
        let hook = HookSpec {
            stage: HookStage::CreateContainer,
            path: "/usr/bin/acme-hook".into(),
            args: names(&["acme", "1"]),
            env: names(&["A=b"]),
            timeout: Some(3),
        };
        assert_eq!(edits().unwrap().hooks, [hook]);
        for (path, open, closed) in [
            (file.as_path(), 0o664, 0o644),
            (folder.path(), 0o777, 0o755),
        ] {
            allow(path, open);
            let error = edits().unwrap_err();
            assert!(matches!(&error, Error::Unsafe { file, .. } if file == path));
            allow(path, closed);
        }
        std::os::unix::fs::chown(&file, Some(1), None).unwrap();
        assert!(matches!(edits(), Err(Error::Unsafe { .. })));
    }

    #[test]
    fn gpus_are_all_some_or_certain_ones() {
        let registry = registry();
        let ask = |count, ids: &[&str]| {
            let request = DeviceRequest {
                capabilities: names(&["gpu"]),
                count,
                ids: names(ids),
                ..DeviceRequest::default()
            };
            registry.names(&request).unwrap()
        };
        assert_eq!(ask(Some(-1), &[]), ["acme.com/gpu=all"]);
        assert_eq!(ask(None, &[]), ["acme.com/gpu=all"]);
        assert_eq!(ask(Some(1), &[]), ["acme.com/gpu=0"]);
        assert_eq!(ask(None, &["0"]), ["acme.com/gpu=0"]);
        let other = DeviceRequest {
            capabilities: names(&["tpu"]),
            ..DeviceRequest::default()
        };
        assert!(registry.names(&other).is_err());
    }
}
