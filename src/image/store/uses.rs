//! Who needs what is in the store: containers by record, processes by lock.

use super::{Lock, Store};
use crate::id::Digest;
use crate::image::Error;
use std::collections::BTreeMap;

/// Which images containers were made from, running or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses(BTreeMap<Digest, Vec<String>>);

impl Uses {
    /// A container needs an image.
    pub fn add(&mut self, image: Digest, container: String) {
        self.0.entry(image).or_default().push(container);
    }

    /// Names of the containers that need an image.
    pub fn of(&self, image: &Digest) -> &[String] {
        self.0.get(image).map_or(&[], Vec::as_slice)
    }

    /// Whether some container needs it.
    pub fn contains(&self, image: &Digest) -> bool {
        self.0.contains_key(image)
    }

    /// All images that are needed.
    pub fn images(&self) -> impl Iterator<Item = &Digest> {
        self.0.keys()
    }
}

/// While it lives, nothing that is in the store goes: for whoever reads an image for longer than a moment, or is about to
/// make a container of one.
#[derive(Debug)]
pub struct Hold {
    _reader: Lock,
}

impl Store {
    /// Keeps everything that is in the store there.
    pub fn hold(&self) -> Result<Hold, Error> {
        Ok(Hold {
            _reader: Lock::shared(&self.writers_lock())?,
        })
    }
}
