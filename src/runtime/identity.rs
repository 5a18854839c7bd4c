//! Who a process is: a PID alone is reused, so its start time and the boot belong to it.

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

/// A process that can be recognised after any of ours was restarted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// PID in the host's namespace.
    pub pid: i32,
    /// `/proc/PID/stat` field 22, clock ticks since boot.
    pub start_time: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

impl Identity {
    /// The identity of a process that exists now.
    pub fn of(pid: i32) -> io::Result<Self> {
        Ok(Self {
            pid,
            start_time: start_time(pid)?,
            boot_id: boot_id()?,
        })
    }

    /// A pidfd if that very process still exists (a zombie does), `None` if it is gone.
    pub fn open(&self) -> io::Result<Option<OwnedFd>> {
        if boot_id()? != self.boot_id {
            return Ok(None);
        }
        open_pid(self.pid, self.start_time)
    }

    /// Whether that very process runs (a zombie does not).
    pub fn is_alive(&self) -> bool {
        matches!(self.open(), Ok(Some(pidfd)) if !has_exited(pidfd.as_fd()))
    }
}

/// A pidfd of `pid` if it started at `start_time`. The pidfd is opened first, so the answer cannot be about a successor.
pub fn open_pid(pid: i32, start: u64) -> io::Result<Option<OwnedFd>> {
    let Some(raw) = Pid::from_raw(pid) else {
        return Ok(None);
    };
    let pidfd = match pidfd_open(raw, PidfdFlags::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::SRCH) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    match start_time(pid) {
        Ok(found) if found == start => Ok(Some(pidfd)),
        Ok(_) => Ok(None),
        Err(e) if gone(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

fn gone(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::ENOENT | Errno::ESRCH)
    )
}

/// Whether the process of `pidfd` has exited (its pidfd polls readable then, zombie or not).
pub fn has_exited(pidfd: impl AsFd) -> bool {
    let mut fds = [rustix::event::PollFd::new(
        &pidfd,
        rustix::event::PollFlags::IN,
    )];
    let now = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    matches!(rustix::event::poll(&mut fds, Some(&now)), Ok(n) if n > 0)
}

/// The wait status of a process that is not our child, kept by its pidfd (Linux 6.15 and later; the pidfd must have been
/// opened before the exit). `None`: it still runs, or this kernel does not tell.
pub fn exit_status(pidfd: impl AsFd) -> Option<std::process::ExitStatus> {
    use std::os::unix::process::ExitStatusExt;
    super::sys::process::pidfd_exit_code(pidfd.as_fd())
        .ok()
        .flatten()
        .map(std::process::ExitStatus::from_raw)
}

/// Start time of a process, `/proc/PID/stat` field 22.
pub fn start_time(pid: i32) -> io::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_start_time(&stat).ok_or_else(|| io::Error::other("malformed /proc/PID/stat"))
}

/// How long ago that was, by a clock that nobody can set.
pub fn age(start_time: u64) -> Duration {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    let ticks = rustix::param::clock_ticks_per_second();
    let started = Duration::from_nanos(start_time.saturating_mul(1_000_000_000 / ticks.max(1)));
    now.saturating_sub(started)
}

fn parse_start_time(stat: &str) -> Option<u64> {
    // The command name is in parentheses and may hold anything, so count from the last `)`.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// This boot.
pub fn boot_id() -> io::Result<String> {
    static BOOT: OnceLock<String> = OnceLock::new();
    if let Some(known) = BOOT.get() {
        return Ok(known.clone());
    }
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(BOOT.get_or_init(|| text.trim_end().to_owned()).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_recognised_and_an_impostor_is_not() {
        let me = Identity::of(std::process::id() as i32).unwrap();
        assert!(me.is_alive());
        let mut other = me.clone();
        other.start_time += 1;
        assert!(!other.is_alive());
        let mut before = me;
        before.boot_id = "00000000-0000-0000-0000-000000000000".into();
        assert!(!before.is_alive());
    }

    #[test]
    fn the_start_time_is_found_behind_a_hostile_command_name() {
        let stat = "1 (a) R 9 (b) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
        assert_eq!(parse_start_time(stat), Some(777));
    }

    #[test]
    fn the_exit_status_of_a_reaped_process_is_known_through_its_pidfd() {
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "read x; exit 42"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let id = Identity::of(child.id() as i32).unwrap();
        let pidfd = id.open().unwrap().unwrap();
        assert!(exit_status(&pidfd).is_none());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(has_exited(&pidfd));
        // Older kernels do not tell: `None` is the honest answer there.
        if let Some(status) = exit_status(&pidfd) {
            assert_eq!(status.code(), Some(42));
        }
        assert!(!id.is_alive());
    }
}
