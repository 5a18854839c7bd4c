//! OCI hooks: programs that vendors of devices have run while a container with their device is made.
//!
//! ```text
//!  first process: root filesystem and mounts ──'H'──▶ shim: prestart, createRuntime (the host's namespaces)
//!                 createContainer (the container's namespaces, the host's root) ◀──gate── shim
//! ```
//!
//! They are found in files that only root can write, and run as root outside of the container's root filesystem, as every
//! OCI runtime runs them. Standard input has the container's state, which names a bundle: a folder of ours with a
//! `config.json` that tells where the root filesystem is. Source: OCI runtime specification 1.2, "POSIX-platform hooks".

use super::error::{At, StartFailure, Step};
use super::spec::{ContainerSpec, HookSpec, HookStage, Rootfs};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::json;
use std::fs::{DirBuilder, File};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

/// Version of the OCI runtime specification that states and bundles are written by.
const VERSION: &str = "1.2.0";
/// How long a hook may take that does not say it, seconds.
const PATIENCE: u64 = 60;
/// So much of what a hook says is shown if it fails, bytes.
const LAST_WORDS: u64 = 1000;

/// Where a container's bundle is, if it has hooks.
fn bundle(spec: &ContainerSpec) -> PathBuf {
    let Rootfs::Overlay { upper, .. } = &spec.rootfs;
    upper.with_file_name("bundle")
}

/// Makes the bundle of a container with hooks, anew for each start; `root` is where its root filesystem will be.
pub(super) fn prepare(spec: &ContainerSpec, root: &Path) -> Result<(), StartFailure> {
    if spec.hooks.is_empty() {
        return Ok(());
    }
    let folder = bundle(spec);
    let process = &spec.process;
    let config = json!({
        "ociVersion": VERSION,
        "root": {"path": root, "readonly": spec.read_only},
        "hostname": spec.hostname,
        "process": {
            "args": process.args, "env": process.env, "cwd": process.cwd, "terminal": process.tty,
        },
        "annotations": spec.annotations,
    });
    let made = DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(&folder);
    made.and_then(|()| std::fs::write(folder.join("config.json"), config.to_string()))
        .at(Step::Hook, || {
            format!("write the bundle `{}`", folder.display())
        })
}

/// Runs the hooks of a stage, one after the other in the order of their files. `pid` is that of the container's first
/// process as the hook's PID namespace has it.
pub(super) fn run(spec: &ContainerSpec, stage: HookStage, pid: i32) -> Result<(), StartFailure> {
    let state = json!({
        "ociVersion": VERSION,
        "id": spec.id,
        "status": "creating",
        "pid": pid,
        "bundle": bundle(spec),
        "annotations": spec.annotations,
    })
    .to_string();
    for hook in spec.hooks.iter().filter(|hook| hook.stage == stage) {
        let what = || format!("run the hook `{}`", hook.path.display());
        let (status, said) = execute(hook, &state).at(Step::Hook, what)?;
        if !status.success() {
            let text = format!("{}: it ended with {status}{said}", what());
            return Err(StartFailure::new(Step::Hook, text));
        }
    }
    Ok(())
}

/// Runs one to its end. Gives how it ended, and if it failed its last words.
fn execute(hook: &HookSpec, state: &str) -> io::Result<(ExitStatus, String)> {
    let mut input = memory()?;
    input.write_all(state.as_bytes())?;
    input.rewind()?;
    let said = memory()?;
    let mut command = Command::new(&hook.path);
    if let Some((name, args)) = hook.args.split_first() {
        command.arg0(name).args(args);
    }
    let child = command
        .env_clear()
        .envs(hook.env.iter().filter_map(|entry| entry.split_once('=')))
        .stdin(input)
        .stdout(said.try_clone()?)
        .stderr(said.try_clone()?)
        .spawn()?;
    let status = wait(child, hook.timeout.unwrap_or(PATIENCE))?;
    let words = if status.success() {
        String::new()
    } else {
        last_words(&said)?
    };
    Ok((status, words))
}

/// A file that no folder has.
fn memory() -> io::Result<File> {
    Ok(rustix::fs::memfd_create(c"hook", MemfdFlags::CLOEXEC)?.into())
}

fn wait(mut child: Child, seconds: u64) -> io::Result<ExitStatus> {
    let pid = Pid::from_raw(child.id().cast_signed()).ok_or(io::ErrorKind::NotFound)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let limit = Timespec {
        tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX),
        tv_nsec: 0,
    };
    let ended = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit));
    if ended == Ok(0) {
        child.kill()?;
        child.wait()?;
        let text = format!("it did not end within {seconds} s");
        return Err(io::Error::new(io::ErrorKind::TimedOut, text));
    }
    child.wait()
}

fn last_words(said: &File) -> io::Result<String> {
    let from = said.metadata()?.len().saturating_sub(LAST_WORDS);
    let mut words = vec![0; LAST_WORDS as usize];
    let count = said.read_at(&mut words, from)?;
    let text = String::from_utf8_lossy(&words[..count]);
    Ok(match text.trim() {
        "" => String::new(),
        text => format!(", and said: {text}"),
    })
}
