//! Actions made real: the place where network, runtime, volumes and images meet.
//!
//! Invariants: an action may be performed again; what a failed action made is taken back by `undo`; nothing here decides
//! what is to be done.

mod addresses;
mod connect;
mod create;
mod hooks;
mod kept;
mod networks;
mod options;
mod ports;
mod start;
mod take_over;
mod volumes;
mod wait;

use super::action::{Action, ContainerRef};
use super::execute::{Host, HostError, WaitOutcome};
use super::pre_start;
use super::supervisor::container::{Container, Phase};
use super::supervisor::control::OneOff;
use super::supervisor::forward;
use super::supervisor::machine::Command;
use super::supervisor::project::Project;
use crate::compose::model;
use crate::compose::model::Condition;
use crate::id::ContainerId;
use crate::id::NetworkName;
use crate::id::ServiceName;
use crate::id::VolumeName;
use crate::image::Image;
use crate::runtime::cgroups::Cgroup;
use crate::runtime::shim::protocol::Attachment;
use crate::runtime::signals;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

/// The label of a named volume that keeps the hash of its configuration, as docker compose calls it.
pub const CONFIG_HASH: &str = "com.docker.compose.config-hash";

/// A wish to be attached to a container that is about to start.
#[derive(Debug, Clone)]
pub struct AttachWish {
    /// Its name.
    pub container: String,
    /// Hand over stdin, too.
    pub stdin: bool,
    /// Size of its terminal.
    pub terminal: Option<(u16, u16)>,
}

/// Performs the actions of one request.
pub struct RealHost {
    /// The project that exists.
    pub project: Rc<Project>,
    /// The project as the file wants it; `None` for verbs that create nothing.
    pub model: Option<Rc<model::Project>>,
    /// Fingerprints to keep with what is created: services, networks and volumes by name.
    pub hashes: HashMap<String, crate::id::Digest>,
    /// Whom somebody wants to be attached to from the first byte on.
    pub attach: Option<AttachWish>,
    /// What came of it.
    pub attached: RefCell<Option<Attachment>>,
    /// Keep the logs of what is removed.
    pub keep_logs: bool,
    /// Containers that this request starts.
    pub starts: HashSet<ContainerId>,
    /// Services of the model whose containers are one-off ones of other services.
    pub one_offs: HashMap<ServiceName, OneOff>,
    images: RefCell<HashMap<String, Rc<Image>>>,
    /// From the first image on, so that none goes before its container is on record.
    hold: RefCell<Option<crate::image::Hold>>,
    connector: Rc<connect::Connector>,
    /// One network at a time: each waits for a lock of the whole machine on a thread, and there are few of them.
    network_turn: tokio::sync::Mutex<()>,
    /// Few at a time: folders must not keep networks waiting for a thread.
    folder_turns: tokio::sync::Semaphore,
    warnings: RefCell<Vec<String>>,
    /// Volumes that this request has made: no other is taken back.
    volumes_made: RefCell<Vec<VolumeName>>,
    /// Networks that a boot had left the record of, which this request has made whole again.
    restored: RefCell<Vec<NetworkName>>,
    /// Containers that this request has removed: what the kernel still has of their links goes with their networks.
    removed: RefCell<Vec<ContainerId>>,
}

impl RealHost {
    /// A host for one request.
    pub fn new(
        project: Rc<Project>,
        model: Option<Rc<model::Project>>,
        hashes: HashMap<String, crate::id::Digest>,
    ) -> Self {
        Self {
            project,
            model,
            hashes,
            attach: None,
            attached: RefCell::default(),
            keep_logs: false,
            starts: HashSet::new(),
            one_offs: HashMap::new(),
            images: RefCell::default(),
            hold: RefCell::default(),
            connector: Rc::default(),
            network_turn: tokio::sync::Mutex::default(),
            folder_turns: tokio::sync::Semaphore::new(2),
            warnings: RefCell::default(),
            volumes_made: RefCell::default(),
            restored: RefCell::default(),
            removed: RefCell::default(),
        }
    }

