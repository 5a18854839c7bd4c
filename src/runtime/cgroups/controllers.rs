//! Which controllers a container needs, and making them available.

use super::Error;
use super::Layout;
use super::limits;
use super::tree::Folder;
use crate::runtime::devices::DeviceRules;
use crate::runtime::spec::BlkioSpec;
use crate::runtime::spec::CgroupSpec;
use std::path::Path;

/// The v1 controllers a container needs.
pub fn of_v1(layout: &Layout, spec: &CgroupSpec, rules: &DeviceRules) -> Vec<&'static str> {
    let mut wanted = vec!["memory"];
    if *rules != DeviceRules::Everything {
        wanted.push("devices");
    }
    if layout.unified.is_none() {
        wanted.extend(["freezer", "cpuacct"]);
    }
    wanted.extend(limits::v1(spec).iter().map(|write| write.controller));
    wanted.extend((spec.blkio != BlkioSpec::default()).then_some("blkio"));
    wanted
}

/// The v2 controllers a container needs.
pub fn of_v2(spec: &CgroupSpec) -> Vec<&'static str> {
    let mut wanted = vec!["cpu", "memory", "pids"];
    wanted.extend(spec.cpuset.as_ref().map(|_| "cpuset"));
    wanted.extend((spec.blkio != BlkioSpec::default()).then_some("io"));
    wanted
}

/// Lets the children of a v2 cgroup have these controllers, as far as it has them itself.
///
/// A refusal is no error here: it shows when a limit that needs the controller finds no file to be written to.
pub fn enable(parent: &Path, controllers: &[&str]) -> Result<(), Error> {
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

/// Whether a v2 cgroup has these controllers.
pub fn reached(folder: &Folder, controllers: &[&str]) -> Result<bool, Error> {
    let has = folder.read("cgroup.controllers")?.unwrap_or_default();
    Ok(controllers
        .iter()
        .all(|name| has.split_whitespace().any(|word| word == *name)))
}

/// A v1 cpuset is empty when it is made, and takes no process before it has CPUs and memory nodes.
pub fn inherit_cpuset(path: &Path) -> Result<(), Error> {
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
