//! What verbs on existing containers ask for.

use crate::id::ServiceName;
use serde::{Deserialize, Serialize};

/// `kill`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Kill {
    /// Named services; empty = all.
    pub services: Vec<ServiceName>,
    /// Signal name or number, `SIGKILL` by default.
    pub signal: String,
    /// Containers of unknown services, too.
    pub remove_orphans: bool,
    /// Services the file knows, to tell orphans from others; `None` = no file was read.
    #[serde(default)]
    pub known: Option<Vec<ServiceName>>,
    /// Only these, by full id; empty = all of the services.
    #[serde(default)]
    pub containers: Vec<String>,
    /// Answer with the plan, change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `rm`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Remove {
    /// Named services; empty = all.
    pub services: Vec<ServiceName>,
    /// Stop running ones first.
    pub stop: bool,
    /// Remove anonymous volumes, too.
    pub volumes: bool,
    /// Only these, by full id; empty = all of the services.
    #[serde(default)]
    pub containers: Vec<String>,
    /// Answer with the plan, change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `exec`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Exec {
    /// Service.
    pub service: String,
    /// Replica number; `None` = the lowest.
    pub index: Option<u32>,
    /// This container instead, by full id.
    #[serde(default)]
    pub container: Option<String>,
    /// Argument vector.
    pub command: Vec<String>,
    /// Allocate a terminal of this size (rows, columns).
    pub tty: Option<(u16, u16)>,
    /// Keep stdin open.
    pub stdin: bool,
    /// `KEY=value` on top of the container's environment.
    pub env: Vec<String>,
    /// Instead of the container's user.
    pub user: Option<String>,
    /// Instead of the container's working directory.
    pub workdir: Option<String>,
    /// All capabilities.
    pub privileged: bool,
    /// Do not wait for its end.
    pub detach: bool,
}
