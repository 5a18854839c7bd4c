//! A layer archive becomes a folder that overlayfs can use as a lower layer.
//!
//! Nothing here trusts a path: every parent is opened with `openat2(RESOLVE_IN_ROOT)` below the layer's folder, every
//! last component is handled by `*at` calls that do not follow links, hard links are made from an opened file. Whiteouts
//! become character devices 0:0, opaque folders `trusted.overlay.opaque`; the result does not depend on the order in
//! which a layer's whiteouts and files come.
//!
//! Invariants: no call takes a path that is not below the folder's descriptor; what overlayfs itself interprets
//! (`trusted.*`, `user.overlay.*`) is never taken from an archive; what is written, counted and remembered is bounded by
//! [`Limits`].

mod entry;
mod metadata;
mod path;
mod tree;

use super::tarball::{Kind, Members, TarError};
use metadata::FolderTimes;
use path::MemberPath;
use rustix::fs::{Mode, OFlags};
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::path::Path;
use tree::Tree;

/// Why an archive could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive itself.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// A path or link that leads out of the layer, or cannot exist.
    #[error("refused `{path}`: {rule}")]
    Refused {
        /// The member, lossily as text.
        path: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// The kernel refused.
    #[error("cannot {action} `{path}` of the archive")]
    Io {
        /// A verb, e.g. `write`.
        action: &'static str,
        /// The member, lossily as text.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// More than was allowed.
    #[error("the archive has more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

impl Error {
    fn io(action: &'static str, path: &[u8]) -> impl FnOnce(rustix::io::Errno) -> Self {
        let path = text(path);
        move |errno| Self::Io {
            action,
            path,
            source: errno.into(),
        }
    }
}

/// How much one layer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of file content.
    pub bytes: u64,
    /// Members.
    pub members: u64,
}

impl Limits {
    /// What the file system of `folder` can take without being filled: all but a reserve of 256 MiB, or of a tenth of
    /// what is free if that is less; and ten million members, or nine tenths of the free inodes.
    pub fn of_file_system(folder: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(folder)?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let inodes = if stat.f_files == 0 {
            u64::MAX
        } else {
            stat.f_ffree / 10 * 9
        };
        Ok(Self {
            bytes: free - (free / 10).min(256 << 20),
            members: inodes.min(10_000_000),
        })
    }
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stats {
    /// Bytes of file content, hard links once.
    pub bytes: u64,
    /// Members of the archive.
    pub members: u64,
}

/// Unpacks all members into the folder `root`, which should be empty, and reads the stream to the end of the archive.
pub(super) fn unpack<R: Read>(
    members: &mut Members<R>,
    root: BorrowedFd<'_>,
    limits: Limits,
) -> Result<Stats, Error> {
    let mut unpacker = Unpacker {
        tree: Tree::new(root),
        folders: FolderTimes::default(),
        limits,
        stats: Stats::default(),
        buffer: vec![0; 128 << 10],
    };
    while let Some(member) = members.next()? {
        unpacker.stats.members += 1;
        if unpacker.stats.members > limits.members {
            return Err(Error::Limit {
                what: "members",
                limit: limits.members,
            });
        }
        let path = MemberPath::parse(&member.path)?;
        if let Some(hidden) = path.whiteout()? {
            unpacker.whiteout(&path, hidden)?;
        } else if !matches!(member.kind, Kind::Other(_)) {
            unpacker.member(&path, &member, members)?;
        }
    }
    unpacker.folders.apply(&unpacker.tree)?;
    Ok(unpacker.stats)
}

struct Unpacker<'a> {
    tree: Tree<'a>,
    folders: FolderTimes,
    limits: Limits,
    stats: Stats,
    buffer: Vec<u8>,
}

/// Flags of every descriptor opened here.
const NO_FOLLOW: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);

fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

fn bits(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o7777)
}

#[cfg(test)]
mod tests;
