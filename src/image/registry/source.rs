//! Where the parts of one image come from: a registry and its mirrors, asked in order until one has it.

use super::answer::{Answer, limited};
use super::ask::Ask;
use super::auth::Scope;
use super::client::Client;
use super::endpoint::Endpoint;
use super::{Error, Settings};
use crate::id::Digest;
use crate::image::oci::{self, Descriptor};
use crate::image::store::digest;
use reqwest::Method;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Registries refuse larger manifests.
const MAX_MANIFEST: u64 = 4 << 20;

/// All kinds of manifests that we can read. One that is not named here may be answered by 404.
const ACCEPT: &str = concat!(
    "application/vnd.oci.image.index.v1+json, ",
    "application/vnd.oci.image.manifest.v1+json, ",
    "application/vnd.docker.distribution.manifest.list.v2+json, ",
    "application/vnd.docker.distribution.manifest.v2+json"
);

/// A repository, on every server that may have it.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub client: &'a Client,
    pub repository: String,
    pub scope: Scope,
    endpoints: Vec<Endpoint>,
    /// Who answered last is asked first.
    preferred: AtomicUsize,
}

/// A manifest or index as it came.
#[derive(Debug)]
pub(super) struct Document {
    pub descriptor: Descriptor,
    pub bytes: Vec<u8>,
}

impl<'a> Source<'a> {
    pub(super) fn new(client: &'a Client, domain: &str, repository: &str) -> Self {
        let settings: &Settings = &client.settings;
        Self {
            client,
            repository: repository.to_owned(),
            scope: Scope::pull(repository),
            endpoints: Endpoint::all(settings, domain),
            preferred: AtomicUsize::new(0),
        }
    }

    /// How many servers there are to ask.
    pub(super) fn count(&self) -> usize {
        self.endpoints.len()
    }

    /// The server to ask as the `n`th.
    pub(super) fn endpoint(&self, n: usize) -> (usize, &Endpoint) {
        let preferred = self.preferred.load(Ordering::Relaxed);
        let order =
            std::iter::once(preferred).chain((0..self.count()).filter(|at| *at != preferred));
        let at = order.into_iter().nth(n).unwrap_or(preferred);
        (at, &self.endpoints[at])
    }

    /// Asks one server after the other.
    pub(super) fn each<T>(&self, ask: impl Fn(&Endpoint) -> Result<T, Error>) -> Result<T, Error> {
        let mut last = None;
        for n in 0..self.count() {
            let (at, endpoint) = self.endpoint(n);
            match self.client.patiently(|| ask(endpoint)) {
                Ok(found) => {
                    self.preferred.store(at, Ordering::Relaxed);
                    return Ok(found);
                }
                Err(error) if error.elsewhere() => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.expect("a name has at least its own registry"))
    }

    /// The digest of a tag, if the registry tells it without a download.
    pub(super) fn digest_of(&self, tag: &str) -> Result<Option<Digest>, Error> {
        let target = self.manifest_path(tag);
        self.each(|at| {
            let mut ask = Ask::new(Method::HEAD, &target);
            ask.accept = Some(ACCEPT);
            let answer = self
                .client
                .ask(at, &self.scope, &ask, &self.manifest_name(tag))?;
            Ok(told_digest(&answer))
        })
    }

    /// A manifest by tag or digest, verified.
    pub(super) fn manifest(&self, reference: &str) -> Result<Document, Error> {
        let target = self.manifest_path(reference);
        let what = self.manifest_name(reference);
        self.each(|at| {
            let mut ask = Ask::new(Method::GET, &target);
            ask.accept = Some(ACCEPT);
            let answer = self.client.ask(at, &self.scope, &ask, &what)?;
            self.document(answer, reference, &what)
        })
    }

    fn document(&self, answer: Answer, reference: &str, what: &str) -> Result<Document, Error> {
        let host = answer.host.clone();
        let told = told_digest(&answer);
        let bytes = limited(answer, MAX_MANIFEST, &self.client.settings.patience)?;
        let actual = digest(&bytes);
        let expected = Digest::new(reference).ok().or(told);
        if let Some(expected) = expected.filter(|expected| *expected != actual) {
            return Err(Error::Mismatch {
                host,
                what: what.to_owned(),
                expected,
                actual,
            });
        }
        let media_type = media_type(&bytes).map_err(|why| Error::Unsupported {
            name: what.to_owned(),
            why,
        })?;
        Ok(Document {
            descriptor: Descriptor {
                media_type: media_type.to_owned(),
                digest: actual,
                size: bytes.len() as u64,
                platform: None,
                artifact_type: None,
                annotations: BTreeMap::new(),
            },
            bytes,
        })
    }

    /// A small blob, verified.
    pub(super) fn small_blob(&self, wanted: &Descriptor) -> Result<Vec<u8>, Error> {
        let target = self.blob_path(&wanted.digest);
        let what = format!("blob `{}`", wanted.digest);
        self.each(|at| {
            let ask = Ask::new(Method::GET, &target);
            let answer = self.client.ask(at, &self.scope, &ask, &what)?;
            let host = answer.host.clone();
            let patience = &self.client.settings.patience;
            let bytes = limited(answer, oci::MAX_JSON, patience)?;
            let actual = digest(&bytes);
            if actual == wanted.digest {
                return Ok(bytes);
            }
            Err(Error::Mismatch {
                host,
                what: what.clone(),
                expected: wanted.digest.clone(),
                actual,
            })
        })
    }

    pub(super) fn blob_path(&self, digest: &Digest) -> String {
        format!("/v2/{}/blobs/{digest}", self.repository)
    }

    fn manifest_path(&self, reference: &str) -> String {
        format!("/v2/{}/manifests/{reference}", self.repository)
    }

    fn manifest_name(&self, reference: &str) -> String {
        match reference.contains(':') {
            true => format!("image `{}@{reference}`", self.repository),
            false => format!("image `{}:{reference}`", self.repository),
        }
    }
}

fn told_digest(answer: &Answer) -> Option<Digest> {
    let header = answer.response.headers().get("docker-content-digest")?;
    Digest::new(header.to_str().ok()?).ok()
}

/// The parts of a manifest that say what it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    schema_version: u32,
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
}

