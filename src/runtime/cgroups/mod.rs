//! Control groups: limits, device control, counting, freezing and killing of everything a container started.
//!
//! Three kinds of machine, one code: **v2** (all controllers in one hierarchy), **hybrid** (v2 without controllers, for
//! tracking, freezing and killing; limits on v1) and **v1** (the freezer stops processes while they are killed). A
//! container gets a folder of the same relative path in each hierarchy that is worth having for it; every folder costs
//! 30–50 µs, so a controller is left out where nothing is asked of it: on a hybrid machine a plain container has three.
//!
//! On v1 our folders are below our own cgroup of each hierarchy, so that limits others set on us hold for what we start;
//! on v2, as root, they are at the root of the hierarchy, since a cgroup with processes in it (as ours) cannot have
//! children with controllers.
//!
//! Invariants: nothing is killed that is not in the cgroup at that moment; a limit that was asked for and cannot be set is
//! an error that names it; no wait is unbounded.

mod device;
mod layout;
mod life;
mod limits;
mod tree;

use crate::runtime::devices::DeviceRules;
use crate::runtime::spec::CgroupSpec;
use crate::runtime::stats;
use crate::runtime::stats::Stats;
use crate::runtime::sys::bpf;
pub use layout::Layout;
use limits::Write;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::path::PathBuf;
use tree::Folder;

