//! The terminal on stdin: its size, and raw mode that is always taken back.

use rustix::termios::{LocalModes, OptionalActions, Termios};
use std::io;

/// Raw mode; dropping it restores what was, also while a panic unwinds.
#[derive(Debug)]
pub struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Hands every key to us as it is typed, unseen.
    pub fn enter() -> io::Result<Self> {
        let before = rustix::termios::tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// Keys come as they are typed and are not shown, but Ctrl-C is still a signal; dropping it restores what was.
#[derive(Debug)]
pub struct Cbreak {
    before: Termios,
}

impl Cbreak {
    /// Takes the keyboard; an error if stdin is no terminal.
    pub fn enter() -> io::Result<Self> {
        let before = rustix::termios::tcgetattr(io::stdin())?;
        let mut keys = before.clone();
        let line = LocalModes::ICANON | LocalModes::ECHO;
        keys.local_modes.remove(line);
        rustix::termios::tcsetattr(io::stdin(), OptionalActions::Drain, &keys)?;
        Ok(Self { before })
    }
}

impl Drop for Cbreak {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// Rows and columns of the terminal on stdin; 24 by 80 if it does not say.
pub fn size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(io::stdin()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
        _ => (24, 80),
    }
}
