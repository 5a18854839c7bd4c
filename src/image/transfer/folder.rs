//! From folders of blobs into the store: OCI layouts and skopeo's `dir:`.

use super::variants::Locked;
use crate::id::Digest;
use crate::image::archive::{Loaded, elsewhere, familiar, names_of};
use crate::image::oci::{self, CONTAINERD_NAME, Descriptor, Index, Manifest, Platform, REF_NAME};
use crate::image::store::{
    NewImage, Staged, Store, Work, choose_for, digest, ingest, read_small, read_verified, stage,
};
use crate::image::{Error, store};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// How blobs lie in a folder.
#[derive(Debug, Clone, Copy)]
enum Blobs<'a> {
    Layout(&'a Path),
    Directory(&'a Path),
}

impl Blobs<'_> {
    fn path(self, digest: &Digest) -> PathBuf {
        match self {
            Self::Layout(dir) => dir.join("blobs/sha256").join(digest.hex()),
            Self::Directory(dir) => dir.join(digest.hex()),
        }
    }

    fn manifest_path(self, digest: &Digest) -> PathBuf {
        match self {
            Self::Layout(_) => self.path(digest),
            // The one that is asked for is `manifest.json`, those below it have a name of their own.
            Self::Directory(dir) => {
                let below = dir.join(format!("{}.manifest.json", digest.hex()));
                match below.exists() {
                    true => below,
                    false => dir.join("manifest.json"),
                }
            }
        }
    }

    fn manifest(self, digest: &Digest) -> Result<Vec<u8>, Error> {
        read_verified(&self.manifest_path(digest), digest)
    }

    /// What an image runs on, as its config says.
    fn platform(self, manifest: &Descriptor) -> Result<Platform, Error> {
        let bytes = self.manifest(&manifest.digest)?;
        let manifest: Manifest = oci::parse(manifest.digest.as_str(), &bytes)?;
        let id = manifest.config.digest;
        oci::parse(id.as_str(), &read_verified(&self.path(&id), &id)?)
    }
}

/// Takes the image of a layout in under the layout's own name, unless it is there already; gives that name.
pub(super) fn take_layout(store: &Store, dir: &Path, tag: Option<&str>) -> Result<String, Error> {
    let dir = fs::canonicalize(dir).map_err(Error::io("open", dir))?;
    let name = match tag {
        Some(tag) => format!("oci:{}:{tag}", dir.display()),
        None => format!("oci:{}", dir.display()),
    };
    let blobs = Blobs::Layout(&dir);
    let here = Platform::here();
    let entry = pick(&name, read_index(&dir)?, tag, &here)?;
    let chosen = choose_for(entry, &name, &here, |it| blobs.manifest(&it.digest))?;
    let known = |entry: &&Descriptor| {
        entry.annotation(REF_NAME) == Some(&name) && entry.digest == chosen.digest
    };
    if store.index()?.manifests.iter().find(known).is_none() {
        copy(
            store,
            blobs,
            Root::plain(chosen),
            std::slice::from_ref(&name),
        )?;
    }
    Ok(name)
}

/// Loads the image of that tag, or all that run on a platform, under the names the layout gives them.
pub(super) fn load_layout(
    store: &Store,
    dir: &Path,
    tag: Option<&str>,
    platform: Option<&Platform>,
) -> Result<Vec<Loaded>, Error> {
    let here = Platform::here();
    let (asked, platform) = (platform.is_some(), platform.unwrap_or(&here));
    let index = read_index(dir)?;
    let blobs = Blobs::Layout(dir);
    let label = dir.display().to_string();
    let entries = match tag {
        Some(_) => vec![pick(&label, index, tag, platform)?],
        None => runnable(index, platform),
    };
    let mut loaded: Vec<Loaded> = Vec::new();
    for entry in entries {
        let names = names_of(&entry);
        let chosen = choose_for(entry, &label, platform, |it| blobs.manifest(&it.digest))?;
        if asked && !platform.runs(&blobs.platform(&chosen)?) {
            continue;
        }
        let root = Root::plain(chosen).on(platform);
        let id = copy(store, blobs, root, &names)?;
        let names = names.iter().map(|name| familiar(name));
        match loaded.iter_mut().find(|it| it.id == id) {
            Some(known) => known.names.extend(names),
            None => loaded.push(Loaded {
                names: names.collect(),
                id,
            }),
        }
    }
    match asked && loaded.is_empty() {
        true => Err(unfit(&label, platform)),
        false => Ok(loaded),
    }
}

