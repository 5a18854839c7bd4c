//! What runs and nobody can find: the run folder was removed while the container lived, or its record is lost.

use crate::runtime::cgroups::Cgroup;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeSet;

/// How long a killed shim may take to be gone.
const PATIENCE: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};

/// Ends the processes of a container's cgroup and the shims above them, and removes the cgroup. Whether there were any.
pub fn end(cgroup: &str) -> bool {
    let Ok(cgroup) = Cgroup::open(cgroup) else {
        return false;
    };
    let all = cgroup.pids();
    // First: a shim would start what ended again, or hold its ports.
    let shims: BTreeSet<i32> = all.iter().filter_map(|pid| shim_above(*pid)).collect();
    shims.into_iter().for_each(kill);
    let _ = cgroup.kill();
    let _ = cgroup.remove();
    !all.is_empty()
}

/// The parent of a process, if it is a shim.
fn shim_above(pid: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    let parent = parent.trim().parse().ok()?;
    is_shim(parent).then_some(parent)
}

fn is_shim(pid: i32) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
    name.is_ok_and(|name| name.trim_end() == super::NAME.to_string_lossy())
}

fn kill(shim: i32) {
    let pid = Pid::from_raw(shim);
    let Some(Ok(pidfd)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
        return;
    };
    // Opened first: what has the name now is the process that the descriptor stands for.
    if is_shim(shim) && pidfd_send_signal(&pidfd, Signal::KILL).is_ok() {
        let _ = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&PATIENCE));
    }
}
