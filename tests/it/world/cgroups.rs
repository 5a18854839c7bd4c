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

/// The cgroup of all boxes, on cgroup v2.
const BOXES: &str = "worlds";
/// What it hands down.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];
/// The cgroup of a box's agent, on cgroup v2.
pub const LEAF: &str = "init";

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

/// Where boxes have their cgroups: in this process's own. Where cgroup v2 carries the controllers it is one below the root: a
/// cgroup with processes in it, as ours, hands none down.
fn own(hierarchy: &Hierarchy) -> Option<PathBuf> {
    let root = &hierarchy.mount;
    if hierarchy.kind == "cgroup2" && *root == Path::new("/sys/fs/cgroup") {
        return Some(shared(root));
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

/// The cgroup of all boxes of cgroup v2. It hands the controllers down: systemd takes those of the root back that nobody below
/// uses, whenever a unit of its own changes.
fn shared(root: &Path) -> PathBuf {
    let shared = root.join(BOXES);
    let has = |file: &str| {
        let text = fs::read_to_string(shared.join(file)).unwrap_or_default();
        CONTROLLERS
            .iter()
            .all(|it| text.split_whitespace().any(|has| has == *it))
    };
    for _ in 0..20 {
        fs::create_dir(&shared).ok();
        for folder in [root, &shared] {
            for controller in CONTROLLERS {
                let on = format!("+{controller}");
                fs::write(folder.join("cgroup.subtree_control"), on).ok();
            }
        }
        if has("cgroup.subtree_control") {
            break;
        }
    }
    shared
}

/// Makes the cgroup of a box in a hierarchy, if that is one for boxes.
fn create_in(hierarchy: &Hierarchy, name: &str) -> Option<PathBuf> {
    loop {
        let folder = own(hierarchy)?.join(name);
        match fs::create_dir(&folder) {
            Ok(()) => return Some(folder),
            // The last box of another process took the cgroup of all boxes along.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("cannot make {}: {error}", folder.display()),
        }
    }
}

/// Makes a cgroup `name` in each hierarchy.
pub fn create(name: &str) -> Vec<PathBuf> {
    let hierarchies = hierarchies();
    let made = hierarchies.iter().filter_map(|it| create_in(it, name));
    let made: Vec<_> = made.collect();
    for folder in &made {
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

/// Moves a process to where the agent went: the root of a box hands no controllers down while anybody is in it.
pub fn follow(made: &[PathBuf], process: u32) {
    let leaves = made.iter().map(|folder| folder.join(LEAF));
    for leaf in leaves.filter(|leaf| leaf.exists()) {
        fs::write(leaf.join("cgroup.procs"), process.to_string()).expect("the hierarchy is ours");
    }
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
        // Until the last box is gone it is not empty.
        if let Some(shared) = folder.parent().filter(|it| it.ends_with(BOXES)) {
            fs::remove_dir(shared).ok();
        }
    }
}
