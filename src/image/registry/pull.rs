//! A name becomes an image of the store.
//!
//! ```text
//!  name ─▶ manifest (index ─▶ platform) ─▶ config ─▶ layers, in parallel ─▶ index.json
//!                                             each: claim ▶ stream: disk, then registry ▶ verify, inflate, unpack ▶ land
//! ```
//!
//! Invariants: an image is named once all of it is here and verified; a layer that is whole is never fetched again.

use super::blob::BlobReader;
use super::client::Client;
use super::meter::{Meter, Observer};
use super::source::Source;
use crate::id::Digest;
use crate::image::oci::{self, ConfigFile, Descriptor, Manifest, Platform};
use crate::image::store::{
    NewImage, PLATFORM, Partial, Staged, StagedLayer, Work, choose_for, stage, unpack_passing,
};
use crate::image::{Error, Name, Store};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Layers of one image that are fetched at a time.
const WORKERS: usize = 6;
/// When a name was last looked up.
const PULLED: &str = "dev.hoist.image.pulled";

/// What to pull.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// The image.
    pub name: Name,
    /// `os/architecture[/variant]`, if not this machine's.
    pub platform: Option<String>,
    /// The digest that the name is to have, whatever the registry says it has now.
    pub pin: Option<Digest>,
}

/// What was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Its canonical name.
    pub name: String,
    /// As people write it.
    pub familiar: String,
    /// What the registry calls it by: of an index, if it is one.
    pub digest: Digest,
    /// Docker's image id.
    pub id: Digest,
    /// Whether the store had another image (or none) under this name.
    pub is_new: bool,
}

impl Store {
    /// When a name was last looked up in its registry, if it ever was.
    pub fn pulled(&self, name: &Name) -> Result<Option<jiff::Timestamp>, Error> {
        let entry = self.named(&stored_name(name))?;
        let time = entry.as_ref().and_then(|entry| entry.annotation(PULLED));
        Ok(time.and_then(|text| text.parse().ok()))
    }

    /// Brings an image here, or finds that it is.
    pub fn pull(
        &self,
        client: &Client,
        request: &PullRequest,
        observer: Observer,
    ) -> Result<Pulled, Error> {
        let platform = match &request.platform {
            Some(text) => Platform::parse(text).ok_or_else(|| Error::Reference {
                text: text.clone(),
                rule: "a platform is `os/architecture[/variant]`",
            })?,
            None => Platform::here(),
        };
        self.sweep_partials();
        let name = &request.name;
        let pull = Pull {
            store: self,
            work: Work::new(self)?,
            source: Source::new(client, name.domain(), name.path()),
            request,
            documents: RefCell::default(),
        };
        pull.run(&platform, observer)
    }
}

/// A pull under way.
struct Pull<'a> {
    store: &'a Store,
    /// Keeps the collector away until all is named.
    work: Work,
    source: Source<'a>,
    request: &'a PullRequest,
    /// Manifests that came from the registry.
    documents: RefCell<BTreeMap<Digest, Vec<u8>>>,
}

