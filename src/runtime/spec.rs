//! What the runtime is told: one container, fully decided. Nothing here is defaulted later.
//!
//! Serialised only between our own processes (supervisor → zygote → shim) and into the container's `config.json`.

use crate::id::ContainerId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
    /// The host's UTS namespace: its name is nobody's to set (`uts: host`).
    #[serde(default)]
    pub host_uts: bool,
    /// The host's cgroup namespace (`cgroup: host`).
    #[serde(default)]
    pub host_cgroups: bool,
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
    /// Further device control, `c 1:3 mr`.
    #[serde(default)]
    pub device_rules: Vec<String>,
    /// Written below `/proc/sys` inside, on top of docker's two.
    pub sysctls: Vec<(String, String)>,
    /// Size of `/dev/shm`, bytes (docker: 64 MiB); `None` = there is none (`ipc: none`).
    pub shm_size: Option<u64>,
    /// Signal number of a graceful stop.
    pub stop_signal: i32,
    /// OCI annotations: kept with the container, read by nobody here.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Programs of vendors that have a part in its making.
    #[serde(default)]
    pub hooks: Vec<HookSpec>,
}

/// An OCI hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookSpec {
    /// When it runs.
    pub stage: HookStage,
    /// Absolute path on the host.
    pub path: PathBuf,
    /// Argument vector, with `args[0]`; may be empty.
    pub args: Vec<String>,
    /// All of its environment, `KEY=value`.
    pub env: Vec<String>,
    /// Seconds after which it is killed and the start has failed.
    pub timeout: Option<u64>,
}

/// When, and in whose namespaces, an OCI hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookStage {
    /// `prestart` and `createRuntime`: the namespaces and mounts are made, on the host.
    CreateRuntime,
    /// `createContainer`: after that, in the container's namespaces, with the host's root directory.
    CreateContainer,
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
        /// A read-only mount whose mounts below stay as they are (`recursive: writable`).
        #[serde(default)]
        shallow: bool,
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
    /// The file system of an image, never writable.
    Layers {
        /// Its layers, topmost first.
        lower: Vec<PathBuf>,
        /// Folder of it that is mounted, resolved beneath it.
        subpath: Option<String>,
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
    /// What the security modules of the kernel are told.
    #[serde(default)]
    pub confinement: Confinement,
    /// rlimits.
    pub rlimits: Vec<RlimitSpec>,
    /// `oom_score_adj`; `None` = inherit.
    pub oom_score_adj: Option<i32>,
}

/// Labels for the kernel's security modules, on a kernel that has them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Confinement {
    /// AppArmor profile.
    pub apparmor: Option<String>,
    /// SELinux label of the process.
    pub selinux: Option<String>,
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
    /// The container's own: the descriptor handed over with the launch request.
    Given,
    /// Another container's, handed over likewise: nothing of it is changed.
    Joined,
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
#[serde(default)]
pub struct CgroupSpec {
    /// Path below each hierarchy's root, e.g. `hoist/PROJECT/ID`, without leading slash.
    pub path: String,
    /// CPUs as a fraction.
    pub cpus: Option<f64>,
    /// CPU time a period, µs; negative = unlimited.
    pub cpu_quota: Option<i64>,
    /// The period of `cpu_quota`, µs.
    pub cpu_period: Option<u64>,
    /// Real-time CPU time a period, µs (v1).
    pub cpu_rt_runtime: Option<i64>,
    /// The period of `cpu_rt_runtime`, µs (v1).
    pub cpu_rt_period: Option<u64>,
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
    /// How readily memory is swapped out, 0 to 100 (v1).
    pub memory_swappiness: Option<u64>,
    /// Processes wait instead of being killed (v1).
    pub oom_kill_disable: bool,
    /// Tasks; -1 = unlimited.
    pub pids: Option<i64>,
    /// Block devices.
    pub blkio: BlkioSpec,
}

/// Limits of block devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct BlkioSpec {
    /// Share of all devices, 10 to 1000.
    pub weight: Option<u64>,
    /// Share of one device.
    pub weight_device: Vec<DeviceLimit>,
    /// Bytes read a second.
    pub read_bps: Vec<DeviceLimit>,
    /// Bytes written a second.
    pub write_bps: Vec<DeviceLimit>,
    /// Reads a second.
    pub read_iops: Vec<DeviceLimit>,
    /// Writes a second.
    pub write_iops: Vec<DeviceLimit>,
}

/// A limit of one block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLimit {
    /// Its node on the host.
    pub path: PathBuf,
    /// How much.
    pub value: u64,
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
