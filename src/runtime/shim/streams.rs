//! What a container writes and reads: FIFOs or a terminal on one side, the log and attached clients on the other.

use super::clients;
use super::clients::{Client, End, read_keys, show};
use super::intake::{Intake, Turn};
use super::kept;
use super::protocol::{LaunchFds, LaunchRequest, WireEvent};
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
use std::time::{Duration, Instant};

/// Read at once from a terminal, whose bytes cannot be copied before they are taken.
const CHUNK: usize = 16 << 10;
/// Rounds of reading that leave nothing: pipes hold so little that what a client is owed then fits into memory.
const ALL: usize = usize::MAX;
/// How long after a refusal a full disk is tried again.
const REST: Duration = Duration::from_millis(250);

/// All streams of one container.
pub(super) struct Streams {
    fifos: Fifos,
    intake: Intake,
    log: LogWriter,
    full: Full,
    tty: bool,
    /// Both ends of stdin's pipe: ours keeps it open while nobody is attached.
    stdin: Option<(OwnedFd, Option<OwnedFd>)>,
    terminal: Option<Terminal>,
    size: Option<(u16, u16)>,
    /// Typed, but not taken by the terminal yet.
    typed: Vec<u8>,
    clients: Vec<Client>,
}

/// A pty. The slave is held open, so that the master neither hangs up nor reads as dead when a program closes it for a while.
struct Terminal {
    master: OwnedFd,
    _slave: Option<OwnedFd>,
}

/// What is done while the log cannot be written.
#[derive(Default)]
struct Full {
    /// Output waits, and with it the container; otherwise it is dropped.
    blocking: bool,
    /// When to try again.
    until: Option<Instant>,
    /// Bytes dropped so far.
    dropped: u64,
}

impl Streams {
    /// For a container that is yet to be made.
    pub(super) fn make(run_dir: &OwnedFd, request: &LaunchRequest) -> Result<Self, StartFailure> {
        let process = &request.spec.process;
        let stdin = if process.stdin && !process.tty {
            let (read, write) =
                stdio::input_pipe().at(Step::Prepare, || "make a pipe for stdin".into())?;
            Some((read, Some(write)))
        } else {
            None
        };
        let fifos = Fifos::make(run_dir.as_fd()).at(Step::Prepare, || "open the FIFOs".into())?;
        let intake = Intake::open(run_dir.as_fd(), true);
        Self::new(fifos, intake, stdin, request)
    }

    /// For a container that lost its shim: it holds the FIFOs, and `kept` what else is left of its streams.
    pub(super) fn inherit(
        run_dir: &OwnedFd,
        request: &LaunchRequest,
        kept: &mut LaunchFds,
    ) -> Result<Self, StartFailure> {
        let fifos = Fifos::open(run_dir.as_fd()).at(Step::Prepare, || "open the FIFOs".into())?;
        let mut intake = Intake::open(run_dir.as_fd(), false);
        intake.recover(&fifos, &request.log_dir);
        let write = kept.take(kept::STDIN[1]);
        let stdin = kept.take(kept::STDIN[0]).map(|read| (read, write));
        let mut streams = Self::new(fifos, intake, stdin, request)?;
        if let Some(master) = kept.take(kept::TERMINAL) {
            streams.open_terminal(master);
        }
        Ok(streams)
    }

