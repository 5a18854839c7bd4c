//! What can go wrong with a cgroup.

use std::io;
use std::path::Path;
use std::path::PathBuf;

/// What went wrong with a cgroup.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error("no cgroup filesystem is mounted")]
    NotMounted,
    #[error("there is no cgroup `{path}`")]
    Missing { path: String },
    #[error("cannot read `{path}`")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write `{value}` to `{path}`")]
    Write {
        path: PathBuf,
        value: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot create cgroup `{path}`")]
    Create {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot remove cgroup `{path}`")]
    Remove {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cgroup `{path}` still has processes")]
    Busy { path: PathBuf },
    #[error("cgroup `{path}` did not become {state} in time")]
    Timeout { path: PathBuf, state: &'static str },
    #[error(
        "`{key}` cannot be limited: the cgroup controller `{controller}` is not available here"
    )]
    Unavailable {
        key: &'static str,
        controller: &'static str,
    },
    #[error("cannot set `{key}` to `{value}`")]
    Limit {
        key: &'static str,
        value: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot install device control on cgroup `{path}`")]
    Devices {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotMounted => Some("mount -t cgroup2 none /sys/fs/cgroup".into()),
            Self::Unavailable { key, .. } => Some(format!(
                "remove `{key}`, or enable the controller on this machine"
            )),
            _ => None,
        }
    }

    pub(super) fn reading(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Read { path, source }
    }

    pub(super) fn creating(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Create { path, source }
    }

    pub(super) fn removing(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Remove { path, source }
    }

    pub(super) fn errno(&self) -> Option<i32> {
        match self {
            Self::Write { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}
