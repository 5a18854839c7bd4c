//! What can go wrong between a spec and a running program, told with the step and the thing.

use serde::{Deserialize, Serialize};
use std::io;

/// The step of a container's creation at which it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Reading the request, making FIFOs, sockets, the log.
    Prepare,
    /// Making the cgroup or entering it.
    Cgroup,
    /// Namespaces, host name.
    Namespaces,
    /// The root filesystem.
    Rootfs,
    /// A mount.
    Mount,
    /// A device node.
    Devices,
    /// The terminal.
    Console,
    /// A vendor's program.
    Hook,
    /// A sysctl.
    Sysctl,
    /// User and groups.
    User,
    /// A resource limit.
    Limits,
    /// Capabilities, seccomp, `no_new_privs`.
    Security,
    /// The working directory.
    Cwd,
    /// Finding or executing the program.
    Exec,
}

/// Why a container (or an exec) did not start. Crosses process borders, so causes are text by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct StartFailure {
    /// Where.
    pub step: Step,
    /// What happened to which thing, e.g. ``mount `/srv/x` at `/data`: no such file or directory``.
    pub message: String,
    /// Exit code as `docker run` would give it: 127 command not found, 126 not executable, else 125.
    pub code: i32,
}

impl StartFailure {
    /// A failure of the runtime or its host (exit code 125).
    pub fn new(step: Step, message: impl Into<String>) -> Self {
        Self {
            step,
            message: message.into(),
            code: 125,
        }
    }

    /// The same with another exit code.
    pub fn with_code(mut self, code: i32) -> Self {
        self.code = code;
        self
    }

    /// What the user can type or change, if we know.
    pub fn hint(&self) -> Option<String> {
        match (self.step, self.code) {
            (Step::Exec, 127) => {
                Some("check `command` and `entrypoint`, and the image's PATH".into())
            }
            (Step::Exec, 126) => {
                Some("make the file executable (`chmod +x`) and check its `#!` line".into())
            }
            _ => None,
        }
    }
}

/// The reason of a system error in words, as the field says it, without number: `no such file or directory`.
pub fn reason(error: &io::Error) -> String {
    let text = match error.raw_os_error() {
        Some(code) => nix::errno::Errno::from_raw(code).desc().to_owned(),
        None => error.to_string(),
    };
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text,
    }
}

/// Puts the step and the thing to a failed system call.
pub(crate) trait At<T> {
    /// `what` names the action and the thing, e.g. ``mount proc at `/proc` ``.
    fn at(self, step: Step, what: impl FnOnce() -> String) -> Result<T, StartFailure>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, step: Step, what: impl FnOnce() -> String) -> Result<T, StartFailure> {
        self.map_err(|e| StartFailure::new(step, format!("{}: {}", what(), reason(&e.into()))))
    }
}

/// A failure to talk with one of our own processes.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The zygote could not be started.
    #[error("cannot start the zygote process")]
    Spawn(#[source] io::Error),
    /// The zygote is gone; start another.
    #[error("the zygote process is gone")]
    ZygoteGone,
    /// The other end closed the connection: the process is gone.
    #[error("the {0} closed its connection")]
    Closed(&'static str),
    /// The connection failed.
    #[error("the connection to the {peer} failed")]
    Link {
        /// Which process.
        peer: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something was said that is no message of ours.
    #[error("the {peer} sent a message that cannot be read")]
    Protocol {
        /// Which process.
        peer: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No shim listens in the run folder.
    #[error("no shim answers in `{}`", folder.display())]
    NoShim {
        /// The container's run folder.
        folder: std::path::PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words_in_lower_case_without_numbers() {
        assert_eq!(
            reason(&io::Error::from_raw_os_error(libc::ENOENT)),
            "no such file or directory"
        );
        assert_eq!(reason(&io::Error::other("EOF was seen")), "EOF was seen");
    }
}
