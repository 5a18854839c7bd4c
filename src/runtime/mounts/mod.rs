//! Mounts of a container, all by descriptor.
//!
//! A mount is made detached (`fsmount`, `open_tree`), its target is opened beneath the root with `RESOLVE_IN_ROOT`, and
//! the two descriptors are joined by `move_mount`: no path is resolved twice, so a process that renames folders meanwhile
//! can change where inside its own root a mount lands, but never get it outside.
//!
//! Invariants: nothing is mounted at or below `/proc` by a user but the few files runc allows; `/dev`, `/proc` and `/sys`
//! of an image are folders or absent, never links.

mod defaults;
mod masks;
mod tmpfs;
mod user;

pub(crate) use defaults::Defaults;
pub(crate) use defaults::Hierarchy;
pub(crate) use defaults::bind_console;
pub(crate) use defaults::mount_cgroups;
pub(crate) use masks::protect;
pub(crate) use user::Places;
pub(crate) use user::mount_all;

use super::error::{At, StartFailure, Step};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    FileType, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, fstatfs, mkdirat, mknodat, openat2,
    readlinkat,
};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

/// The root directory of a container that is being made (or entered): every path is resolved beneath it.
#[derive(Clone, Copy)]
pub(crate) struct Root<'fd>(pub(crate) BorrowedFd<'fd>);

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const HANDLE: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// Dangling links followed for one path; the kernel's own limit is 40.
const LINKS: u32 = 16;

impl Root<'_> {
    /// Opens a path beneath the root, following its links as if the root were `/`. Magic links (`/proc/self/fd/N`,
    /// `/proc/self/exe`) lead nowhere.
    pub(crate) fn open(self, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            match openat2(
                self.0,
                path,
                flags | OFlags::CLOEXEC,
                Mode::empty(),
                resolve,
            ) {
                // Somebody renames in the tree just now, and the kernel cannot vouch for `..`.
                Err(Errno::AGAIN) => {}
                other => return other,
            }
        }
    }

    /// Opens a folder, making what is missing of its path. A link that dangles is followed to what it will be.
    pub(crate) fn make_folder(self, path: &str) -> rustix::io::Result<OwnedFd> {
        self.make(path, FileType::Directory, LINKS)
    }

    /// Opens a file (or whatever is there) to mount on, making an empty one if nothing is.
    pub(crate) fn make_file(self, path: &str) -> rustix::io::Result<OwnedFd> {
        self.make(path, FileType::RegularFile, LINKS)
    }

    fn make(self, path: &str, kind: FileType, links: u32) -> rustix::io::Result<OwnedFd> {
        let flags = if kind == FileType::Directory {
            FOLDER
        } else {
            HANDLE
        };
        match self.open(path, flags) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let (parent, name) = split(path).ok_or(Errno::INVAL)?;
        let folder = self.make(parent, FileType::Directory, links)?;
        let made = match kind {
            FileType::Directory => mkdirat(&folder, name, Mode::from_raw_mode(0o755)),
            kind => mknodat(&folder, name, kind, Mode::from_raw_mode(0o644), 0),
        };
        // On procfs what looks like a link is a way to a descriptor, of which we open some just here.
        if made == Err(Errno::EXIST)
            && fstatfs(&folder)?.f_type != PROC_SUPER_MAGIC
            && let Ok(target) = readlinkat(&folder, name, Vec::new())
        {
            let target = target.to_str().map_err(|_| Errno::ILSEQ)?;
            let links = links.checked_sub(1).ok_or(Errno::LOOP)?;
            return match target.strip_prefix('/') {
                Some(absolute) => self.make(&format!("/{absolute}"), kind, links),
                None => self.make(&format!("{parent}/{target}"), kind, links),
            };
        }
        ignore_existing(made)?;
        // Again from the root: what was just made may have been replaced by a link.
        self.open(path, flags)
    }

    /// Opens a folder right below the root that must not be a link (CVE-2026-41579: an image's `/dev` that leads elsewhere).
    fn plain_folder(self, name: &str) -> Result<OwnedFd, StartFailure> {
        ignore_existing(mkdirat(self.0, name, Mode::from_raw_mode(0o755)))
            .at(Step::Mount, || format!("make `/{name}`"))?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        openat2(self.0, name, FOLDER, Mode::empty(), resolve).map_err(|e| match e {
            Errno::LOOP | Errno::NOTDIR => {
                let text = format!("the image's `/{name}` is not a folder");
                StartFailure::new(Step::Mount, text)
            }
            e => {
                let reason = super::error::reason(&e.into());
                StartFailure::new(Step::Mount, format!("open `/{name}`: {reason}"))
            }
        })
    }
}

