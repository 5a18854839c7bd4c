//! HTTP as registries speak it: one client a host, redirects by hand, patience with limits.
//!
//! Invariants: `Authorization` is sent to the host it was made for and not along a redirect to another; no redirect leads
//! from TLS to plain text; an answer that is kept in memory has a limit; every wait has one, too.

use super::answer::{Answer, redirect};
use super::ask::Ask;
use super::auth::{Asking, Auth, Scope, host_of};
use super::endpoint::Endpoint;
use super::error::Why;
use super::resolve::Resolver;
use super::settings::is_loopback;
use super::source::Source;
use super::{Error, Settings, tls};
use crate::id::Digest;
use crate::image::Name;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RANGE};
use reqwest::{Method, Url};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// More hops than any registry needs.
const MAX_HOPS: usize = 10;
/// Transfers of one process at a time.
const SLOTS: usize = 6;

/// Talks to registries; shared by all threads of an operation.
#[derive(Debug)]
pub struct Client {
    pub(super) settings: Settings,
    pub(super) auth: Auth,
    hosts: Mutex<HashMap<String, reqwest::blocking::Client>>,
    bases: Mutex<HashMap<String, String>>,
    stopped: AtomicBool,
    /// Some registry has answered something.
    answered: AtomicBool,
    slots: (Mutex<usize>, Condvar),
}

