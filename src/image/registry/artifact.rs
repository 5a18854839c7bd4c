//! Compose files that a registry keeps, as `docker compose publish` puts them there.
//!
//! Such an artifact is a manifest whose layers are files: compose files, which are the documents of one `compose.yaml` but
//! for those that others extend, and env files.
//!
//! Invariants: what is written is verified, of limited size and within its folder, and is there whole or not at all.

use super::client::Client;
use super::error::Error;
use super::source::{Document, Source};
use crate::id::Digest;
use crate::image::Name;
use crate::image::oci::{Descriptor, Index};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

pub(super) const PROJECT: &str = "application/vnd.docker.compose.project";
/// The config of an artifact whose manifest does not say what it is.
pub(super) const EMPTY: &str = "application/vnd.docker.compose.config.empty.v1+json";
pub(super) const COMPOSE_FILE: &str = "application/vnd.docker.compose.file+yaml";
pub(super) const ENV_FILE: &str = "application/vnd.docker.compose.envfile";
/// Where the documents go.
const MAIN: &str = "compose.yaml";
/// More bytes than this are no compose files.
const MAX_BYTES: u64 = 16 << 20;

/// A manifest, as far as artifacts have one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    artifact_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

type Files = BTreeMap<String, Vec<u8>>;

impl Client {
    /// The `compose.yaml` of an artifact, fetched to a folder of `cache` that has the name of its digest.
    pub fn compose_file(&self, name: &Name, cache: &Path) -> Result<PathBuf, Error> {
        let source = Source::new(self, name.domain(), name.path());
        let wanted = match name.digest() {
            Some(digest) => digest.to_string(),
            None => name.tag().unwrap_or("latest").to_owned(),
        };
        if let Some(kept) = name
            .digest()
            .map(|digest| folder(cache, digest))
            .filter(|it| it.is_dir())
        {
            return Ok(kept.join(MAIN));
        }
        let document = source.manifest(&wanted)?;
        let folder = folder(cache, &document.descriptor.digest);
        if !folder.is_dir() {
            let files = files(&source, name, document)?;
            write(&folder, &files)?;
        }
        Ok(folder.join(MAIN))
    }
}

fn folder(cache: &Path, digest: &Digest) -> PathBuf {
    cache.join(digest.as_str().replace(':', "-"))
}

/// The files of an artifact by their names.
fn files(source: &Source<'_>, name: &Name, document: Document) -> Result<Files, Error> {
    let unusable = |why: &str| Error::Unsupported {
        name: name.familiar(),
        why: why.to_owned(),
    };
    let document = match document.descriptor.is_index() {
        true => {
            let index: Index = json(&document.bytes, &unusable)?;
            let is_project = |it: &&Descriptor| it.artifact_type.as_deref() == Some(PROJECT);
            let found = index.manifests.iter().find(is_project);
            let found = found.ok_or_else(|| unusable("it is an index without compose files"))?;
            source.manifest(found.digest.as_ref())?
        }
        false => document,
    };
    let artifact: Artifact = json(&document.bytes, &unusable)?;
    let is_project = match &artifact.artifact_type {
        Some(kind) => kind == PROJECT,
        None => artifact.config.media_type == EMPTY,
    };
    if !is_project {
        return Err(unusable("it is an image, not compose files"));
    }
    if artifact
        .layers
        .iter()
        .map(|layer| layer.size)
        .fold(0, u64::saturating_add)
        > MAX_BYTES
    {
        return Err(unusable("its files are larger than 16 MiB"));
    }
    let mut files = Files::new();
    for layer in &artifact.layers {
        let Some(file) = file_name(layer) else {
            continue;
        };
        if !is_plain(file) {
            return Err(unusable(&format!(
                "`{file}` is no name of a file in its folder"
            )));
        }
        let bytes = source.small_blob(layer)?;
        let known = files.entry(file.to_owned()).or_default();
        if file == MAIN && !known.is_empty() {
            known.extend(b"\n---\n");
        }
        known.extend(bytes);
    }
    match files.contains_key(MAIN) {
        true => Ok(files),
        false => Err(unusable("it has no compose file")),
    }
}

fn json<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    unusable: &dyn Fn(&str) -> Error,
) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        unusable(&format!(
            "its manifest is not valid JSON of its kind: {error}"
        ))
    })
}

/// The file that a layer belongs to; `None` = it is of no use here.
fn file_name(layer: &Descriptor) -> Option<&str> {
    match layer.media_type.as_str() {
        COMPOSE_FILE if layer.annotation("com.docker.compose.extends").is_some() => {
            layer.annotation("com.docker.compose.file")
        }
        COMPOSE_FILE => Some(MAIN),
        ENV_FILE => layer.annotation("com.docker.compose.envfile"),
        _ => None,
    }
}

fn is_plain(file: &str) -> bool {
    let mut parts = Path::new(file).components();
    matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    ) && !file.ends_with('/')
}

/// Writes the files to a folder that appears whole.
fn write(folder: &Path, files: &Files) -> Result<(), Error> {
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(Error::io("make", parent))?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let partial = parent.join(format!(".{name}.{}", std::process::id()));
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir(&partial).map_err(Error::io("make", &partial))?;
    let written = files.iter().try_for_each(|(name, bytes)| {
        let file = partial.join(name);
        fs::write(&file, bytes).map_err(Error::io("write", &file))
    });
    let moved = written.and_then(|()| match fs::rename(&partial, folder) {
        // Somebody else was faster.
        Err(_) if folder.is_dir() => Ok(()),
        moved => moved.map_err(Error::io("make", folder)),
    });
    let _ = fs::remove_dir_all(&partial);
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_files_of_an_artifact() {
        for good in ["base.yaml", "a b", "..x", "0123.env"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["", ".", "..", "/etc/passwd", "a/b", "../x", "a/", "./.."] {
            assert!(!is_plain(bad), "{bad}");
        }
    }
}
