//! AppArmor and SELinux: what a process becomes at its `execve`, and whether the kernel has them at all.
//!
//! Invariant: a label is written to a file of procfs that belongs to the process itself, or not at all
//! (CVE-2019-16884: an image with a folder mounted over `/proc`).

use super::error::{At, StartFailure, Step};
use super::spec::Confinement;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, fstatfs, openat2};
use rustix::io::Errno;
use std::path::Path;

/// Whether this kernel confines with AppArmor.
pub fn has_apparmor() -> bool {
    let enabled = std::fs::read_to_string("/sys/module/apparmor/parameters/enabled");
    enabled.is_ok_and(|text| text.starts_with('Y'))
}

/// Whether this kernel labels with SELinux.
pub fn has_selinux() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}

/// Has the next `execve` of this process take the labels on. `root` is the container's.
pub(crate) fn prepare(root: BorrowedFd<'_>, wanted: &Confinement) -> Result<(), StartFailure> {
    if let Some(profile) = &wanted.apparmor {
        let line = format!("exec {profile}");
        let what = || format!("confine with the AppArmor profile `{profile}`");
        // The file of its own is newer; the shared one belongs to whichever module came first.
        match write(root, "proc/self/attr/apparmor/exec", &line) {
            Err(Errno::NOENT) => write(root, "proc/self/attr/exec", &line),
            written => written,
        }
        .at(Step::Security, what)?;
    }
    if let Some(label) = &wanted.selinux {
        write(root, "proc/self/attr/exec", label).at(Step::Security, || {
            format!("set the SELinux label `{label}`")
        })?;
    }
    Ok(())
}

fn write(root: BorrowedFd<'_>, path: &str, value: &str) -> rustix::io::Result<()> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = openat2(root, path, flags, Mode::empty(), resolve)?;
    if fstatfs(&file)?.f_type != PROC_SUPER_MAGIC {
        return Err(Errno::PERM);
    }
    rustix::io::write(file.as_fd(), value.as_bytes()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_goes_to_procfs_only() {
        let image = tempfile::tempdir().unwrap();
        let attr = image.path().join("proc/self/attr");
        std::fs::create_dir_all(&attr).unwrap();
        std::fs::write(attr.join("exec"), "").unwrap();
        let root = std::fs::File::open(image.path()).unwrap();
        let wanted = Confinement {
            apparmor: Some("strict".into()),
            selinux: None,
        };
        let failure = prepare(root.as_fd(), &wanted).unwrap_err();
        assert!(failure.message.contains("`strict`"), "{failure}");
        assert_eq!(std::fs::read(attr.join("exec")).unwrap(), b"");
        prepare(root.as_fd(), &Confinement::default()).unwrap();
    }
}