    fn new(
        fifos: Fifos,
        intake: Intake,
        stdin: Option<(OwnedFd, Option<OwnedFd>)>,
        request: &LaunchRequest,
    ) -> Result<Self, StartFailure> {
        Ok(Self {
            fifos,
            intake,
            full: Full {
                blocking: request.log_limits.blocking,
                ..Full::default()
            },
            log: LogWriter::open(&request.log_dir, request.log_limits).at(Step::Prepare, || {
                format!("open the log folder `{}`", request.log_dir.display())
            })?,
            tty: request.spec.process.tty,
            stdin,
            terminal: None,
            size: request.terminal,
            typed: Vec::new(),
            clients: Vec::new(),
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

    /// A new client: what it is told and given. A `lossless` one misses nothing: while it does not take what it is owed,
    /// the container waits.
    pub(super) fn attach(
        &mut self,
        close_stdin: bool,
        lossless: bool,
    ) -> io::Result<(WireEvent, Vec<OwnedFd>)> {
        if self.tty {
            let (ours, theirs) = channel::pair()?;
            self.clients.push(Client::terminal(ours, lossless));
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
            out: Some(End::new(out, lossless)),
            err: Some(End::new(err, lossless)),
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

    /// What a shim that takes over must have, by name.
    pub(super) fn kept(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>)> {
        let terminal = self
            .terminal
            .iter()
            .map(|t| (kept::TERMINAL, t.master.as_fd()));
        let pipe = self.stdin.iter().flat_map(|(read, write)| {
            let read = (kept::STDIN[0], read.as_fd());
            let write = write.iter().map(|fd| (kept::STDIN[1], fd.as_fd()));
            std::iter::once(read).chain(write)
        });
        terminal.chain(pipe)
    }

    /// When to look again though nothing happens.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let until = self.full.until?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// What to wait for.
    pub(super) fn poll(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        let fifos = [
            (Stream::Out, self.fifos.out.as_fd()),
            (Stream::Err, self.fifos.err.as_fd()),
        ];
        let mut fds: Vec<_> = fifos
            .into_iter()
            .filter(|(stream, _)| self.full.until.is_none() && !self.is_owed(*stream))
            .map(|(_, fd)| (fd, PollFlags::IN))
            .collect();
        if let Some(terminal) = &self.terminal {
            let mut what = PollFlags::empty();
            what.set(PollFlags::IN, !self.is_owed(Stream::Out));
            what.set(PollFlags::OUT, !self.typed.is_empty());
            fds.push((terminal.master.as_fd(), what));
        }
        for client in &self.clients {
            fds.extend(client.poll(self.typed.is_empty()));
        }
        fds
    }

    /// Whether a client that must miss nothing has yet to take what came from `stream` before.
    fn is_owed(&self, stream: Stream) -> bool {
        self.clients.iter().any(|c| c.is_owed(stream))
    }

    /// Whether somebody has yet to take what it must not miss.
    pub(super) fn owes(&self) -> bool {
        self.clients.iter().any(Client::is_owed_anything)
    }

    /// Stays until every client that must miss nothing has what it is owed, or has gone.
    pub(super) fn settle(&mut self) {
        clients::settle(std::mem::take(&mut self.clients));
    }

    /// Moves what is there now, in bounded portions.
    pub(super) fn pump(&mut self) {
        self.clients.iter_mut().for_each(Client::pay);
        self.type_in();
        if self.full.until.is_some_and(|until| until <= Instant::now()) {
            self.full.until = None;
        }
        self.read_terminal(4);
        let busy = self.read_fifos(4);
        if !busy {
            self.intake.rest();
        }
    }

    /// Reads until nothing is left.
    pub(super) fn drain(&mut self) {
        self.full.until = None;
        self.read_terminal(ALL);
        self.read_fifos(ALL);
    }

    /// Whether there was anything in the last of at most so many rounds.
    fn read_fifos(&mut self, rounds: usize) -> bool {
        let mut busy = false;
        for stream in [Stream::Out, Stream::Err] {
            for _ in 0..rounds {
                if self.full.until.is_some() {
                    return busy;
                }
                if rounds != ALL && self.is_owed(stream) {
                    break;
                }
                let fifo = match stream {
                    Stream::Out => &self.fifos.out,
                    Stream::Err => &self.fifos.err,
                };
                match self.intake.turn(fifo, stream, &mut self.log) {
                    Turn::Took(count) => {
                        busy = true;
                        show(&mut self.clients, stream, self.intake.bytes(count));
                        self.own_up();
                    }
                    Turn::Refused if self.full.blocking => {
                        self.full.until = Some(Instant::now() + REST)
                    }
                    Turn::Refused => self.full.dropped += self.intake.discard(fifo) as u64,
                    Turn::Empty => break,
                }
            }
        }
        busy
    }

    /// Once the log can be written again, it says what is missing.
    fn own_up(&mut self) {
        let dropped = std::mem::take(&mut self.full.dropped);
        if dropped == 0 {
            return;
        }
        let text = format!(
            "[hoist: {dropped} bytes of output are missing here: the log could not be written]\n"
        );
        if self.log.write(Stream::Err, text.as_bytes()).is_err() {
            self.full.dropped = dropped;
        }
    }

    fn read_terminal(&mut self, rounds: usize) {
        let Some(terminal) = &self.terminal else {
            return;
        };
        let mut buffer = vec![0; CHUNK];
        for _ in 0..rounds {
            if rounds != ALL && self.clients.iter().any(|c| c.is_owed(Stream::Out)) {
                break;
            }
            match rustix::io::read(&terminal.master, &mut buffer[..]) {
                Ok(count) if count > 0 => {
                    if self.log.write(Stream::Out, &buffer[..count]).is_err() {
                        self.full.dropped += count as u64;
                    }
                    show(&mut self.clients, Stream::Out, &buffer[..count]);
                }
                Err(Errno::INTR) => {}
                _ => break,
            }
        }
    }

    /// From the clients' keyboards to the terminal.
    fn type_in(&mut self) {
        for client in &mut self.clients {
            client.look();
            if let Some(keyboard) = client.keyboard()
                && self.typed.is_empty()
                && !read_keys(keyboard, &mut self.typed)
            {
                client.leave();
            }
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
