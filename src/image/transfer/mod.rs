//! Images between the store and the places that other tools know.
//!
//! | written | what it is |
//! |---|---|
//! | `oci:DIR[:TAG]` | an OCI image layout |
//! | `oci-archive:FILE[:TAG]` | the same as one tar file |
//! | `docker-archive:FILE[:NAME]` | what `docker save` writes; an OCI layout, too |
//! | `dir:DIR` | one image as skopeo lays it out: `manifest.json` and blobs side by side |
//!
//! `image: oci:DIR` uses an image where it lies: it comes into the store under its own reference as name, so that what a
//! container runs on is there whatever happens to the file, and the second use finds it unpacked.
//!
//! Invariants: manifests, configs and layers are copied byte for byte, so every digest is kept; each is verified on its
//! way; a file or `index.json` is renamed into place once it is whole.

mod archive_out;
mod folder;
mod folder_out;
mod save;
mod variants;

pub use archive_out::WholeFile;
pub use save::Saving;
pub use variants::{Locked, Variants};

use super::archive::{Loaded, Naming};
use super::oci::{Descriptor, Platform, REF_NAME};
use super::reference::ArchiveKind;
use super::store::{Progress, Store};
use super::{Error, Image, Reference};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Which state of a file an image came from.
const SOURCE: &str = "dev.hoist.image.source";

impl Store {
    /// Loads what is at a place other than the store: its image of that tag or name, or all its images, for
    /// `os/architecture[/variant]` (`None` = this machine's).
    pub fn load_from(
        &self,
        place: &Reference,
        platform: Option<&str>,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Loaded>, Error> {
        let platform = platform.map(Platform::read).transpose()?;
        match place {
            Reference::Archive { file, tag, .. } => {
                let opened = File::open(file).map_err(Error::io("open", file))?;
                let naming = Naming {
                    pick: tag.clone(),
                    platform,
                    ..Naming::default()
                };
                self.load_as(opened, naming, on_progress)
            }
            Reference::Layout { dir, tag } => {
                folder::load_layout(self, dir, tag.as_deref(), platform.as_ref())
            }
            Reference::Directory { dir } => {
                folder::load_directory(self, dir, None, platform.as_ref())
            }
            Reference::Host | Reference::Digest(_) | Reference::Name(_) => Err(Error::Place {
                text: place.to_string(),
            }),
        }
    }
}

/// The image of an archive; loaded again when the file is another one than last time.
pub(super) fn archive(
    store: &Store,
    (kind, tag): (ArchiveKind, Option<&str>),
    file: &Path,
) -> Result<Image, Error> {
    let path = fs::canonicalize(file).map_err(Error::io("open", file))?;
    let tagged = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    let name = format!("{kind}:{}{tagged}", path.display());
    let opened = File::open(&path).map_err(Error::io("open", &path))?;
    let found = opened.metadata().map_err(Error::io("read", &path))?;
    let stamp = format!(
        "{}:{}:{}:{}.{}",
        found.dev(),
        found.ino(),
        found.len(),
        found.mtime(),
        found.mtime_nsec()
    );
    let fits = |entry: &&Descriptor| {
        entry.annotation(REF_NAME) == Some(&name) && entry.annotation(SOURCE) == Some(&stamp)
    };
    if let Some(entry) = store.index()?.manifests.iter().find(fits) {
        return store.image(entry, &name);
    }
    let naming = Naming {
        name: Some(name.clone()),
        pick: tag.map(str::to_owned),
        platform: None,
        annotations: BTreeMap::from([(SOURCE.to_owned(), stamp)]),
    };
    store.load_as(opened, naming, &mut |_| {})?;
    named(store, &name)
}

/// The image of a layout, under its tag or as its only one.
pub(super) fn layout(store: &Store, dir: &Path, tag: Option<&str>) -> Result<Image, Error> {
    named(store, &folder::take_layout(store, dir, tag)?)
}

/// The image of a `dir:` folder.
pub(super) fn directory(store: &Store, dir: &Path) -> Result<Image, Error> {
    let path = fs::canonicalize(dir).map_err(Error::io("open", dir))?;
    let name = format!("dir:{}", path.display());
    folder::load_directory(store, &path, Some(&name), None)?;
    named(store, &name)
}

fn named(store: &Store, name: &str) -> Result<Image, Error> {
    let index = store.index()?;
    let entry = index
        .manifests
        .iter()
        .find(|entry| entry.annotation(REF_NAME) == Some(name));
    let entry = entry.ok_or_else(|| Error::NotFound {
        name: name.to_owned(),
        similar: Vec::new(),
    })?;
    store.image(entry, name)
}

#[cfg(test)]
mod tests;
