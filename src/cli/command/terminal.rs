//! Between our streams and those of a command that `exec` runs.
//!
//! One thread copies stdin, since it may block on either side; this one copies output, passes signals and window sizes
//! on, and waits for the exit code.

use crate::cli::exit::{Error, Exit};
use crate::cli::signals::Signals;
use crate::cli::term;
use crate::cli::view::View;
use crate::engine::ExecEvent;
use crate::engine::ExecSession;
use crate::engine::Stream;
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use std::os::fd::{AsFd, OwnedFd};

/// Signals with a terminal: keys reach the command through it, so these come from elsewhere and end us.
pub const WITH_TTY: [Signal; 5] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGWINCH,
];

/// Signals without a terminal: the first of each kind is the command's.
pub const WITHOUT_TTY: [Signal; 4] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

/// End of input, as a terminal's user types it.
const END_OF_INPUT: u8 = 4;

/// Runs until the command has ended and all it wrote is written.
pub fn run(
    view: &View,
    mut session: ExecSession,
    signals: &Signals,
    tty: bool,
) -> Result<Exit, Error> {
    // closed when we are done; the thread then reads no more of what the shell should get
    let (quit, _running) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
        .map_err(|error| Error::io("make a pipe")(error.into()))?;
    if let Some(input) = input(&mut session)? {
        std::thread::spawn(move || feed(&input, &quit, tty));
    }
    let outputs = [
        (session.pty.take(), Stream::Out),
        (session.stdout.take(), Stream::Out),
        (session.stderr.take(), Stream::Err),
    ];
    let outputs = outputs.into_iter().filter_map(|(fd, to)| Some((fd?, to)));
    let mut pump = Pump {
        view,
        session,
        signals,
        tty,
        outputs: outputs.collect(),
        signalled: Vec::new(),
        code: None,
    };
    pump.run()
}

/// Where stdin goes: into the terminal, or the command's stdin.
fn input(session: &mut ExecSession) -> Result<Option<OwnedFd>, Error> {
    match &session.pty {
        Some(pty) => {
            let copy = pty.try_clone();
            Ok(Some(copy.map_err(Error::io("copy a descriptor"))?))
        }
        None => Ok(session.stdin.take()),
    }
}

/// Copies stdin until it or the command ends, or `quit` closes.
fn feed(input: &OwnedFd, quit: &OwnedFd, tty: bool) {
    let stdin = std::io::stdin();
    let mut buffer = [0; 16 << 10];
    loop {
        let mut fds = [
            PollFd::new(&stdin, PollFlags::IN),
            PollFd::new(quit, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            Ok(_) if fds[1].revents().is_empty() => (),
            _ => return,
        }
        match rustix::io::read(&stdin, &mut buffer) {
            Err(Errno::INTR) => (),
            Ok(count) if count > 0 => {
                if write_all(input, &buffer[..count]).is_err() {
                    return;
                }
            }
            _ => {
                if tty {
                    let _ = write_all(input, &[END_OF_INPUT]);
                }
                return;
            }
        }
    }
}

fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => (),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The state of a running command as we see it.
struct Pump<'a> {
    view: &'a View,
    session: ExecSession,
    signals: &'a Signals,
    tty: bool,
    /// What it writes, and where that goes.
    outputs: Vec<(OwnedFd, Stream)>,
    /// Signals that were passed on.
    signalled: Vec<Signal>,
    code: Option<i32>,
}

impl Pump<'_> {
    fn run(&mut self) -> Result<Exit, Error> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let (signalled, told, readable) = self.poll()?;
            let mut moved = false;
            for index in readable.into_iter().rev() {
                moved |= self.copy(index, &mut buffer)?;
            }
            if signalled && let Some(exit) = self.signal()? {
                return Ok(exit);
            }
            if told
                && self.code.is_none()
                && let Some(ExecEvent::Exited(code)) = self.session.next_event()?
            {
                self.code = Some(code);
            } else if let (Some(code), false) = (self.code, moved) {
                // what it wrote was in the pipe before it ended, and the pipe is empty now; a process that it left
                // behind may keep the pipe open for ever
                return Ok(Exit::Code(code));
            }
        }
    }

    /// Whether there is a signal, whether the engine has something to tell, and which outputs can be read. Once the
    /// command has ended, it only looks.
    fn poll(&self) -> Result<(bool, bool, Vec<usize>), Error> {
        let mut fds = vec![
            PollFd::new(self.signals, PollFlags::IN),
            PollFd::from_borrowed_fd(self.session.as_fd(), PollFlags::IN),
        ];
        let outputs = self.outputs.iter().map(|(fd, _)| fd.as_fd());
        fds.extend(outputs.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        match poll(&mut fds, self.code.map(|_| &now)) {
            Ok(_) | Err(Errno::INTR) => (),
            Err(error) => return Err(Error::io("wait for the command")(error.into())),
        }
        let set = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let readable = fds[2..].iter().enumerate().filter(|(_, fd)| set(fd));
        let readable = readable.map(|(index, _)| index).collect();
        Ok((set(&fds[0]), set(&fds[1]), readable))
    }

    /// Copies once from an output, and says whether there was anything.
    fn copy(&mut self, index: usize, buffer: &mut [u8]) -> Result<bool, Error> {
        let (fd, to) = &self.outputs[index];
        match rustix::io::read(fd, &mut *buffer) {
            Ok(count) if count > 0 => {
                let written = self.view.stream(*to, &buffer[..count]);
                written.map_err(Error::Output)?;
                Ok(true)
            }
            Err(Errno::INTR | Errno::AGAIN) => Ok(false),
            // the end: of a terminal it is EIO
            _ => {
                self.outputs.remove(index);
                Ok(false)
            }
        }
    }

    fn signal(&mut self) -> Result<Option<Exit>, Error> {
        let Some(signal) = self.signals.next() else {
            return Ok(None);
        };
        if signal == Signal::SIGWINCH {
            let (rows, columns) = term::size();
            self.session.resize(rows, columns)?;
            return Ok(None);
        }
        if self.tty || self.signalled.contains(&signal) {
            return Ok(Some(Exit::Signal(signal as i32)));
        }
        self.signalled.push(signal);
        self.session.signal(signal as i32)?;
        Ok(None)
    }
}
