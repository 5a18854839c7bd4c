//! The folder a layer is unpacked into, as descriptors.

use super::path::MAX_DEPTH;
use super::{Error, NO_FOLLOW, text};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, XattrFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// Links are followed within the layer and nowhere else; nothing is mounted in it.
const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

pub(super) struct Tree<'a> {
    root: BorrowedFd<'a>,
    /// Depth of the root itself, in components of its absolute path.
    root_depth: usize,
    /// The parent of the last member: archives list a folder's content together.
    last: Option<(Vec<u8>, Rc<OwnedFd>)>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(root: BorrowedFd<'a>) -> Self {
        Self {
            root,
            root_depth: depth(root).unwrap_or(0),
            last: None,
        }
    }

    /// Opens `path`, an existing folder; links in it are followed within the layer.
    pub(super) fn open_folder(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { &b"."[..] } else { path };
        let flags = flags | OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // EAGAIN: a rename raced with the resolution of `..` in a link's target.
        loop {
            match rustix::fs::openat2(self.root, path, flags, Mode::empty(), IN_ROOT) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                done => return done,
            }
        }
    }

    /// Opens the folder `path`, making what is missing of it.
    pub(super) fn folder(&mut self, path: &[u8]) -> Result<Rc<OwnedFd>, Error> {
        if let Some((last, fd)) = &self.last
            && last == path
        {
            return Ok(Rc::clone(fd));
        }
        let fd = match self.open_folder(path, OFlags::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR) => self.make_parents(path),
            done => done.map_err(Error::io("open", path)),
        }?;
        // Links can lead deeper than any path in the archive is long.
        if depth(fd.as_fd()).is_none_or(|depth| depth > self.root_depth + MAX_DEPTH) {
            return Err(Error::Refused {
                path: text(path),
                rule: "links lead deeper than 256 folders",
            });
        }
        let fd = Rc::new(fd);
        self.last = Some((path.to_vec(), Rc::clone(&fd)));
        Ok(fd)
    }

    /// The folder that a whiteout lies in; `None` if this layer has something else in its place, which hides all that was
    /// there: archives list a folder's old members also where a link or a file is put in place of it.
    pub(super) fn hiding_folder(&mut self, path: &[u8]) -> Result<Option<Rc<OwnedFd>>, Error> {
        match self.folder(path) {
            Err(Error::Refused { rule, .. }) if rule == NOT_A_FOLDER => Ok(None),
            done => done.map(Some),
        }
    }

    /// Missing folders are made as `mkdir -p` does; one that a whiteout stands for hides the lower layers' content.
    fn make_parents(&mut self, path: &[u8]) -> Result<OwnedFd, Error> {
        let mut current = self
            .open_folder(b"", OFlags::empty())
            .map_err(Error::io("open", path))?;
        let mut start = 0;
        while start < path.len() {
            let end = path[start..].iter().position(|&b| b == b'/');
            let end = end.map_or(path.len(), |offset| start + offset);
            let name = &path[start..end];
            current = match self.open_folder(&path[..end], OFlags::empty()) {
                Ok(next) => next,
                Err(Errno::NOENT | Errno::NOTDIR) => {
                    self.make_folder(current.as_fd(), name, Mode::from_raw_mode(0o755))
                        .map_err(|error| error.at(&path[..end]))?;
                    self.open_folder(&path[..end], OFlags::empty())
                        .map_err(Error::io("open", &path[..end]))?
                }
                Err(errno) => return Err(Error::io("open", &path[..end])(errno)),
            };
            start = end + 1;
        }
        Ok(current)
    }

    /// Makes a folder where there is nothing, or a whiteout.
    fn make_folder(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        mode: Mode,
    ) -> Result<(), Failed> {
        let whiteout = match stat(parent, name) {
            Ok(Some(found)) if is_whiteout(&found) => {
                rustix::fs::unlinkat(parent, name, AtFlags::empty())
                    .map_err(Failed::errno("replace"))?;
                true
            }
            Ok(Some(_)) => return Err(Failed::NotAFolder),
            Ok(None) => false,
            Err(errno) => return Err(Failed::Errno("read", errno)),
        };
        rustix::fs::mkdirat(parent, name, mode).map_err(Failed::errno("make folder"))?;
        if whiteout {
            let folder = open_folder_at(parent, name).map_err(Failed::errno("open"))?;
            set_opaque(folder.as_fd()).map_err(Failed::errno("mark as opaque"))?;
        }
        Ok(())
    }

    /// The folder `name` in `parent`: the one that is there, or a new one in place of whatever else is there.
    pub(super) fn ensure_folder(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
    ) -> Result<OwnedFd, Errno> {
        match open_folder_at(parent, name) {
            Err(Errno::NOENT) => {}
            Err(Errno::NOTDIR | Errno::LOOP) => {
                let whiteout = stat(parent, name)?.is_some_and(|found| is_whiteout(&found));
                self.remove(parent, name)?;
                rustix::fs::mkdirat(parent, name, Mode::RWXU)?;
                let folder = open_folder_at(parent, name)?;
                if whiteout {
                    set_opaque(folder.as_fd())?;
                }
                return Ok(folder);
            }
            done => return done,
        }
        rustix::fs::mkdirat(parent, name, Mode::RWXU)?;
        open_folder_at(parent, name)
    }

    /// Removes whatever `name` is, so that something else can take its place.
    pub(super) fn remove(&mut self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
        // The parent kept from the last member may be inside of it.
        self.last = None;
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(Errno::NOENT) => return Ok(()),
            done => return done,
        }
        let folder = open_folder_at(parent, name)?;
        for entry in rustix::fs::Dir::read_from(&folder)? {
            let entry = entry?;
            let child = entry.file_name().to_bytes();
            if child != b"." && child != b".." {
                self.remove(folder.as_fd(), child)?;
            }
        }
        rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
    }
}

const NOT_A_FOLDER: &str = "a member lies below something that is not a folder";

/// A call that failed while a parent was made; the caller knows its path.
enum Failed {
    Errno(&'static str, Errno),
    NotAFolder,
}

impl Failed {
    fn errno(action: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::Errno(action, errno)
    }

    fn at(self, path: &[u8]) -> Error {
        match self {
            Self::Errno(action, errno) => Error::io(action, path)(errno),
            Self::NotAFolder => Error::Refused {
                path: text(path),
                rule: NOT_A_FOLDER,
            },
        }
    }
}

/// Opens the folder `name` itself; a link is an error.
pub(super) fn open_folder_at(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | NO_FOLLOW;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// What `name` itself is; `None` if nothing.
pub(super) fn stat(parent: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Stat>, Errno> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Overlayfs reads a character device 0:0 as "not here".
pub(super) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

pub(super) fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// Overlayfs shows nothing of the lower layers in an opaque folder.
pub(super) fn set_opaque(folder: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::fs::fsetxattr(folder, "trusted.overlay.opaque", b"y", XattrFlags::empty())
}

/// Components of a descriptor's absolute path; `None` if it is longer than the kernel can say.
fn depth(fd: BorrowedFd<'_>) -> Option<usize> {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let path = rustix::fs::readlink(link, Vec::new()).ok()?;
    Some(path.as_bytes().iter().filter(|&&b| b == b'/').count())
}
