//! Images: what is here, what comes in, what goes.

use super::{Engine, Error};
use crate::id::{Digest, ProjectName};
use crate::image::{
    ArchiveKind, Filter, ImageSummary, Importing, Reference, Removed, Saving, Step, Store, Uses,
};
use crate::state::ledger;
use crate::state::paths::ContainerPaths;
use crate::state::record::ContainerRecord;
use std::io::{Read, Write};

/// The images that a filter means, newest first.
pub fn images(engine: &Engine, filter: &Filter) -> Result<Vec<ImageSummary>, Error> {
    Ok(Store::open(&engine.paths.root)?.filtered(filter)?)
}

/// An image as the container of a project uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedImage {
    /// The container.
    pub container: String,
    /// Its service.
    pub service: String,
    /// The image as the file names it.
    pub name: String,
    /// Its id.
    pub id: Digest,
    /// What the store knows of it; `None` for `image: host`.
    pub summary: Option<ImageSummary>,
    /// `os/architecture[/variant]`.
    pub platform: String,
}

/// The images that the containers of a project were made from, by container.
pub fn used_images(engine: &Engine, project: &ProjectName) -> Result<Vec<UsedImage>, Error> {
    let store = Store::open(&engine.paths.root)?;
    let known = store.list()?;
    let mut used = Vec::new();
    for (_, record) in containers_of(engine, project)? {
        let summary = known.iter().find(|it| it.id == record.image_id).cloned();
        let platform = match summary {
            Some(_) => store.platform(&record.image_id)?,
            None => Store::platform_here(),
        };
        used.push(UsedImage {
            container: record.name,
            service: record.service,
            name: record.image,
            id: record.image_id,
            summary,
            platform,
        });
    }
    used.sort_by(|a, b| a.container.cmp(&b.container));
    Ok(used)
}

/// How an image was made, newest step first.
pub fn history(engine: &Engine, name: &str) -> Result<Vec<Step>, Error> {
    Ok(Store::open(&engine.paths.root)?.history(name)?)
}

/// Everything about an image, under docker's names.
pub fn inspect(engine: &Engine, name: &str) -> Result<serde_json::Value, Error> {
    Ok(Store::open(&engine.paths.root)?.inspect(name)?)
}

/// Removes a name, and its image if no name is left for it.
pub fn rmi(engine: &Engine, name: &str, force: bool) -> Result<Vec<Removed>, Error> {
    let store = Store::open(&engine.paths.root)?;
    Ok(store.remove(name, &uses(engine)?, force)?)
}

/// Where images come from, or go to.
pub enum Depot<'a, S: ?Sized> {
    /// A stream, as docker's archive.
    Stream(&'a mut S),
    /// `oci:DIR`, `oci-archive:FILE`, `docker-archive:FILE`, `dir:DIR`, or the file of an archive.
    At(&'a str),
}

fn place(text: &str) -> Result<Reference, Error> {
    let plain = || Reference::Archive {
        kind: ArchiveKind::Docker,
        file: text.into(),
        tag: None,
    };
    Ok(Reference::place(text)?.unwrap_or_else(plain))
}

/// Takes in the images of a place, for one platform (`None` = this machine's); the names (or the id) of each.
pub fn load(
    engine: &Engine,
    from: Depot<'_, dyn Read + Send>,
    platform: Option<&str>,
) -> Result<Vec<String>, Error> {
    let store = Store::open(&engine.paths.root)?;
    let loaded = match from {
        Depot::Stream(input) => store.load_for(input, platform, &mut |_| ())?,
        Depot::At(text) => store.load_from(&place(text)?, platform, &mut |_| ())?,
    };
    let names = |image: crate::image::Loaded| match image.names.is_empty() {
        true => vec![image.id.to_string()],
        false => image.names,
    };
    Ok(loaded.into_iter().flat_map(names).collect())
}

/// Writes images to a place.
pub fn save(engine: &Engine, saving: &Saving<'_>, to: Depot<'_, dyn Write>) -> Result<(), Error> {
    let store = Store::open(&engine.paths.root)?;
    match to {
        Depot::Stream(mut out) => store.save(saving, &mut out)?,
        Depot::At(text) => store.save_to(saving, &place(text)?)?,
    }
    Ok(())
}

/// Makes an image of a root filesystem's tar archive; its id.
pub fn import(
    engine: &Engine,
    input: &mut (dyn Read + Send),
    request: Importing<'_>,
) -> Result<String, Error> {
    let store = Store::open(&engine.paths.root)?;
    Ok(store.import(input, request)?.to_string())
}

/// Gives an image another name.
pub fn tag(engine: &Engine, source: &str, target: &str) -> Result<(), Error> {
    Ok(Store::open(&engine.paths.root)?.tag(source, target)?)
}

/// Which images the containers of this installation were made from, by their records: no supervisor is asked.
pub(super) fn uses(engine: &Engine) -> Result<Uses, Error> {
    let mut uses = Uses::default();
    for (_, container) in containers(engine)? {
        uses.add(container.image_id, container.name);
    }
    Ok(uses)
}

type Recorded = (ContainerPaths, ContainerRecord<serde_json::Value>);

/// The records of all containers of this installation.
pub(super) fn containers(engine: &Engine) -> Result<Vec<Recorded>, Error> {
    let projects = engine.paths.projects();
    let mut records = Vec::new();
    for project in projects.map_err(Error::io("read", &engine.paths.root))? {
        records.extend(containers_of(engine, &project)?);
    }
    Ok(records)
}

fn containers_of(engine: &Engine, project: &ProjectName) -> Result<Vec<Recorded>, Error> {
    let project = engine.paths.project(project);
    let known = ledger::read::<serde_json::Value, serde_json::Value>(&project.ledger())?;
    let mut records = Vec::new();
    for (id, (record, _)) in known.unwrap_or_default().containers {
        records.push((project.container(&id), record));
    }
    Ok(records)
}
