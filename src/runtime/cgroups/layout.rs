//! Which cgroup hierarchies this machine has, where they are mounted, and where we ourselves are in each.
//!
//! Read from `/proc/self/cgroup` and `/proc/self/mountinfo`, never from well-known paths.

use super::Error;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The hierarchies of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// cgroup v1, one entry a hierarchy.
    pub v1: Vec<Hierarchy>,
    /// cgroup v2.
    pub unified: Option<Unified>,
}

/// A cgroup v1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its controllers.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Our own cgroup, relative to `mount`.
    pub own: String,
}

/// The cgroup v2 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unified {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Our own cgroup, relative to `mount`.
    pub own: String,
}

impl Layout {
    /// The layout as this process sees it; read once, for the hierarchies of a machine do not change.
    pub fn here() -> Result<&'static Self, Error> {
        static HERE: OnceLock<Layout> = OnceLock::new();
        if let Some(layout) = HERE.get() {
            return Ok(layout);
        }
        let read = |path: &str| std::fs::read_to_string(path).map_err(Error::reading(path));
        let layout = Self::parse(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?);
        if layout.v1.is_empty() && layout.unified.is_none() {
            return Err(Error::NotMounted);
        }
        Ok(HERE.get_or_init(|| layout))
    }

    /// Reads the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`.
    pub fn parse(cgroup: &str, mountinfo: &str) -> Self {
        let mounts: Vec<_> = mountinfo.lines().filter_map(mount).collect();
        let mut layout = Self::default();
        for line in cgroup.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
                continue;
            };
            let wanted: Vec<_> = controllers
                .split(',')
                .filter(|name| !name.is_empty())
                .collect();
            let is_it = |mount: &&Mount| match wanted.as_slice() {
                [] => mount.v2,
                names => {
                    !mount.v2
                        && names
                            .iter()
                            .all(|name| mount.options.iter().any(|o| o == name))
                }
            };
            let Some(mount) = mounts.iter().find(is_it) else {
                continue;
            };
            let own = relative(path, &mount.root);
            if wanted.is_empty() {
                let mount = mount.point.clone();
                layout.unified = Some(Unified { mount, own });
            } else {
                layout.v1.push(Hierarchy {
                    controllers: wanted.iter().map(|name| (*name).to_owned()).collect(),
                    mount: mount.point.clone(),
                    own,
                });
            }
        }
        layout
    }

    /// cgroup v2 carries the controllers.
    pub fn is_pure_v2(&self) -> bool {
        self.unified.is_some()
            && self
                .v1
                .iter()
                .all(|h| h.controllers.iter().all(|c| c.contains('=')))
    }

    /// The v1 hierarchy of a controller.
    pub fn v1_of(&self, controller: &str) -> Option<&Hierarchy> {
        self.v1
            .iter()
            .find(|h| h.controllers.iter().any(|c| c == controller))
    }
}

/// A cgroup mount of `/proc/self/mountinfo`.
struct Mount {
    v2: bool,
    root: String,
    point: PathBuf,
    options: Vec<String>,
}

fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut right = right.split(' ');
    let kind = right.next()?;
    if !matches!(kind, "cgroup" | "cgroup2") {
        return None;
    }
    let options = right.nth(1).unwrap_or_default();
    let mut left = left.split(' ').skip(3);
    Some(Mount {
        v2: kind == "cgroup2",
        root: unescape(left.next()?),
        point: unescape(left.next()?).into(),
        options: options.split(',').map(str::to_owned).collect(),
    })
}

/// Undoes the kernel's `\040` for blanks and the like.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| *first == b'\\');
        let byte =
            octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[3..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The path of a cgroup below a mount of `root`; empty if the mount does not show it.
fn relative(path: &str, root: &str) -> String {
    let below = path.strip_prefix(root.trim_end_matches('/'));
    let below = below.filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let below = below.unwrap_or_default().trim_matches('/');
    if below.split('/').any(|part| part == "..") {
        return String::new();
    }
    below.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn a_hybrid_machine() {
        let own = "9:name=systemd:/init.scope\n4:memory:/own/abc\n1:cpu,cpuacct:/\n8:pids:/\n0::/init.scope\n";
        let layout = Layout::parse(own, HYBRID);
        assert!(!layout.is_pure_v2());
        let memory = layout.v1_of("memory").unwrap();
        assert_eq!(
            (memory.mount.to_str(), memory.own.as_str()),
            (Some("/sys/fs/cgroup/memory"), "own/abc")
        );
        assert_eq!(layout.v1_of("cpuacct"), layout.v1_of("cpu"));
        assert_eq!(
            layout.v1_of("pids"),
            None,
            "a hierarchy that is not mounted is no hierarchy"
        );
        let unified = layout.unified.unwrap();
        assert_eq!(
            (unified.mount.to_str(), unified.own.as_str()),
            (Some("/sys/fs/cgroup/unified"), "init.scope")
        );
    }

    #[test]
    fn a_v2_machine() {
        let layout = Layout::parse(
            "0::/user.slice/user-0.slice/session-1.scope\n",
            "26 22 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n",
        );
        assert!(layout.is_pure_v2());
        assert_eq!(
            layout.unified.unwrap().own,
            "user.slice/user-0.slice/session-1.scope"
        );
    }

    #[test]
    fn v2_beside_a_named_hierarchy_is_still_v2() {
        let layout = Layout::parse(
            "1:name=systemd:/a\n0::/a\n",
            "26 22 0:22 / /c rw - cgroup2 none rw\n27 22 0:23 / /d rw - cgroup none rw,name=systemd\n",
        );
        assert!(layout.is_pure_v2());
    }

    #[test]
    fn a_bind_mount_of_a_part_shows_only_that_part() {
        let mountinfo = "50 40 0:22 /docker/abc /my\\040cgroups rw - cgroup cgroup rw,memory\n";
        let layout = Layout::parse("4:memory:/docker/abc/inner\n", mountinfo);
        let memory = layout.v1_of("memory").unwrap();
        assert_eq!(
            (memory.mount.to_str(), memory.own.as_str()),
            (Some("/my cgroups"), "inner")
        );
        let layout = Layout::parse("4:memory:/docker/abcd\n", mountinfo);
        assert_eq!(layout.v1_of("memory").unwrap().own, "");
        let layout = Layout::parse("4:memory:/../other\n", HYBRID);
        assert_eq!(layout.v1_of("memory").unwrap().own, "");
    }

    #[test]
    fn garbage_is_no_layout() {
        assert_eq!(
            Layout::parse("nonsense\n:\n1:\n", "x\n- -\n1 2 3 - cgroup\n"),
            Layout::default()
        );
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape(r"/a\040b\134c\09\"), r"/a b\c\09\");
    }
}
