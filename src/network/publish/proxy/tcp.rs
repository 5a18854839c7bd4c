//! One proxied TCP connection: two sockets, and the bytes under way between them.

use rustix::io::Errno;
use rustix::net::AddressFamily;
use rustix::net::Shutdown;
use rustix::net::SocketFlags;
use rustix::net::SocketType;
use rustix::net::sockopt;
use rustix::pipe::PipeFlags;
use rustix::pipe::SpliceFlags;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// What a pipe holds by default.
const PIPE_SIZE: usize = 64 * 1024;
/// Pipes kept for the next bytes.
const SPARE_PIPES: usize = 64;
/// Pipefuls moved before others have their turn.
const MOVES_A_TURN: usize = 32;

/// A pipe with nothing in it.
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

/// Pipes nobody uses. A connection has one only while bytes are under way.
#[derive(Default)]
pub(super) struct Pipes {
    spare: Vec<Pipe>,
}

/// What a connection waits for after it has been pumped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// For the next event.
    Waiting,
    /// For its next turn; there is more to do.
    Unfinished,
    /// It has ended.
    Over,
}

/// One direction.
#[derive(Default)]
struct Flow {
    /// The pipe with the bytes that the receiver has not taken, and their number.
    held: Option<(Pipe, usize)>,
    /// The sender has said its last.
    ended: bool,
    /// And the receiver knows.
    passed_on: bool,
}

/// A client, the container, and what flows between.
pub(super) struct Connection {
    client: OwnedFd,
    container: OwnedFd,
    connected: bool,
    there: Flow,
    back: Flow,
}

impl Pipes {
    fn take(&mut self) -> Result<Pipe, Errno> {
        if let Some(pipe) = self.spare.pop() {
            return Ok(pipe);
        }
        let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Pipe { reader, writer })
    }

    fn give_back(&mut self, pipe: Pipe) {
        if self.spare.len() < SPARE_PIPES {
            self.spare.push(pipe);
        }
    }
}

impl Flow {
    /// Moves bytes until one side would block, the sender ends, or the turn is over; whether it is over.
    fn pump(&mut self, from: &OwnedFd, to: &OwnedFd, pipes: &mut Pipes) -> Result<bool, Errno> {
        for _ in 0..MOVES_A_TURN {
            if let Some((pipe, held)) = self.held.take() {
                match splice(&pipe.reader, to, held) {
                    Ok(taken) if taken == held => pipes.give_back(pipe),
                    Ok(taken) => self.held = Some((pipe, held - taken)),
                    Err(error) => {
                        self.held = Some((pipe, held));
                        return blocked(error);
                    }
                }
            } else if self.ended {
                if !self.passed_on {
                    self.passed_on = true;
                    rustix::net::shutdown(to, Shutdown::Write)?;
                }
                return Ok(false);
            } else {
                let pipe = pipes.take()?;
                let read = splice(from, &pipe.writer, PIPE_SIZE);
                match read {
                    Ok(0) => self.ended = true,
                    Ok(read) => {
                        self.held = Some((pipe, read));
                        continue;
                    }
                    Err(_) => {}
                }
                pipes.give_back(pipe);
                if let Err(error) = read {
                    return blocked(error);
                }
            }
        }
        Ok(true)
    }
}

impl Connection {
    /// Begins to connect to the container.
    pub(super) fn open(client: OwnedFd, target: SocketAddr) -> Result<Self, Errno> {
        let family = if target.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let opened = rustix::net::socket_with(family, SocketType::STREAM, flags, None);
        let container = opened.inspect_err(|_| reset(&client))?;
        for socket in [&client, &container] {
            // Small answers go at once; bytes have waited at the sender already.
            let _ = sockopt::set_tcp_nodelay(socket, true);
        }
        match rustix::net::connect(&container, &target) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => {
                reset(&client);
                return Err(error);
            }
        }
        let (there, back) = (Flow::default(), Flow::default());
        Ok(Self {
            client,
            container,
            connected: false,
            there,
            back,
        })
    }

    pub(super) fn sockets(&self) -> [&OwnedFd; 2] {
        [&self.client, &self.container]
    }

    /// Moves what can be moved.
    pub(super) fn pump(&mut self, pipes: &mut Pipes) -> State {
        let moved = self.try_pump(pipes);
        if moved.is_err() {
            reset(&self.client);
            reset(&self.container);
            return State::Over;
        }
        match moved {
            _ if self.there.passed_on && self.back.passed_on => State::Over,
            Ok(true) => State::Unfinished,
            _ => State::Waiting,
        }
    }

    fn try_pump(&mut self, pipes: &mut Pipes) -> Result<bool, Errno> {
        if !self.connected {
            sockopt::socket_error(&self.container)??;
            match rustix::net::getpeername(&self.container) {
                Ok(Some(_)) => self.connected = true,
                Ok(None) | Err(Errno::NOTCONN) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        let there = self.there.pump(&self.client, &self.container, pipes)?;
        let back = self.back.pump(&self.container, &self.client, pipes)?;
        Ok(there || back)
    }
}

/// Takes the next connection of a listener.
pub(super) fn accept(listener: &OwnedFd) -> Result<OwnedFd, Errno> {
    rustix::net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
}

/// Whether an error is for want of descriptors or memory.
pub(super) fn exhausted(error: &Errno) -> bool {
    matches!(
        *error,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM
    )
}

/// Has the peer see a reset when the socket closes, so that it does not take what came for all there was.
fn reset(socket: &OwnedFd) {
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

fn splice(from: &OwnedFd, to: &OwnedFd, length: usize) -> Result<usize, Errno> {
    loop {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        match rustix::pipe::splice(from, None, to, None, length, flags) {
            Err(Errno::INTR) => {}
            moved => return moved,
        }
    }
}

/// Would block: the flow is done for now. Anything else ends the connection.
fn blocked(error: Errno) -> Result<bool, Errno> {
    if error == Errno::AGAIN {
        Ok(false)
    } else {
        Err(error)
    }
}
