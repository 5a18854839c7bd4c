//! Signals as something to poll.
//!
//! They are blocked and read from a descriptor, so no code runs inside a handler, and a verb that waits for its
//! supervisor can wait for Ctrl-C with the same `poll`.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Signals that ask a command to end.
pub const ENDING: [Signal; 4] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

/// Signals held back from their default effect; dropping this lets them through again.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    set: SigSet,
    /// What was held before.
    before: SigSet,
}

impl Signals {
    /// Holds `signals` back. Call it before threads are started: they inherit what is blocked.
    pub fn hold(signals: &[Signal]) -> io::Result<Self> {
        let set: SigSet = signals.iter().copied().collect();
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { fd, set, before })
    }

    /// The next signal that came, if one did.
    pub fn next(&self) -> Option<Signal> {
        let info = self.fd.read_signal().ok()??;
        Signal::try_from(i32::try_from(info.ssi_signo).ok()?).ok()
    }

    /// Lets `signal` have its default effect after all: it ends this process.
    pub fn yield_to(&self, signal: Signal) {
        let _ = self.set.thread_unblock();
        let _ = nix::sys::signal::raise(signal);
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // One that is pending takes effect now, unless somebody else holds it, too: the user asked for it.
        let _ = self.before.thread_set_mask();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_signal_is_read_instead_of_taking_effect() {
        let signals = Signals::hold(&[Signal::SIGUSR1]).unwrap();
        assert_eq!(signals.next(), None);
        nix::sys::signal::raise(Signal::SIGUSR1).unwrap();
        assert_eq!(signals.next(), Some(Signal::SIGUSR1));
        assert_eq!(signals.next(), None);
    }

    #[test]
    fn what_another_holds_stays_held() {
        let outer = Signals::hold(&[Signal::SIGUSR2]).unwrap();
        drop(Signals::hold(&[Signal::SIGUSR2]).unwrap());
        nix::sys::signal::raise(Signal::SIGUSR2).unwrap();
        assert_eq!(outer.next(), Some(Signal::SIGUSR2));
    }
}
