//! The mounts every container has, as docker makes them: `/proc /dev /dev/pts /dev/shm /dev/mqueue /sys /sys/fs/cgroup`.

use super::{FOLDER, Root, attach, copy_of, filesystem};
use crate::runtime::cgroups::Cgroup;
use crate::runtime::error::{At, StartFailure, Step};
use crate::runtime::namespaces;
use crate::runtime::spec::{ContainerSpec, Namespace, NetworkNs};
use crate::runtime::sysctls;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};
use std::path::Path;

const NOSUID: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID;
const NODEV: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NODEV;
const NOEXEC: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOEXEC;
const RDONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY;
const CLONE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE.union(OpenTreeFlags::OPEN_TREE_CLOEXEC);
/// `statfs` says so of a tmpfs.
const TMPFS_MAGIC: i64 = 0x0102_1994;
const STRICT: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_STRICTATIME;

/// Descriptors of the default mounts that later steps work in, whatever the image or a user mount puts over their paths.
pub(crate) struct Defaults {
    /// Root of the container's procfs.
    pub(crate) proc: OwnedFd,
    /// Root of `/dev`.
    pub(crate) dev: OwnedFd,
    /// Root of the container's devpts.
    pub(crate) devpts: OwnedFd,
    /// Root of `/sys`.
    pub(crate) sys: OwnedFd,
}

impl Defaults {
    /// Makes them all; `/dev` is still empty but for what is mounted in it.
    pub(crate) fn mount(root: Root<'_>, spec: &ContainerSpec) -> Result<Self, StartFailure> {
        let proc = fresh("proc", &[], NOSUID | NODEV | NOEXEC)?;
        write_sysctls(&proc, spec)?;
        put(&proc, root.plain_folder("proc")?, "/proc")?;
        let dev_options = [("mode", "755"), ("size", "65536k")];
        let dev = fresh("tmpfs", &dev_options, NOSUID | STRICT)?;
        put(&dev, root.plain_folder("dev")?, "/dev")?;
        let in_dev = Root(dev.as_fd());
        let pts_options = [
            ("newinstance", ""),
            ("ptmxmode", "0666"),
            ("mode", "0620"),
            ("gid", "5"),
        ];
        let devpts = fresh("devpts", &pts_options, NOSUID | NOEXEC)?;
        put(&devpts, in_dev.plain_folder("pts")?, "/dev/pts")?;
        mount_ipc(in_dev, spec)?;
        let writable = if spec.privileged {
            MountAttrFlags::empty()
        } else {
            RDONLY
        };
        let sys = mount_sys(root, spec, writable)?;
        Ok(Self {
            proc,
            dev,
            devpts,
            sys,
        })
    }
}

