//! `init: true`: the smallest PID 1. It starts the program, passes signals on, reaps orphans, and ends as the program did.

use super::ARGV0;
use crate::runtime::sys::process::{self, Forked};
use nix::sys::signal::{SigSet, SigmaskHow, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
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
        Ok(Forked::Parent { pid, .. }) => watch(Pid::from_raw(pid), &all),
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

fn watch(child: Pid, all: &SigSet) -> ExitCode {
    loop {
        let Ok(signal) = all.wait() else { continue };
        if signal != nix::sys::signal::Signal::SIGCHLD {
            let _ = kill(child, signal);
            continue;
        }
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == child => {
                    return ExitCode::from(code as u8);
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                    return ExitCode::from(128u8.wrapping_add(signal as u8));
                }
                Ok(WaitStatus::StillAlive) | Err(_) => break,
                Ok(_) => {}
            }
        }
    }
}
