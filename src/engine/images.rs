//! Images: what is here, what comes in, what goes.

use super::ps::ps;
use super::{Engine, Error};
use crate::id::Digest;
use crate::image::{ImageSummary, Removed, Store};
use crate::state::record::ContainerRecord;
use crate::state::store;
use std::collections::HashSet;
use std::io::Read;

/// All images, by name.
pub fn images(engine: &Engine) -> Result<Vec<ImageSummary>, Error> {
    Ok(Store::open(&engine.paths.root)?.list()?)
}

/// Removes names, and images that no name is left for. One line a thing, as docker prints it.
pub fn rmi(engine: &Engine, names: &[String], force: bool) -> Result<Vec<String>, Error> {
    let store = Store::open(&engine.paths.root)?;
    let used = used_images(engine)?;
    let mut lines = Vec::new();
    for name in names {
        for removed in store.remove(name, &|id: &Digest| used.contains(id), force)? {
            lines.push(match removed {
                Removed::Untagged(name) => format!("Untagged: {name}"),
                Removed::Deleted(id) => format!("Deleted: {id}"),
            });
        }
    }
    Ok(lines)
}

/// Takes in a docker or OCI archive; the names (or ids) of what it held.
pub fn load(engine: &Engine, input: &mut (dyn Read + Send)) -> Result<Vec<String>, Error> {
    let loaded = Store::open(&engine.paths.root)?.load(input, &mut |_| ())?;
    let name = |image: &crate::image::Loaded| {
        image
            .names
            .first()
            .cloned()
            .unwrap_or_else(|| image.id.to_string())
    };
    Ok(loaded.iter().map(name).collect())
}

/// Makes an image of a root filesystem's tar archive; its id.
pub fn import(
    engine: &Engine,
    input: &mut (dyn Read + Send),
    name: Option<&str>,
    changes: &[String],
) -> Result<String, Error> {
    Ok(Store::open(&engine.paths.root)?
        .import(input, name, changes)?
        .to_string())
}

/// Gives an image another name.
pub fn tag(engine: &Engine, source: &str, target: &str) -> Result<(), Error> {
    Ok(Store::open(&engine.paths.root)?.tag(source, target)?)
}

/// Ids of the images that some container of this installation was made from.
fn used_images(engine: &Engine) -> Result<HashSet<Digest>, Error> {
    let mut used = HashSet::new();
    let projects = engine
        .paths
        .projects()
        .map_err(Error::io("read", &engine.paths.root))?;
    for project in projects {
        for container in ps(engine, &project)? {
            let Ok(id) = crate::id::ContainerId::new(&container.id) else {
                continue;
            };
            let path = engine.paths.project(&project).container(&id).record();
            let record: Option<ContainerRecord<serde::de::IgnoredAny>> = store::read(&path)?;
            used.extend(record.map(|r| r.image_id));
        }
    }
    Ok(used)
}
