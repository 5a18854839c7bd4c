//! Freezing, killing, finding and removing cgroups.

use super::Cgroup;
use super::Error;
use super::Layout;
use super::tree;
use super::tree::Folder;
use super::v2_base;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;
use rustix::process::Pid;
use rustix::process::PidfdFlags;
use rustix::process::Signal;
use rustix::process::pidfd_open;
use rustix::process::pidfd_send_signal;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

/// How long a cgroup may take to freeze, or its killed processes to go.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far below a hierarchy's root a cgroup of ours is looked for when it is not where we would make it.
const DEPTH: usize = 5;

impl Cgroup {
    /// Kills every process in the cgroup, also frozen ones. They are gone when [`Self::remove`] returns.
    pub fn kill(&self) -> Result<(), Error> {
        if let Some(folder) = &self.v2 {
            match folder.write("cgroup.kill", "1") {
                Err(error) if error.errno() == Some(libc::ENOENT) => {}
                other => return other,
            }
        }
        // Linux < 5.14, or v1 alone: nobody can fork while they are frozen. What is frozen dies when it is thawed.
        let frozen = self.freeze();
        let mut killed = BTreeSet::new();
        loop {
            let fresh: Vec<_> = self
                .pids()
                .into_iter()
                .filter(|pid| killed.insert(*pid))
                .collect();
            if fresh.is_empty() {
                break;
            }
            fresh.into_iter().for_each(|pid| self.kill_one(pid));
        }
        if frozen.is_ok() { self.thaw() } else { Ok(()) }
    }

    /// Kills a process if it is (still) one of the cgroup's.
    fn kill_one(&self, pid: i32) {
        let Some(raw) = Pid::from_raw(pid) else {
            return;
        };
        let Ok(pidfd) = pidfd_open(raw, PidfdFlags::empty()) else {
            return;
        };
        // The number may have gone to another process before we held the pidfd, but not after.
        if self.pids().contains(&pid) {
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
        }
    }

    /// Stops every process, and returns when they are stopped.
    pub fn freeze(&self) -> Result<(), Error> {
        self.set_frozen(true)
    }

    /// Lets frozen processes go on.
    pub fn thaw(&self) -> Result<(), Error> {
        self.set_frozen(false)
    }

    /// Whether every process is stopped.
    pub fn is_frozen(&self) -> bool {
        let says = |folder: &Folder, file, word: &str| {
            let text = folder.read(file).ok().flatten();
            text.is_some_and(|text| text.lines().any(|line| line == word))
        };
        match (&self.v2, self.v1_of("freezer")) {
            (Some(folder), _) => says(folder, "cgroup.events", "frozen 1"),
            (None, Some(folder)) => says(folder, "freezer.state", "FROZEN"),
            (None, None) => false,
        }
    }

