//! Volumes, secrets, configs and limits.

use super::Blkio;
use crate::id::VolumeName;
use indexmap::IndexMap;
use std::path::PathBuf;

/// A volume below the top-level `volumes:`.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// `<project>_<key>`, or the explicit `name`.
    pub name: VolumeName,
    /// Made by somebody else: must exist, is never removed.
    pub external: bool,
    /// Only `local`.
    pub driver: Option<String>,
    /// Options of the local driver as written.
    pub driver_opts: IndexMap<String, String>,
    /// Labels.
    pub labels: IndexMap<String, String>,
}

/// A secret or config below the top level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileObject {
    /// `<project>_<key>`, or the explicit `name`.
    pub name: String,
    /// Where its bytes come from.
    pub content: FileContent,
}

/// Where the bytes of a secret or config come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// `file:` absolute path, read when the container is created.
    File(PathBuf),
    /// `environment:` resolved to its value (name, value).
    Environment(String, String),
    /// `content:` inline.
    Inline(String),
}

/// Resource limits; `None` = unlimited.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    /// CPUs as a fraction (1.5).
    pub cpus: Option<f64>,
    /// CPU time a period, µs; negative = unlimited.
    pub cpu_quota: Option<i64>,
    /// The period of `cpu_quota`, µs.
    pub cpu_period: Option<u64>,
    /// Real-time CPU time a period, µs.
    pub cpu_rt_runtime: Option<i64>,
    /// The period of `cpu_rt_runtime`, µs.
    pub cpu_rt_period: Option<u64>,
    /// Relative weight, docker's 2..=262144.
    pub cpu_shares: Option<u64>,
    /// CPU list such as `0-2,4`.
    pub cpuset: Option<String>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Soft limit, bytes.
    pub memory_reservation: Option<u64>,
    /// Memory plus swap, bytes; -1 = unlimited swap.
    pub memory_swap: Option<i64>,
    /// How readily memory is swapped out, 0 to 100.
    pub memory_swappiness: Option<u64>,
    /// Processes wait for memory instead of being killed.
    pub oom_kill_disable: bool,
    /// Number of tasks; -1 = unlimited.
    pub pids: Option<i64>,
    /// Block devices.
    pub blkio: Blkio,
}

/// A resource limit of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulimit {
    /// Soft limit; -1 = unlimited.
    pub soft: i64,
    /// Hard limit; -1 = unlimited.
    pub hard: i64,
}
