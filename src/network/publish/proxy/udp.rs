//! Proxied UDP: a session a client.

use nix::sys::socket::ControlMessage;
use nix::sys::socket::ControlMessageOwned;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::recvmsg;
use nix::sys::socket::sendmsg;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Ipv6RecvPacketInfo;
use std::collections::HashMap;
use std::io;
use std::io::IoSlice;
use std::io::IoSliceMut;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::time::Duration;
use std::time::Instant;

/// A session silent for so long is forgotten (docker-proxy: the same).
pub(super) const IDLE: Duration = Duration::from_secs(90);
/// How often silent sessions are looked for.
pub(super) const CHECK: Duration = Duration::from_secs(5);
const MAX_SESSIONS: usize = 512;
/// No datagram is longer.
const DATAGRAM: usize = 65_536;
/// Taken at once, before others have their turn.
const DATAGRAMS_A_TURN: usize = 64;

/// One datagram a client sent.
pub(super) struct Datagram {
    client: SockaddrStorage,
    /// The address of ours it was sent to, and the link, so that the answer comes from there.
    local: Option<libc::in6_pktinfo>,
    bytes: Vec<u8>,
}

/// A client of a listener, and its socket towards the container.
struct Session {
    listener: usize,
    client: SockaddrStorage,
    local: Option<libc::in6_pktinfo>,
    socket: UdpSocket,
    last: Instant,
}

/// All sessions, by number and by client.
#[derive(Default)]
pub(super) struct Sessions {
    sessions: HashMap<u64, Session>,
    numbers: HashMap<(usize, SockaddrStorage), u64>,
    /// When the silent ones were last looked for.
    checked: Option<Instant>,
}

/// Where a datagram went.
pub(super) enum Forwarded<'a> {
    /// To a session there was, or nowhere.
    Known,
    /// To a new session, whose socket is to be watched.
    New(&'a UdpSocket),
}

/// Has a listener tell which of our addresses a datagram was sent to.
pub(super) fn prepare(socket: &OwnedFd) {
    // Fails on IPv4, where the kernel's choice of sender must do.
    let _ = setsockopt(socket, Ipv6RecvPacketInfo, &true);
}

/// The datagrams that wait at a listener.
pub(super) fn receive(listener: &OwnedFd) -> impl Iterator<Item = Datagram> {
    let mut buffer = vec![0; DATAGRAM];
    let mut control = nix::cmsg_space!(libc::in6_pktinfo);
    let next = move || {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message =
            recvmsg::<SockaddrStorage>(listener.as_raw_fd(), &mut parts, Some(&mut control), flags)
                .ok()?;
        let local = message.cmsgs().ok()?.find_map(|control| match control {
            ControlMessageOwned::Ipv6PacketInfo(info) => Some(info),
            _ => None,
        });
        let (client, length) = (message.address?, message.bytes);
        Some(Datagram {
            client,
            local,
            bytes: buffer[..length].to_vec(),
        })
    };
    std::iter::from_fn(next).take(DATAGRAMS_A_TURN)
}

impl Sessions {
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Sends a datagram to the container, in the session of its client; a new one gets the number `id`.
    pub(super) fn forward(
        &mut self,
        listener: usize,
        target: SocketAddr,
        datagram: &Datagram,
        id: u64,
    ) -> Forwarded<'_> {
        let key = (listener, datagram.client);
        if let Some(session) = self
            .numbers
            .get(&key)
            .and_then(|id| self.sessions.get_mut(id))
        {
            session.last = Instant::now();
            session.local = datagram.local;
            // Lost, as datagrams may be.
            let _ = session.socket.send(&datagram.bytes);
            return Forwarded::Known;
        }
        let Ok(socket) = connect(target) else {
            return Forwarded::Known;
        };
        if self.sessions.len() >= MAX_SESSIONS {
            self.forget_longest_silent();
        }
        let _ = socket.send(&datagram.bytes);
        let (client, local, last) = (datagram.client, datagram.local, Instant::now());
        self.numbers.insert(key, id);
        let session = Session {
            listener,
            client,
            local,
            socket,
            last,
        };
        Forwarded::New(
            &self
                .sessions
                .entry(id)
                .insert_entry(session)
                .into_mut()
                .socket,
        )
    }

    /// Sends what the container answered to the client, from the listener.
    pub(super) fn answer<'a>(&mut self, id: u64, listener: impl Fn(usize) -> &'a OwnedFd) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let socket = listener(session.listener);
        let mut buffer = vec![0; DATAGRAM];
        for _ in 0..DATAGRAMS_A_TURN {
            match session.socket.recv(&mut buffer) {
                Ok(length) => {
                    session.last = Instant::now();
                    session.send_back(socket, &buffer[..length]);
                }
                // Nobody listens in the container: told as silence. The error is taken now, the next answer may come.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(_) => return,
            }
        }
    }

    /// Forgets sessions nobody has used for [`IDLE`].
    pub(super) fn forget_silent(&mut self) {
        let now = Instant::now();
        let lately = |checked: Instant| now.duration_since(checked) < CHECK;
        if self.is_empty() || self.checked.is_some_and(lately) {
            return;
        }
        self.checked = Some(now);
        self.sessions
            .retain(|_, session| now.duration_since(session.last) < IDLE);
        let sessions = &self.sessions;
        self.numbers.retain(|_, id| sessions.contains_key(id));
    }

    fn forget_longest_silent(&mut self) {
        let oldest = self
            .sessions
            .iter()
            .min_by_key(|(_, session)| session.last)
            .map(|(id, _)| *id);
        if let Some(session) = oldest.and_then(|id| self.sessions.remove(&id)) {
            self.numbers.remove(&(session.listener, session.client));
        }
    }
}

impl Session {
    fn send_back(&self, listener: &OwnedFd, bytes: &[u8]) {
        let control: Vec<_> = self
            .local
            .as_ref()
            .map(ControlMessage::Ipv6PacketInfo)
            .into_iter()
            .collect();
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        // Lost, as datagrams may be.
        let _ = sendmsg(
            listener.as_raw_fd(),
            &[IoSlice::new(bytes)],
            &control,
            flags,
            Some(&self.client),
        );
    }
}

fn connect(target: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match target {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(target)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
