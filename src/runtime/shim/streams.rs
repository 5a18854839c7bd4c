//! What a container writes and reads: FIFOs or a terminal on one side, the log and attached clients on the other.

use super::protocol::{LaunchRequest, WireEvent};
use crate::runtime::channel;
use crate::runtime::console;
use crate::runtime::error::{At, StartFailure, Step};
use crate::runtime::log::{LogWriter, Stream};
use crate::runtime::stdio::{self, Fifos, ProcessEnds};
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};
use std::io;

/// Read at once; more would only make a mostly sleeping process bigger.
const CHUNK: usize = 16 << 10;

/// All streams of one container.
pub(super) struct Streams {
    fifos: Fifos,
    log: LogWriter,
    tty: bool,
    /// Both ends of stdin's pipe: ours keeps it open while nobody is attached.
    stdin: Option<(OwnedFd, Option<OwnedFd>)>,
    terminal: Option<Terminal>,
    size: Option<(u16, u16)>,
    /// Typed, but not taken by the terminal yet.
    typed: Vec<u8>,
    clients: Vec<Client>,
    buffer: Vec<u8>,
}

/// A pty. The slave is held open, so that the master neither hangs up nor reads as dead when a program closes it for a while.
struct Terminal {
    master: OwnedFd,
    _slave: Option<OwnedFd>,
}

/// Somebody attached.
enum Client {
    Terminal(OwnedFd),
    Pipes {
        out: Option<OwnedFd>,
        err: Option<OwnedFd>,
    },
}

impl Streams {
    /// `orphan`: the FIFOs are there already, and a container holds them.
    pub(super) fn make(
        run_dir: &OwnedFd,
        request: &LaunchRequest,
        orphan: bool,
    ) -> Result<Self, StartFailure> {
        let process = &request.spec.process;
        let stdin = if process.stdin && !process.tty {
            let (read, write) =
                stdio::input_pipe().at(Step::Prepare, || "make a pipe for stdin".into())?;
            Some((read, Some(write)))
        } else {
            None
        };
        Ok(Self {
            fifos: if orphan {
                Fifos::open(run_dir.as_fd())
            } else {
                Fifos::make(run_dir.as_fd())
            }
            .at(Step::Prepare, || "open the FIFOs".into())?,
            log: LogWriter::open(&request.log_dir, request.log_limits).at(Step::Prepare, || {
                format!("open the log folder `{}`", request.log_dir.display())
            })?,
            tty: process.tty,
            stdin,
            terminal: None,
            size: request.terminal,
            typed: Vec::new(),
            clients: Vec::new(),
            buffer: Vec::new(),
        })
    }

    /// The container's ends for the next start.
    pub(super) fn process_ends(&self, run_dir: &OwnedFd) -> Result<ProcessEnds, StartFailure> {
        let mut ends =
            ProcessEnds::of_fifos(run_dir.as_fd()).at(Step::Prepare, || "open the FIFOs".into())?;
        if let Some((read, _)) = &self.stdin {
            ends.stdin = Some(
                rustix::io::fcntl_dupfd_cloexec(read, 3)
                    .at(Step::Prepare, || "duplicate stdin".into())?,
            );
        }
        Ok(ends)
    }

    pub(super) fn open_terminal(&mut self, master: OwnedFd) {
        let _ = fcntl_setfl(&master, OFlags::NONBLOCK);
        if let Some((rows, cols)) = self.size {
            let _ = console::resize(&master, rows, cols);
        }
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        self.terminal = Some(Terminal {
            _slave: ioctl_tiocgptpeer(&master, flags).ok(),
            master,
        });
    }

    pub(super) fn close_terminal(&mut self) {
        self.terminal = None;
        self.typed.clear();
    }

    pub(super) fn resize(&mut self, rows: u16, cols: u16) {
        self.size = Some((rows, cols));
        if let Some(terminal) = &self.terminal {
            let _ = console::resize(&terminal.master, rows, cols);
        }
    }

    /// A new client: what it is told and given.
    pub(super) fn attach(&mut self, close_stdin: bool) -> io::Result<(WireEvent, Vec<OwnedFd>)> {
        if self.tty {
            let (ours, theirs) = channel::pair()?;
            self.clients.push(Client::Terminal(ours));
            let event = WireEvent::Attached {
                terminal: true,
                stdin: false,
            };
            return Ok((event, vec![theirs]));
        }
        let stdin = match &mut self.stdin {
            Some((_, write)) if close_stdin => write.take(),
            Some((_, Some(write))) => Some(rustix::io::fcntl_dupfd_cloexec(write, 3)?),
            _ => None,
        };
        let (read_out, out) = stdio::output_pipe()?;
        let (read_err, err) = stdio::output_pipe()?;
        self.clients.push(Client::Pipes {
            out: Some(out),
            err: Some(err),
        });
        let event = WireEvent::Attached {
            terminal: false,
            stdin: stdin.is_some(),
        };
        Ok((
            event,
            stdin.into_iter().chain([read_out, read_err]).collect(),
        ))
    }

