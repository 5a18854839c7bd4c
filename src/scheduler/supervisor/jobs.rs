//! From a request to a plan and the host that carries it out. Nothing has changed yet when a job is made.

use super::control::{Down, Failure, Kill, Remove, Select, Start, Up};
use super::launch::DependsOn;
use super::observe;
use super::reason;
use super::restart;
use super::verbs::{Verbs, failure};
use crate::compose;
use crate::compose::model;
use crate::id::ContainerId;
use crate::id::Digest;
use crate::id::ServiceName;
use crate::scheduler::desired::{Desired, ImageFacts};
use crate::scheduler::execute::Walk;
use crate::scheduler::graph;
use crate::scheduler::host::RealHost;
use crate::scheduler::plan::Plan;
use crate::scheduler::reconcile::{self, Options, Recreate, Verb, reconcile};
use std::collections::HashMap;
use std::time::Duration;

/// What the fingerprints of services are made of.
pub type Materials = HashMap<ServiceName, serde_json::Value>;

/// A plan with what is needed to walk it.
pub struct Job {
    /// What to do.
    pub plan: Plan,
    /// Who does it.
    pub host: RealHost,
    /// How to go about it.
    pub walk: Walk,
    /// Only tell the plan.
    pub dry_run: bool,
    /// What the project shall be, for a way back.
    pub desired: Option<Desired>,
    /// The one container it is about, by name, for who asked to run it.
    pub single: Option<String>,
}

