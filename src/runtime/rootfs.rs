//! The root filesystem: overlayfs, mounted in the container's own mount namespace, then made `/`.
//!
//! Mounted there and not on the host, so that a `kill -9` of any process of ours leaves no mount behind.

use super::error::{At, StartFailure, Step};
use super::spec::Rootfs;
use super::sys::mount as attributes;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount,
    mount_change, move_mount, open_tree, unmount,
};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Stops mounts from passing to the host. They still arrive from there: a bind source may be mounted later.
pub fn detach_propagation() -> Result<(), StartFailure> {
    let flags = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", flags).at(Step::Rootfs, || "make mounts private".into())
}

/// Mounts the root filesystem on the folder `place` of this (private) mount namespace. The descriptor is its root.
pub fn mount_root(rootfs: &Rootfs, place: &Path) -> Result<OwnedFd, StartFailure> {
    let Rootfs::Overlay { upper, .. } = rootfs;
    let layers = Layers::open(rootfs)?;
    match layers.mount() {
        Ok(overlay) => {
            attach(&overlay, CWD, place)
                .at(Step::Rootfs, || "attach the root filesystem".into())?;
            Ok(overlay)
        }
        // `lowerdir+` needs Linux 6.8.
        Err(Errno::INVAL) => layers.mount_classic(place),
        Err(e) => Err(e),
    }
    .at(Step::Rootfs, || {
        format!("mount the root filesystem on `{}`", upper.display())
    })
}

/// Mounts the root filesystem of a container that does not run nowhere at all: it is gone when the descriptor is closed.
/// Linux ≥ 6.8.
pub fn detached(rootfs: &Rootfs) -> Result<OwnedFd, StartFailure> {
    let Rootfs::Overlay { upper, .. } = rootfs;
    Layers::open(rootfs)?.mount().at(Step::Rootfs, || {
        format!("mount the root filesystem of `{}`", upper.display())
    })
}

/// The layers of an image, topmost first, as one tree that nobody can write to; not attached.
pub fn layers(lower: &[PathBuf]) -> Result<OwnedFd, StartFailure> {
    let fds: Vec<OwnedFd> = lower
        .iter()
        .map(|p| open_dir(p))
        .collect::<Result<_, _>>()?;
    let mount = || -> rustix::io::Result<OwnedFd> {
        if let [only] = &fds[..] {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            return open_tree(only, "", flags | OpenTreeFlags::AT_EMPTY_PATH);
        }
        let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        let all: Vec<String> = fds.iter().map(by_fd).collect();
        fsconfig_set_string(overlay.as_fd(), "lowerdir", all.join(":"))?;
        fsconfig_create(overlay.as_fd())?;
        fsmount(
            overlay.as_fd(),
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::MOUNT_ATTR_RDONLY,
        )
    };
    mount().at(Step::Mount, || "put the layers of an image together".into())
}

