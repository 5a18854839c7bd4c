//! Bringing a set of changes from one tree to another in one stream: what is there is copied, what is not is removed.

use super::pack::Packer;
use super::tree::{Folder, Tree, is_folder_at};
use super::{CopyError, Manner, pack, unpack};
use crate::engine::Error;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One path that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it is, absolute.
    pub source: PathBuf,
    /// Where it goes below the target; empty = it is the target.
    pub below: PathBuf,
}

/// Brings changes to a target folder, which is made if it is not there; if the change is of the target itself, a file, to its
/// folder.
pub fn sync(from: &Tree, changes: &[Change], (to, target): (&Tree, &Path)) -> Result<(), Error> {
    let single = changes
        .iter()
        .any(|change| change.below.as_os_str().is_empty())
        && !changes.iter().any(|change| change.source.is_dir());
    let (folder, rename) = match (single, target.parent(), target.file_name()) {
        (true, Some(parent), Some(name)) => (parent, Some(Path::new(name))),
        _ => (target, None),
    };
    to.make_folders(folder)?;
    let folder = to.folder(folder)?;
    let mut wanted = Vec::new();
    for change in changes {
        let below = match rename {
            Some(name) => name.to_owned(),
            None if change.below.as_os_str().is_empty() => continue,
            None => change.below.clone(),
        };
        let kind = std::fs::symlink_metadata(&change.source).ok();
        if kind.as_ref().map(std::fs::Metadata::is_dir) != is_folder_at(&folder, &below) {
            remove(&folder, &below)?;
        }
        if kind.is_some() {
            wanted.push((change.source.as_path(), below));
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let (reader, writer) = io::pipe().map_err(CopyError::file("make a pipe for", target))?;
    std::thread::scope(|scope| {
        let packing = scope.spawn(move || pack_all(from, &wanted, writer));
        let unpacked = unpack::unpack(reader, &folder, Manner::default());
        let packed = packing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (packed, unpacked) {
            (Err(CopyError::Archive { .. }), Err(error)) => Err(error),
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(())) => Ok(()),
        }
    })?;
    Ok(())
}

/// Each as it is at this moment; a folder without what is in it, since that is told by itself.
fn pack_all(
    from: &Tree,
    wanted: &[(&Path, PathBuf)],
    archive: impl io::Write,
) -> Result<(), CopyError> {
    let mut packer = Packer::new(archive, Path::new("/")).lenient();
    for (source, below) in wanted {
        // What has vanished since will be told in a moment.
        let Ok(item) = from.item(source, false) else {
            continue;
        };
        match &item.name {
            Some(name) => packer.entry(item.folder.as_fd(), name, below)?,
            None => packer.empty_folder(item.folder.as_fd(), below)?,
        }
    }
    pack::finish(packer)
}

/// Removes what is at a path, with all below it; nothing there is fine.
fn remove(folder: &Folder, below: &Path) -> Result<(), CopyError> {
    let failed = || CopyError::file::<io::Error>("remove", folder.path.join(below));
    let failed = |error: io::Error| failed()(error);
    let mut at = folder.fd.try_clone().map_err(failed)?;
    let Some(name) = below.file_name() else {
        return Ok(());
    };
    for component in below.parent().into_iter().flat_map(Path::components) {
        at = match open_folder(at.as_fd(), component.as_os_str()) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
            other => other.map_err(|e| failed(e.into()))?,
        };
    }
    remove_at(at.as_fd(), name).map_err(|e| failed(e.into()))
}

fn remove_at(folder: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error),
    }
    let inner = open_folder(folder, name)?;
    for entry in Dir::read_from(&inner)? {
        let entry = entry?;
        let inside = entry.file_name().to_bytes();
        if inside != b"." && inside != b".." {
            remove_at(inner.as_fd(), OsStr::from_bytes(inside))?;
        }
    }
    unlinkat(folder, name, AtFlags::REMOVEDIR)
}

fn open_folder(folder: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty())
}
