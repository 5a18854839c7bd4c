//! `lock`: which images a project runs on is written down, by digest.
//!
//! What is locked stays as it is until an update is asked for: another platform is looked up in the very index that is
//! locked, whatever the tag means by now.

use super::locked::{Lock, read_lock, reference};
use super::pull::{Pull, Wanted, When, pull};
use super::{Engine, Error};
use crate::image::Store;
use crate::state::event::Event;
use crate::state::record::{LockRecord, LockedImage, VERSION};
use crate::state::store;
use std::collections::{BTreeMap, BTreeSet};

/// What is asked of a lock.
#[derive(Debug, Clone)]
pub struct Locking {
    /// How images that are not here come.
    pub pull: Pull,
    /// Lock for these, as `os/architecture[/variant]`; none: for those that are locked, else for this machine.
    pub platforms: Vec<String>,
    /// Images that are to be looked up anew.
    pub update: BTreeSet<String>,
}

/// What a lock has become.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockChange {
    /// Images that were not locked, or otherwise.
    pub locked: Vec<String>,
    /// Images that nothing names any more.
    pub dropped: Vec<String>,
}

/// Writes the lock. Images that are here and not locked are locked as they are; what is not here is fetched.
pub fn lock(
    engine: &Engine,
    lock: &Lock,
    locking: &Locking,
    on_event: &mut dyn FnMut(&Event),
) -> Result<LockChange, Error> {
    let before = read_lock(lock)?;
    let known = before.as_ref().map(|it| &it.images);
    let asked = platforms(locking, before.as_ref())?;
    let store = Store::open(&engine.paths.root)?;
    let mut images: Vec<Looked> = Vec::new();
    let mut request = Pull {
        images: Vec::new(),
        ..locking.pull.clone()
    };
    for (image, own) in &lock.images {
        let own = own.as_deref().map(Store::platform_name).transpose()?;
        let looked = Looked {
            image,
            platforms: asked.iter().cloned().chain(own).collect(),
            kept: known
                .and_then(|known| known.get(image))
                .filter(|_| !locking.update.contains(image)),
        };
        request.images.extend(looked.wanted(&store, locking)?);
        images.push(looked);
    }
    pull(engine, &request, on_event, None)?;
    let mut record = LockRecord {
        version: VERSION,
        images: BTreeMap::new(),
        vendor: before.as_ref().and_then(|it| it.vendor.clone()),
    };
    for looked in images {
        let locked = looked.settle(&store)?;
        record.images.insert(looked.image.to_owned(), locked);
    }
    if before.as_ref() != Some(&record) {
        store::write_pretty(&lock.file, &record)?;
    }
    Ok(change(
        before.map(|it| it.images).unwrap_or_default(),
        &record,
    ))
}

/// For which platforms every image is locked, in the words of the specification.
fn platforms(locking: &Locking, before: Option<&LockRecord>) -> Result<BTreeSet<String>, Error> {
    let asked: Result<BTreeSet<String>, _> = locking
        .platforms
        .iter()
        .map(|text| Store::platform_name(text))
        .collect();
    let asked = asked?;
    if !asked.is_empty() {
        return Ok(asked);
    }
    // Not those that a single service asks for by itself.
    let images = before.into_iter().flat_map(|it| it.images.values());
    let of_each = images.map(|it| it.platforms.keys().cloned().collect::<BTreeSet<_>>());
    let common = of_each.reduce(|a, b| a.intersection(&b).cloned().collect());
    let common = common.filter(|it| !it.is_empty());
    Ok(common.unwrap_or_else(|| BTreeSet::from([Store::platform_here()])))
}

/// An image that is looked up.
struct Looked<'a> {
    image: &'a str,
    platforms: BTreeSet<String>,
    /// As it is locked, if it is to stay.
    kept: Option<&'a LockedImage>,
}

impl Looked<'_> {
    /// Platforms that the lock does not have yet.
    fn lacking(&self) -> Vec<String> {
        let known = |platform: &&String| {
            self.kept
                .is_some_and(|it| it.platforms.contains_key(*platform))
        };
        let lacking = self.platforms.iter().filter(|it| !known(it));
        lacking.cloned().collect()
    }

    /// What has to be fetched to know its digests.
    fn wanted(&self, store: &Store, locking: &Locking) -> Result<Option<Wanted>, Error> {
        if self.lacking().is_empty() {
            return Ok(None);
        }
        let mut named = locking.pull.images.iter();
        let Some(wanted) = named.find(|it| it.image == self.image) else {
            return Ok(None);
        };
        let mut wanted = wanted.clone();
        match self.kept {
            Some(kept) if store.contains(kept.digest.as_str())? => return Ok(None),
            Some(kept) => {
                wanted.pin = Some(kept.digest.clone());
                wanted.when = When::Always;
            }
            None if locking.update.contains(self.image) => wanted.when = When::Always,
            None => {}
        }
        Ok(Some(wanted))
    }

    /// Its digests, once it is here.
    fn settle(&self, store: &Store) -> Result<LockedImage, Error> {
        let lacking = self.lacking();
        let text = match self.kept {
            Some(kept) if lacking.is_empty() => return Ok(kept.clone()),
            Some(kept) => kept.digest.as_str(),
            None => {
                // Archives and layouts come into the store when they are first used.
                store.resolve(&reference(self.image)?)?;
                self.image
            }
        };
        let (digest, mut platforms) = store.digests(text, &lacking)?;
        if let Some(kept) = self.kept {
            platforms.extend(kept.platforms.clone());
        }
        Ok(LockedImage { digest, platforms })
    }
}

fn change(before: BTreeMap<String, LockedImage>, after: &LockRecord) -> LockChange {
    let is_new = |(image, locked): &(&String, &LockedImage)| before.get(*image) != Some(*locked);
    let images = after.images.iter();
    LockChange {
        locked: images.filter(is_new).map(|(it, _)| it.clone()).collect(),
        dropped: before
            .keys()
            .filter(|image| !after.images.contains_key(*image))
            .cloned()
            .collect(),
    }
}
