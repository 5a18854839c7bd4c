//! Between our streams and those of a process in a container: one that `exec` runs, or one that we are attached to.
//!
//! One thread copies stdin, since it may block on either side; this one copies output, passes signals and window sizes
//! on, and waits for the exit code.

use crate::cli::exit::{Error, Exit};
use crate::cli::signals::Signals;
use crate::cli::term::{self, RawMode};
use crate::cli::view::View;
use crate::engine::Session;
use crate::engine::SessionEvent;
use crate::engine::Stream;
use nix::sys::signal::Signal;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

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

/// How a session is led.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// Our terminal passes every key on.
    pub raw: bool,
    /// Signals that we get are passed on, also with a terminal.
    pub forward: bool,
    /// Nothing is typed.
    pub no_input: bool,
    /// Keys that leave the process alone.
    pub detach_keys: Option<Vec<u8>>,
    /// Output that is read and not shown.
    pub hidden: Vec<Stream>,
}

/// The keys that leave a container unless the user says others: ctrl-p, ctrl-q.
pub fn default_keys() -> Vec<u8> {
    vec![16, 17]
}

/// Runs until the process has ended and all it wrote is written, or until the user leaves it.
pub fn run(
    view: &View,
    session: Session,
    signals: &Signals,
    manner: Manner,
) -> Result<Exit, Error> {
    let raw = match manner.raw {
        true => Some(RawMode::enter().map_err(Error::io("set the terminal to raw mode"))?),
        false => None,
    };
    let result = lead(view, session, signals, manner);
    // before signals take effect again, and before an error is shown
    drop(raw);
    result
}

fn lead(
    view: &View,
    mut session: Session,
    signals: &Signals,
    manner: Manner,
) -> Result<Exit, Error> {
    // closed when we are done; the thread then reads no more of what the shell should get
    let (quit, _running) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
        .map_err(|error| Error::io("make a pipe")(error.into()))?;
    let left = rustix::event::eventfd(0, EventfdFlags::CLOEXEC);
    let left = Arc::new(left.map_err(|error| Error::io("make an eventfd")(error.into()))?);
    let tty = session.terminal.is_some();
    if !manner.no_input
        && let Some(input) = input(&mut session)?
    {
        let keys = Keys::new(manner.detach_keys.clone().unwrap_or_default());
        let feeder = Feeder {
            input,
            quit,
            leave: left.clone(),
            tty,
            keys,
        };
        std::thread::spawn(move || feeder.feed());
    }
    let outputs = [
        (session.terminal.take(), Stream::Out),
        (session.stdout.take(), Stream::Out),
        (session.stderr.take(), Stream::Err),
    ];
    let outputs = outputs.into_iter().filter_map(|(fd, to)| Some((fd?, to)));
    let mut pump = Pump {
        view,
        session,
        signals,
        manner,
        left,
        outputs: outputs.collect(),
        signalled: Vec::new(),
        code: None,
    };
    pump.run()
}

/// Where stdin goes: into the terminal, or the command's stdin.
fn input(session: &mut Session) -> Result<Option<OwnedFd>, Error> {
    match &session.terminal {
        Some(pty) => {
            let copy = pty.try_clone();
            Ok(Some(copy.map_err(Error::io("copy a descriptor"))?))
        }
        None => Ok(session.stdin.take()),
    }
}

/// What the thread that copies stdin has.
struct Feeder {
    input: OwnedFd,
    /// Closed when nothing more is to be read.
    quit: OwnedFd,
    /// Rung when the user leaves.
    leave: Arc<OwnedFd>,
    tty: bool,
    keys: Keys,
}

impl Feeder {
    /// Copies stdin until it or the process ends, `quit` closes, or the user leaves.
    fn feed(mut self) {
        let stdin = std::io::stdin();
        let mut buffer = [0; 16 << 10];
        loop {
            let mut fds = [
                PollFd::new(&stdin, PollFlags::IN),
                PollFd::new(&self.quit, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Err(Errno::INTR) => continue,
                Ok(_) if fds[1].revents().is_empty() => (),
                _ => return,
            }
            match rustix::io::read(&stdin, &mut buffer) {
                Err(Errno::INTR) => (),
                Ok(count) if count > 0 => {
                    let (typed, leaves) = self.keys.pass(&buffer[..count]);
                    if write_all(&self.input, &typed).is_err() {
                        return;
                    }
                    if leaves {
                        let _ = rustix::io::write(&self.leave, &1_u64.to_ne_bytes());
                        return;
                    }
                }
                _ => {
                    if self.tty {
                        let _ = write_all(&self.input, &[END_OF_INPUT]);
                    }
                    return;
                }
            }
        }
    }
}

/// Looks for the keys that leave: what may be their beginning is held back until it is not.
struct Keys {
    wanted: Vec<u8>,
    seen: usize,
}

impl Keys {
    fn new(wanted: Vec<u8>) -> Self {
        Self { wanted, seen: 0 }
    }

