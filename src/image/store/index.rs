//! `index.json`: which images there are, under which names.
//!
//! A name is a descriptor with the canonical name as `org.opencontainers.image.ref.name`; an image without a name is a
//! descriptor without it. What tables show (id, date, size) is kept in annotations, so that listing a thousand images
//! reads one file.

use super::blob::sync_file;
use super::layer::sync;
use super::{Lock, StagedBlob, StagedLayer, Store, Work, read_if_there};
use crate::id::Digest;
use crate::image::Error;
use crate::image::oci::{self, Descriptor, Index, Manifest, REF_NAME};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Digest of the config, docker's image id.
pub(super) const ID: &str = "dev.hoist.image.id";
/// Bytes of file content.
pub(super) const SIZE: &str = "dev.hoist.image.size";
/// When it was built, RFC 3339.
pub(super) const CREATED: &str = "org.opencontainers.image.created";

/// The platform that was asked for, if it is another than this machine's.
pub(in crate::image) const PLATFORM: &str = "dev.hoist.image.platform";

/// So many blobs are synced with everything else on their file system, fewer each by itself.
const MANY: usize = 32;

/// Everything one operation adds to the store.
#[derive(Debug, Default)]
pub(in crate::image) struct Staged {
    pub blobs: Vec<StagedBlob>,
    pub layers: BTreeMap<Digest, StagedLayer>,
    /// Bytes of file content of layers that have landed already.
    pub sizes: BTreeMap<Digest, u64>,
    pub images: Vec<NewImage>,
}

/// An image to be named in the index.
#[derive(Debug, Clone)]
pub(in crate::image) struct NewImage {
    /// The manifest.
    pub manifest: Descriptor,
    /// Digest of the config.
    pub id: Digest,
    /// All layers, bottom first.
    pub diff_ids: Vec<Digest>,
    /// As the config has it.
    pub created: Option<String>,
    /// Canonical names; none for an image known by id only.
    pub names: Vec<String>,
    /// More annotations of the descriptor.
    pub annotations: BTreeMap<String, String>,
}

impl NewImage {
    /// The descriptor, but for its name.
    fn descriptor(&self, size: u64) -> Descriptor {
        let mut descriptor = self.manifest.clone();
        descriptor.annotations = self.annotations.clone();
        descriptor
            .annotations
            .insert(ID.into(), self.id.to_string());
        descriptor.annotations.insert(SIZE.into(), size.to_string());
        if let Some(created) = &self.created {
            descriptor
                .annotations
                .insert(CREATED.into(), created.clone());
        }
        descriptor
    }
}

impl Store {
    /// The index as it is now.
    pub(in crate::image) fn index(&self) -> Result<Index, Error> {
        match read_if_there(&self.index_path())? {
            Some(bytes) => oci::parse("index.json", &bytes),
            None => Ok(Index::default()),
        }
    }

    /// Changes the index under its lock. `change` sees the newest state; nothing is written if it fails.
    pub(super) fn update_index<T>(
        &self,
        work: &Work,
        change: impl FnOnce(&mut Index) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _lock = Lock::exclusive(&self.index_lock())?;
        let mut index = self.index()?;
        let before = index.clone();
        let result = change(&mut index)?;
        if index != before {
            let path = work.fresh();
            let bytes = oci::write(&index);
            File::create_new(&path)
                .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_data()))
                .map_err(Error::io("write", &path))?;
            fs::rename(&path, self.index_path())
                .map_err(Error::io("replace", self.index_path()))?;
            // Once this returns, the change outlives a power failure.
            sync_folder(&self.oci)?;
        }
        Ok(result)
    }

    /// Publishes all of it: blobs and layers first, then their names.
    pub(in crate::image) fn commit(&self, work: &Work, staged: &Staged) -> Result<(), Error> {
        let many = staged.blobs.len() > MANY;
        if many {
            sync(work.path())?;
        }
        for blob in &staged.blobs {
            let target = self.blob_path(&blob.digest);
            if target.exists() {
                continue;
            }
            if !many {
                sync_file(&blob.path)?;
            }
            fs::rename(&blob.path, &target).map_err(Error::io("make", &target))?;
        }
        for layer in staged.layers.values() {
            if !many {
                self.mark_fresh(&layer.diff_id)?;
            }
            self.publish_layer(layer)?;
        }
        sync_folder(&self.oci.join("blobs/sha256"))?;
        let mut sizes = Vec::with_capacity(staged.images.len());
        for image in &staged.images {
            sizes.push(self.size(image, staged)?);
        }
        self.update_index(work, |index| {
            for (image, size) in staged.images.iter().zip(sizes) {
                add(index, image, size);
            }
            Ok(())
        })
    }

    /// Bytes of file content of all layers; those that were here already are counted on disk.
    fn size(&self, image: &NewImage, staged: &Staged) -> Result<u64, Error> {
        let mut diff_ids: Vec<_> = image.diff_ids.iter().collect();
        diff_ids.sort_unstable();
        diff_ids.dedup();
        let mut size = 0;
        for diff_id in diff_ids {
            let staged_size = staged.layers.get(diff_id).map(|layer| layer.bytes);
            size += match staged_size.or_else(|| staged.sizes.get(diff_id).copied()) {
                Some(bytes) => bytes,
                None => self.layer_bytes(diff_id)?,
            };
        }
        Ok(size)
    }

    /// The entry's manifest for this machine, if it is an index.
    pub(in crate::image) fn chosen(
        &self,
        entry: &Descriptor,
        name: &str,
    ) -> Result<Descriptor, Error> {
        let read = |descriptor: &Descriptor| self.read_blob(&descriptor.digest);
        choose(entry.clone(), name, read)
    }

    /// The manifest of an entry; of an index, that for this machine.
    pub(in crate::image) fn manifest(
        &self,
        entry: &Descriptor,
        name: &str,
    ) -> Result<Manifest, Error> {
        let chosen = self.chosen(entry, name)?;
        oci::parse(chosen.digest.as_str(), &self.read_blob(&chosen.digest)?)
    }

    /// The config of a manifest.
    pub(in crate::image) fn config(&self, manifest: &Manifest) -> Result<oci::ConfigFile, Error> {
        let digest = &manifest.config.digest;
        oci::parse(digest.as_str(), &self.read_blob(digest)?)
    }
}

fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = File::open(path).map_err(Error::io("open", path))?;
    folder.sync_all().map_err(Error::io("sync", path))
}

/// Follows indexes to the manifest for the platform that the entry was pulled for, or this machine.
pub(in crate::image) fn choose(
    entry: Descriptor,
    name: &str,
    read: impl Fn(&Descriptor) -> Result<Vec<u8>, Error>,
) -> Result<Descriptor, Error> {
    let platform = entry.annotation(PLATFORM).and_then(oci::Platform::parse);
    choose_for(
        entry,
        name,
        &platform.unwrap_or_else(oci::Platform::here),
        read,
    )
}

/// Follows indexes to the manifest that fits a platform best.
pub(in crate::image) fn choose_for(
    entry: Descriptor,
    name: &str,
    platform: &oci::Platform,
    read: impl Fn(&Descriptor) -> Result<Vec<u8>, Error>,
) -> Result<Descriptor, Error> {
    let mut entry = entry;
    // Indexes nest at most once in practice; more is a loop or an attack.
    for _ in 0..4 {
        if !entry.is_index() {
            return Ok(entry);
        }
        let index: Index = oci::parse(entry.digest.as_str(), &read(&entry)?)?;
        let fits = |manifest: &Descriptor| match &manifest.platform {
            Some(offered) => platform.rank(offered),
            // A nested index, or an image that does not say: worse than any that does.
            None => Some(usize::MAX),
        };
        let ranked = index
            .manifests
            .iter()
            .filter_map(|it| Some((fits(it)?, it)));
        let best = ranked.min_by_key(|(rank, _)| *rank);
        entry = best
            .map(|(_, it)| it.clone())
            .ok_or_else(|| Error::Platform {
                name: name.to_owned(),
                platform: platform.to_string(),
            })?;
    }
    Err(Error::malformed(name, "indexes nest too deeply"))
}

/// Names an image in the index. A name that another image had moves here; that image stays, by id.
fn add(index: &mut Index, image: &NewImage, size: u64) {
    let descriptor = image.descriptor(size);
    for name in &image.names {
        take_name(index, name);
        let mut named = descriptor.clone();
        named.annotations.insert(REF_NAME.into(), name.clone());
        index.manifests.push(named);
    }
    let is_named = |entry: &Descriptor| {
        entry.digest == descriptor.digest && entry.annotation(REF_NAME).is_some()
    };
    let has_name = index.manifests.iter().any(is_named);
    index
        .manifests
        .retain(|entry| entry.digest != descriptor.digest || entry.annotation(REF_NAME).is_some());
    if !has_name {
        index.manifests.push(descriptor);
    }
}

/// Frees a name. An image that loses its last name stays in the index without one.
pub(super) fn take_name(index: &mut Index, name: &str) -> bool {
    let at = index
        .manifests
        .iter()
        .position(|entry| entry.annotation(REF_NAME) == Some(name));
    let Some(at) = at else { return false };
    let mut entry = index.manifests.remove(at);
    if !index
        .manifests
        .iter()
        .any(|other| other.digest == entry.digest)
    {
        entry.annotations.remove(REF_NAME);
        index.manifests.insert(at, entry);
    }
    true
}
