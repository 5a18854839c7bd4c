//! PID 1 of a box: the test binary again, started as one ignored test inside fresh namespaces.
//!
//! It mounts what a host has, starts what it is asked to start and reaps every orphan.

use super::cgroups::{Hierarchy, LEAF, hierarchies};
use nix::mount::{MsFlags, mount};
use nix::sys::wait::{WaitStatus, wait};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufRead, BufReader, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The variable that tells the agent where to listen.
pub const SOCKET: &str = "HOIST_WORLD_SOCKET";

/// `sh -c ENTER sh EXE CGROUP…`: joins the cgroups, then becomes `unshare`, whose child is the agent. Signals mean what
/// they mean to a user's shell, also when the tests run in the background of a script, where SIGINT is ignored.
pub const ENTER: &str = r#"
exe=$1; shift
for cgroup; do echo $$ >"$cgroup/cgroup.procs" || exit 1; done
exec env --default-signal=INT,QUIT,HUP unshare --mount --pid --net --cgroup --ipc --uts --fork --kill-child --mount-proc \
    "$exe" --exact world::agent::agent --ignored --test-threads=1 --nocapture >/dev/null
"#;

/// The argument of the child that keeps `wait` from returning when nothing else runs.
pub const KEEPER: &str = "2147483";

/// What is to be started; its three descriptors travel beside it.
#[derive(Serialize, Deserialize)]
pub struct Request {
    /// Program and arguments.
    pub words: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub cwd: PathBuf,
}

/// Where the agent of the box in `folder` listens.
pub fn socket(folder: &Path) -> PathBuf {
    folder.join("agent")
}

