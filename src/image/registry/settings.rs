//! What the user has configured about registries: ours, docker's and that of the container tools.
//!
//! Ours is one small file, `$HOIST_REGISTRIES`, `~/.config/hoist/registries.json` or `/etc/hoist/registries.json`:
//!
//! ```json
//! {"registries": {
//!   "docker.io": {"mirrors": ["https://mirror.example", "127.0.0.1:5000"]},
//!   "registry.local:5000": {"insecure": true, "ca": "/etc/ssl/own.pem", "cert": "me.pem", "key": "me.key"}
//! }}
//! ```
//!
//! `registry-mirrors` and `insecure-registries` of `/etc/docker/daemon.json` count as well. Certificates are also looked
//! for in the `certs.d` folders of docker and of the container tools.

use super::Error;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is configured, read once a command.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The environment: where files are, and credentials in variables.
    pub(super) variables: BTreeMap<String, String>,
    registries: BTreeMap<String, Registry>,
    daemon: Daemon,
    /// How long to wait for what.
    pub patience: Patience,
}

/// How long to wait for what, and how often to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For an answer to begin or to go on; also the time in which a body must bring `least` bytes.
    pub stall: Duration,
    /// See `stall`.
    pub least: u64,
    /// How often something is tried again without getting further.
    pub retries: u32,
    /// The wait before the first of them; each further one doubles it.
    pub pause: Duration,
    /// The longest `Retry-After` that is obeyed; a longer one is an error that says so.
    pub longest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            least: 16 << 10,
            retries: 5,
            pause: Duration::from_millis(500),
            longest: Duration::from_secs(60),
        }
    }
}

/// One registry in our file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Registry {
    /// Asked first, in this order: `host[:port]` or a URL.
    pub mirrors: Vec<String>,
    /// Plain HTTP and certificates that cannot be verified are accepted.
    pub insecure: bool,
    /// PEM file of the CA.
    pub ca: Option<PathBuf>,
    /// PEM file of our certificate.
    pub cert: Option<PathBuf>,
    /// PEM file of its key.
    pub key: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnFile {
    #[serde(default)]
    registries: BTreeMap<String, Registry>,
}

/// The part of docker's `daemon.json` that is about registries.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Daemon {
    registry_mirrors: Vec<String>,
    insecure_registries: Vec<String>,
}

impl Settings {
    /// Reads the files that the environment leads to.
    pub fn from_environment(variables: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut settings = Self {
            variables: variables.clone(),
            registries: BTreeMap::new(),
            daemon: Daemon::default(),
            patience: Patience::default(),
        };
        for path in settings.own_files() {
            if let Some(OwnFile { registries }) = read_json(&path)? {
                settings.registries = registries;
                break;
            }
        }
        settings.daemon = read_json(Path::new("/etc/docker/daemon.json"))?.unwrap_or_default();
        Ok(settings)
    }

    fn own_files(&self) -> Vec<PathBuf> {
        match self.path("HOIST_REGISTRIES") {
            Some(file) => vec![file],
            None => self
                .config_home()
                .map(|home| home.join("hoist/registries.json"))
                .into_iter()
                .chain([PathBuf::from("/etc/hoist/registries.json")])
                .collect(),
        }
    }

    /// A variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.variable(name).map(PathBuf::from)
    }

    pub(super) fn config_home(&self) -> Option<PathBuf> {
        self.path("XDG_CONFIG_HOME")
            .or_else(|| Some(self.path("HOME")?.join(".config")))
    }

    /// What our file says about a registry.
    pub(super) fn registry(&self, host: &str) -> Registry {
        self.registries.get(host).cloned().unwrap_or_default()
    }

    /// The mirrors of a registry, best first.
    pub(super) fn mirrors(&self, domain: &str) -> Vec<String> {
        let mut mirrors = self.registry(domain).mirrors;
        if domain == "docker.io" {
            mirrors.extend(self.daemon.registry_mirrors.iter().cloned());
        }
        mirrors
    }

    /// Whether plain HTTP and certificates that cannot be verified are accepted: by configuration, or on loopback as
    /// docker does.
    pub(super) fn is_insecure(&self, host: &str) -> bool {
        self.registry(host).insecure
            || self.daemon.insecure_registries.iter().any(|it| it == host)
            || is_loopback(host)
    }

    /// Accepts plain HTTP, and certificates that cannot be verified, from this registry, too.
    pub fn trust(&mut self, host: &str) {
        self.daemon.insecure_registries.push(host.to_owned());
    }

    /// Folders with `*.crt`, `*.cert` and `*.key` of a registry.
    pub(super) fn certificate_folders(&self, host: &str) -> Vec<PathBuf> {
        let home = self.path("HOME");
        let in_home = |below: &str| home.as_ref().map(|home| home.join(below));
        let folders = [
            self.path("DOCKER_CONFIG").map(|it| it.join("certs.d")),
            in_home(".docker/certs.d"),
            self.config_home().map(|it| it.join("docker/certs.d")),
            self.config_home().map(|it| it.join("containers/certs.d")),
            Some(PathBuf::from("/etc/docker/certs.d")),
            Some(PathBuf::from("/etc/containers/certs.d")),
        ];
        folders
            .into_iter()
            .flatten()
            .map(|it| it.join(host))
            .collect()
    }
}

/// `localhost`, `127.…`, `[::1]`, with or without port.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let address = name.parse::<std::net::IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Reads a JSON file that may not be there.
pub(super) fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>, Error> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let parsed = serde_json::from_slice(&bytes).map_err(|error| Error::Config {
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    Ok(Some(parsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Settings, Error> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("registries.json");
        fs::write(&file, text).unwrap();
        let variables = [("HOIST_REGISTRIES".to_owned(), file.display().to_string())];
        Settings::from_environment(&variables.into_iter().collect())
    }

    #[test]
    fn only_what_is_configured_or_on_loopback_is_insecure() {
        let mut settings =
            settings(r#"{"registries": {"a.test:5000": {"insecure": true}}}"#).unwrap();
        assert!(!settings.is_insecure("c.test"));
        settings.trust("c.test");
        assert!(settings.is_insecure("c.test"));
        for host in [
            "a.test:5000",
            "localhost",
            "localhost:5000",
            "127.0.0.9:1",
            "[::1]:5000",
        ] {
            assert!(settings.is_insecure(host), "{host}");
        }
        for host in [
            "a.test",
            "b.test:5000",
            "10.0.0.1:5000",
            "localhost.test",
            "[::2]:5000",
        ] {
            assert!(!settings.is_insecure(host), "{host}");
        }
    }

    #[test]
    fn a_misspelt_setting_is_an_error_that_names_the_file() {
        let error = settings(r#"{"registries": {"a": {"mirorrs": []}}}"#).unwrap_err();
        assert!(error.to_string().contains("registries.json"), "{error}");
        assert!(error.to_string().contains("mirorrs"), "{error}");
    }
}
