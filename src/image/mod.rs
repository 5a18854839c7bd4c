//! From a name to a root filesystem.
//!
//! ```text
//!  reference ─▶ Store::resolve ─▶ manifest ─▶ config + unpacked layers ─▶ Image
//!  archive   ◀─ Store::save, save_to: `docker-archive:`, `oci-archive:`, `oci:`, `dir:`
//!  archive   ─▶ Store::load, import ─▶ tarball ─▶ unpack (by dirfd) ─▶ commit (rename, then index.json)
//!  registry  ─▶ Store::pull ─▶ a stream a layer: verified, inflated and unpacked as it comes
//!  `host`    ─▶ host: a generated layer over the host's own /usr
//! ```
//!
//! On disk, below the state root: `oci/` is an OCI image layout, readable by skopeo, umoci and oras; `layers/<diff id>/`
//! are its layers, unpacked for overlayfs; `host/<hash>/` are the generated layers of `image: host`. Work in progress is
//! in `layers/.work/`, one locked folder an operation; a crash leaves it there and the next [`Store::open`] sweeps it.
//!
//! Invariants: a blob is never visible before its digest is verified; nothing an archive says is resolved outside the
//! folder it is unpacked into; a layer folder, once named by its diff id, is complete and never written again;
//! `index.json` never names a blob that is not there.

mod archive;
mod changes;
mod commit;
mod config;
mod decompress;
mod error;
pub mod fuzzing;
mod host;
mod import;
mod oci;
mod pack;
mod reference;
pub mod registry;
mod store;
mod tarball;
#[cfg(test)]
mod testing;
mod transfer;
mod unpack;

pub use archive::Loaded;
pub use commit::Commit;
pub use config::{ImageConfig, ImageHealthcheck};
pub use error::Error;
pub use import::Importing;
pub use reference::{ArchiveKind, Name, Reference};
pub use store::{
    Filter, GRACE, Hold, ImageSummary, ImageUsage, Progress, Removed, Step, Store, StoreUsage,
    Uses, folder_bytes,
};
pub use transfer::{Locked, Saving, Variants, WholeFile};
pub use unpack::{Error as UnpackError, Limits};

/// An image ready to run: its layers are unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `sha256:…` of the config (docker's image id); for `host`, of what it is made from.
    pub id: crate::id::Digest,
    /// Digest of its manifest for this machine; for `host`, its id.
    pub digest: crate::id::Digest,
    /// What it runs on, `os/architecture[/variant]`.
    pub platform: String,
    /// How to run it.
    pub config: ImageConfig,
    /// Unpacked layer folders, topmost first (overlay's order).
    pub layers: Vec<std::path::PathBuf>,
    /// Host folders bound read-only below everything else, as (host path, path inside), parents first (`image: host`:
    /// `/usr`, then what covers the parts of it that an image must not show).
    pub host_binds: Vec<(std::path::PathBuf, String)>,
}
