//! Blobs on their way here: what has come so far outlives the process that fetched it, and one process fetches it.
//!
//! `layers/.partial/HEX` is the beginning of a blob, `HEX.lock` is held by whoever appends to it. What is whole and
//! verified is renamed to its place while the lock is held, so those who waited for it find it there.

use super::blob::sync_file;
use super::{Lock, StagedLayer, Store};
use crate::id::Digest;
use crate::image::Error;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

/// What nobody has come back for within this time is removed.
const KEPT: Duration = Duration::from_secs(7 * 86_400);

/// The right to fetch one blob. Given back when dropped; what has come stays.
#[derive(Debug)]
pub(in crate::image) struct Partial {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: Lock,
}

impl Partial {
    /// Waits until nobody else fetches the blob; says so by `on_wait` if somebody does.
    pub(in crate::image) fn claim(
        store: &Store,
        digest: &Digest,
        on_wait: &dyn Fn(),
    ) -> Result<Self, Error> {
        let folder = store.partial_root();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(Error::io("make folder", &folder))?;
        let path = folder.join(digest.hex());
        let lock_path = path.with_extension("lock");
        loop {
            let lock = match Lock::try_exclusive(&lock_path)? {
                Some(lock) => lock,
                None => {
                    on_wait();
                    Lock::exclusive(&lock_path)?
                }
            };
            if lock.is_at(&lock_path) {
                return Ok(Self {
                    path,
                    lock_path,
                    _lock: lock,
                });
            }
        }
    }

    /// What has come so far, for reading and appending.
    pub(in crate::image) fn open(&self) -> Result<File, Error> {
        File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(&self.path)
            .map_err(Error::io("open", &self.path))
    }

    /// Forgets what has come: it is not what it should be.
    pub(in crate::image) fn discard(&self) -> Result<(), Error> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.map_err(Error::io("remove", &self.path)),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Others may wait for this very file; they see that it is gone, and make another.
        let _ = fs::remove_file(&self.lock_path);
    }
}

impl Store {
    fn partial_root(&self) -> PathBuf {
        self.layers.join(".partial")
    }

    /// The blob is here.
    pub(in crate::image) fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).exists()
    }

    /// The layer is here, unpacked.
    pub(in crate::image) fn has_layer(&self, diff_id: &Digest) -> bool {
        self.layer_path(diff_id).is_dir()
    }

    /// Publishes a blob that has come whole, and its layer. No image names them yet, and the writer whose layer it is keeps
    /// the collector away until one does.
    pub(in crate::image) fn land(
        &self,
        (partial, digest): (&Partial, &Digest),
        layer: &StagedLayer,
    ) -> Result<(), Error> {
        self.mark_fresh(&layer.diff_id)?;
        sync_file(&partial.path)?;
        let target = self.blob_path(digest);
        fs::rename(&partial.path, &target).map_err(Error::io("make", &target))?;
        self.publish_layer(layer)
    }

    /// Removes beginnings that nobody has come back for.
    pub(in crate::image) fn sweep_partials(&self) {
        let Ok(entries) = fs::read_dir(self.partial_root()) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let age = entry.metadata().and_then(|found| found.modified());
            let age = age.ok().and_then(|time| time.elapsed().ok());
            let lock_path = path.with_extension("lock");
            if age.is_none_or(|age| age < KEPT) || path == lock_path {
                continue;
            }
            if let Ok(Some(lock)) = Lock::try_exclusive(&lock_path) {
                // What cannot be removed now is tried again by the next one.
                let _ = fs::remove_file(&path);
                let _ = fs::remove_file(&lock_path);
                drop(lock);
            }
        }
    }
}
