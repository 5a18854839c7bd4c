//! Files to a tar archive.

use super::CopyError;
use super::tree::{Item, Kind};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// Writes `item` under `name`; without one, the content of a folder.
pub(super) fn pack(
    item: &Item,
    name: Option<&OsStr>,
    archive: impl Write,
) -> Result<(), CopyError> {
    let mut packer = Packer::new(archive, &item.path);
    let name = name.map_or_else(|| PathBuf::from("."), PathBuf::from);
    match (&item.name, item.kind) {
        (None, Kind::Folder) => packer.folder(item.folder.as_fd(), &name)?,
        (None, _) => packer.resolved(item.folder.as_fd(), &name)?,
        (Some(own), _) => packer.entry(item.folder.as_fd(), own, &name)?,
    }
    finish(packer)
}

/// Writes the end of the archive.
pub(super) fn finish(packer: Packer<'_, impl Write>) -> Result<(), CopyError> {
    let mut archive = packer
        .archive
        .into_inner()
        .map_err(|source| CopyError::Archive {
            what: "written",
            source,
        })?;
    archive.flush().map_err(|source| CopyError::Archive {
        what: "written",
        source,
    })
}

/// An archive in the making.
pub(super) struct Packer<'a, W: Write> {
    archive: Builder<W>,
    source: &'a Path,
    /// What is not there at all is left out, too.
    lenient: bool,
}

impl<'a, W: Write> Packer<'a, W> {
    /// `source` is where its paths begin, for errors.
    pub(super) fn new(archive: W, source: &'a Path) -> Self {
        Self {
            archive: Builder::new(archive),
            source,
            lenient: false,
        }
    }

    fn failed<E: Into<io::Error>>(
        &self,
        below: &Path,
    ) -> impl FnOnce(E) -> CopyError + use<'a, E, W> {
        CopyError::file("read", self.source.join(below))
    }

    /// The same for what may vanish while it is packed.
    pub(super) fn lenient(self) -> Self {
        Self {
            lenient: true,
            ..self
        }
    }

    /// A folder and all below it.
    fn folder(&mut self, folder: BorrowedFd<'_>, path: &Path) -> Result<(), CopyError> {
        let stat = rustix::fs::fstat(folder).map_err(self.failed(path))?;
        self.write(&header(&stat, EntryType::Directory), path, io::empty())?;
        for name in names(folder).map_err(self.failed(path))? {
            self.entry(folder, &name, &path.join(&name))?;
        }
        Ok(())
    }

    /// A folder without what is in it.
    pub(super) fn empty_folder(
        &mut self,
        folder: BorrowedFd<'_>,
        path: &Path,
    ) -> Result<(), CopyError> {
        let stat = rustix::fs::fstat(folder).map_err(self.failed(path))?;
        self.write(&header(&stat, EntryType::Directory), path, io::empty())
    }

    /// What `name` is in `folder`, links as they are. What vanishes meanwhile is left out.
    pub(super) fn entry(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &OsStr,
        path: &Path,
    ) -> Result<(), CopyError> {
        let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(rustix::io::Errno::NOENT) if self.lenient || path != Path::new(name) => {
                return Ok(());
            }
            other => other.map_err(self.failed(path))?,
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let inner =
                    openat(folder, name, flags, Mode::empty()).map_err(self.failed(path))?;
                self.folder(inner.as_fd(), path)
            }
            FileType::Symlink => {
                let target = readlinkat(folder, name, Vec::new()).map_err(self.failed(path))?;
                let mut header = header(&stat, EntryType::Symlink);
                let target = OsStr::from_bytes(target.as_bytes());
                self.archive
                    .append_link(&mut header, path, target)
                    .map_err(written)
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = openat(folder, name, flags, Mode::empty()).map_err(self.failed(path))?;
                self.file(file, &stat, path)
            }
            FileType::Fifo => self.write(&header(&stat, EntryType::Fifo), path, io::empty()),
            FileType::CharacterDevice => self.device(&stat, EntryType::Char, path),
            FileType::BlockDevice => self.device(&stat, EntryType::Block, path),
            // A socket is nothing without the process that listens.
            _ => Ok(()),
        }
    }

    /// A file that was found by following links.
    fn resolved(&mut self, found: BorrowedFd<'_>, path: &Path) -> Result<(), CopyError> {
        let stat = rustix::fs::fstat(found).map_err(self.failed(Path::new("")))?;
        let again = format!("/proc/self/fd/{}", found.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(rustix::fs::CWD, again, flags, Mode::empty());
        self.file(file.map_err(self.failed(Path::new("")))?, &stat, path)
    }

    /// Exactly as many bytes as the header says, whatever happens to the file meanwhile.
    fn file(&mut self, file: OwnedFd, stat: &Stat, path: &Path) -> Result<(), CopyError> {
        let mut header = header(stat, EntryType::Regular);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        header.set_size(size);
        let whole = File::from(file).chain(io::repeat(0)).take(size);
        self.write(&header, path, whole)
    }

    fn device(&mut self, stat: &Stat, kind: EntryType, path: &Path) -> Result<(), CopyError> {
        let mut header = header(stat, kind);
        header
            .set_device_major(rustix::fs::major(stat.st_rdev))
            .and_then(|()| header.set_device_minor(rustix::fs::minor(stat.st_rdev)))
            .map_err(written)?;
        self.write(&header, path, io::empty())
    }

    fn write(&mut self, header: &Header, path: &Path, data: impl Read) -> Result<(), CopyError> {
        let mut header = header.clone();
        self.archive
            .append_data(&mut header, path, data)
            .map_err(written)
    }
}

fn written(source: io::Error) -> CopyError {
    CopyError::Archive {
        what: "written",
        source,
    }
}

fn header(stat: &Stat, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
    header.set_size(0);
    header
}

fn names(folder: BorrowedFd<'_>) -> rustix::io::Result<Vec<std::ffi::OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort();
    Ok(names)
}
