//! Making and watching processes.

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, Result};

/// The error of the last failed libc call of this thread.
pub(super) fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Which side of a fork we are on.
#[derive(Debug)]
pub enum Forked {
    /// The new process.
    Child,
    /// The old one.
    Parent {
        /// PID of the child.
        pid: i32,
        /// Its pidfd.
        pidfd: OwnedFd,
    },
}

/// `struct clone_args` of `linux/sched.h`, version 2 (Linux ≥ 5.7).
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Forks into new namespaces (`libc::CLONE_NEW*` flags) and, if given, into a cgroup v2 folder.
///
/// # Panics
/// If this process has another thread: only the calling one would exist in the child, and locks held by others would
/// stay locked there for ever.
pub fn fork_into(namespaces: i32, cgroup: Option<BorrowedFd<'_>>) -> Result<Forked> {
    assert!(
        is_single_threaded(),
        "fork_into is for single-threaded processes"
    );
    let mut pidfd: i32 = -1;
    let mut args = CloneArgs {
        flags: namespaces as u64 | libc::CLONE_PIDFD as u64,
        pidfd: std::ptr::from_mut(&mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: `args` is a live struct of the size that is passed; without CLONE_VM the child gets a copy of this memory
    // and goes on on a copy of this stack, as after fork(2); the process is single-threaded, so no lock of libc's or
    // Rust's can be held by a thread that does not exist in the child.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            std::ptr::from_mut(&mut args),
            size_of::<CloneArgs>(),
        )
    };
    match pid {
        -1 => Err(last_error()),
        0 => Ok(Forked::Child),
        pid => {
            // SAFETY: the call succeeded with CLONE_PIDFD, so the kernel stored a new descriptor here that nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Forked::Parent {
                pid: pid as i32,
                pidfd,
            })
        }
    }
}

/// Forks. Panics as [`fork_into`] does.
pub fn fork() -> Result<Forked> {
    match fork_into(0, None) {
        // Docker's seccomp profile hides clone3, and our init runs under it.
        Err(Errno::NOSYS) => {}
        other => return other,
    }
    // SAFETY: as in `fork_into`: this process is single-threaded (checked there), and the child goes on with a copy of it.
    match unsafe { libc::fork() } {
        -1 => Err(last_error()),
        0 => Ok(Forked::Child),
        pid => {
            let child = rustix::process::Pid::from_raw(pid).ok_or(Errno::SRCH)?;
            let pidfd = rustix::process::pidfd_open(child, rustix::process::PidfdFlags::empty())?;
            Ok(Forked::Parent { pid, pidfd })
        }
    }
}

fn is_single_threaded() -> bool {
    // The link count of a task folder is two plus its threads.
    match rustix::fs::stat("/proc/self/task") {
        Ok(stat) => stat.st_nlink <= 3,
        Err(_) => true,
    }
}

/// Ends this process at once: no destructor, no exit handler. For forked children.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// Sets one signal's disposition to default or ignored.
///
/// The system call itself, since glibc refuses its two internal signals: they come to us ignored from whoever
/// started us by `posix_spawn`, and would stay so.
fn set_disposition(signal: i32, handler: libc::sighandler_t) {
    // `struct sigaction` of the kernel: handler, flags, restorer, mask.
    let action = [handler as u64, 0, 0, 0];
    let (none, mask_size) = (std::ptr::null_mut::<u64>(), size_of::<u64>());
    // SAFETY: `action` is as long as the kernel reads; SIG_DFL or SIG_IGN installs no code of ours; unknown or fixed
    // signals fail harmlessly.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            action.as_ptr(),
            none,
            mask_size,
        );
    }
}

/// Gives every signal its default disposition and unblocks all: what a program expects of who starts it.
pub fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        if signal != libc::SIGKILL && signal != libc::SIGSTOP {
            set_disposition(signal, libc::SIG_DFL);
        }
    }
    nix::sys::signal::SigSet::empty()
        .thread_set_mask()
        .expect("an empty mask is valid");
}

/// Ignores these signals.
pub fn ignore_signals(signals: &[i32]) {
    for signal in signals {
        set_disposition(*signal, libc::SIG_IGN);
    }
}

/// The default disposition for these signals.
pub fn default_signals(signals: &[i32]) {
    for signal in signals {
        set_disposition(*signal, libc::SIG_DFL);
    }
}

