//! What the supervisor notes of its project in the ledger, so that its successor knows it, and when that is on disk.

use super::container::Container;
use super::container::Phase;
use super::launch::Launch;
use super::project::Project;
use super::restart;
use super::restart::Restarts;
use crate::runtime::identity;
use crate::runtime::sys::memory;
use crate::scheduler::action::Kind;
use crate::scheduler::execute::{HostError, chain};
use crate::scheduler::plan::Plan;
use crate::state::record::{ContainerRecord, LifeRecord};
use crate::state::store;
use std::rc::Rc;

/// What was asked for in the last run of a container.
#[derive(Debug, Clone, Copy)]
pub struct Wishes {
    /// A user's command stopped it.
    pub stopped_by_user: bool,
    /// The machine is going down: it runs again after the next boot.
    pub halted: bool,
}

/// When what a plan did must be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// Before the answer: what was stopped must not come back after a crash of the machine.
    First,
    /// Soon after it: a crash in between ends what was started as well, and the next `up` finds what is missing. The user
    /// does not wait for what others have written to the same file system.
    Soon,
    /// What was only removed may come back as a leftover that the next command sweeps.
    Whenever,
}

impl Durable {
    /// What `plan` asks for.
    pub fn of(plan: &Plan) -> Self {
        let any = |kind: Kind| plan.steps().any(|(_, node)| node.action.kind() == kind);
        if any(Kind::CreateContainer) || any(Kind::StartContainer) {
            Self::Soon
        } else if any(Kind::StopContainer) && !any(Kind::RemoveContainer) {
            Self::First
        } else {
            Self::Whenever
        }
    }
}

impl Project {
    /// Makes everything that was noted durable.
    pub async fn sync(&self) -> Result<(), HostError> {
        let root = self.paths.root.clone();
        let synced = tokio::task::spawn_blocking(move || store::sync(&root)).await;
        let failed = |e| HostError::because(format!("cannot sync project `{}`", self.name), e);
        // A thread that panicked has told why.
        synced.unwrap_or(Ok(())).map_err(failed)
    }

    /// After much work: has it on disk, if `sync`, and gives back what only the work needed. Nobody waits for it.
    pub fn come_to_rest(self: &Rc<Self>, sync: bool) {
        let project = self.clone();
        tokio::task::spawn_local(async move {
            if sync && let Err(e) = project.sync().await {
                project.warn(&chain(&e));
            }
            memory::rest();
        });
    }

    /// Notes the project's record, if it has changed; and everything, if something could not be noted when it happened.
    pub fn save(&self) -> Result<(), HostError> {
        let failed = |e| HostError::because(format!("cannot save project `{}`", self.name), e);
        let record = self.record.borrow();
        let mut ledger = self.ledger.borrow_mut();
        if ledger.is_bloated() || self.unsaved.get() {
            let containers = self.containers.borrow();
            let alive = containers
                .values()
                .map(|c| (&c.record, c.life.borrow().clone()));
            ledger.rewrite(&record, alive).map_err(failed)?;
            self.unsaved.set(false);
        } else if self.saved.borrow().as_ref() != Some(&*record) {
            ledger.project(&record).map_err(failed)?;
        }
        self.saved.replace(Some(record.clone()));
        Ok(())
    }

    /// Notes a new container.
    pub fn save_container(&self, record: &ContainerRecord<Launch>) -> Result<(), HostError> {
        let noted = self.ledger.borrow_mut().created(record);
        noted.map_err(|e| HostError::because(format!("cannot save container `{}`", record.name), e))
    }

    /// Notes that a new container is to be started, if a boot in between is to do so.
    pub fn intend(&self, record: &ContainerRecord<Launch>) -> LifeRecord {
        if !restart::outlives_a_boot(&record.launch.restart) {
            return LifeRecord::default();
        }
        let life = LifeRecord {
            meant: true,
            boot: identity::boot_id().unwrap_or_default(),
            ..LifeRecord::default()
        };
        // Without it, the next `up` has to start the container.
        let _ = self.ledger.borrow_mut().life(&record.id, life.clone());
        life
    }

    /// Notes that a container is gone, after its folders are: without them, it is forgotten by the next supervisor.
    pub fn forget_container(&self, record: &ContainerRecord<Launch>) -> Result<(), HostError> {
        let name = &record.name;
        let noted = self.ledger.borrow_mut().removed(&record.id);
        noted.map_err(|e| HostError::because(format!("cannot forget container `{name}`"), e))
    }

    /// Keeps what must outlive us of a container with such restarts. What a full disk does not take is noted later.
    pub fn remember_life(&self, container: &Container, restarts: &Restarts, wishes: Wishes) {
        let status = container.status.borrow();
        let before = container.life.borrow().clone();
        let alive = !matches!(status.phase, Phase::Created | Phase::Exited);
        let health = status.health.map(|h| format!("{h:?}").to_lowercase());
        let life = LifeRecord {
            stopped_by_user: wishes.stopped_by_user,
            halted: wishes.halted,
            apart: before.apart,
            restarts: restarts.in_a_row(),
            attempts: restarts.attempts(),
            lost: before.lost && !alive,
            meant: before.meant && status.started == 0 && !wishes.stopped_by_user,
            // Of its last run, not of whoever notes that it is over.
            boot: match alive || status.started != before.started {
                true => identity::boot_id().unwrap_or_default(),
                false => before.boot,
            },
            due: status.phase == Phase::Restarting,
            started: status.started,
            health,
            exit_code: status.exit_code,
            oom: status.oom,
            finished: status.finished,
        };
        self.note_life(container, life);
    }

    /// Whether somebody else has the names and ports of its place.
    pub fn set_apart(&self, container: &Container, apart: bool) {
        let life = container.life.borrow().clone();
        self.note_life(container, LifeRecord { apart, ..life });
    }

    fn note_life(&self, container: &Container, life: LifeRecord) {
        let id = &container.record.id;
        if self.ledger.borrow_mut().life(id, life.clone()).is_err() {
            self.unsaved.set(true);
        }
        container.life.replace(life);
    }

    /// It ended when the machine did: to be told to the next user who changes something.
    pub fn lost_with_machine(&self, container: &Container) {
        let lost = LifeRecord {
            lost: true,
            ..container.life.borrow().clone()
        };
        self.note_life(container, lost);
    }

    /// What happened while no user looked, told once.
    pub fn news(&self) -> Vec<String> {
        let mut news = self.news.take();
        let mut names = Vec::new();
        for container in self.all() {
            let life = container.life.borrow().clone();
            if life.lost {
                names.push(format!("`{}`", container.record.name));
                let lost = false;
                self.note_life(&container, LifeRecord { lost, ..life });
            }
        }
        names.sort();
        if !names.is_empty() {
            news.push(format!(
                "the machine stopped while {} ran; what was left of that run has been cleared away",
                names.join(", ")
            ));
        }
        news
    }
}
