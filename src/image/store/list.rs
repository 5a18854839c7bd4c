//! What is in the store.

use super::index::{CREATED, SIZE};
use super::lookup::familiar;
use super::{ImageSummary, Store};
use crate::image::Error;
use crate::image::oci::REF_NAME;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

impl Store {
    /// All images, newest first. The built-in `host` image is not among them.
    pub fn list(&self) -> Result<Vec<ImageSummary>, Error> {
        let mut images: BTreeMap<_, ImageSummary> = BTreeMap::new();
        for entry in &self.index()?.manifests {
            let id = self.id_of(entry)?;
            let summary = images.entry(id.clone()).or_insert_with(|| ImageSummary {
                id,
                names: Vec::new(),
                created: entry.annotation(CREATED).and_then(|text| text.parse().ok()),
                size: entry
                    .annotation(SIZE)
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(entry.size),
            });
            summary
                .names
                .extend(entry.annotation(REF_NAME).map(familiar));
        }
        let mut images: Vec<_> = images.into_values().collect();
        for image in &mut images {
            image.names.sort();
        }
        images.sort_by(|a, b| {
            b.created
                .cmp(&a.created)
                .then_with(|| a.names.cmp(&b.names))
        });
        Ok(images)
    }
}

/// Bytes of the files in a folder, hard links once.
pub(super) fn bytes_below(folder: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    let mut linked = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
            let entry = entry.map_err(Error::io("read", &folder))?;
            let found = entry.metadata().map_err(Error::io("read", entry.path()))?;
            if found.is_dir() {
                open.push(entry.path());
            } else if found.is_file() && (found.nlink() == 1 || linked.insert(found.ino())) {
                bytes += found.len();
            }
        }
    }
    Ok(bytes)
}