    /// The same host (with the images it has looked up), now with a model to create from.
    #[must_use]
    pub fn with(
        mut self,
        mut model: model::Project,
        hashes: HashMap<String, crate::id::Digest>,
    ) -> Self {
        self.one_offs.extend(pre_start::add_to(&mut model));
        self.model = Some(Rc::new(model));
        self.hashes = hashes;
        self
    }

    /// Remembers what has no effect for a service; once, however many replicas it has.
    fn warn(&self, service: &ServiceName, texts: Vec<String>) {
        let mut warnings = self.warnings.borrow_mut();
        for text in texts {
            let text = format!("service `{service}`: {text}");
            if !warnings.contains(&text) {
                warnings.push(text);
            }
        }
    }

    /// What the user should know of the actions performed so far.
    pub fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    fn model(&self) -> Result<&model::Project, HostError> {
        self.model
            .as_deref()
            .ok_or_else(|| HostError::new("this command has no compose file to create from"))
    }

    fn container(&self, of: &ContainerRef) -> Result<Rc<Container>, HostError> {
        self.project
            .container(&of.id)
            .ok_or_else(|| HostError::new(format!("no such container: `{}`", of.name)))
    }

    /// An image of the store, looked up once a request.
    pub fn image(&self, name: &str) -> Result<Rc<Image>, crate::image::Error> {
        if let Some(image) = self.images.borrow().get(name) {
            return Ok(image.clone());
        }
        let invalid = |e: crate::id::InvalidName| crate::image::Error::Reference {
            text: e.text,
            rule: e.rule,
        };
        let reference = crate::id::ImageRef::new(name).map_err(invalid)?;
        if self.hold.borrow().is_none() {
            self.hold.replace(Some(self.project.images.hold()?));
        }
        let image = Rc::new(self.project.images.resolve(&reference)?);
        self.images
            .borrow_mut()
            .insert(name.to_owned(), image.clone());
        Ok(image)
    }

    /// Whose a network or volume is, and which, as docker compose says it.
    fn own_labels(&self, (kind, key): (&str, &str), name: &str) -> [(String, String); 4] {
        let label =
            |name: &str, value: &str| (format!("com.docker.compose.{name}"), value.to_owned());
        [
            label(kind, key),
            label("project", self.project.name.as_str()),
            label("version", env!("CARGO_PKG_VERSION")),
            (CONFIG_HASH.to_owned(), self.hash(name)),
        ]
    }

    fn hash(&self, name: &str) -> String {
        self.hashes
            .get(name)
            .map(|d| d.to_string())
            .unwrap_or_default()
    }

    async fn kill(&self, container: &ContainerRef, signal: &str) -> Result<(), HostError> {
        let number = signals::parse(signal).map_err(|e| HostError::new(e.to_string()))?;
        let container = self.container(container)?;
        container
            .ask(|answer| Command::Signal(number, answer))
            .await?;
        if number == libc::SIGKILL {
            container.until(|s| s.process.is_none()).await;
        }
        Ok(())
    }

    /// Freezes or thaws all processes of a container.
    async fn freeze(&self, of: &ContainerRef, frozen: bool) -> Result<(), HostError> {
        let container = self.container(of)?;
        let wanted = if frozen {
            Phase::Paused
        } else {
            Phase::Running
        };
        if !container.lives() || container.status.borrow().phase == wanted {
            return Ok(());
        }
        let path = container.record.launch.spec.cgroup.path.clone();
        let set = move || {
            let cgroup = Cgroup::open(&path)?;
            if frozen {
                cgroup.freeze()
            } else {
                cgroup.thaw()
            }
        };
        let verb = if frozen { "pause" } else { "unpause" };
        let failed = |e| HostError::because(format!("cannot {verb} container `{}`", of.name), e);
        blocking(set).await.map_err(failed)?;
        container
            .ask(|answer| Command::Frozen(frozen, answer))
            .await
    }

