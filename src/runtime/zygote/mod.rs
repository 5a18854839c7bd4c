//! The process that forks shims and execs: single-threaded, small, and run from an executable no container can write.
//!
//! Invariants: it holds no state of any container; its end (at EOF of its socket) touches nothing it started; it runs in
//! a mount namespace of its own, so no mount of ours appears on the host.

mod sealed;
mod server;

pub use server::main;

use crate::runtime::channel;
use crate::runtime::error::RuntimeError;
use crate::runtime::exec::{ExecControl, ExecHandle, ExecRequest};
use crate::runtime::identity::Identity;
use crate::runtime::shim::link::ShimLink;
use crate::runtime::shim::protocol::{LaunchFds, LaunchRequest};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    sendmsg, socketpair,
};
use rustix::pipe::{PipeFlags, pipe_with};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What other layers do inside our processes: the runtime may import neither volumes nor network.
#[derive(Clone, Copy)]
pub struct Hooks {
    /// Copies what is in the folder `src` to the empty folder `dst`, with owners, modes, times and attributes.
    pub copy_up: fn(src: BorrowedFd<'_>, dst: BorrowedFd<'_>) -> io::Result<()>,
    /// Serves listeners `(socket, tcp, target)` for ever.
    pub proxy: fn(listeners: Vec<(OwnedFd, bool, SocketAddr)>) -> !,
}

/// What the zygote is asked to fork; the details go over the descriptor sent along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Launch = b'L' as isize,
    Exec = b'E' as isize,
}

/// A running zygote. Readable (`AsFd`) means it died: make another.
#[derive(Debug)]
pub struct Zygote {
    /// `None` only while dropping.
    socket: Option<OwnedFd>,
    child: Child,
}

impl AsFd for Zygote {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}

impl Zygote {
    /// Starts our own executable again as a zygote.
    pub fn spawn() -> Result<Self, RuntimeError> {
        Self::spawn_from(Path::new("/proc/self/exe"))
    }

    /// Starts the executable at `path`, whose `main` must call [`main`], as a zygote.
    pub fn spawn_from(path: &Path) -> Result<Self, RuntimeError> {
        spawn(path).map_err(RuntimeError::Spawn)
    }

    /// PID of the process.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Has a shim forked and tells it to create a container. Its events (`Started`, `Failed`…) come over the link.
    ///
    /// # Errors
    /// [`RuntimeError::ZygoteGone`]: nothing was started; spawn another and try again.
    pub fn launch(
        &self,
        request: LaunchRequest,
        fds: &LaunchFds,
    ) -> Result<ShimLink, RuntimeError> {
        let (ours, theirs) = channel::pair().map_err(RuntimeError::Spawn)?;
        self.order(Order::Launch, theirs)?;
        ShimLink::launch(ours, request, fds, None)
    }

    /// Gives a container whose shim was killed a new one. Its first event is `Started` with the same identity, or
    /// `Exited` if the container ended meanwhile. What it wrote since is read from its FIFOs; only a terminal is lost, and
    /// with it what ran in it.
    ///
    /// # Errors
    /// As [`Zygote::launch`].
    pub fn adopt(
        &self,
        request: LaunchRequest,
        fds: &LaunchFds,
        orphan: Identity,
    ) -> Result<ShimLink, RuntimeError> {
        let (ours, theirs) = channel::pair().map_err(RuntimeError::Spawn)?;
        self.order(Order::Launch, theirs)?;
        ShimLink::launch(ours, request, fds, Some(orphan))
    }

    /// Starts a process in a running container.
    ///
    /// # Errors
    /// As [`Zygote::launch`]; what goes wrong later comes as [`ExecEvent::Failed`](crate::runtime::exec::ExecEvent).
    pub fn exec(&self, request: ExecRequest) -> Result<ExecHandle, RuntimeError> {
        let (ours, theirs) = channel::pair().map_err(RuntimeError::Spawn)?;
        self.order(Order::Exec, theirs)?;
        let control = ExecControl::new(ours);
        let new_pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|e| RuntimeError::Spawn(e.into()));
        let mut handle = ExecHandle {
            control,
            stdin: None,
            stdout: None,
            stderr: None,
        };
        let mut theirs = Vec::new();
        if !request.process.tty {
            if request.process.stdin {
                let (read, write) = new_pipe()?;
                theirs.push(read);
                handle.stdin = Some(write);
            }
            for end in [&mut handle.stdout, &mut handle.stderr] {
                let (read, write) = new_pipe()?;
                theirs.push(write);
                *end = Some(read);
            }
        }
        let fds: Vec<BorrowedFd<'_>> = theirs.iter().map(AsFd::as_fd).collect();
        handle.control.request(&request, &fds)?;
        Ok(handle)
    }

    fn socket(&self) -> &OwnedFd {
        self.socket.as_ref().expect("taken in drop only")
    }

    fn order(&self, order: Order, channel: OwnedFd) -> Result<(), RuntimeError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [channel.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let text = [order as u8];
        sendmsg(
            self.socket(),
            &[IoSlice::new(&text)],
            &mut control,
            SendFlags::NOSIGNAL,
        )
        .map(|_| ())
        .map_err(|_| RuntimeError::ZygoteGone)
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        self.socket = None;
        // It ends at once on EOF; without the wait it would stay a zombie of ours.
        let _ = self.child.wait();
    }
}

fn spawn(path: &Path) -> io::Result<Zygote> {
    let executable = sealed::executable(path)?;
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let child = executable
        .command()
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Zygote {
        socket: Some(ours),
        child,
    })
}

/// `argv[0]` of a zygote.
pub(crate) const ARGV0: &str = "hoist-zygote";

fn zygote_command(program: &Path) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(program);
    // An empty environment: a forked init shows it in the container's `/proc/1/environ`.
    command.arg0(ARGV0).env_clear().current_dir("/");
    command
}
