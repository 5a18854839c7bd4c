//! From the domain of a name to the servers that may have it.

use super::Settings;

/// The server behind `docker.io`.
const DOCKER_HUB: &str = "registry-1.docker.io";

/// One server, and the ways to talk to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Host and port: what certificates are filed under.
    pub host: String,
    /// What credentials are filed under.
    pub domain: String,
    /// Where its API begins, best first, each without a slash at the end.
    pub bases: Vec<String>,
}

impl Endpoint {
    /// Mirrors first, then the registry itself.
    pub(super) fn all(settings: &Settings, domain: &str) -> Vec<Self> {
        let mirrors = settings.mirrors(domain);
        let mut all: Vec<Self> = mirrors
            .iter()
            .map(|mirror| Self::mirror(settings, mirror))
            .collect();
        all.push(Self::origin(settings, domain));
        all
    }

    /// The registry itself.
    pub(super) fn origin(settings: &Settings, domain: &str) -> Self {
        let host = match domain {
            "docker.io" => DOCKER_HUB,
            other => other,
        };
        Self {
            host: host.to_owned(),
            domain: domain.to_owned(),
            bases: bases(settings, host),
        }
    }

    /// A mirror: `host[:port]`, or a URL whose scheme and path are meant.
    fn mirror(settings: &Settings, text: &str) -> Self {
        let text = text.trim_end_matches('/');
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text),
        };
        let host = rest.split('/').next().unwrap_or(rest);
        Self {
            host: host.to_owned(),
            domain: host.to_owned(),
            bases: match scheme {
                Some(_) => vec![text.to_owned()],
                None => bases(settings, rest),
            },
        }
    }
}

/// Plain HTTP is a way only where it is allowed, and then the second.
fn bases(settings: &Settings, rest: &str) -> Vec<String> {
    let host = rest.split('/').next().unwrap_or(rest);
    let mut bases = vec![format!("https://{rest}")];
    if settings.is_insecure(host) {
        bases.push(format!("http://{rest}"));
    }
    bases
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn docker_io_is_another_server_and_plain_http_only_on_loopback() {
        let settings = Settings::from_environment(&BTreeMap::new()).unwrap();
        let hub = Endpoint::origin(&settings, "docker.io");
        assert_eq!(hub.bases, ["https://registry-1.docker.io"]);
        let near = Endpoint::origin(&settings, "127.0.0.1:5000");
        assert_eq!(
            near.bases,
            ["https://127.0.0.1:5000", "http://127.0.0.1:5000"]
        );
        let mirror = Endpoint::mirror(&settings, "https://m.test/hub/");
        assert_eq!(mirror.bases, ["https://m.test/hub"]);
        assert_eq!(mirror.host, "m.test");
    }
}
