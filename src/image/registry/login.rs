//! `login` and `logout`: credentials are tried, then kept where docker keeps them.

use super::ask::Ask;
use super::auth::{Asking, Scope};
use super::client::Client;
use super::credentials::{self, Credential};
use super::endpoint::Endpoint;
use super::{Error, Settings, keychain};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where credentials were put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// By a credential helper.
    Helper(String),
    /// In a file, readable for whoever can read it.
    File(PathBuf),
}

/// The registry that a word of the user means; none is Docker Hub.
pub fn login_domain(word: Option<&str>) -> String {
    let word = word.unwrap_or("docker.io");
    let rest = word.split_once("://").map_or(word, |(_, rest)| rest);
    match rest.split('/').next().unwrap_or(rest) {
        "index.docker.io" | "registry-1.docker.io" | "" => "docker.io".to_owned(),
        host => host.to_owned(),
    }
}

/// Tries credentials at a registry, and keeps them if it takes them.
pub fn login(
    settings: Settings,
    domain: &str,
    (user, secret): (&str, &str),
) -> Result<Kept, Error> {
    let tried = Credential::Basic {
        user: user.to_owned(),
        secret: secret.to_owned(),
    };
    let mut client = Client::new(settings);
    client.auth.tried = Some(tried.clone());
    let at = Endpoint::origin(&client.settings, domain);
    let scope = Scope::default();
    client.patiently(|| client.ask(&at, &scope, &Ask::new(Method::GET, "/v2/"), "it"))?;
    let asking = Asking {
        client: &client,
        at: &at,
        scope: &scope,
    };
    // A refresh token in its place spares the disk the password.
    let kept = match client.auth.identity(&asking) {
        Ok(Some(token)) => Credential::Identity(token),
        _ => tried,
    };
    keep(&client.settings, domain, &kept, user)
}

fn keep(
    settings: &Settings,
    domain: &str,
    credential: &Credential,
    user: &str,
) -> Result<Kept, Error> {
    let key = credentials::key(domain);
    if let Some(helper) = credentials::helper_of(settings, domain)? {
        keychain::store(settings, &helper, key, credential)?;
        return Ok(Kept::Helper(helper));
    }
    let entry = match credential {
        Credential::Basic { user, secret } => {
            json!({ "auth": STANDARD.encode(format!("{user}:{secret}")) })
        }
        Credential::Identity(token) | Credential::Registry(token) => {
            json!({ "auth": STANDARD.encode(format!("{user}:")), "identitytoken": token })
        }
    };
    let path = own_file(settings)?;
    change(&path, |auths| {
        auths.insert(key.to_owned(), entry);
    })?;
    Ok(Kept::File(path))
}

/// Forgets the credentials of a registry; false if there were none.
pub fn logout(settings: &Settings, domain: &str) -> Result<bool, Error> {
    let key = credentials::key(domain);
    let mut found = false;
    if let Some(helper) = credentials::helper_of(settings, domain)? {
        found = keychain::erase(settings, &helper, key)?;
    }
    let path = own_file(settings)?;
    if !path.exists() {
        return Ok(found);
    }
    let is_there = |auths: &Map<String, Value>| {
        let keys = auths.keys();
        keys.filter(|key| login_domain(Some(key)) == domain && !credentials::is_part(key))
            .cloned()
            .collect::<Vec<_>>()
    };
    change(&path, |auths| {
        for key in is_there(auths) {
            found = true;
            auths.shift_remove(&key);
        }
    })?;
    Ok(found)
}

fn own_file(settings: &Settings) -> Result<PathBuf, Error> {
    credentials::own_file(settings).ok_or_else(|| Error::Config {
        path: "~/.docker/config.json".into(),
        why: "neither HOME nor DOCKER_CONFIG is set".to_owned(),
    })
}

/// Changes `auths` of a file, which is replaced whole; everything else in it stays as it is.
fn change(path: &Path, change: impl FnOnce(&mut Map<String, Value>)) -> Result<(), Error> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let bad = |why: &str| Error::Config {
        path: path.clone(),
        why: why.to_owned(),
    };
    let file: Option<Value> = super::settings::read_json(path)?;
    let mut file = file.unwrap_or_else(|| json!({}));
    let object = file.as_object_mut().ok_or_else(|| bad("it is no object"))?;
    let before = object.get("auths").cloned();
    let auths = object.entry("auths").or_insert_with(|| json!({}));
    let auths = auths
        .as_object_mut()
        .ok_or_else(|| bad("`auths` is no object"))?;
    change(auths);
    if object.get("auths") == before.as_ref() {
        return Ok(());
    }
    let text = serde_json::to_string_pretty(&file).expect("a JSON value serialises");
    replace(path, &text)
}

fn replace(path: &Path, text: &str) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(Error::io("make folder", folder))?;
    let fresh = folder.join(format!(
        ".hoist-{}",
        crate::id::ContainerId::random().short()
    ));
    let written = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written.map_err(Error::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_word_for_docker_hub_is_one() {
        for word in [None, Some("docker.io"), Some("https://index.docker.io/v1/")] {
            assert_eq!(login_domain(word), "docker.io");
        }
        assert_eq!(login_domain(Some("https://a.test:5000/v2/")), "a.test:5000");
    }

    #[test]
    fn what_others_wrote_into_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/config.json");
        let variables = [(
            "DOCKER_CONFIG".to_owned(),
            folder.path().join("deep").display().to_string(),
        )];
        let settings = Settings::from_environment(&variables.into_iter().collect()).unwrap();
        let basic = |user: &str| Credential::Basic {
            user: user.into(),
            secret: "s".into(),
        };
        keep(&settings, "a.test", &basic("one"), "one").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "secrets are the user's alone");
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replacen('{', r#"{"psFormat": "x", "proxies": {"a": 1},"#, 1);
        fs::write(&path, text).unwrap();
        keep(&settings, "docker.io", &basic("two"), "two").unwrap();
        assert_eq!(
            credentials::find(&settings, "docker.io", "library/x").unwrap(),
            Some(basic("two"))
        );
        assert!(logout(&settings, "a.test").unwrap());
        assert!(!logout(&settings, "a.test").unwrap());
        let left: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(left["psFormat"], "x");
        assert_eq!(left["proxies"]["a"], 1);
        let keys: Vec<_> = left["auths"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["https://index.docker.io/v1/"]);
    }
}
