//! Requests made plans, and plans made true.

use super::control::{Down, Exec, Failure, Kill, Remove, Reply, Request, Select, Start, Up};
use super::launch::DependsOn;
use super::observe;
use super::project::Project;
use super::summary;
use crate::compose;
use crate::compose::model;
use crate::id::ContainerId;
use crate::id::Digest;
use crate::id::ServiceName;
use crate::scheduler::action::Kind;
use crate::scheduler::desired::{Desired, ImageFacts};
use crate::scheduler::execute::{Cancel, ExecuteError, HostError, Walk, execute};
use crate::scheduler::graph;
use crate::scheduler::host::RealHost;
use crate::scheduler::plan::Plan;
use crate::scheduler::reconcile::{self, Options, Recreate, Verb, reconcile};
use crate::state::event::{Event, Subject, What};
use crate::state::store;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Runs requests; changing ones one after the other.
pub struct Verbs {
    project: Rc<Project>,
    turn: Mutex<()>,
    /// The `up` or `start` under way, which a verb that stops things cancels.
    rising: RefCell<Option<Cancel>>,
    /// The project's folders are given back: whoever still asks must ask the next supervisor.
    left: Cell<bool>,
}

type Sink<'a> = &'a mut dyn FnMut(Event);

/// What a request comes to; `None` = hang up, the next supervisor answers.
type Answer = Result<Option<(Reply, Vec<OwnedFd>)>, Failure>;

/// A plan with what is needed to walk it.
struct Job {
    plan: Plan,
    host: RealHost,
    walk: Walk,
    dry_run: bool,
}

impl Verbs {
    /// For this project.
    pub fn new(project: Rc<Project>) -> Self {
        Self {
            project,
            turn: Mutex::new(()),
            rising: RefCell::new(None),
            left: Cell::new(false),
        }
    }

    /// Runs one request to its end.
    pub async fn run(&self, request: Request, cancel: &Cancel, sink: Sink<'_>) -> Answer {
        let reply = match request {
            Request::Ping => Reply::Pong {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id() as i32,
            },
            Request::Ps => Reply::Containers(summary::all(&self.project)),
            Request::Exec(exec) => return self.exec(&exec).map(Some),
            Request::Wait(select) => self.wait(&select).await?,
            Request::Up(up) => return self.rise(cancel, sink, |v| v.up(&up)).await,
            Request::Start(start) => return self.rise(cancel, sink, |v| v.start(&start)).await,
            Request::Restart(select) => {
                return self.rise(cancel, sink, |v| v.restart(&select)).await;
            }
            Request::Down(down) => return self.fall(cancel, sink, |v| v.down(&down)).await,
            Request::Stop(select) => return self.fall(cancel, sink, |v| v.stop(&select)).await,
            Request::Kill(kill) => return self.fall(cancel, sink, |v| v.kill(&kill)).await,
            Request::Remove(remove) => return self.fall(cancel, sink, |v| v.remove(&remove)).await,
        };
        Ok(Some((reply, Vec::new())))
    }

    /// A verb that starts things: a later one that stops things may cancel it.
    async fn rise(
        &self,
        cancel: &Cancel,
        sink: Sink<'_>,
        job: impl FnOnce(&Self) -> Result<Job, Failure>,
    ) -> Answer {
        let _turn = self.turn.lock().await;
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
        cancel: &Cancel,
        sink: Sink<'_>,
        job: impl FnOnce(&Self) -> Result<Job, Failure>,
    ) -> Answer {
        if let Some(rising) = &*self.rising.borrow() {
            rising.cancel();
        }
        let _turn = self.turn.lock().await;
        if self.left.get() {
            return Ok(None);
        }
        let done = self.walk(job(self), cancel, sink).await;
        self.leave(done)
    }

    /// Gives the project's folders back if nothing of it is (or was ever) there.
    fn leave(&self, done: Result<Reply, Failure>) -> Answer {
        let left = self.project.leave_if_empty();
        self.left.set(!matches!(left, Ok(false)));
        let reply = done?;
        left.map_err(|e| failure(&e))?;
        Ok(Some((reply, Vec::new())))
    }

