//! From what shall be and what is to what is to do.
//!
//! Where docker compose leaves us a choice, we choose as follows.
//!
//! - A container is replaced in the order create new, stop old, remove old, start new. The old one goes on running until
//!   the new one exists and, unless something forces its end earlier, until everything the new one waits for holds. So
//!   neither a missing image nor an unhealthy dependency costs what runs. Names are no keys of our runtime: the new
//!   container has the final name from the start, and no renaming is needed. A crash in between leaves two containers of
//!   one number, of which the next plan keeps the better one.
//! - What goes down with something (`depends_on` with `restart: true`, a shared namespace) stops before it, and starts after.
//! - Anonymous volumes go with a container that is removed for good (`down`, a smaller scale, an orphan): nothing could
//!   find them again. A replaced container passes them on.
//!
//! Invariants: no I/O, no clock, no randomness of its own; the same input gives the same plan; carrying out a plan and
//! planning again gives an empty plan, but for services that run to their end and are started anew by each `up`; a plan
//! removes nothing that its command, or a change of the project, does not ask to remove.

mod down;
mod hooks;
mod lifecycle;
mod members;
mod replicas;
mod resources;
mod rolling;
mod up;
mod waits;

use super::action::Action;
use super::desired::Desired;
use super::graph::Cycle;
use super::observed::Observed;
use super::observed::ObservedContainer;
use super::observed::State;
use super::plan::Cause;
use super::plan::Plan;
use super::plan::Step;
use crate::id::ContainerId;
use crate::id::NetworkName;
use crate::id::ServiceName;
use crate::id::VolumeName;
use std::time::Duration;

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The command.
    pub verb: Verb,
    /// Services named on the command line; empty = all.
    pub services: Vec<ServiceName>,
    /// Only these containers, one-off ones too; empty = all of the services.
    pub containers: Vec<ContainerId>,
    /// Leave dependencies (and dependents) alone, wait for nothing: `--no-deps`.
    pub no_deps: bool,
    /// `up`, `down`: also remove containers whose service is not in the project.
    pub remove_orphans: bool,
    /// `-t`: instead of each container's own `stop_grace_period`.
    pub timeout: Option<Duration>,
}

/// A command that changes what exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Make everything be and run.
    Up(Up),
    /// Stop and remove containers and networks (and named volumes).
    Down {
        /// Also named volumes that are not external.
        volumes: bool,
    },
    /// Put the containers back that an update, which failed, has replaced and kept.
    Rollback,
    /// Stop what runs.
    Stop,
    /// Start what exists.
    Start {
        /// Wait until it runs, or is healthy.
        wait: bool,
    },
    /// Stop and start, without applying changes.
    Restart,
    /// Freeze what runs.
    Pause,
    /// Let what is frozen go on.
    Unpause,
    /// Send a signal to what runs.
    Kill {
        /// Name or number.
        signal: String,
    },
    /// Remove stopped containers (`rm`).
    Remove {
        /// Stop them first.
        stop: bool,
        /// Also their anonymous volumes.
        volumes: bool,
    },
}

/// How `up` goes about it. (`--scale` is in [`Desired`].)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Up {
    /// For the services named, or all if none is.
    pub recreate: Recreate,
    /// `--always-recreate-deps`: recreate dependencies of the named services, too.
    pub recreate_deps: bool,
    /// Create only.
    pub no_start: bool,
    /// Wait until everything runs, is healthy or has completed.
    pub wait: bool,
    /// `-V`: new anonymous volumes for recreated containers; the old ones stay, mounted by nobody.
    pub renew_anonymous_volumes: bool,
    /// Named volumes whose configuration has changed are made anew, empty: `-y`.
    pub renew_volumes: bool,
    /// Say nothing of orphans that stay.
    pub ignore_orphans: bool,
}

/// When to replace a container that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recreate {
    /// When it differs from what it should be.
    #[default]
    Diverged,
    /// Always: `--force-recreate`.
    Force,
    /// Never: `--no-recreate`.
    Never,
}

/// A wish that cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A service named on the command line is not in the project.
    #[error("no such service: `{name}`")]
    NoSuchService {
        /// As it was named.
        name: ServiceName,
        /// The service that was probably meant.
        similar: Option<ServiceName>,
    },
    /// Services that depend on each other.
    #[error(transparent)]
    Cycle(#[from] Cycle),
    /// An external network is missing.
    #[error("network `{0}` declared as external, but could not be found")]
    NoExternalNetwork(NetworkName),
    /// An external volume is missing.
    #[error("volume `{0}` declared as external, but could not be found")]
    NoExternalVolume(VolumeName),
    /// `start` of a service that was never created.
    #[error("service `{0}` has no container to start")]
    NoContainer(ServiceName),
    /// A health check is waited for that does not exist.
    #[error(
        "`{dependent}` waits for `{service}` to be healthy, but `{service}` has no health check"
    )]
    NoHealthcheck {
        /// Who waits.
        dependent: ServiceName,
        /// For whom.
        service: ServiceName,
    },
}

impl PlanError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoSuchService { similar, .. } => format!("did you mean `{}`?", similar.as_ref()?),
            Self::NoExternalNetwork(name) => {
                format!("bring up the project that owns `{name}` first, or remove `external: true`")
            }
            Self::NoExternalVolume(name) => {
                format!("bring up the project that owns `{name}` first, or remove `external: true`")
            }
            Self::NoContainer(service) => format!("create it with `hoist up -d {service}`"),
            Self::NoHealthcheck { service, .. } => format!(
                "give `{service}` a `healthcheck`, or depend on it with `condition: service_started`"
            ),
            Self::Cycle(_) => return None,
        })
    }
}

