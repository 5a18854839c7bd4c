//! Who is attached to a container: its output is copied to them, best effort, and what they type goes to its terminal.

use crate::runtime::log::Stream;
use rustix::event::PollFlags;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

/// Somebody attached.
pub(super) enum Client {
    Terminal(OwnedFd),
    Pipes {
        out: Option<OwnedFd>,
        err: Option<OwnedFd>,
    },
}

pub(super) fn show(clients: &mut Vec<Client>, stream: Stream, bytes: &[u8]) {
    for client in clients.iter_mut() {
        client.show(stream, bytes);
    }
    clients.retain(Client::is_there);
}

/// Whether the client is still there.
pub(super) fn read_keys(socket: &OwnedFd, typed: &mut Vec<u8>) -> bool {
    let mut keys = [0u8; 4096];
    let flags = rustix::net::RecvFlags::DONTWAIT;
    match rustix::net::recv(socket, &mut keys, flags) {
        Ok((0, _)) => false,
        Ok((count, _)) => {
            typed.extend_from_slice(&keys[..count]);
            true
        }
        Err(Errno::AGAIN | Errno::INTR) => true,
        Err(_) => false,
    }
}

fn revents(fd: &OwnedFd, what: PollFlags) -> PollFlags {
    let mut fds = [rustix::event::PollFd::new(fd, what)];
    let now = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match rustix::event::poll(&mut fds, Some(&now)) {
        Ok(_) => fds[0].revents(),
        Err(_) => PollFlags::empty(),
    }
}

pub(super) fn hung_up(socket: &OwnedFd) -> bool {
    revents(socket, PollFlags::RDHUP).intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR)
}

pub(super) fn reader_gone(pipe: &OwnedFd) -> bool {
    revents(pipe, PollFlags::empty()).contains(PollFlags::ERR)
}

impl Client {
    pub(super) fn is_there(&self) -> bool {
        !matches!(
            self,
            Client::Pipes {
                out: None,
                err: None
            }
        )
    }

    /// Best effort: a client that does not keep up loses this piece, the container never waits for it.
    fn show(&mut self, stream: Stream, bytes: &[u8]) {
        let (out, err) = match self {
            Self::Terminal(socket) => {
                let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
                let _ = rustix::net::send(&*socket, bytes, flags);
                return;
            }
            Self::Pipes { out, err } => (out, err),
        };
        let end = if stream == Stream::Out { out } else { err };
        if let Some(pipe) = end
            && matches!(rustix::io::write(pipe, bytes), Err(Errno::PIPE))
        {
            *end = None;
        }
    }
}
