//! File systems as volumes: mounted at the volume's `_data` while containers use them, as docker's `local` driver does.

use super::{DATA, Error, Volumes};
use crate::id::VolumeName;
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::io;
use std::path::Path;

/// What to mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystem {
    /// `tmpfs`, `nfs`, `overlay`, …
    pub kind: String,
    /// A device, or whatever the file system takes for one.
    pub device: String,
    /// As in `mount -o`.
    pub options: String,
}

impl Volumes {
    /// Whether a file system has to be mounted before a volume can be used.
    pub fn is_file_system(&self, name: &VolumeName) -> bool {
        self.metadata(name).mount.is_some()
    }

    /// Mounts the file system of a volume, unless it has none or it is mounted already.
    pub fn mount(&self, name: &VolumeName) -> Result<(), Error> {
        let Some(wanted) = self.metadata(name).mount else {
            return Ok(());
        };
        let data = self.folder(name).join(DATA);
        if is_mounted(&data)? {
            return Ok(());
        }
        let (flags, rest) = flags(&wanted.options);
        let failed = |source: io::Error| Error::Mount {
            kind: wanted.kind.clone(),
            device: wanted.device.clone(),
            source,
        };
        let rest = CString::new(rest).map_err(|e| failed(e.into()))?;
        mount(&wanted.device, &data, &wanted.kind, flags, Some(&*rest))
            .map_err(|errno| failed(errno.into()))
    }

    /// Takes it away again. What still has it open keeps it until then.
    pub fn unmount(&self, name: &VolumeName) -> Result<(), Error> {
        let data = self.folder(name).join(DATA);
        if self.metadata(name).mount.is_none() || !is_mounted(&data)? {
            return Ok(());
        }
        unmount(&data, UnmountFlags::DETACH).map_err(Error::io("unmount", &data))
    }
}

fn is_mounted(data: &Path) -> Result<bool, Error> {
    let found = statx(
        CWD,
        data,
        AtFlags::SYMLINK_NOFOLLOW,
        StatxFlags::BASIC_STATS,
    );
    let found = found.map_err(Error::io("look at", data))?;
    Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Options that are the mount's own, and the others, which the file system reads.
fn flags(options: &str) -> (MountFlags, String) {
    let mut flags = MountFlags::empty();
    let mut rest = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => flags |= MountFlags::RDONLY,
            "nosuid" => flags |= MountFlags::NOSUID,
            "nodev" => flags |= MountFlags::NODEV,
            "noexec" => flags |= MountFlags::NOEXEC,
            "sync" => flags |= MountFlags::SYNCHRONOUS,
            "dirsync" => flags |= MountFlags::DIRSYNC,
            "noatime" => flags |= MountFlags::NOATIME,
            "nodiratime" => flags |= MountFlags::NODIRATIME,
            "relatime" => flags |= MountFlags::RELATIME,
            "strictatime" => flags |= MountFlags::STRICTATIME,
            "rw" | "defaults" | "suid" | "dev" | "exec" | "async" | "atime" => {}
            other => rest.push(other),
        }
    }
    (flags, rest.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_mount_are_told_from_those_of_the_file_system() {
        let (set, rest) = flags("size=1m,ro,noexec,uid=7,rw,");
        assert_eq!(set, MountFlags::RDONLY | MountFlags::NOEXEC);
        assert_eq!(rest, "size=1m,uid=7");
        assert_eq!(flags(""), (MountFlags::empty(), String::new()));
    }
}
