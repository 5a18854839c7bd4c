//! A host in a box: each stack test runs hoist in namespaces of its own, and nothing may be left when it ends.
//!
//! A `World` has its own mount, PID, network, cgroup, IPC and UTS namespace, its own `/run`, its own part of every
//! cgroup hierarchy and its own state root. So tests run in parallel with the default names and ports, see no
//! other test's processes, and a snapshot holds exactly what the test made. When the test process dies, however it
//! dies, the box dies with it.
//!
//! ```text
//!  test ── stdin (EOF ends the box) ──▶ sh (joins cgroups) ▶ unshare ▶ agent = PID 1
//!       ── unix socket: argv, env, three descriptors ──▶ agent ▶ hoist …
//! ```
//!
//! Invariants: dropping a `World` fails the test if anything that was not there before is left; the box shares no
//! mount, link, process or cgroup with the host.

mod agent;
mod cgroups;
mod snapshot;
pub mod terminal;

use agent::Request;
use snapshot::Snapshot;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a loaded machine; what runs longer hangs. `HOIST_PATIENCE` is for slower ones.
pub fn patience() -> Duration {
    let seconds = std::env::var("HOIST_PATIENCE").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(60))
}

/// How long what `down` set going may take to vanish after it returned (a network namespace dies asynchronously).
const SETTLING: Duration = Duration::from_secs(3);

/// An address of the box that is neither loopback nor a container network: what `outside` means to a published port.
pub const EXTERNAL: &str = "192.0.2.10";

/// A host in a box; see the module.
pub struct World {
    folder: tempfile::TempDir,
    cgroups: Vec<PathBuf>,
    unshare: Child,
    /// Held open: its end of file is the end of the box.
    _lifeline: ChildStdin,
    /// PID 1 of the box, as the host numbers it.
    init: i32,
    before: Snapshot,
    env: BTreeMap<String, String>,
    abandoned: bool,
}

/// What a finished command printed, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Exit code; 128 + signal if a signal ended it.
    pub code: i32,
    /// Standard output, lossy UTF-8.
    pub stdout: String,
    /// Standard error, lossy UTF-8.
    pub stderr: String,
    /// Wall time.
    pub took: Duration,
}

/// A command that runs in a box.
pub struct Running {
    /// Its PID in the box.
    pub pid: i32,
    words: Vec<String>,
    started: Instant,
    reply: BufReader<UnixStream>,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
    lines: mpsc::Receiver<String>,
}

impl World {
    /// Makes a box; `name` shows in folder and cgroup names.
    pub fn new(name: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("the target folder is writable");
        for sub in ["project", "home", "state"] {
            fs::create_dir(folder.path().join(sub)).expect("the folder is new");
        }
        let tag = folder
            .path()
            .file_name()
            .expect("it was just named")
            .to_string_lossy()
            .into_owned();
        let cgroups = cgroups::create(&format!("world-{tag}"));
        let socket = agent::socket(folder.path());
        let mut unshare = Command::new("sh")
            .args(["-c", agent::ENTER, "sh"])
            .arg(std::env::current_exe().expect("a test knows its binary"))
            .args(&cgroups)
            .env(agent::SOCKET, &socket)
            .stdin(Stdio::piped())
            .spawn()
            .expect("every system has sh");
        let lifeline = unshare.stdin.take().expect("it was piped");
        let init = agent::wait_for(&socket, &mut unshare, patience());
        cgroups::follow(&cgroups, unshare.id());
        let env = environment(folder.path());
        let mut world = Self {
            folder,
            cgroups,
            unshare,
            _lifeline: lifeline,
            init,
            before: Snapshot::default(),
            env,
            abandoned: false,
        };
        world.before = Snapshot::take(&world);
        world
    }

