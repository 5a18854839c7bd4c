//! Who we are to a registry: docker's `config.json` with its helpers, `auth.json` of the container tools, variables.

use super::settings::read_json;
use super::{Error, Settings, keychain};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The key of Docker Hub in files and helpers.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// What a registry may ask for.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// A name and its password.
    Basic { user: String, secret: String },
    /// A refresh token.
    Identity(String),
    /// A bearer token, ready to be used.
    Registry(String),
}

/// Secrets stay out of logs and panics.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic",
            Self::Identity(_) => "Identity",
            Self::Registry(_) => "Registry",
        })
    }
}

/// A file of credentials; docker's and that of the container tools share the form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AuthFile {
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credsStore")]
    creds_store: Option<String>,
    #[serde(rename = "credHelpers")]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

/// Where `login` writes: `REGISTRY_AUTH_FILE`, else docker's file.
pub(super) fn own_file(settings: &Settings) -> Option<PathBuf> {
    settings
        .path("REGISTRY_AUTH_FILE")
        .or_else(|| docker_file(settings))
}

fn docker_file(settings: &Settings) -> Option<PathBuf> {
    let folder = settings.path("DOCKER_CONFIG");
    let folder = folder.or_else(|| Some(settings.path("HOME")?.join(".docker")));
    Some(folder?.join("config.json"))
}

