//! What the runtime is told: one container, fully decided. Nothing here is defaulted later.
//!
//! Serialised only between our own processes (supervisor → zygote → shim) and into the container's `config.json`.

use crate::id::ContainerId;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A container, fully decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Identity; also names the cgroup.
    pub id: ContainerId,
    /// Where the root filesystem comes from.
    pub rootfs: Rootfs,
    /// `/` is mounted read-only.
    pub read_only: bool,
    /// Mounts on top of the default ones, in the order they are made (parents first).
    pub mounts: Vec<MountSpec>,
    /// PID 1.
    pub process: ProcessSpec,
    /// UTS host name.
    pub hostname: String,
    /// UTS domain name.
    pub domainname: Option<String>,
    /// Network namespace.
    pub network: NetworkNs,
    /// PID namespace.
    pub pid_ns: Namespace,
    /// IPC namespace.
    pub ipc_ns: Namespace,
    /// Run our init as PID 1, with the process as its child (`init: true`).
    pub init: bool,
    /// Everything allowed: all capabilities and devices, no seccomp, nothing masked.
    pub privileged: bool,
    /// Seccomp.
    pub seccomp: Seccomp,
    /// Leave `/proc` and `/sys` unmasked (`systempaths=unconfined`).
    pub unmasked: bool,
    /// Limits; the cgroup is always made.
    pub cgroup: CgroupSpec,
    /// Extra device nodes.
    pub devices: Vec<DeviceSpec>,
    /// Written below `/proc/sys` inside, on top of docker's two.
    pub sysctls: Vec<(String, String)>,
    /// Size of `/dev/shm`, bytes (docker: 64 MiB).
    pub shm_size: u64,
    /// Signal number of a graceful stop.
    pub stop_signal: i32,
}

/// Where `/` comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rootfs {
    /// overlayfs; `lower` is topmost first.
    Overlay {
        /// Read-only layer folders, topmost first.
        lower: Vec<PathBuf>,
        /// Writable layer.
        upper: PathBuf,
        /// overlay's work folder, on the same filesystem as `upper`.
        work: PathBuf,
    },
}

/// A mount the user asked for (or `/etc/hosts` and its kin).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountSpec {
    /// Absolute path inside; resolved beneath the root, created if missing.
    pub target: String,
    /// What is mounted.
    pub kind: MountKind,
    /// Not writable.
    pub read_only: bool,
}

/// Kinds of mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    /// A host file or folder.
    Bind {
        /// Absolute host path.
        source: PathBuf,
        /// Path below `source` (a volume's `subpath`), resolved beneath it.
        subpath: Option<String>,
        /// `rprivate`, `private`, `rshared`, `shared`, `rslave`, `slave`.
        propagation: Option<String>,
        /// Include mounts below the source.
        recursive: bool,
        /// If the source folder is empty: copy what the image has at `target`, with owners (named volumes).
        copy_up: bool,
    },
    /// A fresh tmpfs.
    Tmpfs {
        /// Bytes.
        size: Option<u64>,
        /// Permission bits.
        mode: Option<u32>,
        /// `noexec`, `uid=…` and so on, as the user wrote them.
        options: Vec<String>,
    },
    /// A file made from bytes on a tmpfs of its own (secrets and configs).
    File {
        /// The bytes.
        content: Vec<u8>,
        /// Owner inside.
        uid: u32,
        /// Group inside.
        gid: u32,
        /// Permission bits.
        mode: u32,
    },
}

/// A process inside a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// Argument vector; `args[0]` is looked up in the `PATH` of `env`, inside the container.
    pub args: Vec<String>,
    /// `KEY=value`, complete but for `HOME` and `TERM`, which the runtime adds where unset.
    pub env: Vec<String>,
    /// Working directory; created if missing, as docker does.
    pub cwd: String,
    /// `user[:group]`, names looked up in the container's own `/etc/passwd` and `/etc/group`; empty = root.
    pub user: String,
    /// Supplementary groups, names or numbers.
    pub groups: Vec<String>,
    /// Allocate a terminal.
    pub tty: bool,
    /// Keep stdin open (otherwise `/dev/null`).
    pub stdin: bool,
    /// Bounding, permitted and effective capabilities, names without `CAP_`.
    pub capabilities: Vec<String>,
    /// `no_new_privs`.
    pub no_new_privileges: bool,
    /// rlimits.
    pub rlimits: Vec<RlimitSpec>,
    /// `oom_score_adj`; `None` = inherit.
    pub oom_score_adj: Option<i32>,
}

/// One rlimit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RlimitSpec {
    /// Lower-case name without `RLIMIT_`, e.g. `nofile`.
    pub name: String,
    /// `u64::MAX` = unlimited.
    pub soft: u64,
    /// `u64::MAX` = unlimited.
    pub hard: u64,
}

/// Network namespace of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkNs {
    /// The descriptor handed over with the launch request.
    Given,
    /// The host's.
    Host,
    /// A new one with only `lo` up.
    New,
}

/// PID or IPC namespace of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Namespace {
    /// A new one.
    New,
    /// The host's.
    Host,
    /// That of a running process (its pidfd is handed over or opened by pid and start time).
    Of {
        /// PID in the host's namespace.
        pid: i32,
        /// `/proc/PID/stat` field 22, against reuse.
        start_time: u64,
    },
}

/// Seccomp profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    /// Docker's default for the process's capabilities.
    Default,
    /// None.
    Unconfined,
    /// Text of a profile in docker's JSON format.
    Profile(String),
}

/// Where the cgroup is and what limits it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct CgroupSpec {
    /// Path below each hierarchy's root, e.g. `hoist/PROJECT/ID`, without leading slash.
    pub path: String,
    /// CPUs as a fraction.
    pub cpus: Option<f64>,
    /// Docker's cpu shares.
    pub cpu_shares: Option<u64>,
    /// CPU list.
    pub cpuset: Option<String>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Soft limit, bytes.
    pub memory_reservation: Option<u64>,
    /// Memory plus swap, bytes; -1 = unlimited swap.
    pub memory_swap: Option<i64>,
    /// Tasks; -1 = unlimited.
    pub pids: Option<i64>,
}

/// An extra device node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSpec {
    /// Host node.
    pub source: PathBuf,
    /// Path inside.
    pub target: String,
    /// Some of `rwm`.
    pub access: String,
}
