//! Mounts the user asked for: binds, volumes, tmpfs, secrets and configs.

use super::tmpfs::tmpfs;
use super::{FOLDER, HANDLE, Root, attach, copy_of};
use crate::runtime::error::{At, StartFailure, Step, reason};
use crate::runtime::rootfs;
use crate::runtime::spec::{MountKind, MountSpec};
use crate::runtime::sys::mount::{self as attributes, Propagation};
use crate::runtime::zygote::Hooks;
use nix::sched::{CloneFlags, setns};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat2};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::path::Path;

/// What runc lets be mounted below `/proc`.
const ALLOWED_IN_PROC: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// Where mounts come from and go to.
#[derive(Clone, Copy)]
pub(crate) struct Places<'fd> {
    /// The container's root.
    pub(crate) root: Root<'fd>,
    /// A tmpfs that is mounted nowhere in the container, for what is made from bytes.
    pub(crate) files: BorrowedFd<'fd>,
    /// The host's mount namespace: mounts that propagate to it are copies of its own.
    pub(crate) host: BorrowedFd<'fd>,
    /// What other layers do.
    pub(crate) hooks: Hooks,
}

/// Makes the mounts in order.
pub(crate) fn mount_all(places: Places<'_>, mounts: &[MountSpec]) -> Result<(), StartFailure> {
    for (index, spec) in mounts.iter().enumerate() {
        check_target(&spec.target)?;
        match &spec.kind {
            MountKind::Bind { .. } => bind(places, spec)?,
            MountKind::Tmpfs { .. } => tmpfs(places.root, spec)?,
            MountKind::File { .. } => file(places, spec, index)?,
            MountKind::Layers { .. } => layers(places, spec, index)?,
        }
    }
    Ok(())
}

fn check_target(target: &str) -> Result<(), StartFailure> {
    let clean: Vec<&str> = target
        .split('/')
        .filter(|p| !matches!(*p, "" | "."))
        .collect();
    let refused = |why: &str| {
        let text = format!("mount at `{target}`: {why}");
        Err(StartFailure::new(Step::Mount, text))
    };
    if clean.is_empty() || !target.starts_with('/') {
        return refused("the target must be an absolute path below `/`");
    }
    if clean.contains(&"..") {
        return refused("the target must not contain `..`");
    }
    let clean = format!("/{}", clean.join("/"));
    if (clean == "/proc" || clean.starts_with("/proc/")) && !ALLOWED_IN_PROC.contains(&&*clean) {
        return refused("nothing can be mounted inside `/proc`");
    }
    Ok(())
}

fn is_folder(fd: &OwnedFd) -> rustix::io::Result<bool> {
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode) == FileType::Directory)
}

fn bind(places: Places<'_>, spec: &MountSpec) -> Result<(), StartFailure> {
    let root = places.root;
    let MountKind::Bind {
        source,
        subpath,
        propagation,
        recursive,
        shallow,
        copy_up,
    } = &spec.kind
    else {
        return Ok(());
    };
    let what = || format!("mount `{}` at `{}`", source.display(), spec.target);
    let (propagation, all) = propagation_of(propagation.as_deref());
    let open = || source_tree(source, subpath.as_deref(), *recursive);
    // There and not in our copy of it: where the host's mounts are private, what was mounted since is not here.
    let tree = on_the_host(places.host, open).map_err(|errno| match subpath {
        Some(path) => no_part(path, errno, what()),
        None => StartFailure::new(
            Step::Mount,
            format!("{}: {}", what(), reason(&errno.into())),
        ),
    })?;
    let folder = is_folder(&tree).at(Step::Mount, what)?;
    // What the image does not have cannot be copied, nor whose it is.
    let copy_up = *copy_up && folder && root.open(&spec.target, FOLDER).is_ok();
    let target = if folder {
        root.make_folder(&spec.target)
    } else {
        root.make_file(&spec.target)
    }
    .at(Step::Mount, what)?;
    if !folder && is_folder(&target).at(Step::Mount, what)? {
        let text = format!("{}: the source is a file, the target a folder", what());
        return Err(StartFailure::new(Step::Mount, text));
    }
    if copy_up {
        fill(places, spec, &tree)?;
    }
    let read_only = if spec.read_only {
        attributes::RDONLY
    } else {
        0
    };
    attributes::set_attributes(&tree, 0, propagation, all)
        .and_then(|()| attributes::set_attributes(&tree, read_only, Propagation::Keep, !*shallow))
        .and_then(|()| attach(&tree, &target))
        .at(Step::Mount, what)
}

/// A part of a volume that cannot be mounted.
fn no_part(path: &str, errno: Errno, what: String) -> StartFailure {
    let why = match errno {
        Errno::XDEV => "leads out of it".to_owned(),
        Errno::NOENT => "is not there".to_owned(),
        other => reason(&other.into()),
    };
    StartFailure::new(Step::Mount, format!("{what}: its subpath `{path}` {why}"))
}

/// Does something in the host's mount namespace. Ours is a slave of it: it may lack what was mounted since, and what is
/// copied from ours never propagates back.
fn on_the_host<T>(
    host: BorrowedFd<'_>,
    act: impl FnOnce() -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let own = rustix::fs::open("/proc/self/ns/mnt", flags, Mode::empty())?;
    let enter = |ns: BorrowedFd<'_>| {
        setns(ns, CloneFlags::CLONE_NEWNS).map_err(|e| Errno::from_raw_os_error(e as i32))
    };
    enter(host)?;
    let done = act();
    enter(own.as_fd())?;
    done
}

