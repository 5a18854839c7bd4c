//! A container's writable layer becomes an image on top of the one it was made from.

use super::archive::descriptor;
use super::config::ImageConfig;
use super::oci::{self, RunConfig};
use super::store::{NewImage, Staged, StagedBlob, StagedLayer, Store, Work, ingest, stage};
use super::{Error, Name, changes, pack};
use crate::id::{Digest, ImageRef};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What to make an image of.
#[derive(Debug, Clone)]
pub struct Commit<'a> {
    /// The image the container was made from.
    pub base: &'a Digest,
    /// Its writable layer.
    pub upper: &'a Path,
    /// Paths inside that something is mounted on.
    pub mounted: Vec<String>,
    /// The name of the new image.
    pub name: Option<&'a str>,
    /// Dockerfile instructions for its config.
    pub changes: &'a [String],
    /// Who made it.
    pub author: Option<&'a str>,
    /// Why.
    pub message: Option<&'a str>,
}

impl Store {
    /// Writes what a container sees: its writable layer over those of an image.
    pub fn export(&self, image: &str, upper: &Path, out: &mut dyn Write) -> Result<(), Error> {
        let _hold = self.hold()?;
        let reference = ImageRef::new(image).map_err(|error| Error::Reference {
            text: error.text,
            rule: error.rule,
        })?;
        let mut layers: Vec<PathBuf> = vec![upper.to_owned()];
        layers.extend(self.resolve(&reference)?.layers);
        pack::merged(&layers, out)
    }

    /// Makes an image of a container; its id.
    pub fn commit_container(&self, commit: &Commit<'_>) -> Result<Digest, Error> {
        let name = commit.name.map(Name::parse).transpose()?;
        let index = self.index()?;
        let entry = self.find(&index, commit.base.as_str())?;
        let mut manifest = self.manifest(entry, commit.base.as_str())?;
        let bytes = self.read_blob(&manifest.config.digest)?;
        let mut config: Value = oci::parse(manifest.config.digest.as_str(), &bytes)?;
        let mut diff_ids = self.config(&manifest)?.rootfs.diff_ids;
        apply(&mut config, commit.changes)?;

        let work = Work::new(self)?;
        let (blob, layer) = pack_layer(&work, commit)?;
        diff_ids.push(layer.diff_id.clone());
        let created = jiff::Timestamp::now().to_string();
        finish(&mut config, commit, &created, &layer.diff_id);
        let config_blob = stage(&work, oci::write(&config).as_slice())?;
        for layer in &mut manifest.layers {
            layer.media_type = oci::as_oci(&layer.media_type).to_owned();
        }
        manifest.layers.push(descriptor(layer.media_type, &blob));
        let mut staged = Staged::default();
        let config_descriptor = descriptor(oci::CONFIG, &config_blob);
        let manifest =
            super::archive::stage_manifest(&work, config_descriptor, manifest.layers, &mut staged)?;
        let id = config_blob.digest.clone();
        staged.blobs.extend([blob, config_blob]);
        staged.images.push(NewImage {
            manifest,
            id: id.clone(),
            diff_ids,
            created: Some(created),
            names: name.iter().map(Name::to_string).collect(),
            annotations: BTreeMap::new(),
        });
        staged.layers.insert(layer.diff_id.clone(), layer);
        self.commit(&work, &staged)?;
        Ok(id)
    }
}

/// Packs, compresses, hashes and unpacks in one pass: one thread writes what the other reads.
fn pack_layer(work: &Work, commit: &Commit<'_>) -> Result<(StagedBlob, StagedLayer), Error> {
    let (read, write) = std::io::pipe().map_err(Error::Output)?;
    std::thread::scope(|scope| {
        let packed = scope.spawn(move || {
            let level = flate2::Compression::fast();
            let mut gzip = flate2::write::GzEncoder::new(BufWriter::new(write), level);
            pack::layer(commit.upper, &commit.mounted, &mut gzip)?;
            let mut out = gzip.finish().map_err(Error::Output)?;
            out.flush().map_err(Error::Output)
        });
        let taken = ingest(work, "writable layer", read);
        // Why it could not be packed says more than that the stream broke off.
        packed.join().expect("packing does not panic")?;
        let (blob, layer) = taken?;
        Ok((blob, layer?))
    })
}

/// Applies instructions to a config, and leaves alone what they do not know.
fn apply(config: &mut Value, instructions: &[String]) -> Result<(), Error> {
    let known: RunConfig = match config.get("config") {
        Some(Value::Null) | None => RunConfig::default(),
        Some(run) => serde_json::from_value(run.clone()).map_err(|source| Error::Json {
            what: "config".into(),
            source,
        })?,
    };
    let mut run = ImageConfig::from(known);
    for instruction in instructions {
        changes::apply(&mut run, instruction)?;
    }
    let changed = serde_json::to_value(RunConfig::from(run)).unwrap_or_default();
    if !config["config"].is_object() {
        config["config"] = json!({});
    }
    if let Value::Object(fields) = changed {
        for (key, value) in fields {
            config["config"][key] = value;
        }
    }
    Ok(())
}

fn finish(config: &mut Value, commit: &Commit<'_>, created: &str, diff_id: &Digest) {
    let push = |list: &mut Value, item: Value| match list {
        Value::Array(items) => items.push(item),
        other => *other = Value::Array(vec![item]),
    };
    let mut step = json!({ "created": created, "created_by": "hoist commit" });
    if let Some(author) = commit.author {
        config["author"] = author.into();
        step["author"] = author.into();
    }
    if let Some(message) = commit.message {
        step["comment"] = message.into();
    }
    config["created"] = created.into();
    push(&mut config["history"], step);
    push(&mut config["rootfs"]["diff_ids"], diff_id.as_str().into());
}

#[cfg(test)]
mod tests;
