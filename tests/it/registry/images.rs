//! Images for the fake registry, byte by byte.

use super::fake::Fake;
use sha2::{Digest, Sha256};
use std::io::Write;

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A layer: what it is called by, and its bytes as they travel.
#[derive(Debug, Clone)]
pub struct Layer {
    pub digest: String,
    pub diff_id: String,
    pub bytes: Vec<u8>,
}

pub fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A tar archive with one file.
pub fn tar(path: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(1_000_000_000);
    archive.append_data(&mut header, path, content).unwrap();
    archive.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A layer with a file `NAME` of that content.
pub fn layer(name: &str, content: &[u8]) -> Layer {
    of_tar(&tar(name, content))
}

pub fn of_tar(tar: &[u8]) -> Layer {
    let bytes = gzip(tar);
    Layer {
        digest: digest(&bytes),
        diff_id: digest(tar),
        bytes,
    }
}

/// The bytes of a config.
pub fn config(layers: &[Layer]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| &layer.diff_id).collect();
    serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }))
    .unwrap()
}

/// The bytes of a manifest.
pub fn manifest(config: &[u8], layers: &[Layer]) -> Vec<u8> {
    let layers: Vec<_> = layers
        .iter()
        .map(|it| {
            serde_json::json!({"mediaType": LAYER, "digest": it.digest, "size": it.bytes.len()})
        })
        .collect();
    serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": digest(config), "size": config.len()},
        "layers": layers,
    }))
    .unwrap()
}

/// Puts an image of these layers into the registry; the digest of its manifest.
pub fn publish(fake: &Fake, repository: &str, tag: &str, layers: &[Layer]) -> String {
    let config = config(layers);
    let manifest = manifest(&config, layers);
    for layer in layers {
        fake.put_blob(&layer.digest, layer.bytes.clone());
    }
    fake.put_blob(&digest(&config), config);
    let name = digest(&manifest);
    fake.put_manifest(repository, tag, MANIFEST, &manifest);
    fake.put_manifest(repository, &name, MANIFEST, &manifest);
    name
}