impl Pull<'_> {
    fn run(&self, platform: &Platform, observer: Observer) -> Result<Pulled, Error> {
        let stored_name = stored_name(&self.request.name);
        let before = self.store.named(&stored_name)?;
        let root = self.root(before.as_ref())?;
        let text = self.request.name.familiar();
        let chosen = choose_for(root.clone(), &text, platform, |descriptor| {
            self.document(descriptor)
        })?;
        let bytes = self.document(&chosen)?;
        let manifest: Manifest = oci::parse(chosen.digest.as_str(), &bytes)?;
        check_kind(&text, &manifest)?;
        let config_bytes = self.config(&manifest.config)?;
        let config: ConfigFile = oci::parse(manifest.config.digest.as_str(), &config_bytes)?;
        self.check_config((&text, root.is_index()), &config_bytes, platform)?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            let why = "its manifest and its config disagree on the number of layers";
            return Err(Error::malformed(text, why));
        }
        let sizes = self.layers(&manifest, &config.rootfs.diff_ids, observer)?;
        let is_new = before.is_none_or(|entry| entry.digest != root.digest);
        let image = self.image(stored_name.clone(), root, &manifest, config);
        let digest = image.manifest.digest.clone();
        self.commit(image, &config_bytes, sizes)?;
        Ok(Pulled {
            name: stored_name,
            familiar: text,
            digest,
            id: manifest.config.digest,
            is_new,
        })
    }

    /// What the name means now. A registry tells a digest for less than a manifest.
    fn root(&self, before: Option<&Descriptor>) -> Result<Descriptor, Error> {
        let pinned = self.request.pin.as_ref();
        if let Some(digest) = pinned.or(self.request.name.digest()) {
            let known = before.filter(|entry| entry.digest == *digest);
            return match known {
                Some(entry) => Ok(entry.bare()),
                None => self.fetch(digest.as_str()),
            };
        }
        let tag = self.request.name.tag().unwrap_or("latest");
        let Some(entry) = before else {
            return self.fetch(tag);
        };
        match self.source.digest_of(tag) {
            Ok(Some(digest)) if digest == entry.digest => Ok(entry.bare()),
            // One that cannot tell a digest alone tells the manifest.
            Ok(_) | Err(super::Error::Status { .. }) => self.fetch(tag),
            Err(error) => Err(error.into()),
        }
    }

    /// A manifest from the registry, kept for the end.
    fn fetch(&self, reference: &str) -> Result<Descriptor, Error> {
        let document = self.source.manifest(reference)?;
        let digest = document.descriptor.digest.clone();
        self.documents.borrow_mut().insert(digest, document.bytes);
        Ok(document.descriptor)
    }

    /// A manifest or index: just fetched, in the store, or from the registry.
    fn document(&self, wanted: &Descriptor) -> Result<Vec<u8>, Error> {
        if let Some(bytes) = self.documents.borrow().get(&wanted.digest) {
            return Ok(bytes.clone());
        }
        if self.store.has_blob(&wanted.digest) {
            return self.store.read_blob(&wanted.digest);
        }
        let found = self.fetch(wanted.digest.as_str())?;
        match self.documents.borrow().get(&found.digest) {
            Some(bytes) => Ok(bytes.clone()),
            None => Err(Error::malformed(found.digest.as_str(), "it is not there")),
        }
    }

    fn config(&self, wanted: &Descriptor) -> Result<Vec<u8>, Error> {
        match self.store.has_blob(&wanted.digest) {
            true => self.store.read_blob(&wanted.digest),
            false => Ok(self.source.small_blob(wanted)?),
        }
    }

    /// An image without an index is for one platform; asked for another one by name, it is the wrong one.
    fn check_config(
        &self,
        (name, is_index): (&str, bool),
        config: &[u8],
        platform: &Platform,
    ) -> Result<(), Error> {
        if self.request.platform.is_none() || is_index {
            return Ok(());
        }
        let offered: Platform = oci::parse(name, config)?;
        match platform.runs(&offered) {
            true => Ok(()),
            false => Err(Error::Platform {
                name: name.to_owned(),
                platform: platform.to_string(),
            }),
        }
    }

    /// Fetches the layers that are not here, and tells their sizes. The first that fails ends the others.
    fn layers(
        &self,
        manifest: &Manifest,
        diff_ids: &[Digest],
        observer: Observer,
    ) -> Result<BTreeMap<Digest, u64>, Error> {
        let mut missing: Vec<(&Descriptor, &Digest)> = Vec::new();
        for pair in manifest.layers.iter().zip(diff_ids) {
            if !missing.contains(&pair) && !self.is_here(pair) {
                missing.push(pair);
            }
        }
        let total = missing.iter().map(|(layer, _)| layer.size).sum();
        let meter = Meter::new(observer, total);
        let next = AtomicUsize::new(0);
        let landed = Mutex::new(BTreeMap::new());
        let failed: Mutex<Option<Error>> = Mutex::new(None);
        let fetcher = Fetcher {
            store: self.store,
            source: &self.source,
            meter: &meter,
        };
        std::thread::scope(|scope| {
            for _ in 0..WORKERS.min(missing.len()) {
                scope.spawn(|| {
                    while let Some(pair) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                        match fetcher.layer(pair.0, pair.1) {
                            Ok(Some(layer)) => {
                                lock(&landed).insert(pair.1.clone(), layer.bytes);
                            }
                            Ok(None) => {}
                            Err(error) => {
                                meter.abort();
                                lock(&failed).get_or_insert(error);
                                return;
                            }
                        }
                    }
                });
            }
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(landed.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn is_here(&self, (layer, diff_id): (&Descriptor, &Digest)) -> bool {
        self.store.has_blob(&layer.digest) && self.store.has_layer(diff_id)
    }

    fn image(
        &self,
        name: String,
        root: Descriptor,
        manifest: &Manifest,
        config: ConfigFile,
    ) -> NewImage {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        let mut annotations = BTreeMap::from([(PULLED.to_owned(), now.to_string())]);
        if let Some(platform) = &self.request.platform {
            annotations.insert(PLATFORM.to_owned(), platform.clone());
        }
        NewImage {
            manifest: root,
            id: manifest.config.digest.clone(),
            diff_ids: config.rootfs.diff_ids,
            created: config.created,
            names: vec![name],
            annotations,
        }
    }

    /// Names the image. Its layers have landed already.
    fn commit(
        &self,
        image: NewImage,
        config: &[u8],
        sizes: BTreeMap<Digest, u64>,
    ) -> Result<(), Error> {
        let mut staged = Staged {
            sizes,
            ..Staged::default()
        };
        staged.blobs.push(stage(&self.work, config)?);
        for bytes in self.documents.borrow().values() {
            staged.blobs.push(stage(&self.work, bytes.as_slice())?);
        }
        staged.images.push(image);
        self.store.commit(&self.work, &staged)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name an image gets in the store: a digest says all, whatever tag stands beside it.
fn stored_name(name: &Name) -> String {
    match name.digest() {
        Some(digest) => format!("{}/{}@{digest}", name.domain(), name.path()),
        None => name.to_string(),
    }
}

/// Registries also keep charts, signatures and the like.
fn check_kind(name: &str, manifest: &Manifest) -> Result<(), Error> {
    if manifest.config.is_image_config() {
        return Ok(());
    }
    let kind = &manifest.config.media_type;
    Err(super::Error::Unsupported {
        name: name.to_owned(),
        why: format!("it is no container image, but of type `{kind}`"),
    }
    .into())
}

/// Fetches layers.
struct Fetcher<'a> {
    store: &'a Store,
    source: &'a Source<'a>,
    meter: &'a Meter,
}

impl Fetcher<'_> {
    /// Brings a layer here; `None` if somebody else just did.
    fn layer(&self, wanted: &Descriptor, diff_id: &Digest) -> Result<Option<StagedLayer>, Error> {
        self.meter.check()?;
        let partial = Partial::claim(self.store, &wanted.digest, &|| self.meter.waiting())?;
        if self.store.has_blob(&wanted.digest) {
            if !self.store.has_layer(diff_id) {
                self.store.unpack_stored(&wanted.digest, diff_id)?;
            }
            self.meter.moved(wanted.size);
            return Ok(None);
        }
        let _slot = self.source.client.slot();
        let begun = partial.open()?;
        let resumed = begun.metadata().is_ok_and(|found| found.len() > 0);
        match self.stream(&partial, wanted, diff_id) {
            // What an earlier process left may be damaged by a power failure: once more, from the beginning.
            Err(error) if resumed && is_content(&error) => {
                self.meter.again(wanted.size);
                self.stream(&partial, wanted, diff_id).map(Some)
            }
            done => done.map(Some),
        }
    }

    /// One pass: what is there and what comes is verified, inflated and unpacked at once.
    fn stream(
        &self,
        partial: &Partial,
        wanted: &Descriptor,
        diff_id: &Digest,
    ) -> Result<StagedLayer, Error> {
        let work = Work::new(self.store)?;
        let name = wanted.digest.as_str();
        let mut reader = BlobReader::new(self.source, wanted, self.meter, partial.open()?)
            .map_err(Error::io("read", "a partial download"))?;
        let passed = unpack_passing(&work, name, &mut reader);
        if let Some(failure) = reader.failure.take() {
            return Err(failure.into());
        }
        let (actual, size, layer) = passed?;
        if actual != wanted.digest || size != wanted.size {
            partial.discard()?;
            return Err(Error::Mismatch {
                what: format!("blob of {size} bytes"),
                expected: wanted.digest.clone(),
                actual,
            });
        }
        let layer = layer.and_then(|layer| layer.verify(diff_id).map(|()| layer));
        if layer.is_err() {
            partial.discard()?;
        }
        let layer = layer?;
        self.store.land((partial, &wanted.digest), &layer)?;
        Ok(layer)
    }
}

/// The bytes are wrong, not the way they came.
fn is_content(error: &Error) -> bool {
    matches!(error, Error::Mismatch { .. } | Error::Unpack { .. })
}
