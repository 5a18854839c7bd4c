//! Standard streams of a container: FIFOs that outlive their readers.
//!
//! The container's ends are open for reading and writing, so it holds a read end itself: while no shim reads, its writes
//! wait in the pipe instead of failing with SIGPIPE, and the next reader misses nothing. Never a regular file: a program
//! that reopens `/dev/stdout` would truncate it.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, mknodat, openat, unlinkat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use std::io;

/// Names of the FIFOs in the run folder.
pub const FIFOS: [&str; 2] = ["out", "err"];

/// The reading ends.
#[derive(Debug)]
pub struct Fifos {
    /// Standard output.
    pub out: OwnedFd,
    /// Standard error.
    pub err: OwnedFd,
}

impl Fifos {
    /// Makes fresh FIFOs (0600) in `run_dir` and opens them for reading without blocking.
    pub fn make(run_dir: BorrowedFd<'_>) -> io::Result<Self> {
        for name in FIFOS {
            match unlinkat(run_dir, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(e) => return Err(e.into()),
            }
            mknodat(run_dir, name, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
        }
        Self::open(run_dir)
    }

    /// Opens existing FIFOs for reading; also for writing, since a FIFO that all writers have left hangs up, and whoever
    /// polls it would wake up without end. Nobody waits for their end: a container's end is that of its PID 1.
    pub fn open(run_dir: BorrowedFd<'_>) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |name| openat(run_dir, name, flags, Mode::empty());
        Ok(Self {
            out: open(FIFOS[0])?,
            err: open(FIFOS[1])?,
        })
    }
}

/// What a container's process gets as its descriptors 0, 1 and 2. `None` = `/dev/null` of the container.
#[derive(Debug, Default)]
pub struct ProcessEnds {
    /// Read end of stdin.
    pub stdin: Option<OwnedFd>,
    /// Write end of stdout.
    pub stdout: Option<OwnedFd>,
    /// Write end of stderr.
    pub stderr: Option<OwnedFd>,
}

impl ProcessEnds {
    /// The container's ends of the FIFOs in `run_dir`.
    pub fn of_fifos(run_dir: BorrowedFd<'_>) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |name| openat(run_dir, name, flags, Mode::empty());
        Ok(Self {
            stdin: None,
            stdout: Some(open(FIFOS[0])?),
            stderr: Some(open(FIFOS[1])?),
        })
    }

    /// Gives the pipes to `uid`, as a program that is not root may reopen `/dev/stdout`.
    pub fn give_to(&self, uid: u32) -> rustix::io::Result<()> {
        let uid = rustix::fs::Uid::from_raw(uid);
        for end in [&self.stdin, &self.stdout, &self.stderr]
            .into_iter()
            .flatten()
        {
            rustix::fs::fchown(end, Some(uid), None)?;
        }
        Ok(())
    }

    /// Makes them this process's descriptors 0, 1 and 2; `null` stands in for the missing ones.
    pub fn install(&self, null: BorrowedFd<'_>) -> rustix::io::Result<()> {
        let or_null = |end: &Option<OwnedFd>| -> rustix::io::Result<OwnedFd> {
            rustix::io::dup(end.as_ref().map_or(null, AsFd::as_fd))
        };
        // Duplicates, lest one of them is itself in the way at 0, 1 or 2.
        let (stdin, stdout, stderr) = (
            or_null(&self.stdin)?,
            or_null(&self.stdout)?,
            or_null(&self.stderr)?,
        );
        rustix::stdio::dup2_stdin(stdin)?;
        rustix::stdio::dup2_stdout(stdout)?;
        rustix::stdio::dup2_stderr(stderr)
    }
}

/// A pipe whose ends close on exec; the write end does not block.
pub fn output_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&write, OFlags::NONBLOCK)?;
    Ok((read, write))
}

/// A pipe for a container's stdin.
pub fn input_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    #[test]
    fn fifos_are_quiet_when_their_writers_have_gone() {
        let dir = tempfile::tempdir().unwrap();
        let dir = std::fs::File::open(dir.path()).unwrap();
        let fifos = Fifos::make(dir.as_fd()).unwrap();
        drop(ProcessEnds::of_fifos(dir.as_fd()).unwrap());
        let mut fds = [&fifos.out, &fifos.err].map(|fifo| PollFd::new(fifo, PollFlags::IN));
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        assert_eq!(poll(&mut fds, Some(&now)), Ok(0));
    }
}
