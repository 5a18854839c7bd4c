//! A root filesystem becomes an image of one layer.

use super::archive::{descriptor, stage_manifest};
use super::store::{NewImage, Staged, Store, Work, config_bytes, ingest, stage};
use super::{Error, ImageConfig, Name, changes, oci};
use crate::id::Digest;
use std::collections::BTreeMap;
use std::io::Read;

impl Store {
    /// Imports a root filesystem archive (tar; plain, gzip or zstd) as an image and gives its id.
    ///
    /// `changes` are Dockerfile instructions for its config. Importing what `name` already is changes nothing, so that
    /// containers of it need not be made again.
    pub fn import(
        &self,
        input: impl Read,
        name: Option<&str>,
        changes: &[String],
    ) -> Result<Digest, Error> {
        let name = name
            .map(Name::parse)
            .transpose()?
            .map(|name| name.to_string());
        let mut config = ImageConfig::default();
        for change in changes {
            changes::apply(&mut config, change)?;
        }
        let work = Work::new(self)?;
        let (blob, layer) = ingest(&work, "root filesystem", input)?;
        let layer = layer?;
        let diff_ids = vec![layer.diff_id.clone()];
        let created = self.created(name.as_deref(), &config, &diff_ids);
        let created = created.unwrap_or_else(|| jiff::Timestamp::now().to_string());
        let mut staged = Staged::default();
        let config_blob = stage(&work, config_bytes(&config, &created, &diff_ids).as_slice())?;
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
    fn created(
        &self,
        name: Option<&str>,
        config: &ImageConfig,
        diff_ids: &[Digest],
    ) -> Option<String> {
        let index = self.index().ok()?;
        let entry = index
            .manifests
            .iter()
            .find(|entry| name.is_some() && entry.annotation(oci::REF_NAME) == name)?;
        let known = self.config(&self.manifest(entry, name?).ok()?).ok()?;
        let same = ImageConfig::from(known.config.unwrap_or_default()) == *config
            && known.rootfs.diff_ids == diff_ids;
        known.created.filter(|_| same)
    }
}
