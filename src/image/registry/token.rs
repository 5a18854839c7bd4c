//! The service that a registry sends us to for tokens.

use super::Error;
use super::answer::{Answer, limited};
use super::ask::{Ask, Payload};
use super::auth::{Asking, Token, basic_header, bearer_header, host_of};
use super::credentials::Credential;
use reqwest::header::HeaderValue;
use reqwest::{Method, Url};
use serde::Deserialize;
use std::time::{Duration, Instant};

/// Longest answer of a token service.
const MAX_ANSWER: u64 = 1 << 20;
/// Who we are to a token service.
const CLIENT_ID: &str = "hoist";

/// The answer of a token service.
#[derive(Deserialize)]
pub(super) struct Granted {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
    pub refresh_token: Option<String>,
}

impl Granted {
    pub(super) fn token(&self, asking: &Asking<'_>) -> Result<Token, Error> {
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
pub(super) struct TokenService<'a> {
    pub asking: &'a Asking<'a>,
    pub realm: Url,
    pub service: Option<&'a str>,
}

impl TokenService<'_> {
    /// A refresh token is traded by POST, a password by GET with Basic, or by POST where GET is not served.
    pub(super) fn token(
        &self,
        credential: Option<&Credential>,
        offline: bool,
    ) -> Result<Granted, Error> {
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
        self.fetch(&url, &Ask::new(Method::GET, url.as_str()), header)
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
        self.fetch(&self.realm, &ask, None)
    }

    fn fetch(
        &self,
        url: &Url,
        ask: &Ask<'_>,
        header: Option<HeaderValue>,
    ) -> Result<Granted, Error> {
        let client = self.asking.client;
        let host = host_of(&self.realm);
        let answer = client.exchange(url, ask, header.as_ref())?;
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
