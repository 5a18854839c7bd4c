//! One question that is being asked upstream.
//!
//! Each has a socket of its own, connected to one server: the kernel chooses a random port and takes only that server's
//! packets, the id is random too, and a server that is not there is known at once (`ECONNREFUSED`) instead of after a
//! timeout.

use super::stream::Over;
use super::stream::Stream;
use super::wire;
use rustix::io::Errno;
use rustix::net::AddressFamily;
use rustix::net::RecvFlags;
use rustix::net::SendFlags;
use rustix::net::SocketFlags;
use rustix::net::SocketType;
use rustix::net::connect;
use rustix::net::recv;
use rustix::net::send;
use rustix::net::socket_with;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// How long one server may take. Two or three fit into the 5 s after which `libc` asks again.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// Servers asked for one question at most.
const ATTEMPTS: usize = 3;

#[derive(Debug)]
enum Socket {
    Udp(OwnedFd),
    Tcp(Stream),
}

/// A question on its way.
#[derive(Debug)]
pub struct Exchange {
    /// The query with an id of ours.
    query: Vec<u8>,
    /// The asker's id.
    id: [u8; 2],
    servers: Arc<[SocketAddr]>,
    attempt: usize,
    /// The asker can take an answer of any length.
    long: bool,
    socket: Socket,
    /// An answer that was no help (`SERVFAIL`, `REFUSED`): given if no server has a better one.
    poor: Option<Vec<u8>>,
}

/// What became of an exchange.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Wait on.
    Waiting,
    /// Another socket now: to be watched, with a new deadline.
    Moved,
    /// The answer for the asker.
    Answer(Vec<u8>),
    /// No server answered.
    Failed,
}

impl Exchange {
    /// Sends `query` to the first of the servers that can be reached; `None` if none can.
    pub fn start(query: &[u8], servers: Arc<[SocketAddr]>, long: bool) -> Option<Self> {
        let mut query = query.to_vec();
        let id = *query.first_chunk::<2>()?;
        getrandom::fill(query.first_chunk_mut::<2>()?).ok()?;
        let (attempt, socket) = ask(&query, &servers, 0)?;
        Some(Self {
            query,
            id,
            servers,
            attempt,
            long,
            socket: Socket::Udp(socket),
            poor: None,
        })
    }

    /// Whether the socket is to be watched for writing.
    pub fn wants_to_write(&self) -> bool {
        matches!(&self.socket, Socket::Tcp(stream) if stream.has_output())
    }

    /// The server took too long.
    pub fn timed_out(&mut self) -> Progress {
        self.next_server()
    }

    /// The socket is ready.
    pub fn ready(&mut self) -> Progress {
        match &mut self.socket {
            Socket::Udp(socket) => {
                let mut buffer = [0u8; 1 << 16];
                match recv(&*socket, &mut buffer, RecvFlags::DONTWAIT) {
                    Ok((len, _)) => self.take(&buffer[..len]),
                    Err(Errno::AGAIN | Errno::INTR) => Progress::Waiting,
                    Err(_) => self.next_server(),
                }
            }
            Socket::Tcp(stream) => {
                let step = stream.flush().and_then(|()| stream.fill());
                match (stream.next(), step) {
                    (Ok(Some(reply)), _) => self.take(&reply),
                    (Ok(None), Ok(())) => Progress::Waiting,
                    (Err(Over), _) | (_, Err(Over)) => self.next_server(),
                }
            }
        }
    }

    /// Looks at a reply. One that does not belong to the question is as if it had not come.
    fn take(&mut self, reply: &[u8]) -> Progress {
        if !wire::answers(reply, &self.query) {
            return Progress::Waiting;
        }
        let is_cut =
            wire::is_truncated(reply) && self.long && matches!(self.socket, Socket::Udp(_));
        if let Some(stream) = is_cut.then(|| self.ask_by_tcp()).flatten() {
            self.socket = Socket::Tcp(stream);
            return Progress::Moved;
        }
        let mut answer = reply.to_vec();
        answer[..2].copy_from_slice(&self.id);
        // 2 and 5: the server has a problem; the next one may not.
        if matches!(wire::code(reply), 2 | 5) {
            self.poor = Some(answer);
            return self.next_server();
        }
        Progress::Answer(answer)
    }

    fn ask_by_tcp(&self) -> Option<Stream> {
        let server = self.servers[self.attempt % self.servers.len()];
        let socket = open(server, SocketType::STREAM)?;
        match connect(&socket, &server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(_) => return None,
        }
        let mut stream = Stream::new(socket, usize::from(u16::MAX));
        stream.push(&self.query);
        Some(stream)
    }

    fn next_server(&mut self) -> Progress {
        match ask(&self.query, &self.servers, self.attempt + 1) {
            Some((attempt, socket)) => {
                self.attempt = attempt;
                self.socket = Socket::Udp(socket);
                Progress::Moved
            }
            None => self.poor.take().map_or(Progress::Failed, Progress::Answer),
        }
    }
}

impl AsFd for Exchange {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Udp(socket) => socket.as_fd(),
            Socket::Tcp(stream) => stream.as_fd(),
        }
    }
}

/// Sends the query to a server, from attempt number `from` on; which attempt it was. A single server gets a second chance,
/// since packets may be lost.
fn ask(query: &[u8], servers: &[SocketAddr], from: usize) -> Option<(usize, OwnedFd)> {
    let most = servers.len().clamp(2, ATTEMPTS);
    (from..most).find_map(|attempt| {
        let server = *servers.get(attempt % servers.len().max(1))?;
        let socket = open(server, SocketType::DGRAM)?;
        connect(&socket, &server).ok()?;
        send(&socket, query, SendFlags::DONTWAIT).ok()?;
        Some((attempt, socket))
    })
}

fn open(server: SocketAddr, kind: SocketType) -> Option<OwnedFd> {
    let family = if server.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    socket_with(
        family,
        kind,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
    .ok()
}
