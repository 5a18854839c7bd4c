//! `exec`: another process in a running container, its streams handed to the client.

use super::container::Container;
use super::control::{Exec, Failure, Reply};
use super::project::Project;
use crate::runtime::capabilities;
use crate::runtime::exec::ExecHandle;
use crate::runtime::exec::ExecRequest;
use crate::runtime::spec::{ProcessSpec, Seccomp};
use std::os::fd::OwnedFd;

/// Starts it. The descriptors of the reply: control, then stdin (if asked for), stdout and stderr (without a terminal).
pub fn start(project: &Project, request: &Exec) -> Result<(Reply, Vec<OwnedFd>), Failure> {
    let mut replicas: Vec<_> = project
        .all()
        .into_iter()
        .filter(|c| match &request.container {
            Some(id) => c.record.id.as_str() == id,
            None => c.record.service == request.service && !c.is_one_off(),
        })
        .collect();
    replicas.sort_by_key(|c| c.record.number);
    let wanted = |number: u32| request.index.is_none_or(|index| index == number);
    let container = replicas
        .iter()
        .find(|c| wanted(c.record.number) && c.is_running());
    let container = container.ok_or_else(|| {
        let paused = replicas
            .iter()
            .find(|c| wanted(c.record.number) && c.lives());
        paused.map_or_else(|| not_running(request, replicas.len()), |c| frozen(c))
    })?;
    let (pid, start_time) = container
        .status
        .borrow()
        .process
        .ok_or_else(|| not_running(request, replicas.len()))?;
    let spec = &container.record.launch.spec;
    let privileged = spec.privileged || request.privileged;
    let handle = project
        .exec(&ExecRequest {
            pid,
            start_time,
            cgroup: spec.cgroup.path.clone(),
            process: process(&spec.process, request, privileged)?,
            seccomp: if privileged {
                Seccomp::Unconfined
            } else {
                spec.seccomp.clone()
            },
            privileged,
            terminal: request.tty,
            kill_on_hangup: false,
        })
        .map_err(|e| Failure::new(&e))?;
    let ExecHandle {
        control,
        stdin,
        stdout,
        stderr,
    } = handle;
    let fds =
        std::iter::once(control.into_socket()).chain([stdin, stdout, stderr].into_iter().flatten());
    Ok((Reply::Exec, fds.collect()))
}

fn frozen(container: &Container) -> Failure {
    let (name, service) = (&container.record.name, &container.record.service);
    Failure::text(format!(
        "container `{name}` is paused, nothing can be executed in it"
    ))
    .with_hint(format!("hoist unpause {service}"))
}

fn not_running(request: &Exec, replicas: usize) -> Failure {
    let service = &request.service;
    match (replicas, request.index) {
        (0, _) => Failure::text(format!("service `{service}` has no container"))
            .with_hint(format!("hoist up -d {service}")),
        (_, Some(index)) => Failure::text(format!(
            "service `{service}` has no running container number {index}"
        ))
        .with_hint(format!("hoist ps -a {service}")),
        (_, None) => Failure::text(format!("service `{service}` is not running"))
            .with_hint(format!("hoist start {service}")),
    }
}

fn process(base: &ProcessSpec, request: &Exec, privileged: bool) -> Result<ProcessSpec, Failure> {
    let mut process = base.clone();
    process.args.clone_from(&request.command);
    process.tty = request.tty.is_some();
    process.stdin = request.stdin;
    let term = request.tty.is_some().then(|| "TERM=xterm".to_owned());
    for entry in term.iter().chain(&request.env) {
        let key = entry.split('=').next().unwrap_or_default();
        process.env.retain(|e| e.split('=').next() != Some(key));
        process.env.push(entry.clone());
    }
    if let Some(user) = &request.user {
        process.user.clone_from(user);
    }
    if let Some(workdir) = &request.workdir {
        process.cwd.clone_from(workdir);
    }
    if privileged {
        process.capabilities =
            capabilities::effective_set(&[], &[], true).map_err(|e| Failure::new(&e))?;
    }
    Ok(process)
}
