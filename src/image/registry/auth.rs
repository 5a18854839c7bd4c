//! What a registry asks for before it answers, and what we show it: Basic, or a Bearer token from its token service.
//!
//! Invariants: a secret is sent to the host that it is filed under, or to the token service which that host names, and
//! never from TLS to plain text; a token is fetched once for all threads.

use super::Error;
use super::challenge::{Challenge, challenge};
use super::client::Client;
use super::credentials::{self, Credential};
use super::endpoint::Endpoint;
use super::settings::is_loopback;
use super::token::TokenService;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What we have learnt about registries.
#[derive(Debug, Default)]
pub(super) struct Auth {
    challenges: Mutex<HashMap<String, Challenge>>,
    tokens: Mutex<HashMap<(String, String), Token>>,
    credentials: Mutex<HashMap<(String, String), Option<Credential>>>,
    /// Credentials of a `login` that shall be tried, instead of those in files.
    pub(super) tried: Option<Credential>,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub header: HeaderValue,
    pub expires: Instant,
}

/// What an operation needs a token for: the repository, and scopes such as `repository:library/redis:pull`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scope {
    pub repository: String,
    pub scopes: Vec<String>,
}

impl Scope {
    pub(super) fn pull(repository: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            scopes: vec![format!("repository:{repository}:pull")],
        }
    }

    /// Writing, and reading from the repositories that blobs are mounted from.
    pub(super) fn push(repository: &str, from: &[String]) -> Self {
        let mut scopes = vec![format!("repository:{repository}:pull,push")];
        scopes.extend(from.iter().map(|from| format!("repository:{from}:pull")));
        Self {
            repository: repository.to_owned(),
            scopes,
        }
    }
}

/// One who asks: a registry, a scope.
pub(super) struct Asking<'a> {
    pub client: &'a Client,
    pub at: &'a Endpoint,
    pub scope: &'a Scope,
}

impl Auth {
    /// What to show with the first request, from what was learnt before.
    pub(super) fn header(&self, asking: &Asking<'_>) -> Result<Option<HeaderValue>, Error> {
        let known = lock(&self.challenges).get(&asking.at.host).cloned();
        match known {
            None => Ok(None),
            Some(Challenge::Basic) => self.basic(asking),
            Some(Challenge::Bearer { realm, service }) => {
                self.bearer(asking, &realm, service.as_deref()).map(Some)
            }
        }
    }

    /// What to show after a 401; `shown` did not do.
    pub(super) fn challenged(
        &self,
        asking: &Asking<'_>,
        headers: &HeaderMap,
        shown: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, Error> {
        let Some(challenge) = challenge(headers) else {
            return Ok(None);
        };
        lock(&self.challenges).insert(asking.at.host.clone(), challenge);
        if let Some(shown) = shown {
            lock(&self.tokens).retain(|_, token| token.header != *shown);
        }
        self.header(asking)
    }

    /// Whether there are credentials, for a better hint.
    pub(super) fn knows(&self, asking: &Asking<'_>) -> bool {
        self.credential(asking).is_ok_and(|found| found.is_some())
    }

    fn credential(&self, asking: &Asking<'_>) -> Result<Option<Credential>, Error> {
        if self.tried.is_some() {
            return Ok(self.tried.clone());
        }
        let key = (asking.at.domain.clone(), asking.scope.repository.clone());
        let mut known = lock(&self.credentials);
        if let Some(found) = known.get(&key) {
            return Ok(found.clone());
        }
        let found = credentials::find(&asking.client.settings, &key.0, &key.1)?;
        known.insert(key, found.clone());
        Ok(found)
    }

    fn basic(&self, asking: &Asking<'_>) -> Result<Option<HeaderValue>, Error> {
        Ok(match self.credential(asking)? {
            Some(Credential::Basic { user, secret }) => Some(basic_header(&user, &secret)),
            Some(Credential::Registry(token)) => Some(bearer_header(&token)),
            _ => None,
        })
    }

    /// A token that is still good, or a new one. The lock is held while it is fetched: others will want the same.
    fn bearer(
        &self,
        asking: &Asking<'_>,
        realm: &str,
        service: Option<&str>,
    ) -> Result<HeaderValue, Error> {
        let credential = self.credential(asking)?;
        if let Some(Credential::Registry(token)) = credential {
            return Ok(bearer_header(&token));
        }
        let key = (asking.at.host.clone(), asking.scope.scopes.join(" "));
        let mut tokens = lock(&self.tokens);
        if let Some(token) = tokens.get(&key)
            && token.expires > Instant::now()
        {
            return Ok(token.header.clone());
        }
        let service = TokenService {
            asking,
            realm: realm_url(asking, realm)?,
            service,
        };
        let granted = service.token(credential.as_ref(), false)?;
        let token = granted.token(asking)?;
        tokens.insert(key, token.clone());
        Ok(token.header)
    }

    /// A refresh token for the credentials of a `login`, if the registry's token service gives such.
    pub(super) fn identity(&self, asking: &Asking<'_>) -> Result<Option<String>, Error> {
        let known = lock(&self.challenges).get(&asking.at.host).cloned();
        let Some(Challenge::Bearer { realm, service }) = known else {
            return Ok(None);
        };
        let service = TokenService {
            asking,
            realm: realm_url(asking, &realm)?,
            service: service.as_deref(),
        };
        let granted = service.token(self.tried.as_ref(), true)?;
        Ok(granted.refresh_token.filter(|token| !token.is_empty()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The URL of a token service, which must not be a step down from TLS.
fn realm_url(asking: &Asking<'_>, realm: &str) -> Result<Url, Error> {
    let bad = |why: &str| Error::Answer {
        host: asking.at.host.clone(),
        what: "authentication".to_owned(),
        why: format!("{why} `{realm}`"),
    };
    let url = Url::parse(realm).map_err(|_| bad("its token service is not a URL:"))?;
    let host = host_of(&url);
    let plain = is_loopback(&host) || asking.client.settings.is_insecure(&host);
    match url.scheme() {
        "https" => Ok(url),
        "http" if plain => Ok(url),
        _ => Err(bad("its token service would get secrets in plain text:")),
    }
}

/// Host, and port if it is not the scheme's own.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

pub(super) fn basic_header(user: &str, secret: &str) -> HeaderValue {
    secret_header(&format!(
        "Basic {}",
        STANDARD.encode(format!("{user}:{secret}"))
    ))
}

pub(super) fn bearer_header(token: &str) -> HeaderValue {
    secret_header(&format!("Bearer {token}"))
}

fn secret_header(text: &str) -> HeaderValue {
    // A token that is no header value cannot be right either; the registry will say so.
    let mut value = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("Bearer"));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_service_in_plain_text_gets_no_secret() {
        use super::super::Settings;
        let settings = Settings::from_environment(&Default::default()).unwrap();
        let client = Client::new(settings);
        let at = Endpoint {
            host: "r.test".into(),
            domain: "r.test".into(),
            bases: vec![],
        };
        let asking = Asking {
            client: &client,
            at: &at,
            scope: &Scope::default(),
        };
        assert!(realm_url(&asking, "https://auth.test/t").is_ok());
        assert!(realm_url(&asking, "http://127.0.0.1:80/t").is_ok());
        assert!(realm_url(&asking, "http://auth.test/t").is_err());
        assert!(realm_url(&asking, "file:///etc/passwd").is_err());
    }
}
