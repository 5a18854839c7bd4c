//! `lock` and `vendor`, and how `up --locked` and `up --offline` get their images: exactly those that the lock names.
//!
//! `compose.lock` lies beside the compose file. An image is checked by the digest of its manifest for this machine, so one
//! that came by an archive is as good as one that was pulled. `image: host` is the machine itself and is not locked.

use super::pull::{Pull, Wanted, When, pull};
use super::{Engine, Error};
use crate::id::{Digest, ImageRef};
use crate::image::{Name, Reference, Saving, Store};
use crate::scheduler::supervisor::control::Failure;
use crate::state::event::Event;
use crate::state::record::{LockRecord, LockedImage, VERSION};
use crate::state::store;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// The file's name.
pub const LOCK_FILE: &str = "compose.lock";

/// Which images are meant by a lock, and where it is.
#[derive(Debug, Clone)]
pub struct Lock {
    /// `compose.lock`.
    pub file: PathBuf,
    /// Images as the services name them.
    pub images: BTreeSet<String>,
    /// Take no byte from a registry.
    pub offline: bool,
}

/// Whether a lock can hold an image at all.
fn is_lockable(image: &String) -> bool {
    image != "host"
}

/// Writes the lock: the images of `pull` are fetched if they are not here, and what they are now is written down for each
/// of `platforms` (empty: this machine's). Images in `update` are asked for anew; others that are locked stay as they are.
/// Gives the names that are new or changed.
pub fn lock(
    engine: &Engine,
    lock: &Lock,
    (request, platforms): (&Pull, &[String]),
    update: &BTreeSet<String>,
    on_event: &mut dyn FnMut(&Event),
) -> Result<Vec<String>, Error> {
    let before: Option<LockRecord> = store::read(&lock.file)?;
    let mut request = request.clone();
    for wanted in &mut request.images {
        if update.contains(&wanted.image) {
            wanted.when = When::Always;
        }
    }
    pull(engine, &request, on_event, None)?;
    let images = Store::open(&engine.paths.root)?;
    let mut record = LockRecord {
        version: VERSION,
        images: BTreeMap::new(),
        vendor: before.as_ref().and_then(|it| it.vendor.clone()),
    };
    let known = before.map(|it| it.images).unwrap_or_default();
    let mut changed = Vec::new();
    for image in lock.images.iter().filter(|image| is_lockable(image)) {
        let asked: BTreeSet<&String> = platforms.iter().collect();
        let kept = known.get(image).filter(|it| {
            !update.contains(image) && asked.iter().all(|name| it.platforms.contains_key(*name))
        });
        let locked = match kept {
            Some(kept) => kept.clone(),
            None => {
                // Archives and layouts come into the store when they are first used.
                images.resolve(&reference(image)?)?;
                let (digest, platforms) = images.digests(image, platforms)?;
                LockedImage { digest, platforms }
            }
        };
        if known.get(image) != Some(&locked) {
            changed.push(image.clone());
        }
        record.images.insert(image.clone(), locked);
    }
    store::write_pretty(&lock.file, &record)?;
    Ok(changed)
}

/// Puts every locked image, as this machine runs it, into one OCI layout, and notes in the lock where that is.
pub fn vendor(engine: &Engine, lock: &Lock, dir: &Path) -> Result<usize, Error> {
    let mut record = read(lock)?;
    let images = Store::open(&engine.paths.root)?;
    let here = images.platform_here();
    for (image, locked) in &record.images {
        check(&images, image, locked, &here)?;
    }
    let layout = |tag| Reference::Layout {
        dir: dir.to_owned(),
        tag,
    };
    for image in record.images.keys() {
        let saving = Saving {
            images: std::slice::from_ref(image),
            platform: None,
        };
        images.save_to(&saving, &layout(Some(tag_of(image))))?;
    }
    let folder = lock.file.parent().unwrap_or(Path::new("/"));
    let absolute = std::path::absolute(dir).map_err(Error::io("find", dir))?;
    let relative = absolute.strip_prefix(folder).map(Path::to_owned);
    record.vendor = Some(relative.unwrap_or(absolute));
    store::write_pretty(&lock.file, &record)?;
    Ok(record.images.len())
}

