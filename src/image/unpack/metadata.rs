//! Owners, modes, extended attributes and times.

use super::path::MemberPath;
use super::tree::Tree;
use super::{Error, bits, text};
use crate::image::tarball::Member;
use indexmap::IndexMap;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// Bytes of folder paths remembered until the end of an archive.
const MAX_REMEMBERED: u64 = 128 << 20;

/// User and group of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    uid: Uid,
    gid: Gid,
}

impl Owner {
    /// Ids are 32 bits wide, and the highest one means "leave as it is" to the kernel.
    pub(super) fn of(path: &MemberPath, member: &Member) -> Result<Self, Error> {
        let id = |id: u64| {
            let id = u32::try_from(id).ok().filter(|&id| id != u32::MAX);
            id.ok_or_else(|| Error::Refused {
                path: text(path.as_bytes()),
                rule: "its owner is not a 32-bit id",
            })
        };
        Ok(Self {
            uid: Uid::from_raw(id(member.uid)?),
            gid: Gid::from_raw(id(member.gid)?),
        })
    }
}

/// Which attributes are taken from an archive: those of users, capabilities and ACLs. Not labels of a foreign policy,
/// and never what overlayfs reads as instructions.
fn is_wanted(name: &[u8]) -> bool {
    match name {
        b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default" => true,
        _ => name.starts_with(b"user.") && !name.starts_with(b"user.overlay."),
    }
}

fn set_xattrs(fd: BorrowedFd<'_>, path: &MemberPath, member: &Member) -> Result<(), Error> {
    for (name, value) in member.xattrs.iter().filter(|(name, _)| is_wanted(name)) {
        match rustix::fs::fsetxattr(fd, name.as_slice(), value, XattrFlags::empty()) {
            // File systems without ACLs or user attributes (tmpfs before 6.6): the file is still right to run.
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(Error::io("set an attribute of", path.as_bytes())(errno)),
        }
    }
    Ok(())
}

/// In this order: changing the owner clears set-id bits and capabilities.
pub(super) fn set_file(
    fd: BorrowedFd<'_>,
    path: &MemberPath,
    member: &Member,
) -> Result<(), Error> {
    let owner = Owner::of(path, member)?;
    let fail = || Error::io("set owner and mode of", path.as_bytes());
    rustix::fs::fchown(fd, Some(owner.uid), Some(owner.gid)).map_err(fail())?;
    rustix::fs::fchmod(fd, bits(member.mode)).map_err(fail())?;
    set_xattrs(fd, path, member)?;
    rustix::fs::futimens(fd, &times(member.mtime))
        .map_err(Error::io("set times of", path.as_bytes()))
}

/// Times come last of all, see [`FolderTimes`].
pub(super) fn set_folder(
    fd: BorrowedFd<'_>,
    path: &MemberPath,
    member: &Member,
    owner: Owner,
) -> Result<(), Error> {
    let fail = || Error::io("set owner and mode of", path.as_bytes());
    rustix::fs::fchown(fd, Some(owner.uid), Some(owner.gid)).map_err(fail())?;
    rustix::fs::fchmod(fd, bits(member.mode)).map_err(fail())?;
    set_xattrs(fd, path, member)
}

pub(super) fn set_link(
    parent: BorrowedFd<'_>,
    path: &MemberPath,
    member: &Member,
    owner: Owner,
) -> Result<(), Error> {
    let nofollow = AtFlags::SYMLINK_NOFOLLOW;
    let (uid, gid) = (Some(owner.uid), Some(owner.gid));
    rustix::fs::chownat(parent, path.name(), uid, gid, nofollow)
        .and_then(|()| rustix::fs::utimensat(parent, path.name(), &times(member.mtime), nofollow))
        .map_err(Error::io("set owner and times of", path.as_bytes()))
}

/// Devices and FIFOs. Nothing else writes to the layer's folder, so the name is still what was just made.
pub(super) fn set_node(
    parent: BorrowedFd<'_>,
    path: &MemberPath,
    member: &Member,
    owner: Owner,
) -> Result<(), Error> {
    set_link(parent, path, member, owner)?;
    rustix::fs::chmodat(parent, path.name(), bits(member.mode), AtFlags::empty())
        .map_err(Error::io("set mode of", path.as_bytes()))
}

/// Overlayfs's whiteout.
pub(super) fn make_whiteout(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    rustix::fs::mknodat(parent, name, FileType::CharacterDevice, Mode::empty(), 0)
}

fn times((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds.into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Times of folders, which members that come later would change.
#[derive(Default)]
pub(super) struct FolderTimes {
    times: IndexMap<Vec<u8>, (i64, u32)>,
    bytes: u64,
}

impl FolderTimes {
    pub(super) fn remember(&mut self, path: &MemberPath, member: &Member) -> Result<(), Error> {
        self.bytes += path.as_bytes().len() as u64 + 64;
        if self.bytes > MAX_REMEMBERED {
            return Err(Error::Limit {
                what: "bytes of folder names",
                limit: MAX_REMEMBERED,
            });
        }
        self.times.insert(path.as_bytes().to_vec(), member.mtime);
        Ok(())
    }

    /// Sets them; a folder that a later member replaced by something else is passed over.
    pub(super) fn apply(&self, tree: &Tree<'_>) -> Result<(), Error> {
        for (path, &time) in &self.times {
            match tree.open_folder(path, OFlags::NOFOLLOW) {
                Ok(folder) => rustix::fs::futimens(folder.as_fd(), &times(time))
                    .map_err(Error::io("set times of", path))?,
                Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => {}
                Err(errno) => return Err(Error::io("open", path)(errno)),
            }
        }
        Ok(())
    }
}
