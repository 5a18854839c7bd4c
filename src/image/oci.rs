//! The wire types of the OCI image specification, as far as they are read or written here.
//!
//! Docker's image manifest v2 and its config are the same shapes under other media types.

use super::Error;
use crate::id::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// OCI's name for a layer that docker's manifest calls otherwise.
pub(super) fn as_oci(media_type: &str) -> &str {
    match media_type {
        "application/vnd.docker.image.rootfs.diff.tar" => LAYER,
        "application/vnd.docker.image.rootfs.diff.tar.gzip" => LAYER_GZIP,
        other => other,
    }
}

pub(super) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(super) const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(super) const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(super) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The tag, or with us the canonical name, of a descriptor in `index.json`.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The full name that containerd and `docker save` give.
pub(super) const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Larger manifests and configs are refused; registries cap manifests at 4 MiB.
pub(super) const MAX_JSON: u64 = 8 << 20;

/// A reference to a blob. Fields not used here are kept, so that rewriting `index.json` loses nothing of others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }

    /// The same without what an index says about it.
    pub(super) fn bare(&self) -> Self {
        Self {
            annotations: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// The config of an image, and not of something else that is kept in registries.
    pub(super) fn is_image_config(&self) -> bool {
        self.media_type == CONFIG || self.media_type == DOCKER_CONFIG
    }

    pub(super) fn is_index(&self) -> bool {
        self.media_type == INDEX || self.media_type == DOCKER_INDEX
    }
}

/// What a manifest runs on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Platform {
    pub architecture: String,
    pub os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    #[serde(
        default,
        rename = "os.version",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
}

impl Platform {
    /// The machine this runs on.
    pub(super) fn here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self {
            architecture: architecture.into(),
            os: "linux".into(),
            ..Self::default()
        }
    }

    /// `os/architecture[/variant]`, an architecture alone, with the names that other tools use for them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [one] if *one == "linux" => return Some(Self::here()),
            [architecture] => ("linux", *architecture, None),
            [os, architecture] => (*os, *architecture, None),
            [os, architecture, variant] => (*os, *architecture, Some(*variant)),
            _ => return None,
        };
        let word = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
        };
        if !word(os) || !word(architecture) || !variant.is_none_or(word) {
            return None;
        }
        let (architecture, implied) = match architecture {
            "x86_64" | "x86-64" => ("amd64", None),
            "aarch64" => ("arm64", None),
            "armhf" => ("arm", Some("v7")),
            "armel" => ("arm", Some("v6")),
            "i386" => ("386", None),
            other => (other, None),
        };
        Some(Self {
            architecture: architecture.to_owned(),
            os: os.to_lowercase(),
            variant: variant.or(implied).map(str::to_owned),
            os_version: None,
        })
    }

    /// [`Platform::parse`], with an error that says how it is written.
    pub(super) fn read(text: &str) -> Result<Self, Error> {
        Self::parse(text).ok_or_else(|| Error::PlatformText {
            text: text.to_owned(),
        })
    }

    /// How well what is `offered` runs on `self`, best 0; `None` = not at all.
    pub(super) fn rank(&self, offered: &Self) -> Option<usize> {
        if self.os != offered.os {
            return None;
        }
        let accepted = self.accepted();
        accepted.iter().position(|(architecture, variant)| {
            *architecture == offered.architecture
                && offered.variant.as_deref().unwrap_or_default() == *variant
        })
    }

    /// Architectures and variants that run, best first. A variant stands for a level of the instruction set: what is
    /// below the one asked for runs, what is above does not.
    fn accepted(&self) -> Vec<(&str, &str)> {
        let variant = self.variant.as_deref().unwrap_or_default();
        let upto = |levels: &[&'static str], default: &str| -> Vec<&'static str> {
            let top = if variant.is_empty() { default } else { variant };
            let at = levels.iter().position(|level| *level == top);
            levels[at.unwrap_or(levels.len())..].to_vec()
        };
        match self.architecture.as_str() {
            "amd64" => {
                let levels = upto(&["v4", "v3", "v2", "v1"], "v1");
                let mut all: Vec<_> = levels.into_iter().map(|level| ("amd64", level)).collect();
                all.push(("amd64", ""));
                all
            }
            "arm64" if matches!(variant, "" | "v8") => {
                let below = ["v8", "v7", "v6", "v5"].map(|level| ("arm", level));
                [("arm64", "v8"), ("arm64", "")]
                    .into_iter()
                    .chain(below)
                    .collect()
            }
            "arm" => {
                let levels = upto(&["v8", "v7", "v6", "v5"], "v7");
                let mut all: Vec<_> = levels.into_iter().map(|level| ("arm", level)).collect();
                // What does not say is v7, by the rule of the specification.
                let at = all
                    .iter()
                    .position(|it| it.1 == "v7")
                    .map_or(all.len(), |at| at + 1);
                all.insert(at, ("arm", ""));
                all
            }
            other => vec![(other, variant), (other, "")],
        }
    }

    /// Runs on `self`.
    pub(super) fn runs(&self, other: &Self) -> bool {
        self.rank(other).is_some()
    }
}