impl Verbs {
    pub(super) fn up(&self, request: &Up) -> Result<Job, Failure> {
        let loaded = read_back(request)?;
        let host = RealHost::new(self.project.clone(), None, HashMap::new());
        let scale = request.scale.iter().map(|(k, v)| (k.clone(), *v)).collect();
        let fingerprint = |service: &model::Service| {
            compose::fingerprint::service(&loaded.canonical, service.name.as_str())
        };
        let model = loaded.project.clone();
        let facts = |name: &str| image_facts(&host, name);
        let mut desired =
            Desired::new(&model, &facts, &fingerprint, &scale).map_err(|e| Failure::new(&e))?;
        if request.compatibility {
            desired
                .services
                .values_mut()
                .for_each(|s| s.separator = '_');
        }
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
            renew_volumes: request.renew_volumes,
            ignore_orphans: request.ignore_orphans,
        });
        let mut options = options(verb, &request.services, request.timeout);
        options.no_deps = request.no_deps;
        options.remove_orphans = request.remove_orphans;
        let mut plan = self.plan(&desired, &options)?;
        self.tell_changes(&mut plan, &desired, &loaded.canonical, request.dry_run);
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
            desired: Some(desired),
            single: None,
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
            let hooks = service.life.hooks.pre_start.iter();
            let of_hooks = hooks.filter_map(|hook| hook.image.as_ref());
            for image in [&service.image].into_iter().chain(of_hooks) {
                let Err(error) = host.image(image) else {
                    continue;
                };
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

    /// Says in the plan which keys have changed, and keeps what containers are made from, to say it the next time.
    fn tell_changes(
        &self,
        plan: &mut Plan,
        desired: &Desired,
        canonical: &compose::canonical::Canonical,
        dry_run: bool,
    ) {
        let material = |name: &ServiceName| {
            let material = compose::fingerprint::tellable(canonical, name.as_str());
            (name.clone(), material)
        };
        let materials: Materials = desired.services.keys().map(material).collect();
        reason::explain(plan, &materials, |service| self.made_from(service));
        if dry_run {
            return;
        }
        let all = self.project.all();
        let hashes = all.iter().map(|c| c.record.config_hash.to_string());
        let in_use: Vec<_> = hashes.collect();
        let record = &mut *self.project.record.borrow_mut();
        reason::remember(record, desired, &materials, &in_use);
    }

    /// What the containers of a service were made from, if the first of them tells.
    fn made_from(&self, service: &ServiceName) -> Option<serde_json::Value> {
        let all = self.project.all();
        let container = all.iter().find(|c| c.record.service == service.as_str())?;
        let record = self.project.record.borrow();
        record
            .made_from
            .get(&container.record.config_hash.to_string())
            .cloned()
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
        let absent = |name: &&ServiceName| !desired.services.contains_key(*name);
        desired.disabled = options.services.iter().filter(absent).cloned().collect();
        let plan = self.plan(&desired, options)?;
        let host = RealHost::new(self.project.clone(), None, HashMap::new());
        Ok(Job {
            plan,
            host,
            walk: Walk::default(),
            dry_run,
            desired: None,
            single: None,
        })
    }

    pub(super) fn start(&self, request: &Start) -> Result<Job, Failure> {
        let mut options = options(Verb::Start { wait: request.wait }, &request.services, None);
        options.containers = ids(&request.containers);
        if request.boot {
            let all = self.project.all();
            options.containers = restart::due_after_boot(&all);
        }
        let mut job = self.existing(&options, request.dry_run, None)?;
        if request.boot && options.containers.is_empty() {
            job.plan = Plan::default();
        }
        job.walk.deadline = request.wait_timeout;
        Ok(job)
    }

    pub(super) fn restart(&self, request: &Select) -> Result<Job, Failure> {
        let mut options = options(Verb::Restart, &request.services, request.timeout);
        options.no_deps = request.no_deps || !request.containers.is_empty();
        options.containers = ids(&request.containers);
        self.existing(&options, request.dry_run, None)
    }

    pub(super) fn stop(&self, request: &Select) -> Result<Job, Failure> {
        self.selected(Verb::Stop, request)
    }

    /// A verb that asks for no more than which containers.
    pub(super) fn selected(&self, verb: Verb, request: &Select) -> Result<Job, Failure> {
        let mut options = options(verb, &request.services, request.timeout);
        options.containers = ids(&request.containers);
        self.existing(&options, request.dry_run, None)
    }

    pub(super) fn kill(&self, request: &Kill) -> Result<Job, Failure> {
        let verb = Verb::Kill {
            signal: request.signal.clone(),
        };
        let mut options = options(verb, &request.services, None);
        options.containers = ids(&request.containers);
        options.remove_orphans = request.remove_orphans;
        self.existing(&options, request.dry_run, request.known.as_deref())
    }

    pub(super) fn remove(&self, request: &Remove) -> Result<Job, Failure> {
        let verb = Verb::Remove {
            stop: request.stop,
            volumes: request.volumes,
        };
        let mut options = options(verb, &request.services, None);
        options.containers = ids(&request.containers);
        self.existing(&options, request.dry_run, None)
    }

    pub(super) fn down(&self, request: &Down) -> Result<Job, Failure> {
        let verb = Verb::Down {
            volumes: request.volumes,
        };
        let mut options = options(verb, &request.services, request.timeout);
        options.remove_orphans = request.remove_orphans || request.known.is_none();
        let mut job = self.existing(&options, request.dry_run, request.known.as_deref())?;
        job.host.keep_logs = request.keep_logs;
        Ok(job)
    }
}

/// The project of a request, as whoever loaded it for the same services did.
fn read_back(request: &Up) -> Result<compose::Loaded, Failure> {
    let named: Vec<String> = request.services.iter().map(ToString::to_string).collect();
    compose::load_canonical(&request.canonical, &named)
        .map_err(|e| Failure::text(format!("the project text cannot be read back: {e}")))
}

fn options(verb: Verb, services: &[ServiceName], timeout: Option<Duration>) -> Options {
    Options {
        verb,
        services: services.to_vec(),
        containers: Vec::new(),
        no_deps: false,
        remove_orphans: false,
        timeout,
    }
}

fn ids(texts: &[String]) -> Vec<ContainerId> {
    texts
        .iter()
        .filter_map(|text| ContainerId::new(text).ok())
        .collect()
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
