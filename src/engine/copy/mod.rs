//! `cp`: files between a container and here, as a tar stream from one folder to another.
//!
//! ```text
//!  Tree (dirfd + path) ─▶ pack ─▶ tar ─▶ unpack ─▶ Tree
//!                           stdout ◀┘  └▶ stdin
//! ```
//!
//! Invariants: every path of a container is resolved beneath its root by `openat2`; an archive writes nowhere but below the
//! folder it is unpacked into, and follows no link there; a folder is never replaced by something else.

mod pack;
mod sync;
mod tree;
mod unpack;

pub use sync::{Change, sync};
pub use tree::{Kind, Tree};

use super::connection::Call;
use super::up::unexpected;
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{Place, Reply, Request};
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// How files are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Manner {
    /// Keep user and group; otherwise everything belongs to the one whose file system it comes to.
    pub keep_owner: bool,
    /// If the source is a link, copy what it points to.
    pub follow: bool,
}

/// What could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A file failed.
    #[error("cannot {what} `{}`", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The target is no place for the source.
    #[error("{0}")]
    Target(String),
    /// The stream failed.
    #[error("the archive cannot be {what}")]
    Archive {
        /// `read` or `written`.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl CopyError {
    fn file<E: Into<io::Error>>(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::File {
            what,
            path,
            source: source.into(),
        }
    }
}

/// The files of a container.
pub fn container(engine: &Engine, project: &ProjectName, place: Place) -> Result<Tree, Error> {
    let call = Call {
        engine,
        project,
        request: Request::Root(place),
        cancel: None,
    };
    let answer = call.run(&mut |_| ())?;
    let Reply::Root(root) = answer.reply else {
        return Err(unexpected(&answer.reply));
    };
    Ok(Tree::of_container(&root, answer.fds)?)
}

/// The files here.
pub fn here() -> Result<Tree, Error> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, "/", flags, Mode::empty());
    Ok(Tree::whole(root.map_err(CopyError::file("open", "/"))?))
}

/// Copies a file or folder of one tree to another, as `cp -r` would: into a folder that is there, or under a new name.
pub fn copy(
    (from, source): (&Tree, &Path),
    (to, target): (&Tree, &Path),
    manner: Manner,
) -> Result<(), Error> {
    let item = from.item(source, manner.follow)?;
    let (folder, name) = place(to, target, &item, source)?;
    let (reader, writer) = io::pipe().map_err(CopyError::file("make a pipe for", source))?;
    std::thread::scope(|scope| {
        let packing = scope.spawn(move || pack::pack(&item, name.as_deref(), writer));
        let unpacked = unpack::unpack(reader, &folder, manner);
        let packed = packing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // Where one end fails, the other only sees a broken pipe.
        match (packed, unpacked) {
            (Err(CopyError::Archive { .. }), Err(error)) => Err(error),
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(())) => Ok(()),
        }
    })?;
    Ok(())
}

/// Writes a file or folder as a tar archive.
pub fn to_archive(
    from: &Tree,
    source: &Path,
    manner: Manner,
    archive: impl Write,
) -> Result<(), Error> {
    let item = from.item(source, manner.follow)?;
    let name = tree::name_of(source);
    Ok(pack::pack(&item, name.as_deref(), archive)?)
}

/// Unpacks a tar archive into a folder that is there.
pub fn from_archive(
    archive: impl Read,
    to: &Tree,
    target: &Path,
    manner: Manner,
) -> Result<(), Error> {
    match to.kind(target)? {
        Some(Kind::Folder) => {}
        Some(_) => return Err(target_is(target, "is not a folder").into()),
        None => return Err(target_is(target, "does not exist").into()),
    }
    Ok(unpack::unpack(archive, &to.folder(target)?, manner)?)
}

/// Into which folder, and under which name; `None` = the content of a folder goes into the folder.
fn place(
    to: &Tree,
    target: &Path,
    item: &tree::Item,
    source: &Path,
) -> Result<(tree::Folder, Option<std::ffi::OsString>), CopyError> {
    let wants_folder = tree::ends_as_folder(target);
    match (to.kind(target)?, item.kind) {
        (Some(Kind::Folder), Kind::Folder) if tree::means_content(source) => {
            Ok((to.folder(target)?, None))
        }
        (Some(Kind::Folder), _) => Ok((to.folder(target)?, tree::name_of(source))),
        (Some(_), Kind::Folder) => Err(target_is(target, "is no folder, but the source is one")),
        (Some(_), _) if wants_folder => Err(target_is(target, "is not a folder")),
        (None, Kind::Folder) => {
            to.make_folder(target)?;
            Ok((to.folder(target)?, None))
        }
        (None, _) if wants_folder => Err(target_is(target, "does not exist")),
        (_, _) => {
            let parent = target.parent().unwrap_or(Path::new("/"));
            if to.kind(parent)? != Some(Kind::Folder) {
                return Err(target_is(parent, "does not exist"));
            }
            Ok((to.folder(parent)?, tree::name_of(target)))
        }
    }
}

fn target_is(target: &Path, what: &str) -> CopyError {
    CopyError::Target(format!("cannot copy to `{}`: it {what}", target.display()))
}

#[cfg(test)]
mod tests;
