//! A host that only remembers. It refuses what a real one would refuse, and what a right plan never asks.

use hoist::compose::model::Condition;
use hoist::id::ContainerId;
use hoist::id::NetworkName;
use hoist::id::ServiceName;
use hoist::scheduler::action::Action;
use hoist::scheduler::action::ContainerRef;
use hoist::scheduler::desired::Desired;
use hoist::scheduler::execute::Cancel;
use hoist::scheduler::execute::ExecuteError;
use hoist::scheduler::execute::Host;
use hoist::scheduler::execute::HostError;
use hoist::scheduler::execute::WaitOutcome;
use hoist::scheduler::execute::Walk;
use hoist::scheduler::execute::execute;
use hoist::scheduler::observed::Health;
use hoist::scheduler::observed::Observed;
use hoist::scheduler::observed::ObservedContainer;
use hoist::scheduler::observed::ObservedNetwork;
use hoist::scheduler::observed::ObservedVolume;
use hoist::scheduler::observed::State;
use hoist::scheduler::plan::Plan;
use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Before anything was done.
    Before,
    /// After everything was done, so that it has to be taken back.
    After,
}

pub struct Simulated<'a> {
    desired: &'a Desired,
    pub world: RefCell<Observed>,
    /// What a container depends on need not be there (`--no-deps`, `--no-recreate`).
    pub lax: bool,
    /// Services that start whatever becomes of what they depend on: the command does not mean them.
    pub bystanders: Vec<ServiceName>,
    /// Which call of `perform` or `wait` fails, and how.
    pub fault: Option<(usize, Fault)>,
    calls: Cell<usize>,
    /// Networks that are known from before: what the kernel has of them can be made again.
    known: RefCell<HashSet<NetworkName>>,
    pub log: RefCell<Vec<String>>,
}

impl<'a> Simulated<'a> {
    pub fn new(desired: &'a Desired, world: Observed) -> Self {
        let known = world.networks.iter().map(|n| n.name.clone()).collect();
        Self {
            desired,
            known: RefCell::new(known),
            world: RefCell::new(world),
            lax: false,
            bystanders: vec![],
            fault: None,
            calls: Cell::new(0),
            log: RefCell::default(),
        }
    }

    /// Asks less of start order.
    pub fn lax(mut self, lax: bool) -> Self {
        self.lax = lax;
        self
    }

    /// Carries out `plan`.
    pub fn run(&self, plan: &Plan) -> Result<(), ExecuteError> {
        let walk = Walk::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(execute(plan, self, walk, &Cancel::default(), &mut |_| {}))
    }

    fn fault_now(&self) -> Option<Fault> {
        self.calls.set(self.calls.get() + 1);
        let (at, fault) = self.fault?;
        (at == self.calls.get()).then_some(fault)
    }

