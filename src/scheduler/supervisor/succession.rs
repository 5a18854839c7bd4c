//! After an upgrade: a supervisor that is asked something by a program of another version makes way for it.
//!
//! It becomes that program, in the same process and with the lock and the socket in its hands, so nobody can come in
//! between. Its connections to shims close, and the successor adopts the containers as after a crash.

use super::{ENVIRONMENT, LISTEN_FD, LOCK_FD};
use crate::state::lock::Lock;
use rustix::io::FdFlags;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// This version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a successor needs.
pub struct Succession {
    lock: OwnedFd,
    listener: OwnedFd,
    args: [OsString; 3],
}

impl Succession {
    /// Of a supervisor with these arguments.
    pub fn new(lock: &Lock, listener: &UnixListener, args: [OsString; 3]) -> io::Result<Self> {
        Ok(Self {
            lock: lock.file().as_fd().try_clone_to_owned()?,
            listener: listener.as_fd().try_clone_to_owned()?,
            args,
        })
    }

    /// Becomes the program that process `pid` runs. Comes back only if that fails.
    pub fn pass_to(&self, pid: i32) -> io::Error {
        self.become_program(pid)
            .err()
            .unwrap_or(io::ErrorKind::Other.into())
    }

    fn become_program(&self, pid: i32) -> io::Result<()> {
        let program = File::open(format!("/proc/{pid}/exe"))?;
        for fd in [&self.lock, &self.listener] {
            rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
        }
        let error = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()))
            .arg0("hoist-supervisor")
            .args(&self.args)
            .env_clear()
            .envs(ENVIRONMENT)
            .env(LOCK_FD, self.lock.as_raw_fd().to_string())
            .env(LISTEN_FD, self.listener.as_raw_fd().to_string())
            .exec();
        for fd in [&self.lock, &self.listener] {
            rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC)?;
        }
        Err(error)
    }
}
