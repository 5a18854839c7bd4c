//! One container: running it, attaching to it, waiting for its end, and removing it then if that was wished.

use super::container::{Container, Phase, Status};
use super::control::{Attach, Attached, Failure, Place, Reply, Run, Select, Signal, TerminalSize};
use super::jobs::Job;
use super::machine::Command;
use super::memory::Durable;
use super::project::Project;
use super::verbs::{Done, Verbs, failure};
use crate::runtime::shim::protocol::Attachment;
use crate::scheduler::action::Action;
use crate::scheduler::execute::{Cancel, execute};
use crate::scheduler::host::AttachWish;
use crate::scheduler::reconcile::Verb;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::sync::oneshot;

/// How a container goes that was to be removed after its end.
const REMOVE: Verb = Verb::Remove {
    stop: false,
    volumes: true,
};

impl Verbs {
    /// An `up` of one service that tells which container it started, and hands its streams over.
    pub(super) fn run_one(&self, request: &Run) -> Result<Job, Failure> {
        let [service] = request.up.services.as_slice() else {
            return Err(Failure::text("a run is of one service"));
        };
        let of = request
            .one_off
            .as_ref()
            .map_or(service, |one_off| &one_off.of);
        let named = |failure| renamed(failure, service.as_str(), of.as_str());
        let mut job = self.up(&request.up).map_err(named)?;
        let one_off = request.one_off.clone().map(|o| (service.clone(), o));
        job.host.one_offs.extend(one_off);
        let name = job.plan.steps().find_map(|(_, node)| match &node.action {
            Action::StartContainer { container } if container.service == *service => {
                Some(container.name.clone())
            }
            _ => None,
        });
        if let (Some(name), Some(attach)) = (&name, &request.attach) {
            job.host.attach = Some(AttachWish {
                container: name.clone(),
                stdin: attach.stdin,
                terminal: attach.terminal,
            });
        }
        if name.is_none() && !job.dry_run && !request.up.no_start {
            return Err(Failure::text(format!("service `{service}` runs already")));
        }
        job.single = name;
        Ok(job)
    }

    /// Hands over the streams of a running container.
    pub(super) async fn attach(&self, request: &Attach) -> Done {
        let container = find(&self.project, &request.place)?;
        let name = &container.record.name;
        if !container.lives() {
            return Err(Failure::text(format!(
                "cannot attach to container `{name}`: it does not run"
            ))
            .with_hint(format!("hoist start {}", container.record.service)));
        }
        let (answer, attachment) = oneshot::channel();
        let command = Command::Attach {
            close_stdin: false,
            lossless: request.lossless,
            answer,
        };
        let _ = container.commands.send(command);
        if let Some((rows, cols)) = request.terminal {
            let _ = container.commands.send(Command::Resize(rows, cols));
        }
        let lost = |_| Failure::text(format!("container `{name}` has no shim to attach through"));
        let attachment = attachment.await.map_err(lost)?;
        let (mut reply, fds) = streams(&container, Some(attachment));
        reply.lossless = request.lossless;
        Ok((Reply::Attached(reply), fds))
    }

    /// Waits until a container's PID 1 has ended; hooks that ran beside it are told of if they alone have failed. The
    /// container is looked up at once, so that it may be removed meanwhile.
    pub(super) fn end_of(
        &self,
        id: &str,
    ) -> Result<impl Future<Output = Result<Reply, Failure>> + use<>, Failure> {
        let container = by_id(&self.project, id)?;
        let process = container.status.borrow().process;
        Ok(async move {
            // A restart ends it, too: what comes after is another run.
            let over = |s: &Status| s.phase == Phase::Exited || s.process != process;
            let status = container.until(over).await;
            let code = status.exit_code.unwrap_or(255);
            let hooks = container.hooks.take();
            if let (0, Some(hooks)) = (code, hooks)
                && let Ok(Err(error)) = hooks.await
            {
                return Err(failure(&error));
            }
            Ok(Reply::Exits(vec![(container.record.name.clone(), code)]))
        })
    }

    pub(super) async fn signal(&self, request: &Signal) -> Result<Reply, Failure> {
        let container = by_id(&self.project, &request.container)?;
        container
            .ask(|answer| Command::Signal(request.signal, answer))
            .await
            .map_err(|e| failure(&e))?;
        Ok(Reply::Done)
    }

    pub(super) fn resize(&self, request: &TerminalSize) -> Result<Reply, Failure> {
        let container = by_id(&self.project, &request.container)?;
        let _ = container
            .commands
            .send(Command::Resize(request.rows, request.cols));
        Ok(Reply::Done)
    }

