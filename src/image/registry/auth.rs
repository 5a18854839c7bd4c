//! What a registry asks for before it answers, and what we show it: Basic, or a Bearer token from its token service.
//!
//! Invariants: a secret is sent to the host that it is filed under, or to the token service which that host names, and
//! never from TLS to plain text; a token is fetched once for all threads.

use super::client::{Answer, Ask, Client, Payload, limited};
use super::credentials::{self, Credential};
use super::endpoint::Endpoint;
use super::settings::is_loopback;
use super::{Error, Settings};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, Url};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest answer of a token service.
const MAX_ANSWER: u64 = 1 << 20;
/// Who we are to a token service.
const CLIENT_ID: &str = "hoist";

/// What we have learnt about registries.
#[derive(Debug, Default)]
pub(super) struct Auth {
    challenges: Mutex<HashMap<String, Challenge>>,
    tokens: Mutex<HashMap<(String, String), Token>>,
    credentials: Mutex<HashMap<(String, String), Option<Credential>>>,
    /// Credentials of a `login` that shall be tried, instead of those in files.
    pub(super) tried: Option<Credential>,
}

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

#[derive(Debug, Clone)]
struct Token {
    header: HeaderValue,
    expires: Instant,
}

/// The answer of a token service.
#[derive(Deserialize)]
struct Granted {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
    refresh_token: Option<String>,
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

fn basic_header(user: &str, secret: &str) -> HeaderValue {
    secret_header(&format!(
        "Basic {}",
        STANDARD.encode(format!("{user}:{secret}"))
    ))
}

fn bearer_header(token: &str) -> HeaderValue {
    secret_header(&format!("Bearer {token}"))
}

fn secret_header(text: &str) -> HeaderValue {
    // A token that is no header value cannot be right either; the registry will say so.
    let mut value = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("Bearer"));
    value.set_sensitive(true);
    value
}

impl Granted {
    fn token(&self, asking: &Asking<'_>) -> Result<Token, Error> {
        let text = self.token.as_ref().or(self.access_token.as_ref());
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Err(Error::Answer {
                host: asking.at.host.clone(),
                what: "authentication".to_owned(),
                why: "its token service gives no token".to_owned(),
            });
        };
        // Renewed a little early, since the clock that counts is theirs.
        let lifetime = Duration::from_secs(self.expires_in.unwrap_or(60).clamp(1, 86_400));
        Ok(Token {
            header: bearer_header(text),
            expires: Instant::now() + lifetime.mul_f32(0.8),
        })
    }
}

/// The service that a registry sends us to.
struct TokenService<'a> {
    asking: &'a Asking<'a>,
    realm: Url,
    service: Option<&'a str>,
}

