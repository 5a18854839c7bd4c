//! A tar archive to files.

use super::tree::Folder;
use super::{CopyError, Manner};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_NOW, Uid,
    linkat, mkdirat, mknodat, openat, openat2, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use tar::{Archive, Entry, EntryType, Header};

/// Unpacks into a folder.
pub(super) fn unpack(archive: impl Read, folder: &Folder, manner: Manner) -> Result<(), CopyError> {
    let mut unpacker = Unpacker {
        folder,
        manner,
        folders: Vec::new(),
    };
    let mut archive = Archive::new(archive);
    let unreadable = |source| CopyError::Archive {
        what: "read",
        source,
    };
    for entry in archive.entries().map_err(unreadable)? {
        unpacker.entry(entry.map_err(unreadable)?)?;
    }
    unpacker.finish();
    // Whoever writes the archive may still be writing its padding.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(unreadable)?;
    Ok(())
}

struct Unpacker<'a> {
    folder: &'a Folder,
    manner: Manner,
    /// Folders whose times are set when nothing more comes into them.
    folders: Vec<(PathBuf, Header)>,
}

impl Unpacker<'_> {
    fn failed<E: Into<io::Error>>(&self, path: &Path) -> impl FnOnce(E) -> CopyError + use<E> {
        CopyError::file("write", self.folder.path.join(path))
    }

    fn entry(&mut self, mut entry: Entry<'_, impl Read>) -> Result<(), CopyError> {
        let unreadable = |source| CopyError::Archive {
            what: "read",
            source,
        };
        let path = clean(&entry.path().map_err(unreadable)?);
        let header = entry.header().clone();
        let Some(name) = path.file_name().map(OsStr::to_owned) else {
            return Ok(()); // the folder itself, which is there
        };
        let parent = self.parent(&path)?;
        let kind = header.entry_type();
        if kind == EntryType::Directory {
            self.make(parent.as_fd(), &name, &path)?;
            self.folders.push((path, header));
            return Ok(());
        }
        self.clear(parent.as_fd(), &name, &path)?;
        let at = (parent.as_fd(), name.as_os_str());
        match kind {
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default();
                symlinkat(OsStr::from_bytes(&target), at.0, at.1).map_err(self.failed(&path))?;
            }
            EntryType::Link => {
                let target = entry.link_name().map_err(unreadable)?.unwrap_or_default();
                return self.link(&clean(&target), at, &path);
            }
            EntryType::Fifo => self.node(at, FileType::Fifo, &header, &path)?,
            EntryType::Char => self.node(at, FileType::CharacterDevice, &header, &path)?,
            EntryType::Block => self.node(at, FileType::BlockDevice, &header, &path)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(at, &mut entry, &path)?;
            }
            // Comments of the archive itself.
            _ => return Ok(()),
        }
        self.dress(at, &header).map_err(self.failed(&path))
    }

    /// The folder that `path` is in; made as far as it is missing, and never reached through a link.
    fn parent(&self, path: &Path) -> Result<OwnedFd, CopyError> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let mut folder = self.folder.fd.try_clone().map_err(self.failed(path))?;
        for component in parent.components() {
            let name = component.as_os_str();
            let next = match open_folder(folder.as_fd(), name) {
                Err(Errno::NOENT) => {
                    let mode = Mode::from_raw_mode(0o755);
                    mkdirat(&folder, name, mode).map_err(self.failed(path))?;
                    open_folder(folder.as_fd(), name)
                }
                other => other,
            };
            folder = next.map_err(self.failed(path))?;
        }
        Ok(folder)
    }

    /// A folder that is there stays; anything else makes room for it.
    fn make(&self, parent: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<(), CopyError> {
        match mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
            Err(Errno::EXIST) if is_folder(parent, name) => Ok(()),
            Err(Errno::EXIST) => {
                let text = format!(
                    "cannot copy a folder over `{}`, which is none",
                    self.folder.path.join(path).display()
                );
                Err(CopyError::Target(text))
            }
            other => other.map_err(self.failed(path)),
        }
    }

    /// Takes what is there away, unless it is a folder.
    fn clear(&self, parent: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<(), CopyError> {
        match unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => {
                let text = format!(
                    "cannot copy a file over the folder `{}`",
                    self.folder.path.join(path).display()
                );
                Err(CopyError::Target(text))
            }
            Err(Errno::BUSY | Errno::PERM) => Ok(()), // a mount: it is written to, or the next step says why not
            Err(error) => Err(self.failed(path)(error)),
        }
    }

    fn file(
        &self,
        (parent, name): (BorrowedFd<'_>, &OsStr),
        entry: &mut Entry<'_, impl Read>,
        path: &Path,
    ) -> Result<(), CopyError> {
        let flags = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::TRUNC
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::CLOEXEC;
        let file = openat(parent, name, flags, Mode::from_raw_mode(0o600));
        let mut file = File::from(file.map_err(self.failed(path))?);
        io::copy(entry, &mut file).map_err(self.failed(path))?;
        Ok(())
    }

    fn node(
        &self,
        (parent, name): (BorrowedFd<'_>, &OsStr),
        kind: FileType,
        header: &Header,
        path: &Path,
    ) -> Result<(), CopyError> {
        let number = |part: io::Result<Option<u32>>| part.ok().flatten().unwrap_or(0);
        let device =
            rustix::fs::makedev(number(header.device_major()), number(header.device_minor()));
        mknodat(parent, name, kind, Mode::from_raw_mode(0o600), device).map_err(self.failed(path))
    }

    /// A second name for a file of the same archive.
    fn link(
        &self,
        target: &Path,
        (parent, name): (BorrowedFd<'_>, &OsStr),
        path: &Path,
    ) -> Result<(), CopyError> {
        let folder = self.parent(target)?;
        let target = target.file_name().unwrap_or(OsStr::new("."));
        linkat(&folder, target, parent, name, AtFlags::empty()).map_err(self.failed(path))
    }

    /// Owner, mode and time.
    fn dress(
        &self,
        (parent, name): (BorrowedFd<'_>, &OsStr),
        header: &Header,
    ) -> Result<(), Errno> {
        let (mut uid, mut gid) = (0, 0);
        if self.manner.keep_owner {
            let number = |id: io::Result<u64>| id.ok().and_then(|id| u32::try_from(id).ok());
            uid = number(header.uid()).unwrap_or(0);
            gid = number(header.gid()).unwrap_or(0);
        }
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        rustix::fs::chownat(parent, name, owner.0, owner.1, nofollow)?;
        if header.entry_type() != EntryType::Symlink {
            let mode = Mode::from_raw_mode(header.mode().unwrap_or(0o644) & 0o7777);
            rustix::fs::chmodat(parent, name, mode, AtFlags::empty())?;
        }
        let time = i64::try_from(header.mtime().unwrap_or(0)).unwrap_or(0);
        let times = Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_NOW,
            },
            last_modification: Timespec {
                tv_sec: time,
                tv_nsec: 0,
            },
        };
        utimensat(parent, name, &times, nofollow)
    }

    /// Dresses the folders, inner ones first. One that was removed meanwhile has nothing to be dressed.
    fn finish(&mut self) {
        for (path, header) in std::mem::take(&mut self.folders).into_iter().rev() {
            if let (Ok(parent), Some(name)) = (self.parent(&path), path.file_name()) {
                let _ = self.dress((parent.as_fd(), name), &header);
            }
        }
    }
}

fn open_folder(parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(parent, name, flags, Mode::empty(), resolve)
}

fn is_folder(parent: BorrowedFd<'_>, name: &OsStr) -> bool {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// A path below the folder: no root, no `.`, and `..` leads no further up than to it.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(clean.pop()),
            Component::Normal(name) => clean.push(OsString::from(name)),
            _ => {}
        }
    }
    clean
}
