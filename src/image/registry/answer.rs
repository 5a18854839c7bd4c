//! What registries answer: a body with a limit, a redirect, or a refusal with its reason.

use super::Error;
use super::ask::Ask;
use super::error::Why;
use super::settings::Patience;
use reqwest::blocking::Response;
use reqwest::header::{LOCATION, RETRY_AFTER};
use reqwest::{Method, Url};
use std::io::Read;
use std::time::Instant;

/// What came back, and what it was about.
#[derive(Debug)]
pub(super) struct Answer {
    pub host: String,
    pub what: String,
    pub response: Response,
}

impl Answer {
    /// What the registry says about a refusal, on one line.
    pub(super) fn message(self, patience: &Patience) -> String {
        let bytes = limited(self, 64 << 10, patience).unwrap_or_default();
        super::message::of(&bytes)
    }

    /// The answer, unless it is a refusal.
    pub(super) fn good(self, patience: &Patience) -> Result<Self, Error> {
        let status = self.response.status();
        if status.is_success() {
            return Ok(self);
        }
        let after = self.response.headers().get(RETRY_AFTER);
        let after = after.and_then(|value| super::message::wait(value.to_str().ok()?));
        let (host, what) = (self.host.clone(), self.what.clone());
        let message = self.message(patience);
        Err(match status.as_u16() {
            404 => Error::NotFound {
                host,
                what,
                message,
            },
            429 => Error::RateLimited {
                host,
                message,
                after,
            },
            status => Error::Status {
                host,
                what,
                status,
                message,
                after,
            },
        })
    }
}

/// Where an answer sends us.
pub(super) fn redirect(answer: &Answer, url: &Url, ask: &Ask<'_>) -> Result<Option<Url>, Error> {
    let reads = ask.method == Method::GET || ask.method == Method::HEAD;
    match answer.response.status().as_u16() {
        307 | 308 => {}
        301..=303 if reads => {}
        _ => return Ok(None),
    }
    let bad = |why: &str| Error::Answer {
        host: answer.host.clone(),
        what: answer.what.clone(),
        why: why.to_owned(),
    };
    let location = answer.response.headers().get(LOCATION);
    let location = location.and_then(|value| value.to_str().ok());
    let next = location.and_then(|location| url.join(location).ok());
    let next = next.ok_or_else(|| bad("it redirects to nowhere"))?;
    match (url.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => Ok(Some(next)),
        _ => Err(bad("it redirects to what is not HTTPS")),
    }
}

/// Reads an answer whole, if it is no longer than `limit` and comes in time.
pub(super) fn limited(answer: Answer, limit: u64, patience: &Patience) -> Result<Vec<u8>, Error> {
    let Answer {
        host,
        what,
        mut response,
    } = answer;
    let declared = response.content_length();
    let too_long = |host: String, what: String| Error::Answer {
        host,
        what,
        why: format!("it is longer than {limit} bytes"),
    };
    if declared.is_some_and(|length| length > limit) {
        return Err(too_long(host, what));
    }
    let deadline = Instant::now() + patience.stall * 2;
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        let n = match response.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(n) => n,
            Err(error) => {
                return Err(Error::Cut {
                    host,
                    what,
                    at: bytes.len() as u64,
                    size: declared.unwrap_or(0),
                    source: Why::of(&error),
                });
            }
        };
        bytes.extend_from_slice(&buffer[..n]);
        if bytes.len() as u64 > limit {
            return Err(too_long(host, what));
        }
        if Instant::now() > deadline {
            return Err(Error::Stalled {
                host,
                what,
                limit: patience.stall * 2,
            });
        }
    }
}
