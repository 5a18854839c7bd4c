//! Credential helpers: `docker-credential-NAME get|store|erase`, a program of the user's that keeps secrets elsewhere.

use super::credentials::Credential;
use super::{Error, Settings};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// More than any secret; a helper that says more is broken.
const MAX_ANSWER: u64 = 256 << 10;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Secret {
    #[serde(rename = "ServerURL", default)]
    server_url: String,
    username: String,
    secret: String,
}

/// What the helper knows about a registry.
pub(super) fn get(settings: &Settings, name: &str, key: &str) -> Result<Option<Credential>, Error> {
    let answer = run(settings, name, "get", key.as_bytes())?;
    let text = String::from_utf8_lossy(&answer.text);
    if !answer.well {
        if text.contains("credentials not found") {
            return Ok(None);
        }
        return Err(failed(name, &text));
    }
    let secret: Secret =
        serde_json::from_str(&text).map_err(|error| failed(name, &error.to_string()))?;
    Ok(Some(match secret.username.as_str() {
        "<token>" => Credential::Identity(secret.secret),
        _ => Credential::Basic {
            user: secret.username,
            secret: secret.secret,
        },
    }))
}

/// Has the helper keep a secret.
pub(super) fn store(
    settings: &Settings,
    name: &str,
    key: &str,
    credential: &Credential,
) -> Result<(), Error> {
    let (username, secret) = match credential {
        Credential::Basic { user, secret } => (user.clone(), secret.clone()),
        Credential::Identity(token) | Credential::Registry(token) => {
            ("<token>".to_owned(), token.clone())
        }
    };
    let secret = Secret {
        server_url: key.to_owned(),
        username,
        secret,
    };
    let input = serde_json::to_vec(&secret).expect("texts serialise");
    let answer = run(settings, name, "store", &input)?;
    match answer.well {
        true => Ok(()),
        false => Err(failed(name, &String::from_utf8_lossy(&answer.text))),
    }
}

/// Has the helper forget a secret; false if it had none.
pub(super) fn erase(settings: &Settings, name: &str, key: &str) -> Result<bool, Error> {
    if get(settings, name, key)?.is_none() {
        return Ok(false);
    }
    let answer = run(settings, name, "erase", key.as_bytes())?;
    match answer.well {
        true => Ok(true),
        false => Err(failed(name, &String::from_utf8_lossy(&answer.text))),
    }
}

struct Answer {
    well: bool,
    text: Vec<u8>,
}

fn run(settings: &Settings, name: &str, verb: &str, input: &[u8]) -> Result<Answer, Error> {
    let program = find(settings, name)?;
    let io = |error: io::Error| failed(name, &error.to_string());
    let mut child: Child = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(io)?;
    let mut text = Vec::new();
    let said = match child.stdin.take() {
        // One that does not read what we say has its reason, and tells it in its answer.
        Some(mut stdin) => stdin.write_all(input).or(Ok(())),
        None => Ok(()),
    };
    let read = said.and_then(|()| match child.stdout.take() {
        Some(stdout) => stdout.take(MAX_ANSWER).read_to_end(&mut text).map(drop),
        None => Ok(()),
    });
    let status = child.wait().map_err(io)?;
    read.map_err(io)?;
    Ok(Answer {
        well: status.success(),
        text,
    })
}

/// The helper on the user's PATH. Its name comes from a file and must not lead anywhere else.
fn find(settings: &Settings, name: &str) -> Result<PathBuf, Error> {
    let program = format!("docker-credential-{name}");
    if name.is_empty() || name.contains('/') {
        return Err(failed(name, "this is not the name of a helper"));
    }
    let path = settings
        .variable("PATH")
        .unwrap_or("/usr/local/bin:/usr/bin:/bin");
    let candidates = path.split(':').filter(|folder| folder.starts_with('/'));
    candidates
        .map(|folder| PathBuf::from(folder).join(&program))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| failed(name, "it is not on the PATH"))
}

fn failed(name: &str, why: &str) -> Error {
    Error::Helper {
        helper: format!("docker-credential-{name}"),
        why: why.trim().chars().take(500).collect(),
    }
}