    /// Removes a container that was to be removed after its end, and has not even begun. The turn is ours already.
    pub(super) async fn discard(&self, name: &str) {
        let all = self.project.all();
        let is_it = |c: &&Rc<Container>| c.record.name == name && c.record.launch.auto_remove;
        let Some(container) = all.iter().find(is_it).filter(|c| !c.lives()) else {
            return;
        };
        let request = Select {
            containers: vec![container.record.id.to_string()],
            ..Select::default()
        };
        // What fails here is still there for `rm`, and `ps -a` shows it.
        let Ok(job) = self.selected(REMOVE, &request) else {
            return;
        };
        let mut note = |event| self.project.note(&event);
        let _ = execute(
            &job.plan,
            &job.host,
            job.walk,
            &Cancel::default(),
            &mut note,
        )
        .await;
        let _ = self.project.save();
        self.project
            .come_to_rest(Durable::of(&job.plan) == Durable::Soon);
    }

    /// Removes the containers that were to be removed after their end.
    pub async fn sweep(&self) {
        let over = |c: &Rc<Container>| {
            let status = c.status.borrow();
            let failed = status.phase == Phase::Created && status.exit_code.is_some();
            c.record.launch.auto_remove && (status.phase == Phase::Exited || failed)
        };
        let over: Vec<_> = self.project.all().into_iter().filter(over).collect();
        if over.is_empty() {
            return;
        }
        let request = Select {
            containers: over.iter().map(|c| c.record.id.to_string()).collect(),
            ..Select::default()
        };
        let note = |event| self.project.note(&event);
        // What fails here is still there for `rm`, and `ps -a` shows it.
        let _ = self
            .rise(("rm", &Cancel::default()), &mut { note }, |v| {
                v.selected(REMOVE, &request)
            })
            .await;
    }
}

/// The service that was made up for a container is not one the user knows.
fn renamed(mut failure: Failure, key: &str, of: &str) -> Failure {
    let texts = failure.causes.iter_mut().chain(&mut failure.hint);
    for text in texts.chain([&mut failure.message]) {
        *text = text.replace(key, of);
    }
    failure
}

/// The container that is meant.
pub(super) fn find(project: &Project, place: &Place) -> Result<Rc<Container>, Failure> {
    if let Some(id) = &place.container {
        return by_id(project, id);
    }
    let mut replicas = project.all();
    replicas.retain(|c| c.record.service == place.service && !c.is_one_off());
    replicas.sort_by_key(|c| c.record.number);
    let wanted = |c: &&Rc<Container>| place.index.is_none_or(|index| index == c.record.number);
    let service = &place.service;
    replicas.iter().find(wanted).cloned().ok_or_else(|| {
        let text = match place.index {
            Some(index) => format!("service `{service}` has no container number {index}"),
            None => format!("service `{service}` has no container"),
        };
        Failure::text(text).with_hint(format!("hoist up -d {service}"))
    })
}

fn by_id(project: &Project, id: &str) -> Result<Rc<Container>, Failure> {
    let all = project.all();
    let found = all.into_iter().find(|c| c.record.id.as_str() == id);
    found.ok_or_else(|| Failure::text(format!("no such container: `{id}`")).with_code(125))
}

/// A run that failed to start has the exit code that its container would have had: 126, 127.
pub(super) fn with_code(project: &Project, name: Option<&str>, failure: Failure) -> Failure {
    let all = project.all();
    let container = all.iter().find(|c| Some(c.record.name.as_str()) == name);
    let code = container.and_then(|c| c.status.borrow().exit_code);
    match code.and_then(|code| u8::try_from(code).ok()) {
        Some(code) if code > 0 => failure.with_code(code),
        _ => failure,
    }
}

/// The answer to a run.
pub(super) fn attached(project: &Project, name: &str, attachment: Option<Attachment>) -> Done {
    let all = project.all();
    let container = all.iter().find(|c| c.record.name == name);
    let container = container
        .ok_or_else(|| Failure::text(format!("container `{name}` was removed meanwhile")))?;
    let (reply, fds) = streams(container, attachment);
    Ok((Reply::Attached(reply), fds))
}

fn streams(container: &Container, attachment: Option<Attachment>) -> (Attached, Vec<OwnedFd>) {
    let mut reply = Attached {
        container: container.record.id.to_string(),
        name: container.record.name.clone(),
        terminal: false,
        stdin: false,
        lossless: true,
    };
    let fds = match attachment {
        None => Vec::new(),
        Some(Attachment::Terminal(socket)) => {
            reply.terminal = true;
            vec![socket]
        }
        Some(Attachment::Pipes {
            stdin,
            stdout,
            stderr,
        }) => {
            reply.stdin = stdin.is_some();
            stdin.into_iter().chain([stdout, stderr]).collect()
        }
    };
    (reply, fds)
}
