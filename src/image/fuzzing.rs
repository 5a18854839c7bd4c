//! Doors for the fuzz targets in `fuzz/`: what comes from strangers, fed with any bytes. Nothing else calls them.

use super::decompress;
use super::oci::{self, Index, Manifest, Platform};
use super::registry;
use super::store::choose_for;
use super::tarball::Members;
use super::unpack::{Limits, unpack};
use super::{Name, Reference};
use crate::id::ImageRef;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

/// More than any input of a fuzzer inflates to.
const BYTES: u64 = 1 << 20;

/// A reference; what is a name is written as a name that reads as the same.
pub fn parse_reference(text: &str) {
    let Ok(reference) = ImageRef::new(text) else {
        return;
    };
    let Ok(parsed) = Reference::parse(&reference) else {
        return;
    };
    let _ = parsed.to_string();
    if let Reference::Name(name) = parsed {
        assert_eq!(Name::parse(&name.to_string()).ok(), Some(name.clone()));
        assert_eq!(Name::parse(&name.familiar()).ok(), Some(name));
    }
}

/// A manifest, index or config, whichever it is; an index that leads to itself ends.
pub fn parse_manifest(bytes: &[u8]) {
    let kind = registry::media_type(bytes);
    let index: Result<Index, _> = oci::parse("index", bytes);
    let manifest: Result<Manifest, _> = oci::parse("manifest", bytes);
    let _: Result<oci::ConfigFile, _> = oci::parse("config", bytes);
    if let Ok(manifest) = &manifest {
        let again: Result<Manifest, _> = oci::parse("manifest", &oci::write(manifest));
        assert_eq!(again.ok().as_ref(), Some(manifest), "it reads back");
    }
    let Ok(index) = index else { return };
    let again: Result<Index, _> = oci::parse("index", &oci::write(&index));
    assert_eq!(again.ok().as_ref(), Some(&index), "it reads back");
    for mut entry in index.manifests {
        if let Ok(kind) = kind {
            kind.clone_into(&mut entry.media_type);
        }
        let _ = choose_for(entry, "any", &Platform::here(), |_| Ok(bytes.to_owned()));
    }
}

/// The members of an archive, compressed or not; no more comes out of one than it says.
pub fn read_archive(bytes: &[u8]) {
    let Ok((plain, _)) = decompress::open(bytes) else {
        return;
    };
    let mut members = Members::new(std::io::Read::take(plain, BYTES));
    let mut buffer = [0; 4096];
    while let Ok(Some(member)) = members.next() {
        let mut left = member.size;
        while let Ok(n @ 1..) = members.read_body(&mut buffer) {
            left = left
                .checked_sub(n as u64)
                .expect("a body is no longer than its member");
        }
    }
}

/// A layer, unpacked into the empty folder `root`.
pub fn unpack_layer(bytes: &[u8], root: &Path) {
    let Ok(folder) = File::open(root) else { return };
    let limits = Limits {
        bytes: BYTES,
        members: 1000,
    };
    let _ = unpack(&mut Members::new(bytes), folder.as_fd(), limits);
}
