//! A project at rest, told from its records: to say what does not change, nobody needs to be started.

use super::container::Status;
use super::control::ContainerSummary;
use super::launch::Launch;
use super::summary::{Known, sorted};
use crate::id::ProjectName;
use crate::network::spec::NetworkSpec;
use crate::runtime::shim::record as record_of_shim;
use crate::state::ledger;
use crate::state::paths::{ContainerPaths, Paths};
use crate::state::record::LifeRecord;

/// All containers as `ps` shows them; `None`: only a supervisor can say, because one is there or has died, something
/// lives or is about to, or there is something to be mended and told.
pub fn containers(installation: &Paths, project: &ProjectName) -> Option<Vec<ContainerSummary>> {
    let paths = installation.project(project);
    // A supervisor that leaves takes its socket with it.
    if paths.control().symlink_metadata().is_ok() {
        return None;
    }
    let known = ledger::read::<NetworkSpec, Launch>(&paths.ledger()).ok()??;
    if !known.damaged.is_empty() {
        return None;
    }
    let mut all = Vec::with_capacity(known.containers.len());
    for (record, life) in known.containers.into_values() {
        let paths = paths.container(&record.id);
        if !is_at_rest(&paths, &life) {
            return None;
        }
        let known = Known {
            project,
            record: &record,
            paths: &paths,
            restarts: life.attempts,
        };
        all.push(known.summary(&Status::at_rest(&life), None, 0));
    }
    Some(sorted(all))
}

/// Nothing of it is left of a run, and what is noted of the last one is all that there is to be noted.
fn is_at_rest(paths: &ContainerPaths, life: &LifeRecord) -> bool {
    let is_over = life.started <= life.finished && !life.due;
    is_over && paths.root.exists() && !record_of_shim::has_traces(&paths.run)
}