impl TokenService<'_> {
    /// A refresh token is traded by POST, a password by GET with Basic, or by POST where GET is not served.
    fn token(&self, credential: Option<&Credential>, offline: bool) -> Result<Granted, Error> {
        match credential {
            Some(Credential::Identity(token)) => {
                let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
                match self.post(&form) {
                    Err(error) if not_served(&error) => {
                        self.get(Some(&("<token>", token)), offline)
                    }
                    done => done,
                }
            }
            Some(Credential::Basic { user, secret }) => {
                match self.get(Some(&(user, secret)), offline) {
                    Err(error) if not_served(&error) => self.post(&[
                        ("grant_type", "password"),
                        ("username", user),
                        ("password", secret),
                        ("access_type", if offline { "offline" } else { "online" }),
                    ]),
                    done => done,
                }
            }
            Some(Credential::Registry(_)) | None => self.get(None, offline),
        }
    }

    fn get(&self, login: Option<&(&str, &str)>, offline: bool) -> Result<Granted, Error> {
        let mut url = self.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = self.service {
                query.append_pair("service", service);
            }
            for scope in &self.asking.scope.scopes {
                query.append_pair("scope", scope);
            }
            if let Some((user, _)) = login.filter(|(user, _)| *user != "<token>") {
                query.append_pair("account", user);
            }
            if offline {
                query.append_pair("offline_token", "true");
            }
            query.append_pair("client_id", CLIENT_ID);
        }
        let header = login.map(|(user, secret)| basic_header(user, secret));
        self.fetch(Ask::new(Method::GET, url.as_str()), header)
    }

    fn post(&self, fields: &[(&str, &str)]) -> Result<Granted, Error> {
        let mut form = Url::parse("form:").expect("a scheme is a URL");
        {
            let mut pairs = form.query_pairs_mut();
            pairs.extend_pairs(fields);
            pairs.append_pair("client_id", CLIENT_ID);
            if let Some(service) = self.service {
                pairs.append_pair("service", service);
            }
            if !self.asking.scope.scopes.is_empty() {
                pairs.append_pair("scope", &self.asking.scope.scopes.join(" "));
            }
        }
        let body = form.query().unwrap_or_default().as_bytes().to_vec();
        let mut ask = Ask::new(Method::POST, self.realm.as_str());
        ask.payload = Payload::Bytes(body);
        ask.content_type = Some("application/x-www-form-urlencoded");
        self.fetch(ask, None)
    }

    fn fetch(&self, ask: Ask<'_>, header: Option<HeaderValue>) -> Result<Granted, Error> {
        let client = self.asking.client;
        let host = host_of(&self.realm);
        let answer = client.exchange(&self.realm, &ask, header.as_ref())?;
        let status = answer.response.status();
        let answer = Answer {
            what: "a token".to_owned(),
            ..answer
        };
        if matches!(status.as_u16(), 400 | 401 | 403) {
            let message = answer.message(&client.settings.patience);
            return Err(Error::Denied {
                host,
                what: match self.asking.scope.repository.as_str() {
                    "" => "it".to_owned(),
                    repository => format!("`{repository}`"),
                },
                message,
                domain: self.asking.at.domain.clone(),
                known: self.asking.client.auth.knows(self.asking),
            });
        }
        let answer = answer.good(&client.settings.patience)?;
        let bytes = limited(answer, MAX_ANSWER, &client.settings.patience)?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Answer {
            host,
            what: "a token".to_owned(),
            why: error.to_string(),
        })
    }
}

/// A service that does not know the way we asked.
fn not_served(error: &Error) -> bool {
    matches!(
        error,
        Error::NotFound { .. }
            | Error::Status {
                status: 405 | 501,
                ..
            }
    )
}

/// What a registry asks for: a token if it takes one, since it may take less than all it names otherwise.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let text = value.to_str().unwrap_or_default();
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            let fields = parameters(rest);
            if let Some(realm) = fields.get("realm") {
                return Some(Challenge::Bearer {
                    realm: realm.clone(),
                    service: fields.get("service").cloned(),
                });
            }
        } else if scheme.eq_ignore_ascii_case("basic") {
            basic = Some(Challenge::Basic);
        }
    }
    basic
}

/// `a="x",b=y`, with backslashes in quotes.
fn parameters(text: &str) -> HashMap<String, String> {
    let mut fields = HashMap::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([' ', ',', '\t']).to_ascii_lowercase();
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => match after.split_once(',') {
                Some((value, left)) => (value.trim().to_owned(), left),
                None => (after.trim().to_owned(), ""),
            },
        };
        fields.insert(key, value);
        rest = left;
    }
    fields
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &text[at + 1..]),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        challenge(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.into(),
            service: service.map(str::to_owned),
        })
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        assert_eq!(
            asked(&[
                r#"Bearer realm="https://a.test/token?x=1,2",service="reg \"1\"",scope="repository:x:pull,push""#
            ]),
            bearer("https://a.test/token?x=1,2", Some("reg \"1\""))
        );
        assert_eq!(
            asked(&["bearer realm=https://a.test/t"]),
            bearer("https://a.test/t", None)
        );
        assert_eq!(asked(&["Basic realm=\"x\""]), Some(Challenge::Basic));
        assert_eq!(
            asked(&["Basic realm=\"x\"", "Bearer realm=\"https://a.test/\""]),
            bearer("https://a.test/", None)
        );
        assert_eq!(asked(&["Negotiate"]), None);
        assert_eq!(asked(&["Bearer"]), None);
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn a_token_service_in_plain_text_gets_no_secret() {
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
