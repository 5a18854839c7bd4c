//! What the supervisor notes of its project in the ledger, so that its successor knows it.

use super::container::Container;
use super::container::Phase;
use super::launch::Launch;
use super::project::Project;
use super::restart::Restarts;
use crate::runtime::identity;
use crate::scheduler::execute::HostError;
use crate::state::record::{ContainerRecord, LifeRecord};

impl Project {
    /// Notes the project's record, if it has changed.
    pub fn save(&self) -> Result<(), HostError> {
        let failed = |e| HostError::because(format!("cannot save project `{}`", self.name), e);
        let record = self.record.borrow();
        let mut ledger = self.ledger.borrow_mut();
        if ledger.is_bloated() {
            let containers = self.containers.borrow();
            let alive = containers
                .values()
                .map(|c| (&c.record, c.life.borrow().clone()));
            ledger.rewrite(&record, alive).map_err(failed)?;
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

    /// Notes that a container is gone, before its folders are: what is left of them then is swept.
    pub fn forget_container(&self, record: &ContainerRecord<Launch>) -> Result<(), HostError> {
        let name = &record.name;
        let noted = self.ledger.borrow_mut().removed(&record.id);
        noted.map_err(|e| HostError::because(format!("cannot forget container `{name}`"), e))
    }

    /// Keeps what must outlive us of a container with such restarts. Lost with a full disk, as the journal is.
    pub fn remember_life(&self, container: &Container, restarts: &Restarts, stopped_by_user: bool) {
        let status = container.status.borrow();
        let health = status.health.map(|h| format!("{h:?}").to_lowercase());
        let life = LifeRecord {
            stopped_by_user,
            restarts: restarts.in_a_row(),
            attempts: restarts.attempts(),
            boot: identity::boot_id().unwrap_or_default(),
            due: status.phase == Phase::Restarting,
            started: status.started,
            health,
            exit_code: status.exit_code,
            finished: status.finished,
        };
        let _ = self
            .ledger
            .borrow_mut()
            .life(&container.record.id, life.clone());
        container.life.replace(life);
    }
}
