//! Signals while a verb of the engine runs.

use crate::cli::exit::Error;
use crate::cli::signals::Signals;
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::PipeFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Runs `call`, and meanwhile gives each signal that comes, with its number from 1 on, to `on_signal`. Gives the first
/// one back.
pub fn watched<T>(
    signals: &Signals,
    on_signal: impl Fn(usize, Signal) + Sync,
    call: impl FnOnce() -> T,
) -> Result<(T, Option<Signal>), Error> {
    let (done, doing) = pipe()?;
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut first = None;
            let mut count = 0;
            while let Ok([false, _]) = ready(&[done.as_fd(), signals.as_fd()], None) {
                if let Some(signal) = signals.next() {
                    first = first.or(Some(signal));
                    count += 1;
                    on_signal(count, signal);
                }
            }
            // one that came at the very end counts as well
            first.or_else(|| signals.next())
        });
        let result = call();
        drop(doing);
        let first = watching
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((result, first))
    })
}

/// Waits until one of `fds` is readable or closed, and says which are.
pub fn ready<const N: usize>(
    fds: &[BorrowedFd<'_>; N],
    limit: Option<Duration>,
) -> Result<[bool; N], Error> {
    let mut polled = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    match poll(&mut polled, limit.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => (),
        Err(error) => return Err(Error::io("wait for signals")(error.into())),
    }
    Ok(polled.map(|fd| !fd.revents().is_empty()))
}

/// A pipe between two threads: reading and writing end.
pub fn pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
        .map_err(|error| Error::io("make a pipe")(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    // Signals that do come are tested with the whole program: one sent to this process could end other tests.

    #[test]
    fn a_call_without_signals_gives_none() {
        let signals = Signals::hold(&[Signal::SIGVTALRM]).unwrap();
        let (result, first) = watched(&signals, |_, _| (), || 7).unwrap();
        assert_eq!((result, first), (7, None));
    }
}