/// Parent and last component of a path; `None` for the root itself and for `..`, which cannot be made.
fn split(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_end_matches('/');
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = if parent.is_empty() { "/" } else { parent };
    (!matches!(name, "" | "." | "..")).then_some((parent, name))
}

fn ignore_existing(result: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match result {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// A fresh filesystem, detached.
fn filesystem(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> rustix::io::Result<OwnedFd> {
    let fs = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    // What `df` and `/proc/mounts` show in the first column; `options` may say otherwise.
    if !options.iter().any(|(key, _)| *key == "source") {
        fsconfig_set_string(fs.as_fd(), "source", kind)?;
    }
    for (key, value) in options {
        set_option(&fs, key, value)?;
    }
    finish(&fs, attributes)
}

/// One option of a filesystem that is being made; one without a value is a flag.
fn set_option(fs: &OwnedFd, key: &str, value: &str) -> rustix::io::Result<()> {
    match value {
        "" => fsconfig_set_flag(fs.as_fd(), key),
        value => fsconfig_set_string(fs.as_fd(), key, value),
    }
}

fn finish(fs: &OwnedFd, attributes: MountAttrFlags) -> rustix::io::Result<OwnedFd> {
    fsconfig_create(fs.as_fd())?;
    fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A tmpfs for files that are made from bytes and bound one by one.
pub(crate) fn staging() -> rustix::io::Result<OwnedFd> {
    filesystem("tmpfs", &[("mode", "700")], MountAttrFlags::empty())
}

/// A detached copy of the mount (and, `recursive`, those below) at what `fd` refers to.
fn copy_of(fd: impl AsFd, recursive: bool) -> rustix::io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(fd, "", flags)
}

/// Mounts a detached tree on what `target` refers to.
fn attach(tree: impl AsFd, target: impl AsFd) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", target, "", flags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_of_the_image_stay_in_the_image() {
        let outside = tempfile::tempdir().unwrap();
        let inside = tempfile::tempdir().unwrap();
        symlink(outside.path(), inside.path().join("abs")).unwrap();
        symlink("../../../../..", inside.path().join("up")).unwrap();
        std::fs::create_dir_all(
            inside
                .path()
                .join(outside.path().strip_prefix("/").unwrap()),
        )
        .unwrap();
        let dir = std::fs::File::open(inside.path()).unwrap();
        let root = Root(dir.as_fd());
        root.make_folder("/abs/made/deep").unwrap();
        root.make_file("/up/also/file").unwrap();
        assert!(std::fs::read_dir(outside.path()).unwrap().next().is_none());
        assert!(inside.path().join("also/file").is_file());
        symlink("../later/on", inside.path().join("also/dangling")).unwrap();
        symlink("/loop", inside.path().join("loop")).unwrap();
        root.make_file("/also/dangling/file").unwrap();
        assert!(inside.path().join("later/on/file").is_file());
        assert!(root.make_folder("/loop/x").is_err());
        assert!(root.make_folder("/missing/../x").is_err());
        assert!(root.open("/proc/self/root", FOLDER).is_err());
    }

    #[test]
    fn a_link_in_place_of_a_system_folder_is_refused_by_name() {
        let inside = tempfile::tempdir().unwrap();
        symlink("/etc", inside.path().join("dev")).unwrap();
        let dir = std::fs::File::open(inside.path()).unwrap();
        let failure = Root(dir.as_fd()).plain_folder("dev").unwrap_err();
        assert_eq!(failure.message, "the image's `/dev` is not a folder");
        assert!(Root(dir.as_fd()).plain_folder("proc").is_ok());
    }

    #[test]
    fn paths_split_as_they_are_made() {
        assert_eq!(split("/a/b/"), Some(("/a", "b")));
        assert_eq!(split("/a"), Some(("/", "a")));
        assert_eq!(split("/"), None);
        assert_eq!(split("/a/.."), None);
    }
}
