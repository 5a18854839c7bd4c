//! A file system to copy from or to: a root folder, and for a container that does not run, what would be mounted in it.

use super::CopyError;
use crate::scheduler::supervisor::control::Root;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, mkdirat, openat2, statat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// A file system.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    read_only: bool,
    mounts: Vec<Mount>,
}

#[derive(Debug)]
struct Mount {
    target: PathBuf,
    source: OwnedFd,
    read_only: bool,
}

/// What is at a path, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A link; only where it is not followed.
    Link,
    /// A file or anything else.
    File,
}

/// What is copied: a name in a folder, or a folder itself.
pub(super) struct Item {
    /// `None`: `folder` is what is meant.
    pub name: Option<OsString>,
    pub folder: OwnedFd,
    pub kind: Kind,
    pub path: PathBuf,
}

/// Where things are copied to.
pub(super) struct Folder {
    pub fd: OwnedFd,
    pub path: PathBuf,
}

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

impl Tree {
    /// A whole file system.
    pub(super) fn whole(root: OwnedFd) -> Self {
        Self {
            root,
            read_only: false,
            mounts: Vec::new(),
        }
    }

    /// What the supervisor handed over of a container.
    pub(super) fn of_container(root: &Root, fds: Vec<OwnedFd>) -> Result<Self, CopyError> {
        let mut fds = fds.into_iter();
        let missing =
            || CopyError::Target("the supervisor sent no files with its answer".to_owned());
        let own = fds.next().ok_or_else(missing)?;
        let mount = |((target, read_only), source): (&(String, bool), OwnedFd)| Mount {
            target: PathBuf::from(target),
            source,
            read_only: *read_only,
        };
        Ok(Self {
            root: own,
            read_only: root.read_only,
            mounts: root.mounts.iter().zip(fds).map(mount).collect(),
        })
    }

    /// Where a path begins: at the root, or in what is mounted nearest above it.
    fn begin(&self, path: &Path) -> (BorrowedFd<'_>, PathBuf, bool) {
        let path = absolute(path);
        let mounts = self.mounts.iter().filter(|m| path.starts_with(&m.target));
        match mounts.max_by_key(|m| m.target.components().count()) {
            Some(mount) => {
                let rest = path.strip_prefix(&mount.target).unwrap_or(Path::new(""));
                (mount.source.as_fd(), rest.to_owned(), mount.read_only)
            }
            None => {
                let rest = path.strip_prefix("/").unwrap_or(&path).to_owned();
                (self.root.as_fd(), rest, self.read_only)
            }
        }
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let (root, rest, _) = self.begin(path);
        if rest.as_os_str().is_empty() {
            // The root itself, or a mount, which may be a single file.
            return rustix::fs::openat(root, ".", flags, Mode::empty()).or_else(
                |error| match error {
                    Errno::NOTDIR => rustix::io::fcntl_dupfd_cloexec(root, 3),
                    other => Err(other),
                },
            );
        }
        beneath(root, &rest, flags)
    }

    /// What is there; `None` = nothing.
    pub fn kind(&self, path: &Path) -> Result<Option<Kind>, CopyError> {
        match self.open(path, OFlags::PATH | OFlags::CLOEXEC) {
            Ok(fd) => {
                let stat = rustix::fs::fstat(&fd).map_err(CopyError::file("look at", path))?;
                Ok(Some(kind(stat.st_mode)))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(CopyError::file("look at", path)(error)),
        }
    }

    /// A folder to write into.
    pub(super) fn folder(&self, path: &Path) -> Result<Folder, CopyError> {
        if self.begin(path).2 {
            let text = format!("cannot copy to `{}`: it is read-only", path.display());
            return Err(CopyError::Target(text));
        }
        let fd = self.open(path, FOLDER);
        Ok(Folder {
            fd: fd.map_err(CopyError::file("open", path))?,
            path: path.to_owned(),
        })
    }

    /// Makes a folder in one that is there.
    pub(super) fn make_folder(&self, path: &Path) -> Result<(), CopyError> {
        let path = absolute(path);
        let parent = self.folder(path.parent().unwrap_or(Path::new("/")))?;
        let name = path.file_name().unwrap_or(OsStr::new("."));
        mkdirat(&parent.fd, name, Mode::from_raw_mode(0o755))
            .map_err(CopyError::file("make", path.clone()))
    }

    /// Makes a folder with those above it.
    pub(super) fn make_folders(&self, path: &Path) -> Result<(), CopyError> {
        let path = absolute(path);
        if self.kind(&path)?.is_some() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.make_folders(parent)?;
        }
        self.make_folder(&path)
    }

