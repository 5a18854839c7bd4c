//! Under which name we were called: as `hoist`, as `docker-compose`, or by the docker CLI as its plugin `compose`.
//!
//! It is the same program each time. Called as docker's, it says docker's name in usage lines, and answers with the version of
//! docker compose whose commands and flags it has: programs look whether it is new enough.

use std::ffi::OsString;
use std::path::Path;

/// The docker compose whose manner we have.
pub const COMPATIBLE: &str = "2.40.3";

/// What the docker CLI asks of a plugin before anything else.
const METADATA: &str = "docker-cli-plugin-metadata";

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Words for the parser, the name of the program first.
    pub words: Vec<OsString>,
    /// Under docker's name.
    pub as_docker: bool,
    /// Only say what we are.
    pub metadata: bool,
}

impl Invocation {
    /// Of a command line.
    pub fn of(words: impl Iterator<Item = OsString>) -> Self {
        let mut words: Vec<OsString> = words.collect();
        let name = words.first().map(Path::new).and_then(Path::file_name);
        let mut as_docker = name.is_some_and(|name| name == "docker-compose");
        let metadata = words.get(1).is_some_and(|word| word == METADATA);
        // the docker CLI passes the plugin's own name on
        if words.get(1).is_some_and(|word| word == "compose") {
            words.remove(1);
            if as_docker {
                words[0] = OsString::from("docker compose");
            }
            as_docker = true;
        }
        Self {
            words,
            as_docker,
            metadata,
        }
    }

    /// What the docker CLI wants to know.
    pub fn describe() -> String {
        let description = serde_json::json!({
            "SchemaVersion": "0.1.0",
            "Vendor": "hoist",
            "Version": format!("v{COMPATIBLE}"),
            "ShortDescription": "Docker Compose, by hoist: without Docker",
        });
        format!("{description}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Invocation {
        Invocation::of(line.split(' ').map(OsString::from))
    }

    fn words(call: &Invocation) -> Vec<&str> {
        call.words.iter().filter_map(|word| word.to_str()).collect()
    }

    #[test]
    fn the_name_decides_and_the_plugins_own_word_is_dropped() {
        let own = of("/usr/bin/hoist up -d");
        assert_eq!(
            (words(&own), own.as_docker),
            (vec!["/usr/bin/hoist", "up", "-d"], false)
        );
        let old = of("/usr/local/bin/docker-compose up");
        assert_eq!(
            (words(&old)[1..].to_vec(), old.as_docker),
            (vec!["up"], true)
        );
        let plugin = of("/usr/libexec/docker/cli-plugins/docker-compose compose -f a.yaml ps");
        assert_eq!(words(&plugin), ["docker compose", "-f", "a.yaml", "ps"]);
        assert!(of("docker-compose docker-cli-plugin-metadata").metadata);
    }
}
