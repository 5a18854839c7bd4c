//! What a service asks of the kernel and of the machine's devices.

use indexmap::IndexMap;
use std::path::PathBuf;

/// Namespaces, control group and devices of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kernel {
    /// `uts: host`.
    pub host_uts: bool,
    /// `cgroup: host`.
    pub host_cgroups: bool,
    /// Path of the control group that its containers are put below.
    pub cgroup_parent: Option<String>,
    /// Further device control, `c 1:3 mr`.
    pub device_rules: Vec<String>,
    /// Devices by their names of the container device interface, `vendor/class=device`.
    pub cdi: Vec<String>,
    /// `gpus` and `deploy.resources.reservations.devices`.
    pub requests: Vec<DeviceRequest>,
    /// `storage_opt.size`, bytes.
    pub storage: Option<u64>,
    /// OCI annotations.
    pub annotations: IndexMap<String, String>,
}

/// Devices by what they can do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceRequest {
    /// What they must be able to do.
    pub capabilities: Vec<String>,
    /// Whose they are.
    pub driver: Option<String>,
    /// How many; -1 = all.
    pub count: Option<i64>,
    /// Which.
    pub ids: Vec<String>,
}

/// Block devices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blkio {
    /// Share of all of them, 10 to 1000.
    pub weight: Option<u64>,
    /// Shares of single ones.
    pub weight_device: Vec<(PathBuf, u64)>,
    /// Bytes read a second.
    pub read_bps: Vec<(PathBuf, u64)>,
    /// Bytes written a second.
    pub write_bps: Vec<(PathBuf, u64)>,
    /// Reads a second.
    pub read_iops: Vec<(PathBuf, u64)>,
    /// Writes a second.
    pub write_iops: Vec<(PathBuf, u64)>,
}