/// A detached copy of the source. A subpath is resolved beneath it, so that a link in a volume cannot lead out.
fn source_tree(
    source: &Path,
    subpath: Option<&str>,
    recursive: bool,
) -> rustix::io::Result<OwnedFd> {
    let Some(subpath) = subpath else {
        let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        if recursive {
            flags |= OpenTreeFlags::AT_RECURSIVE;
        }
        return open_tree(CWD, source, flags);
    };
    let volume = rustix::fs::open(source, FOLDER, Mode::empty())?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let below = openat2(&volume, subpath, HANDLE, Mode::empty(), resolve)?;
    copy_of(below, recursive)
}

pub(super) fn propagation_of(word: Option<&str>) -> (Propagation, bool) {
    match word {
        Some("private") => (Propagation::Private, false),
        Some("slave") => (Propagation::Slave, false),
        Some("rslave") => (Propagation::Slave, true),
        Some("shared") => (Propagation::Shared, false),
        Some("rshared") => (Propagation::Shared, true),
        _ => (Propagation::Private, true),
    }
}

/// Copies what the image has at the target into an empty volume.
fn fill(places: Places<'_>, spec: &MountSpec, tree: &OwnedFd) -> Result<(), StartFailure> {
    let what = || format!("copy the image's `{}` to its volume", spec.target);
    let readable = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let volume = rustix::fs::openat(tree, ".", readable, Mode::empty()).at(Step::Mount, what)?;
    let mut entries = rustix::fs::Dir::read_from(&volume).at(Step::Mount, what)?;
    let empty = !entries
        .by_ref()
        .flatten()
        .any(|entry| !matches!(entry.file_name().to_bytes(), b"." | b".."));
    if !empty {
        return Ok(());
    }
    let image = places
        .root
        .open(&spec.target, readable)
        .at(Step::Mount, what)?;
    (places.hooks.copy_up)(image.as_fd(), volume.as_fd()).at(Step::Mount, what)
}

/// An image: mounted where no path leads, then a folder of it bound.
fn layers(places: Places<'_>, spec: &MountSpec, index: usize) -> Result<(), StartFailure> {
    let MountKind::Layers { lower, subpath } = &spec.kind else {
        return Ok(());
    };
    let what = || format!("mount an image at `{}`", spec.target);
    let tree = rootfs::layers(lower)?;
    let mount = || -> rustix::io::Result<()> {
        let name = index.to_string();
        mkdirat(places.files, &name, Mode::from_raw_mode(0o700))?;
        let place = rustix::fs::openat(places.files, &name, FOLDER, Mode::empty())?;
        attach(&tree, place)?;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let below = subpath.as_deref().unwrap_or(".");
        let below = openat2(&tree, below, HANDLE, Mode::empty(), resolve)?;
        let part = copy_of(&below, false)?;
        attributes::set_attributes(&part, attributes::RDONLY, Propagation::Private, false)?;
        let target = match is_folder(&part)? {
            true => places.root.make_folder(&spec.target)?,
            false => places.root.make_file(&spec.target)?,
        };
        attach(&part, target)
    };
    mount().at(Step::Mount, what)
}

/// A file made from bytes: never on the image's filesystem, never on the host's disk.
fn file(places: Places<'_>, spec: &MountSpec, index: usize) -> Result<(), StartFailure> {
    let MountKind::File {
        content,
        uid,
        gid,
        mode,
    } = &spec.kind
    else {
        return Ok(());
    };
    let make = || -> std::io::Result<()> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let made = rustix::fs::openat(
            places.files,
            index.to_string(),
            flags,
            Mode::from_raw_mode(0o600),
        )?;
        let mut made = std::fs::File::from(made);
        std::io::Write::write_all(&mut made, content)?;
        let (uid, gid) = (
            rustix::fs::Uid::from_raw(*uid),
            rustix::fs::Gid::from_raw(*gid),
        );
        rustix::fs::fchown(&made, Some(uid), Some(gid))?;
        rustix::fs::fchmod(&made, Mode::from_raw_mode(*mode))?;
        let tree = copy_of(&made, false)?;
        let read_only = if spec.read_only {
            attributes::RDONLY
        } else {
            0
        };
        let flags = read_only | attributes::NOSUID | attributes::NODEV | attributes::NOEXEC;
        attributes::set_attributes(&tree, flags, Propagation::Private, false)?;
        attach(tree, places.root.make_file(&spec.target)?)?;
        Ok(())
    };
    make().at(Step::Mount, || format!("mount a file at `{}`", spec.target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_undermine_the_container_are_refused() {
        for bad in [
            "",
            "/",
            "data",
            "/a/../../etc",
            "/proc",
            "/proc/",
            "//proc/./self",
            "/proc/sys",
        ] {
            assert!(check_target(bad).is_err(), "{bad}");
        }
        for good in ["/data", "/proc/meminfo", "/processes", "/etc/hosts"] {
            assert!(check_target(good).is_ok(), "{good}");
        }
    }
}
