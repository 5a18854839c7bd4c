//! `init: true`: the smallest PID 1. It starts the program, passes signals on, reaps orphans, and ends as the program did.

use super::ARGV0;
use crate::runtime::sys::process::{self, Forked};
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::unistd::Pid;
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::WaitOptions;
use std::ffi::{CStr, CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

/// If `args` (with `argv[0]`) are those of an init (`hoist-init PROGRAM ARGV0 ARG…`): is it until the end.
pub(crate) fn main(args: &[OsString]) -> Option<ExitCode> {
    if args.first()? != ARGV0 {
        return None;
    }
    // What is in our memory and `/proc/1/exe` is nobody's business inside.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let [program, arguments @ ..] = &args[1..] else {
        return Some(ExitCode::from(125));
    };
    let text = |s: &OsString| CString::new(s.clone().into_vec()).unwrap_or_default();
    let arguments: Vec<CString> = arguments.iter().map(text).collect();
    Some(run(&text(program), &arguments))
}

fn run(program: &CStr, arguments: &[CString]) -> ExitCode {
    let all = SigSet::all();
    if nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), None).is_err() {
        return ExitCode::from(125);
    }
    match process::fork() {
        Ok(Forked::Child) => start(program, arguments),
        Ok(Forked::Parent { pid, pidfd }) => watch(pid, &pidfd),
        Err(_) => ExitCode::from(125),
    }
}

fn start(program: &CStr, arguments: &[CString]) -> ! {
    // A group of its own in the foreground, so that Ctrl-C on a terminal reaches the program and not us as well.
    let _ = nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
    process::ignore_signals(&[libc::SIGTTOU]);
    let _ = nix::unistd::tcsetpgrp(std::io::stdin(), nix::unistd::getpgrp());
    process::reset_signals();
    let Err(errno) = nix::unistd::execv(program, arguments);
    let text = format!(
        "hoist-init: execute `{}`: {}\n",
        program.to_string_lossy(),
        errno.desc()
    );
    // Descriptor 2 is the container's: this is for its log.
    if let Some(log) = process::inherited(2) {
        let _ = rustix::io::write(log, text.as_bytes());
    }
    process::exit_now(if errno == nix::errno::Errno::ENOENT {
        127
    } else {
        126
    })
}

fn watch(child: i32, pidfd: &OwnedFd) -> ExitCode {
    loop {
        match process::next_signal() {
            Some(libc::SIGCHLD) => {
                if let Some(code) = reap(child) {
                    return ExitCode::from(code);
                }
            }
            Some(signal) => drop(process::pidfd_signal(pidfd.as_fd(), signal)),
            None => {}
        }
    }
}

/// Reaps whoever has ended; how the program did, if it is among them.
fn reap(program: i32) -> Option<u8> {
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid.as_raw_pid() == program {
            let signal = status.terminating_signal().map(|number| 128 + number);
            // Both fit: codes and signals are numbers of eight bits.
            return status.exit_status().or(signal).map(|code| code as u8);
        }
    }
    None
}
