//! `ls`, once and as projects come and go.

use super::ps::ps;
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::ContainerState;
use crate::state::ledger;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use serde::de::IgnoredAny;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What tells of a project: its folder comes and goes, its ledger is written.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_MODIFY);

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

/// Gives all projects with their compose files, and again whenever one may have come, gone or changed, until `on` breaks.
pub fn projects(
    engine: &Engine,
    on: &mut dyn FnMut(Vec<(ProjectName, Vec<PathBuf>)>) -> ControlFlow<()>,
) -> Result<(), Error> {
    let folder = engine.paths.root.join("projects");
    let failed = || Error::io("watch", &folder);
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC).map_err(|e| failed()(e.into()))?;
    loop {
        // Watched before it is looked at: what comes meanwhile is seen by the next look.
        watch(&inotify, &folder).map_err(|e| failed()(e.into()))?;
        let mut list = Vec::new();
        for name in engine.paths.projects().map_err(failed())? {
            // One that goes meanwhile rings.
            let _ = inotify.add_watch(&folder.join(name.as_str()), CHANGES);
            if let Ok(Some(files)) = files(engine, &name) {
                list.push((name, files));
            }
        }
        if on(list).is_break() {
            return Ok(());
        }
        match inotify.read_events() {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(failed()(error.into())),
        }
    }
}

/// Watches a folder, or the nearest one above it as long as it is not there.
fn watch(inotify: &Inotify, folder: &Path) -> Result<(), Errno> {
    for above in folder.ancestors() {
        match inotify.add_watch(above, CHANGES) {
            Ok(_) if above == folder => return Ok(()),
            // it may have been made between the two
            Ok(_) if folder.exists() => return watch(inotify, folder),
            Ok(_) => return Ok(()),
            Err(Errno::ENOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The compose files of a project; `None` = it has no record.
fn files(engine: &Engine, name: &ProjectName) -> Result<Option<Vec<PathBuf>>, Error> {
    let known = ledger::read::<IgnoredAny, IgnoredAny>(&engine.paths.project(name).ledger())?;
    Ok(known.and_then(|known| known.project).map(|it| it.files))
}

fn summary(engine: &Engine, name: ProjectName) -> Result<Option<ProjectSummary>, Error> {
    let Some(config_files) = files(engine, &name)? else {
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
        config_files,
    }))
}
