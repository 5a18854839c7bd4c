//! What a cgroup holds and uses.

use super::Cgroup;
use super::tree::Folder;
use crate::runtime::stats;
use crate::runtime::stats::Stats;

impl Cgroup {
    /// The processes in the cgroup and in those that they made below it.
    pub fn pids(&self) -> Vec<i32> {
        let folder = self
            .v2
            .as_ref()
            .or_else(|| self.v1.first().map(|(_, folder)| folder));
        folder
            .and_then(|folder| folder.pids().ok())
            .unwrap_or_default()
    }

    /// How many processes the kernel killed for want of memory.
    pub fn oom_kills(&self) -> u64 {
        let (folder, file) = if self.pure {
            (self.v2.as_ref(), "memory.events")
        } else {
            (self.v1_of("memory"), "memory.oom_control")
        };
        let text = folder
            .and_then(|folder| folder.read(file).ok().flatten())
            .unwrap_or_default();
        stats::table(&text).get("oom_kill").copied().unwrap_or(0)
    }

    /// What the container uses now.
    pub fn stats(&self) -> Stats {
        let memory = if self.pure {
            self.v2.as_ref()
        } else {
            self.v1_of("memory")
        };
        let pids = if self.pure {
            self.v2.as_ref()
        } else {
            self.v1_of("pids")
        };
        let text = |folder: Option<&Folder>, file: &str| {
            folder
                .and_then(|folder| folder.read(file).ok().flatten())
                .unwrap_or_default()
        };
        let (usage, limit) = if self.pure {
            ("memory.current", "memory.max")
        } else {
            ("memory.usage_in_bytes", "memory.limit_in_bytes")
        };
        let usage = stats::number(&text(memory, usage));
        let mut result = Stats {
            memory: stats::memory(usage, &text(memory, "memory.stat")),
            memory_limit: stats::number(&text(memory, limit)),
            pids: stats::number(&text(pids, "pids.current")),
            pids_limit: stats::number(&text(pids, "pids.max")),
            oom_kills: self.oom_kills(),
            ..Stats::default()
        };
        let threads = || text(self.v2.as_ref(), "cgroup.threads").lines().count() as u64;
        result.pids = result.pids.or_else(|| self.v2.is_some().then(threads));
        self.count_cpu(&mut result);
        self.count_block(&mut result);
        result
    }

    /// Bytes moved between the container and disks.
    fn count_block(&self, result: &mut Stats) {
        let (folder, file) = match self.pure {
            true => (self.v2.as_ref(), "io.stat"),
            false => (self.v1_of("blkio"), "blkio.throttle.io_service_bytes"),
        };
        let text = folder.and_then(|folder| folder.read(file).ok().flatten());
        result.block = text.map(|text| stats::block(&text));
    }

    /// CPU time: v2 counts it in every cgroup, also without the controller.
    fn count_cpu(&self, result: &mut Stats) {
        let text = |folder: Option<&Folder>, file: &str| {
            folder
                .and_then(|folder| folder.read(file).ok().flatten())
                .unwrap_or_default()
        };
        if self.v2.is_some() {
            let text = text(self.v2.as_ref(), "cpu.stat");
            let table = stats::table(&text);
            let ns = |key: &str| table.get(key).map(|us| us * 1000);
            result.cpu = ns("usage_usec");
            result.cpu_user = ns("user_usec");
            result.cpu_system = ns("system_usec");
            result.throttled_periods = table.get("nr_throttled").copied();
        } else {
            let account = self.v1_of("cpuacct");
            result.cpu = stats::number(&text(account, "cpuacct.usage"));
            result.cpu_user = stats::number(&text(account, "cpuacct.usage_user"));
            result.cpu_system = stats::number(&text(account, "cpuacct.usage_sys"));
        }
        if !self.pure {
            let text = text(self.v1_of("cpu"), "cpu.stat");
            result.throttled_periods = stats::table(&text).get("nr_throttled").copied();
        }
    }
}
