//! `compose.lock`, and how `up --locked` and `up --offline` get their images: exactly those that it names.
//!
//! The file lies beside the compose file. An image is checked by the digest of its manifest for the platform it runs on, so
//! one that came by an archive is as good as one that was pulled. `image: host` is the machine itself and is not locked.
//!
//! Invariant: nothing is named in the store that is not what the lock says; a layout or registry that offers something
//! else is an error before that.

use super::pull::{Pull, Wanted, When, pull};
use super::{Engine, Error};
use crate::id::ImageRef;
use crate::image::{Locked, Name, Reference, Store};
use crate::scheduler::supervisor::control::Failure;
use crate::state::event::Event;
use crate::state::record::{LockRecord, LockedImage, VERSION};
use crate::state::store;
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// The file's name.
pub const LOCK_FILE: &str = "compose.lock";

/// Which images are meant by a lock, and where it is.
#[derive(Debug, Clone)]
pub struct Lock {
    /// `compose.lock`.
    pub file: PathBuf,
    /// Images as the services name them, each with the platform it is to run on if that is not this machine's.
    pub images: BTreeMap<String, Option<String>>,
    /// Take no byte from a registry.
    pub offline: bool,
}

/// Brings exactly the locked images here: those of other digests are fetched anew, by digest.
pub fn bring_locked(
    engine: &Engine,
    lock: &Lock,
    request: &Pull,
    on_event: &mut dyn FnMut(&Event),
    cancel: Option<BorrowedFd<'_>>,
) -> Result<(), Error> {
    let record = need_lock(lock)?;
    let store = Store::open(&engine.paths.root)?;
    let mut chosen = Vec::new();
    let mut missing = Vec::new();
    for (image, platform) in &lock.images {
        let one = Chosen::of(lock, &record, (image, platform.as_deref()))?;
        if one.check(&store).is_err()
            && let Reference::Name(name) = Reference::parse(&reference(image)?)?
        {
            match lock.offline {
                true => one.take_in(&store, &name, &lock.vendored(&record, image)?)?,
                false => missing.push(one.wanted(request)),
            }
        }
        chosen.push(one);
    }
    let request = Pull {
        images: missing,
        ..request.clone()
    };
    pull(engine, &request, on_event, cancel)?;
    chosen.iter().try_for_each(|one| one.check(&store))
}

/// A locked image on the platform it is to run on.
struct Chosen<'a> {
    image: &'a str,
    locked: Locked<'a>,
    /// If it is not this machine's.
    platform: Option<&'a str>,
}

impl<'a> Chosen<'a> {
    fn of(
        lock: &Lock,
        record: &'a LockRecord,
        (image, platform): (&'a str, Option<&'a str>),
    ) -> Result<Self, Error> {
        let Some(LockedImage { digest, platforms }) = record.images.get(image) else {
            let text = format!("image `{image}` is not in `{}`", lock.file.display());
            return Err(Failure::text(text).with_hint("hoist lock").into());
        };
        let own = platform.map(Store::platform_name).transpose()?;
        let needed = own.unwrap_or_else(Store::platform_here);
        let Some((name, manifest)) = platforms.get_key_value(&needed) else {
            let text = format!("image `{image}` is not locked for `{needed}`");
            let hint = format!("hoist lock --platform {needed}");
            return Err(Failure::text(text).with_hint(hint).into());
        };
        Ok(Self {
            image,
            locked: Locked {
                root: digest,
                platform: name,
                manifest,
            },
            platform,
        })
    }

    /// The image that is here under that name is the one that is locked.
    fn check(&self, store: &Store) -> Result<(), Error> {
        let expected = self.locked.manifest;
        let actual = store.resolve(&reference(self.image)?)?.digest;
        if actual == *expected {
            return Ok(());
        }
        let failure = Failure {
            causes: vec![format!("`{expected}` is locked, and `{actual}` is here")],
            ..Failure::text(format!(
                "image `{}` is not the one that is locked",
                self.image
            ))
        };
        Err(failure
            .with_hint("`hoist lock --update` locks what it is now")
            .into())
    }

    fn take_in(&self, store: &Store, name: &Name, dir: &Path) -> Result<(), Error> {
        Ok(store.load_locked(dir, &name.to_string(), &self.locked)?)
    }

    fn wanted(&self, request: &Pull) -> Wanted {
        let asked = request.images.iter().find(|it| it.image == self.image);
        Wanted {
            image: self.image.to_owned(),
            platform: self.platform.map(str::to_owned),
            when: When::Always,
            pin: Some(self.locked.root.clone()),
            place: asked.and_then(|it| it.place.clone()),
        }
    }
}

impl Lock {
    /// The layout that has what is not here.
    fn vendored(&self, record: &LockRecord, image: &str) -> Result<PathBuf, Error> {
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        let dir = record.vendor.as_ref().map(|dir| folder.join(dir));
        match dir {
            Some(dir) if dir.join("index.json").exists() => Ok(dir),
            Some(dir) => {
                let text = format!(
                    "image `{image}` is not here, and neither is `{}`",
                    dir.display()
                );
                let hint = "run `hoist vendor DIR` where the registry can be reached, and bring the folder here";
                Err(Failure::text(text).with_hint(hint).into())
            }
            None => {
                let text = format!("image `{image}` is not here, and nothing is vendored");
                let hint = "run `hoist vendor DIR` where the registry can be reached";
                Err(Failure::text(text).with_hint(hint).into())
            }
        }
    }
}

/// The lock, which has to be there.
pub(super) fn need_lock(lock: &Lock) -> Result<LockRecord, Error> {
    read_lock(lock)?.ok_or_else(|| {
        let text = format!("there is no `{}`", lock.file.display());
        Failure::text(text)
            .with_hint("`hoist lock` writes it")
            .into()
    })
}

/// The lock, if there is one.
pub(super) fn read_lock(lock: &Lock) -> Result<Option<LockRecord>, Error> {
    let record: Option<LockRecord> = store::read(&lock.file)?;
    match record {
        Some(LockRecord { version, .. }) if version > VERSION => {
            let text = format!(
                "`{}` is of version {version}, and this hoist knows {VERSION}",
                lock.file.display()
            );
            Err(Failure::text(text).with_hint("use a newer hoist").into())
        }
        record => Ok(record),
    }
}

pub(super) fn reference(image: &str) -> Result<ImageRef, Error> {
    let invalid = |error: crate::id::InvalidName| crate::image::Error::Reference {
        text: error.text,
        rule: error.rule,
    };
    Ok(ImageRef::new(image).map_err(invalid)?)
}
