//! Names are given and taken; an image goes with its last one.

use super::collect::{GRACE, Reached};
use super::index::take_name;
use super::lookup::familiar;
use super::{Removed, Store, Uses, Work};
use crate::image::oci::{Descriptor, REF_NAME};
use crate::image::{Error, Name};
use std::collections::BTreeSet;

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

    /// Removes a name, and with its last name the image; by id, an image whose names are all of one repository.
    ///
    /// An image that a container needs is an error; with `force` it loses its names but stays. With `force` an id may
    /// have any names. What nothing leads to any more is then collected.
    pub fn remove(&self, text: &str, uses: &Uses, force: bool) -> Result<Vec<Removed>, Error> {
        let work = Work::new(self)?;
        let (removed, doomed) = self.update_index(&work, |index| {
            let entry = self.find(index, text)?.clone();
            let id = self.id_of(&entry)?;
            // One image may have come with several manifests, differently compressed.
            let mut entries = Vec::new();
            for other in &index.manifests {
                if self.id_of(other)? == id {
                    entries.push(other.clone());
                }
            }
            let names = doomed_names(&entries, text, force)?;
            let named = |entry: &&Descriptor| entry.annotation(REF_NAME).is_some();
            let last = names.len() >= entries.iter().filter(named).count();
            let containers = uses.of(&id);
            if !containers.is_empty() && last && !force {
                return Err(Error::InUse {
                    name: text.to_owned(),
                    containers: containers.to_vec(),
                });
            }
            for name in &names {
                take_name(index, name);
            }
            let names = names.iter().map(|name| Removed::Untagged(familiar(name)));
            let mut removed: Vec<Removed> = names.collect();
            let mut doomed = Reached::default();
            if last && containers.is_empty() {
                let of_it = |entry: &Descriptor| entries.iter().any(|it| it.digest == entry.digest);
                index.manifests.retain(|entry| !of_it(entry));
                doomed = self.reach(entries).unwrap_or_default();
                removed.push(Removed::Deleted(id));
            }
            Ok((removed, doomed))
        })?;
        drop(work);
        self.collect_with(uses, GRACE, &doomed)?;
        Ok(removed)
    }

    /// Removes images that `goes` and no container needs, then collects: what was removed, and the bytes it was.
    pub fn prune(
        &self,
        uses: &Uses,
        goes: &dyn Fn(&super::ImageSummary) -> bool,
    ) -> Result<(Vec<Removed>, u64), Error> {
        let work = Work::new(self)?;
        let (removed, doomed) = self.update_index(&work, |index| {
            let images = self.summaries(index)?;
            let unused = |image: &&super::ImageSummary| uses.of(&image.id).is_empty();
            let mut removed = Vec::new();
            let mut doomed = Vec::new();
            for image in images.iter().filter(unused).filter(|image| goes(image)) {
                let names = image.names.iter().cloned();
                removed.extend(names.map(Removed::Untagged));
                removed.push(Removed::Deleted(image.id.clone()));
                let mut kept = Vec::new();
                for entry in index.manifests.drain(..) {
                    match self.id_of(&entry)? == image.id {
                        true => doomed.push(entry),
                        false => kept.push(entry),
                    }
                }
                index.manifests = kept;
            }
            Ok((removed, self.reach(doomed).unwrap_or_default()))
        })?;
        drop(work);
        let freed = self.collect_with(uses, GRACE, &doomed)?;
        Ok((removed, freed.unwrap_or(0)))
    }
}

/// Which names of an image the user's `text` means.
fn doomed_names(entries: &[Descriptor], text: &str, force: bool) -> Result<Vec<String>, Error> {
    let names: Vec<String> = entries
        .iter()
        .filter_map(|entry| entry.annotation(REF_NAME).map(str::to_owned))
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
    let repositories: BTreeSet<String> = names.iter().map(|name| repository(name)).collect();
    if repositories.len() > 1 && !force {
        return Err(Error::SeveralNames {
            id: text.to_owned(),
            names: names.iter().map(|name| familiar(name)).collect(),
        });
    }
    Ok(names)
}

/// A name without tag and digest.
fn repository(name: &str) -> String {
    match Name::parse(name) {
        Ok(name) => format!("{}/{}", name.domain(), name.path()),
        Err(_) => name.to_owned(),
    }
}
