//! Which files below some folders have changed: the kernel tells (inotify), we gather until it is quiet for a moment.
//!
//! What is told is a path, never what happened to it: whoever acts looks at what is there then. So renames, replacements and
//! bursts need no care, and a lost message costs one look at everything.

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So long nothing happens before what was gathered is told.
const QUIET: Duration = Duration::from_millis(15);
/// So long it is gathered at most.
const LONGEST: Duration = Duration::from_millis(150);

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noticed {
    /// These paths: they are new, or other, or gone.
    Paths(BTreeSet<PathBuf>),
    /// The kernel lost count: anything may have changed.
    Anything,
    /// Nobody wants to know any more.
    Cancelled,
}

/// Watches folders and all below them.
pub struct Notice<'a> {
    inotify: Inotify,
    folders: HashMap<WatchDescriptor, PathBuf>,
    /// Folders that need not be looked into.
    skipped: &'a dyn Fn(&Path) -> bool,
}

impl<'a> Notice<'a> {
    /// Watches `roots`, files or folders, as far as they are there.
    pub fn new(roots: &[PathBuf], skipped: &'a dyn Fn(&Path) -> bool) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let mut notice = Self {
            inotify,
            folders: HashMap::new(),
            skipped,
        };
        let mut found = BTreeSet::new();
        for root in roots {
            // A file is replaced by its editor: its folder tells.
            let folder = if root.is_dir() {
                Some(&**root)
            } else {
                root.parent()
            };
            if let Some(folder) = folder {
                notice.below(folder, root.is_dir(), &mut found)?;
            }
        }
        Ok(notice)
    }

    /// Watches a folder, with all below it if `deep`; what is in it is `found`.
    fn below(
        &mut self,
        folder: &Path,
        deep: bool,
        found: &mut BTreeSet<PathBuf>,
    ) -> io::Result<()> {
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_ONLYDIR
            | AddWatchFlags::IN_DONT_FOLLOW;
        match self.inotify.add_watch(folder, flags) {
            Ok(watch) => drop(self.folders.insert(watch, folder.to_owned())),
            // It went away, or was no folder any more.
            Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR) => return Ok(()),
            Err(nix::errno::Errno::ENOSPC) => {
                return Err(io::Error::other(
                    "too many folders: raise fs.inotify.max_user_watches, or ignore some",
                ));
            }
            Err(error) => return Err(error.into()),
        }
        if !deep {
            return Ok(());
        }
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Ok(());
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if (self.skipped)(&path) {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.below(&path, true, found)?;
            }
            found.insert(path);
        }
        Ok(())
    }

    /// Waits for the next change and gathers what comes with it.
    pub fn next(&mut self, cancel: BorrowedFd<'_>) -> io::Result<Noticed> {
        let mut paths = BTreeSet::new();
        let mut since: Option<Instant> = None;
        loop {
            let patience = since.map(|since| QUIET.min(LONGEST.saturating_sub(since.elapsed())));
            let (ready, cancelled) = self.wait(cancel, patience)?;
            if cancelled {
                return Ok(Noticed::Cancelled);
            }
            if !ready {
                return Ok(Noticed::Paths(paths));
            }
            if !self.gather(&mut paths)? {
                return Ok(Noticed::Anything);
            }
            if !paths.is_empty() {
                let first = *since.get_or_insert_with(Instant::now);
                if first.elapsed() >= LONGEST {
                    return Ok(Noticed::Paths(paths));
                }
            }
        }
    }

    fn wait(&self, cancel: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<(bool, bool)> {
        let inotify = self.inotify.as_fd();
        let mut fds = [
            PollFd::new(&inotify, PollFlags::IN),
            PollFd::new(&cancel, PollFlags::IN),
        ];
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        match poll(&mut fds, limit.as_ref()) {
            Ok(_) => Ok((!fds[0].revents().is_empty(), !fds[1].revents().is_empty())),
            Err(rustix::io::Errno::INTR) => Ok((true, false)),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes what the kernel has to tell; false if it lost count.
    fn gather(&mut self, paths: &mut BTreeSet<PathBuf>) -> io::Result<bool> {
        let events = match self.inotify.read_events() {
            Err(nix::errno::Errno::EAGAIN) => return Ok(true),
            other => other?,
        };
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                return Ok(false);
            }
            if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                self.folders.remove(&event.wd);
                continue;
            }
            let (Some(folder), Some(name)) = (self.folders.get(&event.wd), event.name) else {
                continue;
            };
            let path = folder.join(name);
            if (self.skipped)(&path) {
                continue;
            }
            let new = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
            if event.mask.contains(AddWatchFlags::IN_ISDIR) && event.mask.intersects(new) {
                // What was made in it before we watched is found by looking.
                self.below(&path, true, paths)?;
            }
            paths.insert(path);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn gathered(notice: &mut Notice<'_>, until: &Path) -> BTreeSet<PathBuf> {
        let (never, _open) = io::pipe().unwrap();
        let mut all = BTreeSet::new();
        while !all.contains(until) {
            match notice.next(never.as_fd()).unwrap() {
                Noticed::Paths(paths) => all.extend(paths),
                other => panic!("{other:?}"),
            }
        }
        all
    }

    #[test]
    fn a_replaced_file_and_a_moved_tree_are_noticed_and_what_is_skipped_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::create_dir_all(dir.path().join("outside/deep")).unwrap();
        fs::write(dir.path().join("outside/deep/f"), "x").unwrap();
        let skipped = |path: &Path| path.ends_with("skipped");
        let mut notice = Notice::new(std::slice::from_ref(&root), &skipped).unwrap();
        fs::write(root.join("skipped"), "x").unwrap();
        fs::write(root.join("sub/new"), "x").unwrap();
        fs::rename(root.join("sub/new"), root.join("sub/file")).unwrap();
        assert!(!gathered(&mut notice, &root.join("sub/file")).contains(&root.join("skipped")));
        fs::rename(dir.path().join("outside"), root.join("inside")).unwrap();
        gathered(&mut notice, &root.join("inside/deep/f"));
        fs::write(root.join("inside/deep/g"), "x").unwrap();
        gathered(&mut notice, &root.join("inside/deep/g"));
        fs::remove_file(root.join("inside/deep/g")).unwrap();
        gathered(&mut notice, &root.join("inside/deep/g"));
    }
}
