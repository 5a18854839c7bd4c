//! Names of folders that were put aside to be emptied: they tell which process does that, so that another one does if
//! it was killed. Its PID is not enough, since that is given to others: its start time and the boot belong to it.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// So many characters of a folder's own name, which is in ASCII, are in the new one: a name may have 255, and who did it takes
/// up to 70.
const LONGEST: usize = 180;

/// What the name of a folder begins with when it is put aside; who did it follows.
fn prefix(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().take(LONGEST).collect();
    format!(".{name}.")
}

/// What `dir` is called once this process has put it aside.
pub(super) fn name(dir: &Path) -> String {
    name_by(dir, std::process::id() as i32)
}

fn name_by(dir: &Path, pid: i32) -> String {
    let start = stat(pid).map_or(0, |stat| stat.start);
    format!("{}{pid}.{start}.{}", prefix(dir), boot())
}

/// Who put a folder aside.
pub(super) struct Maker {
    pid: i32,
    /// Of the process, and the boot it was in; hoist 0.1 wrote neither.
    since: Option<(u64, String)>,
}

impl Maker {
    /// By the name of a `dir` that was put aside; `None` for any other name.
    pub(super) fn of(dir: &Path, name: &str) -> Option<Self> {
        let words: Vec<&str> = name.strip_prefix(&prefix(dir))?.split('.').collect();
        let (pid, since) = match words[..] {
            [pid, start, boot] => (pid, Some((start.parse().ok()?, boot.to_owned()))),
            [pid] => (pid, None),
            _ => return None,
        };
        let pid = pid.parse().ok()?;
        Some(Self { pid, since })
    }

    /// It may still empty the folder.
    pub(super) fn lives(&self) -> bool {
        let is_it = |stat: &Stat| match &self.since {
            Some((start, of)) => *start == stat.start && *of == boot(),
            None => true,
        };
        stat(self.pid).is_some_and(|stat| stat.runs && is_it(&stat))
    }

    /// Waits until it has ended, which takes a while even after it was killed, or until `patience` is over.
    pub(super) fn wait(&self, patience: Duration) {
        let pid = Pid::from_raw(self.pid);
        let Some(Ok(process)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
            return;
        };
        // Opened first: what lives now is the process that the descriptor stands for.
        if self.lives() {
            let patience = Timespec::try_from(patience).ok();
            let _ = poll(
                &mut [PollFd::new(&process, PollFlags::IN)],
                patience.as_ref(),
            );
        }
    }
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

pub(super) fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_left(dir: &Path, name: &str) -> bool {
        Maker::of(dir, name).is_some_and(|maker| !maker.lives())
    }

    #[test]
    fn the_longest_name_of_a_folder_can_be_put_aside() {
        let dir = std::path::PathBuf::from(format!("/projects/{}", "n".repeat(255)));
        let name = name(&dir);
        assert!(name.len() <= 255, "{name}");
        assert!(Maker::of(&dir, &name).is_some_and(|maker| maker.lives()));
    }

    #[test]
    fn who_was_killed_is_waited_for() {
        let dir = Path::new("/projects/p");
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        let name = name_by(dir, child.id() as i32);
        let maker = Maker::of(dir, &name).unwrap();
        assert!(maker.lives());
        let waiting = std::thread::spawn(move || {
            maker.wait(Duration::from_secs(60));
            maker.lives()
        });
        child.kill().unwrap();
        assert!(!waiting.join().unwrap());
        assert!(is_left(dir, &name));
        child.wait().unwrap();
    }

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
