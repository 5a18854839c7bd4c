//! A userspace proxy for host sockets whose traffic the kernel cannot rewrite: `[::1]`, and IPv6 to containers that have
//! only IPv4.
//!
//! One thread, one epoll. TCP bytes go from socket to socket through a pipe by `splice` and never enter this process; the
//! end of each direction is passed on by itself, and a reset as a reset. A UDP client has a session: a socket of its own
//! towards the container, until it has been silent for [`udp::IDLE`].
//!
//! Invariants: what is open is bounded by the descriptor limit (at the bound, connections wait in the listener's
//! backlog, and the UDP session longest silent makes room); no event is left unhandled, since sockets of connections are
//! edge-triggered.

mod tcp;
mod udp;

use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SfdFlags;
use nix::sys::signalfd::SignalFd;
use rustix::event::Timespec;
use rustix::event::epoll;
use rustix::event::epoll::EventData;
use rustix::event::epoll::EventFlags;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tcp::Connection;
use tcp::Pipes;
use udp::Sessions;

/// Descriptors of one connection at most: two sockets, a pipe each way.
const DESCRIPTORS_A_CONNECTION: u64 = 6;
/// Left to listeners, sessions and the rest of the process.
const DESCRIPTORS_KEPT: u64 = 256;
const MAX_CONNECTIONS: u64 = 4096;
/// Accepted at once, before others have their turn.
const ACCEPTS_A_TURN: usize = 64;
/// How long the thread rests when the kernel has no descriptor for it.
const EXHAUSTED: Duration = Duration::from_millis(20);

/// A host socket and where its traffic goes.
struct Listener {
    socket: OwnedFd,
    tcp: bool,
    target: SocketAddr,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Listener(usize),
    Connection(u64),
    Session(u64),
    /// Told to end.
    Notice,
}

impl Source {
    fn data(self) -> EventData {
        EventData::new_u64(match self {
            Self::Listener(index) => (index as u64) << 2,
            Self::Connection(id) => id << 2 | 1,
            Self::Session(id) => id << 2 | 2,
            Self::Notice => 3,
        })
    }

    fn of(data: EventData) -> Self {
        let data = data.u64();
        match data & 3 {
            0 => Self::Listener((data >> 2) as usize),
            1 => Self::Connection(data >> 2),
            2 => Self::Session(data >> 2),
            _ => Self::Notice,
        }
    }
}

struct Proxy {
    epoll: OwnedFd,
    listeners: Vec<Listener>,
    connections: HashMap<u64, Connection>,
    pipes: Pipes,
    sessions: Sessions,
    next_id: u64,
    limit: usize,
    /// Whether TCP listeners are heard.
    accepting: bool,
    /// Connections that used up their turn.
    unfinished: Vec<u64>,
    /// Hears SIGTERM.
    notice: SignalFd,
    /// Others serve new clients; only what is open is brought to its end.
    leaving: bool,
}

/// Carries the traffic of each listener (socket, whether TCP, destination) until the process ends. TCP sockets listen;
/// UDP sockets are bound. Without listeners it only waits. After SIGTERM it ends with the last connection that is open.
pub fn serve(listeners: Vec<(OwnedFd, bool, SocketAddr)>) -> ! {
    // `splice` to a closed connection raises it; blocked, it is only the error.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGPIPE);
    let _ = signals.thread_block();
    if let Ok(mut proxy) = Proxy::new(listeners) {
        while !(proxy.leaving && proxy.connections.is_empty()) {
            proxy.turn();
        }
        std::process::exit(0);
    }
    loop {
        std::thread::park();
    }
}