fn unfit(name: &str, platform: &Platform) -> Error {
    Error::Platform {
        name: name.to_owned(),
        platform: platform.to_string(),
    }
}

/// Loads the image of a `dir:` folder; it has no name of its own.
pub(super) fn load_directory(
    store: &Store,
    dir: &Path,
    name: Option<&str>,
    platform: Option<&Platform>,
) -> Result<Vec<Loaded>, Error> {
    let here = Platform::here();
    let (asked, platform) = (platform.is_some(), platform.unwrap_or(&here));
    let path = dir.join("manifest.json");
    let bytes = read_small(&path, &path.display().to_string())?;
    let entry = Descriptor {
        media_type: media_type("manifest.json", &bytes)?,
        digest: digest(&bytes),
        size: bytes.len() as u64,
        platform: None,
        artifact_type: None,
        annotations: BTreeMap::new(),
    };
    let blobs = Blobs::Directory(dir);
    let label = dir.display().to_string();
    let chosen = choose_for(entry, &label, platform, |it| blobs.manifest(&it.digest))?;
    if asked && !platform.runs(&blobs.platform(&chosen)?) {
        return Err(unfit(&label, platform));
    }
    let names: Vec<String> = name.iter().map(|&name| name.to_owned()).collect();
    let id = copy(store, blobs, Root::plain(chosen).on(platform), &names)?;
    let names = Vec::new();
    Ok(vec![Loaded { names, id }])
}

/// Loads the image of that name for one platform, if it is the one that is locked, under the digest that registries know.
pub(super) fn load_locked(
    store: &Store,
    dir: &Path,
    name: &str,
    locked: &Locked<'_>,
) -> Result<(), Error> {
    let blobs = Blobs::Layout(dir);
    let label = format!("{name}` of `{}", dir.display());
    let platform = Platform::read(locked.platform)?;
    let entry = pick(&label, read_index(dir)?, Some(name), &platform)?;
    let mismatch = |expected: &Digest, actual: &Digest| Error::Mismatch {
        what: label.clone(),
        expected: expected.clone(),
        actual: actual.clone(),
    };
    if entry.digest != *locked.root {
        return Err(mismatch(locked.root, &entry.digest));
    }
    let above = RefCell::new(Vec::new());
    let read = |it: &Descriptor| {
        let bytes = blobs.manifest(&it.digest)?;
        above.borrow_mut().push(bytes.clone());
        Ok(bytes)
    };
    let chosen = choose_for(entry.clone(), &label, &platform, read)?;
    if chosen.digest != *locked.manifest {
        return Err(mismatch(locked.manifest, &chosen.digest));
    }
    let root = Root {
        entry,
        above: above.into_inner(),
        manifest: chosen,
        annotations: BTreeMap::new(),
    };
    let root = root.on(&platform);
    copy(store, blobs, root, &[name.to_owned()]).map(drop)
}

/// What leads to an image.
struct Root {
    /// What the store's index is to name.
    entry: Descriptor,
    /// The indexes above the manifest.
    above: Vec<Vec<u8>>,
    manifest: Descriptor,
    annotations: BTreeMap<String, String>,
}

impl Root {
    /// Its manifest alone.
    fn plain(manifest: Descriptor) -> Self {
        Self {
            entry: manifest.clone(),
            above: Vec::new(),
            manifest,
            annotations: BTreeMap::new(),
        }
    }

    /// Chosen for that platform.
    fn on(mut self, platform: &Platform) -> Self {
        self.annotations.extend(elsewhere(platform));
        self
    }
}

/// What a manifest says it is; older OCI manifests do not say.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct MediaType {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
}

pub(super) fn media_type(what: &str, bytes: &[u8]) -> Result<String, Error> {
    let found: MediaType = oci::parse(what, bytes)?;
    let guess = match found.manifests {
        Some(_) => oci::INDEX,
        None => oci::MANIFEST,
    };
    Ok(found.media_type.unwrap_or_else(|| guess.to_owned()))
}

