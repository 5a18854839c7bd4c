//! What a process of ours has from whoever typed the command that started it, and containers must not have: the same project
//! is the same from a shell with `nice`, `taskset` or low limits, at a boot, and after a supervisor was replaced.

use super::rlimits;
use super::sys::process;
use rustix::thread::{CpuSet, sched_setaffinity};

/// Gives this process, and so what it starts, what a service of the machine has. As far as it may: a user without rights
/// keeps what is lower.
pub fn disown() {
    let _ = rustix::process::setpriority_process(None, 0);
    process::reset_scheduling();
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|cpu| all.set(cpu));
    let _ = sched_setaffinity(None, &all);
    let _ = std::fs::write("/proc/self/oom_score_adj", "0");
    rlimits::set_standard();
}
