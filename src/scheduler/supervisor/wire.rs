//! Lines with descriptors over a unix stream socket.

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A line longer than this is not one of ours.
const MAX_LINE: usize = 64 << 20;
/// Descriptors in one message.
const MAX_FDS: usize = 16;

/// Sends `line` and a newline; the descriptors travel with its first bytes. The socket must be blocking.
pub fn send(socket: impl AsFd, line: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut rest = Vec::with_capacity(line.len() + 1);
    rest.extend_from_slice(line);
    rest.push(b'\n');
    let mut sent = 0;
    while sent < rest.len() {
        let fds = if sent == 0 { fds } else { &[] };
        match send_some(socket.as_fd(), &rest[sent..], fds) {
            Ok(n) => sent += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Sends what the socket takes now.
pub fn send_some(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    Ok(sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?)
}

/// Collects lines and the descriptors that came with them.
#[derive(Debug, Default)]
pub struct LineReader {
    bytes: Vec<u8>,
    fds: Vec<OwnedFd>,
    ended: bool,
}

impl LineReader {
    /// Reads once from the socket; false at its end. A would-block is an error of that kind.
    pub fn fill(&mut self, socket: BorrowedFd<'_>) -> io::Result<bool> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut buffer = [0u8; 16384];
        let received = loop {
            match recvmsg(
                socket,
                &mut [IoSliceMut::new(&mut buffer)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            ) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                self.fds.extend(fds);
            }
        }
        self.bytes.extend_from_slice(&buffer[..received.bytes]);
        self.ended = received.bytes == 0;
        if self.bytes.len() > MAX_LINE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the message is too long",
            ));
        }
        Ok(!self.ended)
    }

    /// The next complete line, if there is one.
    pub fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.bytes.iter().position(|b| *b == b'\n')?;
        let mut line: Vec<u8> = self.bytes.drain(..=end).collect();
        line.pop();
        Some(line)
    }

    /// Blocks for the next line; `None` at the end of the stream.
    pub fn next(&mut self, socket: impl AsFd) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(line) = self.line() {
                return Ok(Some(line));
            }
            if !self.fill(socket.as_fd())? {
                return Ok(None);
            }
        }
    }

    /// The descriptors received so far.
    pub fn take_fds(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.fds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    #[test]
    fn lines_arrive_whole_with_their_descriptors() {
        let (a, b) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"x").unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let long = vec![b'y'; 100_000];
        let sender = std::thread::spawn(move || {
            send(&a, b"one", &[file.as_fd()]).unwrap();
            send(&a, &long, &[]).unwrap();
        });
        let mut reader = LineReader::default();
        assert_eq!(reader.next(&b).unwrap().unwrap(), b"one");
        assert_eq!(reader.next(&b).unwrap().unwrap().len(), 100_000);
        assert!(reader.next(&b).unwrap().is_none());
        let mut text = String::new();
        std::fs::File::from(reader.take_fds().remove(0))
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "x");
        sender.join().unwrap();
    }
}
