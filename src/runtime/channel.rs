//! Messages between our processes: one JSON line each over a unix stream socket, with descriptors beside it.
//!
//! A line is `COUNT<TAB>JSON<LF>`: COUNT descriptors belong to it and arrive no later than its last byte.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

/// The kernel allows 253 descriptors in one message.
const FDS_AT_ONCE: usize = 200;
/// Nothing we say is longer (a launch request carries secrets of at most 500 KB each).
const LONGEST: usize = 64 << 20;

/// One end of a connection. Every call is non-blocking but [`Channel::send`] and [`Channel::wait`], which are bounded.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
    inbox: Vec<u8>,
    /// How much of `inbox` was already searched for a line end.
    searched: usize,
    fds: VecDeque<OwnedFd>,
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl std::os::fd::AsRawFd for Channel {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}

/// A connected pair of stream sockets.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

impl Channel {
    /// Talks over `socket`.
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            inbox: Vec::new(),
            searched: 0,
            fds: VecDeque::new(),
        }
    }

    /// The socket, e.g. to pass it on. What was received but not taken is lost.
    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// Sends a message with descriptors, waiting at most `patience` for the other end to make room.
    ///
    /// # Errors
    /// `BrokenPipe` if the other end is gone, `TimedOut` if it does not read: the connection must not be used then.
    pub fn send<T: Serialize>(
        &self,
        message: &T,
        fds: &[BorrowedFd<'_>],
        patience: Duration,
    ) -> io::Result<()> {
        let mut line = format!("{}\t", fds.len()).into_bytes();
        serde_json::to_writer(&mut line, message)?;
        line.push(b'\n');
        let until = Instant::now() + patience;
        let mut rest = &line[..];
        let mut batches = fds.chunks(FDS_AT_ONCE).peekable();
        while !rest.is_empty() {
            let batch = batches.peek().copied().unwrap_or_default();
            // A byte a batch is enough until the last one, which goes with all that is left.
            let more_batches = batches.len() > 1;
            let part = if more_batches { &rest[..1] } else { rest };
            match send_part(self.socket.as_fd(), part, batch) {
                Ok(sent) => {
                    rest = &rest[sent..];
                    batches.next();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.ready(PollFlags::OUT, until)?,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Waits until the socket is ready for `what`, or `TimedOut`.
    fn ready(&self, what: PollFlags, until: Instant) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut [PollFd::new(&self.socket, what)], Some(&timeout)) {
            Ok(0) if left.is_zero() => Err(io::ErrorKind::TimedOut.into()),
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// The next message if one is there.
    ///
    /// # Errors
    /// `UnexpectedEof` if the other end is gone, `InvalidData` if it does not speak our language.
    pub fn recv<T: DeserializeOwned>(&mut self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Some(message));
            }
            match self.fill() {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// The next message, waiting at most `patience` (`None` = for ever).
    ///
    /// # Errors
    /// As [`Channel::recv`], and `TimedOut`.
    pub fn wait<T: DeserializeOwned>(
        &mut self,
        patience: Option<Duration>,
    ) -> io::Result<(T, Vec<OwnedFd>)> {
        let until = Instant::now() + patience.unwrap_or(Duration::from_secs(u32::MAX.into()));
        loop {
            if let Some(message) = self.recv()? {
                return Ok(message);
            }
            self.ready(PollFlags::IN, until)?;
        }
    }

    fn fill(&mut self) -> Result<usize, Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut buffer = [0u8; 8192];
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let got = recvmsg(
            &self.socket,
            &mut [IoSliceMut::new(&mut buffer)],
            &mut control,
            flags,
        )?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                self.fds.extend(fds);
            }
        }
        self.inbox.extend_from_slice(&buffer[..got.bytes]);
        Ok(got.bytes)
    }

    fn take<T: DeserializeOwned>(&mut self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let Some(end) = self.inbox[self.searched..].iter().position(|b| *b == b'\n') else {
            self.searched = self.inbox.len();
            if self.inbox.len() > LONGEST {
                return Err(invalid("the message is too long"));
            }
            return Ok(None);
        };
        let line: Vec<u8> = self.inbox.drain(..=self.searched + end).collect();
        self.searched = 0;
        let tab = line.iter().position(|b| *b == b'\t');
        let tab = tab.ok_or_else(|| invalid("the message has no descriptor count"))?;
        let count: usize = std::str::from_utf8(&line[..tab])
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| invalid("the descriptor count is no number"))?;
        if count > self.fds.len() {
            return Err(invalid("descriptors are missing"));
        }
        let message = serde_json::from_slice(&line[tab + 1..])
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        Ok(Some((message, self.fds.drain(..count).collect())))
    }
}

fn send_part(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_AT_ONCE))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn messages_and_their_descriptors_arrive_together_and_in_order() {
        let (a, b) = pair().unwrap();
        let (a, mut b) = (Channel::new(a), Channel::new(b));
        let null = std::fs::File::open("/dev/null").unwrap();
        let many = vec![null.as_fd(); 450];
        a.send(&"first", &many, SOON).unwrap();
        a.send(&"second", &[], SOON).unwrap();
        a.send(&"third", &many[..1], SOON).unwrap();
        for (text, count) in [("first", 450), ("second", 0), ("third", 1)] {
            let (message, fds): (String, _) = b.wait(Some(SOON)).unwrap();
            assert_eq!((message.as_str(), fds.len()), (text, count));
        }
        assert!(b.recv::<String>().unwrap().is_none());
    }

    #[test]
    fn a_closed_end_and_nonsense_are_errors() {
        let (a, b) = pair().unwrap();
        let mut b = Channel::new(b);
        rustix::io::write(&a, b"nonsense\n").unwrap();
        assert_eq!(
            b.recv::<String>().unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        drop(a);
        assert_eq!(
            b.recv::<String>().unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn a_reader_that_does_not_read_costs_the_patience_only() {
        let (a, _b) = pair().unwrap();
        let big = "x".repeat(8 << 20);
        let error = Channel::new(a)
            .send(&big, &[], Duration::from_millis(20))
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