/// What a manifest is, as it says itself, else by its shape. One that could be read as either is refused: two readers
/// would see two images behind one digest.
pub(in crate::image) fn media_type(bytes: &[u8]) -> Result<&'static str, String> {
    let shape: Shape = serde_json::from_slice(bytes)
        .map_err(|error| format!("its manifest is not valid JSON of its kind: {error}"))?;
    if shape.schema_version == 1 {
        return Err(
            "its manifest is of docker's old schema 1; push it again with a newer tool".into(),
        );
    }
    let by_shape = match (&shape.manifests, &shape.layers) {
        (Some(_), None) => oci::INDEX,
        (None, Some(_)) => oci::MANIFEST,
        (Some(_), Some(_)) => return Err("its manifest is an image and an index at once".into()),
        (None, None) => return Err("its manifest is neither an image nor an index".into()),
    };
    let is_index = by_shape == oci::INDEX;
    match shape.media_type.as_deref() {
        None => Ok(by_shape),
        Some(oci::INDEX) if is_index => Ok(oci::INDEX),
        Some(oci::DOCKER_INDEX) if is_index => Ok(oci::DOCKER_INDEX),
        Some(oci::MANIFEST) if !is_index => Ok(oci::MANIFEST),
        Some(oci::DOCKER_MANIFEST) if !is_index => Ok(oci::DOCKER_MANIFEST),
        Some(other) => Err(format!("its manifest is of type `{other}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_one_thing_only() {
        let of = |text: &str| media_type(text.as_bytes());
        assert_eq!(of(r#"{"schemaVersion":2,"layers":[]}"#), Ok(oci::MANIFEST));
        assert_eq!(of(r#"{"schemaVersion":2,"manifests":[]}"#), Ok(oci::INDEX));
        let docker = format!(r#"{{"mediaType":"{}","layers":[]}}"#, oci::DOCKER_MANIFEST);
        assert_eq!(of(&docker), Ok(oci::DOCKER_MANIFEST));
        for bad in [
            r#"{"layers":[],"manifests":[]}"#.to_owned(),
            r#"{"schemaVersion":1,"layers":[]}"#.to_owned(),
            format!(r#"{{"mediaType":"{}","layers":[]}}"#, oci::INDEX),
            r#"{"mediaType":"text/plain","layers":[]}"#.to_owned(),
            "{}".to_owned(),
            "[".to_owned(),
        ] {
            assert!(of(&bad).is_err(), "{bad}");
        }
    }
}
