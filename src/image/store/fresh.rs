//! Layers that the disk may not have yet.
//!
//! A layer's folder is made of its blob, and the blob is synced before an image is named; to sync the folder as well would
//! cost a pull more than all the rest. So `layers/.fresh/HEX` says, by a link to the boot's id, that the folder `HEX` is
//! not known to be on the disk: a layer that another boot left fresh is thrown away, to be made again of its blob when
//! somebody needs it. A link is made before the folder gets its name, and journals keep that order; its text is in its
//! inode, so it is there whole or not at all.

use super::{Lock, Store};
use crate::id::{ContainerId, Digest};
use crate::image::Error;
use crate::runtime::identity;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

impl Store {
    /// Says that a layer is about to get its name, and is not synced. Each time anew: [`Store::settle`] takes away only
    /// what it saw before it synced.
    pub(super) fn mark_fresh(&self, diff_id: &Digest) -> Result<(), Error> {
        let folder = self.fresh_root();
        let link = folder.join(diff_id.hex());
        let boot = identity::boot_id().map_err(Error::io("read", "the boot id"))?;
        let made = folder.join(format!(".{}", ContainerId::random().short()));
        if let Err(error) = std::os::unix::fs::symlink(&boot, &made) {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(Error::io("make", &made)(error));
            }
            fs::create_dir_all(&folder).map_err(Error::io("make folder", &folder))?;
            std::os::unix::fs::symlink(&boot, &made).map_err(Error::io("make", &made))?;
        }
        let _lock = Lock::exclusive(&self.fresh_lock())?;
        fs::rename(&made, &link).map_err(Error::io("make", &link))
    }

    /// Throws away what another boot left fresh.
    pub(super) fn discard_stale(&self) -> Result<(), Error> {
        let Ok(boot) = identity::boot_id() else {
            return Ok(());
        };
        let is_stale = |link: &Path| fs::read_link(link).is_ok_and(|of| of != Path::new(&boot));
        let stale = self.fresh()?.into_iter().filter(|link| is_stale(link));
        for link in stale {
            let _lock = Lock::exclusive(&self.fresh_lock())?;
            // Another process may have made the layer anew meanwhile.
            if !is_stale(&link) {
                continue;
            }
            if let Some(name) = link.file_name().filter(|_| !is_nameless(&link)) {
                let layer = self.layers.join(name);
                let gone = format!("gone-{}", ContainerId::random().short());
                let gone = self.work_root().join(gone);
                match fs::rename(&layer, &gone) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    done => done.map_err(Error::io("remove", &layer))?,
                }
            }
            fs::remove_file(&link).map_err(Error::io("remove", &link))?;
        }
        Ok(())
    }

    /// Has the disk take every layer, so that the next boot need not make them again. Costs nothing if it has them.
    pub fn settle(&self) -> Result<(), Error> {
        let seen = self.unsettled()?;
        if seen.is_empty() {
            return Ok(());
        }
        super::layer::sync(&self.layers)?;
        self.settled(&seen)
    }

    /// The marks as they are now. One that has no name yet is somebody's who is about to give it one.
    pub(super) fn unsettled(&self) -> Result<Vec<(PathBuf, u64)>, Error> {
        let links = self.fresh()?.into_iter().filter(|link| !is_nameless(link));
        Ok(links
            .filter_map(|it| inode(&it).map(|inode| (it, inode)))
            .collect())
    }

    /// Takes marks away, but for those that were made anew since.
    pub(super) fn settled(&self, seen: &[(PathBuf, u64)]) -> Result<(), Error> {
        let _lock = Lock::exclusive(&self.fresh_lock())?;
        for (link, before) in seen {
            if inode(link) == Some(*before) {
                fs::remove_file(link).map_err(Error::io("remove", link))?;
            }
        }
        Ok(())
    }

    fn fresh(&self) -> Result<Vec<PathBuf>, Error> {
        let folder = self.fresh_root();
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            done => done.map_err(Error::io("read", &folder))?,
        };
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths
            .collect::<io::Result<_>>()
            .map_err(Error::io("read", &folder))
    }

    fn fresh_root(&self) -> PathBuf {
        self.layers.join(".fresh")
    }

    fn fresh_lock(&self) -> PathBuf {
        self.layers.join(".fresh.lock")
    }
}

fn inode(link: &Path) -> Option<u64> {
    fs::symlink_metadata(link).ok().map(|found| found.ino())
}

fn is_nameless(link: &Path) -> bool {
    let name = link.file_name().map(std::ffi::OsStr::as_encoded_bytes);
    name.is_none_or(|name| name.starts_with(b"."))
}
