//! Looking into containers: what they use, what runs in them, their files.

use super::container::Container;
use super::control::{Failure, Processes, Reply, Root, Usage};
use super::launch::Networking;
use super::project::Project;
use super::verbs::Done;
use crate::runtime::cgroups::Cgroup;
use crate::runtime::identity;
use crate::runtime::processes;
use crate::runtime::rootfs;
use crate::runtime::spec::MountKind;
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What containers use now; one that does not run uses nothing.
pub fn usage(project: &Project, containers: &[Rc<Container>]) -> Vec<Usage> {
    containers.iter().map(|c| one(project, c)).collect()
}

fn one(project: &Project, container: &Container) -> Usage {
    let record = &container.record;
    let mut usage = Usage {
        id: record.id.to_string(),
        name: record.name.clone(),
        service: record.service.clone(),
        time: project.now(),
        ..Usage::default()
    };
    let Some((pid, _)) = container.status.borrow().process else {
        return usage;
    };
    if let Ok(cgroup) = Cgroup::open(&record.launch.spec.cgroup.path) {
        let stats = cgroup.stats();
        usage.cpu = stats.cpu;
        usage.memory = stats.memory;
        usage.memory_limit = stats.memory_limit.or_else(machine_memory);
        usage.block = stats.block;
        usage.pids = stats.pids;
    }
    if record.launch.network != Networking::Host {
        let counters = std::fs::read_to_string(format!("/proc/{pid}/net/dev"));
        usage.network = counters.ok().map(|text| traffic(&text));
    }
    usage
}

fn machine_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().split(' ').next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Bytes received and sent, of all interfaces but `lo`.
fn traffic(text: &str) -> (u64, u64) {
    let (mut received, mut sent) = (0, 0);
    for line in text.lines() {
        let Some((name, counters)) = line.split_once(':') else {
            continue;
        };
        if name.trim() == "lo" {
            continue;
        }
        let counters: Vec<u64> = counters
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        received += counters.first().unwrap_or(&0);
        sent += counters.get(8).unwrap_or(&0);
    }
    (received, sent)
}

/// What runs in containers; those in which nothing runs are left out.
pub fn processes(containers: &[Rc<Container>]) -> Vec<Processes> {
    let running = containers.iter().filter(|c| c.lives());
    let one = |container: &Rc<Container>| {
        let record = &container.record;
        let pids = Cgroup::open(&record.launch.spec.cgroup.path).map(|cgroup| cgroup.pids());
        Processes {
            name: record.name.clone(),
            service: record.service.clone(),
            number: record.number,
            processes: processes::list(&pids.unwrap_or_default()),
        }
    };
    running.map(one).collect()
}

/// The file system of a container: of a running one what its PID 1 sees; else its layers, mounted for the one who asks,
/// and beside it what would be mounted in it.
pub fn root(project: &Project, container: &Container) -> Done {
    let record = &container.record;
    let mut root = Root {
        container: record.id.to_string(),
        name: record.name.clone(),
        mounts: Vec::new(),
        read_only: record.launch.spec.read_only,
    };
    let process = container.status.borrow().process;
    if let Some((pid, start_time)) = process {
        let folder = of_process(pid, start_time).map_err(|e| cannot(container, &e))?;
        return Ok((Reply::Root(root), vec![folder]));
    }
    let layers = rootfs::detached(&record.launch.spec.rootfs);
    let mut fds = vec![layers.map_err(|e| cannot(container, &e))?];
    for (target, source, read_only) in mounts(project, container) {
        // One whose source is gone cannot be copied to or from, and nothing else is the worse for it.
        if let Ok(folder) = openat(CWD, &source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
            fds.push(folder);
            root.mounts.push((target, read_only));
        }
    }
    Ok((Reply::Root(root), fds))
}

fn of_process(pid: i32, start_time: u64) -> std::io::Result<OwnedFd> {
    let folder = openat(CWD, format!("/proc/{pid}/root"), FOLDER, Mode::empty())?;
    match identity::open_pid(pid, start_time)? {
        Some(_) => Ok(folder),
        None => Err(std::io::ErrorKind::NotFound.into()),
    }
}

/// The bind mounts and volumes of a container, but for our own files in its `/etc`.
fn mounts(_: &Project, container: &Container) -> Vec<(String, std::path::PathBuf, bool)> {
    let etc = &container.paths.etc;
    let own = |source: &Path| source.starts_with(etc);
    let mounts = container.record.launch.spec.mounts.iter();
    let bind = mounts.filter_map(|mount| match &mount.kind {
        MountKind::Bind { source, .. } if !own(source) => {
            Some((mount.target.clone(), source.clone(), mount.read_only))
        }
        _ => None,
    });
    bind.collect()
}

fn cannot(container: &Container, error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut failure = Failure::new(error);
    let name = &container.record.name;
    failure.causes.insert(0, failure.message);
    failure.message = format!("cannot open the files of container `{name}`");
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_that_of_all_interfaces_but_the_loopback() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 5 1 0 0 0 0 0 0 5 1\n\
                    eth0: 10 1 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n  eth1:1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n";
        assert_eq!(traffic(text), (11, 22));
    }
}
