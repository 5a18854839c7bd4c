//! Everything a supervisor holds of its project, shared by its tasks on one thread.

use super::container::{Container, Phase, Status};
use super::forward;
use super::launch::Launch;
use super::machine::Machine;
use super::names;
use super::neighbours::Neighbours;
use crate::id::ContainerId;
use crate::id::NetworkName;
use crate::id::ProjectName;
use crate::image::Store;
use crate::network::Driver;
use crate::network::dns::{Resolver, Zone};
use crate::network::spec::NetworkSpec;
use crate::runtime::ExecHandle;
use crate::runtime::ExecRequest;
use crate::runtime::Identity;
use crate::runtime::LaunchFds;
use crate::runtime::LaunchRequest;
use crate::runtime::RuntimeError;
use crate::runtime::ShimLink;
use crate::runtime::Zygote;
use crate::scheduler::execute::HostError;
use crate::state::event::{Event, Subject, What};
use crate::state::journal;
use crate::state::ledger::Ledger;
use crate::state::news::News;
use crate::state::paths::{Paths, ProjectPaths};
use crate::state::record::{ContainerRecord, LifeRecord, NetworkRecord, ProjectRecord};
use crate::volumes::named::Volumes;
use indexmap::IndexMap;
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{Notify, mpsc};

/// A project and the means to work on it.
pub struct Project {
    /// Its name.
    pub name: ProjectName,
    /// The installation's folders.
    pub installation: Paths,
    /// The project's folders.
    pub paths: ProjectPaths,
    /// Images.
    pub images: Store,
    /// Volumes.
    pub volumes: Volumes,
    /// Links, rules, ports.
    pub network: Arc<Driver>,
    /// Answers names.
    pub resolver: Resolver,
    /// Other projects on its networks.
    pub neighbours: Neighbours,
    /// What is known about it.
    pub record: RefCell<ProjectRecord<NetworkSpec>>,
    /// Its containers, by creation.
    pub containers: RefCell<IndexMap<ContainerId, Rc<Container>>>,
    zygote: RefCell<Option<Zygote>>,
    journal: RefCell<journal::Writer>,
    pub(super) ledger: RefCell<Ledger>,
    /// The record as the ledger has it.
    pub(super) saved: RefCell<Option<ProjectRecord<NetworkSpec>>>,
    /// Something that is true is not in the ledger, as the disk was full.
    pub(super) unsaved: Cell<bool>,
    /// Folders to empty when everybody has been answered.
    aside: RefCell<Vec<PathBuf>>,
    names_stale: Cell<bool>,
    /// What users are to be told of, once.
    pub(super) news: News,
    /// What is stopped now is stopped for a shutdown of the machine.
    pub(super) halting: Cell<bool>,
    me: Weak<Self>,
    changed: Notify,
}

/// The parts of a [`Project`] that are opened before it is.
pub struct Parts {
    /// Its name.
    pub name: ProjectName,
    /// The installation's folders.
    pub installation: Paths,
    /// Images.
    pub images: Store,
    /// Volumes.
    pub volumes: Volumes,
    /// Links, rules, ports.
    pub network: Driver,
    /// What is known about it.
    pub record: ProjectRecord<NetworkSpec>,
    /// Where that is noted.
    pub ledger: Ledger,
}

impl Project {
    /// A project whose containers are yet to be adopted.
    pub fn new(parts: Parts) -> std::io::Result<Rc<Self>> {
        let paths = parts.installation.project(&parts.name);
        let journal = journal::Writer::open(&paths.journal())?;
        let resolver = Resolver::start()?;
        let neighbours = Neighbours::new(parts.installation.shared(), &parts.name)?;
        Ok(Rc::new_cyclic(|me| Self {
            me: me.clone(),
            changed: Notify::new(),
            journal: RefCell::new(journal),
            name: parts.name,
            installation: parts.installation,
            news: News::at(paths.news()),
            paths,
            images: parts.images,
            volumes: parts.volumes,
            network: Arc::new(parts.network),
            resolver,
            neighbours,
            record: RefCell::new(parts.record),
            ledger: RefCell::new(parts.ledger),
            saved: RefCell::default(),
            unsaved: Cell::new(false),
            containers: RefCell::default(),
            zygote: RefCell::new(None),
            aside: RefCell::default(),
            // Others may believe what a predecessor told them.
            names_stale: Cell::new(true),
            halting: Cell::new(false),
        }))
    }

