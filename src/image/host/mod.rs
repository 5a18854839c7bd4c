//! `image: host`: what is installed on this machine, isolated.
//!
//! `/usr` is the host's, bound read-only; everything else is a small generated layer: links into `/usr`, an `/etc` made
//! from an allow-list, empty folders. The layer is named by its content and made again when the host's files change.
//!
//! What of the host is visible, and why it is no secret:
//! * from `/etc`: only what [`sources`] lists, only if every user of the host can read it, never a file with a private
//!   key in it, and of the accounts only names and ids of system users ([`accounts`]);
//! * below `/usr`: what packages put there, which anybody can download. What an administrator puts there is in
//!   `/usr/local` (Debian policy 9.1.2, FHS 4.9): there, `etc` and everything that is not readable by all is covered by
//!   something empty, since a container's root would not be stopped by its mode;
//! * nothing of `/root`, `/home`, `/var`, `/srv`, `/opt`, `/run`, `/tmp`.
//!
//! Invariants: a generated layer is complete before it has its name and never written again; two resolves without a
//! change on the host between them give the same id.

mod accounts;
mod build;
mod covers;
mod sources;

use super::oci::Platform;
use super::store::Lock;
use super::{Error, Image, ImageConfig};
use crate::id::Digest;
use serde::{Deserialize, Serialize};
use sources::Watch;
use std::fs;
use std::path::{Path, PathBuf};

/// Docker's default, also for `image: host`.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the newest layer was made from.
#[derive(Debug, Serialize, Deserialize)]
struct Current {
    /// State of the host's files then.
    watch: Watch,
    /// Digest of the layer's content and its binds; also names its folder.
    id: Digest,
    /// Host paths bound read-only, and where.
    binds: Vec<(PathBuf, String)>,
}

/// The image as the host is now.
pub(super) fn image(root: &Path) -> Result<Image, Error> {
    let host = Path::new("/");
    if let Some(image) = current(root, host) {
        return Ok(image);
    }
    let _lock = Lock::exclusive(&root.join(".lock"))?;
    // Somebody may have made it while we waited.
    if let Some(image) = current(root, host) {
        return Ok(image);
    }
    let made = build::layer(host, root)?;
    let path = root.join(".current.new");
    fs::write(&path, super::oci::write(&made)).map_err(Error::io("write", &path))?;
    fs::rename(&path, root.join("current.json"))
        .map_err(Error::io("replace", root.join("current.json")))?;
    Ok(to_image(root, made))
}

/// The newest layer, if the host has not changed since.
fn current(root: &Path, host: &Path) -> Option<Image> {
    let current = read_current(root)?;
    let fits = root.join(current.id.hex()).is_dir() && current.watch.holds(host);
    fits.then(|| to_image(root, current))
}

/// A file cut short by a power failure is as good as none.
fn read_current(root: &Path) -> Option<Current> {
    let bytes = fs::read(root.join("current.json")).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn to_image(root: &Path, current: Current) -> Image {
    Image {
        config: ImageConfig {
            cmd: vec!["/bin/sh".into()],
            env: vec![PATH.into()],
            ..ImageConfig::default()
        },
        platform: Platform::here().to_string(),
        layers: vec![root.join(current.id.hex())],
        host_binds: current.binds,
        digest: current.id.clone(),
        id: current.id,
    }
}

/// Removes layers that are neither the newest nor in use.
pub(super) fn collect(root: &Path, in_use: &dyn Fn(&Digest) -> bool) -> Result<(), Error> {
    let Some(_lock) = Lock::try_exclusive(&root.join(".lock"))? else {
        return Ok(());
    };
    let newest = read_current(root);
    for entry in fs::read_dir(root).map_err(Error::io("read", root))? {
        let entry = entry.map_err(Error::io("read", root))?;
        let name = entry.file_name();
        let Ok(id) = Digest::new(format!("sha256:{}", name.to_string_lossy())) else {
            continue;
        };
        if newest.as_ref().is_none_or(|newest| newest.id != id) && !in_use(&id) {
            let doomed = root.join(build::UNFINISHED);
            let _ = fs::remove_dir_all(&doomed);
            fs::rename(entry.path(), &doomed).map_err(Error::io("remove", entry.path()))?;
            fs::remove_dir_all(&doomed).map_err(Error::io("remove", &doomed))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
