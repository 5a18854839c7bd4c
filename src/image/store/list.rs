//! What is in the store.

use super::index::{CREATED, SIZE};
use super::lookup::familiar;
use super::{ImageSummary, Store};
use crate::id::Digest;
use crate::image::Error;
use crate::image::oci::{Index, REF_NAME};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

impl Store {
    /// All images, newest first. The built-in `host` image is not among them.
    pub fn list(&self) -> Result<Vec<ImageSummary>, Error> {
        self.summaries(&self.index()?)
    }

    /// The images of an index, newest first.
    pub(super) fn summaries(&self, index: &Index) -> Result<Vec<ImageSummary>, Error> {
        let mut images: Vec<ImageSummary> = Vec::new();
        let mut known: HashMap<Digest, usize> = HashMap::new();
        for entry in &index.manifests {
            let id = self.id_of(entry)?;
            let at = *known.entry(id.clone()).or_insert_with(|| {
                images.push(ImageSummary {
                    id,
                    names: Vec::new(),
                    digest: entry.digest.clone(),
                    created: entry.annotation(CREATED).and_then(|text| text.parse().ok()),
                    size: entry
                        .annotation(SIZE)
                        .and_then(|text| text.parse().ok())
                        .unwrap_or(entry.size),
                });
                images.len() - 1
            });
            let name = entry.annotation(REF_NAME).map(familiar);
            images[at].names.extend(name);
        }
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

/// Bytes of a file, or of all files in a folder.
pub(super) fn bytes_of(path: &Path) -> Result<u64, Error> {
    let found = fs::symlink_metadata(path).map_err(Error::io("read", path))?;
    match found.is_dir() {
        true => bytes_below(path),
        false => Ok(found.len()),
    }
}

/// Bytes of the files in a folder, hard links once.
pub fn folder_bytes(folder: &Path) -> std::io::Result<u64> {
    match bytes_below(folder) {
        Err(Error::Io { source, .. }) => Err(source),
        Err(other) => Err(std::io::Error::other(other)),
        Ok(bytes) => Ok(bytes),
    }
}

/// [`folder_bytes`], with an error that names the folder.
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
