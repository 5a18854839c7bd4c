//! Logs of containers that `down` has removed, and kept the logs of.

use super::{Follower, Logs, Source};
use crate::engine::ps::ps;
use crate::engine::{Engine, Error};
use crate::id::ProjectName;
use crate::state::kept_logs::{self, Kept};

/// Name, service and number of the containers whose logs a request is about.
pub fn log_sources(
    engine: &Engine,
    project: &ProjectName,
    request: &Logs,
) -> Result<Vec<(String, String, u32)>, Error> {
    let mut all: Vec<(String, String, u32)> = if request.previous {
        let kept = kept_logs::list(&engine.paths.kept_logs(project))?;
        kept.into_iter()
            .map(|k| (k.record.name, k.record.service, k.record.number))
            .collect()
    } else {
        let containers = ps(engine, project)?;
        containers
            .into_iter()
            .map(|c| (c.name, c.service, c.number))
            .collect()
    };
    let services = &request.services;
    all.retain(|(_, service, _)| services.is_empty() || services.contains(service));
    Ok(all)
}

impl Follower<'_> {
    /// What was kept instead of what there is.
    pub(super) fn add_previous(&mut self) -> Result<(), Error> {
        for kept in kept_logs::list(&self.engine.paths.kept_logs(self.project))? {
            self.add_kept(&kept)?;
        }
        Ok(())
    }

    fn add_kept(&mut self, kept: &Kept) -> Result<(), Error> {
        let services = &self.request.services;
        let record = &kept.record;
        if services.is_empty() || services.contains(&record.service) {
            self.sources.push(Source {
                id: String::new(),
                name: record.name.clone(),
                service: record.service.clone(),
                number: record.number,
                lines: self.lines(&kept.folder.join(kept_logs::LOG), self.request.tail)?,
            });
        }
        Ok(())
    }
}
