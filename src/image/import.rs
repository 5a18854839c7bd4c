//! A root filesystem becomes an image of one layer.

use super::archive::{descriptor, stage_manifest};
use super::oci::{self, Platform};
use super::store::{NewImage, Staged, Store, Work, digest, ingest, stage};
use super::{Error, ImageConfig, Name, changes};
use crate::id::Digest;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Read;

/// What a root filesystem becomes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Importing<'a> {
    /// Name of the image.
    pub name: Option<&'a str>,
    /// Dockerfile instructions for its config.
    pub changes: &'a [String],
    /// A word about it, kept in its history.
    pub message: Option<&'a str>,
    /// `os/architecture[/variant]` of its programs, if not this machine's.
    pub platform: Option<&'a str>,
}

impl<'a> Importing<'a> {
    /// An image for this machine.
    pub fn new(name: Option<&'a str>, changes: &'a [String]) -> Self {
        Self {
            name,
            changes,
            ..Self::default()
        }
    }
}

/// What the config of an imported image says.
struct Facts<'a> {
    config: &'a ImageConfig,
    diff_ids: &'a [Digest],
    platform: &'a Platform,
    message: Option<&'a str>,
}

impl Facts<'_> {
    /// The config. The creation time is given, so that the same input gives the same image.
    fn document(&self, created: &str) -> Vec<u8> {
        let mut step = json!({ "created": created, "created_by": "hoist import" });
        if let Some(message) = self.message {
            step["comment"] = message.into();
        }
        let mut document = json!({
            "created": created,
            "architecture": self.platform.architecture,
            "os": self.platform.os,
            "config": oci::RunConfig::from(self.config.clone()),
            "rootfs": { "type": "layers", "diff_ids": self.diff_ids },
            "history": [step],
        });
        if let Some(variant) = &self.platform.variant {
            document["variant"] = variant.as_str().into();
        }
        oci::write(&document)
    }
}

impl Store {
    /// Imports a root filesystem archive (tar; plain, gzip or zstd) as an image and gives its id.
    ///
    /// Importing what its name already is changes nothing, so that containers of it need not be made again.
    pub fn import(&self, input: impl Read, request: Importing<'_>) -> Result<Digest, Error> {
        let name = request
            .name
            .map(Name::parse)
            .transpose()?
            .map(|name| name.to_string());
        let platform = match request.platform {
            Some(text) => Platform::read(text)?,
            None => Platform::here(),
        };
        let mut config = ImageConfig::default();
        for change in request.changes {
            changes::apply(&mut config, change)?;
        }
        let work = Work::new(self)?;
        let (blob, layer) = ingest(&work, "root filesystem", input)?;
        let layer = layer?;
        let diff_ids = vec![layer.diff_id.clone()];
        let facts = Facts {
            config: &config,
            diff_ids: &diff_ids,
            platform: &platform,
            message: request.message,
        };
        let kept = self.kept(name.as_deref(), &facts);
        let created = kept.unwrap_or_else(|| jiff::Timestamp::now().to_string());
        let mut staged = Staged::default();
        let config_blob = stage(&work, facts.document(&created).as_slice())?;
        let layers = vec![descriptor(layer.media_type, &blob)];
        let manifest = stage_manifest(
            &work,
            descriptor(oci::CONFIG, &config_blob),
            layers,
            &mut staged,
        )?;
        let id = config_blob.digest.clone();
        staged.blobs.extend([blob, config_blob]);
        staged.images.push(NewImage {
            manifest,
            id: id.clone(),
            diff_ids,
            created: Some(created),
            names: name.into_iter().collect(),
            annotations: BTreeMap::new(),
        });
        staged.layers.insert(layer.diff_id.clone(), layer);
        self.commit(&work, &staged)?;
        Ok(id)
    }

    /// When `name` was imported, if it is this very image.
    fn kept(&self, name: Option<&str>, facts: &Facts<'_>) -> Option<String> {
        let index = self.index().ok()?;
        let entry = index
            .manifests
            .iter()
            .find(|entry| name.is_some() && entry.annotation(oci::REF_NAME) == name)?;
        let manifest = self.manifest(entry, name?).ok()?;
        let created = self.config(&manifest).ok()?.created?;
        let same = digest(&facts.document(&created)) == manifest.config.digest;
        same.then_some(created)
    }
}
