//! What can go wrong with volumes.

use crate::id::VolumeName;
use std::io;
use std::path::{Path, PathBuf};

/// An operation on volumes failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none of that name.
    #[error("volume `{0}` does not exist")]
    NotFound(VolumeName),
    /// The kernel or the disk refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// A verb, e.g. `make`.
        action: &'static str,
        /// The thing.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A driver other than `local`.
    #[error("volume driver `{0}` is not supported, only `local`")]
    Driver(String),
    /// An option of the `local` driver that cannot be kept.
    #[error("volume option `{option}` is not supported: {why}")]
    Option {
        /// As `key=value`.
        option: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The kernel does not mount it.
    #[error("cannot mount `{device}` as `{kind}`")]
    Mount {
        /// The file system.
        kind: String,
        /// What of.
        device: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It exists with other options.
    #[error("volume `{name}` exists already and its data is at `{}`", path.display())]
    Different {
        /// The volume.
        name: VolumeName,
        /// Where its data is.
        path: PathBuf,
    },
}

impl Error {
    /// What to type next, if there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Option { .. } => {
                Some("for a host folder use `type: none`, `o: bind` and `device: /FOLDER`".into())
            }
            Self::Mount { kind, source, .. } if source.raw_os_error() == Some(libc::ENODEV) => {
                Some(format!(
                    "the kernel knows no file system `{kind}`: load its module, e.g. `modprobe {kind}`"
                ))
            }
            Self::Different { .. } => {
                Some("remove it with `hoist down -v`, or give the new one another name".into())
            }
            _ => None,
        }
    }

    pub(super) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source: source.into(),
        }
    }
}
