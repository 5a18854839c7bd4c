//! What is pushed to the fake registry: uploads in pieces, which it can break off, take half of, or forget.

use super::fake::{Answer, Reply};
use super::images;
use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex};

/// Uploads that have begun, by their name.
#[derive(Default)]
pub struct Intake {
    uploads: Mutex<HashMap<String, Vec<u8>>>,
    received: Mutex<u64>,
}

impl Intake {
    pub fn received(&self) -> u64 {
        *self.received.lock().unwrap()
    }

    /// A new upload's name.
    fn begin(&self) -> String {
        let mut uploads = self.uploads.lock().unwrap();
        let name = format!("u{}", uploads.len());
        uploads.insert(name.clone(), Vec::new());
        name
    }
}

impl Reply<'_> {
    /// Takes what a request brings. `Cut` takes so many bytes and hangs up, `Silence` takes all and hangs up,
    /// `Status` takes all and keeps nothing.
    pub(super) fn take(
        &mut self,
        body: &mut impl Read,
        answer: Option<Answer>,
    ) -> std::io::Result<()> {
        let length = match answer {
            Some(Answer::HangUp) => return Ok(()),
            Some(Answer::Cut(at)) => at.min(self.seen.length),
            _ => self.seen.length,
        };
        let mut bytes = vec![0; length];
        body.read_exact(&mut bytes)?;
        if let Some(Answer::Status(status, headers, text)) = answer {
            self.head(status, &headers, Some(text.len() as u64))?;
            return self.body(&text);
        }
        let complete = !matches!(answer, Some(Answer::Cut(_) | Answer::Silence));
        if self.seen.is_manifest() {
            return match complete {
                true => self.keep_manifest(bytes),
                false => Ok(()),
            };
        }
        self.upload(bytes, complete)
    }

    fn keep_manifest(&mut self, bytes: Vec<u8>) -> std::io::Result<()> {
        let digest = images::digest(&bytes);
        let path = self.seen.path.trim_start_matches("/v2/").to_owned();
        let kind = images::MANIFEST.to_owned();
        let mut manifests = self.shared.manifests.lock().unwrap();
        manifests.insert(path, (kind, bytes));
        drop(manifests);
        let header = ("Docker-Content-Digest".to_owned(), digest);
        self.head(201, &[header], Some(0))
    }

    fn upload(&mut self, bytes: Vec<u8>, complete: bool) -> std::io::Result<()> {
        let (path, query) = self
            .seen
            .path
            .split_once('?')
            .unwrap_or((&self.seen.path, ""));
        let path = path.to_owned();
        let value = |key: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.replace("%3A", ":"))
        };
        let intake = &self.shared.intake;
        *intake.received.lock().unwrap() += bytes.len() as u64;
        if self.seen.method == "POST" {
            let mounted = value("mount").filter(|it| {
                value("from").as_deref() == Some("near")
                    && self.shared.blobs.lock().unwrap().contains_key(it)
            });
            if mounted.is_some() {
                return self.head(201, &[], Some(0));
            }
            let location = format!("{path}{}?state=0", intake.begin());
            return self.head(202, &[("Location".to_owned(), location)], Some(0));
        }
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let (known, at) = {
            let mut uploads = intake.uploads.lock().unwrap();
            let at = uploads.get(&name).map_or(0, Vec::len);
            let upload = uploads.get_mut(&name);
            let fits =
                self.seen.method == "GET" || self.seen.from.is_none_or(|from| from == at as u64);
            if let Some(upload) = upload.filter(|_| fits) {
                upload.extend_from_slice(&bytes);
            }
            (uploads.get(&name).filter(|_| fits).cloned(), at)
        };
        if !complete {
            return Ok(());
        }
        let Some(all) = known else {
            return self.head(if at > 0 { 416 } else { 404 }, &[], Some(0));
        };
        // The state is in the query and must come back as it was given.
        let location = format!("{path}?state={}", all.len());
        let range = format!("0-{}", all.len().saturating_sub(1));
        let headers = [
            ("Location".to_owned(), location),
            ("Range".to_owned(), range),
        ];
        match self.seen.method.as_str() {
            "GET" => self.head(204, &headers, None),
            "PATCH" => self.head(202, &headers, Some(0)),
            _ => {
                let digest = value("digest").unwrap_or_default();
                if images::digest(&all) != digest || value("state").is_none() {
                    return self.head(400, &[], Some(0));
                }
                let mut blobs = self.shared.blobs.lock().unwrap();
                blobs.insert(digest, Arc::new(all));
                drop(blobs);
                self.head(201, &[], Some(0))
            }
        }
    }
}
