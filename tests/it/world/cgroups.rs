//! A part of every cgroup hierarchy for one box.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A mounted hierarchy.
pub struct Hierarchy {
    /// Where.
    pub mount: PathBuf,
    /// `cgroup` or `cgroup2`.
    pub kind: String,
    /// What to pass to `mount -o` to get it again; empty for `cgroup2`.
    pub options: String,
}

/// Every hierarchy that is mounted below `/sys/fs/cgroup`.
pub fn hierarchies() -> Vec<Hierarchy> {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("/proc is mounted");
    mounts
        .lines()
        .filter_map(|line| {
            let [_, mount, kind, options] = line
                .splitn(5, ' ')
                .take(4)
                .collect::<Vec<_>>()
                .try_into()
                .ok()?;
            let wanted = kind.starts_with("cgroup") && mount.starts_with("/sys/fs/cgroup");
            let generic = [
                "rw", "ro", "relatime", "noatime", "nosuid", "nodev", "noexec", "xattr",
            ];
            let own = options
                .split(',')
                .filter(|word| kind == "cgroup" && !generic.contains(word) && !word.contains('/'));
            let options = own.collect::<Vec<_>>().join(",");
            wanted.then(|| Hierarchy {
                mount: mount.into(),
                kind: kind.to_owned(),
                options,
            })
        })
        .collect()
}

/// This process's cgroup in `hierarchy`, as a folder. Where cgroup v2 carries the controllers it is the root: a cgroup with
/// processes in it, as ours, hands none down.
fn own(hierarchy: &Hierarchy) -> Option<PathBuf> {
    let root = &hierarchy.mount;
    if hierarchy.kind == "cgroup2" && *root == Path::new("/sys/fs/cgroup") {
        for controller in ["cpu", "cpuset", "io", "memory", "pids"] {
            let on = format!("+{controller}");
            fs::write(root.join("cgroup.subtree_control"), on).ok();
        }
        return Some(root.clone());
    }
    let memberships = fs::read_to_string("/proc/self/cgroup").expect("the kernel has cgroups");
    let path = memberships.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let first = hierarchy.options.split(',').next().unwrap_or_default();
        let same = if hierarchy.kind == "cgroup2" {
            controllers.is_empty()
        } else {
            controllers.split(',').any(|controller| controller == first)
        };
        same.then(|| path.trim_start_matches('/').to_owned())
    })?;
    let folder = hierarchy.mount.join(path);
    folder.is_dir().then_some(folder)
}

/// Makes a cgroup `name` in each hierarchy, below the one this process is in.
pub fn create(name: &str) -> Vec<PathBuf> {
    let made: Vec<_> = hierarchies()
        .iter()
        .filter_map(own)
        .map(|parent| parent.join(name))
        .collect();
    for folder in &made {
        fs::create_dir(folder)
            .unwrap_or_else(|error| panic!("cannot make {}: {error}", folder.display()));
        // A new group has no real-time budget, so nothing in the box could have one.
        fs::write(folder.join("cpu.rt_runtime_us"), "10000").ok();
        // v1's cpuset lets nobody in before it has both.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let from = folder.parent().expect("it was joined").join(file);
            if let Ok(value) = fs::read_to_string(from) {
                fs::write(folder.join(file), value.trim()).ok();
            }
        }
    }
    made
}

/// Every cgroup below `folder`, deepest first.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
    {
        found.extend(below(&path));
        found.push(path);
    }
    found
}

/// Removes what `create` made and everything below it, once its processes are gone.
pub fn remove(made: &[PathBuf]) {
    let deadline = Instant::now() + Duration::from_secs(5);
    for folder in made {
        let all = || below(folder).into_iter().chain([folder.clone()]);
        while folder.exists() && Instant::now() < deadline {
            if all().all(|cgroup| fs::remove_dir(cgroup).is_ok()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