/// Brings exactly the locked images here: those of other digests are fetched anew, by digest.
pub fn bring_locked(
    engine: &Engine,
    lock: &Lock,
    request: &Pull,
    on_event: &mut dyn FnMut(&Event),
    cancel: Option<BorrowedFd<'_>>,
) -> Result<(), Error> {
    let record = read(lock)?;
    let images = Store::open(&engine.paths.root)?;
    let here = images.platform_here();
    for image in lock.images.iter().filter(|image| is_lockable(image)) {
        let Some(locked) = record.images.get(image) else {
            let text = format!("image `{image}` is not in `{}`", lock.file.display());
            return Err(Failure::text(text).with_hint("hoist lock").into());
        };
        if check(&images, image, locked, &here).is_ok() {
            continue;
        }
        let parsed = Reference::parse(&reference(image)?)?;
        match (parsed, lock.offline, &record.vendor) {
            (Reference::Name(_), true, Some(vendor)) => {
                let dir = lock.file.parent().unwrap_or(Path::new("/")).join(vendor);
                let tag = Some(tag_of(image));
                images.load_from(&Reference::Layout { dir, tag }, &mut |_| {})?;
            }
            (Reference::Name(name), false, _) => {
                fetch(engine, &name, locked, request, on_event, cancel)?;
                images.tag(locked.digest.as_str(), image)?;
            }
            _ => {}
        }
        check(&images, image, locked, &here)?;
    }
    Ok(())
}

fn fetch(
    engine: &Engine,
    name: &Name,
    locked: &LockedImage,
    request: &Pull,
    on_event: &mut dyn FnMut(&Event),
    cancel: Option<BorrowedFd<'_>>,
) -> Result<(), Error> {
    let one = Pull {
        images: vec![Wanted {
            image: format!("{}/{}@{}", name.domain(), name.path(), locked.digest),
            platform: None,
            when: When::Missing,
            place: None,
        }],
        ..request.clone()
    };
    pull(engine, &one, on_event, cancel).map(drop)
}

/// The image that is here under that name is the one that is locked.
fn check(images: &Store, image: &str, locked: &LockedImage, here: &str) -> Result<(), Error> {
    let Some(expected) = locked.platforms.get(here) else {
        let text = format!("image `{image}` is not locked for `{here}`");
        let hint = format!("hoist lock --platform {here}");
        return Err(Failure::text(text).with_hint(hint).into());
    };
    let actual: Digest = images.resolve(&reference(image)?)?.digest;
    if actual == *expected {
        return Ok(());
    }
    let text = format!("image `{image}` is not the one that is locked");
    let failure = Failure {
        causes: vec![format!("`{expected}` is locked, and `{actual}` is here")],
        ..Failure::text(text)
    };
    Err(failure
        .with_hint("`hoist lock --update` locks what is there now")
        .into())
}

fn read(lock: &Lock) -> Result<LockRecord, Error> {
    store::read(&lock.file)?.ok_or_else(|| {
        let text = format!("there is no `{}`", lock.file.display());
        Failure::text(text)
            .with_hint("`hoist lock` writes it")
            .into()
    })
}

/// The name in a vendored layout.
fn tag_of(image: &str) -> String {
    Name::parse(image).map_or_else(|_| image.to_owned(), |name| name.to_string())
}

fn reference(image: &str) -> Result<ImageRef, Error> {
    let invalid = |error: crate::id::InvalidName| crate::image::Error::Reference {
        text: error.text,
        rule: error.rule,
    };
    Ok(ImageRef::new(image).map_err(invalid)?)
}
