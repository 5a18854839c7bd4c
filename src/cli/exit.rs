//! How a command ends: the one place where exit codes are decided.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done; also if the reader of stdout went away |
//! | 1 | the operation or the file is at fault |
//! | 2 | the command line is |
//! | 125, 126, 127 | `exec`: hoist failed, the command cannot be run, there is no such command |
//! | 130, 143, 128+n | ended by a signal, once everything it had to stop has stopped |
//! | any | the container's own: `exec`, `wait`, `up --exit-code-from` and `--abort-on-…` |

use super::view::document;
use crate::compose::diagnostic::Diagnostics;
use crate::engine;
use std::io;

/// A command that ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As asked.
    Done,
    /// With a container's own code.
    Code(i32),
    /// After this signal, with everything stopped that had to be.
    Signal(i32),
}

/// A command that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line is at fault.
    #[error("{message}")]
    Usage {
        /// What is wrong with it.
        message: String,
        /// What to type instead.
        hint: Option<String>,
    },
    /// The compose file is at fault.
    #[error("the compose file has errors")]
    Compose(Box<Diagnostics>),
    /// The operation failed.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// Something else failed.
    #[error("{message}")]
    Failed {
        /// What, to which thing.
        message: String,
        /// What to type.
        hint: Option<String>,
    },
    /// A file or stream failed.
    #[error("cannot {what}")]
    Io {
        /// What was tried, on what.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A signal came before all was done; what had begun is done.
    #[error("interrupted")]
    Interrupted(i32),
    /// stdout failed.
    #[error("cannot write to stdout")]
    Output(#[source] io::Error),
}

impl From<document::Error> for Error {
    fn from(error: document::Error) -> Self {
        Self::usage(error.to_string(), None)
    }
}

impl Error {
    /// The command line is at fault.
    pub fn usage(message: impl Into<String>, hint: Option<String>) -> Self {
        let message = message.into();
        Self::Usage { message, hint }
    }

    /// The operation failed.
    pub fn failed(message: impl Into<String>) -> Self {
        let (message, hint) = (message.into(), None);
        Self::Failed { message, hint }
    }

    /// The same with what to type.
    pub fn hinted(message: impl Into<String>, hint: impl Into<String>) -> Self {
        let (message, hint) = (message.into(), Some(hint.into()));
        Self::Failed { message, hint }
    }

    /// A file or stream failed while we tried to do `what`.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Causes below the message, outermost first.
    pub fn causes(&self) -> Vec<String> {
        match self {
            Self::Engine(error) => error.causes(),
            Self::Compose(found) => found.to_string().lines().map(str::to_owned).collect(),
            Self::Io { source, .. } | Self::Output(source) => vec![source.to_string()],
            _ => Vec::new(),
        }
    }

    /// What can be typed.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(error) => error.hint(),
            Self::Usage { hint, .. } | Self::Failed { hint, .. } => hint.clone(),
            _ => None,
        }
    }

    /// Whether there is nobody to tell, as the reader of stdout went away, or nothing: the user knows what was interrupted.
    pub fn is_silent(&self) -> bool {
        match self {
            Self::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::Interrupted(_) => true,
            _ => false,
        }
    }
}

/// The exit code of a command.
pub fn code(result: &Result<Exit, Error>) -> u8 {
    match result {
        Ok(Exit::Done) => 0,
        // a code above 255 would come out as another one, perhaps 0
        Ok(Exit::Code(code)) => u8::try_from(*code).unwrap_or(255),
        Ok(Exit::Signal(signal)) => u8::try_from(128 + signal).unwrap_or(255),
        Err(Error::Interrupted(signal)) => u8::try_from(128 + signal).unwrap_or(255),
        Err(error) if error.is_silent() => 0,
        Err(Error::Usage { .. }) => 2,
        Err(Error::Engine(error)) => error.code().max(1),
        Err(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_code() {
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        for (result, expected) in [
            (Ok(Exit::Done), 0),
            (Ok(Exit::Code(0)), 0),
            (Ok(Exit::Code(137)), 137),
            (Ok(Exit::Code(256)), 255),
            (Ok(Exit::Code(-1)), 255),
            (Ok(Exit::Signal(2)), 130),
            (Ok(Exit::Signal(15)), 143),
            (Err(Error::Interrupted(2)), 130),
            (Err(Error::usage("x", None)), 2),
            (Err(Error::failed("x")), 1),
            (Err(Error::Output(broken)), 0),
            (Err(Error::Output(full)), 1),
        ] {
            assert_eq!(code(&result), expected, "{result:?}");
        }
    }
}
