//! From limits in docker's words to what is written into which file.

use crate::runtime::spec::CgroupSpec;

/// docker's period of CPU quotas, µs.
const PERIOD: u64 = 100_000;

/// One value to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Whose file it is.
    pub controller: &'static str,
    /// File name.
    pub file: &'static str,
    /// What to write.
    pub value: String,
    /// The compose key that asked for it; `None` if it only follows from another, and may be missing.
    pub asked: Option<&'static str>,
}

pub(super) fn asked(
    controller: &'static str,
    file: &'static str,
    key: &'static str,
    value: impl ToString,
) -> Write {
    Write {
        controller,
        file,
        value: value.to_string(),
        asked: Some(key),
    }
}

/// CPU time a period, µs; the kernel's least is 1 ms.
fn quota(cpus: f64) -> u64 {
    // Rounded first: 0.29 × 100000 is 28999.999….
    let quota = (cpus * PERIOD as f64).round();
    (quota as u64).max(1000)
}

fn pids(limit: i64) -> String {
    if limit > 0 {
        limit.to_string()
    } else {
        "max".into()
    }
}

/// What to write on cgroup v1.
pub fn v1(spec: &CgroupSpec) -> Vec<Write> {
    let mut writes = Vec::new();
    if let Some(memory) = spec.memory {
        writes.push(asked(
            "memory",
            "memory.limit_in_bytes",
            "mem_limit",
            memory,
        ));
        // docker: as much swap as memory, unless said otherwise.
        let both = i64::try_from(memory.saturating_mul(2)).unwrap_or(-1);
        writes.push(Write {
            controller: "memory",
            file: "memory.memsw.limit_in_bytes",
            value: spec.memory_swap.unwrap_or(both).to_string(),
            asked: spec
                .memory_swap
                .filter(|limit| *limit >= 0)
                .map(|_| "memswap_limit"),
        });
    }
    let soft = spec.memory_reservation;
    writes.extend(soft.map(|bytes| {
        asked(
            "memory",
            "memory.soft_limit_in_bytes",
            "mem_reservation",
            bytes,
        )
    }));
    let swappiness = spec.memory_swappiness;
    writes.extend(
        swappiness.map(|value| asked("memory", "memory.swappiness", "mem_swappiness", value)),
    );
    if spec.oom_kill_disable {
        writes.push(asked("memory", "memory.oom_control", "oom_kill_disable", 1));
    }
    writes.extend(v1_cpu(spec));
    let shares = spec.cpu_shares.filter(|shares| *shares > 0);
    writes.extend(shares.map(|shares| asked("cpu", "cpu.shares", "cpu_shares", shares)));
    let cpus = spec.cpuset.as_deref();
    writes.extend(cpus.map(|cpus| asked("cpuset", "cpuset.cpus", "cpuset", cpus)));
    writes.extend(
        spec.pids
            .map(|limit| asked("pids", "pids.max", "pids_limit", pids(limit))),
    );
    writes
}

/// CPU time and real-time CPU time: periods first, since a quota is checked against its period.
fn v1_cpu(spec: &CgroupSpec) -> Vec<Write> {
    let mut writes = Vec::new();
    if let Some(cpus) = spec.cpus {
        writes.push(asked("cpu", "cpu.cfs_period_us", "cpus", PERIOD));
        writes.push(asked("cpu", "cpu.cfs_quota_us", "cpus", quota(cpus)));
    }
    let period = spec.cpu_period;
    writes.extend(period.map(|us| asked("cpu", "cpu.cfs_period_us", "cpu_period", us)));
    let quota = spec.cpu_quota;
    writes.extend(quota.map(|us| asked("cpu", "cpu.cfs_quota_us", "cpu_quota", us.max(-1))));
    let period = spec.cpu_rt_period;
    writes.extend(period.map(|us| asked("cpu", "cpu.rt_period_us", "cpu_rt_period", us)));
    let runtime = spec.cpu_rt_runtime;
    writes.extend(runtime.map(|us| asked("cpu", "cpu.rt_runtime_us", "cpu_rt_runtime", us)));
    writes
}

/// The value of `cpu.max`, and the key that asked for it.
fn v2_cpu(spec: &CgroupSpec) -> Option<(String, &'static str)> {
    if let Some(cpus) = spec.cpus {
        return Some((format!("{} {PERIOD}", quota(cpus)), "cpus"));
    }
    let period = spec.cpu_period.unwrap_or(PERIOD);
    match spec.cpu_quota {
        Some(quota) if quota >= 0 => Some((format!("{quota} {period}"), "cpu_quota")),
        Some(_) => Some((format!("max {period}"), "cpu_quota")),
        None => spec
            .cpu_period
            .map(|period| (format!("max {period}"), "cpu_period")),
    }
}

/// What to write on cgroup v2.
pub fn v2(spec: &CgroupSpec) -> Vec<Write> {
    let mut writes = Vec::new();
    if let Some(memory) = spec.memory {
        writes.push(asked("memory", "memory.max", "mem_limit", memory));
        let swap = match spec.memory_swap {
            Some(both) if both < 0 => "max".into(),
            // v2 counts swap alone, docker's option memory and swap together.
            Some(both) => (both as u64).saturating_sub(memory).to_string(),
            None => memory.to_string(),
        };
        writes.push(Write {
            controller: "memory",
            file: "memory.swap.max",
            value: swap,
            asked: spec
                .memory_swap
                .filter(|limit| *limit >= 0)
                .map(|_| "memswap_limit"),
        });
    }
    let soft = spec.memory_reservation;
    writes.extend(soft.map(|bytes| asked("memory", "memory.low", "mem_reservation", bytes)));
    writes.extend(v2_cpu(spec).map(|(value, key)| asked("cpu", "cpu.max", key, value)));
    let shares = spec.cpu_shares.filter(|shares| *shares > 0);
    writes.extend(shares.map(|shares| asked("cpu", "cpu.weight", "cpu_shares", weight(shares))));
    let cpus = spec.cpuset.as_deref();
    writes.extend(cpus.map(|cpus| asked("cpuset", "cpuset.cpus", "cpuset", cpus)));
    writes.extend(
        spec.pids
            .map(|limit| asked("pids", "pids.max", "pids_limit", pids(limit))),
    );
    writes
}