fn fresh(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, StartFailure> {
    filesystem(kind, options, attributes).at(Step::Mount, || format!("make a {kind} filesystem"))
}

fn put(tree: &OwnedFd, target: OwnedFd, path: &str) -> Result<(), StartFailure> {
    attach(tree, target).at(Step::Mount, || format!("mount `{path}`"))
}

/// `/dev/shm` and `/dev/mqueue` belong to the IPC namespace: with a shared one they are its owner's.
fn mount_ipc(dev: Root<'_>, spec: &ContainerSpec) -> Result<(), StartFailure> {
    const ATTRIBUTES: MountAttrFlags = NOSUID.union(NODEV).union(NOEXEC);
    let mqueue = fresh("mqueue", &[], ATTRIBUTES)?;
    put(&mqueue, dev.plain_folder("mqueue")?, "/dev/mqueue")?;
    let what = || "share `/dev/shm`".to_owned();
    let shm = match spec.ipc_ns {
        Namespace::Host => open_tree(CWD, "/dev/shm", CLONE).at(Step::Mount, what)?,
        Namespace::Of { pid, start_time } => {
            match namespaces::in_mounts_of(pid, start_time, shared_memory).at(Step::Mount, what)? {
                Some(shm) => shm,
                None => return Ok(()),
            }
        }
        Namespace::New => {
            let Some(size) = spec.shm_size else {
                return Ok(());
            };
            let size = size.to_string();
            let options = [("source", "shm"), ("mode", "1777"), ("size", size.as_str())];
            fresh("tmpfs", &options, ATTRIBUTES)?
        }
    };
    put(&shm, dev.plain_folder("shm")?, "/dev/shm")
}

/// A copy of `/dev/shm` as the calling process sees it; `None` if there is none. Only the tmpfs itself: what is in there
/// is the peer's to choose.
fn shared_memory() -> rustix::io::Result<Option<OwnedFd>> {
    let tree = match open_tree(CWD, "/dev/shm", CLONE | OpenTreeFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(tree) => tree,
        // Not there, or not the root of a mount: `ipc: none`.
        Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let is_tmpfs = rustix::fs::fstatfs(&tree)?.f_type == TMPFS_MAGIC;
    Ok(is_tmpfs.then_some(tree))
}

fn mount_sys(
    root: Root<'_>,
    spec: &ContainerSpec,
    writable: MountAttrFlags,
) -> Result<OwnedFd, StartFailure> {
    let attributes = NOSUID | NODEV | NOEXEC | writable;
    let folder = root.plain_folder("sys")?;
    let sys = match filesystem("sysfs", &[], attributes) {
        Ok(fs) => fs,
        Err(e) if matches!(spec.network, NetworkNs::Given | NetworkNs::Joined) => {
            return Err(e).at(Step::Mount, || "make a sysfs filesystem".into());
        }
        // Not the owner of this network namespace: show the host's.
        Err(_) => open_tree(
            CWD,
            "/sys",
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
        )
        .at(Step::Mount, || "copy the host's `/sys`".into())?,
    };
    put(&sys, folder, "/sys")?;
    Ok(sys)
}

/// Mounts the cgroup hierarchies on `/sys/fs/cgroup`, each showing the container's own group as its root. To be called in the
/// container's cgroup namespace.
pub(crate) fn mount_cgroups(
    sys: &OwnedFd,
    spec: &ContainerSpec,
    hierarchies: &[Hierarchy],
) -> Result<(), StartFailure> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let Ok(place) = openat2(sys, "fs/cgroup", FOLDER, Mode::empty(), resolve) else {
        return Ok(());
    };
    let readonly = if spec.privileged {
        MountAttrFlags::empty()
    } else {
        RDONLY
    };
    let attributes = NOSUID | NODEV | NOEXEC | readonly;
    if let [Hierarchy { options: None, .. }] = hierarchies {
        let tree = fresh("cgroup2", &[], attributes)?;
        return put(&tree, place, "/sys/fs/cgroup");
    }
    // The tmpfs becomes read-only once its folders are made.
    let tmpfs = fresh("tmpfs", &[("mode", "755")], NOSUID | NODEV | NOEXEC)?;
    put(&tmpfs, place, "/sys/fs/cgroup")?;
    let inside = Root(tmpfs.as_fd());
    for hierarchy in hierarchies {
        let tree = match &hierarchy.options {
            None => filesystem("cgroup2", &[], attributes),
            Some(options) => {
                let options: Vec<(&str, &str)> = options
                    .iter()
                    .map(|o| o.split_once('=').unwrap_or((o, "")))
                    .collect();
                filesystem("cgroup", &options, attributes)
            }
        };
        // A hierarchy without a view of it inside is no reason not to start.
        if let Ok(tree) = tree {
            put(
                &tree,
                inside.plain_folder(&hierarchy.name)?,
                "/sys/fs/cgroup",
            )?;
        }
    }
    if !spec.privileged {
        use crate::runtime::sys::mount::{Propagation, RDONLY, set_attributes};
        set_attributes(&tmpfs, RDONLY, Propagation::Keep, false)
            .at(Step::Mount, || "make `/sys/fs/cgroup` read-only".into())?;
    }
    Ok(())
}

/// A cgroup hierarchy as it is shown inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// Name of its folder below `/sys/fs/cgroup`.
    pub(crate) name: String,
    /// v1: controllers or `name=…`; v2: `None`.
    pub(crate) options: Option<Vec<String>>,
}

impl Hierarchy {
    /// What a container sees of its cgroup: the hierarchies it has a folder of its own in. Of the others it would see ours.
    pub(crate) fn of(cgroup: &Cgroup) -> Vec<Self> {
        let shown = cgroup.hierarchies().map(|controllers| match controllers {
            None => Self {
                name: "unified".into(),
                options: None,
            },
            Some(controllers) => Self {
                name: controllers.join(","),
                options: Some(controllers.to_vec()),
            },
        });
        shown.collect()
    }
}

/// Docker's two, where the network namespace is the container's own: ports below 1024 and ping need no capability. Then
/// the user's. Written below the procfs that was just made and is not mounted anywhere yet, so that nothing can be in
/// its place (CVE-2025-52881).
fn write_sysctls(proc: &OwnedFd, spec: &ContainerSpec) -> Result<(), StartFailure> {
    if matches!(spec.network, NetworkNs::Given | NetworkNs::New) {
        write_sysctl(proc, "net/ipv4/ip_unprivileged_port_start", "0")?;
        write_sysctl(proc, "net/ipv4/ping_group_range", "0 2147483647")?;
    }
    sysctls::check(spec)
        .map_err(|_| Errno::PERM)
        .at(Step::Sysctl, || "set a sysctl of the machine".into())?;
    for (key, value) in &spec.sysctls {
        write_sysctl(proc, &sysctls::path(key), value)?;
    }
    Ok(())
}

fn write_sysctl(proc: &OwnedFd, path: &str, value: &str) -> Result<(), StartFailure> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let full = Path::new("sys").join(path);
    openat2(proc, &full, flags, Mode::empty(), resolve)
        .and_then(|file| rustix::io::write(file, value.as_bytes()))
        .map(|_| ())
        .at(Step::Sysctl, || {
            format!("set the sysctl `{}` to `{value}`", path.replace('/', "."))
        })
}

/// `/dev/console` is the terminal itself, bound from its descriptor.
pub(crate) fn bind_console(dev: &OwnedFd, slave: &OwnedFd) -> Result<(), StartFailure> {
    let target = Root(dev.as_fd()).make_file("console");
    target
        .and_then(|target| attach(copy_of(slave, false)?, target))
        .at(Step::Console, || "mount `/dev/console`".into())
}