    /// What is to be passed on, and whether the keys are complete.
    fn pass(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(typed.len());
        for byte in typed {
            if self.wanted.get(self.seen) == Some(byte) {
                self.seen += 1;
                if self.seen == self.wanted.len() {
                    return (out, true);
                }
                continue;
            }
            out.extend_from_slice(&self.wanted[..self.seen]);
            self.seen = usize::from(self.wanted.first() == Some(byte));
            if self.seen == 0 {
                out.push(*byte);
            }
        }
        (out, false)
    }
}

/// Reads `ctrl-p,ctrl-q` or single characters; empty = none.
pub fn detach_keys(text: &str) -> Result<Vec<u8>, Error> {
    let invalid = || {
        Error::usage(
            format!("invalid detach keys `{text}`"),
            Some("write keys between commas, such as `ctrl-p,ctrl-q` or `ctrl-x`".to_owned()),
        )
    };
    let key = |word: &str| match (word.strip_prefix("ctrl-"), word.as_bytes()) {
        (Some(letter), _) => match letter.as_bytes() {
            [letter @ (b'a'..=b'z' | b'@' | b'['..=b'_')] => Some(letter & 0x1f),
            _ => None,
        },
        (None, [byte]) => Some(*byte),
        _ => None,
    };
    match text {
        "" => Ok(Vec::new()),
        text => text
            .split(',')
            .map(|word| key(word).ok_or_else(invalid))
            .collect(),
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

/// What can be done without waiting.
struct Ready {
    signalled: bool,
    /// The engine has something to tell.
    told: bool,
    /// The user leaves.
    left: bool,
    /// Which outputs can be read.
    outputs: Vec<usize>,
}

/// The state of a running command as we see it.
struct Pump<'a> {
    view: &'a View,
    session: Session,
    signals: &'a Signals,
    manner: Manner,
    /// Readable when the user leaves; unlike a pipe it does not hang up, and wake us for ever, when stdin has ended.
    left: Arc<OwnedFd>,
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
            let Ready {
                signalled,
                told,
                left,
                outputs: readable,
            } = self.poll()?;
            let mut moved = false;
            for index in readable.into_iter().rev() {
                moved |= self.copy(index, &mut buffer)?;
            }
            if signalled && let Some(exit) = self.signal()? {
                return Ok(exit);
            }
            if left {
                return Ok(Exit::Done);
            }
            if told
                && self.code.is_none()
                && let Some(SessionEvent::Exited(code)) = self.session.next_event()?
            {
                self.code = Some(code);
            } else if self.session.lossless && !self.outputs.is_empty() {
                // the end of each stream comes, and everything before it
            } else if let (Some(code), false) = (self.code, moved) {
                // what it wrote was in the pipe before it ended, and the pipe is empty now; a process that it left
                // behind may keep the pipe open for ever
                return Ok(Exit::Code(code));
            }
        }
    }

    /// Waits for anything. Once the process has ended, and nothing more is sure to come, it only looks.
    fn poll(&self) -> Result<Ready, Error> {
        let mut fds = vec![
            PollFd::new(self.signals, PollFlags::IN),
            PollFd::new(&self.left, PollFlags::IN),
        ];
        let told = self.code.is_none().then_some(fds.len());
        if told.is_some() {
            let session = self.session.as_fd();
            fds.push(PollFd::from_borrowed_fd(session, PollFlags::IN));
        }
        let before = fds.len();
        let outputs = self.outputs.iter().map(|(fd, _)| fd.as_fd());
        fds.extend(outputs.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let comes = self.code.is_none() || self.session.lossless && !self.outputs.is_empty();
        match poll(&mut fds, (!comes).then_some(&now)) {
            Ok(_) | Err(Errno::INTR) => (),
            Err(error) => return Err(Error::io("wait for the command")(error.into())),
        }
        let set = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let readable = fds[before..].iter().enumerate().filter(|(_, fd)| set(fd));
        Ok(Ready {
            signalled: set(&fds[0]),
            left: set(&fds[1]),
            told: told.is_some_and(|at| set(&fds[at])),
            outputs: readable.map(|(index, _)| index).collect(),
        })
    }

    /// Copies once from an output, and says whether there was anything.
    fn copy(&mut self, index: usize, buffer: &mut [u8]) -> Result<bool, Error> {
        let (fd, to) = &self.outputs[index];
        match rustix::io::read(fd, &mut *buffer) {
            Ok(count) if count > 0 && self.manner.hidden.contains(to) => Ok(true),
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
        let passes = self.manner.forward || self.session.terminal.is_none() && !self.manner.raw;
        if !passes || self.signalled.contains(&signal) {
            return Ok(Some(Exit::Signal(signal as i32)));
        }
        self.signalled.push(signal);
        self.session.signal(signal as i32)?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_leave_are_found_over_several_reads_and_others_pass() {
        let mut keys = Keys::new(default_keys());
        assert_eq!(keys.pass(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(keys.pass(b"c"), (b"\x10c".to_vec(), false));
        assert_eq!(keys.pass(b"\x10\x10\x11z"), (b"\x10".to_vec(), true));
        let mut none = Keys::new(Vec::new());
        assert_eq!(none.pass(b"\x10\x11"), (b"\x10\x11".to_vec(), false));
    }

    #[test]
    fn keys_are_written_as_docker_writes_them() {
        assert_eq!(detach_keys("ctrl-p,ctrl-q").unwrap(), default_keys());
        assert_eq!(detach_keys("a,ctrl-@,ctrl-[").unwrap(), [b'a', 0, 27]);
        assert_eq!(detach_keys("").unwrap(), b"");
        for bad in ["ctrl-", "ctrl-AB", "xy", "a,,b"] {
            assert!(detach_keys(bad).is_err(), "{bad}");
        }
    }
}
