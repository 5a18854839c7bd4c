//! The processes of a container as `ps -ef` shows them, in the host's numbers.

use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Numeric user.
    pub uid: u32,
    /// Number on the host.
    pub pid: i32,
    /// Its parent's.
    pub ppid: i32,
    /// CPU time per time of life, percent.
    pub cpu: u64,
    /// When it was started, seconds since the epoch.
    pub start: i64,
    /// Its terminal as `ps` names it, `?` without one.
    pub tty: String,
    /// CPU time, seconds.
    pub time: u64,
    /// Its command line; in brackets its name if it has none.
    pub command: String,
}

/// Ticks a second in `/proc`; the kernel's ABI fixes it on every machine we run on.
const TICKS: u64 = 100;

/// What `/proc` tells of these processes, by number. Those that have ended meanwhile are left out.
pub fn list(pids: &[i32]) -> Vec<Process> {
    let uptime = seconds_up();
    let now = jiff::Timestamp::now().as_second();
    let mut pids = pids.to_vec();
    pids.sort_unstable();
    pids.dedup();
    let one = |pid: &i32| process(*pid, now, uptime);
    pids.iter().filter_map(one).collect()
}

fn seconds_up() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let whole = text.split('.').next().unwrap_or_default();
    whole.parse().unwrap_or(0)
}

fn process(pid: i32, now: i64, uptime: u64) -> Option<Process> {
    use std::os::unix::fs::MetadataExt;
    let dir = format!("/proc/{pid}");
    let dir = Path::new(&dir);
    let uid = fs::metadata(dir).ok()?.uid();
    let stat = fs::read_to_string(dir.join("stat")).ok()?;
    // The name is in brackets and may hold anything, also brackets.
    let (name, rest) = (stat.split_once('(')?.1).rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|f| f.parse::<i64>().ok());
    let time = u64::try_from(number(11)? + number(12)?).ok()? / TICKS;
    let age = uptime.saturating_sub(u64::try_from(number(19)?).ok()? / TICKS);
    let cmdline = fs::read(dir.join("cmdline")).ok()?;
    Some(Process {
        uid,
        pid,
        ppid: i32::try_from(number(1)?).ok()?,
        cpu: (time * 100).checked_div(age).unwrap_or(0).min(99),
        start: now - i64::try_from(age).unwrap_or(0),
        tty: terminal(number(4)?),
        time,
        command: command(&cmdline, name),
    })
}

/// Arguments between spaces, as far as they can be shown on one line.
fn command(cmdline: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(cmdline);
    let text = text.trim_end_matches('\0').replace('\0', " ");
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match text.is_empty() {
        true => format!("[{name}]"),
        false => text,
    }
}

/// `pts/3` of a device number.
fn terminal(device: i64) -> String {
    let device = u64::try_from(device).unwrap_or(0);
    let (major, minor) = (
        (device >> 8) & 0xfff,
        (device & 0xff) | ((device >> 12) & 0xfff00),
    );
    match major {
        0 => "?".to_owned(),
        4 => format!("tty{minor}"),
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        _ => format!("{major}:{minor}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_with_its_parent_and_a_dead_one_is_not() {
        let me = i32::try_from(std::process::id()).unwrap();
        let list = list(&[i32::MAX, me, me]);
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].pid, me);
        assert!(list[0].ppid > 0 && !list[0].command.is_empty());
    }

    #[test]
    fn a_command_stays_on_one_line_and_a_terminal_has_its_name() {
        assert_eq!(command(b"sh\0-c\0a\nb\0", "sh"), "sh -c a b");
        assert_eq!(command(b"", "kthread"), "[kthread]");
        assert_eq!(terminal(136 << 8 | 3), "pts/3");
        assert_eq!(terminal(0), "?");
    }
}
