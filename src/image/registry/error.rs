//! What can go wrong between us and a registry.

use crate::id::Digest;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A registry, or what leads to it, did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or it broke before an answer came.
    #[error("cannot reach registry `{host}`")]
    Unreachable {
        /// Host and port.
        host: String,
        /// There was no connection at all.
        connect: bool,
        /// Why not.
        #[source]
        source: Why,
    },
    /// It says nothing, or hardly anything.
    #[error("registry `{host}` is too slow: {what} did not come within {} s", limit.as_secs_f32())]
    Stalled {
        /// Host and port.
        host: String,
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// The connection broke in the middle of an answer.
    #[error("{what} from `{host}` broke off after {at} of {size} bytes")]
    Cut {
        /// Host and port.
        host: String,
        /// What was read.
        what: String,
        /// Bytes that came.
        at: u64,
        /// Bytes there should be.
        size: u64,
        /// Why.
        #[source]
        source: Why,
    },
    /// The registry does not have it.
    #[error("registry `{host}` has no {what}")]
    NotFound {
        /// Host and port.
        host: String,
        /// `manifest …`, `blob …`.
        what: String,
        /// What it says about it.
        message: String,
    },
    /// Not without (other) credentials.
    #[error("registry `{host}` denies access to {what}{}", said(message))]
    Denied {
        /// Host and port.
        host: String,
        /// To what.
        what: String,
        /// What it says about it.
        message: String,
        /// The name to log in under.
        domain: String,
        /// Whether we had credentials for it.
        known: bool,
    },
    /// It asks us to come back later.
    #[error("registry `{host}` allows no more requests now{}{}", said(message), later(*after))]
    RateLimited {
        /// Host and port.
        host: String,
        /// What it says about it.
        message: String,
        /// When to come back.
        after: Option<Duration>,
    },
    /// Another refusal.
    #[error("registry `{host}` answers {status} for {what}{}", said(message))]
    Status {
        /// Host and port.
        host: String,
        /// For what.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What it says about it.
        message: String,
        /// When to come back.
        after: Option<Duration>,
    },
    /// An answer that no registry should give.
    #[error("registry `{host}` gives an unusable answer for {what}: {why}")]
    Answer {
        /// Host and port.
        host: String,
        /// For what.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Content that is not what was asked for.
    #[error("{what} from `{host}` has digest `{actual}` instead of `{expected}`")]
    Mismatch {
        /// Host and port.
        host: String,
        /// What was read.
        what: String,
        /// What was asked for.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// Something that is in registries, but is no image for us.
    #[error("`{name}` cannot be used: {why}")]
    Unsupported {
        /// The image.
        name: String,
        /// Why not.
        why: String,
    },
    /// A configuration file that cannot be used.
    #[error("cannot use `{}`: {why}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A file of ours or of the user.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A credential helper failed.
    #[error("credential helper `{helper}` failed: {why}")]
    Helper {
        /// The program.
        helper: String,
        /// Why.
        why: String,
    },
    /// The user has asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// A reason in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Why(pub String);

impl Why {
    /// The innermost reason of an error of the HTTP client, which is the one that says something.
    pub(super) fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut innermost = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        let text = innermost.to_string();
        let text = match text.split(" (os error").next().unwrap_or(&text) {
            // What the client says when the other side hangs up while a body is sent.
            "send failed because receiver is gone" | "channel closed" => {
                "the connection was closed"
            }
            text => text,
        };
        Self(text.to_owned())
    }
}

fn said(message: &str) -> String {
    match message {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

fn later(after: Option<Duration>) -> String {
    after.map_or_else(String::new, |after| {
        format!("; again in {} s", after.as_secs())
    })
}

impl Error {
    /// What to type next, if there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Denied { domain, known, .. } => Some(match known {
                true => format!(
                    "the credentials for `{domain}` do not suffice: `hoist login {domain}` sets others"
                ),
                false => {
                    format!("`hoist login {domain}`, if it needs an account; else look at the name")
                }
            }),
            Self::RateLimited { host, .. } => Some(format!(
                "log in (`hoist login`) for a higher limit, or set a mirror for it in `registries.json`; asked: `{host}`"
            )),
            Self::NotFound { .. } => Some("look at the spelling of name and tag".to_owned()),
            Self::Unreachable { host, source, .. } => unreachable_hint(host, &source.0),
            _ => None,
        }
    }

    /// Whether trying again may help, and how long the registry wants us to wait.
    pub(super) fn transient(&self) -> Option<Option<Duration>> {
        match self {
            _ if self.is_distrust() => None,
            Self::Unreachable { .. } | Self::Cut { .. } | Self::Stalled { .. } => Some(None),
            Self::RateLimited { after, .. } => Some(*after),
            Self::Status {
                status: 408 | 500 | 502..=504,
                after,
                ..
            } => Some(*after),
            _ => None,
        }
    }

    /// Whether the other side is there, but not whom we trust: no reason to go on in plain text.
    pub(super) fn is_distrust(&self) -> bool {
        matches!(self, Self::Unreachable { source, .. } if source.0.contains("certificate"))
    }

    /// Whether there was no connection at all.
    pub(super) fn is_unconnected(&self) -> bool {
        matches!(self, Self::Unreachable { connect: true, .. })
    }

    /// Whether another registry that should have the same content may do better.
    pub(super) fn elsewhere(&self) -> bool {
        !matches!(
            self,
            Self::Interrupted | Self::Io { .. } | Self::Unsupported { .. }
        )
    }

    /// For `map_err`.
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

fn unreachable_hint(host: &str, why: &str) -> Option<String> {
    if why.contains("certificate") {
        return Some(format!(
            "put the certificate of its CA into `/etc/docker/certs.d/{host}/ca.crt`"
        ));
    }
    if why.contains("cannot resolve") {
        return Some(format!(
            "without a network, bring images in with `hoist load`, or set a mirror for `{host}` in `registries.json`"
        ));
    }
    why.contains("InvalidContentType").then(|| {
        format!("it may speak plain HTTP: allow that with `\"insecure\": true` for `{host}` in `registries.json`")
    })
}
