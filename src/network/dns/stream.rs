//! DNS over TCP: messages with their length before them, on a non-blocking socket.

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::SendFlags;
use rustix::net::recv;
use rustix::net::send;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;

/// Bytes of answers that may wait for a reader that does not read; beyond that nothing more is taken from it.
const PATIENCE: usize = 256 << 10;

/// Bytes taken from the socket at once.
const CHUNK: usize = 4096;

/// One TCP connection.
#[derive(Debug)]
pub struct Stream {
    socket: OwnedFd,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// The longest message taken in.
    longest: usize,
}

/// The connection is over: closed, broken or abused.
#[derive(Debug, PartialEq, Eq)]
pub struct Over;

impl Stream {
    /// Takes over a connected (or connecting) socket.
    pub fn new(socket: OwnedFd, longest: usize) -> Self {
        Self {
            socket,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            longest,
        }
    }

    /// Reads what is there, as long as it is wanted.
    pub fn fill(&mut self) -> Result<(), Over> {
        let mut chunk = [0u8; CHUNK];
        while self.incoming.len() < self.longest + 2 && self.wants_more() {
            match recv(&self.socket, &mut chunk, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Err(Over),
                Ok((len, _)) => self.incoming.extend_from_slice(&chunk[..len]),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(_) => return Err(Over),
            }
        }
        Ok(())
    }

    /// The next whole message, if there is one.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, Over> {
        let Some(head) = self.incoming.first_chunk::<2>() else {
            return Ok(None);
        };
        let len = usize::from(u16::from_be_bytes(*head));
        if len > self.longest {
            return Err(Over);
        }
        if self.incoming.len() < len + 2 {
            return Ok(None);
        }
        let message = self.incoming[2..len + 2].to_vec();
        self.incoming.drain(..len + 2);
        Ok(Some(message))
    }

    /// Puts a message into the queue.
    pub fn push(&mut self, message: &[u8]) {
        if let Ok(len) = u16::try_from(message.len()) {
            self.outgoing.extend_from_slice(&len.to_be_bytes());
            self.outgoing.extend_from_slice(message);
        }
    }

    /// Sends what the socket takes.
    pub fn flush(&mut self) -> Result<(), Over> {
        while !self.outgoing.is_empty() {
            match send(
                &self.socket,
                &self.outgoing,
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            ) {
                Ok(len) => drop(self.outgoing.drain(..len)),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(_) => return Err(Over),
            }
        }
        Ok(())
    }

    /// Something waits to be sent.
    pub fn has_output(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Answers are being read at the other end, so more questions are welcome.
    pub fn wants_more(&self) -> bool {
        self.outgoing.len() < PATIENCE
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    fn pair(longest: usize) -> (Stream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Stream::new(ours.into(), longest), theirs)
    }

    #[test]
    fn messages_arrive_whole_however_they_are_cut() {
        let (mut stream, mut other) = pair(100);
        for byte in [0, 3, 1, 2, 3, 0, 0, 0, 1] {
            other.write_all(&[byte]).unwrap();
            stream.fill().unwrap();
        }
        assert_eq!(stream.next(), Ok(Some(vec![1, 2, 3])));
        assert_eq!(stream.next(), Ok(Some(vec![])));
        assert_eq!(stream.next(), Ok(None));
        other.write_all(&[9]).unwrap();
        stream.fill().unwrap();
        assert_eq!(stream.next(), Ok(Some(vec![9])));
    }

    #[test]
    fn a_message_longer_than_allowed_ends_the_connection() {
        let (mut stream, mut other) = pair(100);
        other.write_all(&[0, 101]).unwrap();
        stream.fill().unwrap();
        assert_eq!(stream.next(), Err(Over));
    }

    #[test]
    fn a_reader_that_does_not_read_is_not_fed_for_ever() {
        let (mut stream, mut other) = pair(100);
        while stream.wants_more() {
            stream.push(&[7; 1000]);
            stream.flush().unwrap();
        }
        assert!(stream.has_output());
        other.write_all(&[0, 1, 1]).unwrap();
        stream.fill().unwrap();
        assert_eq!(stream.next(), Ok(None));
        let mut head = [0; 2];
        other.read_exact(&mut head).unwrap();
        assert_eq!(head, 1000u16.to_be_bytes());
    }

    #[test]
    fn an_end_is_seen() {
        let (mut stream, other) = pair(100);
        drop(other);
        assert_eq!(stream.fill(), Err(Over));
    }
}
