//! Why a verb failed, ready to be shown.

use crate::scheduler::supervisor::control::Failure;
use crate::state::paths::Claimant;
use std::io;
use std::path::PathBuf;

/// A failed verb.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The supervisor says why.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// hoist needs rights that this user does not have.
    #[error("hoist needs root to make namespaces, mounts and networks")]
    NotRoot,
    /// Something about our own folders.
    #[error("cannot {what} `{path}`")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The supervisor went away in the middle, again and again.
    #[error(
        "the supervisor of project `{project}` ended before it answered{}",
        last_words(log)
    )]
    Lost {
        /// The project.
        project: String,
        /// What it said last, in its own log.
        log: PathBuf,
    },
    /// Its containers belong to another run folder: two supervisors would start each of them twice.
    #[error(
        "project `{project}` runs from `{}`, and this command looks in `{}`",
        theirs.display(),
        ours.display()
    )]
    Elsewhere {
        /// The project.
        project: String,
        /// The project's folder in the run folder where it lives.
        theirs: PathBuf,
        /// The one of this command.
        ours: PathBuf,
    },
    /// A supervisor of the project lives, and its run folder is not where it says.
    #[error("project `{project}` is supervised by {}", hidden(claimant.as_ref()))]
    Hidden {
        /// The project.
        project: String,
        /// The supervisor, if it has noted itself.
        claimant: Option<Claimant>,
    },
    /// A copy that failed.
    #[error(transparent)]
    Copy(#[from] super::copy::CopyError),
    /// Images.
    #[error(transparent)]
    Image(#[from] crate::image::Error),
    /// An image did not come, or go.
    #[error("cannot {verb} image `{image}`{}", at(place.as_deref()))]
    Transfer {
        /// `pull` or `push`.
        verb: &'static str,
        /// As the user wrote it.
        image: String,
        /// Where the user wrote it: `file:line:column`.
        place: Option<String>,
        /// Why not.
        #[source]
        source: Box<crate::image::Error>,
    },
    /// The user has asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A record that cannot be read.
    #[error(transparent)]
    Record(#[from] crate::state::store::Error),
}

/// Configuration of registries that cannot be used, or credentials that do not work.
impl From<crate::image::registry::Error> for Error {
    fn from(error: crate::image::registry::Error) -> Self {
        Self::Image(error.into())
    }
}

/// ` (compose.yaml:3:12)`.
fn at(place: Option<&str>) -> String {
    place.map_or_else(String::new, |place| format!(" ({place})"))
}

impl Error {
    /// The chain of causes below the message, outermost first.
    pub fn causes(&self) -> Vec<String> {
        if let Self::Refused(failure) = self {
            return failure.causes.clone();
        }
        let mut causes = Vec::new();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        causes
    }

    /// What the user can type.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(failure) => failure.hint.clone(),
            Self::NotRoot => Some("run it again with `sudo`".to_owned()),
            Self::Lost { log, .. } => Some(format!("see `{}`", log.display())),
            Self::Elsewhere { theirs, .. } => {
                let run = theirs.ancestors().nth(2)?;
                Some(format!("export HOIST_RUN={}", run.display()))
            }
            Self::Hidden { claimant, .. } => Some(reveal(claimant.as_ref())),
            Self::Image(error) => error.hint(),
            Self::Transfer { source, .. } => source.hint(),
            Self::Io { .. } | Self::Record(_) | Self::Interrupted | Self::Copy(_) => None,
        }
    }

    /// Whether an image that was named is not in the store.
    pub fn is_missing_image(&self) -> bool {
        matches!(self, Self::Image(crate::image::Error::NotFound { .. }))
    }

    /// The exit code of the command.
    pub fn code(&self) -> u8 {
        match self {
            Self::Refused(failure) => failure.code,
            _ => 1,
        }
    }

    pub(super) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

/// Who it is that is not found, to follow `is supervised by`.
fn hidden(claimant: Option<&Claimant>) -> String {
    claimant.map_or_else(
        || "a process that has not said where its run folder is".to_owned(),
        |it| {
            let run = it.run.display();
            format!("process {}, which is not found at `{run}`", it.pid)
        },
    )
}

/// How to have it back, or do without.
fn reveal(claimant: Option<&Claimant>) -> String {
    let pid = claimant.map_or("PID".to_owned(), |it| it.pid.to_string());
    format!(
        "its run folder was renamed, or something is mounted over it: undo that; or end the process with `kill -9 {pid}` and \
         run this again, which ends its containers and starts them anew"
    )
}

/// The last line of the supervisor's own log, to follow a sentence.
fn last_words(log: &std::path::Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    // One without an end is still being written, by the last of several that went the same way.
    let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
    let last = whole.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or(String::new(), |line| format!(": {line}"))
}
