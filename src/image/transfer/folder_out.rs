//! Folders: OCI layouts, which may hold other images already, and skopeo's `dir:` for one image.

use super::save::{Out, Outgoing};
use crate::id::{ContainerId, Digest};
use crate::image::Error;
use crate::image::oci::{self, Index, REF_NAME};
use crate::image::store::read_small;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Writes a file under another name and renames it into place.
fn put(target: &Path, content: &mut dyn Read) -> Result<(), Error> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = target.with_file_name(format!(".{name}.{}", ContainerId::random().short()));
    let written = File::create_new(&unfinished)
        .and_then(|mut file| io::copy(content, &mut file))
        .and_then(|_| fs::rename(&unfinished, target));
    written.map_err(|source| {
        let _ = fs::remove_file(&unfinished);
        Error::io("write", target)(source)
    })
}

fn make(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::io("make folder", folder))
}

/// `oci:DIR[:TAG]`
pub(super) struct LayoutOut {
    dir: PathBuf,
    tag: Option<String>,
}

impl LayoutOut {
    /// A layout that is there, or a new one.
    pub fn open(dir: &Path, tag: Option<String>) -> Result<Self, Error> {
        let marker = dir.join("oci-layout");
        let foreign = || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
        if !marker.exists() && foreign() {
            return Err(Error::malformed(
                dir.display().to_string(),
                "it is a folder with something else in it",
            ));
        }
        make(&dir.join("blobs/sha256"))?;
        if !marker.exists() {
            put(&marker, &mut &br#"{"imageLayoutVersion":"1.0.0"}"#[..])?;
        }
        let dir = dir.to_owned();
        Ok(Self { dir, tag })
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("blobs/sha256").join(digest.hex())
    }
}

impl Out for LayoutOut {
    fn has(&self, digest: &Digest) -> bool {
        self.blob_path(digest).exists()
    }

    fn blob(&mut self, digest: &Digest, _: u64, content: &mut dyn Read) -> Result<(), Error> {
        put(&self.blob_path(digest), content)
    }

    fn finish(&mut self, images: &[Outgoing]) -> Result<(), Error> {
        if self.tag.is_some() && images.len() != 1 {
            let count = images.len();
            return Err(Error::OneImage { count });
        }
        let path = self.dir.join("index.json");
        let mut index = match path.exists() {
            true => oci::parse("index.json", &read_small(&path, "index.json")?)?,
            false => Index::default(),
        };
        for entry in images.iter().flat_map(|it| it.entries(self.tag.as_deref())) {
            // A tag moves; an image without one is there once.
            index.manifests.retain(|other| {
                let name = other.annotation(REF_NAME);
                name != entry.annotation(REF_NAME) || name.is_none() && other.digest != entry.digest
            });
            index.manifests.push(entry);
        }
        put(&path, &mut oci::write(&index).as_slice())
    }
}

/// `dir:DIR`
pub(super) struct DirectoryOut {
    dir: PathBuf,
}

impl DirectoryOut {
    /// A new folder, an empty one, or one of that kind, whose image is replaced.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        make(dir)?;
        let foreign = || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
        if !dir.join("version").exists() && foreign() {
            return Err(Error::malformed(
                dir.display().to_string(),
                "it is a folder with something else in it",
            ));
        }
        put(
            &dir.join("version"),
            &mut &b"Directory Transport Version: 1.1\n"[..],
        )?;
        Ok(Self {
            dir: dir.to_owned(),
        })
    }
}

impl Out for DirectoryOut {
    fn has(&self, digest: &Digest) -> bool {
        self.dir.join(digest.hex()).exists()
    }

    fn blob(&mut self, digest: &Digest, _: u64, content: &mut dyn Read) -> Result<(), Error> {
        put(&self.dir.join(digest.hex()), content)
    }

    fn finish(&mut self, images: &[Outgoing]) -> Result<(), Error> {
        let [image] = images else {
            let count = images.len();
            return Err(Error::OneImage { count });
        };
        // The manifest came as a blob; here it has a name of its own.
        let blob = self.dir.join(image.descriptor.digest.hex());
        let target = self.dir.join("manifest.json");
        fs::rename(&blob, &target).map_err(Error::io("write", &target))
    }
}
