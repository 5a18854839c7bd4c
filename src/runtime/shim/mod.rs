//! The process beside one container: creates it, is the parent of its PID 1, writes its log and its end.
//!
//! ```text
//!  Held ──Start──▶ (start) ──▶ Running ──PID 1 ends──▶ Exited ──Start──▶ (start)      any ──Release──▶ gone
//!                     └──────▶ Failed  ──────────────────Start──▶ (start)
//! ```
//!
//! Invariants: all output of PID 1 is in the log before `exit.json` is, and `exit.json` before the zombie is reaped; a
//! shim ends only on `Release`; a container has one shim, whoever sends another; it takes orders from root or its own user only; it never waits for a supervisor.

mod clients;
mod end;
mod intake;
pub mod kept;
pub mod link;
pub mod orphan;
pub mod protocol;
mod proxies;
pub mod record;
mod serve;
mod start;
pub mod stray;
mod streams;
mod watchdog;

pub use link::ShimLink;

use self::kept::Parcel;
use self::protocol::{Exit, LaunchRequest, ShimState, WireEvent, WireLaunch};
use self::proxies::Proxies;
use self::streams::Streams;
use self::watchdog::Watch;
use super::capabilities::CapSet;
use super::cgroups::Cgroup;
use super::channel::Channel;
use super::devices;
use super::error::{At, StartFailure, Step};
use super::init::process::chain;
use super::seccomp::{self, Program};
use super::sys::process as sys;
use super::zygote::Hooks;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::ffi::CStr;
use std::time::Duration;

/// What a shim is called.
const NAME: &CStr = c"hoist-shim";
/// The request follows its fork at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// One container's keeper.
struct Shim {
    request: LaunchRequest,
    hooks: Hooks,
    /// The host's mount namespace, for a supervisor that is started again.
    host_mounts: OwnedFd,
    run_dir: OwnedFd,
    listener: OwnedFd,
    children: SignalFd,
    link: Option<Channel>,
    netns: Option<OwnedFd>,
    keep: Vec<(String, OwnedFd)>,
    proxies: Proxies,
    streams: Streams,
    watch: Watch,
    parts: Option<Parts>,
    state: ShimState,
    running: Option<Running>,
    /// The container's `/`, which keeps its overlay mounted a little longer than its processes live: taking it down
    /// syncs the whole file system below it, which may be busy with what others write.
    root: Option<OwnedFd>,
    exit: Option<Exit>,
    failure: Option<StartFailure>,
    /// Pidfd of an orphan's PID 1, opened before it ended.
    last_words: Option<OwnedFd>,
}

/// What is made once and serves every start.
struct Parts {
    cgroup: Cgroup,
    seccomp: Option<Program>,
    capabilities: CapSet,
}

/// A live PID 1.
struct Running {
    pid: i32,
    start_time: u64,
    pidfd: OwnedFd,
    /// Another shim's child: its end is seen by its pidfd.
    orphan: bool,
}

/// Is a shim until the end. `link` brings the launch request.
pub(crate) fn main(link: OwnedFd, hooks: Hooks, host_mounts: OwnedFd) -> ! {
    settle();
    let mut channel = Channel::new(link);
    let (launch, fds) = match channel.wait::<WireLaunch>(Some(PATIENCE)) {
        Ok(message) => message,
        // Whoever asked is gone.
        Err(_) => sys::exit_now(1),
    };
    let (hold, orphan) = (launch.request.hold, launch.orphan.clone());
    let Some(_only) = record::claim(&launch.request.run_dir, orphan.is_some()) else {
        // Its shim is alive after all: whoever sent us connects to it.
        sys::exit_now(0)
    };
    match Shim::new(launch, fds, hooks, host_mounts) {
        Ok(mut shim) => {
            shim.link = Some(channel);
            match orphan {
                Some(identity) => shim.take_over(&identity),
                None if hold => {}
                None => shim.start(),
            }
            shim.serve()
        }
        Err(failure) => {
            // Nothing was made, so there is nothing to adopt.
            let _ = channel.send(&WireEvent::Failed(failure), &[], PATIENCE);
            sys::exit_now(1)
        }
    }
}

/// Nobody's terminal, nobody's signals: a shim ends by `Release` only.
fn settle() {
    let _ = rustix::process::setsid();
    sys::ignore_signals(&[libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGPIPE]);
    sys::default_signals(&[libc::SIGCHLD]);
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let _ = rustix::thread::set_name(NAME);
}

fn child_signals() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    mask.thread_block()?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