fn open_dir(path: &Path) -> Result<OwnedFd, StartFailure> {
    rustix::fs::open(
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .at(Step::Rootfs, || {
        format!("open the image layer `{}`", path.display())
    })
}

fn attach(tree: &OwnedFd, at: BorrowedFd<'_>, place: &Path) -> rustix::io::Result<()> {
    move_mount(tree, "", at, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Descriptors instead of paths: short whatever the paths are (an option holds 255 bytes), free of characters that
/// overlayfs would need escaped, and `/proc/mounts` of the container does not show where the host keeps its layers.
struct Layers {
    lower: Vec<OwnedFd>,
    upper: OwnedFd,
    work: OwnedFd,
}

fn by_fd(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

impl Layers {
    fn open(rootfs: &Rootfs) -> Result<Self, StartFailure> {
        let Rootfs::Overlay { lower, upper, work } = rootfs;
        Ok(Self {
            lower: lower
                .iter()
                .map(|p| open_dir(p))
                .collect::<Result<_, _>>()?,
            upper: open_dir(upper)?,
            work: open_dir(work)?,
        })
    }

    fn mount(&self) -> rustix::io::Result<OwnedFd> {
        let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(overlay.as_fd(), "source", "overlay")?;
        for lower in &self.lower {
            fsconfig_set_string(overlay.as_fd(), "lowerdir+", by_fd(lower))?;
        }
        fsconfig_set_string(overlay.as_fd(), "upperdir", by_fd(&self.upper))?;
        fsconfig_set_string(overlay.as_fd(), "workdir", by_fd(&self.work))?;
        fsconfig_create(overlay.as_fd())?;
        fsmount(
            overlay.as_fd(),
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::empty(),
        )
    }

    fn mount_classic(&self, place: &Path) -> rustix::io::Result<OwnedFd> {
        let lower: Vec<String> = self.lower.iter().map(by_fd).collect();
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            lower.join(":"),
            by_fd(&self.upper),
            by_fd(&self.work)
        );
        let options = std::ffi::CString::new(options).map_err(|_| Errno::INVAL)?;
        mount("overlay", place, "overlay", MountFlags::empty(), &*options)?;
        rustix::fs::open(
            place,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
    }
}

/// Makes `root` the root directory and lets go of the host's.
pub fn pivot(root: BorrowedFd<'_>) -> Result<(), StartFailure> {
    rustix::process::fchdir(root)
        .and_then(|()| rustix::process::pivot_root(".", "."))
        // The old root is now mounted over the new one, and the working directory is in it.
        .and_then(|()| unmount(".", UnmountFlags::DETACH))
        .and_then(|()| rustix::process::chdir("/"))
        .at(Step::Rootfs, || "change the root directory".into())
}

/// Makes `/` read-only, but not what is mounted below it.
pub fn make_read_only(root: BorrowedFd<'_>) -> Result<(), StartFailure> {
    attributes::set_attributes(
        root,
        attributes::RDONLY,
        attributes::Propagation::Keep,
        false,
    )
    .at(Step::Rootfs, || "make the root filesystem read-only".into())
}

/// What docker puts below every image: places to mount on, and the file by which programs find out that they run in a
/// container.
const FOLDERS: [&str; 4] = ["dev", "etc", "proc", "sys"];
const FILES: [&str; 4] = [".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf"];

/// Makes the folder `dir` that all containers have as their lowest layer, unless it is there: what they mount on need
/// not be made in each writable layer then. An image that has something else in its place hides it.
pub fn make_bottom(dir: &Path) -> io::Result<()> {
    if dir.exists() {
        return Ok(());
    }
    let aside = dir.with_extension(format!("{}.new", std::process::id()));
    match fs::remove_dir_all(&aside) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    fs::create_dir(&aside)?;
    for folder in FOLDERS {
        fs::create_dir(aside.join(folder))?;
    }
    for file in FILES {
        fs::write(aside.join(file), "")?;
    }
    let open_to_all = fs::Permissions::from_mode(0o755);
    for made in [""].iter().chain(&FOLDERS).chain(&FILES) {
        fs::set_permissions(aside.join(made), open_to_all.clone())?;
    }
    match fs::rename(&aside, dir) {
        // Another project was faster.
        Err(_) if dir.exists() => fs::remove_dir_all(&aside),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_layer_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let bottom = dir.path().join("bottom");
        make_bottom(&bottom).unwrap();
        fs::write(bottom.join("mine"), "").unwrap();
        make_bottom(&bottom).unwrap();
        assert!(bottom.join("mine").exists() && bottom.join("etc/hosts").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let mode = fs::metadata(bottom.join("proc"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o755);
    }

    #[test]
    fn a_missing_layer_is_named() {
        let rootfs = Rootfs::Overlay {
            lower: vec!["/nowhere/layer".into()],
            upper: "/nowhere/upper".into(),
            work: "/nowhere/work".into(),
        };
        let failure = mount_root(&rootfs, Path::new("/nowhere")).unwrap_err();
        assert_eq!(
            failure.message,
            "open the image layer `/nowhere/layer`: no such file or directory"
        );
    }
}
