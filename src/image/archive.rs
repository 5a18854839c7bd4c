//! `docker save` and OCI archives come into the store.
//!
//! The stream is read once, so it may come from a pipe. What looks like a layer is unpacked while it passes; what the
//! archive calls it is known only at the end, and what no image refers to is dropped with the work folder.

mod docker;
mod incoming;
mod layout;

use super::decompress::{self, Compression};
use super::oci::{self, ConfigFile, Descriptor, Manifest, Platform};
use super::store::{
    NewImage, PLATFORM, Progress, Staged, StagedBlob, Store, Work, stage, unpack_from,
};
use super::{Error, Name};
use crate::id::Digest;
use incoming::Item;
pub(super) use layout::{blob, names as names_of};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Familiar names the archive gave it; may be empty.
    pub names: Vec<String>,
    /// Digest of its config.
    pub id: Digest,
}

/// How the images of an archive are named in the store.
#[derive(Debug, Default)]
pub(super) struct Naming {
    /// Instead of the archive's own names; the archive must then hold one image.
    pub name: Option<String>,
    /// Only the image of this tag or name.
    pub pick: Option<String>,
    /// Only what runs on this, if not on this machine.
    pub platform: Option<Platform>,
    /// Annotations of the index entry.
    pub annotations: BTreeMap<String, String>,
}

