//! The short talk between a process that is to become the user's program and its parent.
//!
//! ```text
//!  child ──'T' + pty──▶ parent
//!  child ──'H' its mounts are made, hooks may run──▶ parent (only of a container that has hooks)
//!  parent ──'B' recorded, may exec──▶ child ──'E' executes now──▶ parent, then end of file: it did
//!                                     child ──'F' + reason──────▶ parent: it did not
//! ```

use crate::runtime::error::{At, StartFailure, Step};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg,
    socketpair,
};
use std::cell::Cell;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;

/// Opens the gate at which the child waits: its identity is on disk.
const RECORDED: u8 = b'B';

/// What a child ends with that finds nobody at the gate: a code that programs have no use for.
pub(crate) const FORSAKEN: i32 = 187;

/// The parent's end.
#[derive(Debug)]
pub(crate) struct ParentEnd(OwnedFd);

/// The child's end. It closes on exec, which tells the parent that the program runs.
#[derive(Debug)]
pub(crate) struct ChildEnd {
    socket: OwnedFd,
    /// Whether it has passed the gate.
    passed: Cell<bool>,
}

/// What a child says.
#[derive(Debug)]
pub(crate) enum Report {
    /// Master end of its terminal.
    Terminal(OwnedFd),
    /// It is made but for its hooks, and waits at the gate.
    Created,
    /// It is about to execute the program.
    Executing,
    /// It gives up.
    Failed(StartFailure),
    /// It is the program now, or dead.
    Closed,
}

/// A connected pair.
pub(crate) fn pair() -> rustix::io::Result<(ParentEnd, ChildEnd)> {
    let (parent, child) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let child = ChildEnd {
        socket: child,
        passed: Cell::new(false),
    };
    Ok((ParentEnd(parent), child))
}

impl AsFd for ParentEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl ParentEnd {
    /// Lets the child pass. A child that is dead by now is noticed by [`ParentEnd::next`].
    pub(crate) fn open_gate(&self) {
        let _ = send(&self.0, &[RECORDED], SendFlags::NOSIGNAL);
    }

    /// Waits for the child's next report.
    pub(crate) fn next(&self) -> Result<Report, StartFailure> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut buffer = [0u8; 4096];
        let received = loop {
            let mut into = [IoSliceMut::new(&mut buffer)];
            match recvmsg(&self.0, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC) {
                // A reset only says that the child left a gate unread; what it said before comes next.
                Err(Errno::INTR | Errno::CONNRESET) => {}
                other => break other.at(Step::Prepare, || "wait for the new process".into())?,
            }
        };
        let fd = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        let text = &buffer[..received.bytes];
        Ok(match (text.split_first(), fd) {
            (Some((b'T', _)), Some(fd)) => Report::Terminal(fd),
            (Some((b'H', _)), _) => Report::Created,
            (Some((b'E', _)), _) => Report::Executing,
            (Some((b'F', reason)), _) => Report::Failed(
                serde_json::from_slice(reason)
                    .unwrap_or_else(|_| StartFailure::new(Step::Prepare, "the reason was lost")),
            ),
            _ => Report::Closed,
        })
    }
}

impl AsFd for ChildEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl ChildEnd {
    /// Waits for the parent to open the gate, which then stays open. If it is dead there is nobody to run for: ends this
    /// process.
    pub(crate) fn wait(&self) {
        let mut buffer = [0u8; 1];
        while !self.passed.get() {
            match recv(&self.socket, &mut buffer, RecvFlags::empty()) {
                Err(Errno::INTR) => {}
                Ok((1, _)) if buffer[0] == RECORDED => self.passed.set(true),
                _ => crate::runtime::sys::process::exit_now(FORSAKEN),
            }
        }
    }

    /// Hands over the master end of the terminal.
    pub(crate) fn send_terminal(&self, master: BorrowedFd<'_>) -> rustix::io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [master];
        control.push(SendAncillaryMessage::ScmRights(&fds));
        sendmsg(
            &self.socket,
            &[IoSlice::new(b"T")],
            &mut control,
            SendFlags::NOSIGNAL,
        )
        .map(|_| ())
    }

    /// Tells that hooks may run.
    pub(crate) fn created(&self) {
        let _ = send(&self.socket, b"H", SendFlags::NOSIGNAL);
    }

    /// Tells that the program is executed next.
    pub(crate) fn executing(&self) {
        let _ = send(&self.socket, b"E", SendFlags::NOSIGNAL);
    }

    /// Tells why it is not, and ends this process.
    pub(crate) fn fail(&self, mut failure: StartFailure) -> ! {
        // The parent reads 4096 bytes.
        if failure.message.len() > 2000 {
            let mut end = 2000;
            while !failure.message.is_char_boundary(end) {
                end -= 1;
            }
            failure.message.truncate(end);
        }
        let mut message = b"F".to_vec();
        if serde_json::to_writer(&mut message, &failure).is_ok() {
            let _ = send(&self.socket, &message, SendFlags::NOSIGNAL);
        }
        crate::runtime::sys::process::exit_now(failure.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_arrive_and_a_closed_end_is_the_last() {
        let (parent, child) = pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        child.send_terminal(null.as_fd()).unwrap();
        child.executing();
        drop(child);
        assert!(matches!(parent.next().unwrap(), Report::Terminal(_)));
        assert!(matches!(parent.next().unwrap(), Report::Executing));
        assert!(matches!(parent.next().unwrap(), Report::Closed));
    }
}
