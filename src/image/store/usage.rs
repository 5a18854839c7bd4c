//! What images take on the disk.

use super::list::bytes_below;
use super::{ImageSummary, Store, Uses};
use crate::image::Error;
use crate::image::oci::{self, ConfigFile};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// One image's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUsage {
    /// The image.
    pub image: ImageSummary,
    /// Bytes of layers that others have, too.
    pub shared: u64,
    /// Bytes of layers that only it has.
    pub unique: u64,
    /// Containers made from it.
    pub containers: usize,
}

/// All images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreUsage {
    /// By image, newest first.
    pub images: Vec<ImageUsage>,
    /// Bytes of blobs and unpacked layers.
    pub total: u64,
    /// Bytes that no container needs.
    pub reclaimable: u64,
}

impl Store {
    /// What each image takes, and all of them. Layers are counted as they lie on the disk, so it takes a while.
    pub fn usage(&self, uses: &Uses) -> Result<StoreUsage, Error> {
        let index = self.index()?;
        let layers = sizes(&self.layers)?;
        let blobs = sizes(&self.oci.join("blobs/sha256"))?;
        let mut sharers: BTreeMap<String, usize> = BTreeMap::new();
        let mut images = Vec::new();
        for image in self.summaries(&index)? {
            let config: ConfigFile = oci::parse(image.id.as_str(), &self.read_blob(&image.id)?)?;
            let mut ids: Vec<String> = config
                .rootfs
                .diff_ids
                .iter()
                .map(|id| id.hex().to_owned())
                .collect();
            ids.sort_unstable();
            ids.dedup();
            for id in &ids {
                *sharers.entry(id.clone()).or_default() += 1;
            }
            images.push((image, ids));
        }
        let images = images.into_iter().map(|(image, ids)| {
            let size = |shared: bool| {
                let fits = |id: &&String| (sharers[*id] > 1) == shared;
                ids.iter()
                    .filter(fits)
                    .filter_map(|id| layers.get(id))
                    .sum()
            };
            ImageUsage {
                shared: size(true),
                unique: size(false),
                containers: uses.of(&image.id).len(),
                image,
            }
        });
        let images: Vec<ImageUsage> = images.collect();
        let used = index
            .manifests
            .iter()
            .filter(|entry| self.id_of(entry).is_ok_and(|id| uses.contains(&id)));
        let needed = self.reach(used.cloned().collect())?;
        let total: u64 = layers.values().chain(blobs.values()).sum();
        let kept = |sizes: &BTreeMap<String, u64>, names: &std::collections::BTreeSet<String>| {
            names.iter().filter_map(|name| sizes.get(name)).sum::<u64>()
        };
        let kept = kept(&layers, &needed.layers) + kept(&blobs, &needed.blobs);
        Ok(StoreUsage {
            images,
            total,
            reclaimable: total.saturating_sub(kept),
        })
    }
}

/// Bytes of everything in a folder, by name; names that begin with a dot are ours.
fn sizes(folder: &Path) -> Result<BTreeMap<String, u64>, Error> {
    let mut sizes = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let found = entry.metadata().map_err(Error::io("read", entry.path()))?;
        let bytes = match found.is_dir() {
            // It may be collected while we look.
            true => bytes_below(&entry.path()).unwrap_or(0),
            false => found.len(),
        };
        sizes.insert(name, bytes);
    }
    Ok(sizes)
}
