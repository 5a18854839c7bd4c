//! Ends a process of ours at one of its system calls, or counts them.
//!
//! Everything of ours in the box is traced, and whatever it starts, but for the programs of containers. A process is
//! killed when it has asked the kernel for something and the kernel has not begun: so each state that can be left behind
//! is left behind by one of the shots.

use super::effects;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::fs;
use std::process::{Command, Stdio};

/// Which of our processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The command itself.
    Cli,
    Supervisor,
    Zygote,
    Shim,
    /// A container's first process before it executes the container's program.
    Init,
    /// Something of ours before it executes what it is to be.
    Unborn,
}

/// When to kill: at the call of this number, of those that have effects, counted over all processes of the role; `None` =
/// only count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shot {
    pub role: Role,
    pub at: Option<usize>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Seen {
    /// Calls with effects that the role has made.
    pub calls: usize,
    /// The number of the call that was the last.
    pub last: Option<u64>,
}

/// A tracer at work.
pub struct Tracer {
    thread: std::thread::JoinHandle<Seen>,
    bell: std::process::ChildStdin,
}

impl Tracer {
    /// Traces these processes of the host until told to stop, or until the shot has been fired.
    pub fn start(processes: Vec<(i32, Role)>, shot: Shot) -> Self {
        let (send, bell) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            // A child of this thread: its end, when the bell is dropped, wakes us from the wait for the others.
            let mut waker = Command::new("cat")
                .stdin(Stdio::piped())
                .spawn()
                .expect("every system has cat");
            let mut tracing = Tracing {
                shot,
                seen: Seen::default(),
                roles: HashMap::new(),
                inside: HashMap::new(),
                waker: waker.id() as i32,
            };
            for (pid, role) in processes {
                tracing.seize(pid, role);
            }
            send.send(waker.stdin.take().expect("it was piped"))
                .expect("the other side waits");
            tracing.run();
            let _ = waker.kill();
            let _ = waker.wait();
            tracing.seen
        });
        Self {
            thread,
            bell: bell.recv().expect("the tracer started"),
        }
    }

    /// Lets everything go that is still traced.
    pub fn stop(self) -> Seen {
        drop(self.bell);
        self.thread.join().expect("the tracer does not panic")
    }
}

struct Tracing {
    shot: Shot,
    seen: Seen,
    /// By thread.
    roles: HashMap<i32, Role>,
    /// Whether the thread is in a call.
    inside: HashMap<i32, bool>,
    waker: i32,
}

impl Tracing {
    /// All threads of a process.
    fn seize(&mut self, pid: i32, role: Role) {
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEEXEC;
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
            return;
        };
        for thread in threads.flatten() {
            let name = thread.file_name();
            let Some(tid) = name.to_str().and_then(|n| n.parse().ok()) else {
                continue;
            };
            if ptrace::seize(Pid::from_raw(tid), options).is_ok() {
                self.roles.insert(tid, role);
                let _ = ptrace::interrupt(Pid::from_raw(tid));
            }
        }
    }

    fn run(&mut self) {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        loop {
            match waitpid(None, Some(flags)) {
                Err(nix::errno::Errno::EINTR) => {}
                Err(_) => return,
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => {
                    if pid.as_raw() == self.waker {
                        return;
                    }
                    self.roles.remove(&pid.as_raw());
                }
                Ok(WaitStatus::PtraceSyscall(pid)) => {
                    if self.call(pid.as_raw()) {
                        return;
                    }
                }
                Ok(WaitStatus::PtraceEvent(pid, _, event)) => self.event(pid.as_raw(), event),
                Ok(WaitStatus::Stopped(pid, signal)) => self.go_on(pid.as_raw(), Some(signal)),
                Ok(_) => {}
            }
        }
    }

    /// A thread stopped at a call; whether it was shot.
    fn call(&mut self, tid: i32) -> bool {
        let inside = self.inside.entry(tid).or_default();
        *inside = !*inside;
        if *inside
            && self.role(tid) == Some(self.shot.role)
            && let Ok(registers) = ptrace::getregs(Pid::from_raw(tid))
            && effects::has(tid, &registers)
        {
            self.seen.calls += 1;
            if self.shot.at == Some(self.seen.calls) {
                self.seen.last = Some(registers.orig_rax);
                let _ = kill(Pid::from_raw(group_of(tid)), Signal::SIGKILL);
                return true;
            }
        }
        self.go_on(tid, None);
        false
    }

    fn event(&mut self, tid: i32, event: i32) {
        if event == nix::libc::PTRACE_EVENT_EXEC {
            let role = executed(tid);
            match role {
                Some(role) => drop(self.roles.insert(tid, role)),
                None => {
                    // A container's own program.
                    self.roles.remove(&tid);
                    self.inside.remove(&tid);
                    let _ = ptrace::detach(Pid::from_raw(tid), None);
                    return;
                }
            }
        }
        self.go_on(tid, None);
    }

    /// The role of a thread, found when it is first seen.
    fn role(&mut self, tid: i32) -> Option<Role> {
        if let Some(role) = self.roles.get(&tid) {
            return Some(*role);
        }
        let group = group_of(tid);
        let role = if group == tid {
            match self.roles.get(&status(tid, "PPid:")?)? {
                Role::Zygote => Role::Shim,
                Role::Shim => Role::Init,
                _ => Role::Unborn,
            }
        } else {
            *self.roles.get(&group)?
        };
        self.roles.insert(tid, role);
        Some(role)
    }

    fn go_on(&mut self, tid: i32, signal: Option<Signal>) {
        let pid = Pid::from_raw(tid);
        // One that is gone meanwhile says so in its own turn.
        let _ = match self.role(tid) {
            Some(role) if role == self.shot.role => ptrace::syscall(pid, signal),
            _ => ptrace::cont(pid, signal),
        };
    }
}

/// What a process is that has executed a program.
fn executed(pid: i32) -> Option<Role> {
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    match words.split(|byte| *byte == 0).next()? {
        b"hoist-supervisor" => Some(Role::Supervisor),
        b"hoist-zygote" => Some(Role::Zygote),
        word if word.ends_with(b"/hoist") => Some(Role::Cli),
        _ => None,
    }
}

fn group_of(tid: i32) -> i32 {
    status(tid, "Tgid:").unwrap_or(tid)
}

fn status(tid: i32, key: &str) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().parse().ok()
}