/// v1 shares (2 … 1024 … 262144) as a v2 weight (1 … 100 … 10000): the curve of the OCI runtimes since 2025, a quadratic in
/// the logarithms through these three points.
fn weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            // The tolerance keeps 1024 at 100: the exponent is 2 there but for rounding.
            (10f64.powf(exponent) - 1e-9).ceil() as u64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(writes: Vec<Write>) -> Vec<String> {
        writes
            .into_iter()
            .map(|write| {
                format!(
                    "{}={}{}",
                    write.file,
                    write.value,
                    if write.asked.is_some() { "" } else { "?" }
                )
            })
            .collect()
    }

    fn full() -> CgroupSpec {
        CgroupSpec {
            cpus: Some(0.29),
            cpu_shares: Some(1024),
            cpuset: Some("0-1".into()),
            memory: Some(1 << 20),
            memory_reservation: Some(4096),
            memory_swap: Some(3 << 20),
            pids: Some(7),
            ..CgroupSpec::default()
        }
    }

    #[test]
    fn everything_on_v1() {
        assert_eq!(
            pairs(v1(&full())),
            [
                "memory.limit_in_bytes=1048576",
                "memory.memsw.limit_in_bytes=3145728",
                "memory.soft_limit_in_bytes=4096",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=29000",
                "cpu.shares=1024",
                "cpuset.cpus=0-1",
                "pids.max=7"
            ]
        );
    }

    #[test]
    fn everything_on_v2() {
        assert_eq!(
            pairs(v2(&full())),
            [
                "memory.max=1048576",
                "memory.swap.max=2097152",
                "memory.low=4096",
                "cpu.max=29000 100000",
                "cpu.weight=100",
                "cpuset.cpus=0-1",
                "pids.max=7"
            ]
        );
    }

    #[test]
    fn no_limits_are_no_writes() {
        assert_eq!(v1(&CgroupSpec::default()), []);
        assert_eq!(v2(&CgroupSpec::default()), []);
    }

    #[test]
    fn swap_follows_docker() {
        let with = |memory_swap| CgroupSpec {
            memory: Some(100),
            memory_swap,
            ..CgroupSpec::default()
        };
        for (swap, on_v1, on_v2) in [
            (
                None,
                "memory.memsw.limit_in_bytes=200?",
                "memory.swap.max=100?",
            ),
            (
                Some(-1),
                "memory.memsw.limit_in_bytes=-1?",
                "memory.swap.max=max?",
            ),
            (
                Some(100),
                "memory.memsw.limit_in_bytes=100",
                "memory.swap.max=0",
            ),
        ] {
            assert_eq!(pairs(v1(&with(swap)))[1], on_v1);
            assert_eq!(pairs(v2(&with(swap)))[1], on_v2);
        }
    }

    #[test]
    fn unlimited_pids_and_tiny_cpus() {
        let spec = CgroupSpec {
            pids: Some(-1),
            cpus: Some(0.001),
            ..CgroupSpec::default()
        };
        assert_eq!(pairs(v2(&spec)), ["cpu.max=1000 100000", "pids.max=max"]);
    }

    #[test]
    fn weights_go_through_least_default_and_most() {
        assert_eq!(
            [2, 3, 512, 1024, 2048, 262_144].map(weight),
            [1, 2, 59, 100, 174, 10_000]
        );
        assert!((2..5000).map(weight).is_sorted());
    }

    #[test]
    fn quota_and_period_may_be_given_by_themselves() {
        let with = |quota, period| CgroupSpec {
            cpu_quota: quota,
            cpu_period: period,
            ..CgroupSpec::default()
        };
        assert_eq!(
            pairs(v1(&with(Some(5000), Some(20000)))),
            ["cpu.cfs_period_us=20000", "cpu.cfs_quota_us=5000"]
        );
        for (quota, period, max) in [
            (Some(5000), Some(20000), "5000 20000"),
            (Some(5000), None, "5000 100000"),
            (Some(-1), None, "max 100000"),
            (None, Some(20000), "max 20000"),
        ] {
            let expected = format!("cpu.max={max}");
            assert_eq!(pairs(v2(&with(quota, period))), [expected]);
        }
    }

    #[test]
    fn what_only_v1_has_is_written_there_only() {
        let spec = CgroupSpec {
            memory_swappiness: Some(7),
            oom_kill_disable: true,
            cpu_rt_period: Some(1_000_000),
            cpu_rt_runtime: Some(950),
            ..CgroupSpec::default()
        };
        assert_eq!(
            pairs(v1(&spec)),
            [
                "memory.swappiness=7",
                "memory.oom_control=1",
                "cpu.rt_period_us=1000000",
                "cpu.rt_runtime_us=950"
            ]
        );
        assert!(v2(&spec).is_empty());
    }
}
