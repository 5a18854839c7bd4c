//! What can go wrong between a name and a root filesystem.

use super::unpack;
use crate::id::Digest;
use std::io;
use std::path::{Path, PathBuf};

/// `container `a`, `b` and 3 others`.
fn used_by(containers: &[String]) -> String {
    let shown: Vec<String> = containers
        .iter()
        .take(3)
        .map(|name| format!("`{name}`"))
        .collect();
    let noun = if containers.len() == 1 {
        "container"
    } else {
        "containers"
    };
    let more = match containers.len().saturating_sub(shown.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{noun} {}{more}", shown.join(", "))
}

/// An operation on the image store failed; nothing of it is visible in the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No image of that name or id.
    #[error("image `{name}` is not in the store")]
    NotFound {
        /// As the user wrote it.
        name: String,
        /// Familiar names that look like it, best first.
        similar: Vec<String>,
    },
    /// A short id that fits several images.
    #[error("image id `{prefix}` is ambiguous: it fits {count} images")]
    Ambiguous {
        /// As the user wrote it.
        prefix: String,
        /// How many images begin with it.
        count: usize,
    },
    /// Not a reference at all.
    #[error("invalid image reference `{text}`: {rule}")]
    Reference {
        /// As the user wrote it.
        text: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// The kernel or the disk refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// A verb, e.g. `read`.
        action: &'static str,
        /// The thing.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The stream of an archive broke off or could not be decompressed.
    #[error("cannot take in the archive")]
    Input(#[source] io::Error),
    /// An archive or layout that is not what it should be.
    #[error("`{what}` is not a usable image: {why}")]
    Malformed {
        /// The file, blob or entry.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// JSON that does not parse.
    #[error("`{what}` is not valid JSON of its kind")]
    Json {
        /// The file, blob or entry.
        what: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Content that is not what its name promises.
    #[error("`{what}` has digest `{actual}` instead of `{expected}`")]
    Mismatch {
        /// The blob or layer.
        what: String,
        /// What was promised.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// A layer could not be unpacked.
    #[error("cannot unpack layer `{layer}`")]
    Unpack {
        /// Its name in the archive, or its digest.
        layer: String,
        /// Why.
        #[source]
        source: unpack::Error,
    },
    /// No variant of the image runs here.
    #[error("image `{name}` has no variant for `{platform}`")]
    Platform {
        /// The image.
        name: String,
        /// This machine, as `os/architecture`.
        platform: String,
    },
    /// Not a platform.
    #[error(
        "invalid platform `{text}`: it must be `os/architecture[/variant]`, such as `linux/arm64`"
    )]
    PlatformText {
        /// As the user wrote it.
        text: String,
    },
    /// A container needs it.
    #[error("image `{name}` is used by {}", used_by(containers))]
    InUse {
        /// As the user wrote it.
        name: String,
        /// Names of the containers that were made from it.
        containers: Vec<String>,
    },
    /// An id that several names share cannot be removed by id.
    #[error("image `{id}` has several names: {}", names.join(", "))]
    SeveralNames {
        /// As the user wrote it.
        id: String,
        /// All of them.
        names: Vec<String>,
    },
    /// A registry, or the way to it.
    #[error(transparent)]
    Registry(Box<super::registry::Error>),
    /// A place was wanted.
    #[error("`{text}` is neither a file nor a folder that images are kept in")]
    Place {
        /// As the user wrote it.
        text: String,
    },
    /// A tag or a `dir:` folder is for one image.
    #[error("that place takes one image, not {count}")]
    OneImage {
        /// How many there are.
        count: usize,
    },
    /// What is written could not be.
    #[error("cannot write the archive")]
    Output(#[source] io::Error),
    /// Not a filter.
    #[error("invalid filter `{text}`")]
    Filter {
        /// As the user wrote it.
        text: String,
    },
    /// A `--change` that cannot be applied.
    #[error("cannot apply change `{change}`: {why}")]
    Change {
        /// As the user wrote it.
        change: String,
        /// What is wrong with it.
        why: String,
    },
}

impl From<super::registry::Error> for Error {
    fn from(error: super::registry::Error) -> Self {
        Self::Registry(Box::new(error))
    }
}

impl Error {
    /// What to type next, if there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { similar, .. } if !similar.is_empty() => Some(format!(
                "did you mean `{}`? `hoist images` lists what is in the store",
                similar[0]
            )),
            Self::NotFound { name, .. } => Some(format!(
                "fetch it with `hoist pull {name}`, or bring it in with `hoist load -i FILE`, or use `image: host`"
            )),
            Self::Ambiguous { .. } => Some("give more digits of the id".into()),
            Self::InUse { .. } => Some(
                "remove its containers first with `hoist down`, or use `--force` to take its names only".into(),
            ),
            Self::Registry(error) => error.hint(),
            Self::Place { .. } => Some(
                "write `oci:DIR`, `oci-archive:FILE`, `docker-archive:FILE` or `dir:DIR`".into(),
            ),
            Self::Filter { .. } => Some(
                "filters: dangling=true, reference=PATTERN, label=KEY[=VALUE], before=IMAGE, since=IMAGE, until=TIME".into(),
            ),
            Self::SeveralNames { .. } => Some("remove it by name, or use `--force`".into()),
            _ => None,
        }
    }

    /// For `map_err`: an I/O error with the verb and the thing it happened to.
    pub(super) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io {
            action,
            path,
            source: source.into(),
        }
    }

    /// An archive or layout that is not what it should be.
    pub(super) fn malformed(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Malformed {
            what: what.into(),
            why: why.into(),
        }
    }
}
