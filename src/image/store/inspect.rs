//! One image in detail, as docker shows it.

use super::Store;
use super::choose_for;
use crate::id::Digest;
use crate::image::oci::{self, REF_NAME};
use crate::image::{Error, Name};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
    pub fn platform_here() -> String {
        oci::Platform::here().to_string()
    }

    /// A platform as the user wrote it, in the same words.
    pub fn platform_name(text: &str) -> Result<String, Error> {
        Ok(oci::Platform::read(text)?.to_string())
    }

    /// Whether an image of one platform runs on another.
    pub fn runs_on(image: &str, platform: &str) -> Result<bool, Error> {
        Ok(oci::Platform::read(platform)?.runs(&oci::Platform::read(image)?))
    }

    /// Whether a name or id leads to an image that runs on a platform.
    pub fn contains_for(&self, text: &str, platform: &str) -> Result<bool, Error> {
        let index = self.index()?;
        let entry = match self.find(&index, text) {
            Err(Error::NotFound { .. }) => return Ok(false),
            found => found?,
        };
        Self::runs_on(&self.platform(&self.id_of(entry)?)?, platform)
    }

    /// What registries know an image by, and the digests of its manifests for platforms (none named: this machine's).
    pub fn digests(
        &self,
        text: &str,
        platforms: &[String],
    ) -> Result<(Digest, BTreeMap<String, Digest>), Error> {
        let index = self.index()?;
        let entry = self.find(&index, &self.stored_as(text))?;
        let mut wanted: Vec<(String, oci::Platform)> = Vec::new();
        for text in platforms {
            let platform = oci::Platform::read(text)?;
            wanted.push((platform.to_string(), platform));
        }
        if wanted.is_empty() {
            wanted.push((Self::platform_here(), oci::Platform::here()));
        }
        let mut digests = BTreeMap::new();
        for (name, platform) in wanted {
            let read = |descriptor: &oci::Descriptor| self.read_blob(&descriptor.digest);
            let chosen = choose_for(entry.clone(), text, &platform, read)?;
            // What is no index is for one platform: what its config says.
            if !entry.is_index() && self.platform(&self.id_of(entry)?)? != name {
                return Err(Error::Platform {
                    name: text.to_owned(),
                    platform: name,
                });
            }
            digests.insert(name, chosen.digest);
        }
        Ok((entry.digest.clone(), digests))
    }

    /// The name that an image of another place has in the store.
    fn stored_as(&self, text: &str) -> String {
        let Some((kind, rest)) = text.split_once(':') else {
            return text.to_owned();
        };
        if !matches!(kind, "oci" | "dir" | "oci-archive" | "docker-archive") {
            return text.to_owned();
        }
        // The path as the store writes it: with every link followed.
        let (path, tag) = match (kind, rest.split_once(':')) {
            ("dir", _) | (_, None) => (rest, String::new()),
            (_, Some((path, tag))) => (path, format!(":{tag}")),
        };
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
        format!("{kind}:{}{tag}", path.display())
    }

    /// How an image was made, newest step first.
    pub fn history(&self, text: &str) -> Result<Vec<Step>, Error> {
        let index = self.index()?;
        let manifest = self.manifest(self.find(&index, text)?, text)?;
        let id = manifest.config.digest.clone();
        let made: Made = oci::parse(id.as_str(), &self.read_blob(&id)?)?;
        let layers = self.config(&manifest)?.rootfs.diff_ids;
        let made = made.history.unwrap_or_default();
        let told = made.iter().filter(|step| !step.empty_layer).count();
        // Tools that write no history have layers all the same; those that add to such an image tell of the newest.
        let untold = layers.len().saturating_sub(told);
        let mut layers = layers.into_iter();
        let mut steps = Vec::new();
        for layer in layers.by_ref().take(untold) {
            steps.push(self.step(MadeStep::default(), Some(layer))?);
        }
        for step in made {
            let layer = (!step.empty_layer).then(|| layers.next()).flatten();
            steps.push(self.step(step, layer)?);
        }
        steps.reverse();
        if let Some(newest) = steps.first_mut() {
            newest.id = Some(id);
        }
        Ok(steps)
    }

    fn step(&self, step: MadeStep, layer: Option<Digest>) -> Result<Step, Error> {
        let size = match layer {
            Some(layer) if self.has_layer(&layer) => self.layer_bytes(&layer)?,
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
            "RepoTags": names.iter().filter(|name| !name.contains('@')).collect::<Vec<_>>(),
            "RepoDigests": digests,
            "Parent": "",
            "Comment": comment.unwrap_or_else(|| "".into()),
            "Created": text("created"),
            "Author": text("author"),
            "Config": whole(field("config")),
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

/// A config with every key that docker shows, so that templates find them.
fn whole(config: Value) -> Value {
    let mut all = json!({
        "Cmd": null, "Entrypoint": null, "Env": null, "Labels": null, "OnBuild": null, "User": "",
        "Volumes": null, "WorkingDir": "",
    });
    if let (Some(all), Value::Object(config)) = (all.as_object_mut(), config) {
        all.extend(config);
    }
    all
}
