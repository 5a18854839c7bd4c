//! `ls`.

use super::ps::ps;
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::ContainerState;
use crate::state::ledger;
use serde::de::IgnoredAny;
use std::path::PathBuf;

/// A project as tables show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectSummary {
    /// Its name.
    pub name: ProjectName,
    /// How many containers are in which state, most first.
    pub status: Vec<(ContainerState, usize)>,
    /// Its compose files.
    pub config_files: Vec<PathBuf>,
}

/// All projects of this state root, by name.
pub fn ls(engine: &Engine) -> Result<Vec<ProjectSummary>, Error> {
    let names = engine
        .paths
        .projects()
        .map_err(Error::io("read", &engine.paths.root))?;
    names
        .into_iter()
        .filter_map(|name| summary(engine, name).transpose())
        .collect()
}

fn summary(engine: &Engine, name: ProjectName) -> Result<Option<ProjectSummary>, Error> {
    let known = ledger::read::<IgnoredAny, IgnoredAny>(&engine.paths.project(&name).ledger())?;
    let Some(record) = known.and_then(|known| known.project) else {
        return Ok(None);
    };
    let mut status: Vec<(ContainerState, usize)> = Vec::new();
    for container in ps(engine, &name)? {
        match status
            .iter_mut()
            .find(|(state, _)| *state == container.state)
        {
            Some((_, count)) => *count += 1,
            None => status.push((container.state, 1)),
        }
    }
    status.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(Some(ProjectSummary {
        name,
        status,
        config_files: record.files,
    }))
}
