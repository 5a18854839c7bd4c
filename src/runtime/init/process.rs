//! The last part of becoming the user's program, the same for PID 1 and for exec: user, limits, capabilities, seccomp,
//! working directory, `execve`.
//!
//! The order is runc's. Without `no_new_privs` the filter needs CAP_SYS_ADMIN to be installed, so it comes before the
//! capabilities go; with it, it comes last.

use super::sync::ChildEnd;
use crate::runtime::capabilities::CapSet;
use crate::runtime::confinement;
use crate::runtime::console;
use crate::runtime::error::{At, StartFailure, Step};
use crate::runtime::mounts::Root;
use crate::runtime::rlimits;
use crate::runtime::seccomp::Program;
use crate::runtime::spec::ProcessSpec;
use crate::runtime::stdio::ProcessEnds;
use crate::runtime::sys;
use crate::runtime::user::{self, User};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::thread::{Gid, Uid};
use std::ffi::{CStr, CString};

/// What becomes a program.
pub(crate) struct Becoming<'a> {
    /// The process.
    pub(crate) spec: &'a ProcessSpec,
    /// Its capabilities.
    pub(crate) capabilities: CapSet,
    /// Its seccomp filter.
    pub(crate) seccomp: Option<&'a Program>,
    /// To the parent.
    pub(crate) sync: ChildEnd,
    /// Its descriptors 0, 1 and 2, unless it has a terminal.
    pub(crate) ends: ProcessEnds,
    /// Slave end of its terminal.
    pub(crate) terminal: Option<OwnedFd>,
    /// Execute this (our own init) with the program as its argument.
    pub(crate) init: Option<OwnedFd>,
}

impl Becoming<'_> {
    /// Becomes the program. The root directory is the container's. Returns only if it fails.
    pub(crate) fn run(self, null: BorrowedFd<'_>) -> ! {
        let failure = match self.prepare(null) {
            Ok(ready) => self.execute(&ready),
            Err(failure) => failure,
        };
        self.sync.fail(failure)
    }

    fn prepare(&self, null: BorrowedFd<'_>) -> Result<Ready, StartFailure> {
        let root_fd = rustix::fs::open(
            "/",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .at(Step::Cwd, || "open `/`".into())?;
        let user = user::resolve(root_fd.as_fd(), &self.spec.user, &self.spec.groups)
            .map_err(|e| StartFailure::new(Step::User, chain(&e)))?;
        self.take_streams(null, &user)?;
        rlimits::apply(&self.spec.rlimits)
            .map_err(|e| StartFailure::new(Step::Limits, chain(&e)))?;
        sys::process::new_session_keyring();
        rustix::process::umask(Mode::from_raw_mode(0o022));
        enter_folder(Root(root_fd.as_fd()), &self.spec.cwd)?;
        let env = environment(self.spec, &user);
        self.capabilities
            .apply_bounding()
            .map_err(|e| StartFailure::new(Step::Security, chain(&e)))?;
        become_user(&user)?;
        confinement::prepare(root_fd.as_fd(), &self.spec.confinement)?;
        let path = find_program(self.spec)?;
        Ready::new(self.spec, &path, &env, self.init.is_some())
    }

    fn take_streams(&self, null: BorrowedFd<'_>, user: &User) -> Result<(), StartFailure> {
        let failed = || "set up the standard streams".to_owned();
        if let Some(slave) = &self.terminal {
            return console::take(slave.as_fd(), user.uid).at(Step::Console, failed);
        }
        self.ends.give_to(user.uid).at(Step::Prepare, failed)?;
        self.ends.install(null).at(Step::Prepare, failed)?;
        match rustix::process::setsid() {
            Ok(_) | Err(Errno::PERM) => Ok(()),
            Err(e) => Err(e).at(Step::Prepare, || "start a session".into()),
        }
    }

    /// From here on there may be a filter: nothing but what every profile must allow is called.
    fn execute(&self, ready: &Ready) -> StartFailure {
        self.sync.wait();
        if let Err(failure) = self.restrict() {
            return failure;
        }
        self.sync.executing();
        let args: Vec<&CStr> = ready.args.iter().map(CString::as_c_str).collect();
        let env: Vec<&CStr> = ready.env.iter().map(CString::as_c_str).collect();
        let error = match &self.init {
            Some(init) => {
                nix::unistd::execveat(init, c"", &args, &env, nix::fcntl::AtFlags::AT_EMPTY_PATH)
            }
            None => nix::unistd::execve(&ready.path, &args, &env),
        };
        let Err(errno) = error;
        let name = &self.spec.args[0];
        let reason = super::super::error::reason(&errno.into());
        let code = if errno == nix::errno::Errno::ENOENT {
            127
        } else {
            126
        };
        StartFailure::new(Step::Exec, format!("execute `{name}`: {reason}")).with_code(code)
    }

    fn restrict(&self) -> Result<(), StartFailure> {
        let security = |e: &dyn std::error::Error| StartFailure::new(Step::Security, chain(e));
        let filter = || match self.seccomp {
            Some(program) => program.install().map_err(|e| security(&e)),
            None => Ok(()),
        };
        close_others(&self.sync, self.init.as_ref())?;
        if self.spec.no_new_privileges {
            rustix::thread::set_no_new_privs(true)
                .at(Step::Security, || "set no_new_privs".into())?;
            self.capabilities.apply().map_err(|e| security(&e))?;
            return filter();
        }
        if self.seccomp.is_some() {
            raise_effective().at(Step::Security, || "raise capabilities".into())?;
            filter()?;
        }
        self.capabilities.apply().map_err(|e| security(&e))
    }
}

