//! The images of this machine: an OCI image layout and its layers, unpacked.
//!
//! Many processes use it at once without a daemon. A writer works in a folder of its own below `layers/.work`, locked for
//! its life, and publishes by renaming: first blobs and layers, then `index.json`, under `layers/.index.lock`. A collector
//! runs only when no writer does: writers share `layers/.writers.lock`, it wants it alone and else leaves the garbage to
//! the next one. Readers take no lock, what the index names is there; one that reads for long shares the writers' lock as
//! a [`Hold`].
//!
//! Invariants: a blob or layer is visible only whole and verified; what an image that is named is made of is on the disk
//! as blobs, or as folders that [`fresh`] knows; the index is replaced, never written in place; a lock is a `flock`, so a
//! dead process holds none.

mod blob;
mod collect;
mod filter;
mod fresh;
mod index;
mod inspect;
mod layer;
mod list;
mod lock;
mod lookup;
mod names;
mod partial;
mod size;
mod usage;
mod uses;
mod work;

pub use collect::GRACE;
pub use filter::Filter;
pub use inspect::Step;
pub use list::folder_bytes;
pub use usage::{ImageUsage, StoreUsage};
pub use uses::{Hold, Uses};

pub(super) use blob::{StagedBlob, Verified, digest, digest_of, read_small, read_verified, stage};
pub(super) use index::{NewImage, PLATFORM, Staged, choose, choose_for};
pub(super) use layer::{StagedLayer, ingest, unpack_from, unpack_passing};
pub(super) use lock::Lock;
pub(super) use partial::Partial;
pub(super) use work::Work;

use super::{Error, Image, Reference, host, oci, transfer};
use crate::id::{Digest, ImageRef};
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A store below a state root. Cheap to open; safe to use from many processes and threads.
#[derive(Debug, Clone)]
pub struct Store {
    oci: PathBuf,
    layers: PathBuf,
    host: PathBuf,
}

/// One image as a table shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSummary {
    /// Digest of its config.
    pub id: Digest,
    /// Familiar names (`redis:7`); empty for a dangling image.
    pub names: Vec<String>,
    /// What registries know it by: the digest of its index if it came as one, else of its manifest.
    pub digest: Digest,
    /// When it was built, as its config says.
    pub created: Option<jiff::Timestamp>,
    /// Bytes of file content in its layers, hard links once.
    pub size: u64,
}

/// What a removal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A familiar name is gone.
    Untagged(String),
    /// An image is gone.
    Deleted(Digest),
}

/// How far a load is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Bytes of the archive read so far, compressed as they are.
    Read(u64),
    /// A layer was unpacked; bytes of its files.
    Layer {
        /// Its diff id.
        diff_id: Digest,
        /// Bytes of file content.
        bytes: u64,
    },
}

impl Store {
    /// Opens the store below `state_root`, makes it if it is not there, and sweeps what crashed operations left.
    pub fn open(state_root: &Path) -> Result<Self, Error> {
        let store = Self {
            oci: state_root.join("oci"),
            layers: state_root.join("layers"),
            host: state_root.join("host"),
        };
        if !store.oci.join("oci-layout").exists() {
            store.create()?;
        }
        store.discard_stale()?;
        work::sweep(&store.work_root())?;
        Ok(store)
    }

    fn create(&self) -> Result<(), Error> {
        let folders = [
            self.oci.join("blobs/sha256"),
            self.work_root(),
            self.host.clone(),
        ];
        for folder in folders {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder
                .create(&folder)
                .map_err(Error::io("make folder", &folder))?;
        }
        spread(&self.work_root());
        let work = Work::new(self)?;
        let layout = work.path().join("oci-layout");
        fs::write(&layout, br#"{"imageLayoutVersion":"1.0.0"}"#)
            .map_err(Error::io("write", &layout))?;
        let target = self.oci.join("oci-layout");
        fs::rename(&layout, &target).map_err(Error::io("make", &target))
    }

    /// The image that `reference` names, ready to run.
    ///
    /// Relative paths of `oci:` and the archives are relative to the working directory of this process. An archive or
    /// layout is brought into the store when it is first seen, and again when it has changed.
    pub fn resolve(&self, reference: &ImageRef) -> Result<Image, Error> {
        match Reference::parse(reference)? {
            Reference::Host => host::image(&self.host),
            Reference::Layout { dir, tag } => transfer::layout(self, &dir, tag.as_deref()),
            Reference::Archive { kind, file, tag } => {
                transfer::archive(self, (kind, tag.as_deref()), &file)
            }
            Reference::Directory { dir } => transfer::directory(self, &dir),
            Reference::Digest(_) | Reference::Name(_) => {
                let index = self.index()?;
                let entry = self.find(&index, reference.as_str())?;
                self.image(entry, reference.as_str())
            }
        }
    }

    /// The image of an index entry, its layers unpacked (again, should somebody have removed them).
    pub(super) fn image(&self, entry: &oci::Descriptor, name: &str) -> Result<Image, Error> {
        let chosen = self.chosen(entry, name)?;
        let manifest = self.manifest(&chosen, name)?;
        let config = self.config(&manifest)?;
        let diff_ids = &config.rootfs.diff_ids;
        if diff_ids.len() != manifest.layers.len() {
            return Err(Error::malformed(
                name,
                "its manifest and its config disagree on the number of layers",
            ));
        }
        let mut layers: Vec<PathBuf> = Vec::with_capacity(diff_ids.len());
        for (diff_id, blob) in diff_ids.iter().zip(&manifest.layers).rev() {
            let folder = self.layer_path(diff_id);
            // Overlayfs refuses a folder twice. Of equal layers the topmost decides alone: it has all they have.
            if layers.contains(&folder) {
                continue;
            }
            if !folder.is_dir() {
                self.unpack_stored(&blob.digest, diff_id)?;
            }
            layers.push(folder);
        }
        Ok(Image {
            id: manifest.config.digest,
            digest: chosen.digest,
            platform: config.platform().to_string(),
            config: config.config.unwrap_or_default().into(),
            layers,
            host_binds: Vec::new(),
        })
    }

    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.oci.join("blobs/sha256").join(digest.hex())
    }

    pub(super) fn layer_path(&self, diff_id: &Digest) -> PathBuf {
        self.layers.join(diff_id.hex())
    }

    pub(super) fn work_root(&self) -> PathBuf {
        self.layers.join(".work")
    }

    fn index_path(&self) -> PathBuf {
        self.oci.join("index.json")
    }

    fn index_lock(&self) -> PathBuf {
        self.layers.join(".index.lock")
    }

    fn writers_lock(&self) -> PathBuf {
        self.layers.join(".writers.lock")
    }
}

/// Asks the file system to put each folder made in this one in a place of its own. Ext4 looks at each inode that was
/// deleted nearby in the last minutes before it makes one, so that a pull after a removal would take several times as long.
fn spread(folder: &Path) {
    // Others have no such wish, and lack nothing by it.
    let _ = fs::File::open(folder).and_then(|folder| {
        let flags = ioctl_getflags(&folder)? | IFlags::TOPDIR;
        Ok(ioctl_setflags(&folder, flags)?)
    });
}

/// Reads a file that may not be there.
fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

#[cfg(test)]
mod tests;