    /// Sets a variable for everything that is started from now on.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// The folder that commands start in.
    pub fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// The state root.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Writes a file below the project folder.
    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.project().join(path);
        fs::create_dir_all(path.parent().expect("it is below the project"))
            .expect("the box is ours");
        fs::write(&path, text).expect("the box is ours");
        path
    }

    /// Copies a folder of the repository into the project folder.
    pub fn copy(&self, folder: &str) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in fs::read_dir(&from).expect("the repository has it") {
            let path = entry.expect("the folder is readable").path();
            if path.is_file() {
                let name = path.file_name().expect("a file has a name");
                fs::copy(&path, self.project().join(name)).expect("the box is ours");
            }
        }
    }

    /// Starts a program of the host in the box.
    pub fn spawn<S: AsRef<str>>(&self, words: &[S]) -> Running {
        let words: Vec<String> = words.iter().map(|word| word.as_ref().to_owned()).collect();
        let request = Request {
            words: words.clone(),
            env: self.env.clone(),
            cwd: self.project(),
        };
        let (stdout, stdout_end) = std::io::pipe().expect("descriptors are left");
        let (stderr, stderr_end) = std::io::pipe().expect("descriptors are left");
        let null = fs::File::open("/dev/null").expect("every system has it");
        let ends: [OwnedFd; 3] = [null.into(), stdout_end.into(), stderr_end.into()];
        let mut reply = agent::send(
            &agent::socket(self.folder.path()),
            &request,
            ends.each_ref().map(AsFd::as_fd),
        );
        drop(ends);
        let pid = agent::pid(&mut reply)
            .unwrap_or_else(|error| panic!("cannot start `{}`: {error}", words[0]));
        let (sender, lines) = mpsc::channel();
        Running {
            pid,
            words,
            started: Instant::now(),
            reply,
            stdout: std::thread::spawn(move || read_lines(stdout, Some(&sender))),
            stderr: std::thread::spawn(move || read_lines(stderr, None)),
            lines,
        }
    }

    /// Runs a program of the host in the box until it ends.
    pub fn run<S: AsRef<str>>(&self, words: &[S]) -> Output {
        self.spawn(words).wait()
    }

    /// Starts hoist.
    pub fn start_hoist(&self, args: &[&str]) -> Running {
        let mut words = vec![env!("CARGO_BIN_EXE_hoist")];
        words.extend(args);
        self.spawn(&words)
    }

    /// Runs hoist until it ends.
    pub fn hoist(&self, args: &[&str]) -> Output {
        self.start_hoist(args).wait()
    }

    /// Sends a signal to a process of the box; whether it existed.
    pub fn kill(&self, signal: &str, pid: i32) -> bool {
        self.run(&["kill", signal, &pid.to_string()]).code == 0
    }

    /// `(PID in the box, command line)` of everything that runs in it, init and its keeper left out.
    pub fn processes(&self) -> Vec<(i32, String)> {
        snapshot::processes(self.init)
            .into_iter()
            .filter(|(_, words)| !words.contains(agent::KEEPER))
            .collect()
    }

    /// `(PID of the host, PID in the box)` of everything that runs in the box's own PID namespace.
    pub fn host_processes(&self) -> Vec<(i32, i32)> {
        snapshot::host_processes(self.init)
    }

    /// Gives the box up without asking what is left in it: a failure was told already.
    pub fn abandon(mut self) {
        self.abandoned = true;
    }

    /// Kills the supervisor of the box's only project.
    pub fn kill_supervisor(&self) {
        let found = self.processes().into_iter();
        for (pid, _) in found.filter(|(_, words)| words.contains("] hoist-supervisor")) {
            self.kill("-KILL", pid);
        }
    }

    /// Looks again and again until something holds.
    #[track_caller]
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + patience();
        while !holds() {
            assert!(Instant::now() < deadline, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A TCP connection made inside the box's network namespace.
    pub fn connect(&self, address: &str) -> std::io::Result<TcpStream> {
        let address: SocketAddr = address.parse().expect("a test writes `ip:port`");
        let namespace = fs::File::open(format!("/proc/{}/ns/net", self.init))?;
        // A thread of its own: the namespace is the thread's, and must not outlast this call.
        let connecting = std::thread::spawn(move || {
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET)?;
            TcpStream::connect_timeout(&address, patience())
        });
        connecting.join().expect("it does not panic")
    }

    /// The body of `GET path`, or what came instead of `200`.
    pub fn get(&self, address: &str, path: &str) -> Result<String, String> {
        self.http(
            address,
            &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n"),
        )
    }

    /// Posts a form; the status line.
    pub fn post(&self, address: &str, path: &str, form: &str) -> Result<String, String> {
        let length = form.len();
        self.http(
            address,
            &format!(
                "POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {length}\r\n\r\n{form}"
            ),
        )
    }

    fn http(&self, address: &str, request: &str) -> Result<String, String> {
        let mut stream = self
            .connect(address)
            .map_err(|error| format!("{address}: {error}"))?;
        let mut reply = String::new();
        stream
            .set_read_timeout(Some(patience()))
            .and_then(|()| stream.write_all(request.as_bytes()))
            .and_then(|()| stream.read_to_string(&mut reply))
            .map_err(|error| format!("{address}: {error}"))?;
        let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
        let status = head.split(' ').nth(1).unwrap_or_default();
        if matches!(status, "200" | "303") {
            Ok(body.to_owned())
        } else {
            Err(reply)
        }
    }

    /// What is there now that was not there when the box was made, and the other way round, one a line; waits a
    /// moment for what is about to vanish.
    pub fn traces(&self) -> Vec<String> {
        let deadline = Instant::now() + SETTLING;
        loop {
            let traces = Snapshot::take(self).difference(&self.before);
            if traces.is_empty() || Instant::now() > deadline {
                return traces;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Fails if anything is left; dropping the box asks too.
    pub fn assert_no_trace(&self) {
        let traces = self.traces();
        assert!(traces.is_empty(), "left behind:\n  {}", traces.join("\n  "));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let traces = if std::thread::panicking() || self.abandoned {
            Vec::new()
        } else {
            self.traces()
        };
        self.unshare.kill().ok();
        self.unshare.wait().ok();
        cgroups::remove(&self.cgroups);
        assert!(traces.is_empty(), "left behind:\n  {}", traces.join("\n  "));
    }
}

impl Running {
    /// Waits until the command ends and everything that held its output closed it.
    pub fn wait(mut self) -> Output {
        let code = agent::exit_code(&mut self.reply, patience())
            .unwrap_or_else(|error| panic!("`{}` did not end: {error}", self.words.join(" ")));
        let took = self.started.elapsed();
        let text = |bytes: JoinHandle<Vec<u8>>| {
            String::from_utf8_lossy(&bytes.join().expect("reading does not panic")).into_owned()
        };
        Output {
            code,
            stdout: text(self.stdout),
            stderr: text(self.stderr),
            took,
        }
    }

    /// The next line of standard output if it is there already.
    pub fn ready_line(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// The next line of standard output, without its newline; `None` at its end.
    pub fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(patience()) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("`{}` printed nothing", self.words.join(" "))
            }
        }
    }
}

impl Output {
    /// Fails unless the command succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.ended(0)
    }

    /// Fails unless the command ended with `code`.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        let Self {
            stdout,
            stderr,
            took,
            ..
        } = &self;
        assert_eq!(
            self.code, code,
            "after {took:?}\nstdout:\n{stdout}\nstderr:\n{stderr}"
        );
        self
    }
}

