//! One image in detail, as docker shows it.

use super::Store;
use super::list::bytes_below;
use crate::id::Digest;
use crate::image::oci::{self, REF_NAME};
use crate::image::{Error, Name};
use serde::Deserialize;
use serde_json::{Value, json};

/// How a step of an image's making shows in its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The image's id, on its newest step.
    pub id: Option<Digest>,
    /// When it was made.
    pub created: Option<jiff::Timestamp>,
    /// The instruction.
    pub created_by: String,
    /// Bytes that it added.
    pub size: u64,
    /// What its maker says of it.
    pub comment: String,
}

#[derive(Deserialize)]
struct Made {
    #[serde(default)]
    history: Option<Vec<MadeStep>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct MadeStep {
    created: Option<String>,
    created_by: Option<String>,
    comment: Option<String>,
    empty_layer: bool,
}

impl Store {
    /// What an image runs on, as `os/architecture[/variant]`.
    pub fn platform(&self, id: &Digest) -> Result<String, Error> {
        let platform: oci::Platform = oci::parse(id.as_str(), &self.read_blob(id)?)?;
        Ok(platform.to_string())
    }

    /// This machine, in the same words.
    pub fn platform_here(&self) -> String {
        oci::Platform::here().to_string()
    }

    /// How an image was made, newest step first.
    pub fn history(&self, text: &str) -> Result<Vec<Step>, Error> {
        let index = self.index()?;
        let manifest = self.manifest(self.find(&index, text)?, text)?;
        let id = manifest.config.digest.clone();
        let made: Made = oci::parse(id.as_str(), &self.read_blob(&id)?)?;
        let mut layers = self.config(&manifest)?.rootfs.diff_ids.into_iter();
        let mut steps = Vec::new();
        for step in made.history.unwrap_or_default() {
            let layer = (!step.empty_layer).then(|| layers.next()).flatten();
            steps.push(self.step(step, layer)?);
        }
        // Tools that write no history have layers all the same.
        for layer in layers {
            steps.push(self.step(MadeStep::default(), Some(layer))?);
        }
        steps.reverse();
        if let Some(newest) = steps.first_mut() {
            newest.id = Some(id);
        }
        Ok(steps)
    }

    fn step(&self, step: MadeStep, layer: Option<Digest>) -> Result<Step, Error> {
        let size = match layer.map(|layer| self.layer_path(&layer)) {
            Some(folder) if folder.is_dir() => bytes_below(&folder)?,
            _ => 0,
        };
        Ok(Step {
            id: None,
            created: step.created.and_then(|text| text.parse().ok()),
            created_by: step.created_by.unwrap_or_default(),
            size,
            comment: step.comment.unwrap_or_default(),
        })
    }

    /// Everything about an image, under docker's names.
    pub fn inspect(&self, text: &str) -> Result<Value, Error> {
        let index = self.index()?;
        let entry = self.find(&index, text)?;
        let chosen = self.chosen(entry, text)?;
        let manifest = self.manifest(&chosen, text)?;
        let id = manifest.config.digest.clone();
        let config: Value = oci::parse(id.as_str(), &self.read_blob(&id)?)?;
        let images = self.summaries(&index)?;
        let summary = images.into_iter().find(|image| image.id == id);
        let (names, size) = summary.map(|it| (it.names, it.size)).unwrap_or_default();
        let repositories = names.iter().filter_map(|name| Name::parse(name).ok());
        let digests: std::collections::BTreeSet<String> = repositories
            .map(|name| format!("{}@{}", name.repository(), entry.digest))
            .collect();
        let layers = self.config(&manifest)?.rootfs.diff_ids;
        let folders = layers.iter().rev().map(|layer| self.layer_path(layer));
        let lower: Vec<String> = folders.map(|it| it.display().to_string()).collect();
        let field = |name: &str| config.get(name).cloned().unwrap_or_default();
        let text = |name: &str| field(name).as_str().unwrap_or_default().to_owned();
        let comment = field("history");
        let comment = comment
            .as_array()
            .and_then(|it| it.last()?.get("comment").cloned());
        Ok(json!({
            "Id": id,
            "RepoTags": names,
            "RepoDigests": digests,
            "Parent": "",
            "Comment": comment.unwrap_or_else(|| "".into()),
            "Created": text("created"),
            "Author": text("author"),
            "Config": field("config"),
            "Architecture": text("architecture"),
            "Variant": text("variant"),
            "Os": text("os"),
            "Size": size,
            "GraphDriver": { "Name": "overlay", "Data": { "LowerDir": lower.join(":") } },
            "RootFS": { "Type": "layers", "Layers": layers },
            "Descriptor": {
                "mediaType": entry.media_type, "digest": entry.digest, "size": entry.size,
            },
            "Metadata": { "Name": entry.annotation(REF_NAME).unwrap_or_default() },
        }))
    }
}
