//! The supervisor's end of the connection to a shim.

use super::kept::Parcel;
use super::protocol::{LaunchFds, LaunchRequest, ShimCommand, ShimEvent, WireEvent, WireLaunch};
use crate::runtime::channel::Channel;
use crate::runtime::error::RuntimeError;
use crate::runtime::identity::Identity;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

const PEER: &str = "shim";
/// A shim reads at once; one that does not for this long is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to one shim. Poll it for reading (`AsFd`; tokio: `AsyncFd`), then [`ShimLink::recv`] until `None`.
#[derive(Debug)]
pub struct ShimLink(Channel);

impl AsFd for ShimLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl std::os::fd::AsRawFd for ShimLink {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl ShimLink {
    /// Connects to the shim that listens in `run_dir`. Its first event is [`ShimEvent::Hello`]; an older connection is closed by it.
    ///
    /// # Errors
    /// [`RuntimeError::NoShim`] if nobody listens there.
    pub fn connect(run_dir: &Path) -> Result<Self, RuntimeError> {
        connect(run_dir)
            .map(|socket| Self(Channel::new(socket)))
            .map_err(|source| RuntimeError::NoShim {
                folder: run_dir.to_owned(),
                source,
            })
    }

    /// Takes one end of a socket pair whose other end goes to a new shim, and tells it what to do.
    pub(crate) fn launch(
        socket: OwnedFd,
        request: LaunchRequest,
        fds: &LaunchFds,
        orphan: Option<Identity>,
    ) -> Result<Self, RuntimeError> {
        let parcel = Parcel::of(fds);
        let wire = WireLaunch {
            request,
            fds: parcel.manifest,
            orphan,
        };
        let channel = Channel::new(socket);
        channel
            .send(&wire, &parcel.fds, PATIENCE)
            .map_err(link_error)?;
        Ok(Self(channel))
    }

    /// The next event, `None` if there is none yet. Never blocks.
    ///
    /// # Errors
    /// [`RuntimeError::Closed`] once the shim is gone (or another supervisor took over).
    pub fn recv(&mut self) -> Result<Option<ShimEvent>, RuntimeError> {
        match self.0.recv::<WireEvent>().map_err(link_error)? {
            None => Ok(None),
            Some((event, fds)) => joined(event, fds).map(Some),
        }
    }

    /// The next event, waiting at most `patience`: for callers without an event loop.
    pub fn wait(&mut self, patience: Duration) -> Result<ShimEvent, RuntimeError> {
        let (event, fds) = self
            .0
            .wait::<WireEvent>(Some(patience))
            .map_err(link_error)?;
        joined(event, fds)
    }

    /// Sends a command. Commands are small: this does not block in practice.
    ///
    /// # Errors
    /// [`RuntimeError::Closed`] if the shim is gone.
    pub fn send(&self, command: &ShimCommand) -> Result<(), RuntimeError> {
        self.0.send(command, &[], PATIENCE).map_err(link_error)
    }

    /// Sends [`ShimCommand::Ports`].
    ///
    /// # Errors
    /// [`RuntimeError::Closed`] if the shim is gone.
    pub fn send_ports(&self, ports: &LaunchFds) -> Result<(), RuntimeError> {
        let parcel = Parcel::of(ports);
        let command = ShimCommand::Ports(parcel.manifest);
        self.0
            .send(&command, &parcel.fds, PATIENCE)
            .map_err(link_error)
    }
}

fn joined(event: WireEvent, fds: Vec<OwnedFd>) -> Result<ShimEvent, RuntimeError> {
    event.join(fds).ok_or_else(|| RuntimeError::Protocol {
        peer: PEER,
        source: io::Error::other("descriptors are missing"),
    })
}

fn link_error(source: io::Error) -> RuntimeError {
    match source.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset => RuntimeError::Closed(PEER),
        io::ErrorKind::InvalidData => RuntimeError::Protocol { peer: PEER, source },
        _ => RuntimeError::Link { peer: PEER, source },
    }
}

fn connect(run_dir: &Path) -> io::Result<OwnedFd> {
    // A socket path holds 108 bytes at most, so it goes through the folder's descriptor.
    let dir = rustix::fs::open(
        run_dir,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}/shim.sock", dir.as_raw_fd()))?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket)
}
