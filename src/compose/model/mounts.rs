//! What is mounted into a container.

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
}

impl Mount {
    /// Absolute path inside the container.
    pub fn target(&self) -> &str {
        match self {
            Self::Volume(m) => &m.target,
            Self::Bind(m) => &m.target,
            Self::Tmpfs(m) => &m.target,
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
    /// With the mounts below it.
    pub recursive: bool,
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