    /// What is to be copied.
    pub(super) fn item(&self, path: &Path, follow: bool) -> Result<Item, CopyError> {
        let failed = || CopyError::file("read", path);
        if follow || ends_as_folder(path) || self.begin(path).1.as_os_str().is_empty() {
            return self.resolved(path);
        }
        let whole = absolute(path);
        let parent = self
            .open(whole.parent().unwrap_or(Path::new("/")), FOLDER)
            .map_err(failed())?;
        let name = whole.file_name().unwrap_or(OsStr::new(".")).to_owned();
        let stat = statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed())?;
        let kind = kind(stat.st_mode);
        if kind == Kind::Folder {
            return self.resolved(path);
        }
        Ok(Item {
            name: Some(name),
            folder: parent,
            kind,
            path: path.to_owned(),
        })
    }

    /// What a path leads to, links followed.
    fn resolved(&self, path: &Path) -> Result<Item, CopyError> {
        let failed = || CopyError::file("read", path);
        let fd = self
            .open(path, OFlags::PATH | OFlags::CLOEXEC)
            .map_err(failed())?;
        let kind = kind(rustix::fs::fstat(&fd).map_err(failed())?.st_mode);
        let folder = match kind {
            Kind::Folder => self.open(path, FOLDER).map_err(failed())?,
            _ => fd,
        };
        Ok(Item {
            name: None,
            folder,
            kind,
            path: path.to_owned(),
        })
    }
}

/// Whether what is at a path below a folder is a folder itself; `None` = nothing is there.
pub(super) fn is_folder_at(folder: &Folder, below: &Path) -> Option<bool> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let parent = below.parent().filter(|p| !p.as_os_str().is_empty());
    let parent = match parent {
        Some(parent) => openat2(&folder.fd, parent, flags, Mode::empty(), resolve).ok()?,
        None => folder.fd.try_clone().ok()?,
    };
    let stat = statat(&parent, below.file_name()?, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(kind(stat.st_mode) == Kind::Folder)
}

fn kind(mode: u32) -> Kind {
    match FileType::from_raw_mode(mode) {
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Link,
        _ => Kind::File,
    }
}

/// Opens what is below `root` as seen by somebody whose `/` it is.
fn beneath(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    loop {
        match openat2(root, path, flags, Mode::empty(), resolve) {
            // Something was renamed while the kernel walked.
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

/// An absolute path without `.`, and without `..` as far as it can be told without looking.
fn absolute(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::ParentDir => drop(clean.pop()),
            Component::Normal(name) => clean.push(name),
            _ => {}
        }
    }
    clean
}

/// Whether a path is written as that of a folder: `a/`, `a/.`, `.`.
pub(super) fn ends_as_folder(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    bytes.ends_with(b"/") || means_content(path)
}

/// Whether the content of a folder is meant rather than the folder: `a/.`.
pub(super) fn means_content(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    bytes == b"." || bytes.ends_with(b"/.")
}

/// The last name of a path; none of `/`, and of the content of a folder.
pub(super) fn name_of(path: &Path) -> Option<OsString> {
    if means_content(path) {
        return None;
    }
    absolute(path).file_name().map(OsStr::to_owned)
}