    fn change(&self, action: &Action) -> Result<(), String> {
        let mut world = self.world.borrow_mut();
        match action {
            Action::CreateNetwork { name, .. } => {
                let wanted = self
                    .desired
                    .networks
                    .iter()
                    .find(|n| n.name == *name)
                    .unwrap();
                let hash = Some(wanted.hash.clone());
                match world.networks.iter_mut().find(|n| n.name == *name) {
                    Some(there) if there.hash != hash => {
                        return Err(format!("other network {name} is there"));
                    }
                    Some(there) => there.up = true,
                    None => world.networks.push(ObservedNetwork {
                        name: name.clone(),
                        hash,
                        up: true,
                    }),
                }
            }
            Action::RemoveNetwork { name } => {
                if let Some(c) = world
                    .containers
                    .iter()
                    .find(|c| c.state.is_alive() && c.networks.contains(name))
                {
                    return Err(format!("network {name} is in use by {}", c.name));
                }
                world.networks.retain(|n| n.name != *name);
                self.known.borrow_mut().remove(name);
            }
            Action::CreateVolume { name, .. } => {
                let wanted = self
                    .desired
                    .volumes
                    .iter()
                    .find(|v| v.name == *name)
                    .unwrap();
                if !world.volumes.iter().any(|v| v.name == *name) {
                    world.volumes.push(ObservedVolume {
                        name: name.clone(),
                        hash: Some(wanted.hash.clone()),
                    });
                }
            }
            Action::RemoveVolume { name } => {
                if let Some(c) = world.containers.iter().find(|c| c.volumes.contains(name)) {
                    return Err(format!("volume {name} is in use by {}", c.name));
                }
                world.volumes.retain(|v| v.name != *name);
            }
            Action::CreateContainer {
                container,
                replaces,
                joins,
                apart,
                ..
            } => {
                let replaces = replaces.as_ref();
                create(self.desired, &mut world, container, replaces, joins)?;
                find(&mut world, &container.id).unwrap().apart = *apart;
            }
            Action::TakeOver { container, from } => {
                let own = find(&mut world, &container.id).ok_or("nobody to take over")?;
                if !own.state.is_alive() {
                    return Err(format!("{} takes over and does not run", container.name));
                }
                own.apart = false;
                for old in from {
                    if let Some(old) = find(&mut world, &old.id) {
                        old.apart = true;
                    }
                }
            }
            Action::StartContainer { container } => self.start(&mut world, container)?,
            Action::StopContainer { container, .. } | Action::KillContainer { container, .. } => {
                if let Some(c) = find(&mut world, &container.id) {
                    c.health = None;
                    if c.state.is_alive() {
                        c.state = State::Exited { code: 143 };
                    }
                }
            }
            Action::PauseContainer { .. } | Action::UnpauseContainer { .. } => {}
            Action::RemoveContainer { container, .. } => {
                if find(&mut world, &container.id).is_some_and(|c| c.state.is_alive()) {
                    return Err(format!("{} is running", container.name));
                }
                world.containers.retain(|c| c.id != container.id);
            }
            Action::Await { .. } | Action::Watch { .. } | Action::Tally { .. } => {
                return Err("waiting is no action of a host".to_owned());
            }
        }
        Ok(())
    }

    fn start(&self, world: &mut Observed, container: &ContainerRef) -> Result<(), String> {
        let name = &container.name;
        let own = find(world, &container.id)
            .ok_or(format!("no container {name}"))?
            .clone();
        if world
            .containers
            .iter()
            .any(|c| c.id != own.id && c.name == own.name && c.state.is_alive() && !c.apart)
            && !own.apart
        {
            return Err(format!("another {name} still holds the ports"));
        }
        for network in &own.networks {
            if !world.networks.iter().any(|n| n.name == *network && n.up) {
                return Err(format!("{name}: network {network} is not up"));
            }
        }
        for volume in &own.volumes {
            if !world.volumes.iter().any(|v| v.name == *volume) {
                return Err(format!("{name}: no volume {volume}"));
            }
        }
        let lax = self.lax || self.bystanders.contains(&own.service);
        for owner in own.joined.iter().filter(|_| !lax) {
            if !world
                .containers
                .iter()
                .any(|c| c.id == *owner && c.state.is_alive())
            {
                return Err(format!("{name}: the owner of its namespace does not run"));
            }
        }
        let service = &self.desired.services[&container.service];
        for (dependency, how) in service.depends_on.iter().filter(|_| !lax) {
            let others = world
                .containers
                .iter()
                .filter(|c| c.service == *dependency && !c.one_off);
            let others: Vec<_> = others.collect();
            let holds = |c: &&&ObservedContainer| match how.condition {
                Condition::Started => {
                    c.state.is_alive() || matches!(c.state, State::Exited { code: 0 })
                }
                Condition::Healthy if self.desired.services[dependency].has_healthcheck => {
                    c.health == Some(Health::Healthy)
                }
                Condition::Healthy => c.state.is_alive(),
                Condition::Completed => c.state == State::Exited { code: 0 },
            };
            let expected = usize::try_from(self.desired.services[dependency].scale).unwrap();
            let holding = others.iter().filter(holds).count();
            if how.required && holding < expected.min(others.len()) {
                return Err(format!(
                    "{name} starts before {dependency} is {:?}",
                    how.condition
                ));
            }
        }
        let own = find(world, &container.id).unwrap();
        own.state = State::Running;
        own.health = service.has_healthcheck.then_some(Health::Starting);
        Ok(())
    }