impl Store {
    /// Loads all images of a docker-archive (`docker save`) or OCI archive; plain, gzip or zstd.
    pub fn load(
        &self,
        input: impl Read,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Loaded>, Error> {
        self.load_as(input, Naming::default(), on_progress)
    }

    /// [`Store::load`] of what runs on `os/architecture[/variant]` (`None` = this machine's).
    pub fn load_for(
        &self,
        input: impl Read,
        platform: Option<&str>,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Loaded>, Error> {
        let naming = Naming {
            platform: platform.map(Platform::read).transpose()?,
            ..Naming::default()
        };
        self.load_as(input, naming, on_progress)
    }

    /// [`Store::load`] of a file.
    pub fn load_file(
        &self,
        path: &Path,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Loaded>, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        self.load(file, on_progress)
    }

    pub(super) fn load_as(
        &self,
        input: impl Read,
        naming: Naming,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Loaded>, Error> {
        let work = Work::new(self)?;
        let on_progress = RefCell::new(on_progress);
        let mut incoming = Incoming::read(self, &work, input, &on_progress)?;
        let here = Platform::here();
        let platform = naming.platform.as_ref().unwrap_or(&here);
        let mut candidates = incoming.candidates(platform)?;
        if let Some(wanted) = &naming.platform {
            candidates = incoming.running_on(wanted, candidates)?;
        }
        if let Some(tag) = &naming.pick {
            candidates = picked(candidates, tag)?;
        }
        if naming.name.is_some() && candidates.len() != 1 {
            let why = format!(
                "it holds {} images; bring it in with `hoist load` and use their names",
                candidates.len()
            );
            return Err(Error::malformed("archive", why));
        }
        if let Some(name) = &naming.name {
            candidates[0].names = vec![name.clone()];
        }
        let mut staged = Staged::default();
        for candidate in candidates {
            let image = incoming.stage(self, &work, candidate, &mut staged)?;
            let mut annotations = naming.annotations.clone();
            annotations.extend(elsewhere(platform));
            staged.images.push(NewImage {
                annotations,
                ..image
            });
        }
        self.commit(&work, &staged)?;
        let loaded = |image: &NewImage| Loaded {
            names: image.names.iter().map(|name| familiar(name)).collect(),
            id: image.id.clone(),
        };
        Ok(staged.images.iter().map(loaded).collect())
    }
}

/// What the store's index says of an image that is not for this machine.
pub(super) fn elsewhere(platform: &Platform) -> Option<(String, String)> {
    let says = || (PLATFORM.to_owned(), platform.to_string());
    (*platform != Platform::here()).then(says)
}

/// The one that is called so.
fn picked(candidates: Vec<Candidate>, tag: &str) -> Result<Vec<Candidate>, Error> {
    let name = Name::parse(tag).map(|name| name.to_string()).ok();
    let mut tags: Vec<String> = Vec::new();
    for mut candidate in candidates {
        let named = name.as_ref().filter(|it| candidate.names.contains(it));
        if let Some(name) = named {
            candidate.names = vec![name.clone()];
            return Ok(vec![candidate]);
        }
        if candidate.tags.iter().any(|it| it == tag) {
            return Ok(vec![candidate]);
        }
        tags.extend(candidate.names.iter().map(|name| familiar(name)));
        tags.extend(candidate.tags);
    }
    Err(Error::malformed(
        "archive",
        format!("it has no image `{tag}`, only: {}", tags.join(", ")),
    ))
}

pub(super) fn familiar(name: &str) -> String {
    Name::parse(name).map_or_else(|_| name.to_owned(), |name| name.familiar())
}

/// An image as an archive describes it: names of its members.
struct Candidate {
    /// Canonical names.
    names: Vec<String>,
    /// As the layout's index tags it.
    tags: Vec<String>,
    /// The manifest, if the archive has one.
    manifest: Option<Descriptor>,
    config: String,
    layers: Vec<String>,
}

/// Everything an archive brought.
#[derive(Default)]
struct Incoming {
    items: HashMap<String, Item>,
    /// Links between members, as old `docker save` makes them for equal layers.
    links: HashMap<String, String>,
}

impl Incoming {
    /// The images that the archive lists: docker's list first, since in archives that are both it has the names.
    fn candidates(&self, platform: &Platform) -> Result<Vec<Candidate>, Error> {
        if self.items.contains_key("manifest.json") {
            let mut listed = docker::candidates(&self.json("manifest.json")?)?;
            if self.items.contains_key("index.json") {
                layout::complete(self, platform, &mut listed);
            }
            Ok(listed)
        } else if self.items.contains_key("index.json") {
            layout::candidates(self, platform)
        } else {
            Err(Error::malformed(
                "archive",
                "it has neither `manifest.json` nor `index.json`; for a root filesystem use `hoist import`",
            ))
        }
    }

    /// Those whose config says that they run on a platform: an entry of a list need not say it.
    fn running_on(
        &self,
        wanted: &Platform,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<Candidate>, Error> {
        let mut running = Vec::new();
        for candidate in candidates {
            let of: Platform = oci::parse(&candidate.config, &self.json(&candidate.config)?)?;
            if wanted.runs(&of) {
                running.push(candidate);
            }
        }
        match running.is_empty() {
            true => Err(Error::Platform {
                name: "archive".into(),
                platform: wanted.to_string(),
            }),
            false => Ok(running),
        }
    }

    /// Resolves links; a chain of them ends somewhere, or has a loop and ends nowhere.
    fn key<'a>(&'a self, name: &'a str) -> &'a str {
        let mut name = name;
        for _ in 0..8 {
            match self.links.get(name) {
                Some(target) if !self.items.contains_key(name) => name = target,
                _ => break,
            }
        }
        name
    }

    fn item(&self, name: &str) -> Result<&Item, Error> {
        let item = normal(name).and_then(|name| self.items.get(self.key(&name)));
        item.ok_or_else(|| Error::malformed("archive", format!("`{name}` is missing in it")))
    }

    /// A small member, checked against the digest that its name promises.
    fn json(&self, name: &str) -> Result<Vec<u8>, Error> {
        let item = self.item(name)?;
        check_name(name, &item.blob.digest)?;
        super::store::read_small(&item.blob.path, name)
    }

    /// Takes over everything an image needs.
    fn stage(
        &mut self,
        store: &Store,
        work: &Work,
        candidate: Candidate,
        staged: &mut Staged,
    ) -> Result<NewImage, Error> {
        let config_blob = self.item(&candidate.config)?.blob.clone();
        let config: ConfigFile = oci::parse(&candidate.config, &self.json(&candidate.config)?)?;
        let diff_ids = config.rootfs.diff_ids;
        if diff_ids.len() != candidate.layers.len() {
            return Err(Error::malformed(
                "archive",
                "a config and its manifest disagree on the number of layers",
            ));
        }
        let mut layers = Vec::new();
        for (name, diff_id) in candidate.layers.iter().zip(&diff_ids) {
            layers.push(self.stage_layer(store, work, name, diff_id, staged)?);
        }
        let manifest = match candidate.manifest {
            Some(manifest) => {
                staged
                    .blobs
                    .push(self.item(&layout::blob(&manifest.digest))?.blob.clone());
                manifest
            }
            None => stage_manifest(work, descriptor(oci::CONFIG, &config_blob), layers, staged)?,
        };
        staged.blobs.push(config_blob.clone());
        Ok(NewImage {
            manifest,
            id: config_blob.digest,
            diff_ids,
            created: config.created,
            names: candidate.names,
            annotations: BTreeMap::new(),
        })
    }

    /// Takes over a layer and verifies that it is the one the config promises.
    fn stage_layer(
        &mut self,
        store: &Store,
        work: &Work,
        name: &str,
        diff_id: &Digest,
        staged: &mut Staged,
    ) -> Result<Descriptor, Error> {
        let key = normal(name)
            .map(|name| self.key(&name).to_owned())
            .unwrap_or_default();
        let Some(item) = self.items.get_mut(&key) else {
            return Err(Error::malformed(
                "archive",
                format!("layer `{name}` is missing in it"),
            ));
        };
        check_name(&key, &item.blob.digest)?;
        let layer = match item.layer.take() {
            Some(layer) => Some(layer?),
            None if staged.layers.contains_key(diff_id) || store.layer_path(diff_id).is_dir() => {
                None
            }
            None => Some(unpack_from(work, &item.blob.path, &item.blob.digest)?),
        };
        if let Some(layer) = layer {
            layer.verify(diff_id)?;
            staged.layers.insert(diff_id.clone(), layer);
        }
        let media_type = media_type(&item.blob.path)?;
        staged.blobs.push(item.blob.clone());
        Ok(descriptor(media_type, &item.blob))
    }
}

fn media_type(path: &Path) -> Result<&'static str, Error> {
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(6).read_to_end(&mut head))
        .map_err(Error::io("read", path))?;
    Ok(match decompress::detect(&head).map_err(Error::Input)? {
        Compression::None => oci::LAYER,
        Compression::Gzip => oci::LAYER_GZIP,
        Compression::Zstd => oci::LAYER_ZSTD,
    })
}

/// A manifest for an image that came without one.
pub(super) fn stage_manifest(
    work: &Work,
    config: Descriptor,
    layers: Vec<Descriptor>,
    staged: &mut Staged,
) -> Result<Descriptor, Error> {
    let manifest = oci::write(&Manifest {
        schema_version: 2,
        media_type: Some(oci::MANIFEST.into()),
        config,
        layers,
    });
    let blob = stage(work, manifest.as_slice())?;
    let descriptor = descriptor(oci::MANIFEST, &blob);
    staged.blobs.push(blob);
    Ok(descriptor)
}

pub(super) fn descriptor(media_type: &str, blob: &StagedBlob) -> Descriptor {
    Descriptor {
        media_type: media_type.into(),
        digest: blob.digest.clone(),
        size: blob.size,
        platform: None,
        artifact_type: None,
        annotations: BTreeMap::new(),
    }
}

/// The name of a member without `.`, `..` and needless slashes; `None` if it leads out of the archive.
fn normal(name: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The digest that a member's name promises: `blobs/sha256/HEX`, `HEX.json`, `HEX.tar`.
fn digest_in(name: &str) -> Option<Digest> {
    let file = name.rsplit('/').next()?;
    let hex = file
        .strip_suffix(".json")
        .or(file.strip_suffix(".tar"))
        .unwrap_or(file);
    Digest::new(format!("sha256:{hex}")).ok()
}

fn check_name(name: &str, actual: &Digest) -> Result<(), Error> {
    match digest_in(name) {
        Some(expected) if expected != *actual => Err(Error::Mismatch {
            what: name.to_owned(),
            expected,
            actual: actual.clone(),
        }),
        _ => Ok(()),
    }
}
