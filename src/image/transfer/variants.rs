//! Images that are locked: an index with those of its images that are wanted, to a layout and back.
//!
//! A layout may have an index without all of its images, as skopeo's `--multi-arch` writes it; so the digest that the
//! registry knows the image by stays what leads to it.

use super::folder::{self, media_type};
use super::folder_out::LayoutOut;
use super::save::{Out, Outgoing};
use crate::id::Digest;
use crate::image::Error;
use crate::image::oci::{self, Descriptor, Manifest, Platform};
use crate::image::store::{Store, choose_for};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

/// What is kept of an image.
#[derive(Debug, Clone, Copy)]
pub struct Variants<'a> {
    /// Its name in the layout.
    pub name: &'a str,
    /// What registries know it by.
    pub root: &'a Digest,
    /// Digests of its manifests by platform.
    pub platforms: &'a BTreeMap<String, Digest>,
}

/// The one image that is meant.
#[derive(Debug, Clone, Copy)]
pub struct Locked<'a> {
    /// What registries know it by.
    pub root: &'a Digest,
    /// What it runs on.
    pub platform: &'a str,
    /// Its manifest.
    pub manifest: &'a Digest,
}

impl Store {
    /// Whether every blob of an image for a platform is here.
    pub fn has_variant(&self, root: &Digest, platform: &str) -> Result<bool, Error> {
        if !self.has_blob(root) {
            return Ok(false);
        }
        let Some((way, manifest)) = self.way(&self.root(root)?, platform)? else {
            return Ok(false);
        };
        let parts = manifest.layers.iter().chain([&manifest.config]);
        Ok(parts.chain(&way).all(|part| self.has_blob(&part.digest)))
    }

    /// Puts an image into a layout, for several platforms at once.
    pub fn save_variants(&self, image: &Variants<'_>, dir: &Path) -> Result<(), Error> {
        let _hold = self.hold()?;
        let mut out = LayoutOut::open(dir, Some(image.name.to_owned()))?;
        let root = self.root(image.root)?;
        let mut last = None;
        for (platform, expected) in image.platforms {
            let missing = || Error::Platform {
                name: image.name.to_owned(),
                platform: platform.to_owned(),
            };
            let (way, manifest) = self.way(&root, platform)?.ok_or_else(missing)?;
            expect(image.name, expected, &way)?;
            let parts = manifest.layers.iter().chain([&manifest.config]);
            for part in parts.chain(way.iter().rev()) {
                self.copy_missing(part, &mut out)?;
            }
            last = Some(manifest);
        }
        // A lock without a platform names nothing.
        let Some(manifest) = last else { return Ok(()) };
        out.finish(&[Outgoing {
            names: vec![image.name.to_owned()],
            descriptor: root,
            manifest,
        }])
    }

    /// Takes in what is locked from a layout that was made by [`Store::save_variants`], and nothing else.
    pub fn load_locked(&self, dir: &Path, name: &str, locked: &Locked<'_>) -> Result<(), Error> {
        folder::load_locked(self, dir, name, locked)
    }

    /// What a digest leads to, from the blob itself.
    fn root(&self, digest: &Digest) -> Result<Descriptor, Error> {
        let bytes = self.read_blob(digest)?;
        Ok(Descriptor {
            media_type: media_type(digest.as_str(), &bytes)?,
            digest: digest.clone(),
            size: bytes.len() as u64,
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
        })
    }

    /// Everything between a root and the manifest for a platform, both included; `None` if some of it is not here.
    fn way(
        &self,
        root: &Descriptor,
        platform: &str,
    ) -> Result<Option<(Vec<Descriptor>, Manifest)>, Error> {
        let way = RefCell::new(Vec::new());
        let read = |descriptor: &Descriptor| {
            way.borrow_mut().push(descriptor.clone());
            self.read_blob(&descriptor.digest)
        };
        let name = root.digest.as_str();
        let chosen = choose_for(root.clone(), name, &Platform::read(platform)?, read);
        let mut way = way.into_inner();
        if way.iter().any(|it| !self.has_blob(&it.digest)) {
            return Ok(None);
        }
        let chosen = chosen?;
        if !self.has_blob(&chosen.digest) {
            return Ok(None);
        }
        let manifest = oci::parse(chosen.digest.as_str(), &self.read_blob(&chosen.digest)?)?;
        way.push(chosen);
        Ok(Some((way, manifest)))
    }
}

/// The way ends at the manifest that is locked.
fn expect(name: &str, expected: &Digest, way: &[Descriptor]) -> Result<(), Error> {
    match way.last().filter(|it| it.digest != *expected) {
        None => Ok(()),
        Some(other) => Err(Error::Mismatch {
            what: name.to_owned(),
            expected: expected.clone(),
            actual: other.digest.clone(),
        }),
    }
}