    fn set_frozen(&self, frozen: bool) -> Result<(), Error> {
        if let Some(folder) = &self.v2 {
            folder.write("cgroup.freeze", if frozen { "1" } else { "0" })?;
            let wanted = if frozen { "frozen 1" } else { "frozen 0" };
            return wait_for(folder, wanted, if frozen { "frozen" } else { "thawed" });
        }
        let Some(folder) = self.v1_of("freezer") else {
            return Err(Error::Unavailable {
                key: "pause",
                controller: "freezer",
            });
        };
        let state = if frozen { "FROZEN" } else { "THAWED" };
        let end = Instant::now() + PATIENCE;
        loop {
            // Written again: a process forked meanwhile is caught by the next try.
            folder.write("freezer.state", state)?;
            if folder
                .read("freezer.state")?
                .is_some_and(|text| text.trim() == state)
            {
                return Ok(());
            }
            if Instant::now() > end {
                let path = folder.path.clone();
                return Err(Error::Timeout {
                    path,
                    state: "frozen",
                });
            }
            // v1 tells nobody when it is done.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Removes the cgroup from all hierarchies, with what the container made below it, and the folders above it that are
    /// empty then. Waits for processes that were killed, but not for ever.
    pub fn remove(&self) -> Result<(), Error> {
        let end = Instant::now() + PATIENCE;
        let mut folders: Vec<&Folder> = self.v1.iter().map(|(_, folder)| folder).collect();
        if let Some(folder) = &self.v2 {
            if !tree::remove(&folder.path)? {
                wait_for(folder, "populated 0", "empty").map_err(|error| match error {
                    Error::Timeout { path, .. } => Error::Busy { path },
                    other => other,
                })?;
            }
            folders.insert(0, folder);
        }
        let depth = self.path.split('/').filter(|part| !part.is_empty()).count();
        for folder in folders {
            // A dying process leaves the hierarchies one after the other, within microseconds; v1 cannot be polled.
            while !tree::remove(&folder.path)? {
                if Instant::now() > end {
                    let path = folder.path.clone();
                    return Err(Error::Busy { path });
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            for parent in folder
                .path
                .ancestors()
                .skip(1)
                .take(depth.saturating_sub(1))
            {
                if rustix::fs::rmdir(parent).is_err() {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Waits until `cgroup.events` has a line.
fn wait_for(folder: &Folder, line: &str, state: &'static str) -> Result<(), Error> {
    let end = Instant::now() + PATIENCE;
    let events = folder.watch("cgroup.events")?;
    loop {
        let mut buffer = [0u8; 256];
        let text = match rustix::io::pread(&events, &mut buffer, 0) {
            Ok(len) => String::from_utf8_lossy(&buffer[..len]),
            // The cgroup is gone, and with it its processes.
            Err(rustix::io::Errno::NODEV) => return Ok(()),
            Err(errno) => {
                return Err(Error::reading(folder.path.join("cgroup.events"))(
                    errno.into(),
                ));
            }
        };
        if text.lines().any(|have| have == line) {
            return Ok(());
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let path = folder.path.clone();
            return Err(Error::Timeout { path, state });
        }
        let timeout = Timespec {
            tv_sec: left.as_secs().cast_signed(),
            tv_nsec: left.subsec_nanos().into(),
        };
        // An interrupted poll is a reason to look again, no more.
        let _ = poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&timeout));
    }
}

/// Finds a cgroup of ours below a hierarchy's mount: where we would make it, at the root, or (made by a process that was
/// elsewhere) anywhere not too deep.
pub fn locate(mount: &Path, own: &str, path: &str) -> Result<Option<Folder>, Error> {
    for base in [super::above(own, path), ""] {
        if let Some(folder) = Folder::open(mount.join(base).join(path))? {
            return Ok(Some(folder));
        }
    }
    let first = path.split('/').next().unwrap_or_default();
    for base in bases(mount, first) {
        if let Some(folder) = Folder::open(base.join(path))? {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

/// The folders that have a child of this name, down to [`DEPTH`].
fn bases(mount: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut level = vec![mount.to_owned()];
    for _ in 0..DEPTH {
        found.extend(
            level
                .iter()
                .filter(|path| path.join(name).is_dir())
                .cloned(),
        );
        level = level
            .iter()
            .flat_map(|path| tree::children(path))
            .filter(|path| !path.ends_with(name))
            .collect();
    }
    found
}

/// The paths of the cgroups directly below `prefix` (`hoist/PROJECT`), in any hierarchy, each once.
pub fn list(prefix: &str) -> Result<Vec<String>, Error> {
    let layout = Layout::here()?;
    let mut found = BTreeSet::new();
    for folder in everywhere(layout, prefix)? {
        let names = tree::children(&folder.path).into_iter();
        let names = names.filter_map(|path| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        });
        found.extend(names.map(|name| format!("{prefix}/{name}")));
    }
    Ok(found.into_iter().collect())
}

/// Kills and removes whatever is below `prefix`, and the folders above it that are empty then.
pub fn sweep(prefix: &str) -> Result<(), Error> {
    for path in list(prefix)? {
        match Cgroup::open(&path) {
            Ok(cgroup) => {
                cgroup.kill()?;
                cgroup.remove()?;
            }
            Err(Error::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    match Cgroup::open(prefix) {
        Ok(rest) => rest.remove(),
        Err(Error::Missing { .. }) => remove_empty_above(prefix),
        Err(error) => Err(error),
    }
}

/// Whoever removed the last below them may have been killed on the way up.
fn remove_empty_above(prefix: &str) -> Result<(), Error> {
    let layout = Layout::here()?;
    let above = Path::new(prefix).ancestors().skip(1);
    for path in above
        .filter_map(Path::to_str)
        .filter(|path| !path.is_empty())
    {
        for folder in everywhere(layout, path)? {
            // One that others are in is refused, and stays.
            let _ = rustix::fs::rmdir(&folder.path);
        }
    }
    Ok(())
}

fn everywhere(layout: &Layout, prefix: &str) -> Result<Vec<Folder>, Error> {
    let v2 = layout
        .unified
        .as_ref()
        .map(|unified| (&unified.mount, v2_base(layout)));
    let v1 = layout
        .v1
        .iter()
        .map(|hierarchy| (&hierarchy.mount, hierarchy.own.clone()));
    let found = v1.chain(v2).map(|(mount, own)| locate(mount, &own, prefix));
    Ok(found
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_is_found_where_another_process_put_it() {
        let mount = tempfile::tempdir().unwrap();
        let elsewhere = mount.path().join("session/7/hoist/p/c");
        std::fs::create_dir_all(&elsewhere).unwrap();
        std::fs::create_dir_all(mount.path().join("session/8")).unwrap();
        let found = locate(mount.path(), "session/8", "hoist/p/c")
            .unwrap()
            .unwrap();
        assert_eq!(found.path, elsewhere);
        assert!(
            locate(mount.path(), "session/8", "hoist/p/d")
                .unwrap()
                .is_none()
        );
    }
}
