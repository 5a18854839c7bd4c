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
    /// By the docker CLI, as its plugin.
    plugin: bool,
    /// A daemon on another machine that docker's `--host` names.
    pub elsewhere: Option<String>,
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
        // The docker CLI passes on all that was typed: its own flags, perhaps a word that asks for help, the plugin's name.
        let (start, host) = behind_dockers_flags(&words);
        let asks = |word: &OsString| word == "help" || word == "__complete";
        let help = usize::from(words.get(start).is_some_and(asks));
        let plugin = words
            .get(start + help)
            .is_some_and(|word| word == "compose");
        if plugin {
            words.remove(start + help);
            words.drain(1..start);
            if as_docker {
                words[0] = OsString::from("docker compose");
            }
        }
        let plugin_of_docker = plugin && as_docker;
        as_docker |= plugin;
        Self {
            words,
            as_docker,
            plugin: plugin_of_docker,
            elsewhere: host.filter(|host| plugin && !is_here(host)),
            metadata,
        }
    }

    /// What was typed to call us.
    pub fn name(&self) -> &'static str {
        match (self.plugin, self.as_docker) {
            (true, _) => "docker compose",
            (false, true) => "docker-compose",
            (false, false) => "hoist",
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

/// Flags of the docker CLI with a value. They say how its daemon is reached; we have none.
const WITH_VALUE: [&str; 10] = [
    "--config",
    "--context",
    "-c",
    "--host",
    "-H",
    "--log-level",
    "-l",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
];
/// Those without.
const WITHOUT_VALUE: [&str; 4] = ["--debug", "-D", "--tls", "--tlsverify"];

/// Whether a daemon is one of this machine.
fn is_here(host: &str) -> bool {
    host.starts_with("unix://") || host.starts_with("fd://")
}

/// The place of the first word that is neither one of docker's flags nor the value of one, and the value of `--host`.
fn behind_dockers_flags(words: &[OsString]) -> (usize, Option<String>) {
    let mut host = None;
    let mut at = 1;
    while let Some(word) = words.get(at).and_then(|word| word.to_str()) {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let next = || words.get(at + 1).and_then(|word| word.to_str());
        if matches!(name, "-H" | "--host") {
            host = value.or_else(next).map(str::to_owned);
        }
        match (WITH_VALUE.contains(&name), value.is_some()) {
            (true, false) => at += 2,
            (true, true) => at += 1,
            _ if WITHOUT_VALUE.contains(&name) => at += 1,
            _ => break,
        }
    }
    (at, host)
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
        assert_eq!(
            (own.name(), old.name(), plugin.name()),
            ("hoist", "docker-compose", "docker compose")
        );
    }

    #[test]
    fn what_is_for_the_docker_cli_is_dropped() {
        for (line, ours) in [
            ("--context default compose version", vec!["version"]),
            ("-H unix:///x compose ps", vec!["ps"]),
            ("--debug --log-level=info compose ps -a", vec!["ps", "-a"]),
            ("help compose", vec!["help"]),
            ("help compose up", vec!["help", "up"]),
            ("__complete compose logs -", vec!["__complete", "logs", "-"]),
        ] {
            let call = of(&format!("docker-compose {line}"));
            assert_eq!(words(&call)[1..], ours, "{line}");
            assert_eq!(words(&call)[0], "docker compose", "{line}");
        }
        let elsewhere = |line: &str| of(line).elsewhere.is_some();
        assert!(elsewhere("docker-compose -H ssh://there compose ps"));
        assert!(elsewhere("docker-compose --host=tcp://there compose down"));
        assert!(!elsewhere("docker-compose -H unix:///x compose ps"));
        assert!(!elsewhere("docker-compose exec -H ssh://there"));
        // without its word, what was typed is ours
        assert_eq!(words(&of("docker-compose -c x ps"))[1..], ["-c", "x", "ps"]);
    }
}
