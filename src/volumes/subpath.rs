//! A part of a volume.

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Opens `subpath` of the folder `root` as an `O_PATH` descriptor, to be mounted. Links within the volume are followed;
/// one that leads out of it is `EXDEV`, for the volume is written by containers.
pub fn open(root: BorrowedFd<'_>, subpath: &str) -> io::Result<OwnedFd> {
    let path = if subpath.is_empty() { "." } else { subpath };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(
            root,
            path,
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            resolve,
        ) {
            // A rename raced with the resolution of `..`.
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_subpath_stays_in_its_volume() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("v");
        fs::create_dir_all(root.join("a/b")).unwrap();
        symlink("a/b", root.join("in")).unwrap();
        symlink("..", root.join("out")).unwrap();
        symlink("/etc", root.join("etc")).unwrap();
        let root = File::open(root).unwrap();
        for good in ["", "a", "a/b", "in", "a/../a"] {
            assert!(open(root.as_fd(), good).is_ok(), "{good}");
        }
        for bad in [
            "..",
            "/etc",
            "out",
            "etc",
            "etc/passwd",
            "a/../..",
            "missing",
        ] {
            assert!(open(root.as_fd(), bad).is_err(), "{bad}");
        }
    }
}