/// Closes every descriptor but 0, 1, 2 and these.
///
/// For a process that is about to become another program: the owners of the closed ones must not use or drop them
/// afterwards, which is why this is not public outside the runtime.
pub(in crate::runtime) fn close_all_but(keep: &[BorrowedFd<'_>]) -> Result<()> {
    let mut keep: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    keep.sort_unstable();
    let mut first = 3;
    for fd in keep {
        if fd > first {
            close_range(first, fd - 1)?;
        }
        first = first.max(fd + 1);
    }
    close_range(first, u32::MAX)
}

fn close_range(first: u32, last: u32) -> Result<()> {
    // SAFETY: plain numbers; callers exec or exit, so no `OwnedFd` is dropped after its descriptor was closed here.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0u32) };
    if result == 0 {
        Ok(())
    } else {
        Err(last_error())
    }
}

/// Takes an inherited descriptor as ours, and for us alone: no process of ours inherits it in turn. `None` if it is not
/// open.
pub fn inherited(number: i32) -> Option<OwnedFd> {
    // SAFETY: it sets a flag of a number; it fails on one that is not open.
    if number < 0 || unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return None;
    }
    // SAFETY: it is open, and was inherited under an agreement with our own process that made it (`HOIST_LOCK_FD`, stdin
    // of a zygote): nothing else in this process knows the number.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// `struct pidfd_info` of `linux/pidfd.h` as of 6.15 (64 bytes is version 0).
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroupid: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ids: [u32; 8],
    exit_code: i32,
    _spare: [u32; 2],
}

/// The wait status of an exited process behind a pidfd. `None`: it runs, or the kernel (< 6.15) does not tell.
pub fn pidfd_exit_code(pidfd: BorrowedFd<'_>) -> Result<Option<i32>> {
    const EXIT: u64 = 1 << 3;
    // _IOWR(PIDFS_IOCTL_MAGIC 0xFF, 11, struct pidfd_info)
    let request = 0xC000_FF0B_u64 | ((size_of::<PidfdInfo>() as u64) << 16);
    let mut info = PidfdInfo {
        mask: EXIT,
        ..PidfdInfo::default()
    };
    // SAFETY: the request number carries the size of `info`, and the kernel writes at most that much into it.
    let result = unsafe { libc::ioctl(pidfd.as_raw_fd(), request, std::ptr::from_mut(&mut info)) };
    match result {
        0 if info.mask & EXIT != 0 => Ok(Some(info.exit_code)),
        0 => Ok(None),
        _ => Err(last_error()),
    }
}

/// Sends any signal number, also a real-time one, to the process behind a pidfd.
pub fn pidfd_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    // SAFETY: plain numbers and a null `siginfo`, which asks for what kill(2) would send.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0u32,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(last_error())
    }
}

/// The usual scheduling of processor and disk for this process. Best effort.
pub fn reset_scheduling() {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    let usual = libc::sched_param { sched_priority: 0 };
    // SAFETY: `usual` lives until the call returns; the rest are plain numbers, 0 for this process and for no class of its
    // own.
    unsafe {
        libc::sched_setscheduler(0, libc::SCHED_OTHER, &usual);
        libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0);
    }
}

/// How a process ended. Numbers, since types of libraries have no place for real-time signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// A child that has ended, which stays to be reaped: its PID and how.
pub fn ended_child() -> Option<(i32, Ended)> {
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: an all-zero `siginfo_t` is valid: it is plain integers and unions of such.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: it writes one `siginfo_t`, which lives until the call returns.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, &mut info, options) };
    // SAFETY: these are the fields of a `siginfo_t` that `waitid` fills in; it is all zero if no child has ended.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if result != 0 || pid == 0 {
        return None;
    }
    let ended = match info.si_code {
        libc::CLD_EXITED => Ended::Exited(status),
        _ => Ended::Killed(status),
    };
    Some((pid, ended))
}

/// Waits for any signal; all are blocked. Gives its number, also that of a real-time one.
pub fn next_signal() -> Option<i32> {
    // SAFETY: `sigfillset` makes `all` a valid set, which `sigwaitinfo` reads; it may be told not to say more.
    let signal = unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::sigwaitinfo(&all, std::ptr::null_mut())
    };
    (signal > 0).then_some(signal)
}

/// Gives this process a session keyring of its own, so that it does not share the keys of who started us. Best effort:
/// kernels without keyrings, and users at their quota, go on with the old one.
pub fn new_session_keyring() {
    const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: a null name asks for a fresh anonymous keyring; nothing is read or written in our memory.
    unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        );
    }
}

/// Brings `lo` up in the current network namespace.
pub fn loopback_up(socket: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: an all-zero `ifreq` is valid: it is plain integers and a union of such.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`, which lives until the call returns.
    let result = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            std::ptr::from_ref(&request),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(last_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_recognised() {
        let (send, receive) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || receive.recv());
        assert!(!is_single_threaded());
        drop(send);
        let _ = thread.join();
    }

    #[test]
    fn only_open_descriptors_are_inherited() {
        assert!(inherited(-1).is_none());
        assert!(inherited(1_000_000).is_none());
    }
}
