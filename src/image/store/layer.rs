//! Layers: a stream is hashed, decompressed and unpacked in one pass.

use super::blob::{Bounded, Tee};
use super::{StagedBlob, Store, Work};
use crate::id::Digest;
use crate::image::decompress::{self, Compression};
use crate::image::tarball::{Members, TarError};
use crate::image::unpack::{self, Limits};
use crate::image::{Error, oci};
use rustix::fs::{Mode, OFlags};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A layer that is unpacked and hashed, but not yet in its place.
#[derive(Debug)]
pub(in crate::image) struct StagedLayer {
    /// Digest of the tar stream.
    pub diff_id: Digest,
    /// Media type of the blob it came from.
    pub media_type: &'static str,
    /// The unpacked folder.
    pub tree: PathBuf,
    /// Bytes of file content.
    pub bytes: u64,
}

/// Takes a stream as a blob and, in the same pass, as a layer. A stream that is no layer is still a good blob: then the
/// second part says why.
pub(in crate::image) fn ingest(
    work: &Work,
    name: &str,
    input: impl Read,
) -> Result<(StagedBlob, Result<StagedLayer, Error>), Error> {
    let path = work.fresh();
    let file = File::create_new(&path).map_err(Error::io("make", &path))?;
    let input = Bounded::new(input, work.limits()?);
    let mut tee = Tee::new(input, Some(file));
    let layer = unpack_stream(work, name, &mut tee);
    let (digest, size) = tee.finish().map_err(Error::Input)?;
    let layer = layer.map(|(diff_id, layer)| StagedLayer {
        diff_id: diff_id.unwrap_or_else(|| digest.clone()),
        ..layer
    });
    Ok((StagedBlob { digest, size, path }, layer))
}

/// Unpacks a stream that is kept elsewhere: its digest, its length, and the layer or why it is none.
pub(in crate::image) fn unpack_passing(
    work: &Work,
    name: &str,
    input: impl Read,
) -> Result<(Digest, u64, Result<StagedLayer, Error>), Error> {
    let mut tee = Tee::new(Bounded::new(input, work.limits()?), None);
    let layer = unpack_stream(work, name, &mut tee);
    let (digest, size) = tee.finish().map_err(Error::Input)?;
    let layer = layer.map(|(diff_id, layer)| StagedLayer {
        diff_id: diff_id.unwrap_or_else(|| digest.clone()),
        ..layer
    });
    Ok((digest, size, layer))
}

/// Unpacks a blob that is a file, verifying its digest on the way.
pub(in crate::image) fn unpack_from(
    work: &Work,
    path: &Path,
    expected: &Digest,
) -> Result<StagedLayer, Error> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut tee = Tee::new(file, None);
    let layer = unpack_stream(work, expected.as_str(), &mut tee);
    let (actual, _) = tee.finish().map_err(Error::io("read", path))?;
    if actual != *expected {
        return Err(Error::Mismatch {
            what: path.display().to_string(),
            expected: expected.clone(),
            actual,
        });
    }
    layer.map(|(diff_id, layer)| StagedLayer {
        diff_id: diff_id.unwrap_or(actual),
        ..layer
    })
}

/// Unpacks into a fresh folder. The diff id is `None` if the stream is not compressed: then it is the blob's digest.
fn unpack_stream(
    work: &Work,
    name: &str,
    input: impl Read,
) -> Result<(Option<Digest>, StagedLayer), Error> {
    let tree = work.fresh();
    make_root(&tree)?;
    let root = rustix::fs::open(
        &tree,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(Error::io("open", &tree))?;
    let limits = work.limits()?;
    let fail = |source: io::Error| Error::Unpack {
        layer: name.to_owned(),
        source: unpack::Error::Tar(TarError::Read(source)),
    };
    let (plain, compression) = decompress::open(input).map_err(fail)?;
    let plain = Bounded::new(plain, limits);
    let (diff_id, stats) = if compression == Compression::None {
        (None, run(&mut { plain }, &root, limits))
    } else {
        let mut tee = Tee::new(plain, None);
        let stats = run(&mut tee, &root, limits);
        let diff_id = if stats.is_ok() {
            Some(tee.finish().map_err(fail)?.0)
        } else {
            None
        };
        (diff_id, stats)
    };
    let stats = stats.map_err(|source| Error::Unpack {
        layer: name.to_owned(),
        source,
    })?;
    let layer = StagedLayer {
        diff_id: super::blob::digest(b""),
        media_type: match compression {
            Compression::None => oci::LAYER,
            Compression::Gzip => oci::LAYER_GZIP,
            Compression::Zstd => oci::LAYER_ZSTD,
        },
        tree,
        bytes: stats.bytes,
    };
    Ok((diff_id, layer))
}

fn run(
    input: &mut impl Read,
    root: impl AsFd,
    limits: Limits,
) -> Result<unpack::Stats, unpack::Error> {
    unpack::unpack(&mut Members::new(input), root.as_fd(), limits)
}

/// The root of a layer; its mode is a layer's own matter and not that of our umask.
fn make_root(tree: &Path) -> Result<(), Error> {
    fs::DirBuilder::new()
        .mode(0o755)
        .create(tree)
        .and_then(|()| fs::set_permissions(tree, fs::Permissions::from_mode(0o755)))
        .map_err(Error::io("make folder", tree))
}

impl Store {
    /// Unpacks a layer whose blob is in the store and whose folder is not.
    pub(in crate::image) fn unpack_stored(
        &self,
        blob: &Digest,
        diff_id: &Digest,
    ) -> Result<(), Error> {
        let work = Work::new(self)?;
        let layer = unpack_from(&work, &self.blob_path(blob), blob)?;
        layer.verify(diff_id)?;
        self.mark_fresh(diff_id)?;
        self.publish_layer(&layer)
    }

    /// Renames a layer into place; an equal one that is there already stays.
    pub(super) fn publish_layer(&self, layer: &StagedLayer) -> Result<(), Error> {
        self.remember_bytes(&layer.diff_id, layer.bytes);
        let target = self.layer_path(&layer.diff_id);
        match fs::rename(&layer.tree, &target) {
            Err(_) if target.is_dir() => Ok(()),
            done => done.map_err(Error::io("make", &target)),
        }
    }
}

impl StagedLayer {
    /// The layer is the one that the image's config promises.
    pub(in crate::image) fn verify(&self, expected: &Digest) -> Result<(), Error> {
        if self.diff_id == *expected {
            return Ok(());
        }
        Err(Error::Mismatch {
            what: "layer".into(),
            expected: expected.clone(),
            actual: self.diff_id.clone(),
        })
    }
}

/// Makes everything on the file system of `path` durable. A file at a time would cost 4 ms each.
pub(super) fn sync(path: &Path) -> Result<(), Error> {
    let folder = File::open(path).map_err(Error::io("open", path))?;
    rustix::fs::syncfs(folder).map_err(Error::io("sync", path))
}
