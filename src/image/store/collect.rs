//! What nothing leads to any more is removed.
//!
//! Roots are the entries of the index and the images of containers, whatever became of their entries. What a removal has
//! just made unreachable goes at once; other strays, such as the layers of a pull that was cut, stay for [`GRACE`], so
//! that the next try finds them. Nothing goes while anybody adds images or has a [`Hold`](super::Hold).

use super::{Lock, Store, Uses};
use crate::id::{ContainerId, Digest};
use crate::image::oci::{self, Descriptor, Index};
use crate::image::{Error, host};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long what nothing leads to is kept, unless a removal made it so.
pub const GRACE: Duration = Duration::from_secs(3600);

/// Hex digests of what something leads to.
#[derive(Debug, Clone, Default)]
pub(super) struct Reached {
    pub blobs: BTreeSet<String>,
    pub layers: BTreeSet<String>,
}

impl Store {
    /// Removes every blob and layer that nothing leads to for longer than `grace`, and generated `host` layers that are
    /// neither current nor in use. Gives the bytes that were freed; `None` if others are at work, and nothing was done.
    pub fn collect(&self, uses: &Uses, grace: Duration) -> Result<Option<u64>, Error> {
        self.collect_with(uses, grace, &Reached::default())
    }

    /// [`Store::collect`]; of `doomed`, what nothing leads to goes at once.
    pub(super) fn collect_with(
        &self,
        uses: &Uses,
        grace: Duration,
        doomed: &Reached,
    ) -> Result<Option<u64>, Error> {
        let Some(alone) = self.alone()? else {
            return Ok(None);
        };
        let index = Lock::exclusive(&self.index_lock())?;
        let mut reached = self.reach(self.index()?.manifests)?;
        for id in uses.images() {
            self.reach_config(id, &mut reached)?;
        }
        let trash = self.work_root();
        let before = SystemTime::now().checked_sub(grace);
        let blobs = self.oci.join("blobs/sha256");
        let mut gone = Vec::new();
        for (folder, wanted, doomed) in [
            (&blobs, &reached.blobs, &doomed.blobs),
            (&self.layers, &reached.layers, &doomed.layers),
        ] {
            let goes = |path: &Path, name: &str| {
                !wanted.contains(name) && (doomed.contains(name) || is_older(path, before))
            };
            gone.extend(put_away(folder, &trash, goes)?);
        }
        self.forget_sizes();
        // Out of sight, out of everybody's way.
        drop((alone, index));
        let freed = gone.iter().map(|path| remove(path)).sum();
        host::collect(&self.host, &|id| uses.contains(id))?;
        super::work::sweep(&trash)?;
        Ok(Some(freed))
    }

    /// The store to ourselves, if nobody is at work. A child that another thread has forked holds what its parent held
    /// until it becomes another program, so one look is not enough.
    fn alone(&self) -> Result<Option<Lock>, Error> {
        for _ in 0..10 {
            let lock = Lock::try_exclusive(&self.writers_lock())?;
            if lock.is_some() {
                return Ok(lock);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(None)
    }

    /// Everything that `entries` lead to. An unreadable manifest is an error: what it needs is unknown, so nothing may go.
    pub(super) fn reach(&self, entries: Vec<Descriptor>) -> Result<Reached, Error> {
        let mut reached = Reached::default();
        let mut open = entries;
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
            let layers = manifest.layers.iter();
            reached
                .blobs
                .extend(layers.map(|layer| layer.digest.hex().to_owned()));
            if manifest.config.is_image_config() {
                self.reach_config(&manifest.config.digest, &mut reached)?;
            }
            // What oras attaches to an image has a config that is none.
            reached
                .blobs
                .insert(manifest.config.digest.hex().to_owned());
        }
        Ok(reached)
    }

    /// A config and the layers it names. One that is not here, as of `host` images, leads to nothing.
    fn reach_config(&self, id: &Digest, reached: &mut Reached) -> Result<(), Error> {
        if !self.blob_path(id).exists() {
            return Ok(());
        }
        let config: oci::ConfigFile = oci::parse(id.as_str(), &self.read_blob(id)?)?;
        reached.blobs.insert(id.hex().to_owned());
        let diff_ids = config.rootfs.diff_ids.iter();
        reached
            .layers
            .extend(diff_ids.map(|diff_id| diff_id.hex().to_owned()));
        Ok(())
    }
}

/// Whether a file or folder has been where it is since before that time. Renaming it into place counts, and what the
/// archive said of its times does not.
fn is_older(path: &Path, before: Option<SystemTime>) -> bool {
    let before = before.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let Some(before) = before else { return false };
    let since = fs::symlink_metadata(path).map(|found| (found.ctime(), found.ctime_nsec()));
    since.is_ok_and(|(seconds, nanoseconds)| {
        (seconds, nanoseconds) <= (before.as_secs().cast_signed(), before.subsec_nanos().into())
    })
}

/// Moves what `goes` from a folder into the sweep's reach, so that a crash leaves no half layer in place; names that begin
/// with a dot are ours.
fn put_away(
    folder: &Path,
    trash: &Path,
    goes: impl Fn(&Path, &str) -> bool,
) -> Result<Vec<PathBuf>, Error> {
    let mut gone = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        if goes(&entry.path(), name) {
            let target = trash.join(format!("gone-{}", ContainerId::random().short()));
            fs::rename(entry.path(), &target).map_err(Error::io("remove", entry.path()))?;
            gone.push(target);
        }
    }
    Ok(gone)
}

/// Removes what was put away, and says how many bytes it was. A sweeper may be at it already, and what stays the next one
/// takes.
fn remove(path: &Path) -> u64 {
    let bytes = super::list::bytes_of(path).unwrap_or(0);
    let _ = super::work::remove_any(path);
    bytes
}