/// Plans what `options` asks for. `new_id` gives each container the plan creates its identity.
pub fn reconcile(
    desired: &Desired,
    observed: &Observed,
    options: &Options,
    new_id: &mut dyn FnMut() -> ContainerId,
) -> Result<Plan, PlanError> {
    let desired = desired.in_dependency_order()?;
    let context = Context {
        desired: &desired,
        observed,
        options,
    };
    context.check_names()?;
    match &options.verb {
        Verb::Up(up) => up::plan(&context, *up, new_id),
        Verb::Down { volumes } => Ok(down::plan(&context, *volumes)),
        Verb::Stop => Ok(lifecycle::stop(&context)),
        Verb::Start { wait } => lifecycle::start(&context, *wait),
        Verb::Restart => lifecycle::restart(&context),
        Verb::Pause => Ok(lifecycle::pause(&context)),
        Verb::Unpause => Ok(lifecycle::unpause(&context)),
        Verb::Kill { signal } => Ok(lifecycle::kill(&context, signal)),
        Verb::Rollback => Ok(rolling::back(&context)),
        Verb::Remove { stop, volumes } => Ok(lifecycle::remove(&context, *stop, *volumes)),
    }
}

/// What planning looks at.
struct Context<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    options: &'a Options,
}

impl<'a> Context<'a> {
    fn check_names(&self) -> Result<(), PlanError> {
        let creates = matches!(self.options.verb, Verb::Up(_));
        let known = |name: &ServiceName| {
            self.desired.services.contains_key(name)
                || (!creates && self.desired.disabled.contains(name))
        };
        let Some(name) = self.options.services.iter().find(|name| !known(name)) else {
            return Ok(());
        };
        Err(PlanError::NoSuchService {
            name: name.clone(),
            similar: self.desired.similar(name),
        })
    }

    /// Whether the command line means `service`: it is named, or none is.
    fn names(&self, service: &ServiceName) -> bool {
        self.options.services.is_empty() || self.options.services.contains(service)
    }

    /// The containers of a service, by number, without one-off ones; if containers are chosen, only those.
    fn containers_of(&self, service: &ServiceName) -> Vec<&'a ObservedContainer> {
        let chosen = &self.options.containers;
        let meant = |c: &ObservedContainer| match chosen.as_slice() {
            [] => !c.one_off,
            chosen => chosen.contains(&c.id),
        };
        let all = self.observed.containers.iter();
        let mut own: Vec<_> = all.filter(|c| c.service == *service && meant(c)).collect();
        own.sort_by(|a, b| (a.number, &a.id).cmp(&(b.number, &b.id)));
        own
    }

    /// The containers of a service without those at rest that stand back for another of their place: one that was made to
    /// replace it and never did, or one that it has replaced.
    fn standing(&self, service: &ServiceName) -> Vec<&'a ObservedContainer> {
        let rank =
            |c: &ObservedContainer| (c.state.is_alive(), !c.apart, c.state != State::Created);
        let all = self.containers_of(service);
        let mut standing = all.clone();
        standing.retain(|container| {
            let mut place = all.iter().filter(|c| c.number == container.number);
            container.state.is_alive() || !place.any(|other| rank(other) > rank(container))
        });
        standing
    }

    /// Whether the project does not know the service of `container`.
    fn is_orphan(&self, container: &ObservedContainer) -> bool {
        let service = &container.service;
        !self.desired.services.contains_key(service) && !self.desired.disabled.contains(service)
    }

    /// Whether `--remove-orphans` means `container`: orphans, and one-off containers that have ended.
    fn is_stray(&self, container: &ObservedContainer) -> bool {
        self.is_orphan(container) || (container.one_off && !container.state.is_alive())
    }

    fn stop(&self, container: &ObservedContainer) -> Action {
        Action::StopContainer {
            container: container.reference(),
            timeout: self.options.timeout,
        }
    }

    /// Stops `container` if it is alive, then removes it; its anonymous volumes only if somebody said so: they are data.
    fn stop_and_remove(
        &self,
        plan: &mut Plan,
        (container, volumes): (&ObservedContainer, bool),
        cause: &Cause,
        after: &[Step],
    ) -> Removal {
        let alive = container.state.is_alive();
        let stop = alive.then(|| plan.add(self.stop(container), cause.clone(), after));
        let action = Action::RemoveContainer {
            container: container.reference(),
            volumes,
        };
        let remove = plan.add(action, cause.clone(), stop.as_slice());
        Removal { stop, remove }
    }

    /// Tells of orphans that stay.
    fn warn_of_orphans(&self, plan: &mut Plan) {
        let all = self.observed.containers.iter();
        let orphans = all.filter(|c| self.is_orphan(c) && !c.one_off);
        let names: Vec<_> = orphans.map(|c| format!("`{}`", c.name)).collect();
        if !names.is_empty() {
            plan.warnings.push(format!(
                "found orphan containers ({}): their services are not in the project; remove them with `--remove-orphans`",
                names.join(", ")
            ));
        }
    }
}

/// The steps that remove a container.
struct Removal {
    stop: Option<Step>,
    remove: Step,
}