    async fn remove_container(&self, of: &ContainerRef, volumes: bool) -> Result<(), HostError> {
        let Some(container) = self.project.container(&of.id) else {
            return self.remove_half_made(of);
        };
        self.pre_stop(&container).await;
        container.ask(|answer| Command::Stop(None, answer)).await?;
        forward::finish(&self.project, &container).await;
        if self.keep_logs && !container.record.launch.unlogged {
            kept::keep(&self.project, &container).map_err(|e| {
                HostError::because(format!("cannot keep the log of container `{}`", of.name), e)
            })?;
        }
        let _ = container.commands.send(Command::Forget);
        self.project.containers.borrow_mut().shift_remove(&of.id);
        self.removed.borrow_mut().push(of.id.clone());
        let failed = |e: std::io::Error| {
            HostError::because(format!("cannot remove container `{}`", of.name), e)
        };
        // First: a folder that the ledger does not know has a meaning of its own.
        let (paths, gone) = (container.paths.clone(), self.project.paths.gone());
        blocking(move || paths.put_aside(&gone))
            .await
            .map_err(failed)?;
        self.project.forget_container(&container.record)?;
        if volumes {
            self.remove_anonymous(&container)?;
        }
        self.unmount_volumes(&container)
    }

    fn remove_half_made(&self, of: &ContainerRef) -> Result<(), HostError> {
        let paths = self.project.paths.container(&of.id);
        paths
            .remove()
            .map_err(|e| HostError::because(format!("cannot remove container `{}`", of.name), e))
    }
}

impl Host for RealHost {
    async fn undo(&self, action: &Action) -> Result<(), HostError> {
        match (action, action.inverse()) {
            (Action::CreateNetwork { name, .. }, _) if self.is_restored(name) => {
                self.take_down_network(name).await
            }
            // Data of somebody else, who was faster.
            (Action::CreateVolume { name, .. }, _) if !self.has_made(name) => Ok(()),
            (_, Some(inverse)) => self.perform(&inverse).await,
            (_, None) => Ok(()),
        }
    }

    async fn perform(&self, action: &Action) -> Result<(), HostError> {
        match action {
            Action::CreateNetwork { key, name } => self.create_network(key, name).await,
            Action::RemoveNetwork { name } => self.remove_network(name).await,
            Action::CreateVolume { key, name } => self.create_volume(key, name),
            Action::RemoveVolume { name } => self.remove_volume(name),
            Action::CreateContainer {
                container,
                replaces,
                keep_volumes,
                joins,
                apart,
            } => {
                let inherits = replaces.as_ref().filter(|_| *keep_volumes);
                self.create_container(container, inherits, joins).await?;
                if *apart {
                    self.project.set_apart(&*self.container(container)?, true);
                }
                Ok(())
            }
            Action::TakeOver { container, from } => self.take_over(container, from).await,
            Action::StartContainer { container } => self.start(container).await,
            Action::StopContainer { container, timeout } => {
                match self.project.container(&container.id) {
                    Some(container) => {
                        self.pre_stop(&container).await;
                        let stop = |answer| Command::Stop(*timeout, answer);
                        container.ask(stop).await
                    }
                    None => Ok(()),
                }
            }
            Action::KillContainer { container, signal } => self.kill(container, signal).await,
            Action::PauseContainer { container } => self.freeze(container, true).await,
            Action::UnpauseContainer { container } => self.freeze(container, false).await,
            Action::RemoveContainer { container, volumes } => {
                self.remove_container(container, *volumes).await
            }
            Action::Await { .. } | Action::Watch { .. } | Action::Tally { .. } => Ok(()),
        }
    }

    fn unmet(&self, containers: &[ContainerRef], condition: Condition) -> Vec<String> {
        let unmet = |of: &ContainerRef| wait::unmet(&*self.container(of).ok()?, condition);
        containers.iter().filter_map(unmet).collect()
    }

    async fn watch(&self, of: &ContainerRef, duration: Duration) -> Result<WaitOutcome, HostError> {
        let reason = self.stays_up(of, duration).await?;
        Ok(reason.map_or(WaitOutcome::Met, WaitOutcome::Unmet))
    }

    async fn wait(
        &self,
        containers: &[ContainerRef],
        condition: Condition,
    ) -> Result<WaitOutcome, HostError> {
        for container in containers {
            if let Some(reason) = self.wait_for(container, condition).await? {
                return Ok(WaitOutcome::Unmet(reason));
            }
        }
        Ok(WaitOutcome::Met)
    }
}

/// Runs kernel work that may take milliseconds beside the event loop.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .expect("kernel work does not panic, and is never aborted")
}
