//! Who is attached to a container's streams.
//!
//! A client that must miss nothing is owed what it could not take at once; as long as it is, no more is read of that
//! stream, so the container waits as a program in a pipeline does. Any other client loses what it does not take.

use crate::runtime::log::Stream;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

/// Somebody attached.
pub(super) enum Client {
    /// A socket: keys come, the screen goes.
    Terminal(Option<End>),
    /// Two pipes.
    Pipes { out: Option<End>, err: Option<End> },
}

/// Where output goes, and what it could not take yet.
pub(super) struct End {
    fd: OwnedFd,
    socket: bool,
    lossless: bool,
    owed: Vec<u8>,
}

impl End {
    pub(super) fn new(fd: OwnedFd, lossless: bool) -> Self {
        Self {
            fd,
            socket: false,
            lossless,
            owed: Vec::new(),
        }
    }

    /// Writes what is taken at once; says whether the reader is still there.
    fn show(&mut self, bytes: &[u8]) -> bool {
        if !self.owed.is_empty() {
            self.owed.extend_from_slice(bytes);
            return self.pay();
        }
        match self.write(bytes) {
            Ok(count) => self.owe(&bytes[count..]),
            Err(Errno::AGAIN | Errno::INTR) => self.owe(bytes),
            Err(_) => return false,
        }
        true
    }

    fn owe(&mut self, bytes: &[u8]) {
        if self.lossless {
            self.owed.extend_from_slice(bytes);
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        if self.socket {
            let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
            return rustix::net::send(&self.fd, bytes, flags);
        }
        rustix::io::write(&self.fd, bytes)
    }

    /// Writes what is owed, as far as it is taken.
    fn pay(&mut self) -> bool {
        while !self.owed.is_empty() {
            match self.write(&self.owed) {
                Ok(count) => drop(self.owed.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
        true
    }
}

impl Client {
    /// A client at a terminal.
    pub(super) fn terminal(socket: OwnedFd, lossless: bool) -> Self {
        Self::Terminal(Some(End {
            socket: true,
            ..End::new(socket, lossless)
        }))
    }

    fn ends(&self) -> impl Iterator<Item = &End> {
        let (one, other) = match self {
            Self::Terminal(end) => (end.as_ref(), None),
            Self::Pipes { out, err } => (out.as_ref(), err.as_ref()),
        };
        one.into_iter().chain(other)
    }

    fn end(&mut self, stream: Stream) -> &mut Option<End> {
        match (self, stream) {
            (Self::Terminal(end), _) => end,
            (Self::Pipes { out, .. }, Stream::Out) => out,
            (Self::Pipes { err, .. }, Stream::Err) => err,
        }
    }

    pub(super) fn is_there(&self) -> bool {
        self.ends().next().is_some()
    }

    /// Whether something that came from `stream` is owed.
    pub(super) fn is_owed(&self, stream: Stream) -> bool {
        let end = match (self, stream) {
            (Self::Terminal(end), _) => end,
            (Self::Pipes { out, .. }, Stream::Out) => out,
            (Self::Pipes { err, .. }, Stream::Err) => err,
        };
        end.as_ref().is_some_and(|end| !end.owed.is_empty())
    }

    pub(super) fn is_owed_anything(&self) -> bool {
        self.ends().any(|end| !end.owed.is_empty())
    }

    fn show(&mut self, stream: Stream, bytes: &[u8]) {
        let end = self.end(stream);
        if end.as_mut().is_some_and(|end| !end.show(bytes)) {
            *end = None;
        }
    }

    /// Gives what is owed, as far as it is taken.
    pub(super) fn pay(&mut self) {
        for stream in [Stream::Out, Stream::Err] {
            let end = self.end(stream);
            if end.as_mut().is_some_and(|end| !end.pay()) {
                *end = None;
            }
        }
    }

    /// Lets go of pipes whose readers are gone.
    pub(super) fn look(&mut self) {
        if let Self::Pipes { out, err } = self {
            for end in [out, err] {
                if end.as_ref().is_some_and(|end| reader_gone(&end.fd)) {
                    *end = None;
                }
            }
        }
    }

    /// Where keys come from.
    pub(super) fn keyboard(&self) -> Option<&OwnedFd> {
        match self {
            Self::Terminal(end) => end.as_ref().map(|end| &end.fd),
            Self::Pipes { .. } => None,
        }
    }

    pub(super) fn leave(&mut self) {
        *self = Self::Terminal(None);
    }

    /// What to wait for; keys are waited for only if there is `room` for them.
    pub(super) fn poll(&self, room: bool) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        let keys = room && matches!(self, Self::Terminal(_));
        let what = |end: &End| {
            // Without either, only to hear that the reader is gone.
            let mut what = PollFlags::empty();
            what.set(PollFlags::IN, keys);
            what.set(PollFlags::OUT, !end.owed.is_empty());
            what
        };
        self.ends().map(|end| (end.fd.as_fd(), what(end))).collect()
    }
}

/// Gives all clients what came from a stream.
pub(super) fn show(clients: &mut Vec<Client>, stream: Stream, bytes: &[u8]) {
    for client in clients.iter_mut() {
        client.show(stream, bytes);
    }
    clients.retain(Client::is_there);
}

/// Stays until every client that must miss nothing has what it is owed, or has gone.
pub(super) fn settle(mut clients: Vec<Client>) {
    clients.retain(Client::is_owed_anything);
    while !clients.is_empty() {
        let fds = clients.iter().flat_map(|c| c.poll(false));
        let mut fds: Vec<_> = fds
            .map(|(fd, what)| PollFd::from_borrowed_fd(fd, what))
            .collect();
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        clients.iter_mut().for_each(Client::pay);
        clients.retain(Client::is_owed_anything);
    }
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

fn reader_gone(pipe: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(pipe, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match rustix::event::poll(&mut fds, Some(&now)) {
        Ok(_) => fds[0].revents().contains(PollFlags::ERR),
        Err(_) => false,
    }
}