    /// What to wait for.
    pub(super) fn poll(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        let mut fds = vec![
            (self.fifos.out.as_fd(), PollFlags::IN),
            (self.fifos.err.as_fd(), PollFlags::IN),
        ];
        if let Some(terminal) = &self.terminal {
            let mut what = PollFlags::IN;
            what.set(PollFlags::OUT, !self.typed.is_empty());
            fds.push((terminal.master.as_fd(), what));
        }
        for client in &self.clients {
            match client {
                Client::Terminal(socket) if self.typed.is_empty() => {
                    fds.push((socket.as_fd(), PollFlags::IN));
                }
                Client::Terminal(socket) => fds.push((socket.as_fd(), PollFlags::empty())),
                // Only to hear that the reader is gone.
                Client::Pipes { out, err } => fds.extend(
                    out.iter()
                        .chain(err)
                        .map(|fd| (fd.as_fd(), PollFlags::empty())),
                ),
            }
        }
        fds
    }

    /// Moves what is there now, in bounded portions.
    pub(super) fn pump(&mut self) {
        self.type_in();
        self.read_all(4);
    }

    /// Reads until nothing is left.
    pub(super) fn drain(&mut self) {
        self.read_all(usize::MAX);
    }

    fn read_all(&mut self, rounds: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(CHUNK, 0);
        for source in [Source::Out, Source::Err, Source::Terminal] {
            for _ in 0..rounds {
                let fd = match source {
                    Source::Out => Some(&self.fifos.out),
                    Source::Err => Some(&self.fifos.err),
                    Source::Terminal => self.terminal.as_ref().map(|t| &t.master),
                };
                match fd.map(|fd| rustix::io::read(fd, &mut buffer[..])) {
                    Some(Ok(count)) if count > 0 => self.spread(source, &buffer[..count]),
                    Some(Err(Errno::INTR)) => {}
                    _ => break,
                }
            }
        }
        self.buffer = buffer;
    }

    fn spread(&mut self, source: Source, bytes: &[u8]) {
        let stream = match source {
            Source::Err => Stream::Err,
            Source::Out | Source::Terminal => Stream::Out,
        };
        // A full disk loses log, as every logger does then; the container goes on.
        let _ = self.log.write(stream, bytes);
        for client in &mut self.clients {
            client.show(stream, bytes);
        }
        self.clients.retain(Client::is_there);
    }

    /// From the clients' keyboards to the terminal.
    fn type_in(&mut self) {
        let mut gone = false;
        for client in &mut self.clients {
            match client {
                Client::Terminal(socket) if self.typed.is_empty() => {
                    gone |= !read_keys(socket, &mut self.typed);
                }
                Client::Terminal(_) => {}
                Client::Pipes { out, err } => {
                    for end in [out, err] {
                        if end.as_ref().is_some_and(reader_gone) {
                            *end = None;
                        }
                    }
                }
            }
        }
        if gone {
            self.clients.retain(|c| match c {
                Client::Terminal(socket) => !hung_up(socket),
                Client::Pipes { .. } => true,
            });
        }
        self.clients.retain(Client::is_there);
        let Some(terminal) = &self.terminal else {
            // Typed before the start: kept for it, as far as it fits.
            self.typed.truncate(CHUNK);
            return;
        };
        if let Ok(count) = rustix::io::write(&terminal.master, &self.typed) {
            self.typed.drain(..count);
        }
    }
}

#[derive(Clone, Copy)]
enum Source {
    Out,
    Err,
    Terminal,
}

/// Whether the client is still there.
fn read_keys(socket: &OwnedFd, typed: &mut Vec<u8>) -> bool {
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

fn hung_up(socket: &OwnedFd) -> bool {
    revents(socket, PollFlags::RDHUP).intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR)
}

fn reader_gone(pipe: &OwnedFd) -> bool {
    revents(pipe, PollFlags::empty()).contains(PollFlags::ERR)
}

impl Client {
    fn is_there(&self) -> bool {
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
