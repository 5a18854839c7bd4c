//! `doctor`: what this machine has of what hoist needs, and what stands in its way.

use super::{Engine, ls};
use std::fs;
use std::path::Path;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, but not all of it.
    Poor,
    /// Containers cannot be run.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub what: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, and what that means.
    pub found: String,
    /// The command that mends it.
    pub remedy: Option<String>,
}

impl Check {
    fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            what,
            verdict: Verdict::Good,
            found: found.into(),
            remedy: None,
        }
    }

    fn but(mut self, verdict: Verdict, remedy: impl Into<String>) -> Self {
        self.verdict = verdict;
        self.remedy = Some(remedy.into());
        self
    }
}

/// Looks at everything. Changes nothing.
pub fn doctor(engine: &Engine) -> Vec<Check> {
    let mut checks = vec![
        root(),
        kernel(),
        namespaces(),
        overlay(),
        cgroups(),
        nftables(),
        forwarding(),
        inotify(),
        space("state", &engine.paths.root),
        run_folder(&engine.paths.run),
    ];
    checks.extend(leftovers(engine));
    checks.extend(neighbours());
    checks
}

fn text(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn root() -> Check {
    if rustix::process::geteuid().is_root() {
        return Check::good("rights", "root");
    }
    Check::good("rights", "not root: containers cannot be made").but(Verdict::Bad, "sudo hoist …")
}

fn kernel() -> Check {
    let release = text("/proc/sys/kernel/osrelease");
    let mut numbers = release
        .split(['.', '-'])
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match version {
        (0..=4, _) | (5, 0..=14) => Check::good("kernel", format!("{release} is older than 5.15"))
            .but(Verdict::Bad, "install a newer kernel"),
        (5, _) | (6, 0..=7) => {
            let found = format!("{release}; from 6.8 on `cp` also works with stopped containers");
            Check::good("kernel", found).but(Verdict::Poor, "install a newer kernel")
        }
        _ => Check::good("kernel", release),
    }
}

fn namespaces() -> Check {
    let missing: Vec<&str> = ["mnt", "pid", "net", "ipc", "uts", "cgroup"]
        .into_iter()
        .filter(|kind| !Path::new("/proc/self/ns").join(kind).exists())
        .collect();
    if missing.is_empty() {
        return Check::good("namespaces", "all that are needed");
    }
    Check::good("namespaces", format!("missing: {}", missing.join(", ")))
        .but(Verdict::Bad, "use a kernel that is built with them")
}

fn overlay() -> Check {
    let known = text("/proc/filesystems")
        .lines()
        .any(|line| line.ends_with("overlay"));
    let module = Path::new("/sys/module/overlay").exists();
    if known || module {
        return Check::good("overlayfs", "there");
    }
    Check::good("overlayfs", "the kernel does not know it").but(Verdict::Bad, "modprobe overlay")
}

fn cgroups() -> Check {
    let pure = Path::new("/sys/fs/cgroup/cgroup.controllers");
    let wanted = ["cpu", "memory", "pids"];
    let (kind, there) = match fs::read_to_string(pure) {
        Ok(list) => (
            "v2",
            list.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        ),
        Err(_) => {
            let list = text("/proc/cgroups");
            let rows = list.lines().filter(|line| line.ends_with('1'));
            let names = rows.filter_map(|line| line.split_whitespace().next());
            ("v1", names.map(str::to_owned).collect())
        }
    };
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|name| !there.iter().any(|it| it == name))
        .collect();
    if missing.is_empty() {
        return Check::good("cgroups", format!("{kind}, with cpu, memory and pids"));
    }
    let found = format!(
        "{kind}, without {}: such limits cannot be set",
        missing.join(", ")
    );
    Check::good("cgroups", found).but(Verdict::Poor, "boot with `cgroup_enable=memory`")
}

fn nftables() -> Check {
    let there =
        Path::new("/sys/module/nf_tables").exists() || Path::new("/proc/net/netfilter").exists();
    if there {
        return Check::good("nftables", "there");
    }
    Check::good(
        "nftables",
        "not there: networks and published ports need it",
    )
    .but(Verdict::Bad, "modprobe nf_tables")
}

