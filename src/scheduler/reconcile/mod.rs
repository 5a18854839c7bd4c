//! From what shall be and what is to what is to do. Pure: no I/O, no clock, no randomness of its own.

use super::desired::Desired;
use super::observed::Observed;
use super::plan::Plan;
use crate::id::ContainerId;
use crate::id::NetworkName;
use crate::id::ServiceName;
use crate::id::VolumeName;
use std::time::Duration;

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The command.
    pub verb: Verb,
    /// Services named on the command line; empty = all.
    pub services: Vec<ServiceName>,
    /// Leave dependencies (and dependents) alone, wait for nothing: `--no-deps`.
    pub no_deps: bool,
    /// `up`, `down`: also remove containers whose service is not in the project.
    pub remove_orphans: bool,
    /// `-t`: instead of each container's own `stop_grace_period`.
    pub timeout: Option<Duration>,
}

/// A command that changes what exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Make everything be and run.
    Up(Up),
    /// Stop and remove containers and networks (and named volumes).
    Down {
        /// Also named volumes that are not external.
        volumes: bool,
    },
    /// Stop what runs.
    Stop,
    /// Start what exists.
    Start {
        /// Wait until it runs, or is healthy.
        wait: bool,
    },
    /// Stop and start, without applying changes.
    Restart,
    /// Send a signal to what runs.
    Kill {
        /// Name or number.
        signal: String,
    },
    /// Remove stopped containers (`rm`).
    Remove {
        /// Stop them first.
        stop: bool,
        /// Also their anonymous volumes.
        volumes: bool,
    },
}

/// How `up` goes about it. (`--scale` is in [`Desired`].)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Up {
    /// For the services named, or all if none is.
    pub recreate: Recreate,
    /// `--always-recreate-deps`: recreate dependencies of the named services, too.
    pub recreate_deps: bool,
    /// Create only.
    pub no_start: bool,
    /// Wait until everything runs, is healthy or has completed.
    pub wait: bool,
    /// `-V`: new anonymous volumes for recreated containers; the old ones are removed.
    pub renew_anonymous_volumes: bool,
}

/// When to replace a container that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recreate {
    /// When it differs from what it should be.
    #[default]
    Diverged,
    /// Always: `--force-recreate`.
    Force,
    /// Never: `--no-recreate`.
    Never,
}

/// A wish that cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A service named on the command line is not in the project.
    #[error("no such service: `{0}`")]
    NoSuchService(ServiceName),
    /// An external network is missing.
    #[error("network `{0}` declared as external, but could not be found")]
    NoExternalNetwork(NetworkName),
    /// An external volume is missing.
    #[error("volume `{0}` declared as external, but could not be found")]
    NoExternalVolume(VolumeName),
    /// `start` of a service that was never created.
    #[error("service `{0}` has no container to start")]
    NoContainer(ServiceName),
    /// A health check is waited for that does not exist.
    #[error(
        "`{dependent}` waits for `{service}` to be healthy, but `{service}` has no health check"
    )]
    NoHealthcheck {
        /// Who waits.
        dependent: ServiceName,
        /// For whom.
        service: ServiceName,
    },
}

/// Plans what `options` asks for. `new_id` gives each container the plan creates its identity.
pub fn reconcile(
    desired: &Desired,
    observed: &Observed,
    options: &Options,
    new_id: &mut dyn FnMut() -> ContainerId,
) -> Result<Plan, PlanError> {
    let _ = (desired, observed, options, new_id);
    unimplemented!()
}
