//! Limits of a container, as far as this machine has them.

use super::{Error, Parts};
use crate::runtime::cgroups;
use crate::runtime::spec::{BlkioSpec, CgroupSpec, DeviceLimit};
use std::path::PathBuf;

impl Parts<'_> {
    /// Tells what has no effect here; what would be unsafe to go without is an error.
    pub(super) fn cgroup(&self, warnings: &mut Vec<String>) -> Result<CgroupSpec, Error> {
        let limits = &self.service.limits;
        let kernel = &self.service.kernel;
        if kernel.storage.is_some() {
            let why = "the writable layer is on a file system without project quotas";
            return Err(self.unavailable("storage_opt.size", why));
        }
        if limits.cpus.is_some() && (limits.cpu_quota.is_some() || limits.cpu_period.is_some()) {
            let why = "it says the same as `cpu_quota` and `cpu_period`: leave one of them out";
            return Err(self.unavailable("cpus", why));
        }
        let parent = kernel.cgroup_parent.as_deref().unwrap_or(self.cgroup);
        let mut spec = CgroupSpec {
            path: format!("{parent}/{}", self.id),
            cpus: limits.cpus,
            cpu_quota: limits.cpu_quota,
            cpu_period: limits.cpu_period,
            cpu_rt_runtime: limits.cpu_rt_runtime,
            cpu_rt_period: limits.cpu_rt_period,
            cpu_shares: limits.cpu_shares,
            cpuset: limits.cpuset.clone(),
            memory: limits.memory,
            memory_reservation: limits.memory_reservation,
            memory_swap: limits.memory_swap,
            memory_swappiness: limits.memory_swappiness,
            oom_kill_disable: limits.oom_kill_disable,
            pids: limits.pids,
            blkio: self.blkio(),
        };
        let told = cgroups::discard_unsupported(&mut spec)
            .map_err(|e| self.unavailable("cgroup", &e.to_string()))?;
        warnings.extend(told);
        Ok(spec)
    }

    pub(super) fn unavailable(&self, key: &'static str, why: &str) -> Error {
        Error::Unavailable {
            service: self.service.name.to_string(),
            key,
            why: why.to_owned(),
        }
    }

    fn blkio(&self) -> BlkioSpec {
        let blkio = &self.service.limits.blkio;
        let limits = |of: &[(PathBuf, u64)]| {
            let limit = |(path, value): &(PathBuf, u64)| DeviceLimit {
                path: path.clone(),
                value: *value,
            };
            of.iter().map(limit).collect()
        };
        BlkioSpec {
            weight: blkio.weight,
            weight_device: limits(&blkio.weight_device),
            read_bps: limits(&blkio.read_bps),
            write_bps: limits(&blkio.write_bps),
            read_iops: limits(&blkio.read_iops),
            write_iops: limits(&blkio.write_iops),
        }
    }
}
