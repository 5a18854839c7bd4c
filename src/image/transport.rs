//! `oci:DIR[:TAG]`, `oci-archive:FILE` and `docker-archive:FILE`: images used where they lie.
//!
//! They come into the store under their own reference as name, so that what a container runs on is there whatever
//! happens to the file, and the second use finds it unpacked.

use super::archive::Naming;
use super::oci::{self, CONTAINERD_NAME, Descriptor, Index, Manifest, Platform, REF_NAME};
use super::store::{NewImage, Staged, Store, Work, choose, ingest, read_verified, stage};
use super::{Error, Image, store};
use crate::id::{Digest, ImageRef};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Which state of a file an image came from.
const SOURCE: &str = "dev.hoist.image.source";

/// The image of an archive; loaded again when the file is another one than last time.
pub(super) fn archive(store: &Store, reference: &ImageRef, file: &Path) -> Result<Image, Error> {
    let (kind, _) = reference
        .as_str()
        .split_once(':')
        .expect("a transport ends in a colon");
    let path = fs::canonicalize(file).map_err(Error::io("open", file))?;
    let name = format!("{kind}:{}", path.display());
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
        return store.image(entry, reference.as_str());
    }
    let naming = Naming {
        name: Some(name.clone()),
        annotations: BTreeMap::from([(SOURCE.to_owned(), stamp)]),
    };
    store.load_as(opened, naming, &mut |_| {})?;
    named(store, &name)
}

/// The image of a layout, under its tag or as its only one.
pub(super) fn layout(
    store: &Store,
    reference: &ImageRef,
    dir: &Path,
    tag: Option<&str>,
) -> Result<Image, Error> {
    let dir = fs::canonicalize(dir).map_err(Error::io("open", dir))?;
    let name = match tag {
        Some(tag) => format!("oci:{}:{tag}", dir.display()),
        None => format!("oci:{}", dir.display()),
    };
    let index: Index = oci::parse(
        "index.json",
        &store::read_small(&dir.join("index.json"), "index.json")?,
    )?;
    let entry = pick(reference.as_str(), index, tag)?;
    let read = |descriptor: &Descriptor| {
        read_verified(&blob(&dir, &descriptor.digest), &descriptor.digest)
    };
    let chosen = choose(entry, reference.as_str(), read)?;
    let known = |entry: &&Descriptor| {
        entry.annotation(REF_NAME) == Some(&name) && entry.digest == chosen.digest
    };
    if let Some(entry) = store.index()?.manifests.iter().find(known) {
        return store.image(entry, reference.as_str());
    }
    copy(store, &dir, chosen, &name)?;
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

fn blob(dir: &Path, digest: &Digest) -> PathBuf {
    dir.join("blobs/sha256").join(digest.hex())
}

fn pick(name: &str, index: Index, tag: Option<&str>) -> Result<Descriptor, Error> {
    let here = Platform::here();
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
        tag.is_none_or(is_tagged)
            && entry
                .platform
                .as_ref()
                .is_none_or(|platform| here.runs(platform))
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

/// Copies what is missing of an image into the store.
fn copy(store: &Store, dir: &Path, manifest: Descriptor, name: &str) -> Result<(), Error> {
    let work = Work::new(store)?;
    let mut staged = Staged::default();
    let parsed: Manifest = oci::parse(
        manifest.digest.as_str(),
        &read_verified(&blob(dir, &manifest.digest), &manifest.digest)?,
    )?;
    let config_bytes = read_verified(&blob(dir, &parsed.config.digest), &parsed.config.digest)?;
    let config: oci::ConfigFile = oci::parse(parsed.config.digest.as_str(), &config_bytes)?;
    let diff_ids = config.rootfs.diff_ids;
    if diff_ids.len() != parsed.layers.len() {
        return Err(Error::malformed(
            name,
            "its manifest and its config disagree on the number of layers",
        ));
    }
    for (layer, diff_id) in parsed.layers.iter().zip(&diff_ids) {
        if store.blob_path(&layer.digest).exists() && store.layer_path(diff_id).is_dir() {
            continue;
        }
        copy_layer(
            &work,
            &blob(dir, &layer.digest),
            (&layer.digest, diff_id),
            &mut staged,
        )?;
    }
    for digest in [&parsed.config.digest, &manifest.digest] {
        let bytes = read_verified(&blob(dir, digest), digest)?;
        staged.blobs.push(stage(&work, bytes.as_slice())?);
    }
    staged.images.push(NewImage {
        manifest,
        id: parsed.config.digest,
        diff_ids,
        created: config.created,
        names: vec![name.to_owned()],
        annotations: BTreeMap::new(),
    });
    store.commit(&work, &staged)
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
