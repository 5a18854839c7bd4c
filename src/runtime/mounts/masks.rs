//! What of `/proc` and `/sys` is hidden or read-only, exactly docker's lists.

use super::defaults::Defaults;
use super::{HANDLE, attach, copy_of, filesystem};
use crate::runtime::error::{At, StartFailure, Step};
use crate::runtime::sys::mount::{Propagation, RDONLY, set_attributes};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

const MASKED_PROC: [&str; 10] = [
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
];
const MASKED_SYS: [&str; 2] = ["devices/virtual/powercap", "firmware"];
const READ_ONLY_PROC: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// Masks and write-protects below the container's own procfs and sysfs.
pub(crate) fn protect(mounts: &Defaults) -> Result<(), StartFailure> {
    let mut mask = Mask {
        dev: mounts.dev.as_fd(),
        folder: None,
    };
    for name in MASKED_PROC {
        mask.cover(mounts.proc.as_fd(), name, "/proc")?;
    }
    for name in MASKED_SYS {
        mask.cover(mounts.sys.as_fd(), name, "/sys")?;
    }
    for cpu in thermal_throttles() {
        mask.cover(mounts.sys.as_fd(), &cpu, "/sys")?;
    }
    for name in READ_ONLY_PROC {
        write_protect(mounts.proc.as_fd(), name)?;
    }
    Ok(())
}

/// `None` if this kernel has no such file.
fn open(below: BorrowedFd<'_>, name: &str) -> Result<Option<OwnedFd>, StartFailure> {
    // The procfs is fresh and the path has no component a process could choose, so no link is ever legitimate.
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match openat2(below, name, HANDLE, Mode::empty(), resolve) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(None),
        Err(e) => Err(e).at(Step::Mount, || format!("open `{name}` to mask it")),
    }
}

struct Mask<'fd> {
    dev: BorrowedFd<'fd>,
    /// One empty read-only tmpfs serves all masked folders.
    folder: Option<OwnedFd>,
}

impl Mask<'_> {
    fn cover(&mut self, below: BorrowedFd<'_>, name: &str, top: &str) -> Result<(), StartFailure> {
        let Some(target) = open(below, name)? else {
            return Ok(());
        };
        self.cover_fd(&target)
            .at(Step::Mount, || format!("mask `{top}/{name}`"))
    }

    fn cover_fd(&mut self, target: &OwnedFd) -> rustix::io::Result<()> {
        if FileType::from_raw_mode(fstat(target)?.st_mode) != FileType::Directory {
            return attach(copy_of(null_device(self.dev)?, false)?, target);
        }
        match &self.folder {
            Some(first) => attach(copy_of(first, false)?, target),
            None => {
                let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
                    | MountAttrFlags::MOUNT_ATTR_NOSUID
                    | MountAttrFlags::MOUNT_ATTR_NODEV
                    | MountAttrFlags::MOUNT_ATTR_NOEXEC;
                let tmpfs = filesystem("tmpfs", &[("size", "4k"), ("nr_inodes", "2")], attributes)?;
                attach(&tmpfs, target)?;
                self.folder = Some(tmpfs);
                Ok(())
            }
        }
    }
}

/// The container's `/dev/null`, if that is what it is (CVE-2025-31133).
pub(crate) fn null_device(dev: BorrowedFd<'_>) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let null = openat2(dev, "null", HANDLE, Mode::empty(), resolve)?;
    let stat = fstat(&null)?;
    let number = (
        rustix::fs::major(stat.st_rdev),
        rustix::fs::minor(stat.st_rdev),
    );
    let is_null =
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && number == (1, 3);
    if is_null { Ok(null) } else { Err(Errno::NODEV) }
}

fn write_protect(proc: BorrowedFd<'_>, name: &str) -> Result<(), StartFailure> {
    let Some(target) = open(proc, name)? else {
        return Ok(());
    };
    copy_of(&target, true)
        .and_then(|tree| {
            set_attributes(&tree, RDONLY, Propagation::Keep, true)?;
            attach(tree, target)
        })
        .at(Step::Mount, || format!("make `/proc/{name}` read-only"))
}

/// Docker hides how hot each CPU is; most machines have no such folder.
fn thermal_throttles() -> Vec<String> {
    let first = "devices/system/cpu/cpu0/thermal_throttle";
    if !std::path::Path::new("/sys").join(first).exists() {
        return Vec::new();
    }
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    (0..cpus)
        .map(|n| format!("devices/system/cpu/cpu{n}/thermal_throttle"))
        .collect()
}
