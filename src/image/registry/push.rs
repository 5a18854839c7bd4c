//! An image of the store goes to a registry: blobs in parallel, then manifests, the tag last.
//!
//! An index goes whole if all of its images are here; else the image for this machine goes alone, as docker does it.

use super::auth::Scope;
use super::client::Client;
use super::endpoint::Endpoint;
use super::meter::{Meter, Observer};
use super::upload::Target;
use crate::id::Digest;
use crate::image::oci::{self, Descriptor, Index, Manifest, REF_NAME};
use crate::image::store::{Work, choose};
use crate::image::{Error, Name, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Blobs of one image that are sent at a time.
const WORKERS: usize = 6;
/// Repositories that a mount is tried from.
const NEIGHBOURS: usize = 3;

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Its canonical name.
    pub name: String,
    /// The tag.
    pub tag: String,
    /// What the registry calls it by now.
    pub digest: Digest,
    /// Bytes of its manifest.
    pub size: u64,
}

/// All that makes up an image, in the order in which manifests must arrive.
#[derive(Debug, Default)]
struct Parts {
    manifests: Vec<Descriptor>,
    blobs: BTreeMap<Digest, Descriptor>,
}

impl Store {
    /// Sends the image of that name to the registry of that name.
    pub fn push(&self, client: &Client, name: &Name, observer: Observer) -> Result<Pushed, Error> {
        // Keeps the collector away from what is being sent.
        let _work = Work::new(self)?;
        let text = name.familiar();
        let Some(tag) = name.tag().filter(|_| name.digest().is_none()) else {
            return Err(Error::Reference {
                text,
                rule: "what is pushed has a tag, and no digest",
            });
        };
        let index = self.index()?;
        let entry = self.entry(&index, &text)?.clone();
        let parts = self.parts(&entry, &text)?;
        let neighbours = self.neighbours(&index, name, &parts)?;
        let all: Vec<String> = neighbours
            .values()
            .flatten()
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let total = parts.blobs.values().map(|blob| blob.size).sum();
        let target = Target {
            client,
            at: Endpoint::origin(&client.settings, name.domain()),
            repository: name.path().to_owned(),
            scope: Scope::push(name.path(), &all),
            meter: Arc::new(Meter::new(observer, total)),
        };
        self.send_blobs(&target, &parts, &neighbours)?;
        let last = parts.manifests.len() - 1;
        for (at, manifest) in parts.manifests.iter().enumerate() {
            let reference = match at == last {
                true => tag,
                false => manifest.digest.as_str(),
            };
            let bytes = self.read_blob(&manifest.digest)?;
            target.manifest(manifest, bytes, reference)?;
        }
        let root = &parts.manifests[last];
        Ok(Pushed {
            name: name.to_string(),
            tag: tag.to_owned(),
            digest: root.digest.clone(),
            size: root.size,
        })
    }

    /// The whole index, if all of it is here, else the image that runs here.
    fn parts(&self, entry: &Descriptor, name: &str) -> Result<Parts, Error> {
        let mut parts = Parts::default();
        if self.is_whole(entry, 0)? {
            self.collect_parts(entry, &mut parts)?;
        } else {
            let read = |descriptor: &Descriptor| self.read_blob(&descriptor.digest);
            self.collect_parts(&choose(entry.clone(), name, read)?, &mut parts)?;
        }
        Ok(parts)
    }

    fn is_whole(&self, entry: &Descriptor, depth: usize) -> Result<bool, Error> {
        if !self.has_blob(&entry.digest) || depth > 4 {
            return Ok(false);
        }
        let bytes = self.read_blob(&entry.digest)?;
        if entry.is_index() {
            let index: Index = oci::parse(entry.digest.as_str(), &bytes)?;
            for child in &index.manifests {
                if !self.is_whole(child, depth + 1)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        let manifest: Manifest = oci::parse(entry.digest.as_str(), &bytes)?;
        let mut blobs = manifest.layers.iter().chain([&manifest.config]);
        Ok(blobs.all(|blob| self.has_blob(&blob.digest)))
    }

    fn collect_parts(&self, entry: &Descriptor, parts: &mut Parts) -> Result<(), Error> {
        let bytes = self.read_blob(&entry.digest)?;
        if entry.is_index() {
            let index: Index = oci::parse(entry.digest.as_str(), &bytes)?;
            for child in &index.manifests {
                self.collect_parts(child, parts)?;
            }
        } else {
            let manifest: Manifest = oci::parse(entry.digest.as_str(), &bytes)?;
            for blob in manifest.layers.into_iter().chain([manifest.config]) {
                parts.blobs.insert(blob.digest.clone(), blob);
            }
        }
        if parts.manifests.iter().all(|it| it.digest != entry.digest) {
            parts.manifests.push(entry.clone());
        }
        Ok(())
    }

    /// Other repositories of the same registry whose images, by their names here, have the same blobs.
    fn neighbours(
        &self,
        index: &Index,
        name: &Name,
        parts: &Parts,
    ) -> Result<BTreeMap<Digest, Vec<String>>, Error> {
        let mut found: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        for entry in &index.manifests {
            let other = entry.annotation(REF_NAME).map(Name::parse);
            let Some(Ok(other)) = other else { continue };
            if other.domain() != name.domain() || other.path() == name.path() {
                continue;
            }
            // One that cannot be read does not help, and does not hinder.
            let Ok(manifest) = self.manifest(entry, entry.digest.as_str()) else {
                continue;
            };
            for layer in &manifest.layers {
                let list = found.entry(layer.digest.clone()).or_default();
                let path = other.path().to_owned();
                if list.len() < NEIGHBOURS && !list.contains(&path) {
                    list.push(path);
                }
            }
        }
        found.retain(|digest, _| parts.blobs.contains_key(digest));
        Ok(found)
    }

    /// All blobs, several at a time. The first that fails ends the others.
    fn send_blobs(
        &self,
        target: &Target<'_>,
        parts: &Parts,
        neighbours: &BTreeMap<Digest, Vec<String>>,
    ) -> Result<(), Error> {
        let blobs: Vec<&Descriptor> = parts.blobs.values().collect();
        let next = AtomicUsize::new(0);
        let failed: Mutex<Option<super::Error>> = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..WORKERS.min(blobs.len()) {
                scope.spawn(|| {
                    while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let _slot = target.client.slot();
                        let near = neighbours.get(&blob.digest).map_or(&[][..], Vec::as_slice);
                        if let Err(error) = target.blob(blob, self.blob_path(&blob.digest), near) {
                            target.meter.abort();
                            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                            failed.get_or_insert(error);
                            return;
                        }
                    }
                });
            }
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}