/// What `execve` needs, allocated before any restriction.
struct Ready {
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

impl Ready {
    fn new(
        spec: &ProcessSpec,
        path: &str,
        env: &[String],
        init: bool,
    ) -> Result<Self, StartFailure> {
        let text = |s: &str| {
            CString::new(s).map_err(|_| {
                StartFailure::new(
                    Step::Exec,
                    format!("`{}` contains a zero byte", s.escape_debug()),
                )
            })
        };
        let mut args = Vec::new();
        if init {
            args.push(text(super::ARGV0)?);
            args.push(text(path)?);
        }
        for arg in &spec.args {
            args.push(text(arg)?);
        }
        Ok(Self {
            path: text(path)?,
            args,
            env: env.iter().map(|e| text(e)).collect::<Result<_, _>>()?,
        })
    }
}

/// An error with its causes, as one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = match error.downcast_ref::<std::io::Error>() {
            Some(io) => crate::runtime::error::reason(io),
            None => match error.downcast_ref::<Errno>() {
                Some(errno) => crate::runtime::error::reason(&(*errno).into()),
                None => error.to_string(),
            },
        };
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// The user's environment with `HOME` and `TERM` where they are not set.
fn environment(spec: &ProcessSpec, user: &User) -> Vec<String> {
    let mut env = spec.env.clone();
    let has = |env: &[String], key: &str| {
        env.iter().any(|e| {
            e.strip_prefix(key)
                .is_some_and(|rest| rest.starts_with('='))
        })
    };
    if !has(&env, "HOME") {
        env.push(format!("HOME={}", user.home));
    }
    if spec.tty && !has(&env, "TERM") {
        env.push("TERM=xterm".to_owned());
    }
    env
}

/// Changes to the working directory. (That of PID 1 was made with the root filesystem; one of an `exec` must be there.)
/// It is resolved beneath the root without magic links, so
/// that `/proc/self/fd/N` leads nowhere (CVE-2024-21626), and where we got is looked at once more.
fn enter_folder(root: Root<'_>, path: &str) -> Result<(), StartFailure> {
    let path = if path.is_empty() { "/" } else { path };
    let what = || format!("enter the working directory `{path}`");
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let folder = root.open(path, flags).at(Step::Cwd, what)?;
    rustix::process::fchdir(&folder).at(Step::Cwd, what)?;
    let cwd = rustix::process::getcwd(Vec::new()).at(Step::Cwd, what)?;
    if !cwd.to_bytes().starts_with(b"/") {
        let text = format!("{}: it is outside of the container", what());
        return Err(StartFailure::new(Step::Cwd, text));
    }
    Ok(())
}

fn become_user(user: &User) -> Result<(), StartFailure> {
    let what = || format!("become user {}:{}", user.uid, user.gid);
    let groups: Vec<Gid> = user.groups.iter().map(|g| Gid::from_raw(*g)).collect();
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    rustix::thread::set_thread_groups(&groups)
        .and_then(|()| rustix::thread::set_thread_res_gid(gid, gid, gid))
        .and_then(|()| rustix::thread::set_thread_res_uid(uid, uid, uid))
        .at(Step::User, what)
}

/// The permitted capabilities survived the change of user, the effective ones did not.
fn raise_effective() -> rustix::io::Result<()> {
    let mut sets = rustix::thread::capabilities(None)?;
    sets.effective = sets.permitted;
    rustix::thread::set_capabilities(None, sets)
}

/// Closes everything but the standard streams, the connection to the parent and our init.
fn close_others(sync: &ChildEnd, init: Option<&OwnedFd>) -> Result<(), StartFailure> {
    let mut keep = vec![sync.as_fd()];
    keep.extend(init.map(AsFd::as_fd));
    sys::process::close_all_but(&keep).at(Step::Security, || "close our own descriptors".into())
}

/// Looks the program up as its user will: absolute, relative to the working directory, or in `PATH`.
fn find_program(spec: &ProcessSpec) -> Result<String, StartFailure> {
    let Some(name) = spec.args.first().filter(|name| !name.is_empty()) else {
        let text = "no command given, and the image has none";
        return Err(StartFailure::new(Step::Exec, text).with_code(127));
    };
    if name.contains('/') {
        return match executable(name) {
            Ok(()) => Ok(name.clone()),
            Err(e) => Err(not_executable(name, e)),
        };
    }
    let path = spec.env.iter().rev().find_map(|e| e.strip_prefix("PATH="));
    let mut denied = None;
    for dir in path.unwrap_or(DEFAULT_PATH).split(':') {
        let dir = if dir.is_empty() { "." } else { dir };
        let candidate = format!("{dir}/{name}");
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(e) => denied = Some(e),
        }
    }
    Err(match denied {
        Some(e) => not_executable(name, e),
        None => StartFailure::new(Step::Exec, format!("execute `{name}`: not found in $PATH"))
            .with_code(127),
    })
}

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn not_executable(name: &str, error: Errno) -> StartFailure {
    let code = match error {
        Errno::NOENT | Errno::NOTDIR => 127,
        _ => 126,
    };
    let reason = match error {
        Errno::ISDIR => "is a folder".to_owned(),
        // Only a magic link gives this: `/proc/self/exe` is our own executable until the exec (CVE-2019-5736).
        Errno::LOOP => "leads out of the container".to_owned(),
        e => crate::runtime::error::reason(&e.into()),
    };
    StartFailure::new(Step::Exec, format!("execute `{name}`: {reason}")).with_code(code)
}

fn executable(path: &str) -> rustix::io::Result<()> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let file = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)?;
    match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Errno::ISDIR),
        _ => return Err(Errno::ACCESS),
    }
    rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)
}