/// Waits until the agent answers; its PID as we number it.
pub fn wait_for(socket: &Path, unshare: &mut Child, patience: Duration) -> i32 {
    let deadline = Instant::now() + patience;
    loop {
        if let Ok(stream) = UnixStream::connect(socket) {
            let peer =
                nix::sys::socket::getsockopt(&stream, nix::sys::socket::sockopt::PeerCredentials);
            return peer.expect("a unix socket has a peer").pid();
        }
        if let Ok(Some(status)) = unshare.try_wait() {
            panic!("no box could be made: {status}; `make test` says what is missing");
        }
        assert!(Instant::now() < deadline, "the agent does not listen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Asks the agent to start something.
pub fn send(
    socket: &Path,
    request: &Request,
    descriptors: [BorrowedFd<'_>; 3],
) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(socket).expect("the agent listens");
    let text = serde_json::to_string(request).expect("strings only") + "\n";
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(
        control.push(SendAncillaryMessage::ScmRights(&descriptors)),
        "there is space for three"
    );
    let first = [IoSlice::new(b"+")];
    rustix::net::sendmsg(&stream, &first, &mut control, SendFlags::empty())
        .expect("the agent reads");
    stream.write_all(text.as_bytes()).expect("the agent reads");
    BufReader::new(stream)
}

/// The PID of what was started, as the box numbers it.
pub fn pid(reply: &mut BufReader<UnixStream>) -> Result<i32, String> {
    let line = answer(reply).map_err(|error| error.to_string())?;
    line.strip_prefix("pid ")
        .and_then(|pid| pid.parse().ok())
        .ok_or(line)
}

/// Its exit code.
pub fn exit_code(reply: &mut BufReader<UnixStream>, patience: Duration) -> Result<i32, String> {
    reply
        .get_ref()
        .set_read_timeout(Some(patience))
        .map_err(|error| error.to_string())?;
    let line = answer(reply).map_err(|error| error.to_string())?;
    line.strip_prefix("exit ")
        .and_then(|code| code.parse().ok())
        .ok_or(line)
}

fn answer(reply: &mut BufReader<UnixStream>) -> std::io::Result<String> {
    let mut line = String::new();
    reply.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// Who waits for which child.
type Waiting = Arc<Mutex<HashMap<i32, UnixStream>>>;

#[test]
#[ignore = "is PID 1 of a box, started by `World::new`"]
fn agent() {
    let Some(socket) = std::env::var_os(SOCKET) else {
        return;
    };
    assert_eq!(std::process::id(), 1, "an agent is PID 1");
    furnish();
    #[expect(clippy::zombie_processes, reason = "`reap` waits for everybody")]
    let keeper = Command::new("sleep")
        .arg(KEEPER)
        .spawn()
        .expect("every system has sleep");
    // Its arguments show a moment after it runs, and the first snapshot must have them.
    while fs::read(format!("/proc/{}/cmdline", keeper.id())).is_ok_and(|line| line.is_empty()) {}
    let waiting = Waiting::default();
    let reaping = Arc::clone(&waiting);
    std::thread::spawn(move || reap(&reaping));
    std::thread::spawn(|| {
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(0);
    });
    let listener = UnixListener::bind(socket).expect("the folder is the box's");
    for stream in listener.incoming().filter_map(Result::ok) {
        // A connection that says nothing only asked whether we listen.
        serve(stream, &waiting).ok();
    }
}

/// Gives the box `/run`, `/sys`, cgroups and links of its own.
fn furnish() {
    let none = None::<&str>;
    let found = hierarchies();
    mount(
        Some("run"),
        "/run",
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=755"),
    )
    .expect("root may mount");
    mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none)
        .expect("the network namespace is ours");
    if !found
        .iter()
        .any(|hierarchy| hierarchy.mount == Path::new("/sys/fs/cgroup"))
    {
        mount(
            Some("cgroup"),
            "/sys/fs/cgroup",
            Some("tmpfs"),
            MsFlags::empty(),
            Some("mode=755"),
        )
        .expect("root may mount");
    }
    for Hierarchy {
        mount: target,
        kind,
        options,
    } in found
    {
        fs::create_dir_all(&target).expect("the folder is ours");
        let options = (!options.is_empty()).then_some(options.as_str());
        mount(
            Some("cgroup"),
            &target,
            Some(kind.as_str()),
            MsFlags::empty(),
            options,
        )
        .unwrap_or_else(|error| panic!("cannot mount {}: {error}", target.display()));
        if kind == "cgroup2" {
            // A cgroup with processes cannot hand controllers down: the box's root must be free of them.
            let leaf = target.join(LEAF);
            fs::create_dir(&leaf).expect("the hierarchy is ours");
            fs::write(leaf.join("cgroup.procs"), "1").expect("the hierarchy is ours");
        }
    }
    link();
}

/// Brings loopback up, and an interface that is neither loopback nor a container's.
fn link() {
    let external = format!("{}/24", super::EXTERNAL);
    for words in [
        &["link", "set", "lo", "up"][..],
        &["link", "add", "ext0", "type", "bridge"],
        &["addr", "add", &external, "dev", "ext0"],
        &["link", "set", "ext0", "addrgenmode", "none"],
        &["link", "set", "ext0", "up"],
    ] {
        let status = Command::new("ip")
            .args(words)
            .status()
            .expect("`make test` installs iproute2");
        assert!(status.success(), "ip {}", words.join(" "));
    }
}

fn serve(mut stream: UnixStream, waiting: &Waiting) -> std::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut first = [0];
    rustix::net::recvmsg(
        &stream,
        &mut [IoSliceMut::new(&mut first)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let descriptors: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    let Ok([stdin, stdout, stderr]) = <[OwnedFd; 3]>::try_from(descriptors) else {
        return Ok(());
    };
    let mut text = String::new();
    BufReader::new(&stream).read_line(&mut text)?;
    let request: Request = serde_json::from_str(&text)?;
    // The lock is held over the start, or the reaper could see a child end before it is known.
    let mut waiting = waiting.lock().expect("nobody panics with it");
    let mut command = Command::new(&request.words[0]);
    command
        .args(&request.words[1..])
        .env_clear()
        .envs(&request.env)
        .current_dir(&request.cwd);
    match command.stdin(stdin).stdout(stdout).stderr(stderr).spawn() {
        Ok(child) => {
            let pid = i32::try_from(child.id()).expect("PIDs are small");
            writeln!(stream, "pid {pid}")?;
            waiting.insert(pid, stream);
        }
        Err(error) => writeln!(stream, "{error}")?,
    }
    Ok(())
}

fn reap(waiting: &Waiting) {
    loop {
        let (pid, code) = match wait() {
            Ok(WaitStatus::Exited(pid, code)) => (pid.as_raw(), code),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid.as_raw(), 128 + signal as i32),
            _ => continue,
        };
        if let Some(mut stream) = waiting.lock().expect("nobody panics with it").remove(&pid) {
            writeln!(stream, "exit {code}").ok();
        }
    }
}
