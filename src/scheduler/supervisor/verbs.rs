//! Requests made plans, and plans made true.

use super::container::{Container, Phase};
use super::control::{Exec, Failure, Reply, Request, Run, Select};
use super::jobs::Job;
use super::look;
use super::machine::Command;
use super::memory::Durable;
use super::project::Project;
use super::single;
use super::summary;
use crate::id::ServiceName;
use crate::scheduler::action::Action;
use crate::scheduler::execute::{Cancel, ExecuteError, HostError, execute};
use crate::scheduler::plan::Plan;
use crate::scheduler::reconcile::Verb;
use crate::state::event::{Event, Subject, What};
use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// Who waits longer than this for another command is told so.
const SHORT: Duration = Duration::from_secs(1);

/// Runs requests; changing ones one after the other.
pub struct Verbs {
    pub(super) project: Rc<Project>,
    turn: Mutex<()>,
    /// The verb whose turn it is.
    at: Cell<&'static str>,
    /// The `up` or `start` under way, which a verb that stops things cancels.
    rising: RefCell<Option<Cancel>>,
    /// The project's folders are given back: whoever still asks must ask the next supervisor.
    left: Cell<bool>,
}

pub(super) type Sink<'a> = &'a mut dyn FnMut(Event);

/// The end of a verb that was carried out.
pub(super) type Done = Result<(Reply, Vec<OwnedFd>), Failure>;

/// What a request comes to; `None` = hang up, the next supervisor answers.
type Answer = Result<Option<(Reply, Vec<OwnedFd>)>, Failure>;

impl Verbs {
    /// For this project.
    pub fn new(project: Rc<Project>) -> Self {
        Self {
            project,
            turn: Mutex::new(()),
            at: Cell::new("command"),
            rising: RefCell::new(None),
            left: Cell::new(false),
        }
    }

    /// Runs one request to its end.
    pub async fn run(&self, request: Request, cancel: &Cancel, sink: Sink<'_>) -> Answer {
        let reply = match request {
            Request::Ping => pong(),
            Request::Ps => Reply::Containers(summary::all(&self.project)),
            Request::Exec(exec) => return self.exec(&exec).map(Some),
            Request::Wait(select) => self.wait(&select).await?,
            Request::WaitFor(wait) => self.end_of(&wait.container)?.await?,
            Request::Attach(attach) => return self.attach(&attach).await.map(Some),
            Request::Signal(signal) => self.signal(&signal).await?,
            Request::Resize(size) => self.resize(&size)?,
            Request::Usage(select) => {
                Reply::Usage(look::usage(&self.project, &self.chosen(&select)?))
            }
            Request::Processes(select) => Reply::Processes(look::processes(&self.chosen(&select)?)),
            Request::Root(place) => {
                let container = single::find(&self.project, &place)?;
                return look::root(&self.project, &container).map(Some);
            }
            Request::Run(run) => {
                let mut sink = renamed(&run, sink);
                let verb = ("run", cancel);
                return self.rise(verb, &mut sink, |v| v.run_one(&run)).await;
            }
            Request::Pause(select) => {
                let job = |v: &Self| v.selected(Verb::Pause, &select);
                return self.rise(("pause", cancel), sink, job).await;
            }
            Request::Unpause(select) => {
                let job = |v: &Self| v.selected(Verb::Unpause, &select);
                return self.rise(("unpause", cancel), sink, job).await;
            }
            Request::Up(up) => return self.rise(("up", cancel), sink, |v| v.up(&up)).await,
            Request::Start(start) => {
                return self
                    .rise(("start", cancel), sink, |v| v.start(&start))
                    .await;
            }
            Request::Restart(select) => {
                let verb = ("restart", cancel);
                return self.rise(verb, sink, |v| v.restart(&select)).await;
            }
            Request::Down(down) => {
                self.hasten(down.timeout, &down.services);
                return self.fall(("down", cancel), sink, |v| v.down(&down)).await;
            }
            Request::Stop(select) => {
                self.hasten(select.timeout, &select.services);
                // Once the machine goes down, it does.
                let halting = &self.project.halting;
                halting.set(halting.get() || select.halt);
                return self.fall(("stop", cancel), sink, |v| v.stop(&select)).await;
            }
            Request::Kill(kill) => return self.hurry(cancel, sink, |v| v.kill(&kill)).await,
            Request::Remove(remove) => {
                return self.fall(("rm", cancel), sink, |v| v.remove(&remove)).await;
            }
        };
        Ok(Some((reply, Vec::new())))
    }

