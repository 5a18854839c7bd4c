//! Logs of containers that `down` has removed, and kept the logs of.

use super::{Follower, Logs, Source};
use crate::engine::ps::ps;
use crate::engine::{Engine, Error};
use crate::id::ProjectName;
use crate::state::kept_logs::{self, Kept};

/// Whose log a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSource {
    /// The container.
    pub name: String,
    /// Its service.
    pub service: String,
    /// Its number.
    pub number: u32,
    /// Nobody keeps what it writes.
    pub unlogged: bool,
}

/// The containers whose logs a request is about.
pub fn log_sources(
    engine: &Engine,
    project: &ProjectName,
    request: &Logs,
) -> Result<Vec<LogSource>, Error> {
    let mut all: Vec<LogSource> = if request.previous {
        let kept = kept_logs::list(&engine.paths.kept_logs(project))?;
        kept.into_iter()
            .map(|kept| LogSource {
                name: kept.record.name,
                service: kept.record.service,
                number: kept.record.number,
                unlogged: false,
            })
            .collect()
    } else {
        let containers = ps(engine, project)?;
        containers
            .into_iter()
            .map(|container| LogSource {
                name: container.name,
                service: container.service,
                number: container.number,
                unlogged: container.unlogged,
            })
            .collect()
    };
    let services = &request.services;
    all.retain(|source| services.is_empty() || services.contains(&source.service));
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