fn read_index(dir: &Path) -> Result<Index, Error> {
    let path = dir.join("index.json");
    oci::parse(
        &path.display().to_string(),
        &store::read_small(&path, "index.json")?,
    )
}

fn runs_on(platform: &Platform, entry: &Descriptor) -> bool {
    let offered = entry.platform.as_ref();
    offered.is_none_or(|offered| platform.runs(offered))
}

/// The images of a layout that run on a platform; what others attach to images is passed over.
fn runnable(index: Index, platform: &Platform) -> Vec<Descriptor> {
    let entries = index.manifests.into_iter();
    entries
        .filter(|entry| runs_on(platform, entry) && entry.artifact_type.is_none())
        .collect()
}

fn pick(
    name: &str,
    index: Index,
    tag: Option<&str>,
    platform: &Platform,
) -> Result<Descriptor, Error> {
    let tags: Vec<String> = index
        .manifests
        .iter()
        .filter_map(|entry| entry.annotation(REF_NAME).map(str::to_owned))
        .collect();
    let mut fitting = index.manifests.into_iter().filter(|entry| {
        let is_tagged = |tag| {
            entry.annotation(REF_NAME) == Some(tag)
                || entry.annotation(CONTAINERD_NAME) == Some(tag)
        };
        tag.is_none_or(is_tagged) && runs_on(platform, entry)
    });
    match (fitting.next(), fitting.next()) {
        (Some(entry), None) => Ok(entry),
        (Some(_), Some(_)) => Err(Error::malformed(
            name,
            format!("it has several images, name one of: {}", tags.join(", ")),
        )),
        (None, _) => Err(Error::malformed(
            name,
            format!("it has no such image, only: {}", tags.join(", ")),
        )),
    }
}

/// Copies what is missing of an image into the store, and gives its id.
fn copy(store: &Store, blobs: Blobs<'_>, root: Root, names: &[String]) -> Result<Digest, Error> {
    let work = Work::new(store)?;
    let mut staged = Staged::default();
    let digest = &root.manifest.digest;
    let manifest_bytes = blobs.manifest(digest)?;
    let parsed: Manifest = oci::parse(digest.as_str(), &manifest_bytes)?;
    let id = parsed.config.digest;
    let config_bytes = read_verified(&blobs.path(&id), &id)?;
    let config: oci::ConfigFile = oci::parse(id.as_str(), &config_bytes)?;
    let diff_ids = config.rootfs.diff_ids;
    if diff_ids.len() != parsed.layers.len() {
        return Err(Error::malformed(
            digest.as_str(),
            "its manifest and its config disagree on the number of layers",
        ));
    }
    for (layer, diff_id) in parsed.layers.iter().zip(&diff_ids) {
        if store.blob_path(&layer.digest).exists() && store.layer_path(diff_id).is_dir() {
            continue;
        }
        let source = blobs.path(&layer.digest);
        copy_layer(&work, &source, (&layer.digest, diff_id), &mut staged)?;
    }
    for bytes in root.above.into_iter().chain([config_bytes, manifest_bytes]) {
        staged.blobs.push(stage(&work, bytes.as_slice())?);
    }
    staged.images.push(NewImage {
        manifest: root.entry,
        id: id.clone(),
        diff_ids,
        created: config.created,
        names: names.to_vec(),
        annotations: root.annotations,
    });
    store.commit(&work, &staged)?;
    Ok(id)
}

fn copy_layer(
    work: &Work,
    source: &Path,
    (digest, diff_id): (&Digest, &Digest),
    staged: &mut Staged,
) -> Result<(), Error> {
    let file = File::open(source).map_err(Error::io("read", source))?;
    let (blob, layer) = ingest(work, digest.as_str(), file)?;
    if blob.digest != *digest {
        return Err(Error::Mismatch {
            what: source.display().to_string(),
            expected: digest.clone(),
            actual: blob.digest,
        });
    }
    let layer = layer?;
    layer.verify(diff_id)?;
    staged.blobs.push(blob);
    staged.layers.insert(diff_id.clone(), layer);
    Ok(())
}
