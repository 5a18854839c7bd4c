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

mod blkio;
mod controllers;
mod device;
mod error;
mod layout;
mod life;
mod limits;
mod realtime;
mod support;
mod tree;
mod usage;
mod view;

use crate::runtime::devices::DeviceRules;
use crate::runtime::spec::CgroupSpec;
use crate::runtime::sys::bpf;
pub use error::Error;
pub use layout::Layout;
pub use life::list;
pub use life::sweep;
use limits::Write;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::path::Path;
pub use support::discard_unsupported;
use tree::Folder;

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
                controllers::of_v2(spec)
            } else {
                Vec::new()
            };
            let make = || {
                Folder::create(&base, &spec.path, |parent| {
                    controllers::enable(parent, &controllers)
                })
            };
            let mut folder = make()?;
            // A parent that a neighbour removed and another one made again in between has to be told once more.
            for _ in 0..3 {
                if controllers::reached(&folder, &controllers)? {
                    break;
                }
                folder = make()?;
            }
            self.v2 = Some(folder);
        }
        if !self.pure {
            for controller in controllers::of_v1(layout, spec, rules) {
                self.join(layout, controller)?;
            }
        }
        if let (Some(runtime), Some(folder)) = (spec.cpu_rt_runtime, self.v1_of("cpu")) {
            realtime::make_room(folder, &self.path, runtime)?;
        }
        self.set(&self.writes(spec)?)?;
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
                controllers::inherit_cpuset(path)
            } else {
                Ok(())
            }
        };
        let folder = Folder::create(&base, &self.path, prepare)?;
        if inherit {
            controllers::inherit_cpuset(&folder.path)?;
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
        let writes = self.writes(spec)?;
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

    fn writes(&self, spec: &CgroupSpec) -> Result<Vec<Write>, Error> {
        let (mut writes, devices) = if self.pure {
            let folder = self.v2.as_ref().map(|folder| &folder.path);
            let bfq = folder.is_some_and(|path| path.join("io.bfq.weight").exists());
            (limits::v2(spec), blkio::v2(&spec.blkio, bfq)?)
        } else {
            (limits::v1(spec), blkio::v1(&spec.blkio)?)
        };
        writes.extend(devices);
        Ok(writes)
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
}

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