impl Shim {
    fn new(
        launch: WireLaunch,
        fds: Vec<OwnedFd>,
        hooks: Hooks,
        host_mounts: OwnedFd,
    ) -> Result<Self, StartFailure> {
        let WireLaunch {
            request,
            fds: manifest,
            orphan,
        } = launch;
        let mut fds = manifest.claim(fds).ok_or_else(|| {
            let text = "descriptors of the launch request are missing";
            StartFailure::new(Step::Prepare, text)
        })?;
        let run_dir = rustix::fs::open(
            &request.run_dir,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .at(Step::Prepare, || {
            format!("open `{}`", request.run_dir.display())
        })?;
        Ok(Self {
            listener: listen(&run_dir).at(Step::Prepare, || "listen on `shim.sock`".into())?,
            children: child_signals().at(Step::Prepare, || "watch child processes".into())?,
            streams: match orphan {
                Some(_) => Streams::inherit(&run_dir, &request, &mut fds)?,
                None => Streams::make(&run_dir, &request)?,
            },
            last_words: fds.take(kept::PROCESS),
            proxies: Proxies::new(fds.proxies),
            watch: Watch::default(),
            state: ShimState::Held,
            link: None,
            parts: None,
            running: None,
            root: None,
            exit: None,
            failure: None,
            request,
            hooks,
            host_mounts,
            run_dir,
            netns: fds.netns,
            keep: fds.keep,
        })
    }

    /// Tells what a shim that takes over from us must have of the streams.
    fn tell_streams(&mut self) {
        let mut parcel = Parcel::default();
        parcel.keep(self.streams.kept());
        let sent = match &self.link {
            Some(link) if !parcel.fds.is_empty() => {
                let event = WireEvent::Streams(parcel.manifest);
                link.send(&event, &parcel.fds, Duration::ZERO)
            }
            _ => return,
        };
        if sent.is_err() {
            self.lose_link();
        }
    }

    /// Tells the supervisor, if there is one. One that does not read is as good as gone.
    fn tell(&mut self, event: &WireEvent) {
        let sent = match &self.link {
            Some(link) => link.send(event, &[], Duration::ZERO),
            None => return,
        };
        if sent.is_err() {
            self.lose_link();
        }
    }
}

impl Parts {
    fn make(request: &LaunchRequest) -> Result<Self, StartFailure> {
        Self::with(request, make_cgroup)
    }

    /// For a container that runs: its cgroup is left as it is.
    fn of_orphan(request: &LaunchRequest) -> Result<Self, StartFailure> {
        Self::with(request, |request| {
            Cgroup::open(&request.spec.cgroup.path)
                .map_err(|e| StartFailure::new(Step::Cgroup, chain(&e)))
        })
    }

    /// The cgroup comes last: nothing that can fail after it would leave it behind.
    fn with(
        request: &LaunchRequest,
        cgroup: impl FnOnce(&LaunchRequest) -> Result<Cgroup, StartFailure>,
    ) -> Result<Self, StartFailure> {
        let spec = &request.spec;
        let security = |e: &dyn std::error::Error| StartFailure::new(Step::Security, chain(e));
        let capabilities =
            CapSet::from_names(&spec.process.capabilities).map_err(|e| security(&e))?;
        let seccomp = seccomp::compile(&spec.seccomp, &spec.process.capabilities)
            .map_err(|e| security(&e))?;
        Ok(Self {
            seccomp,
            capabilities,
            cgroup: cgroup(request)?,
        })
    }

    /// Removes the cgroup that a killed shim has left: see [`Self::renew`].
    fn clear_away(request: &LaunchRequest) {
        if let Ok(left) = Cgroup::open(&request.spec.cgroup.path) {
            let _ = left.kill();
            let _ = left.remove();
        }
    }

    /// A fresh cgroup for the next start: nothing of the last run is in it, its counters are at zero, and processes can be
    /// cloned into it (Linux 6.18 kills those that are cloned into one on which `cgroup.kill` was ever used).
    fn renew(&mut self, request: &LaunchRequest) -> Result<(), StartFailure> {
        let _ = self.cgroup.kill();
        self.cgroup
            .remove()
            .map_err(|e| StartFailure::new(Step::Cgroup, chain(&e)))?;
        self.cgroup = make_cgroup(request)?;
        Ok(())
    }
}

fn make_cgroup(request: &LaunchRequest) -> Result<Cgroup, StartFailure> {
    let spec = &request.spec;
    let rules = devices::rules(&spec.devices, &spec.device_rules, spec.privileged)
        .map_err(|e| StartFailure::new(Step::Devices, chain(&e)))?;
    Cgroup::create(&spec.cgroup, &rules).map_err(|e| StartFailure::new(Step::Cgroup, chain(&e)))
}

fn listen(run_dir: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    record::remove(run_dir.as_fd(), "shim.sock");
    // A socket path holds 108 bytes at most, so it goes through the folder's descriptor.
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}/shim.sock", run_dir.as_raw_fd()))?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, 8)?;
    Ok(socket)
}
