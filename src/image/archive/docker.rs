//! `manifest.json` of `docker save`.

use super::Candidate;
use crate::image::{Error, Name, oci};
use serde::Deserialize;

/// One image of the list.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

pub(super) fn candidates(json: &[u8]) -> Result<Vec<Candidate>, Error> {
    let images: Vec<Image> = oci::parse("manifest.json", json)?;
    images
        .into_iter()
        .map(|image| {
            let names = image.repo_tags.unwrap_or_default();
            let names: Result<Vec<_>, _> = names.iter().map(|name| Name::parse(name)).collect();
            Ok(Candidate {
                names: names?.iter().map(Name::to_string).collect(),
                tags: Vec::new(),
                manifest: None,
                config: image.config,
                layers: image.layers.unwrap_or_default(),
            })
        })
        .collect()
}
