//! Networks, volumes and containers of the whole installation.

use super::down::down;
use super::ps::ps;
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::id::VolumeName;
use crate::scheduler::inventory;
use crate::scheduler::supervisor::control::{ContainerSummary, Down, Failure};
use crate::state::event::Event;

pub use crate::scheduler::inventory::{Network, NewVolume, Volume};

/// All networks, by name.
pub fn networks(engine: &Engine) -> Result<Vec<Network>, Error> {
    inventory::networks(&engine.paths).map_err(Error::io("read", &engine.paths.root))
}

/// All volumes, by name.
pub fn volumes(engine: &Engine) -> Result<Vec<Volume>, Error> {
    inventory::volumes(&engine.paths).map_err(|error| Failure::new(&error).into())
}

/// Makes a volume that belongs to no project.
pub fn create_volume(engine: &Engine, name: &VolumeName, new: NewVolume) -> Result<(), Error> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    let made = inventory::create_volume(&engine.paths, name, new);
    made.map(drop).map_err(|error| Failure::new(&error).into())
}

/// Removes a volume that no container mounts.
pub fn remove_volume(engine: &Engine, name: &str) -> Result<(), Error> {
    let found = volumes(engine)?;
    let Some(volume) = found.iter().find(|v| v.name.as_str() == name) else {
        return Err(Failure::text(format!("no such volume: `{name}`"))
            .with_hint("hoist volume ls")
            .into());
    };
    if !volume.containers.is_empty() {
        let users = volume.containers.join("`, `");
        return Err(
            Failure::text(format!("volume `{name}` is in use by container `{users}`")).into(),
        );
    }
    inventory::remove_volume(&engine.paths, &volume.name)
        .map_err(|error| Failure::new(&error).into())
}

/// Removes a network that no container is a member of. With it goes its project, if that has nothing else.
pub fn remove_network(
    engine: &Engine,
    name: &str,
    on_event: &mut dyn FnMut(&Event),
) -> Result<(), Error> {
    let found = networks(engine)?;
    let Some(network) = found.iter().find(|n| n.name.as_str() == name) else {
        return Err(Failure::text(format!("no such network: `{name}`"))
            .with_hint("hoist network ls")
            .into());
    };
    let users = &network.containers;
    if !users.is_empty() {
        return Err(Failure::text(format!(
            "network `{name}` has containers on it: `{}`",
            users.join("`, `")
        ))
        .into());
    }
    if !ps(engine, &network.project)?.is_empty() {
        return Err(Failure::text(format!(
            "network `{name}` belongs to project `{}`, which has containers",
            network.project
        ))
        .with_hint(format!("hoist -p {} down", network.project))
        .into());
    }
    down(engine, &network.project, Down::default(), on_event).map(drop)
}

/// The containers of all projects.
pub fn containers(engine: &Engine) -> Result<Vec<ContainerSummary>, Error> {
    let projects = engine
        .paths
        .projects()
        .map_err(Error::io("read", &engine.paths.root))?;
    let mut all = Vec::new();
    for project in projects {
        all.extend(ps(engine, &project)?);
    }
    Ok(all)
}

/// The container of that name, or whose id begins so.
pub fn container(engine: &Engine, name: &str) -> Result<ContainerSummary, Error> {
    let all = containers(engine)?;
    if let Some(exact) = all.iter().find(|c| c.name == name || c.id == name) {
        return Ok(exact.clone());
    }
    let mut begin = all
        .iter()
        .filter(|c| !name.is_empty() && c.id.starts_with(name));
    match (begin.next(), begin.next()) {
        (Some(one), None) => Ok(one.clone()),
        (Some(_), Some(_)) => Err(Failure::text(format!(
            "several containers have an id that begins with `{name}`"
        ))
        .into()),
        (None, _) => Err(Failure::text(format!("no such container: `{name}`"))
            .with_hint("hoist container ls -a")
            .into()),
    }
}

/// The label of a project that `container run` made: it goes with its container.
pub const SOLO: &str = "hoist.container";

/// Takes the project of a container away, if it was made for that container and has no other.
pub fn leave_solo(
    engine: &Engine,
    project: &ProjectName,
    on_event: &mut dyn FnMut(&Event),
) -> Result<(), Error> {
    if ps(engine, project)?.is_empty() {
        down(engine, project, Down::default(), on_event)?;
    }
    Ok(())
}
