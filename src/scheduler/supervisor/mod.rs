//! One process a project that owns its state: it plans, executes, watches, restarts, probes and answers names.
//!
//! ```text
//!  client ──control──▶ server ─▶ verbs ─▶ reconcile ─▶ execute ─▶ host ─▶ machine (one a container) ──▶ shim
//! ```
//!
//! Everything runs on one thread, but for name resolution and long kernel calls.
//!
//! Invariants: it holds the project's lock and its records for life; everything it knows can be read again from disk and
//! kernel, so its death costs nothing but the time to the next one.

mod adopt;
pub mod assemble;
mod bury;
pub mod container;
pub mod control;
pub mod endpoint;
pub mod etc;
mod exec;
pub mod forward;
pub mod health;
mod home;
mod jobs;
pub mod launch;
pub mod logs;
mod look;
pub mod machine;
mod memory;
mod names;
mod native;
mod neighbours;
pub mod observe;
mod peers;
pub mod probe;
pub mod project;
mod reason;
pub mod rest;
pub mod restart;
mod rollback;
mod server;
mod single;
pub mod succession;
mod summary;
mod verbs;
mod watch;

use self::succession::Succession;
use crate::id::ProjectName;
use crate::image::Store;
use crate::network::Driver;
use crate::network::names as network_names;
use crate::runtime::inheritance;
use crate::runtime::rlimits;
use crate::runtime::rootfs;
use crate::runtime::sys;
use crate::state::ledger::Ledger;
use crate::state::lock::Lock;
use crate::state::paths::{Paths, ProjectPaths};
use crate::state::record::{self, ProjectRecord};
use crate::volumes::named::Volumes;
use std::error::Error;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The environment variable that says which of our helper processes this is.
pub const REENTRY: &str = "HOIST_REENTRY";
/// The whole environment of a supervisor, but for inherited descriptors. One arena: its few threads hardly allocate.
pub const ENVIRONMENT: [(&str, &str); 2] = [(REENTRY, "supervisor"), ("MALLOC_ARENA_MAX", "1")];
/// Number of an inherited descriptor whose open file description holds the project's lock.
pub const LOCK_FD: &str = "HOIST_LOCK_FD";
/// Number of an inherited descriptor that listens at the project's control socket.
pub const LISTEN_FD: &str = "HOIST_LISTEN_FD";

/// Runs as the supervisor of a project until nothing is left to do. `args`: project, state root, run folder.
pub fn main(
    mut args: impl Iterator<Item = std::ffi::OsString>,
) -> Result<ExitCode, Box<dyn Error>> {
    let mut next = || {
        args.next()
            .ok_or("a supervisor needs a project, a state root and a run folder")
    };
    let words = [next()?, next()?, next()?];
    let name = ProjectName::new(words[0].to_string_lossy())?;
    let installation = Paths {
        root: PathBuf::from(&words[1]),
        run: PathBuf::from(&words[2]),
    };
    let paths = installation.project(&name);
    // It must outlive the terminal of whoever started it.
    let _ = rustix::process::setsid();
    let _ = rustix::thread::set_name(c"hoist-supervise");
    // Whoever started us may have had signals blocked, and containers would inherit that.
    nix::sys::signal::SigSet::empty().thread_set_mask()?;
    inheritance::disown();
    rlimits::raise_descriptors();
    paths.make()?;
    let (lock, listener) = (inherited(LOCK_FD), inherited(LISTEN_FD));
    shed_inherited(&[&lock, &listener])?;
    let Some(lock) = take_lock(&paths, lock)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let Some(_records) = paths.take_records()? else {
        return Err(format!("the records of {name} are in use by another supervisor").into());
    };
    paths.claim();
    let listener = match listener {
        Some(fd) => UnixListener::from(fd),
        None => listen(&paths.run)?,
    };
    let succession = Succession::new(&lock, &listener, words)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()?;
    tokio::task::LocalSet::new().block_on(
        &runtime,
        supervise(name, installation, (listener, succession)),
    )?;
    // A blocked kernel call must not keep us: everything that matters is done.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

async fn supervise(
    name: ProjectName,
    installation: Paths,
    (listener, succession): (UnixListener, Succession),
) -> Result<(), Box<dyn Error>> {
    rootfs::make_bottom(&installation.bottom())?;
    let (ledger, known) = Ledger::open(&installation.project(&name).ledger())?;
    let record = known
        .project
        .unwrap_or_else(|| new_record(&installation, &name));
    let parts = project::Parts {
        images: Store::open(&installation.root)?,
        volumes: Volumes::open(&installation.root)?,
        network: Driver::new(&network_names::prefix(&installation.root, &name))?,
        record,
        ledger,
        name,
        installation,
    };
    let project = project::Project::new(parts)?;
    project.resolver.set_upstream(etc::host_servers());
    let found = adopt::Known {
        containers: known.containers.into_values().collect(),
        damaged: known.damaged,
    };
    adopt::all(&project, found).await?;
    project.clear_gone();
    listener.set_nonblocking(true)?;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    tokio::task::spawn_local(neighbours::listen(project.clone()));
    tokio::task::spawn_local(home::end_without(project.clone()));
    server::Server::new(project.clone(), succession)
        .run(listener)
        .await?;
    forward::flush(&project).await;
    project.publish_names();
    project.take_socket_away();
    project.clear_aside();
    Ok(())
}

fn new_record(
    installation: &Paths,
    name: &ProjectName,
) -> ProjectRecord<crate::network::spec::NetworkSpec> {
    ProjectRecord {
        version: record::VERSION,
        name: name.clone(),
        directory: PathBuf::from("/"),
        files: Vec::new(),
        networks: Vec::new(),
        cgroup: cgroup(installation, name),
        made_from: std::collections::BTreeMap::new(),
    }
}

/// Where the project's cgroups are, below each hierarchy's base: told apart also from a project of the same name in
/// another state root.
fn cgroup(installation: &Paths, name: &ProjectName) -> String {
    format!(
        "hoist/{name}-{}",
        network_names::prefix(&installation.root, name)
    )
}

/// The lock, inherited from who started us or taken here; `None` if another supervisor holds it.
fn take_lock(paths: &ProjectPaths, inherited: Option<OwnedFd>) -> std::io::Result<Option<Lock>> {
    match inherited {
        Some(fd) => Ok(Some(Lock::inherited(fd))),
        None => Lock::try_take(&paths.lock()),
    }
}

/// Closes what a careless parent left open in us: a shell's pipe would not end as long as we live.
fn shed_inherited(keep: &[&Option<OwnedFd>]) -> std::io::Result<()> {
    let keep: Vec<i32> = keep
        .iter()
        .filter_map(|fd| Some(fd.as_ref()?.as_raw_fd()))
        .collect();
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in open {
        if number > 2 && !keep.contains(&number) {
            drop(sys::process::inherited(number));
        }
    }
    Ok(())
}

/// Listens at a project's control socket in place of a dead supervisor. The path goes through the folder's descriptor,
/// since a socket's own path may not be longer than 107 bytes.
pub fn listen(run: &Path) -> std::io::Result<UnixListener> {
    let dir = File::open(run)?;
    let path = format!("/proc/self/fd/{}/control.sock", dir.as_raw_fd());
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => UnixListener::bind(path),
    }
}

fn inherited(variable: &str) -> Option<OwnedFd> {
    let number = std::env::var(variable).ok()?.parse().ok()?;
    sys::process::inherited(number)
}