/// The credentials for a repository: the first source that has some decides.
pub(super) fn find(
    settings: &Settings,
    domain: &str,
    repository: &str,
) -> Result<Option<Credential>, Error> {
    if let Some(text) = settings.variable("DOCKER_AUTH_CONFIG") {
        let parsed: AuthFile = serde_json::from_str(text).map_err(|error| Error::Config {
            path: "DOCKER_AUTH_CONFIG".into(),
            why: error.to_string(),
        })?;
        if let Some(found) = parsed.in_auths(domain, repository)? {
            return Ok(Some(found));
        }
    }
    let runtime = settings.path("XDG_RUNTIME_DIR");
    let files = [
        settings.path("REGISTRY_AUTH_FILE"),
        docker_file(settings),
        runtime.map(|folder| folder.join("containers/auth.json")),
        settings
            .config_home()
            .map(|folder| folder.join("containers/auth.json")),
    ];
    for path in files.into_iter().flatten() {
        let Some(file) = read_json::<AuthFile>(&path)? else {
            continue;
        };
        if let Some(found) = file.find(settings, domain, repository)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The helper that a file sets for a registry.
pub(super) fn helper_of(settings: &Settings, domain: &str) -> Result<Option<String>, Error> {
    let Some(path) = own_file(settings) else {
        return Ok(None);
    };
    let file: AuthFile = read_json(&path)?.unwrap_or_default();
    Ok(file.helper(domain).map(str::to_owned))
}

/// The key under which a registry is filed.
pub(super) fn key(domain: &str) -> &str {
    match domain {
        "docker.io" => HUB_KEY,
        other => other,
    }
}

impl AuthFile {
    fn helper(&self, domain: &str) -> Option<&str> {
        let own = self
            .cred_helpers
            .iter()
            .find(|(key, _)| host_of(key) == domain);
        own.map(|(_, helper)| helper)
            .or(self.creds_store.as_ref())
            .map(String::as_str)
            .filter(|helper| !helper.is_empty())
    }

    fn find(
        &self,
        settings: &Settings,
        domain: &str,
        repository: &str,
    ) -> Result<Option<Credential>, Error> {
        if let Some(name) = self.helper(domain)
            && let Some(found) = keychain::get(settings, name, key(domain))?
        {
            return Ok(Some(found));
        }
        self.in_auths(domain, repository)
    }

    /// The entry with the longest prefix of `domain/repository`, else that of the registry in any spelling.
    fn in_auths(&self, domain: &str, repository: &str) -> Result<Option<Credential>, Error> {
        let full = format!("{domain}/{repository}");
        let is_prefix = |key: &str| {
            full.strip_prefix(key)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let longest = self
            .auths
            .iter()
            .filter(|(key, _)| is_prefix(key))
            .max_by_key(|(key, _)| key.len());
        let of_host = |key: &str| host_of(key) == domain && !is_part(key);
        let found = longest.or_else(|| self.auths.iter().find(|(key, _)| of_host(key)));
        found.map_or(Ok(None), |(key, entry)| entry.credential(key))
    }
}

/// `https://index.docker.io/v1/` means `docker.io`, `https://a.test/v2/` means `a.test`.
fn host_of(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    match rest.split('/').next().unwrap_or(rest) {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

/// `registry/team`, as the container tools have them: credentials of a part of a registry.
pub(super) fn is_part(key: &str) -> bool {
    !key.contains("://") && key.contains('/')
}

impl Entry {
    fn credential(&self, key: &str) -> Result<Option<Credential>, Error> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credential::Identity(self.identitytoken.clone())));
        }
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credential::Registry(self.registrytoken.clone())));
        }
        if self.auth.is_empty() {
            let named = !self.username.is_empty();
            return Ok(named.then(|| Credential::Basic {
                user: self.username.clone(),
                secret: self.password.clone(),
            }));
        }
        let text = self.auth.trim();
        let decoded = STANDARD
            .decode(text)
            .or_else(|_| STANDARD_NO_PAD.decode(text));
        let decoded = decoded
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|text| {
                let (user, secret) = text.split_once(':')?;
                // docker pads with NUL
                let secret = secret.trim_end_matches('\0').to_owned();
                Some(Credential::Basic {
                    user: user.to_owned(),
                    secret,
                })
            });
        decoded.map(Some).ok_or_else(|| Error::Config {
            path: format!("auth of {key}").into(),
            why: "it is not base64 of `user:password`".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(user: &str) -> Credential {
        Credential::Basic {
            user: user.into(),
            secret: "p:w".into(),
        }
    }

    fn file(keys: &[(&str, &str)]) -> AuthFile {
        let entry = |user: &str| Entry {
            auth: STANDARD.encode(format!("{user}:p:w")),
            ..Entry::default()
        };
        AuthFile {
            auths: keys
                .iter()
                .map(|(k, u)| (k.to_string(), entry(u)))
                .collect(),
            ..AuthFile::default()
        }
    }

    #[test]
    fn the_longest_prefix_decides_and_every_spelling_of_a_registry_is_one() {
        let file = file(&[
            ("a.test", "host"),
            ("a.test/team", "team"),
            ("d.test/team", "part"),
            ("https://index.docker.io/v1/", "hub"),
            ("http://b.test:5000/v2/", "b"),
        ]);
        for (domain, repository, user) in [
            ("a.test", "x", Some("host")),
            ("a.test", "team/x", Some("team")),
            ("a.test", "teammate/x", Some("host")),
            ("docker.io", "library/redis", Some("hub")),
            ("b.test:5000", "x", Some("b")),
            ("c.test", "x", None),
            ("d.test", "x", None),
            ("d.test", "team/x", Some("part")),
        ] {
            let found = file.in_auths(domain, repository).unwrap();
            assert_eq!(found, user.map(basic), "{domain}/{repository}");
        }
    }

    #[test]
    fn tokens_come_before_passwords_and_rubbish_is_an_error() {
        let entry = |json: &str| serde_json::from_str::<Entry>(json).unwrap();
        let identity = entry(r#"{"auth": "eDp5", "identitytoken": "t"}"#);
        assert_eq!(
            identity.credential("k").unwrap(),
            Some(Credential::Identity("t".into()))
        );
        assert!(entry(r#"{"auth": "%%%"}"#).credential("k").is_err());
        assert_eq!(entry("{}").credential("k").unwrap(), None);
    }

    #[test]
    fn a_helper_of_one_registry_comes_before_the_store() {
        let file: AuthFile = serde_json::from_str(
            r#"{"credsStore": "all", "credHelpers": {"a.test": "one", "b.test": ""}}"#,
        )
        .unwrap();
        assert_eq!(file.helper("a.test"), Some("one"));
        assert_eq!(file.helper("c.test"), Some("all"));
        assert_eq!(file.helper("b.test"), None);
    }
}