impl Client {
    /// With these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            auth: Auth::default(),
            hosts: Mutex::default(),
            bases: Mutex::default(),
            stopped: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            slots: (Mutex::new(SLOTS), Condvar::new()),
        }
    }

    /// The digest that a name's tag means now.
    pub fn digest(&self, name: &Name) -> Result<Digest, Error> {
        let tag = name.tag().unwrap_or("latest");
        let source = Source::new(self, name.domain(), name.path());
        match source.digest_of(tag) {
            Ok(Some(digest)) => Ok(digest),
            // One that cannot tell a digest alone tells the manifest.
            Ok(None) | Err(Error::Status { .. }) => Ok(source.manifest(tag)?.descriptor.digest),
            Err(error) => Err(error),
        }
    }

    /// Has everything that is under way end soon.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match self.stopped.load(Ordering::Relaxed) {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }

    /// Waits for one's turn to move a blob.
    pub(super) fn slot(&self) -> Slot<'_> {
        let free = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .slots
            .1
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Slot(self)
    }

    /// Tries until it goes well, or will not.
    pub(super) fn patiently<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut tries = 0;
        loop {
            match attempt() {
                Err(error) => self.pause(error, tries)?,
                done => return done,
            }
            tries += 1;
        }
    }

    /// Waits before another try; gives the error back if there must be none.
    pub(super) fn pause(&self, error: Error, tries: u32) -> Result<(), Error> {
        let patience = &self.settings.patience;
        let Some(wanted) = error.transient() else {
            return Err(error);
        };
        // Who has never answered is not there; who has, may be back in a moment.
        if error.is_unconnected() && !self.answered.load(Ordering::Relaxed) {
            return Err(error);
        }
        if tries >= patience.retries || wanted.is_some_and(|wait| wait > patience.longest) {
            return Err(error);
        }
        let pause = patience.pause.saturating_mul(1 << tries.min(6));
        // Up to a quarter more, so that those who were refused together do not come back together.
        let jitter = pause.mul_f32(f32::from(random_byte()) / 1024.0);
        let end = Instant::now() + wanted.unwrap_or(pause.min(patience.longest)) + jitter;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.check()?;
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
        Ok(())
    }

    /// Asks an endpoint once, with what authentication and redirects it takes. The answer may be a refusal.
    pub(super) fn once(
        &self,
        at: &Endpoint,
        scope: &Scope,
        ask: &Ask<'_>,
    ) -> Result<Answer, Error> {
        self.check()?;
        let asking = Asking {
            client: self,
            at,
            scope,
        };
        let base = self.base(at)?;
        let target = match ask.target.contains("://") {
            true => ask.target.to_owned(),
            false => format!("{base}{}", ask.target),
        };
        let start = parse_url(&at.host, &target)?;
        let own = parse_url(&at.host, &base)?;
        let mut shown = self.auth.header(&asking)?;
        let mut url = start.clone();
        let mut challenged = false;
        for _ in 0..MAX_HOPS {
            let is_own = url.origin() == own.origin();
            let header = shown.as_ref().filter(|_| is_own);
            let answer = self.exchange(&url, ask, header)?;
            let status = answer.response.status().as_u16();
            if status == 401 && is_own && !challenged {
                challenged = true;
                let headers = answer.response.headers();
                shown = self.auth.challenged(&asking, headers, shown.as_ref())?;
                if shown.is_some() {
                    url = start.clone();
                    continue;
                }
            }
            match redirect(&answer, &url, ask)? {
                Some(next) => url = next,
                None => return Ok(answer),
            }
        }
        Err(Error::Answer {
            host: at.host.clone(),
            what: ask.target.to_owned(),
            why: "it redirects in circles".to_owned(),
        })
    }

    /// Asks once; a refusal is an error.
    pub(super) fn ask(
        &self,
        at: &Endpoint,
        scope: &Scope,
        ask: &Ask<'_>,
        what: &str,
    ) -> Result<Answer, Error> {
        let mut answer = self.once(at, scope, ask)?;
        answer.what = what.to_owned();
        let status = answer.response.status().as_u16();
        if matches!(status, 401 | 403) {
            let asking = Asking {
                client: self,
                at,
                scope,
            };
            return Err(Error::Denied {
                host: answer.host.clone(),
                what: what.to_owned(),
                message: answer.message(&self.settings.patience),
                domain: at.domain.clone(),
                known: self.auth.knows(&asking),
            });
        }
        answer.good(&self.settings.patience)
    }

    /// One request and the head of its answer.
    pub(super) fn exchange(
        &self,
        url: &Url,
        ask: &Ask<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Error> {
        let host = host_of(url);
        let client = self.of_host(&host)?;
        let mut request = client.request(ask.method.clone(), url.clone());
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        if let Some(accept) = ask.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(from) = ask.from {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        if let Some(kind) = ask.content_type {
            request = request.header(CONTENT_TYPE, kind);
        }
        if let Some((first, last)) = ask.chunk {
            request = request.header(CONTENT_RANGE, format!("{first}-{last}"));
        }
        if let Some(body) = ask.payload.body()? {
            let limit = self.settings.patience.stall + ask.payload.allowance();
            request = request.body(body).timeout(limit);
        }
        let response = request
            .send()
            .map_err(|error| self.unreachable(&host, &error))?;
        self.answered.store(true, Ordering::Relaxed);
        Ok(Answer {
            host,
            what: url.path().to_owned(),
            response,
        })
    }

    fn unreachable(&self, host: &str, error: &reqwest::Error) -> Error {
        let host = host.to_owned();
        if error.is_timeout() && !error.is_connect() {
            return Error::Stalled {
                host,
                what: "an answer".to_owned(),
                limit: self.settings.patience.stall,
            };
        }
        Error::Unreachable {
            host,
            connect: error.is_connect(),
            source: Why::of(error),
        }
    }

    /// The way to talk to an endpoint: the first that gives any answer at all.
    fn base(&self, at: &Endpoint) -> Result<String, Error> {
        let lock = || self.bases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(base) = lock().get(&at.host) {
            return Ok(base.clone());
        }
        let mut last = None;
        for base in &at.bases {
            if at.bases.len() > 1 {
                let ping = Ask::new(Method::GET, "/v2/");
                let url = parse_url(&at.host, &format!("{base}/v2/"))?;
                match self.exchange(&url, &ping, None) {
                    Err(error) if error.is_distrust() => return Err(error),
                    Err(error) => {
                        last = Some(error);
                        continue;
                    }
                    Ok(_) => {}
                }
            }
            lock().insert(at.host.clone(), base.clone());
            return Ok(base.clone());
        }
        Err(last.unwrap_or_else(|| Error::Unreachable {
            host: at.host.clone(),
            connect: true,
            source: Why("there is no way to it".to_owned()),
        }))
    }

    /// The HTTP client of a host, with its certificates.
    fn of_host(&self, host: &str) -> Result<reqwest::blocking::Client, Error> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = hosts.get(host) {
            return Ok(client.clone());
        }
        let patience = &self.settings.patience;
        let mut builder = reqwest::blocking::Client::builder()
            .user_agent(concat!("hoist/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .tls_backend_preconfigured(tls::config(&self.settings, host)?)
            .dns_resolver(Arc::new(Resolver::default()))
            .connect_timeout(patience.connect)
            .timeout(patience.stall)
            .tcp_nodelay(true);
        if is_loopback(host) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| Error::Unreachable {
            host: host.to_owned(),
            connect: true,
            source: Why::of(&error),
        })?;
        hosts.insert(host.to_owned(), client.clone());
        Ok(client)
    }
}

/// A turn to move a blob.
pub(super) struct Slot<'a>(&'a Client);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self
            .0
            .slots
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.slots.1.notify_one();
    }
}

fn random_byte() -> u8 {
    let mut byte = [0];
    // Without randomness there is no jitter, and nothing worse.
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

fn parse_url(host: &str, text: &str) -> Result<Url, Error> {
    Url::parse(text).map_err(|error| Error::Answer {
        host: host.to_owned(),
        what: format!("`{text}`"),
        why: error.to_string(),
    })
}