    async fn walk(
        &self,
        job: Result<Job, Failure>,
        cancel: &Cancel,
        sink: Sink<'_>,
    ) -> Result<Reply, Failure> {
        let job = job?;
        if job.dry_run {
            return Ok(Reply::Plan(job.plan.to_string()));
        }
        let starts = job
            .plan
            .steps()
            .filter(|(_, node)| node.action.kind() == Kind::StartContainer);
        match starts.count() {
            0 => {}
            starts => self.project.prepare(starts),
        }
        for text in job.plan.warnings.iter().cloned() {
            sink(Event {
                time: self.project.now(),
                subject: Subject::Project,
                what: What::Warning { text },
                cause: String::new(),
            });
        }
        let executed = execute(&job.plan, &job.host, job.walk, cancel, sink).await;
        self.project.save().map_err(|e| failure(&e))?;
        if !job.plan.is_empty() {
            store::sync(&self.project.paths.root).map_err(|e| Failure::new(&e))?;
        }
        executed
            .map(|()| Reply::Done)
            .map_err(|e| execution_failure(&e))
    }

    fn up(&self, request: &Up) -> Result<Job, Failure> {
        let model = compose::load_canonical(&request.canonical)
            .map_err(|e| Failure::text(format!("the project text cannot be read back: {e}")))?;
        let host = RealHost::new(self.project.clone(), None, HashMap::new());
        let scale = request.scale.iter().map(|(k, v)| (k.clone(), *v)).collect();
        let fingerprint = |service: &model::Service| compose::fingerprint::service(&model, service);
        let facts = |name: &str| image_facts(&host, name);
        let desired =
            Desired::new(&model, &facts, &fingerprint, &scale).map_err(|e| Failure::new(&e))?;
        self.check_images(&host, &desired, &model, request)?;
        let recreate = match (request.force_recreate, request.no_recreate) {
            (true, _) => Recreate::Force,
            (_, true) => Recreate::Never,
            _ => Recreate::Diverged,
        };
        let verb = Verb::Up(reconcile::Up {
            recreate,
            recreate_deps: request.always_recreate_deps,
            no_start: request.no_start,
            wait: request.wait,
            renew_anonymous_volumes: request.renew_anonymous_volumes,
        });
        let options = Options {
            verb,
            services: request.services.clone(),
            no_deps: request.no_deps,
            remove_orphans: request.remove_orphans,
            timeout: request.timeout,
        };
        let plan = self.plan(&desired, &options)?;
        if !request.dry_run {
            self.adopt_model(&model)?;
        }
        let host = host.with(model, hashes(&desired));
        let walk = Walk {
            parallel: request.parallel.unwrap_or(Walk::default().parallel),
            deadline: request.wait_timeout,
            ..Walk::default()
        };
        Ok(Job {
            plan,
            host,
            walk,
            dry_run: request.dry_run,
        })
    }