fn environment(folder: &Path) -> BTreeMap<String, String> {
    let path = |sub: &str| folder.join(sub).display().to_string();
    [
        (
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        ),
        ("HOME", path("home")),
        ("HOIST_ROOT", path("state")),
        ("HOIST_RUN", "/run/hoist".to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("TERM", "dumb".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Everything `stream` says; each line is also sent on as it comes.
fn read_lines(stream: impl Read, lines: Option<&mpsc::Sender<String>>) -> Vec<u8> {
    let mut stream = BufReader::new(stream);
    let mut all = Vec::new();
    loop {
        let start = all.len();
        if stream.read_until(b'\n', &mut all).unwrap_or(0) == 0 {
            return all;
        }
        if let Some(lines) = lines {
            let line = String::from_utf8_lossy(&all[start..]);
            lines.send(line.trim_end_matches('\n').to_owned()).ok();
        }
    }
}

#[test]
fn a_box_is_isolated_and_clean() {
    let world = World::new("clean");
    let links = world.run(&["ip", "-o", "link"]).ok();
    assert_eq!(links.stdout.lines().count(), 2, "{}", links.stdout);
    assert_eq!(
        world
            .run(&["sh", "-c", "echo no >&2; exit 7"])
            .ended(7)
            .stderr,
        "no\n"
    );
    assert_eq!(world.run(&["sh", "-c", "kill -9 $$"]).code, 137);
    world.assert_no_trace();
}

#[test]
fn a_box_names_everything_that_is_left() {
    let world = World::new("traces");
    let mess = "mkdir /run/mess; mount -t tmpfs mess /run/mess; ip link add mess0 type bridge; \
                nft add table inet mess; for d in /sys/fs/cgroup/memory /sys/fs/cgroup; do mkdir $d/mess && break; done; \
                touch \"$HOIST_ROOT/mess\"; sleep 1000 >/dev/null 2>&1 & echo $!";
    let sleeper: i32 = world
        .run(&["sh", "-c", mess])
        .ok()
        .stdout
        .trim()
        .parse()
        .expect("sh prints a number");
    let traces = world.traces().join("\n");
    for kind in ["process", "mount", "cgroup", "link", "nftables", "file"] {
        assert!(
            traces.contains(&format!("+ {kind} ")),
            "no {kind} in:\n{traces}"
        );
    }
    assert!(world.kill("-9", sleeper));
    let tidy = "umount /run/mess; rmdir /run/mess; ip link del mess0; nft delete table inet mess; \
                rmdir /sys/fs/cgroup/memory/mess /sys/fs/cgroup/mess 2>/dev/null; rm \"$HOIST_ROOT/mess\"; rm -r /run/mount";
    world.run(&["sh", "-c", tidy]).ok();
}