fn forwarding() -> Check {
    match text("/proc/sys/net/ipv4/ip_forward").as_str() {
        "1" => Check::good("forwarding", "on"),
        _ => Check::good("forwarding", "off; the first network switches it on"),
    }
}

fn inotify() -> Check {
    let limit: u64 = text("/proc/sys/fs/inotify/max_user_watches")
        .parse()
        .unwrap_or(0);
    if limit >= 65_536 {
        return Check::good("inotify", format!("{limit} folders can be watched"));
    }
    Check::good("inotify", format!("only {limit} folders can be watched"))
        .but(Verdict::Poor, "sysctl fs.inotify.max_user_watches=524288")
}

/// Sockets and FIFOs of every container are there: on a disk they cost a fourth of an `up`.
fn run_folder(folder: &Path) -> Check {
    let check = space("run folder", folder);
    let kind = rustix::fs::statfs(existing(folder)).map(|stat| stat.f_type);
    if kind.is_ok_and(|kind| kind == libc::TMPFS_MAGIC) || check.verdict != Verdict::Good {
        return check;
    }
    let found = format!(
        "{}, not on a tmpfs: `up` and `down` are slower",
        check.found
    );
    // A mount over the folder of a project that runs would hide its sockets.
    let place = folder.display();
    let remedy = format!(
        "with every project down: mkdir -p {place} && mount -t tmpfs -o mode=700 hoist {place}"
    );
    Check::good("run folder", found).but(Verdict::Poor, remedy)
}

/// The folder, or the nearest one above it that exists.
fn existing(folder: &Path) -> &Path {
    let mut above = folder.ancestors();
    above.find(|it| it.exists()).unwrap_or(Path::new("/"))
}

fn space(what: &'static str, folder: &Path) -> Check {
    let there = existing(folder);
    let Ok(stat) = rustix::fs::statvfs(there) else {
        return Check::good(what, format!("`{}` cannot be looked at", folder.display()))
            .but(Verdict::Bad, format!("ls -ld {}", folder.display()));
    };
    let free = stat.f_bavail * stat.f_frsize;
    let found = format!("{} MiB free at {}", free >> 20, folder.display());
    if free < 512 << 20 && what == "state" {
        return Check::good(what, found).but(Verdict::Poor, "hoist system prune");
    }
    Check::good(what, found)
}

/// Projects whose folders are there and whose record is not.
fn leftovers(engine: &Engine) -> Vec<Check> {
    let projects = engine.paths.projects().unwrap_or_default();
    let listed = match ls(engine) {
        Ok(listed) => listed,
        Err(error) => {
            let found = format!("the records cannot be read: {error}");
            return vec![Check::good("projects", found).but(Verdict::Poor, "hoist ls -a")];
        }
    };
    let lost: Vec<String> = projects
        .iter()
        .filter(|name| !listed.iter().any(|it| it.name == **name))
        .map(ToString::to_string)
        .collect();
    match lost.first() {
        None => vec![Check::good(
            "projects",
            format!("{}, none half removed", listed.len()),
        )],
        Some(first) => vec![
            Check::good("projects", format!("half removed: {}", lost.join(", ")))
                .but(Verdict::Poor, format!("hoist -p {first} down")),
        ],
    }
}

/// Other engines whose firewall rules meet ours.
fn neighbours() -> Vec<Check> {
    let docker = Path::new("/run/docker.sock").exists();
    let found = match docker {
        true => {
            "Docker runs here; its FORWARD policy drops what is not its own, and each `up` opens a way in DOCKER-USER"
        }
        false => "no other engine was found",
    };
    vec![Check::good("neighbours", found)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_folder_on_a_disk_is_told() {
        assert_eq!(
            run_folder(Path::new("/dev/shm/none")).verdict,
            Verdict::Good
        );
        let told = run_folder(Path::new("/proc/none"));
        assert_eq!(told.verdict, Verdict::Poor);
        assert!(told.found.contains("not on a tmpfs"), "{}", told.found);
        let remedy = told.remedy.unwrap_or_default();
        assert!(remedy.starts_with("with every project down"), "{remedy}");
    }
}
