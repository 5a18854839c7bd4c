//! Compose files go to a registry, as `docker compose publish` puts them there: a layer a file, the manifest last.

use super::artifact::{COMPOSE_FILE, EMPTY, ENV_FILE, PROJECT};
use super::auth::Scope;
use super::client::Client;
use super::endpoint::Endpoint;
use super::error::Error;
use super::meter::Meter;
use super::push::Pushed;
use super::upload::Target;
use crate::id::Digest;
use crate::image::Name;
use crate::image::oci::Descriptor;
use serde_json::{Value, json};
use sha2::Digest as _;
use sha2::Sha256;
use std::sync::Arc;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The config of an artifact whose manifest says what it is.
const NOTHING: &str = "application/vnd.oci.empty.v1+json";
/// The release of docker compose whose form this is.
const VERSION: &str = "v2.40.3";

/// One file of a project.
#[derive(Debug, Clone)]
pub struct ProjectFile {
    /// What it is to the project.
    pub kind: ProjectFileKind,
    /// Without a folder.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What a file is to a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectFileKind {
    /// A compose file, merged over those before it.
    Compose,
    /// One with services that others extend.
    Extended,
    /// Variables.
    Variables,
}

impl Client {
    /// Puts the files under a name. `plain`: as registries know it that have not heard of artifacts (OCI 1.0).
    pub fn publish(
        &self,
        name: &Name,
        files: &[ProjectFile],
        plain: bool,
    ) -> Result<Pushed, Error> {
        let tag = name.tag().unwrap_or("latest");
        let target = Target {
            client: self,
            at: Endpoint::origin(&self.settings, name.domain()),
            repository: name.path().to_owned(),
            scope: Scope::push(name.path(), &[]),
            meter: Arc::new(Meter::new(Arc::new(|_| {}), 0)),
        };
        let mut layers = Vec::new();
        for file in files {
            let kind = match file.kind {
                ProjectFileKind::Variables => ENV_FILE,
                _ => COMPOSE_FILE,
            };
            let blob = descriptor(kind, &file.bytes);
            target.small(&blob, &file.bytes)?;
            layers.push(layer(&blob, file));
        }
        let config = descriptor(if plain { EMPTY } else { NOTHING }, b"{}");
        target.small(&config, b"{}")?;
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": PROJECT,
            "config": {"mediaType": config.media_type, "digest": config.digest, "size": config.size},
            "layers": layers,
            "annotations": {"com.docker.compose.version": VERSION},
        });
        if let (true, Some(fields)) = (plain, manifest.as_object_mut()) {
            fields.remove("artifactType");
        }
        let bytes = manifest.to_string().into_bytes();
        let root = descriptor(MANIFEST, &bytes);
        target.manifest(&root, bytes, tag)?;
        Ok(Pushed {
            name: name.to_string(),
            tag: tag.to_owned(),
            digest: root.digest,
            size: root.size,
        })
    }
}

fn layer(blob: &Descriptor, file: &ProjectFile) -> Value {
    let key = match file.kind {
        ProjectFileKind::Variables => "com.docker.compose.envfile",
        _ => "com.docker.compose.file",
    };
    let mut annotations = json!({"com.docker.compose.version": VERSION, key: file.name});
    if file.kind == ProjectFileKind::Extended {
        annotations["com.docker.compose.extends"] = "true".into();
    }
    json!({
        "mediaType": blob.media_type,
        "digest": blob.digest,
        "size": blob.size,
        "annotations": annotations,
    })
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Descriptor {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::new(format!("sha256:{hex}")).expect("64 hex digits are a digest"),
        size: bytes.len() as u64,
        platform: None,
        artifact_type: None,
        annotations: Default::default(),
    }
}
