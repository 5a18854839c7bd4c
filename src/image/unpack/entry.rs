//! One member becomes one file, folder, link or device.

use super::metadata::{self, Owner};
use super::path::{MemberPath, Whiteout};
use super::tree::{self, set_opaque};
use super::{Error, NO_FOLLOW, Unpacker, bits, text};
use crate::image::tarball::{Kind, Member, Members};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

impl Unpacker<'_> {
    /// A whiteout hides what the lower layers have, never what this layer has, wherever in the archive it stands.
    pub(super) fn whiteout(
        &mut self,
        path: &MemberPath,
        hidden: Whiteout<'_>,
    ) -> Result<(), Error> {
        if hidden == Whiteout::Nothing {
            return Ok(());
        }
        let Some(parent) = self.tree.hiding_folder(path.parent())? else {
            return Ok(());
        };
        let Whiteout::Name(name) = hidden else {
            return set_opaque(parent.as_fd()).map_err(Error::io("mark as opaque", path.parent()));
        };
        let fail = || Error::io("hide", path.as_bytes());
        match tree::stat(parent.as_fd(), name).map_err(fail())? {
            None => metadata::make_whiteout(parent.as_fd(), name).map_err(fail()),
            Some(found) if tree::is_folder(&found) => {
                let folder = tree::open_folder_at(parent.as_fd(), name).map_err(fail())?;
                set_opaque(folder.as_fd()).map_err(fail())
            }
            Some(_) => Ok(()),
        }
    }

    pub(super) fn member<R: Read>(
        &mut self,
        path: &MemberPath,
        member: &Member,
        body: &mut Members<R>,
    ) -> Result<(), Error> {
        let owner = Owner::of(path, member)?;
        if path.is_root() {
            return self.root(path, member, owner);
        }
        let parent = self.tree.folder(path.parent())?;
        let parent = parent.as_fd();
        match &member.kind {
            Kind::File => self.file(parent, path, member, body),
            Kind::Folder => self.folder(parent, path, member, owner),
            Kind::HardLink(target) => self.hard_link(parent, path, target),
            Kind::Symlink(target) => {
                if target.is_empty() || target.len() > 4095 || target.contains(&0) {
                    return Err(Error::Refused {
                        path: text(path.as_bytes()),
                        rule: "a symbolic link must have a target of up to 4095 bytes",
                    });
                }
                let make = |parent: BorrowedFd<'_>, name: &[u8]| {
                    rustix::fs::symlinkat(target.as_slice(), parent, name)
                };
                self.place(parent, path, make)?;
                metadata::set_link(parent, path, member, owner)
            }
            kind => {
                let (kind, device) = node(kind);
                let make = |parent: BorrowedFd<'_>, name: &[u8]| {
                    rustix::fs::mknodat(parent, name, kind, Mode::RUSR | Mode::WUSR, device)
                };
                self.place(parent, path, make)?;
                metadata::set_node(parent, path, member, owner)
            }
        }
    }

    /// Makes something new at `path`; what an earlier member made there is removed first.
    fn place<T>(
        &mut self,
        parent: BorrowedFd<'_>,
        path: &MemberPath,
        make: impl Fn(BorrowedFd<'_>, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, Error> {
        match make(parent, path.name()) {
            Err(Errno::EXIST) => {
                self.tree
                    .remove(parent, path.name())
                    .map_err(Error::io("replace", path.as_bytes()))?;
                make(parent, path.name())
            }
            done => done,
        }
        .map_err(Error::io("make", path.as_bytes()))
    }

    /// The member `./`: owner, mode and times of the layer's root.
    fn root(&mut self, path: &MemberPath, member: &Member, owner: Owner) -> Result<(), Error> {
        if member.kind != Kind::Folder {
            return Err(Error::Refused {
                path: "/".into(),
                rule: "the root of a layer must be a folder",
            });
        }
        let root = self.tree.folder(b"")?;
        metadata::set_folder(root.as_fd(), path, member, owner)?;
        self.folders.remember(path, member)
    }

    fn folder(
        &mut self,
        parent: BorrowedFd<'_>,
        path: &MemberPath,
        member: &Member,
        owner: Owner,
    ) -> Result<(), Error> {
        let folder = self
            .tree
            .ensure_folder(parent, path.name())
            .map_err(Error::io("make folder", path.as_bytes()))?;
        metadata::set_folder(folder.as_fd(), path, member, owner)?;
        self.folders.remember(path, member)
    }

    /// The target is opened below the root without following a last link, and linked by descriptor.
    fn hard_link(
        &mut self,
        parent: BorrowedFd<'_>,
        path: &MemberPath,
        target: &[u8],
    ) -> Result<(), Error> {
        let fail = || Error::io("link", path.as_bytes());
        let target = MemberPath::parse(target)?;
        let source = self
            .tree
            .open_folder(target.parent(), OFlags::PATH)
            .map_err(fail())?;
        let source = rustix::fs::openat(
            &source,
            target.name(),
            OFlags::PATH | NO_FOLLOW,
            Mode::empty(),
        )
        .map_err(fail())?;
        let found = rustix::fs::fstat(&source).map_err(fail())?;
        if tree::is_folder(&found) {
            return Err(Error::Refused {
                path: text(path.as_bytes()),
                rule: "a hard link must not lead to a folder",
            });
        }
        // A member that links to itself would otherwise be removed before it is linked.
        let existing = tree::stat(parent, path.name()).map_err(fail())?;
        if existing.is_some_and(|e| (e.st_dev, e.st_ino) == (found.st_dev, found.st_ino)) {
            return Ok(());
        }
        let by_fd = format!("/proc/self/fd/{}", source.as_raw_fd());
        self.place(parent, path, |parent, name| {
            // An empty path needs CAP_DAC_READ_SEARCH before Linux 6.10; without it, procfs names the descriptor.
            match rustix::fs::linkat(&source, "", parent, name, AtFlags::EMPTY_PATH) {
                Err(Errno::NOENT) => rustix::fs::linkat(
                    rustix::fs::CWD,
                    by_fd.as_str(),
                    parent,
                    name,
                    AtFlags::SYMLINK_FOLLOW,
                ),
                done => done,
            }
        })
    }

    fn file<R: Read>(
        &mut self,
        parent: BorrowedFd<'_>,
        path: &MemberPath,
        member: &Member,
        body: &mut Members<R>,
    ) -> Result<(), Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | NO_FOLLOW;
        let file = self.place(parent, path, |parent, name| {
            rustix::fs::openat(parent, name, flags, bits(0o600))
        })?;
        let mut file = std::fs::File::from(file);
        let fail = |action, source| Error::Io {
            action,
            path: text(path.as_bytes()),
            source,
        };
        let mut end = 0;
        for &(offset, length) in &member.segments {
            self.count(length)?;
            if offset != end {
                file.seek(SeekFrom::Start(offset))
                    .map_err(|e| fail("write", e))?;
            }
            let mut left = length;
            while left > 0 {
                let want = self
                    .buffer
                    .len()
                    .min(usize::try_from(left).unwrap_or(usize::MAX));
                let n = fill(body, &mut self.buffer[..want]).map_err(|e| fail("read", e))?;
                write_or_skip(&mut file, &self.buffer[..n]).map_err(|e| fail("write", e))?;
                left -= n as u64;
            }
            end = offset + length;
        }
        if member.size >= ZEROS as u64 || member.segments.len() > 1 || end != member.size {
            file.set_len(member.size).map_err(|e| fail("write", e))?;
        }
        metadata::set_file(file.as_fd(), path, member)
    }

    /// Holds the declared limit before anything is written.
    fn count(&mut self, bytes: u64) -> Result<(), Error> {
        self.stats.bytes = self.stats.bytes.saturating_add(bytes);
        if self.stats.bytes > self.limits.bytes {
            return Err(Error::Limit {
                what: "bytes",
                limit: self.limits.bytes,
            });
        }
        Ok(())
    }
}

/// Runs of zeros this long become holes.
const ZEROS: usize = 64 << 10;

/// Writes, but leaves a hole where the bytes are a long run of zeros: files made sparse stay sparse, and a bomb of zeros
/// takes no room.
fn write_or_skip(file: &mut std::fs::File, bytes: &[u8]) -> std::io::Result<()> {
    if bytes.len() >= ZEROS && bytes.iter().all(|&b| b == 0) {
        file.seek(SeekFrom::Current(bytes.len() as i64)).map(drop)
    } else {
        file.write_all(bytes)
    }
}

/// Fills the buffer, or reads to the end of the body.
fn fill<R: Read>(body: &mut Members<R>, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match body.read_body(&mut buffer[filled..]) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => filled += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn node(kind: &Kind) -> (FileType, u64) {
    match kind {
        Kind::Char(major, minor) => (
            FileType::CharacterDevice,
            rustix::fs::makedev(*major, *minor),
        ),
        Kind::Block(major, minor) => (FileType::BlockDevice, rustix::fs::makedev(*major, *minor)),
        _ => (FileType::Fifo, 0),
    }
}
