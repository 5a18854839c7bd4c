//! Folders and files of a cgroup filesystem.

use super::Error;
use rustix::fs::CWD;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::openat;
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::path::PathBuf;

/// An open cgroup folder.
#[derive(Debug)]
pub struct Folder {
    /// Absolute.
    pub path: PathBuf,
    fd: OwnedFd,
}

impl Folder {
    /// Opens an existing one; `None` if there is none.
    pub fn open(path: PathBuf) -> Result<Option<Self>, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(CWD, &path, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { path, fd })),
            Err(Errno::NOENT | Errno::NODEV) => Ok(None),
            Err(errno) => Err(Error::reading(path)(errno.into())),
        }
    }

    /// Makes and opens `base/path`. `prepare` is called on each folder above a new one, before it is made.
    ///
    /// Parents may vanish while we walk, because the last container below them is being removed: then we start over.
    pub fn create(
        base: &Path,
        path: &str,
        prepare: impl Fn(&Path) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        for _ in 0..16 {
            let mut at = base.to_owned();
            let mut vanished = false;
            for part in path.split('/').filter(|part| !part.is_empty()) {
                prepare(&at)?;
                at.push(part);
                match rustix::fs::mkdir(&at, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(Errno::NOENT | Errno::NODEV) if base.exists() => vanished = true,
                    Err(errno) => return Err(Error::creating(&at)(errno.into())),
                }
            }
            if let Some(folder) = Self::open(at)?.filter(|_| !vanished) {
                return Ok(folder);
            }
        }
        Err(Error::creating(&base.join(path))(Errno::NOENT.into()))
    }

    /// Writes a value into a file.
    pub fn write(&self, file: &str, value: &str) -> Result<(), Error> {
        let failed = |errno: Errno| Error::Write {
            path: self.path.join(file),
            value: value.to_owned(),
            source: errno.into(),
        };
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let fd = openat(&self.fd, file, flags, Mode::empty()).map_err(failed)?;
        rustix::io::write(&fd, value.as_bytes())
            .map_err(failed)
            .map(drop)
    }

    /// Reads a file; `None` if there is no such file.
    pub fn read(&self, file: &str) -> Result<Option<String>, Error> {
        let path = || self.path.join(file);
        let fd = match openat(
            &self.fd,
            file,
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        ) {
            Ok(fd) => fd,
            // ENODEV: of a cgroup that was removed while we held it open.
            Err(Errno::NOENT | Errno::NODEV) => return Ok(None),
            Err(errno) => return Err(Error::reading(path())(errno.into())),
        };
        let mut text = String::new();
        match File::from(fd).read_to_string(&mut text) {
            Ok(_) => Ok(Some(text)),
            // The cgroup was removed between open and read.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(Error::reading(path())(error)),
        }
    }

    /// Opens a file to be polled.
    pub fn watch(&self, file: &str) -> Result<OwnedFd, Error> {
        openat(
            &self.fd,
            file,
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| Error::reading(self.path.join(file))(errno.into()))
    }

    /// The processes in it and below it.
    pub fn pids(&self) -> Result<Vec<i32>, Error> {
        let mut pids = numbers(&self.read("cgroup.procs")?.unwrap_or_default());
        for child in children(&self.path) {
            if let Some(folder) = Self::open(child)? {
                pids.extend(folder.pids()?);
            }
        }
        Ok(pids)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn numbers(text: &str) -> Vec<i32> {
    text.lines()
        .filter_map(|line| line.parse().ok())
        .filter(|pid| *pid > 0)
        .collect()
}

/// The cgroups directly below one.
pub fn children(path: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Removes a cgroup and those below it, deepest first. `Ok(false)`: some still has processes.
pub fn remove(path: &Path) -> Result<bool, Error> {
    match rustix::fs::rmdir(path) {
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(Errno::BUSY | Errno::NOTEMPTY) => {}
        Err(errno) => return Err(Error::removing(path)(errno.into())),
    }
    let mut empty = true;
    let below = children(path);
    for child in &below {
        empty &= remove(child)?;
    }
    // Without children it was its own processes that kept it.
    if empty && !below.is_empty() {
        return match rustix::fs::rmdir(path) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::BUSY | Errno::NOTEMPTY) => Ok(false),
            Err(errno) => Err(Error::removing(path)(errno.into())),
        };
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_with_their_parents_and_removed_with_their_children() {
        let dir = tempfile::tempdir().unwrap();
        let prepared = std::cell::RefCell::new(Vec::new());
        let folder = Folder::create(dir.path(), "a/b/c", |path| {
            prepared
                .borrow_mut()
                .push(path.strip_prefix(dir.path()).unwrap().to_owned());
            Ok(())
        })
        .unwrap();
        assert_eq!(folder.path, dir.path().join("a/b/c"));
        assert_eq!(prepared.into_inner(), ["", "a", "a/b"].map(PathBuf::from));
        assert!(remove(&dir.path().join("a")).unwrap());
        assert!(
            remove(&dir.path().join("a")).unwrap(),
            "what is gone is removed"
        );
        assert!(Folder::open(dir.path().join("a")).unwrap().is_none());
    }

    #[test]
    fn pids_are_those_of_the_whole_subtree() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path(), "a", |_| Ok(())).unwrap();
        std::fs::create_dir(dir.path().join("a/b")).unwrap();
        std::fs::write(dir.path().join("a/cgroup.procs"), "12\n0\n13\n").unwrap();
        std::fs::write(dir.path().join("a/b/cgroup.procs"), "14\n").unwrap();
        assert_eq!(folder.pids().unwrap(), [12, 13, 14]);
    }

    #[test]
    fn a_missing_file_is_none_and_a_refused_write_names_file_and_value() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path(), "a", |_| Ok(())).unwrap();
        assert_eq!(folder.read("memory.max").unwrap(), None);
        let error = folder.write("memory.max", "5").unwrap_err().to_string();
        assert!(
            error.contains("`5`") && error.contains("memory.max"),
            "{error}"
        );
    }
}
