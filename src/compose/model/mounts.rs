//! What is mounted into a container.

use indexmap::IndexMap;
use std::path::PathBuf;

/// One mount of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// `type: volume`, named or anonymous.
    Volume(VolumeMount),
    /// `type: bind`.
    Bind(BindMount),
    /// `type: tmpfs`, or an entry of `tmpfs:`.
    Tmpfs(TmpfsMount),
    /// `type: image`.
    Image(ImageMount),
}

impl Mount {
    /// Absolute path inside the container.
    pub fn target(&self) -> &str {
        match self {
            Self::Volume(m) => &m.target,
            Self::Bind(m) => &m.target,
            Self::Tmpfs(m) => &m.target,
            Self::Image(m) => &m.target,
        }
    }
}

/// A volume mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMount {
    /// Key below the top-level `volumes:`; `None` = anonymous.
    pub source: Option<String>,
    /// Path inside.
    pub target: String,
    /// Not writable.
    pub read_only: bool,
    /// Do not copy the image's content into a new volume.
    pub nocopy: bool,
    /// Mount only this folder of the volume.
    pub subpath: Option<String>,
    /// Labels of an anonymous volume.
    pub labels: IndexMap<String, String>,
}

/// The file system of an image, read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageMount {
    /// Its reference.
    pub source: String,
    /// Path inside.
    pub target: String,
    /// Mount only this folder of it.
    pub subpath: Option<String>,
}

/// What becomes of the mounts below a bind's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recursion {
    /// They are there, too, as writable or read-only as it is.
    #[default]
    Enabled,
    /// They are not.
    Disabled,
    /// They are there, writable even if it is read-only.
    Writable,
    /// They are there and read-only, or the container does not start.
    ReadOnly,
}

/// A bind mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindMount {
    /// Absolute host path.
    pub source: PathBuf,
    /// Path inside.
    pub target: String,
    /// Not writable.
    pub read_only: bool,
    /// `rprivate` (default), `private`, `rshared`, `shared`, `rslave`, `slave`.
    pub propagation: Option<String>,
    /// Make the host folder if it does not exist (short form: yes).
    pub create_host_path: bool,
    /// The mounts below it.
    pub recursive: Recursion,
    /// `z` or `Z`: label the files for containers, on a kernel with SELinux.
    pub selinux: Option<char>,
}

/// A tmpfs mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TmpfsMount {
    /// Path inside.
    pub target: String,
    /// Not writable.
    pub read_only: bool,
    /// Size limit, bytes.
    pub size: Option<u64>,
    /// Permission bits; default 1777.
    pub mode: Option<u32>,
    /// Further mount options of the short form (`noexec`, `uid=1000`).
    pub options: Vec<String>,
}

/// A secret or config in a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMount {
    /// Key below the top-level `secrets:` or `configs:`.
    pub source: String,
    /// Absolute path inside.
    pub target: String,
    /// Owner; default 0.
    pub uid: Option<u32>,
    /// Group; default 0.
    pub gid: Option<u32>,
    /// Permission bits; default 0444.
    pub mode: Option<u32>,
}