    /// What is there now.
    pub fn now(&self) -> Observed {
        self.world.borrow().clone()
    }

    /// The containers of `service` that are alive.
    pub fn alive(&self, service: &ServiceName) -> Vec<ObservedContainer> {
        let world = self.world.borrow();
        let own = world.containers.iter().filter(|c| c.service == *service);
        own.filter(|c| c.state.is_alive()).cloned().collect()
    }
}

fn create(
    desired: &Desired,
    world: &mut Observed,
    container: &ContainerRef,
    replaces: Option<&ContainerId>,
    joins: &[ContainerRef],
) -> Result<(), String> {
    let service = &desired.services[&container.service];
    if let Some(old) = replaces
        && !world.containers.iter().any(|c| c.id == *old)
    {
        return Err(format!("{} replaces what is not there", container.name));
    }
    for network in &service.networks {
        if !world.networks.iter().any(|n| n.name == *network) {
            return Err(format!("{}: no network {network}", container.name));
        }
    }
    for owner in joins {
        if !world.containers.iter().any(|c| c.id == owner.id) {
            return Err(format!(
                "{} joins {}, which is not there",
                container.name, owner.name
            ));
        }
    }
    world.containers.push(ObservedContainer {
        id: container.id.clone(),
        name: container.name.clone(),
        service: container.service.clone(),
        number: container.number,
        one_off: false,
        config: service.config.clone(),
        image: service.image.clone().ok_or("the image is not here")?,
        state: State::Created,
        health: None,
        networks: service.networks.clone(),
        volumes: service.volumes.clone(),
        joined: joins.iter().map(|owner| owner.id.clone()).collect(),
        apart: false,
    });
    Ok(())
}

fn find<'w>(world: &'w mut Observed, id: &ContainerId) -> Option<&'w mut ObservedContainer> {
    world.containers.iter_mut().find(|c| c.id == *id)
}

impl Host for Simulated<'_> {
    async fn perform(&self, action: &Action) -> Result<(), HostError> {
        let fault = self.fault_now();
        self.log.borrow_mut().push(action.to_string());
        if fault == Some(Fault::Before) {
            return Err(HostError::new("injected, nothing done"));
        }
        self.change(action)
            .map_err(|why| HostError::new(format!("refused: {why}")))?;
        match fault {
            Some(_) => Err(HostError::new("injected, all done")),
            None => Ok(()),
        }
    }

    async fn undo(&self, action: &Action) -> Result<(), HostError> {
        self.log.borrow_mut().push(format!("undo {action}"));
        if let Action::CreateNetwork { name, .. } = action
            && self.known.borrow().contains(name)
        {
            let mut world = self.world.borrow_mut();
            let mut networks = world.networks.iter_mut();
            networks.find(|n| n.name == *name).unwrap().up = false;
            return Ok(());
        }
        let inverse = action
            .inverse()
            .expect("only what makes something is taken back");
        self.change(&inverse).map_err(HostError::new)
    }

    async fn wait(
        &self,
        containers: &[ContainerRef],
        condition: Condition,
    ) -> Result<WaitOutcome, HostError> {
        if self.fault_now().is_some() {
            return Ok(WaitOutcome::Unmet("injected".to_owned()));
        }
        let mut world = self.world.borrow_mut();
        for container in containers {
            let Some(own) = find(&mut world, &container.id).filter(|c| c.state.is_alive()) else {
                return Err(HostError::new(format!(
                    "refused: waiting for {}, which does not run",
                    container.name
                )));
            };
            match condition {
                Condition::Started => {}
                Condition::Healthy => own.health = Some(Health::Healthy),
                Condition::Completed => (own.state, own.health) = (State::Exited { code: 0 }, None),
            }
        }
        Ok(WaitOutcome::Met)
    }

    async fn watch(&self, container: &ContainerRef, _: Duration) -> Result<WaitOutcome, HostError> {
        self.wait(std::slice::from_ref(container), Condition::Started)
            .await
    }
}
