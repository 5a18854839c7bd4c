//! How large layers are, measured once: `layers/.sizes/HEX` is a link to the number. A layer's size follows from its diff
//! id, so what is remembered may be missing, and is never wrong.

use super::Store;
use super::list::bytes_below;
use crate::id::Digest;
use crate::image::Error;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

impl Store {
    /// Bytes of file content of a layer that is here.
    pub(super) fn layer_bytes(&self, diff_id: &Digest) -> Result<u64, Error> {
        let known = fs::read_link(self.size_path(diff_id)).ok();
        if let Some(bytes) = known.and_then(|text| text.to_str()?.parse().ok()) {
            return Ok(bytes);
        }
        let bytes = bytes_below(&self.layer_path(diff_id))?;
        self.remember_bytes(diff_id, bytes);
        Ok(bytes)
    }

    /// Remembers a size. What cannot be written is measured when it is asked for.
    pub(super) fn remember_bytes(&self, diff_id: &Digest, bytes: u64) {
        let path = self.size_path(diff_id);
        if symlink(bytes.to_string(), &path).is_err() {
            let _ = fs::create_dir(self.sizes_root());
            let _ = symlink(bytes.to_string(), &path);
        }
    }

    /// Forgets the sizes of layers that are gone.
    pub(super) fn forget_sizes(&self) {
        let entries = fs::read_dir(self.sizes_root()).into_iter().flatten();
        for entry in entries.flatten() {
            if !self.layers.join(entry.file_name()).exists() {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn size_path(&self, diff_id: &Digest) -> PathBuf {
        self.sizes_root().join(diff_id.hex())
    }

    fn sizes_root(&self) -> PathBuf {
        self.layers.join(".sizes")
    }
}