/// What went wrong with a cgroup.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error("no cgroup filesystem is mounted")]
    NotMounted,
    #[error("there is no cgroup `{path}`")]
    Missing { path: String },
    #[error("cannot read `{path}`")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write `{value}` to `{path}`")]
    Write {
        path: PathBuf,
        value: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot create cgroup `{path}`")]
    Create {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot remove cgroup `{path}`")]
    Remove {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cgroup `{path}` still has processes")]
    Busy { path: PathBuf },
    #[error("cgroup `{path}` did not become {state} in time")]
    Timeout { path: PathBuf, state: &'static str },
    #[error(
        "`{key}` cannot be limited: the cgroup controller `{controller}` is not available here"
    )]
    Unavailable {
        key: &'static str,
        controller: &'static str,
    },
    #[error("cannot set `{key}` to `{value}`")]
    Limit {
        key: &'static str,
        value: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot install device control on cgroup `{path}`")]
    Devices {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotMounted => Some("mount -t cgroup2 none /sys/fs/cgroup".into()),
            Self::Unavailable { key, .. } => Some(format!(
                "remove `{key}`, or enable the controller on this machine"
            )),
            _ => None,
        }
    }

    fn reading(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Read { path, source }
    }

    fn creating(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Create { path, source }
    }

    fn removing(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Remove { path, source }
    }

    fn errno(&self) -> Option<i32> {
        match self {
            Self::Write { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

/// The cgroup of a container: one folder in each hierarchy that it has.
#[derive(Debug)]
pub struct Cgroup {
    path: String,
    v1: Vec<(Vec<String>, Folder)>,
    v2: Option<Folder>,
    /// v2 carries the controllers.
    pure: bool,
}

/// Where our folders begin on this machine: the relative path on v2, or of the memory hierarchy on v1. Empty = the root.
pub fn own_base() -> Result<String, Error> {
    let layout = Layout::here()?;
    Ok(match layout.v1_of("memory") {
        Some(memory) => memory.own.clone(),
        None => layout
            .unified
            .as_ref()
            .map(|_| v2_base(layout))
            .unwrap_or_default(),
    })
}

/// As root the root of the hierarchy; else our own cgroup, which somebody must have delegated to us.
fn v2_base(layout: &Layout) -> String {
    match &layout.unified {
        Some(unified) if layout.is_pure_v2() && !rustix::process::geteuid().is_root() => {
            unified.own.clone()
        }
        _ => String::new(),
    }
}

/// A base below which `path` is meant to be: what is above the folder in which a part of `path` begins already, so that a
/// process that itself runs in one of our cgroups does not nest.
fn above<'a>(own: &'a str, path: &str) -> &'a str {
    let first = path.split('/').next().unwrap_or_default();
    let mut end = 0;
    for part in own.split('/') {
        if part == first {
            return own[..end].trim_end_matches('/');
        }
        end += part.len() + 1;
    }
    own
}

impl Cgroup {
    /// Makes the cgroup with its limits. One of the same path that exists already is used again.
    pub fn create(spec: &CgroupSpec, rules: &DeviceRules) -> Result<Self, Error> {
        Self::create_in(Layout::here()?, spec, rules)
    }

    fn create_in(layout: &Layout, spec: &CgroupSpec, rules: &DeviceRules) -> Result<Self, Error> {
        let mut cgroup = Self {
            path: spec.path.clone(),
            v1: Vec::new(),
            v2: None,
            pure: layout.is_pure_v2(),
        };
        let made = cgroup.make(layout, spec, rules);
        if made.is_err() {
            // Best effort: the first error is the one to tell.
            let _ = cgroup.remove();
        }
        made.map(|()| cgroup)
    }

    fn make(
        &mut self,
        layout: &Layout,
        spec: &CgroupSpec,
        rules: &DeviceRules,
    ) -> Result<(), Error> {
        if let Some(unified) = &layout.unified {
            let base = unified.mount.join(above(&v2_base(layout), &spec.path));
            let pure = self.pure;
            let controllers = if pure {
                v2_controllers(spec)
            } else {
                Vec::new()
            };
            self.v2 = Some(Folder::create(&base, &spec.path, |parent| {
                enable(parent, &controllers)
            })?);
        }
        if !self.pure {
            for controller in v1_controllers(layout, spec, rules) {
                self.join(layout, controller)?;
            }
        }
        self.set(&self.writes(spec))?;
        self.control_devices(rules)
    }

    /// Makes the folder in the v1 hierarchy of a controller, if there is one and it is not there yet.
    fn join(&mut self, layout: &Layout, controller: &str) -> Result<(), Error> {
        let Some(hierarchy) = layout.v1_of(controller) else {
            return Ok(());
        };
        if self.v1_of(controller).is_some() {
            return Ok(());
        }
        let base = hierarchy.mount.join(above(&hierarchy.own, &self.path));
        let inherit = hierarchy.controllers.iter().any(|name| name == "cpuset");
        let prepare = |path: &Path| {
            if inherit {
                inherit_cpuset(path)
            } else {
                Ok(())
            }
        };
        let folder = Folder::create(&base, &self.path, prepare)?;
        if inherit {
            inherit_cpuset(&folder.path)?;
        }
        self.v1.push((hierarchy.controllers.clone(), folder));
        Ok(())
    }

    /// Opens the cgroup of a container that was made by this or an earlier process.
    pub fn open(path: &str) -> Result<Self, Error> {
        Self::open_in(Layout::here()?, path)
    }

    fn open_in(layout: &Layout, path: &str) -> Result<Self, Error> {
        let mut cgroup = Self {
            path: path.to_owned(),
            v1: Vec::new(),
            v2: None,
            pure: layout.is_pure_v2(),
        };
        if let Some(unified) = &layout.unified {
            cgroup.v2 = life::locate(&unified.mount, &v2_base(layout), path)?;
        }
        for hierarchy in layout
            .v1
            .iter()
            .filter(|h| h.controllers.iter().all(|name| !name.contains('=')))
        {
            if let Some(folder) = life::locate(&hierarchy.mount, &hierarchy.own, path)? {
                cgroup.v1.push((hierarchy.controllers.clone(), folder));
            }
        }
        if cgroup.v1.is_empty() && cgroup.v2.is_none() {
            return Err(Error::Missing {
                path: path.to_owned(),
            });
        }
        Ok(cgroup)
    }

    /// The path below each hierarchy's base.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The folder to `clone3` a process into, where there is cgroup v2.
    pub fn v2_dir(&self) -> Option<BorrowedFd<'_>> {
        self.v2.as_ref().map(AsFd::as_fd)
    }

    /// Puts a process into every hierarchy it is not in yet; on v2 that is nothing if it was cloned into [`Self::v2_dir`].
    pub fn attach(&self, pid: i32) -> Result<(), Error> {
        let value = pid.to_string();
        for (_, folder) in &self.v1 {
            folder.write("cgroup.procs", &value)?;
        }
        match &self.v2 {
            Some(folder) if !self.holds(pid) => folder.write("cgroup.procs", &value),
            _ => Ok(()),
        }
    }

    /// Whether `/proc/PID/cgroup` says that a process is in our v2 cgroup.
    fn holds(&self, pid: i32) -> bool {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("0::"));
        line.is_some_and(|path| path.ends_with(&format!("/{}", self.path)))
    }

    /// Sets the limits that are given; those that are not stay as they are. Hierarchies that become necessary are made and
    /// the container's processes put into them.
    pub fn update(&mut self, spec: &CgroupSpec) -> Result<(), Error> {
        let layout = Layout::here()?;
        let writes = self.writes(spec);
        if !self.pure {
            let before = self.v1.len();
            for write in &writes {
                self.join(layout, write.controller)?;
            }
            if self.v1.len() > before {
                for pid in self.pids() {
                    self.attach(pid)?;
                }
            }
        }
        self.set(&writes)
    }

    fn writes(&self, spec: &CgroupSpec) -> Vec<Write> {
        if self.pure {
            limits::v2(spec)
        } else {
            limits::v1(spec)
        }
    }

    fn set(&self, writes: &[Write]) -> Result<(), Error> {
        // Some limits bound each other (memory and memory plus swap), so what is refused is tried again after the rest.
        let refused: Vec<_> = writes
            .iter()
            .filter(|write| self.set_one(write).is_err())
            .collect();
        refused
            .into_iter()
            .try_for_each(|write| self.set_one(write))
    }

    fn set_one(&self, write: &Write) -> Result<(), Error> {
        let folder = if self.pure {
            self.v2.as_ref()
        } else {
            self.v1_of(write.controller)
        };
        let result = match folder {
            Some(folder) => folder.write(write.file, &write.value),
            None => Err(self.unavailable(write)),
        };
        let (Err(error), Some(key)) = (result, write.asked) else {
            return Ok(());
        };
        Err(match error {
            Error::Write { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                self.unavailable(write)
            }
            Error::Write { value, source, .. } => Error::Limit { key, value, source },
            other => other,
        })
    }

    fn unavailable(&self, write: &Write) -> Error {
        Error::Unavailable {
            key: write.asked.unwrap_or(write.file),
            controller: write.controller,
        }
    }

    fn v1_of(&self, controller: &str) -> Option<&Folder> {
        let found = self
            .v1
            .iter()
            .find(|(names, _)| names.iter().any(|name| name == controller));
        found.map(|(_, folder)| folder)
    }

    fn control_devices(&self, rules: &DeviceRules) -> Result<(), Error> {
        if let Some(folder) = self.v1_of("devices") {
            return device::v1(rules)
                .iter()
                .try_for_each(|(file, line)| folder.write(file, line));
        }
        let (Some(folder), Some(code)) = (&self.v2, device::v2(rules)) else {
            return Ok(());
        };
        let failed = |source| Error::Devices {
            path: folder.path.clone(),
            source,
        };
        let program = bpf::load_device_program(&code).map_err(failed)?;
        bpf::attach_device_program(folder.as_fd(), program.as_fd()).map_err(failed)
    }

    /// The processes in the cgroup and in those that they made below it.
    pub fn pids(&self) -> Vec<i32> {
        let folder = self
            .v2
            .as_ref()
            .or_else(|| self.v1.first().map(|(_, folder)| folder));
        folder
            .and_then(|folder| folder.pids().ok())
            .unwrap_or_default()
    }

    /// How many processes the kernel killed for want of memory.
    pub fn oom_kills(&self) -> u64 {
        let (folder, file) = if self.pure {
            (self.v2.as_ref(), "memory.events")
        } else {
            (self.v1_of("memory"), "memory.oom_control")
        };
        let text = folder
            .and_then(|folder| folder.read(file).ok().flatten())
            .unwrap_or_default();
        stats::table(&text).get("oom_kill").copied().unwrap_or(0)
    }

    /// What the container uses now.
    pub fn stats(&self) -> Stats {
        let memory = if self.pure {
            self.v2.as_ref()
        } else {
            self.v1_of("memory")
        };
        let pids = if self.pure {
            self.v2.as_ref()
        } else {
            self.v1_of("pids")
        };
        let text = |folder: Option<&Folder>, file: &str| {
            folder
                .and_then(|folder| folder.read(file).ok().flatten())
                .unwrap_or_default()
        };
        let (usage, limit) = if self.pure {
            ("memory.current", "memory.max")
        } else {
            ("memory.usage_in_bytes", "memory.limit_in_bytes")
        };
        let usage = stats::number(&text(memory, usage));
        let mut result = Stats {
            memory: stats::memory(usage, &text(memory, "memory.stat")),
            memory_limit: stats::number(&text(memory, limit)),
            pids: stats::number(&text(pids, "pids.current")),
            pids_limit: stats::number(&text(pids, "pids.max")),
            oom_kills: self.oom_kills(),
            ..Stats::default()
        };
        let threads = || text(self.v2.as_ref(), "cgroup.threads").lines().count() as u64;
        result.pids = result.pids.or_else(|| self.v2.is_some().then(threads));
        self.count_cpu(&mut result);
        result
    }

    /// CPU time: v2 counts it in every cgroup, also without the controller.
    fn count_cpu(&self, result: &mut Stats) {
        let text = |folder: Option<&Folder>, file: &str| {
            folder
                .and_then(|folder| folder.read(file).ok().flatten())
                .unwrap_or_default()
        };
        if self.v2.is_some() {
            let text = text(self.v2.as_ref(), "cpu.stat");
            let table = stats::table(&text);
            let ns = |key: &str| table.get(key).map(|us| us * 1000);
            result.cpu = ns("usage_usec");
            result.cpu_user = ns("user_usec");
            result.cpu_system = ns("system_usec");
            result.throttled_periods = table.get("nr_throttled").copied();
        } else {
            let account = self.v1_of("cpuacct");
            result.cpu = stats::number(&text(account, "cpuacct.usage"));
            result.cpu_user = stats::number(&text(account, "cpuacct.usage_user"));
            result.cpu_system = stats::number(&text(account, "cpuacct.usage_sys"));
        }
        if !self.pure {
            let text = text(self.v1_of("cpu"), "cpu.stat");
            result.throttled_periods = stats::table(&text).get("nr_throttled").copied();
        }
    }
}

/// The v1 controllers a container needs.
fn v1_controllers(layout: &Layout, spec: &CgroupSpec, rules: &DeviceRules) -> Vec<&'static str> {
    let mut wanted = vec!["memory"];
    if *rules != DeviceRules::Everything {
        wanted.push("devices");
    }
    if layout.unified.is_none() {
        wanted.extend(["freezer", "cpuacct"]);
    }
    wanted.extend(limits::v1(spec).iter().map(|write| write.controller));
    wanted
}

