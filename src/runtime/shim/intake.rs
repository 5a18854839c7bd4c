//! From a container's FIFOs into its log: each byte once, whenever we are killed.
//!
//! Bytes are copied out of the pipe (`tee`), written to the log, and only then taken from the pipe. Meanwhile a mark in
//! the run folder says which bytes those are. Who takes over finds in the log how much of it is there, and takes that
//! much from the pipe, unless it was taken already: a FIFO has a time of its last access, which is put back before and
//! which the kernel sets as it gives the bytes away, in one step.

use crate::runtime::log::writer::written_since;
use crate::runtime::log::{LogWriter, Position, Stream};
use crate::runtime::stdio::Fifos;
use crate::runtime::sys::words::Words;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, futimens, openat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, tee};
use std::io;
use std::path::Path;

/// Name of the mark's file in the run folder.
pub(super) const MARK: &str = "intake";
/// Copied at once at first, and by a process that mostly sleeps.
const LITTLE: usize = 16 << 10;
/// Copied at once of a container that floods.
const MUCH: usize = 1 << 20;

/// What every pipe holds.
const SMALLEST_PIPE: usize = 64 << 10;

/// Reads FIFOs.
pub(super) struct Intake {
    mark: Option<Words<4>>,
    /// What is copied goes through here; it holds so much.
    scratch: Option<(OwnedFd, OwnedFd)>,
    scratch_size: usize,
    buffer: Vec<u8>,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// So many bytes are in `Intake::bytes` and the log.
    Took(usize),
    /// Nothing is there.
    Empty,
    /// They cannot be written, and were left in the pipe.
    Refused,
}

impl Intake {
    /// `fresh`: what an earlier shim had under way is void.
    pub(super) fn open(run_dir: BorrowedFd<'_>, fresh: bool) -> Self {
        let mut flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        flags.set(OFlags::TRUNC, fresh);
        // Without a mark (a full tmpfs) a kill at the wrong moment repeats a few lines; it loses none.
        let mark = openat(run_dir, MARK, flags, Mode::from_raw_mode(0o600)).and_then(|file| {
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 32)?;
            Words::map(file)
        });
        Self {
            mark: mark.ok(),
            scratch: None,
            scratch_size: SMALLEST_PIPE,
            buffer: Vec::new(),
        }
    }

    /// Moves what is there from one FIFO into the log, in one portion.
    pub(super) fn turn(&mut self, fifo: &OwnedFd, stream: Stream, log: &mut LogWriter) -> Turn {
        let count = match self.peek(fifo) {
            Ok(0) | Err(_) => return Turn::Empty,
            Ok(count) => count,
        };
        let Ok(at) = log.position() else {
            return Turn::Refused;
        };
        self.begin(fifo, stream, count, at);
        let written = log.append(stream, &self.buffer[..count]);
        let turn = match written {
            Ok(()) => self.take(fifo, count),
            // Part of it may be there.
            Err(_) => self.settle(fifo, count, at, log.dir()),
        };
        self.end();
        turn
    }

    /// The bytes of the last turn.
    pub(super) fn bytes(&self, count: usize) -> &[u8] {
        &self.buffer[..count]
    }

    /// Throws away what waits in a FIFO, in one portion; how much it was.
    pub(super) fn discard(&mut self, fifo: &OwnedFd) -> usize {
        self.buffer.resize(self.buffer.len().max(LITTLE), 0);
        rustix::io::read(fifo, &mut self.buffer[..]).unwrap_or(0)
    }

    /// Gives memory back that a burst has taken.
    pub(super) fn rest(&mut self) {
        self.buffer = Vec::new();
    }

    /// Finishes what a killed shim had under way.
    pub(super) fn recover(&mut self, fifos: &Fifos, log_dir: &Path) {
        let Some((stream, count, at)) = self.under_way() else {
            return;
        };
        let fifo = match stream {
            Stream::Out => &fifos.out,
            Stream::Err => &fifos.err,
        };
        if !self.was_taken(fifo) {
            self.buffer.resize(count.max(LITTLE), 0);
            let _ = self.settle(fifo, count, at, log_dir);
        }
        self.end();
    }

    /// Takes from the pipe what is in the log of the last portion, if that was not done yet.
    fn settle(&mut self, fifo: &OwnedFd, count: usize, at: Position, dir: &Path) -> Turn {
        let mut logged = written_since(dir, at).unwrap_or_default();
        logged.truncate(count);
        // Where times of access are not kept, a portion may have been taken; the pipe tells by what comes next.
        let waiting = self.peek(fifo).unwrap_or(0);
        if waiting < logged.len() || self.buffer[..logged.len()] != logged[..] {
            return Turn::Refused;
        }
        match self.take(fifo, logged.len()) {
            Turn::Took(0) => Turn::Refused,
            turn => turn,
        }
    }

    /// Copies what is in the pipe, as far as the buffer goes.
    fn peek(&mut self, fifo: &OwnedFd) -> io::Result<usize> {
        self.buffer.resize(self.buffer.len().max(LITTLE), 0);
        if self.scratch.is_none() {
            self.scratch = Some(pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?);
        }
        let (read, write) = self.scratch.as_ref().expect("made above");
        if self.buffer.len() > self.scratch_size {
            let _ = fcntl_setpipe_size(write, self.buffer.len());
            self.scratch_size = self.buffer.len();
        }
        let count = match tee(fifo, write, self.buffer.len(), SpliceFlags::NONBLOCK) {
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(0),
            Err(e) => return Err(e.into()),
        };
        let mut have = 0;
        while have < count {
            have += rustix::io::read(read, &mut self.buffer[have..count])?;
        }
        if count == self.buffer.len() && count < MUCH {
            // It has more to say: bigger portions from now on, as far as the kernel allows.
            self.buffer.resize(MUCH, 0);
            let _ = fcntl_setpipe_size(fifo, MUCH);
        }
        Ok(count)
    }

    /// Takes so many bytes out of a FIFO: they are there, and it is one system call.
    fn take(&mut self, fifo: &OwnedFd, count: usize) -> Turn {
        let mut left = count;
        while left > 0 {
            match rustix::io::read(fifo, &mut self.buffer[count - left..count]) {
                Ok(got) if got > 0 => left -= got,
                Err(Errno::INTR) => {}
                // The container has read its own output.
                _ => break,
            }
        }
        Turn::Took(count)
    }

    fn begin(&self, fifo: &OwnedFd, stream: Stream, count: usize, at: Position) {
        if let Some(mark) = &self.mark {
            mark.set(1, at.segment);
            mark.set(2, at.offset);
            mark.set(3, u64::from(put_back(fifo).is_ok()));
            mark.set(0, (count as u64) << 1 | u64::from(stream == Stream::Err));
        }
    }

    /// Whether somebody has read from the FIFO since [`Self::begin`]; false if that is not known.
    fn was_taken(&self, fifo: &OwnedFd) -> bool {
        let was_put_back = self.mark.as_ref().is_some_and(|mark| mark.get(3) == 1);
        let accessed = || rustix::fs::fstat(fifo).is_ok_and(|stat| stat.st_atime != 0);
        was_put_back && accessed()
    }

    fn end(&self) {
        if let Some(mark) = &self.mark {
            mark.set(0, 0);
        }
    }

    fn under_way(&self) -> Option<(Stream, usize, Position)> {
        let mark = self.mark.as_ref()?;
        let word = mark.get(0);
        let stream = if word & 1 == 0 {
            Stream::Out
        } else {
            Stream::Err
        };
        let count = usize::try_from(word >> 1)
            .ok()
            .filter(|count| *count <= MUCH)?;
        let at = Position {
            segment: mark.get(1),
            offset: mark.get(2),
        };
        (count > 0).then_some((stream, count, at))
    }
}

