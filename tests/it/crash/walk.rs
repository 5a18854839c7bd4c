//! One path, walked again and again.

use super::tracer::{Role, Seen, Shot, Tracer};
use crate::numbered;
use crate::stack::{page, ps};
use crate::world::World;
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// What the command that is cut does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    Start,
    Stop,
    StartAgain,
    Restart,
    Recreate,
    Remove,
}

/// So many points are walked one after the other in what was healed, before it is taken down to see that nothing is left.
const LEG: usize = 10;
/// How long nothing must happen after the command for it to be over.
const QUIET: Duration = Duration::from_millis(25);

/// Walks a path at the sampled points, or at those that the environment asks for.
pub fn walk(path: Path, sample: &[(Role, usize)]) {
    let mut walker = Walker::new(path);
    let wish = std::env::var("HOIST_CRASH").unwrap_or_default();
    let mut failures = Vec::new();
    let mut walked = 0;
    for (role, share) in sample {
        let total = walker.count(*role);
        for at in points(&wish, *role, total, *share) {
            walked += 1;
            let result = catch_unwind(AssertUnwindSafe(|| walker.point(*role, at)));
            let Err(panic) = result else { continue };
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("a panic without words");
            let failure = format!("== {path:?}, {role:?} at {at} of {total}: {text}");
            println!("{failure}");
            failures.push(failure);
            walker.renew();
        }
    }
    walker.clear();
    println!("{path:?}: {walked} points");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The numbers of the calls at which to kill.
fn points(wish: &str, role: Role, total: usize, share: usize) -> Vec<usize> {
    let name = format!("{role:?}").to_lowercase();
    if let Some((part, parts)) = wish.split_once('/') {
        let (part, parts): (usize, usize) = (part.parse().unwrap(), parts.parse().unwrap());
        return (1..=total)
            .filter(|at| at % parts == part % parts)
            .collect();
    }
    match wish.split_once(':') {
        _ if wish == "all" => (1..=total).collect(),
        Some((wanted, number)) if wanted == name => number.parse().into_iter().collect(),
        Some(_) => Vec::new(),
        // In the middle of `share` equal parts.
        None => (0..share.min(total))
            .map(|part| 1 + (2 * part + 1) * total / (2 * share.min(total)))
            .collect(),
    }
}

struct Walker {
    path: Path,
    world: World,
    /// Changes what the file says, for recreations.
    version: u32,
    /// Points so far.
    walked: usize,
}

impl Walker {
    fn new(path: Path) -> Self {
        let world = World::new("crash");
        numbered::install(&world);
        let walker = Self {
            path,
            world,
            version: 0,
            walked: 0,
        };
        walker.write();
        walker.warm_up();
        walker
    }

    /// A new box after a failure; what is left in the old one was told.
    fn renew(&mut self) {
        let fresh = Self::new(self.path);
        let old = std::mem::replace(self, fresh);
        old.world.abandon();
    }

    fn write(&self) {
        let lines = format!(
            "  lines:\n    image: host\n    restart: unless-stopped\n    stop_grace_period: 20s\n    \
             environment: {{VERSION: '{}'}}\n    volumes: ['./data:/data']\n    \
             command: [perl, /data/lines.pl]\n",
            self.version
        );
        let web = page("web", "'8090:80'") + "    depends_on: [lines]\n";
        self.world
            .write("compose.yaml", &format!("services:\n{lines}{web}"));
    }

    fn words(&self) -> &'static [&'static str] {
        match self.path {
            Path::Start | Path::Recreate => &["up", "-d"],
            Path::Stop => &["stop"],
            Path::StartAgain => &["start"],
            Path::Restart => &["restart"],
            Path::Remove => &["down"],
        }
    }

    /// What only the first command of all has to do is no part of a path.
    fn warm_up(&self) {
        self.world.hoist(&["up", "-d"]).ok();
        self.clear();
    }

    /// Brings the box to where the path begins.
    fn prepare(&mut self) {
        if self.path != Path::Start {
            self.world.hoist(&["up", "-d"]).ok();
            // From its first line on it hears a signal.
            let first = ["logs", "--no-log-prefix", "lines"];
            self.world.until("the first line", || {
                !self.world.hoist(&first).stdout.is_empty()
            });
        }
        match self.path {
            Path::StartAgain => drop(self.world.hoist(&["stop"]).ok()),
            Path::Recreate => {
                self.version += 1;
                self.write();
            }
            _ => {}
        }
    }

    /// How many calls the role makes on this path.
    fn count(&mut self, role: Role) -> usize {
        self.prepare();
        let seen = self.traced(Shot { role, at: None }, true);
        self.clear();
        seen.calls
    }

    fn point(&mut self, role: Role, at: usize) {
        self.prepare();
        let at = Some(at);
        // A command that was killed, or whose container was, has no duty to succeed.
        self.traced(Shot { role, at }, !matches!(role, Role::Cli | Role::Init));
        if self.path == Path::Stop && !matches!(role, Role::Cli) {
            self.assert_stopped();
        }
        if self.path != Path::Remove {
            self.world.hoist(&["up", "-d"]).ok();
            if role == Role::Init {
                // Killed as it becomes its program, it has ended like one: its policy starts it again in a moment.
                self.world.until("nobody waits for a restart", || {
                    let all = ps(&self.world);
                    all.iter().all(|c| c["State"] != "restarting")
                });
            }
            self.assert_up();
        }
        self.walked += 1;
        let begins_with_nothing = matches!(self.path, Path::Start | Path::Remove);
        if begins_with_nothing || self.walked.is_multiple_of(LEG) {
            self.clear();
        }
    }

    /// Runs the command of the path, with everything of ours traced.
    fn traced(&self, shot: Shot, succeeds: bool) -> Seen {
        let mut processes = self.ours();
        let mut words = vec![
            "-c",
            "kill -STOP $$; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_hoist"),
        ];
        words.extend(self.words());
        words.insert(0, "sh");
        let cli = self.world.spawn(&words);
        let host = self.stopped(cli.pid);
        processes.push((host, Role::Cli));
        let tracer = Tracer::start(processes, shot);
        let host = nix::unistd::Pid::from_raw(host);
        let _ = nix::sys::signal::kill(host, nix::sys::signal::Signal::SIGCONT);
        let output = catch_unwind(AssertUnwindSafe(|| cli.wait()));
        let output = output.unwrap_or_else(|_| panic!("it did not end\n{}", self.told()));
        std::thread::sleep(QUIET);
        let seen = tracer.stop();
        assert!(
            !succeeds || output.code == 0,
            "`{}` ended with {} (killed at call {:?})\n{}{}",
            self.words().join(" "),
            output.code,
            seen.last,
            output.stdout,
            output.stderr
        );
        seen
    }

    /// What helps to understand a failure.
    fn told(&self) -> String {
        let inside = "cat /run/hoist/projects/*/journal /run/hoist/projects/*/supervisor.log; \
                      ls -l /run/hoist/projects/*/c/*; ps -eo pid,ppid,stat,wchan:20,comm,args";
        self.world.run(&["sh", "-c", inside]).stdout
    }

    /// The process as the host numbers it, once it has stopped itself.
    fn stopped(&self, pid: i32) -> i32 {
        let mut found = 0;
        self.world.until("the command waits to be traced", || {
            let all = self.world.host_processes();
            found = all
                .iter()
                .find(|(_, inside)| *inside == pid)
                .map_or(0, |(host, _)| *host);
            let stat = fs::read_to_string(format!("/proc/{found}/stat")).unwrap_or_default();
            stat.contains(") T ")
        });
        found
    }

    /// Supervisor, zygote and shims, as the host numbers them.
    fn ours(&self) -> Vec<(i32, Role)> {
        let inside: BTreeMap<i32, String> = self.world.processes().into_iter().collect();
        let role = |words: &str| match words {
            _ if words.starts_with("[hoist-zygote] ") => Some(Role::Zygote),
            _ if words.starts_with("[hoist-shim] ") => Some(Role::Shim),
            _ if words.contains("] hoist-supervisor ") => Some(Role::Supervisor),
            _ => None,
        };
        let all = self.world.host_processes().into_iter();
        all.filter_map(|(host, pid)| Some((host, role(inside.get(&pid)?)?)))
            .collect()
    }

    /// What `stop` promises.
    fn assert_stopped(&self) {
        for container in ps(&self.world) {
            assert_eq!(container["State"], "exited", "{container}");
            if container["Service"] == "lines" {
                assert_eq!(container["ExitCode"], 7, "{container}");
            }
        }
        self.assert_logs();
    }

    /// What `up -d` promises.
    fn assert_up(&self) {
        let containers = ps(&self.world);
        let states: Vec<_> = containers
            .iter()
            .map(|c| (c["Name"].to_string(), c["State"].to_string()))
            .collect();
        let up = |name: &str| (format!("\"project-{name}-1\""), "\"running\"".to_owned());
        assert_eq!(states, [up("lines"), up("web")], "{}", self.told());
        for program in ["/data/lines.pl", "IO::Socket::INET"] {
            let processes = self.world.processes();
            let count = processes
                .iter()
                .filter(|(_, words)| words.contains(program) && !words.contains("!IO"));
            assert_eq!(count.count(), 1, "processes of `{program}`: {processes:?}");
        }
        self.world.until("the port answers", || {
            self.world.get("127.0.0.1:8090", "/").as_deref() == Ok("web")
        });
        self.world
            .hoist(&["exec", "-T", "web", "getent", "hosts", "lines"])
            .ok();
        self.assert_logs();
    }

    /// Every line that was printed is in the log, once and in its place.
    fn assert_logs(&self) {
        let containers = ps(&self.world);
        let id = containers
            .iter()
            .find(|c| c["Service"] == "lines")
            .and_then(|c| c["ID"].as_str())
            .expect("it is there");
        numbered::assert_log(&self.world, "lines", id);
    }

    /// Takes everything down; nothing may be left.
    fn clear(&self) {
        self.world.hoist(&["down", "-t", "1"]).ok();
        self.world.assert_no_trace();
    }
}
