//! Which system calls change something that outlives their process, or that another process can see.
//!
//! Whoever is killed before a call that changes nothing leaves behind what he would have left before the next one: such
//! calls are no points of their own.

use nix::libc::{self, c_long, user_regs_struct};
use std::fs;

/// Calls about a process's own memory, threads, signals and descriptors, and questions.
const PRIVATE: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_brk,
    libc::SYS_capget,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd2,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fdatasync,
    libc::SYS_fsconfig,
    libc::SYS_fsopen,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_futex,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpeername,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_inotify_init1,
    libc::SYS_lseek,
    libc::SYS_lstat,
    libc::SYS_madvise,
    libc::SYS_memfd_create,
    libc::SYS_mmap,
    libc::SYS_mount_setattr,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_open_tree,
    libc::SYS_pidfd_open,
    libc::SYS_pipe2,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_prctl,
    libc::SYS_pread64,
    libc::SYS_prlimit64,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_setns,
    libc::SYS_setsockopt,
    libc::SYS_sigaltstack,
    libc::SYS_signalfd4,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_stat,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_syncfs,
    libc::SYS_sysinfo,
    libc::SYS_tee,
    libc::SYS_tgkill,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_umask,
    libc::SYS_uname,
];

/// Whether the call that a thread is about to make is a point of its own.
pub fn has(tid: i32, registers: &user_regs_struct) -> bool {
    let number = registers.orig_rax as c_long;
    let first = registers.rdi as i32;
    match number {
        libc::SYS_open => writes(registers.rsi),
        libc::SYS_openat => writes(registers.rdx),
        libc::SYS_openat2 => read_word(tid, registers.rdx).is_none_or(writes),
        libc::SYS_waitid => registers.r10 as i32 & libc::WNOWAIT == 0,
        libc::SYS_fcntl => matches!(
            registers.rsi as i32,
            libc::F_SETLK | libc::F_SETLKW | libc::F_OFD_SETLK | libc::F_SETPIPE_SZ
        ),
        libc::SYS_read => !is_plain(tid, first) && !is_own(tid, first),
        libc::SYS_write => !is_own(tid, first),
        // The last descriptor of a locked file unlocks it.
        libc::SYS_close => is_lock(tid, first) || !is_plain(tid, first) && !is_own(tid, first),
        _ => !PRIVATE.contains(&number),
    }
}

fn writes(flags: u64) -> bool {
    flags & (libc::O_CREAT | libc::O_TRUNC) as u64 != 0
}

/// A file or folder: nothing waits for what is done to this descriptor.
fn is_plain(tid: i32, fd: i32) -> bool {
    let found = fs::metadata(format!("/proc/{tid}/fd/{fd}"));
    found.is_ok_and(|found| found.is_file() || found.is_dir())
}

/// Nothing at all, or what only its process (and who inherits it) has a use for.
fn is_own(tid: i32, fd: i32) -> bool {
    let path = fs::read_link(format!("/proc/{tid}/fd/{fd}")).unwrap_or_default();
    let path = path.to_string_lossy();
    let own = ["eventfd", "signalfd", "timerfd", "eventpoll", "fscontext"];
    path.is_empty()
        || own
            .iter()
            .any(|kind| path == format!("anon_inode:[{kind}]"))
}

/// A word of a stopped thread's memory.
fn read_word(tid: i32, address: u64) -> Option<u64> {
    let pid = nix::unistd::Pid::from_raw(tid);
    let word = nix::sys::ptrace::read(pid, address as nix::sys::ptrace::AddressType);
    word.ok().map(|word| word as u64)
}

fn is_lock(tid: i32, fd: i32) -> bool {
    let path = fs::read_link(format!("/proc/{tid}/fd/{fd}")).unwrap_or_default();
    path.is_dir() || path.to_string_lossy().contains("lock")
}
