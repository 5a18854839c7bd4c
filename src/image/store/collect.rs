//! Names move and go; what nothing names any more is collected.

use super::index::take_name;
use super::lookup::familiar;
use super::{Lock, Removed, Store, Work};
use crate::id::Digest;
use crate::image::oci::{self, Descriptor, Index, REF_NAME};
use crate::image::{Error, Name, host};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

impl Store {
    /// Gives the image `source` one more name.
    pub fn tag(&self, source: &str, name: &str) -> Result<(), Error> {
        let name = Name::parse(name)?;
        let Some(name) = name.without_digest() else {
            return Err(Error::Reference {
                text: name.to_string(),
                rule: "a new name must not pin a digest",
            });
        };
        let work = Work::new(self)?;
        self.update_index(&work, |index| {
            let mut entry = self.find(index, source)?.clone();
            entry.annotations.insert(REF_NAME.into(), name.to_string());
            take_name(index, &name.to_string());
            index.manifests.retain(|other| {
                other.digest != entry.digest || other.annotation(REF_NAME).is_some()
            });
            index.manifests.push(entry);
            Ok(())
        })
    }

    /// Removes a name, and with its last name the image; by id, an image with at most one name.
    ///
    /// An image that `in_use` says a container needs is an error; with `force` it loses its names but stays. With
    /// `force` an id may have several names. What nothing names any more is then collected.
    pub fn remove(
        &self,
        text: &str,
        in_use: &dyn Fn(&Digest) -> bool,
        force: bool,
    ) -> Result<Vec<Removed>, Error> {
        let work = Work::new(self)?;
        let removed = self.update_index(&work, |index| {
            let entry = self.find(index, text)?.clone();
            let id = self.id_of(&entry)?;
            let names = doomed_names(index, &entry, text, force)?;
            let used = in_use(&id);
            let remaining = index
                .manifests
                .iter()
                .filter(|other| other.digest == entry.digest)
                .count();
            let last = names.len() >= remaining || names.is_empty();
            if used && last && !force {
                return Err(Error::InUse {
                    name: text.to_owned(),
                });
            }
            let mut removed: Vec<Removed> = names
                .iter()
                .map(|name| Removed::Untagged(familiar(name)))
                .collect();
            for name in &names {
                take_name(index, name);
            }
            if last && !used {
                index.manifests.retain(|other| other.digest != entry.digest);
                removed.push(Removed::Deleted(id));
            }
            Ok(removed)
        })?;
        drop(work);
        self.collect(in_use)?;
        Ok(removed)
    }

    /// Removes every blob and layer that no image in the index reaches, and generated `host` layers that are neither
    /// current nor in use. Does nothing while another process adds images; `false` then.
    pub fn collect(&self, in_use: &dyn Fn(&Digest) -> bool) -> Result<bool, Error> {
        let Some(_alone) = Lock::try_exclusive(&self.writers_lock())? else {
            return Ok(false);
        };
        let _index = Lock::exclusive(&self.index_lock())?;
        let reached = self.reach(&self.index()?)?;
        remove_others(
            &self.oci.join("blobs/sha256"),
            &reached.blobs,
            &self.work_root(),
        )?;
        remove_others(&self.layers, &reached.layers, &self.work_root())?;
        host::collect(&self.host, in_use)?;
        super::work::sweep(&self.work_root())?;
        Ok(true)
    }

    /// Everything the index leads to. An unreadable manifest is an error: what it needs is unknown, so nothing may go.
    fn reach(&self, index: &Index) -> Result<Reached, Error> {
        let mut reached = Reached::default();
        let mut open: Vec<Descriptor> = index.manifests.clone();
        while let Some(entry) = open.pop() {
            if !reached.blobs.insert(entry.digest.hex().to_owned()) {
                continue;
            }
            let bytes = self.read_blob(&entry.digest)?;
            if entry.is_index() {
                let index: Index = oci::parse(entry.digest.as_str(), &bytes)?;
                // Manifests for other machines need not be here.
                let here = |entry: &Descriptor| self.blob_path(&entry.digest).exists();
                open.extend(index.manifests.into_iter().filter(here));
                continue;
            }
            let manifest: oci::Manifest = oci::parse(entry.digest.as_str(), &bytes)?;
            reached
                .blobs
                .insert(manifest.config.digest.hex().to_owned());
            let layers = manifest
                .layers
                .iter()
                .map(|layer| layer.digest.hex().to_owned());
            reached.blobs.extend(layers);
            let diff_ids = self.config(&manifest)?.rootfs.diff_ids;
            reached
                .layers
                .extend(diff_ids.iter().map(|diff_id| diff_id.hex().to_owned()));
        }
        Ok(reached)
    }
}

/// Hex digests of what the index leads to.
#[derive(Default)]
struct Reached {
    blobs: BTreeSet<String>,
    layers: BTreeSet<String>,
}

/// Which names of `entry` the user's `text` means.
fn doomed_names(
    index: &Index,
    entry: &Descriptor,
    text: &str,
    force: bool,
) -> Result<Vec<String>, Error> {
    let of_entry = |other: &&Descriptor| other.digest == entry.digest;
    let names: Vec<String> = index
        .manifests
        .iter()
        .filter(of_entry)
        .filter_map(|other| other.annotation(REF_NAME).map(str::to_owned))
        .collect();
    let canonical = Name::parse(text)
        .map(|name| name.to_string())
        .unwrap_or_default();
    if let Some(name) = names
        .iter()
        .find(|name| *name == text || **name == canonical)
    {
        return Ok(vec![name.clone()]);
    }
    if names.len() > 1 && !force {
        return Err(Error::SeveralNames {
            id: text.to_owned(),
            names: names.iter().map(|name| familiar(name)).collect(),
        });
    }
    Ok(names)
}

/// Moves what is not wanted out of sight at once, then removes it; names that begin with a dot are ours.
fn remove_others(folder: &Path, wanted: &BTreeSet<String>, trash: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        if !wanted.contains(name) {
            discard(&entry.path(), trash)?;
        }
    }
    Ok(())
}

/// Renames a file or folder into the sweep's reach and removes it there: a crash between leaves no half layer in place.
fn discard(path: &Path, trash: &Path) -> Result<(), Error> {
    let doomed: PathBuf = trash.join(format!("gone-{}", crate::id::ContainerId::random().short()));
    fs::rename(path, &doomed).map_err(Error::io("remove", path))?;
    // A sweeper may be at it already, and what stays the next one takes.
    let _ = super::work::remove_any(&doomed);
    Ok(())
}
