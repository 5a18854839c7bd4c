//! Images: what is here, what comes in, what goes.

use super::{Engine, Error};
use crate::image::{ArchiveKind, ImageSummary, Reference, Removed, Saving, Store, Uses};
use crate::state::ledger;
use crate::state::record::ContainerRecord;
use std::io::{Read, Write};

/// All images, by name.
pub fn images(engine: &Engine) -> Result<Vec<ImageSummary>, Error> {
    Ok(Store::open(&engine.paths.root)?.list()?)
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

/// Takes in the images of a place; the names (or the id) of each.
pub fn load(engine: &Engine, from: Depot<'_, dyn Read + Send>) -> Result<Vec<String>, Error> {
    let store = Store::open(&engine.paths.root)?;
    let loaded = match from {
        Depot::Stream(input) => store.load(input, &mut |_| ())?,
        Depot::At(text) => store.load_from(&place(text)?, &mut |_| ())?,
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

/// Which images the containers of this installation were made from, by their records: no supervisor is asked.
pub(super) fn uses(engine: &Engine) -> Result<Uses, Error> {
    let mut uses = Uses::default();
    for container in containers(engine)? {
        uses.add(container.image_id, container.name);
    }
    Ok(uses)
}

/// The records of all containers of this installation.
pub(super) fn containers(
    engine: &Engine,
) -> Result<Vec<ContainerRecord<serde_json::Value>>, Error> {
    let projects = engine.paths.projects();
    let mut records = Vec::new();
    for project in projects.map_err(Error::io("read", &engine.paths.root))? {
        let path = engine.paths.project(&project).ledger();
        let known = ledger::read::<serde_json::Value, serde_json::Value>(&path)?;
        let containers = known.unwrap_or_default().containers;
        records.extend(containers.into_values().map(|(record, _)| record));
    }
    Ok(records)
}
