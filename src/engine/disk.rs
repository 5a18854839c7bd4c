//! What is on the disk, and what of it nobody needs.

use super::images::{containers, uses};
use super::{Engine, Error};
use crate::id::ContainerId;
use crate::image::{Filter, GRACE, Removed, Store, StoreUsage, folder_bytes};
use crate::state::record::ContainerRecord;

/// What `system df` knows of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerUsage {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// Image as written in the file.
    pub image: String,
    /// When it was made, nanoseconds since the epoch.
    pub created: i64,
    /// Bytes of its writable layer.
    pub size: u64,
}

/// What `system df` knows of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeUsage {
    /// Its name.
    pub name: String,
    /// How many containers mount it.
    pub links: usize,
    /// Bytes of its files.
    pub size: u64,
}

/// All that takes room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskUsage {
    /// Images.
    pub store: StoreUsage,
    /// Containers, by name.
    pub containers: Vec<ContainerUsage>,
    /// Volumes, by name.
    pub volumes: Vec<VolumeUsage>,
}

/// Counts what images, containers and volumes take.
pub fn df(engine: &Engine) -> Result<DiskUsage, Error> {
    let store = Store::open(&engine.paths.root)?.usage(&uses(engine)?)?;
    let usage = |(paths, record): (_, ContainerRecord<serde_json::Value>)| {
        let paths: crate::state::paths::ContainerPaths = paths;
        ContainerUsage {
            // What goes while we look takes nothing.
            size: folder_bytes(&paths.upper()).unwrap_or(0),
            id: record.id,
            name: record.name,
            image: record.image,
            created: record.created,
        }
    };
    let mut made: Vec<_> = containers(engine)?.into_iter().map(usage).collect();
    made.sort_by(|a, b| a.name.cmp(&b.name));
    let volumes = super::volumes(engine)?.into_iter();
    let volumes = volumes.map(|volume| VolumeUsage {
        size: folder_bytes(&volume.path).unwrap_or(0),
        links: volume.containers.len(),
        name: volume.name.to_string(),
    });
    Ok(DiskUsage {
        store,
        containers: made,
        volumes: volumes.collect(),
    })
}

/// Removes images that no container needs: those without a name or, with `all`, every one; what was removed, and the
/// bytes it was.
pub fn prune_images(
    engine: &Engine,
    all: bool,
    filter: &Filter,
) -> Result<(Vec<Removed>, u64), Error> {
    let store = Store::open(&engine.paths.root)?;
    let meant: Vec<_> = store
        .filtered(filter)?
        .into_iter()
        .map(|it| it.id)
        .collect();
    let uses = uses(engine)?;
    let goes = |image: &crate::image::ImageSummary| {
        meant.contains(&image.id) && (all || image.names.is_empty())
    };
    let (removed, mut freed) = store.prune(&uses, &goes)?;
    freed += store.collect(&uses, GRACE)?.unwrap_or(0);
    Ok((removed, freed))
}
