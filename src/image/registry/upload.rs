//! One blob goes to a registry: found there, mounted from a neighbour, or sent in as many pieces as the way breaks it into.

use super::Error;
use super::answer::Answer;
use super::ask::{Ask, Payload};
use super::auth::Scope;
use super::client::Client;
use super::endpoint::Endpoint;
use super::meter::Meter;
use crate::id::Digest;
use crate::image::oci::Descriptor;
use reqwest::header::{LOCATION, RANGE};
use reqwest::{Method, Url};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Smaller blobs are sent in one piece with the request that ends the upload.
const SMALL: u64 = 1 << 20;
const BINARY: &str = "application/octet-stream";

/// A repository that is written to.
pub(super) struct Target<'a> {
    pub client: &'a Client,
    pub at: Endpoint,
    pub repository: String,
    pub scope: Scope,
    pub meter: Arc<Meter>,
}

/// An upload that the registry has begun.
struct Session {
    /// Where the next piece goes.
    location: String,
    /// Bytes that are there.
    offset: u64,
}

impl Target<'_> {
    /// Brings a blob of a few bytes there.
    pub(super) fn small(&self, blob: &Descriptor, bytes: &[u8]) -> Result<(), Error> {
        if self.client.patiently(|| self.has(blob))? {
            return Ok(());
        }
        self.client.patiently(|| {
            let session = self.begin(blob)?;
            let location = with_digest(&session.location, blob).ok_or_else(|| self.lost(blob))?;
            let mut ask = Ask::new(Method::PUT, &location);
            ask.payload = Payload::Bytes(bytes.to_owned());
            ask.content_type = Some(BINARY);
            self.ask(&ask, blob).map(drop)
        })
    }

    /// Brings a manifest there, under a tag or its digest.
    pub(super) fn manifest(
        &self,
        manifest: &Descriptor,
        bytes: Vec<u8>,
        reference: &str,
    ) -> Result<(), Error> {
        let path = format!("/v2/{}/manifests/{reference}", self.repository);
        let mut ask = Ask::new(Method::PUT, &path);
        ask.payload = Payload::Bytes(bytes);
        ask.content_type = Some(&manifest.media_type);
        let answer = self.client.patiently(|| self.ask(&ask, manifest))?;
        let told = answer.response.headers().get("docker-content-digest");
        let told = told.and_then(|value| Digest::new(value.to_str().ok()?).ok());
        match told {
            Some(actual) if actual != manifest.digest => Err(Error::Mismatch {
                host: answer.host,
                what: "the manifest that arrived".to_owned(),
                expected: manifest.digest.clone(),
                actual,
            }),
            _ => Ok(()),
        }
    }

    /// Brings a blob there; `neighbours` are repositories of the same registry that have it, by what we know.
    pub(super) fn blob(
        &self,
        blob: &Descriptor,
        path: PathBuf,
        neighbours: &[String],
    ) -> Result<(), Error> {
        self.meter.check()?;
        if self.client.patiently(|| self.has(blob))? {
            self.meter.moved(blob.size);
            return Ok(());
        }
        for neighbour in neighbours {
            // A registry that cannot or will not mount begins an upload instead; it is left to expire.
            if let Ok(true) = self.client.patiently(|| self.mount(blob, neighbour)) {
                self.meter.moved(blob.size);
                return Ok(());
            }
        }
        self.upload(blob, &path)
    }

    fn has(&self, blob: &Descriptor) -> Result<bool, Error> {
        let target = format!("/v2/{}/blobs/{}", self.repository, blob.digest);
        match self.ask(&Ask::new(Method::HEAD, &target), blob) {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn mount(&self, blob: &Descriptor, neighbour: &str) -> Result<bool, Error> {
        let target = format!(
            "/v2/{}/blobs/uploads/?mount={}&from={neighbour}",
            self.repository, blob.digest
        );
        let answer = self.ask(&Ask::new(Method::POST, &target), blob)?;
        Ok(answer.response.status() == 201)
    }

    /// Sends the bytes. What breaks is taken up where the registry says it broke off.
    fn upload(&self, blob: &Descriptor, path: &Path) -> Result<(), Error> {
        let mut tries = 0;
        let mut session: Option<Session> = None;
        let mut furthest = 0;
        loop {
            self.meter.check()?;
            let done = self.attempt(blob, path, &mut session);
            let Err(error) = done else { return Ok(()) };
            self.client.pause(error, tries)?;
            tries += 1;
            session = session.and_then(|session| self.status(&session, blob).ok());
            let offset = session.as_ref().map_or(0, |session| session.offset);
            if offset > furthest {
                (furthest, tries) = (offset, 0);
            }
        }
    }

    fn attempt(
        &self,
        blob: &Descriptor,
        path: &Path,
        slot: &mut Option<Session>,
    ) -> Result<(), Error> {
        let session = match slot {
            Some(session) => session,
            None => slot.insert(self.begin(blob)?),
        };
        if session.offset < blob.size && blob.size > SMALL {
            self.piece(blob, path, session)?;
        }
        let location = with_digest(&session.location, blob).ok_or_else(|| self.lost(blob))?;
        let mut ask = Ask::new(Method::PUT, &location);
        if session.offset < blob.size {
            ask.payload = self.part(blob, path, session.offset);
            ask.content_type = Some(BINARY);
        }
        self.ask(&ask, blob).map(drop)
    }

    fn begin(&self, blob: &Descriptor) -> Result<Session, Error> {
        let target = format!("/v2/{}/blobs/uploads/", self.repository);
        let answer = self.ask(&Ask::new(Method::POST, &target), blob)?;
        self.next(&answer, blob, 0)
    }

    /// Sends all that is missing.
    fn piece(&self, blob: &Descriptor, path: &Path, session: &mut Session) -> Result<(), Error> {
        let location = session.location.clone();
        let mut ask = Ask::new(Method::PATCH, &location);
        ask.payload = self.part(blob, path, session.offset);
        ask.content_type = Some(BINARY);
        // The first piece may be of any length; where a further one belongs has to be said.
        ask.chunk = (session.offset > 0).then_some((session.offset, blob.size - 1));
        let answer = self.ask(&ask, blob)?;
        *session = self.next(&answer, blob, blob.size)?;
        Ok(())
    }

    /// How far the registry is.
    fn status(&self, session: &Session, blob: &Descriptor) -> Result<Session, Error> {
        let location = session.location.clone();
        let answer = self
            .client
            .patiently(|| self.ask(&Ask::new(Method::GET, &location), blob))?;
        let range = answer.response.headers().get(RANGE);
        let last = range
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.rsplit('-').next()?.parse::<u64>().ok());
        // `0-0` is what registries say of nothing at all, and of one byte.
        let offset = last.filter(|last| *last > 0).map_or(0, |last| last + 1);
        if offset > blob.size {
            return Err(self.lost(blob));
        }
        let next = self.next(&answer, blob, offset);
        Ok(next.unwrap_or(Session { location, offset }))
    }

    fn part(&self, blob: &Descriptor, path: &Path, from: u64) -> Payload {
        Payload::File {
            path: path.to_owned(),
            from,
            length: blob.size - from,
            meter: self.meter.clone(),
        }
    }

    /// Where the next request of an upload goes: a whole URL, or relative to the one before; its query must be kept.
    fn next(&self, answer: &Answer, blob: &Descriptor, offset: u64) -> Result<Session, Error> {
        let location = answer.response.headers().get(LOCATION);
        let location = location.and_then(|value| value.to_str().ok());
        let next = location.and_then(|text| answer.response.url().join(text).ok());
        let next = next.ok_or_else(|| self.lost(blob))?;
        let is_plain = next.scheme() != "https" && answer.response.url().scheme() == "https";
        match is_plain {
            true => Err(self.bad(blob, "it sends the upload to what is not HTTPS")),
            false => Ok(Session {
                location: next.to_string(),
                offset,
            }),
        }
    }

    fn lost(&self, blob: &Descriptor) -> Error {
        self.bad(blob, "it does not say where the upload goes on")
    }

    fn bad(&self, blob: &Descriptor, why: &str) -> Error {
        Error::Answer {
            host: self.at.host.clone(),
            what: format!("blob `{}`", blob.digest),
            why: why.to_owned(),
        }
    }

    pub(super) fn ask(&self, ask: &Ask<'_>, about: &Descriptor) -> Result<Answer, Error> {
        let what = match about.media_type.contains("manifest") || about.is_index() {
            true => format!("manifest `{}`", about.digest),
            false => format!("blob `{}`", about.digest),
        };
        let what = format!("{what} of `{}`", self.repository);
        self.client.ask(&self.at, &self.scope, ask, &what)
    }
}

fn with_digest(location: &str, blob: &Descriptor) -> Option<String> {
    let mut url = Url::parse(location).ok()?;
    url.query_pairs_mut()
        .append_pair("digest", blob.digest.as_str());
    Some(url.to_string())
}