impl Proxy {
    fn new(listeners: Vec<(OwnedFd, bool, SocketAddr)>) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let listeners: Vec<_> = listeners
            .into_iter()
            .map(|(socket, tcp, target)| Listener {
                socket,
                tcp,
                target,
            })
            .collect();
        for (index, listener) in listeners.iter().enumerate() {
            rustix::io::ioctl_fionbio(&listener.socket, true)?;
            if !listener.tcp {
                udp::prepare(&listener.socket);
            }
            epoll::add(
                &epoll,
                &listener.socket,
                Source::Listener(index).data(),
                EventFlags::IN,
            )?;
        }
        let notice = notice()?;
        epoll::add(&epoll, &notice, Source::Notice.data(), EventFlags::IN)?;
        Ok(Self {
            notice,
            leaving: false,
            epoll,
            listeners,
            connections: HashMap::new(),
            pipes: Pipes::default(),
            sessions: Sessions::default(),
            next_id: 0,
            limit: connection_limit(),
            accepting: true,
            unfinished: Vec::new(),
        })
    }

    /// Waits for events and handles them.
    fn turn(&mut self) {
        let timeout = match (self.unfinished.is_empty(), self.sessions.is_empty()) {
            (false, _) => Some(Timespec::default()),
            (true, false) => Timespec::try_from(udp::CHECK).ok(),
            (true, true) => None,
        };
        let mut events = Vec::with_capacity(256);
        let buffer = rustix::buffer::spare_capacity(&mut events);
        // Interrupted by a signal: the next turn.
        let _ = epoll::wait(&self.epoll, buffer, timeout.as_ref());
        for id in std::mem::take(&mut self.unfinished) {
            self.pump(id);
        }
        for event in events {
            match Source::of(event.data) {
                Source::Listener(index) if self.listeners[index].tcp => self.accept(index),
                Source::Listener(index) => self.datagrams(index),
                Source::Connection(id) => self.pump(id),
                Source::Session(id) => self.answers(id),
                Source::Notice => self.leave(),
            }
        }
        self.sessions.forget_silent();
        self.listen(!self.leaving && self.connections.len() < self.limit);
    }

    fn leave(&mut self) {
        while let Ok(Some(_)) = self.notice.read_signal() {}
        self.leaving = true;
        for listener in &self.listeners {
            let _ = epoll::delete(&self.epoll, &listener.socket);
        }
    }

    fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPTS_A_TURN {
            if self.connections.len() >= self.limit {
                return;
            }
            let listener = &self.listeners[index];
            match tcp::accept(&listener.socket) {
                Ok(client) => {
                    let target = listener.target;
                    // A container that cannot be reached: the client has been reset.
                    if let Ok(connection) = Connection::open(client, target) {
                        self.add(connection);
                    }
                }
                Err(error) if tcp::exhausted(&error) => return std::thread::sleep(EXHAUSTED),
                Err(_) => return,
            }
        }
    }

    fn add(&mut self, connection: Connection) {
        let id = self.id();
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let source = Source::Connection(id);
        let watch =
            |socket: &OwnedFd| epoll::add(&self.epoll, socket.as_fd(), source.data(), interest);
        if connection
            .sockets()
            .into_iter()
            .all(|socket| watch(socket).is_ok())
        {
            self.connections.insert(id, connection);
        }
    }

    fn pump(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        match connection.pump(&mut self.pipes) {
            tcp::State::Waiting => {}
            tcp::State::Unfinished => self.unfinished.push(id),
            tcp::State::Over => drop(self.connections.remove(&id)),
        }
    }

    fn datagrams(&mut self, index: usize) {
        let listener = &self.listeners[index];
        for datagram in udp::receive(&listener.socket) {
            let id = self.next_id;
            match self.sessions.forward(index, listener.target, &datagram, id) {
                udp::Forwarded::Known => {}
                udp::Forwarded::New(socket) => {
                    self.next_id += 1;
                    let source = Source::Session(id);
                    let _ = epoll::add(&self.epoll, socket, source.data(), EventFlags::IN);
                }
            }
        }
    }

    fn answers(&mut self, id: u64) {
        let listeners = &self.listeners;
        self.sessions.answer(id, |index| &listeners[index].socket);
    }

    /// Hears TCP listeners or lets connections wait in their backlog.
    fn listen(&mut self, accepting: bool) {
        if self.accepting == accepting || self.leaving {
            return;
        }
        self.accepting = accepting;
        let interest = if accepting {
            EventFlags::IN
        } else {
            EventFlags::empty()
        };
        for (index, listener) in self
            .listeners
            .iter()
            .enumerate()
            .filter(|(_, listener)| listener.tcp)
        {
            let _ = epoll::modify(
                &self.epoll,
                &listener.socket,
                Source::Listener(index).data(),
                interest,
            );
        }
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }
}

/// SIGTERM as something to wait for.
fn notice() -> io::Result<SignalFd> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGTERM);
    mask.thread_block()?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    Ok(SignalFd::with_flags(&mask, flags)?)
}

fn connection_limit() -> usize {
    let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE);
    let (soft, _) = limit.unwrap_or((1024, 1024));
    let connections = soft.saturating_sub(DESCRIPTORS_KEPT) / DESCRIPTORS_A_CONNECTION;
    connections.clamp(16, MAX_CONNECTIONS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_survive_the_kernel() {
        for source in [
            Source::Listener(7),
            Source::Connection(1 << 40),
            Source::Session(3),
            Source::Notice,
        ] {
            assert_eq!(Source::of(source.data()), source);
        }
    }
}