    /// All missing images at once, before anything has changed.
    fn check_images(
        &self,
        host: &RealHost,
        desired: &Desired,
        model: &model::Project,
        request: &Up,
    ) -> Result<(), Failure> {
        let wanted = match (request.services.as_slice(), request.no_deps) {
            ([], _) => desired.services.keys().cloned().collect(),
            (named, true) => named.iter().cloned().collect(),
            (named, false) => graph::closure(&desired.edges(), named),
        };
        let mut failure: Option<Failure> = None;
        for (name, service) in &model.services {
            if !wanted.contains(name) || desired.services.get(name).is_none_or(|s| s.scale == 0) {
                continue;
            }
            if let Err(error) = host.image(&service.image) {
                let text = format!("service `{name}`: {error}");
                match &mut failure {
                    Some(first) => first.causes.push(text),
                    None => {
                        let mut first = Failure::new(&error);
                        first.message = text;
                        first.hint = error.hint();
                        failure = Some(first);
                    }
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Keeps where the project comes from, and the specifications of external networks it uses.
    fn adopt_model(&self, model: &model::Project) -> Result<(), Failure> {
        let externals = observe::external_networks(&self.project, model);
        let mut record = self.project.record.borrow_mut();
        record.directory = model.directory.clone();
        record.files = model.files.clone();
        record.networks.retain(|n| !n.external);
        record.networks.extend(externals);
        drop(record);
        self.project.save().map_err(|e| failure(&e))
    }

    fn plan(&self, desired: &Desired, options: &Options) -> Result<Plan, Failure> {
        let observed = observe::project(&self.project, desired);
        reconcile(desired, &observed, options, &mut ContainerId::random)
            .map_err(|e| Failure::new(&e))
    }

    /// A job on what exists, without a compose file.
    fn existing(
        &self,
        options: &Options,
        dry_run: bool,
        known: Option<&[ServiceName]>,
    ) -> Result<Job, Failure> {
        let mut desired = observe::desired(&self.project, known);
        // A service without a container is nothing to stop, and no mistake.
        desired.disabled.clone_from(&options.services);
        let plan = self.plan(&desired, options)?;
        let host = RealHost::new(self.project.clone(), None, HashMap::new());
        Ok(Job {
            plan,
            host,
            walk: Walk::default(),
            dry_run,
        })
    }

    fn start(&self, request: &Start) -> Result<Job, Failure> {
        let options = options(Verb::Start { wait: request.wait }, &request.services, None);
        let mut job = self.existing(&options, request.dry_run, None)?;
        job.walk.deadline = request.wait_timeout;
        Ok(job)
    }

    fn restart(&self, request: &Select) -> Result<Job, Failure> {
        let mut options = options(Verb::Restart, &request.services, request.timeout);
        options.no_deps = request.no_deps;
        self.existing(&options, request.dry_run, None)
    }

    fn stop(&self, request: &Select) -> Result<Job, Failure> {
        self.existing(
            &options(Verb::Stop, &request.services, request.timeout),
            request.dry_run,
            None,
        )
    }

    fn kill(&self, request: &Kill) -> Result<Job, Failure> {
        let verb = Verb::Kill {
            signal: request.signal.clone(),
        };
        self.existing(&options(verb, &request.services, None), false, None)
    }

    fn remove(&self, request: &Remove) -> Result<Job, Failure> {
        let verb = Verb::Remove {
            stop: request.stop,
            volumes: request.volumes,
        };
        self.existing(&options(verb, &request.services, None), false, None)
    }

    fn down(&self, request: &Down) -> Result<Job, Failure> {
        let verb = Verb::Down {
            volumes: request.volumes,
        };
        let mut options = options(verb, &request.services, request.timeout);
        options.remove_orphans = request.remove_orphans || request.known.is_none();
        self.existing(&options, request.dry_run, request.known.as_deref())
    }

    async fn wait(&self, request: &Select) -> Result<Reply, Failure> {
        let chosen = self.chosen(&request.services)?;
        let mut exits = Vec::new();
        for container in chosen {
            let status = container
                .until(|s| s.process.is_none() && s.finished > 0 || s.started == 0)
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

    fn chosen(
        &self,
        services: &[ServiceName],
    ) -> Result<Vec<Rc<super::container::Container>>, Failure> {
        let all = self.project.all();
        for service in services {
            if !all.iter().any(|c| c.record.service == service.as_str()) {
                return Err(Failure::text(format!(
                    "no container of service `{service}`"
                )));
            }
        }
        let fits = |name: &str| services.is_empty() || services.iter().any(|s| s.as_str() == name);
        Ok(all
            .into_iter()
            .filter(|c| fits(&c.record.service))
            .collect())
    }

    fn exec(&self, request: &Exec) -> Result<(Reply, Vec<OwnedFd>), Failure> {
        super::exec::start(&self.project, request)
    }
}

fn options(verb: Verb, services: &[ServiceName], timeout: Option<Duration>) -> Options {
    Options {
        verb,
        services: services.to_vec(),
        no_deps: false,
        remove_orphans: false,
        timeout,
    }
}

fn image_facts(host: &RealHost, name: &str) -> Option<ImageFacts> {
    let image = host.image(name).ok()?;
    let test = image
        .config
        .healthcheck
        .as_ref()
        .map(|h| h.test.first().map(String::as_str));
    Some(ImageFacts {
        id: image.id.clone(),
        has_healthcheck: matches!(test, Some(Some("CMD" | "CMD-SHELL"))),
        volumes: image.config.volumes.clone(),
    })
}

/// Fingerprints by name of service, network and volume.
fn hashes(desired: &Desired) -> HashMap<String, Digest> {
    let services = desired
        .services
        .values()
        .map(|s| (s.name.to_string(), s.config.clone()));
    let networks = desired
        .networks
        .iter()
        .map(|n| (n.name.to_string(), n.hash.clone()));
    let volumes = desired
        .volumes
        .iter()
        .map(|v| (v.name.to_string(), v.hash.clone()));
    networks.chain(volumes).chain(services).collect()
}

/// A host's error for the client.
fn failure(error: &HostError) -> Failure {
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

/// What a record says of a dependency, as the model has it.
pub(super) fn dependency(record: &DependsOn) -> model::Dependency {
    let condition = match record.condition.as_str() {
        "service_healthy" => model::Condition::Healthy,
        "service_completed_successfully" => model::Condition::Completed,
        _ => model::Condition::Started,
    };
    model::Dependency {
        condition,
        required: false,
        restart: record.restart,
    }
}
