//! `vendor`: everything that is locked in one OCI layout, for machines that reach no registry.
//!
//! An image lies there as its registry has it: an index stays the index, with those of its images that are locked.

use super::locked::{Lock, need_lock, reference};
use super::pull::{Pull, Wanted, When, pull};
use super::{Engine, Error, images};
use crate::image::{Name, Reference, Store, Variants};
use crate::state::event::Event;
use crate::state::record::LockedImage;
use crate::state::store;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Fetches what is missing of the locked images, puts all of them into the layout, and notes in the lock where that is.
/// Images that are files already stay where they are. Gives how many there are in the layout.
pub fn vendor(
    engine: &Engine,
    lock: &Lock,
    (dir, request): (&Path, &Pull),
    on_event: &mut dyn FnMut(&Event),
) -> Result<usize, Error> {
    let mut record = need_lock(lock)?;
    let store = Store::open(&engine.paths.root)?;
    let mut all: Vec<(Name, &LockedImage)> = Vec::new();
    for (image, locked) in &record.images {
        if let Reference::Name(name) = Reference::parse(&reference(image)?)? {
            all.push((name, locked));
        }
    }
    let (images, passing) = missing(&store, &all)?;
    let request = Pull {
        images,
        ..request.clone()
    };
    pull(engine, &request, on_event, None)?;
    for (name, locked) in &all {
        let variants = Variants {
            name: &name.to_string(),
            root: &locked.digest,
            platforms: &locked.platforms,
        };
        store.save_variants(&variants, dir)?;
    }
    let uses = images::uses(engine)?;
    for pinned in passing {
        store.remove(&pinned, &uses, true)?;
    }
    let count = all.len();
    record.vendor = Some(relative(lock, dir)?);
    store::write_pretty(&lock.file, &record)?;
    Ok(count)
}

/// What has to be fetched, and the names that are to go once it has been vendored: what comes by digest is called by it,
/// and the user may have it under that name.
fn missing(
    store: &Store,
    all: &[(Name, &LockedImage)],
) -> Result<(Vec<Wanted>, BTreeSet<String>), Error> {
    let mut passing = BTreeSet::new();
    let mut missing = Vec::new();
    for (name, locked) in all {
        let pinned = format!("{}@{}", name.repository(), locked.digest);
        for platform in locked.platforms.keys() {
            if store.has_variant(&locked.digest, platform)? {
                continue;
            }
            if !store.is_named(&pinned)? {
                passing.insert(pinned.clone());
            }
            missing.push(Wanted {
                image: pinned.clone(),
                platform: Some(platform.clone()),
                when: When::Always,
                pin: None,
                place: None,
            });
        }
    }
    Ok((missing, passing))
}

/// The folder as the lock names it: relative to itself, if it is below the project's.
fn relative(lock: &Lock, dir: &Path) -> Result<PathBuf, Error> {
    let folder = lock.file.parent().unwrap_or(Path::new("/"));
    let absolute = std::path::absolute(dir).map_err(Error::io("find", dir))?;
    let relative = absolute.strip_prefix(folder).map(Path::to_owned);
    Ok(relative.unwrap_or(absolute))
}
