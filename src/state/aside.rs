//! Names of folders that were put aside to be emptied: they tell which process does that, so that another one does if
//! it was killed. Its PID is not enough, since that is given to others: its start time and the boot belong to it.

use std::fs;
use std::path::Path;

/// What the name of a folder begins with when it is put aside; who did it follows.
fn prefix(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.")
}

/// What `dir` is called once this process has put it aside.
pub(super) fn name(dir: &Path) -> String {
    let pid = std::process::id() as i32;
    let start = stat(pid).map_or(0, |stat| stat.start);
    format!("{}{pid}.{start}.{}", prefix(dir), boot())
}

/// Whether `name` is that of a `dir` that was put aside by somebody who will not empty it any more.
pub(super) fn is_left(dir: &Path, name: &str) -> bool {
    let Some(maker) = name.strip_prefix(&prefix(dir)) else {
        return false;
    };
    let words: Vec<&str> = maker.split('.').collect();
    let (pid, start, of_boot) = match words[..] {
        [pid, start, of_boot] => (
            pid.parse::<i32>(),
            start.parse::<u64>().map(Some),
            Some(of_boot),
        ),
        // As hoist 0.1 wrote it.
        [pid] => (pid.parse::<i32>(), Ok(None), None),
        _ => return false,
    };
    let (Ok(pid), Ok(start)) = (pid, start) else {
        return false;
    };
    let in_this_boot = of_boot.is_none_or(|of| of == boot());
    let runs = |stat: Stat| stat.runs && start.is_none_or(|start| start == stat.start);
    !(in_this_boot && stat(pid).is_some_and(runs))
}

/// What the kernel tells of a process.
struct Stat {
    /// It can still do something: one that was killed and waits to be reaped cannot.
    runs: bool,
    /// Clock ticks since boot.
    start: u64,
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name is in parentheses and may hold anything.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut words = rest.split_ascii_whitespace();
    Some(Stat {
        runs: !matches!(words.next()?, "Z" | "X"),
        start: words.nth(18)?.parse().ok()?,
    })
}

fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_pid_of_a_dead_process_keeps_nothing_that_it_put_aside() {
        let dir = Path::new("/projects/p");
        let own = name(dir);
        assert!(!is_left(dir, &own), "its process lives");
        let words: Vec<&str> = own.split('.').collect();
        let [_, _, pid, start, of_boot] = words[..] else {
            panic!("{own} names pid, start time and boot");
        };
        let other_boot = "00000000-0000-0000-0000-000000000000";
        for (pid, start, of_boot) in [
            (pid, "1", of_boot),
            (pid, start, other_boot),
            ("99999999", start, of_boot),
        ] {
            assert!(is_left(dir, &format!(".p.{pid}.{start}.{of_boot}")));
        }
        assert!(is_left(dir, ".p.99999999"), "of an earlier version");
        assert!(!is_left(dir, &format!(".p.{pid}")), "of an earlier version");
    }

    #[test]
    fn folders_of_others_are_left_alone() {
        let dir = Path::new("/projects/p");
        for name in [
            "p",
            ".p.",
            ".p.x",
            ".p.9999999x",
            ".p.1.2.3.4",
            ".q.99999999.1.x",
        ] {
            assert!(!is_left(dir, name), "{name}");
        }
    }

    #[test]
    fn a_process_that_was_killed_and_not_reaped_is_dead() {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid::from_child(&child);
        waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        )
        .unwrap();
        let found = stat(pid.as_raw_nonzero().get()).expect("a zombie has a /proc folder");
        assert!(!found.runs);
        child.wait().unwrap();
        assert!(stat(std::process::id() as i32).unwrap().runs);
    }
}