fn v2_controllers(spec: &CgroupSpec) -> Vec<&'static str> {
    let mut wanted = vec!["cpu", "memory", "pids"];
    wanted.extend(spec.cpuset.as_ref().map(|_| "cpuset"));
    wanted
}

/// Lets the children of a v2 cgroup have these controllers, as far as it has them itself.
///
/// A refusal is no error here: it shows when a limit that needs the controller finds no file to be written to.
fn enable(parent: &Path, controllers: &[&str]) -> Result<(), Error> {
    if controllers.is_empty() {
        return Ok(());
    }
    let Some(folder) = Folder::open(parent.to_owned())? else {
        return Ok(());
    };
    let on = folder.read("cgroup.subtree_control")?.unwrap_or_default();
    let off = |name: &&&str| !on.split_whitespace().any(|word| word == **name);
    let missing: Vec<_> = controllers.iter().filter(off).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let has = folder.read("cgroup.controllers")?.unwrap_or_default();
    for name in missing
        .into_iter()
        .filter(|name| has.split_whitespace().any(|word| word == **name))
    {
        let _ = folder.write("cgroup.subtree_control", &format!("+{name}"));
    }
    Ok(())
}

/// A v1 cpuset is empty when it is made, and takes no process before it has CPUs and memory nodes.
fn inherit_cpuset(path: &Path) -> Result<(), Error> {
    let Some(folder) = Folder::open(path.to_owned())? else {
        return Ok(());
    };
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let is_empty = folder
            .read(file)?
            .is_some_and(|text| text.trim().is_empty());
        let parent = path
            .parent()
            .filter(|_| is_empty)
            .map(|parent| Folder::open(parent.to_owned()));
        if let Some(value) = parent
            .transpose()?
            .flatten()
            .map(|parent| parent.read(file))
            .transpose()?
            .flatten()
        {
            folder.write(file, value.trim())?;
        }
    }
    Ok(())
}

pub use life::list;
pub use life::sweep;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_cgroup_does_not_nest_in_itself() {
        assert_eq!(above("session/1", "hoist/p/c"), "session/1");
        assert_eq!(above("session/1/hoist/p/ctl", "hoist/p/c"), "session/1");
        assert_eq!(above("hoist/p", "hoist/p/c"), "");
        assert_eq!(above("", "hoist/p/c"), "");
    }
}