/// `linux/arm64/v8`.
impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// `index.json`, or an index blob.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(default)]
    pub manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            schema_version: 2,
            media_type: Some(INDEX.into()),
            manifests: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }
}

/// An image manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

/// An image config, as far as it is read here. It is stored as it came.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ConfigFile {
    #[serde(default)]
    pub created: Option<String>,
    #[serde(default)]
    pub os: String,
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub variant: Option<String>,
    #[serde(default)]
    pub config: Option<RunConfig>,
    pub rootfs: RootFs,
}

impl ConfigFile {
    /// What it runs on; one that does not say is of this machine.
    pub(super) fn platform(&self) -> Platform {
        match self.architecture.is_empty() {
            true => Platform::here(),
            false => Platform {
                architecture: self.architecture.clone(),
                os: self.os.clone(),
                variant: self.variant.clone(),
                os_version: None,
            },
        }
    }
}

/// The layers of a config.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct RootFs {
    #[serde(default)]
    pub diff_ids: Vec<Digest>,
}

/// How to run it. Go writes empty lists and maps as `null`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct RunConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
}

/// Docker's health check; durations in nanoseconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Healthcheck {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Vec<String>>,
    pub interval: i64,
    pub timeout: i64,
    pub start_period: i64,
    pub start_interval: i64,
    pub retries: i64,
}

/// Parses JSON that came from `what`.
pub(super) fn parse<'a, T: Deserialize<'a>>(what: &str, bytes: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Json {
        what: what.to_owned(),
        source,
    })
}

/// Writes JSON; our own types always serialise.
pub(super) fn write(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("maps with string keys and numbers serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the offers runs best on a platform.
    fn best<'a>(platform: &str, offers: &[&'a str]) -> Option<&'a str> {
        let platform = Platform::parse(platform).unwrap();
        let ranked = offers.iter().filter_map(|offer| {
            let (os, rest) = offer.split_once('/').unwrap();
            let (architecture, variant) = match rest.split_once('/') {
                Some((architecture, variant)) => (architecture, Some(variant.to_owned())),
                None => (rest, None),
            };
            let offered = Platform {
                os: os.into(),
                architecture: architecture.into(),
                variant,
                os_version: None,
            };
            Some((platform.rank(&offered)?, *offer))
        });
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, offer)| offer)
    }

    #[test]
    fn the_best_variant_that_runs_is_chosen() {
        let all = [
            "unknown/unknown",
            "linux/amd64/v3",
            "linux/amd64/v2",
            "linux/amd64",
            "linux/arm/v5",
            "linux/arm/v7",
            "linux/arm/v6",
            "linux/arm64/v8",
            "windows/amd64",
        ];
        for (platform, chosen) in [
            ("linux/amd64", Some("linux/amd64")),
            ("linux/amd64/v2", Some("linux/amd64/v2")),
            ("linux/amd64/v4", Some("linux/amd64/v3")),
            ("x86_64", Some("linux/amd64")),
            ("linux/arm64", Some("linux/arm64/v8")),
            ("linux/arm/v6", Some("linux/arm/v6")),
            ("linux/arm", Some("linux/arm/v7")),
            ("armel", Some("linux/arm/v6")),
            ("linux/riscv64", None),
        ] {
            assert_eq!(best(platform, &all), chosen, "{platform}");
        }
        assert_eq!(best("linux/amd64", &["linux/amd64/v2"]), None);
        assert_eq!(best("linux/arm64", &["linux/arm/v7"]), Some("linux/arm/v7"));
        for bad in ["", "a/b/c/d", "linux/", "linux/a b"] {
            assert_eq!(Platform::parse(bad), None, "{bad}");
        }
    }
}