    /// While this is held, nothing changes.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Waits for what is under way to end, and says so if that takes long.
    async fn my_turn(
        &self,
        (verb, cancel): (&'static str, &Cancel),
        sink: Sink<'_>,
    ) -> Result<MutexGuard<'_, ()>, Failure> {
        let turn = self.turn.lock();
        tokio::pin!(turn);
        let turn = match tokio::time::timeout(SHORT, &mut turn).await {
            Ok(turn) => turn,
            Err(_) => {
                let text = format!("waiting for the `{}` that is under way", self.at.get());
                sink(warning(self.project.now(), text));
                tokio::select! {
                    turn = &mut turn => turn,
                    () = cancel.cancelled() => return Err(Failure::text("cancelled")),
                }
            }
        };
        self.at.set(verb);
        Ok(turn)
    }

    /// A verb that starts things: a later one that stops things may cancel it.
    pub(super) async fn rise(
        &self,
        (verb, cancel): (&'static str, &Cancel),
        sink: Sink<'_>,
        job: impl FnOnce(&Self) -> Result<Job, Failure>,
    ) -> Answer {
        let _turn = self.my_turn((verb, cancel), sink).await?;
        if self.left.get() {
            return Ok(None);
        }
        self.rising.replace(Some(cancel.clone()));
        let done = self.walk(job(self), cancel, sink).await;
        self.rising.replace(None);
        self.leave(done)
    }

    /// A verb that stops things does not wait for one that starts them.
    async fn fall(
        &self,
        (verb, cancel): (&'static str, &Cancel),
        sink: Sink<'_>,
        job: impl FnOnce(&Self) -> Result<Job, Failure>,
    ) -> Answer {
        if let Some(rising) = &*self.rising.borrow() {
            rising.cancel();
        }
        let _turn = self.my_turn((verb, cancel), sink).await?;
        if self.left.get() {
            return Ok(None);
        }
        let done = self.walk(job(self), cancel, sink).await;
        self.leave(done)
    }

    /// A command with less patience does not wait for the grace that an earlier one gives.
    fn hasten(&self, limit: Option<Duration>, services: &[ServiceName]) {
        let Some(limit) = limit else { return };
        let meant = |name: &str| services.is_empty() || services.iter().any(|s| s.as_str() == name);
        for container in self.project.all() {
            if meant(&container.record.service) {
                let _ = container.commands.send(Command::Hasten(limit));
            }
        }
    }

    /// A signal waits for nobody's turn: it may be what ends a `stop` that is under way (the second Ctrl-C).
    async fn hurry(
        &self,
        cancel: &Cancel,
        sink: Sink<'_>,
        job: impl FnOnce(&Self) -> Result<Job, Failure>,
    ) -> Answer {
        if let Some(rising) = &*self.rising.borrow() {
            rising.cancel();
        }
        self.walk(job(self), cancel, sink).await.map(Some)
    }

    /// Gives the project's folders back if nothing of it is (or was ever) there.
    fn leave(&self, done: Done) -> Answer {
        let left = self.project.leave_if_empty();
        self.left.set(!matches!(left, Ok(false)));
        if !self.left.get() {
            self.project.clear_gone();
        }
        let done = done?;
        left.map_err(|e| failure(&e))?;
        Ok(Some(done))
    }

    async fn walk(&self, job: Result<Job, Failure>, cancel: &Cancel, sink: Sink<'_>) -> Done {
        let mut job = job?;
        if job.dry_run {
            return Ok((Reply::Plan(job.plan.to_string()), Vec::new()));
        }
        let starts = job.plan.steps().filter_map(|(_, node)| match &node.action {
            Action::StartContainer { container } => Some(container.id.clone()),
            _ => None,
        });
        job.host.starts = starts.collect();
        match job.host.starts.len() {
            0 => {}
            starts => self.project.prepare(starts),
        }
        let news = self.project.news();
        for text in news.into_iter().chain(job.plan.warnings.iter().cloned()) {
            sink(warning(self.project.now(), text));
        }
        let mut dated = dated(&self.project, &job.plan, sink);
        let executed = execute(&job.plan, &job.host, job.walk, cancel, &mut dated).await;
        drop(dated);
        for text in job.host.take_warnings() {
            sink(warning(self.project.now(), text));
        }
        self.project.save().map_err(|e| failure(&e))?;
        let durable = Durable::of(&job.plan);
        if durable == Durable::First {
            self.project.sync().await.map_err(|e| failure(&e))?;
        }
        self.project.come_to_rest(durable == Durable::Soon);
        if let Err(error) = executed {
            let mut failure = execution_failure(&error);
            self.roll_back(&job, &error, sink, &mut failure).await;
            self.clear_unbegun(&job).await;
            let failure = single::with_code(&self.project, job.single.as_deref(), failure);
            if let Some(name) = &job.single {
                self.discard(name).await;
            }
            return Err(failure);
        }
        match &job.single {
            Some(name) => single::attached(&self.project, name, job.host.attached.take()),
            None => Ok((Reply::Done, Vec::new())),
        }
    }

    async fn wait(&self, request: &Select) -> Result<Reply, Failure> {
        let chosen = self.chosen(request)?;
        let mut exits = Vec::new();
        let alone = |c: &Rc<Container>| c.is_one_off() && request.containers.is_empty();
        for container in chosen.into_iter().filter(|c| !alone(c)) {
            let status = container
                .until(|s| matches!(s.phase, Phase::Created | Phase::Exited))
                .await;
            exits.push((
                status.finished,
                container.record.name.clone(),
                status.exit_code.unwrap_or(0),
            ));
        }
        exits.sort();
        Ok(Reply::Exits(
            exits
                .into_iter()
                .map(|(_, name, code)| (name, code))
                .collect(),
        ))
    }

    fn chosen(&self, request: &Select) -> Result<Vec<Rc<super::container::Container>>, Failure> {
        let (services, containers) = (&request.services, &request.containers);
        let all = self.project.all();
        for service in services {
            if !all.iter().any(|c| c.record.service == service.as_str()) {
                return Err(Failure::text(format!(
                    "no container of service `{service}`"
                )));
            }
        }
        let named = |name: &str| services.is_empty() || services.iter().any(|s| s.as_str() == name);
        let chosen = |id: &str| containers.is_empty() || containers.iter().any(|c| c == id);
        let mut all = all;
        all.retain(|c| named(&c.record.service) && chosen(c.record.id.as_str()));
        all.sort_by(|a, b| {
            (&a.record.service, a.record.number).cmp(&(&b.record.service, b.record.number))
        });
        Ok(all)
    }

    fn exec(&self, request: &Exec) -> Result<(Reply, Vec<OwnedFd>), Failure> {
        super::exec::start(&self.project, request)
    }
}

/// Who answers.
fn pong() -> Reply {
    Reply::Pong {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id() as i32,
    }
}

/// Events of a one-off container tell the service it is of, not the one that was made up for it.
fn renamed<'a>(run: &'a Run, sink: Sink<'a>) -> impl FnMut(Event) + 'a {
    move |mut event| {
        if let (Subject::Container { service, .. }, Some(one_off)) =
            (&mut event.subject, &run.one_off)
            && run.up.services.iter().any(|key| key.as_str() == service)
        {
            *service = one_off.of.to_string();
        }
        sink(event);
    }
}

/// Stops say when they end in a kill.
fn dated<'a>(project: &'a Project, plan: &'a Plan, sink: Sink<'a>) -> impl FnMut(Event) + 'a {
    move |mut event| {
        if let (What::Stopping, Subject::Container { id, .. }) = (&event.what, &event.subject) {
            let grace = plan.steps().find_map(|(_, node)| match &node.action {
                Action::StopContainer { container, timeout } if container.id.as_str() == id => {
                    Some(*timeout)
                }
                _ => None,
            });
            let own = || {
                project
                    .all()
                    .into_iter()
                    .find(|it| it.record.id.as_str() == id)
            };
            let own = || own().map(|it| it.record.launch.grace);
            let grace = grace.flatten().or_else(own).map(|it| it.as_nanos());
            let grace = grace.and_then(|it| i64::try_from(it).ok());
            event.until = grace.map(|grace| event.time.saturating_add(grace));
        }
        sink(event);
    }
}

/// A host's error for the client.
pub(super) fn failure(error: &HostError) -> Failure {
    let mut failure = Failure::new(error);
    failure.hint = error.hint();
    failure
}

fn execution_failure(error: &ExecuteError) -> Failure {
    match error {
        ExecuteError::Failed { failures, cleanup } => {
            let mut all = failures.iter().map(|f| failure(&f.error));
            let mut first = all
                .next()
                .unwrap_or_else(|| Failure::text("the operation failed"));
            let more = |f: Failure| {
                std::iter::once(f.message)
                    .chain(f.causes)
                    .collect::<Vec<_>>()
                    .join(": ")
            };
            first.causes.extend(all.map(more));
            first.causes.extend(
                cleanup
                    .iter()
                    .map(|f| format!("while cleaning up: {}", more(failure(&f.error)))),
            );
            first
        }
        other => Failure::new(other),
    }
}

pub(super) fn warning(time: i64, text: String) -> Event {
    Event {
        time,
        subject: Subject::Project,
        what: What::Warning { text },
        cause: String::new(),
        until: None,
    }
}
