//! What happens around the life of a service's containers.

use crate::id::ServiceName;
use indexmap::IndexMap;
use std::time::Duration;

/// What a service says of the life of its containers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Life {
    /// Where output goes.
    pub logging: Logging,
    /// Commands at turns of it.
    pub hooks: Hooks,
    /// How replicas are replaced; `None` = all at once.
    pub update: Option<Update>,
    /// How replicas go back when that fails.
    pub rollback: Option<Update>,
    /// `x-hoist: {restart_unhealthy: true}`: one that has become unhealthy is stopped and started again.
    pub restart_unhealthy: bool,
}

/// Commands that run at turns of a container's life.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    /// In containers of their own, before the first replica starts.
    pub pre_start: Vec<Hook>,
    /// In the container, once it runs.
    pub post_start: Vec<Hook>,
    /// In the container, before it is asked to stop.
    pub pre_stop: Vec<Hook>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hook {
    /// Argument vector; `None` = the image's (`pre_start` only).
    pub command: Option<Vec<String>>,
    /// Image, if not the service's (`pre_start` only).
    pub image: Option<String>,
    /// User, if not the service's.
    pub user: Option<String>,
    /// Everything allowed.
    pub privileged: bool,
    /// Working directory, if not the service's.
    pub working_dir: Option<String>,
    /// Added to the service's.
    pub environment: IndexMap<String, Option<String>>,
    /// Before each replica, not once (`pre_start` only).
    pub per_replica: bool,
}

/// Where output goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Logging {
    /// `json-file` and `local` (a log of ours), `none`, `journald`, `syslog`.
    pub driver: Option<String>,
    /// As written.
    pub options: IndexMap<String, String>,
}

/// `deploy.update_config`, `deploy.rollback_config`: how `up` replaces the replicas of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// How many at a time; 0 = all.
    pub parallelism: u32,
    /// Pause between two groups.
    pub delay: Duration,
    /// The new one starts before the old one stops.
    pub start_first: bool,
    /// What a replica that does not come up means.
    pub on_failure: OnFailure,
    /// How long a new one is watched.
    pub monitor: Duration,
    /// How many of the replicas may fail, in millionths.
    pub tolerance: u32,
}

impl Default for Update {
    /// What the specification says of an `update_config` that is empty.
    fn default() -> Self {
        Self {
            parallelism: 1,
            delay: Duration::ZERO,
            start_first: false,
            on_failure: OnFailure::default(),
            monitor: Duration::ZERO,
            tolerance: 0,
        }
    }
}

/// What a failed update means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The rest stays as it is.
    #[default]
    Pause,
    /// The rest is replaced all the same.
    Continue,
    /// What was replaced goes back.
    Rollback,
}

/// Somebody whose volumes are mounted, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumesFrom {
    /// Whose.
    pub source: VolumesOf,
    /// All of them read-only.
    pub read_only: bool,
}

/// Whose volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumesOf {
    /// Those of a service.
    Service(ServiceName),
    /// Those of any container, by name or id.
    Container(String),
}
