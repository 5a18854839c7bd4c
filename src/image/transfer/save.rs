//! From the store to a place: which images, and the order in which their parts go.

use super::archive_out::ArchiveOut;
use super::folder_out::{DirectoryOut, LayoutOut};
use crate::id::Digest;
use crate::image::oci::{self, CONTAINERD_NAME, Descriptor, Index, Manifest, Platform, REF_NAME};
use crate::image::reference::{ArchiveKind, Name};
use crate::image::store::{Store, Verified, choose, choose_for};
use crate::image::{Error, Reference};
use std::fs::File;
use std::io::{Read, Write};

/// What is to be saved.
#[derive(Debug, Clone, Default)]
pub struct Saving<'a> {
    /// Names, ids or digests. A name without a tag means all its tags, as for docker.
    pub images: &'a [String],
    /// `os/architecture[/variant]` of the manifests, instead of this machine's.
    pub platform: Option<&'a str>,
}

/// An image on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Canonical names.
    pub names: Vec<String>,
    /// Of its manifest.
    pub descriptor: Descriptor,
    /// Its manifest.
    pub manifest: Manifest,
}

/// Every blob of an image: layers and config, then what leads to them.
fn parts(image: &Outgoing) -> impl Iterator<Item = &Descriptor> {
    let layers = image.manifest.layers.iter();
    layers.chain([&image.manifest.config, &image.descriptor])
}

impl Outgoing {
    /// Its entries in an `index.json`, one a name. `tag` is a name for the layout alone.
    pub fn entries(&self, tag: Option<&str>) -> Vec<Descriptor> {
        let entry = |reference: Option<&str>, full: Option<&str>| {
            let mut entry = self.descriptor.clone();
            let texts = [(REF_NAME, reference), (CONTAINERD_NAME, full)];
            let texts = texts.iter().filter_map(|(key, text)| Some((key, (*text)?)));
            entry
                .annotations
                .extend(texts.map(|(key, text)| ((*key).to_owned(), text.to_owned())));
            entry
        };
        match (tag, self.names.as_slice()) {
            (Some(tag), names) => vec![entry(Some(tag), names.first().map(String::as_str))],
            (None, []) => vec![entry(None, None)],
            (None, names) => {
                let full = names.iter().map(String::as_str);
                full.map(|name| entry(Some(name), Some(name))).collect()
            }
        }
    }
}

/// A place that takes images: first their blobs, then what lists them.
pub(super) trait Out {
    /// Whether it has that blob already.
    fn has(&self, digest: &Digest) -> bool;
    /// Takes a blob.
    fn blob(&mut self, digest: &Digest, size: u64, content: &mut dyn Read) -> Result<(), Error>;
    /// Lists the images; all is in its place then.
    fn finish(&mut self, images: &[Outgoing]) -> Result<(), Error>;
}

impl Store {
    /// Writes images as `docker save` does: an archive that both docker's and OCI's tools read.
    pub fn save(&self, saving: &Saving<'_>, out: &mut dyn Write) -> Result<(), Error> {
        self.copy_out(saving, &mut ArchiveOut::new(out, ArchiveKind::Docker, None))
    }

    /// Copies images to a place other than the store. A tag or name of the place goes with one image only.
    pub fn save_to(&self, saving: &Saving<'_>, place: &Reference) -> Result<(), Error> {
        match place {
            Reference::Archive { kind, file, tag } => {
                let mut whole = super::archive_out::WholeFile::create(file)?;
                self.copy_out(
                    saving,
                    &mut ArchiveOut::new(whole.writer(), *kind, tag.clone()),
                )?;
                whole.finish()
            }
            Reference::Layout { dir, tag } => {
                self.copy_out(saving, &mut LayoutOut::open(dir, tag.clone())?)
            }
            Reference::Directory { dir } => self.copy_out(saving, &mut DirectoryOut::open(dir)?),
            Reference::Host | Reference::Digest(_) | Reference::Name(_) => Err(Error::Place {
                text: place.to_string(),
            }),
        }
    }

    fn copy_out(&self, saving: &Saving<'_>, out: &mut dyn Out) -> Result<(), Error> {
        let _hold = self.hold()?;
        let images = self.outgoing(saving)?;
        for part in images.iter().flat_map(parts) {
            self.copy_missing(part, out)?;
        }
        out.finish(&images)
    }

    /// Copies a blob, unless it is there.
    pub(super) fn copy_missing(&self, part: &Descriptor, out: &mut dyn Out) -> Result<(), Error> {
        match out.has(&part.digest) {
            true => Ok(()),
            false => self.copy_blob(part, out),
        }
    }

    fn copy_blob(&self, part: &Descriptor, out: &mut dyn Out) -> Result<(), Error> {
        let path = self.blob_path(&part.digest);
        let file = File::open(&path).map_err(Error::io("read", &path))?;
        let size = file.metadata().map_err(Error::io("read", &path))?.len();
        let mut content = Verified::new(file, part.digest.clone());
        out.blob(&part.digest, size, &mut content)?;
        // Who takes a declared size need not have read the end.
        std::io::copy(&mut content, &mut std::io::sink())
            .map(drop)
            .map_err(Error::io("read", &path))
    }

    /// The images that are meant, each once with all the names it goes out under.
    fn outgoing(&self, saving: &Saving<'_>) -> Result<Vec<Outgoing>, Error> {
        let platform = saving.platform.map(Platform::read).transpose()?;
        let index = self.index()?;
        let mut images: Vec<Outgoing> = Vec::new();
        for text in saving.images {
            for (entry, name) in self.meant(&index, text)? {
                let read = |descriptor: &Descriptor| self.read_blob(&descriptor.digest);
                let mut chosen = match &platform {
                    Some(platform) => choose_for(entry, text, platform, read)?,
                    None => choose(entry, text, read)?,
                };
                let same = |image: &&mut Outgoing| image.descriptor.digest == chosen.digest;
                if let Some(known) = images.iter_mut().find(same) {
                    known.names.extend(name);
                    continue;
                }
                chosen.annotations.clear();
                let bytes = self.read_blob(&chosen.digest)?;
                images.push(Outgoing {
                    names: name.into_iter().collect(),
                    manifest: oci::parse(chosen.digest.as_str(), &bytes)?,
                    descriptor: chosen,
                });
            }
        }
        Ok(images)
    }

    /// The entries that a word of the command line means, with the name that goes with each.
    fn meant(&self, index: &Index, text: &str) -> Result<Vec<(Descriptor, Option<String>)>, Error> {
        let name = Name::parse(text).ok();
        let bare = !text.contains('@') && !text.rsplit('/').next().is_some_and(|t| t.contains(':'));
        if let Some(name) = name.filter(|_| bare) {
            let tags = index.manifests.iter().filter_map(|entry| {
                let other = Name::parse(entry.annotation(REF_NAME)?).ok()?;
                let same = other.domain() == name.domain() && other.path() == name.path();
                same.then(|| (entry.clone(), Some(other.to_string())))
            });
            let tags: Vec<_> = tags.collect();
            if !tags.is_empty() {
                return Ok(tags);
            }
        }
        let entry = self.find(index, text)?.clone();
        let canonical = Name::parse(text).map(|name| name.to_string()).ok();
        // By id it goes without a name.
        let name = entry.annotation(REF_NAME).map(str::to_owned);
        let name = name.filter(|name| *name == text || canonical.as_deref() == Some(name));
        let name = name.filter(|name| Name::parse(name).is_ok());
        Ok(vec![(entry, name)])
    }
}