    /// Nanoseconds since the epoch.
    pub fn now(&self) -> i64 {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }

    /// Takes a container in and starts its machine.
    pub fn add(
        self: &Rc<Self>,
        record: ContainerRecord<Launch>,
        life: LifeRecord,
        status: Status,
    ) -> Rc<Container> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let paths = self.paths.container(&record.id);
        let container = Rc::new(Container {
            outlet: forward::outlet(&record, &paths),
            paths,
            record,
            life: RefCell::new(life),
            status: tokio::sync::watch::Sender::new(status),
            endpoint: RefCell::new(None),
            kept: RefCell::default(),
            log_seen: RefCell::default(),
            hooks: RefCell::default(),
            commands,
            waiters: tokio::sync::watch::Sender::new(0),
        });
        self.containers
            .borrow_mut()
            .insert(container.record.id.clone(), container.clone());
        Machine::spawn(self.clone(), container.clone(), inbox);
        forward::spawn(self, &container);
        container
    }

    /// A container by its id.
    pub fn container(&self, id: &ContainerId) -> Option<Rc<Container>> {
        self.containers.borrow().get(id).cloned()
    }

    /// All containers, as they are now.
    pub fn all(&self) -> Vec<Rc<Container>> {
        self.containers.borrow().values().cloned().collect()
    }

    /// A network this project has or uses.
    pub fn network_record(&self, name: &NetworkName) -> Option<NetworkRecord<NetworkSpec>> {
        self.record
            .borrow()
            .networks
            .iter()
            .find(|n| n.name == *name)
            .cloned()
    }

    /// The specification of such a network.
    pub fn network_spec(&self, name: &NetworkName) -> Option<NetworkSpec> {
        self.network_record(name).map(|n| n.spec)
    }

    /// The specifications of all networks.
    pub fn networks(&self) -> Vec<NetworkSpec> {
        let record = self.record.borrow();
        record.networks.iter().map(|n| n.spec.clone()).collect()
    }

    /// Something happened to a container.
    pub fn event(&self, container: &Container, what: What, cause: &str) {
        let record = &container.record;
        let subject = Subject::Container {
            name: record.name.clone(),
            service: record.service.clone(),
            id: record.id.to_string(),
        };
        self.note(&Event {
            time: self.now(),
            subject,
            what,
            cause: cause.to_owned(),
            until: None,
        });
    }

    /// Appends to the journal. A full disk must not stop a container's life: what cannot be noted is not.
    pub fn note(&self, event: &Event) {
        let _ = self.journal.borrow_mut().append(event);
    }

    /// Notes what a user should know, and nobody asked for.
    pub fn warn(&self, text: &str) {
        let text = text.to_owned();
        self.note(&Event {
            time: self.now(),
            subject: Subject::Project,
            what: What::Warning { text },
            cause: String::new(),
            until: None,
        });
    }

    /// Asks the zygote for a shim, or for another zygote first.
    pub fn launch(
        &self,
        request: LaunchRequest,
        fds: &LaunchFds,
    ) -> Result<ShimLink, RuntimeError> {
        self.with_zygote(|zygote| zygote.launch(request.clone(), fds))
    }

    /// Asks the zygote for a shim in place of a dead one.
    pub fn adopt(
        &self,
        request: LaunchRequest,
        fds: &LaunchFds,
        orphan: &Identity,
    ) -> Result<ShimLink, RuntimeError> {
        self.with_zygote(|zygote| zygote.adopt(request.clone(), fds, orphan.clone()))
    }

    /// Starts another process in a container.
    pub fn exec(&self, request: &ExecRequest) -> Result<ExecHandle, RuntimeError> {
        self.with_zygote(|zygote| zygote.exec(request.clone()))
    }

    fn with_zygote<T>(
        &self,
        mut ask: impl FnMut(&mut Zygote) -> Result<T, RuntimeError>,
    ) -> Result<T, RuntimeError> {
        let mut slot = self.zygote.borrow_mut();
        for _ in 0..3 {
            if slot.is_none() {
                *slot = Some(Zygote::spawn()?);
            }
            let Some(zygote) = slot.as_mut() else { break };
            match ask(zygote) {
                Err(
                    RuntimeError::ZygoteGone | RuntimeError::Closed(_) | RuntimeError::Link { .. },
                ) => *slot = None,
                other => return other,
            }
        }
        Err(RuntimeError::ZygoteGone)
    }

    /// Has made ready in the background what `starts` containers will need.
    pub fn prepare(&self, starts: usize) {
        self.network.prepare(starts);
        // If it cannot be made, the first launch says so.
        let _ = self.with_zygote(|_| Ok(()));
    }

    /// Names or addresses have changed: the resolver learns it before the next turn of the event loop ends, once for
    /// all that changes in this one.
    pub fn names_changed(&self) {
        if !self.names_stale.replace(true)
            && let Some(me) = self.me.upgrade()
        {
            tokio::task::spawn_local(async move { me.publish_names() });
        }
    }

    /// Has the resolver answer with what is true now, if anything has changed.
    pub fn publish_names(&self) {
        if self.names_stale.replace(false) {
            let ours = names::entries(self);
            let mut all = ours.clone();
            for network in &self.record.borrow().networks {
                self.neighbours.tell(&network.name, network.external, &ours);
                all.extend(self.neighbours.on(&network.name));
            }
            self.resolver.publish(Arc::new(Zone::new(&all)));
        }
    }

    /// Ends when some container has come to rest.
    pub async fn quiet(&self) {
        self.changed.notified().await;
    }

    /// A container has come to rest.
    pub fn at_rest(&self) {
        self.changed.notify_one();
    }

    /// Removes the project's folders if nothing is left to remember.
    pub fn leave_if_empty(&self) -> Result<bool, HostError> {
        let record = self.record.borrow();
        let own_networks = record.networks.iter().any(|n| !n.external);
        if !self.containers.borrow().is_empty() || own_networks {
            return Ok(false);
        }
        let _ = crate::runtime::cgroups::sweep(&record.cgroup);
        // Said first: to see its run folder go ends a supervisor.
        self.aside.replace(vec![self.paths.root.clone()]);
        let aside = self.paths.put_aside().map_err(|e| {
            self.aside.take();
            HostError::because(format!("cannot remove the folders of `{}`", self.name), e)
        })?;
        self.aside.replace(aside);
        Ok(true)
    }

    /// Removes the socket, by whose absence others see that there is nothing to ask; unless its folder has left already.
    pub fn take_socket_away(&self) {
        if self.aside.borrow().is_empty() {
            let _ = std::fs::remove_file(self.paths.control());
        }
    }

    /// Whether its folders were put aside, by us.
    pub fn is_leaving(&self) -> bool {
        !self.aside.borrow().is_empty()
    }

    /// Empties what was put aside. Only space is lost with what cannot be removed: the next supervisor tries again.
    pub fn clear_aside(&self) {
        let mut aside = self.aside.take();
        aside.extend(self.paths.aside());
        let _ = self.paths.remove_aside(&aside);
    }

    /// Empties the folders of removed containers, behind the back of whoever asked for it.
    pub fn clear_gone(&self) {
        let gone = self.paths.gone();
        if !gone.exists() {
            return;
        }
        drop(tokio::task::spawn_blocking(move || {
            std::fs::remove_dir_all(gone)
        }));
    }

    /// Whether anything runs or will run again.
    pub fn is_alive(&self) -> bool {
        let alive =
            |c: &Rc<Container>| !matches!(c.status.borrow().phase, Phase::Created | Phase::Exited);
        self.containers.borrow().values().any(alive)
    }
}