/// Puts the time of the last access back to where no clock is.
fn put_back(fifo: &OwnedFd) -> rustix::io::Result<()> {
    let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let times = Timestamps {
        last_access: time(0),
        last_modification: time(UTIME_OMIT),
    };
    futimens(fifo, &times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::log::LogReader;
    use crate::runtime::shim::protocol::LogLimits;
    use std::fs::File;
    use std::os::fd::AsFd;

    /// Where a shim is killed in the middle of a portion.
    #[derive(Debug, Clone, Copy)]
    enum Killed {
        BeforeItIsLogged,
        BeforeItIsTaken,
        AfterItWasTaken,
    }

    /// A portion as far as it came.
    fn cut(intake: &mut Intake, fifo: &OwnedFd, log: &mut LogWriter, killed: Killed) {
        let count = intake.peek(fifo).unwrap();
        let at = log.position().unwrap();
        intake.begin(fifo, Stream::Out, count, at);
        if matches!(killed, Killed::BeforeItIsLogged) {
            return;
        }
        let text = intake.buffer[..count].to_vec();
        log.append(Stream::Out, &text).unwrap();
        if matches!(killed, Killed::AfterItWasTaken) {
            intake.take(fifo, count);
        }
    }

    #[test]
    fn each_line_is_logged_once_whenever_a_shim_is_killed() {
        use Killed::{AfterItWasTaken, BeforeItIsLogged, BeforeItIsTaken};
        for killed in [BeforeItIsLogged, BeforeItIsTaken, AfterItWasTaken] {
            let folder = tempfile::tempdir().unwrap();
            let dir = File::open(folder.path()).unwrap();
            let fifos = Fifos::make(dir.as_fd()).unwrap();
            // All the same: what waits in the pipe does not tell whether something was taken.
            let say = |lines: usize| rustix::io::write(&fifos.out, &b"y\n".repeat(lines)).unwrap();
            let mut log = LogWriter::open(folder.path(), LogLimits::default()).unwrap();
            let mut first = Intake::open(dir.as_fd(), true);
            say(100);
            first.turn(&fifos.out, Stream::Out, &mut log);
            say(200);
            cut(&mut first, &fifos.out, &mut log, killed);
            drop(first);
            say(300);
            let mut next = Intake::open(dir.as_fd(), false);
            next.recover(&fifos, folder.path());
            let mut log = LogWriter::open(folder.path(), LogLimits::default()).unwrap();
            while next.turn(&fifos.out, Stream::Out, &mut log) != Turn::Empty {}
            let mut reader = LogReader::open(folder.path());
            let lines = std::iter::from_fn(|| reader.next_record().unwrap()).count();
            assert_eq!(lines, 600, "{killed:?}");
        }
    }
}
