//! Compose files that are elsewhere: in git repositories (`https://host/repo.git#ref:path`), and in registries
//! (`oci://host/name:tag`).
//!
//! The system's `git` fetches one commit into a cache, by the name of the commit; what is there is never fetched again.
//! Registries are somebody else's matter ([`Artifacts`]).
//!
//! ```text
//! CACHE/git/<hash of the URL>/<commit>/…
//! CACHE/oci/<digest>/…
//! ```
//!
//! Invariants: nothing of a URL reaches a command line where it could be an option, or a path where it could leave the
//! cache; no hook, submodule or prompt runs; a file is taken only if it lies within its repository, whatever symbolic
//! links say; a half-fetched repository is never seen under its name.

use crate::id::Digest;
use sha2::Digest as _;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;

/// What registries say no to.
pub type ArtifactError = Box<dyn std::error::Error + Send + Sync>;

/// Who fetches compose files from registries.
pub trait Artifacts: fmt::Debug + Send + Sync {
    /// The compose file of an artifact (`host/name:tag`), fetched to a folder of its own below `cache`.
    fn fetch(&self, reference: &str, cache: &Path) -> Result<PathBuf, ArtifactError>;
}

/// Where what was fetched is kept, and with which variables `git` runs.
#[derive(Debug, Clone)]
pub struct Cache {
    /// Absolute.
    pub folder: PathBuf,
    /// The environment of the caller.
    pub environment: BTreeMap<String, String>,
    /// Who asks registries; `None` = nobody.
    pub artifacts: Option<Arc<dyn Artifacts>>,
}

/// Why a remote file cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Nobody fetches such files here.
    #[error("nobody fetches `{0}` here")]
    Unfetched(String),
    /// A registry does not give it.
    #[error("cannot fetch `oci://{reference}`")]
    Artifact {
        /// Host, name and tag.
        reference: String,
        /// Why not.
        #[source]
        source: ArtifactError,
    },
    /// A part of the URL is dangerous or senseless.
    #[error("`{text}` is not a usable {what}")]
    Hostile {
        /// The part.
        text: String,
        /// What it should be.
        what: &'static str,
    },
    /// `git` failed.
    #[error("git cannot {doing} `{url}`: {problem}")]
    Git {
        /// What it was asked for.
        doing: &'static str,
        /// The repository.
        url: String,
        /// What it said, on one line.
        problem: String,
    },
    /// The repository does not have the file.
    #[error("there is no compose file at `{path}` in `{url}`")]
    Missing {
        /// The repository.
        url: String,
        /// The path in it.
        path: String,
    },
    /// The cache cannot be used.
    #[error("cannot use the cache `{path}`")]
    Cache {
        /// The folder.
        path: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl RemoteError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unfetched(_) => "clone or copy it, and name the local file",
            Self::Artifact { .. } => {
                "the form is `oci://HOST/NAME:TAG`; `hoist login HOST` logs in"
            }
            Self::Hostile { .. } => "the form is `https://HOST/REPOSITORY.git#REF:PATH`",
            Self::Git { .. } => "try `git ls-remote` with the same URL",
            Self::Missing { .. } => "name the file behind the reference: `#REF:PATH`",
            Self::Cache { .. } => "set XDG_CACHE_HOME to a folder that can be written",
        }
    }
}

/// A place in a repository.
#[derive(Debug, PartialEq, Eq)]
struct Reference {
    url: String,
    /// A branch, tag or commit.
    commit: String,
    path: PathBuf,
}

/// Whether a file is somewhere else than on this host.
pub fn is_remote(text: &str) -> bool {
    text.starts_with("oci://") || parse(text).is_some()
}

/// As [`fetch`], if there is a cache.
pub fn local(text: &str, cache: Option<&Cache>) -> Result<PathBuf, RemoteError> {
    match cache {
        Some(cache) => fetch(text, cache),
        None => Err(RemoteError::Unfetched(text.to_owned())),
    }
}

/// The local path of a remote file, fetched if it is not there yet.
pub fn fetch(text: &str, cache: &Cache) -> Result<PathBuf, RemoteError> {
    let Some(reference) = parse(text) else {
        return artifact(text, cache);
    };
    check(&reference)?;
    let git = Git {
        url: &reference.url,
        cache,
    };
    let commit = git.commit(&reference.commit)?;
    let repository = cache
        .folder
        .join("git")
        .join(name(&reference.url))
        .join(&commit);
    if !repository.is_dir() {
        git.download(&commit, &repository)?;
    }
    file(&reference, &repository)
}

/// The compose file of an `oci://` artifact.
fn artifact(text: &str, cache: &Cache) -> Result<PathBuf, RemoteError> {
    let reference = text.strip_prefix("oci://");
    let (Some(reference), Some(artifacts)) = (reference, &cache.artifacts) else {
        return Err(RemoteError::Unfetched(text.to_owned()));
    };
    let folder = cache.folder.join("oci");
    let fetched = artifacts.fetch(reference, &folder);
    fetched.map_err(|source| RemoteError::Artifact {
        reference: reference.to_owned(),
        source,
    })
}

/// Takes a URL apart, as docker compose does; `None` = it is a path.
fn parse(text: &str) -> Option<Reference> {
    let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
    let schemes = ["ssh://", "git://"];
    let web = ["https://", "http://", "file://"];
    let is_git = schemes.iter().any(|scheme| url.starts_with(scheme))
        || url.starts_with("git@")
        || ((web.iter().any(|scheme| url.starts_with(scheme)) || url.starts_with("github.com/"))
            && url.ends_with(".git"));
    if !is_git {
        return None;
    }
    let (commit, path) = fragment.split_once(':').unwrap_or((fragment, ""));
    let url = match url.starts_with("github.com/") {
        true => format!("https://{url}"),
        false => url.to_owned(),
    };
    Some(Reference {
        url,
        commit: if commit.is_empty() { "HEAD" } else { commit }.to_owned(),
        path: PathBuf::from(path),
    })
}

fn check(reference: &Reference) -> Result<(), RemoteError> {
    let hostile = |text: &str, what| RemoteError::Hostile {
        text: text.to_owned(),
        what,
    };
    let plain = |text: &str| {
        !text.starts_with('-') && !text.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    if !plain(&reference.url) {
        return Err(hostile(&reference.url, "URL of a repository"));
    }
    let name = |c: char| c.is_ascii_alphanumeric() || "._/+@-".contains(c);
    if !plain(&reference.commit)
        || reference.commit.contains("..")
        || !reference.commit.chars().all(name)
    {
        return Err(hostile(&reference.commit, "branch, tag or commit"));
    }
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !reference.path.components().all(inside) {
        return Err(hostile(
            &reference.path.to_string_lossy(),
            "path within a repository",
        ));
    }
    Ok(())
}

/// A file name for a URL.
fn name(url: &str) -> String {
    let hash = Sha256::digest(url.as_bytes());
    hash.iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && Digest::new(format!("sha256:{text:0<64}")).is_ok()
}

/// Runs `git` for one repository.
struct Git<'a> {
    url: &'a str,
    cache: &'a Cache,
}

impl Git<'_> {
    /// The name of the commit that a branch or tag stands for.
    fn commit(&self, reference: &str) -> Result<String, RemoteError> {
        if is_commit(reference) {
            return Ok(reference.to_owned());
        }
        let arguments = ["ls-remote", "--exit-code", "--", self.url, reference];
        let listing = self.run(Path::new("/"), "look up", &arguments)?;
        // An annotated tag is followed by the commit that it names.
        let line = listing.lines().last().unwrap_or_default();
        let commit = line.split_whitespace().next().unwrap_or_default();
        match is_commit(commit) {
            true => Ok(commit.to_owned()),
            false => Err(self.error("look up", format!("no commit is called `{reference}`"))),
        }
    }

    /// Fetches a commit to a folder that appears whole or not at all.
    fn download(&self, commit: &str, to: &Path) -> Result<(), RemoteError> {
        let parent = to.parent().unwrap_or(to);
        let io = |source| RemoteError::Cache {
            path: parent.display().to_string(),
            source,
        };
        std::fs::create_dir_all(parent).map_err(io)?;
        let folder = parent.join(format!(".{commit}.{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).map_err(io)?;
        let fetched = self.checkout(commit, &folder);
        let moved = fetched.and_then(|()| match std::fs::rename(&folder, to) {
            // Somebody else was faster.
            Err(_) if to.is_dir() => Ok(()),
            moved => moved.map_err(io),
        });
        let _ = std::fs::remove_dir_all(&folder);
        moved
    }

    fn checkout(&self, commit: &str, folder: &Path) -> Result<(), RemoteError> {
        self.run(folder, "prepare", &["init", "--quiet"])?;
        let fetch = [
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--no-recurse-submodules",
        ];
        let fetch = [&fetch[..], &["--", self.url, commit]].concat();
        self.run(folder, "fetch", &fetch)?;
        let checkout = ["checkout", "--quiet", "--detach", "FETCH_HEAD"];
        self.run(folder, "check out", &checkout)?;
        Ok(())
    }

    fn run(
        &self,
        folder: &Path,
        doing: &'static str,
        arguments: &[&str],
    ) -> Result<String, RemoteError> {
        let safe = [
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "submodule.recurse=false",
            "-c",
            "http.lowSpeedLimit=1000",
            "-c",
            "http.lowSpeedTime=30",
        ];
        let output = Command::new("git")
            .args(safe)
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .envs(&self.cache.environment)
            .env("GIT_ALLOW_PROTOCOL", "https:http:ssh:git:file")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .stdin(Stdio::null())
            .output();
        let output = match output {
            Ok(output) => output,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(self.error(doing, "git is not installed".to_owned()));
            }
            Err(error) => return Err(self.error(doing, error.to_string())),
        };
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        let problem = match last {
            Some(line) => line.trim().to_owned(),
            None => format!("{}", output.status),
        };
        Err(self.error(doing, problem))
    }

    fn error(&self, doing: &'static str, problem: String) -> RemoteError {
        RemoteError::Git {
            doing,
            url: self.url.to_owned(),
            problem,
        }
    }
}

/// The compose file of a reference within its repository.
fn file(reference: &Reference, repository: &Path) -> Result<PathBuf, RemoteError> {
    let missing = || RemoteError::Missing {
        url: reference.url.clone(),
        path: match reference.path.as_os_str().is_empty() {
            true => ".".to_owned(),
            false => reference.path.display().to_string(),
        },
    };
    let place = repository.join(&reference.path);
    let found = match place.is_dir() {
        true => super::discover::NAMES
            .iter()
            .map(|name| place.join(name))
            .find(|path| path.is_file())
            .ok_or_else(missing)?,
        false => place,
    };
    let real = |path: &Path| path.canonicalize().map_err(|_| missing());
    match real(&found)?.starts_with(real(repository)?) {
        true => Ok(found),
        false => Err(RemoteError::Hostile {
            text: reference.path.display().to_string(),
            what: "path within a repository",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.name=n", "-c", "user.email=e@x"])
            .args(arguments)
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// A repository with two compose files and a link that leads out of it.
    fn world() -> (tempfile::TempDir, String, Cache) {
        let root = tempfile::tempdir().unwrap();
        let source = root.path().join("source.git");
        std::fs::create_dir_all(source.join("sub")).unwrap();
        std::fs::write(source.join("compose.yaml"), "services: {a: {image: x}}").unwrap();
        std::fs::write(source.join("sub/other.yaml"), "services: {b: {image: y}}").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", source.join("out.yaml")).unwrap();
        git(&source, &["init", "--quiet"]);
        git(&source, &["add", "."]);
        git(&source, &["commit", "--quiet", "-m", "one"]);
        git(&source, &["tag", "v1"]);
        let url = format!("file://{}", source.display());
        let path = std::env::var("PATH").unwrap();
        let cache = Cache {
            folder: root.path().join("cache"),
            environment: BTreeMap::from([("PATH".to_owned(), path)]),
            artifacts: None,
        };
        (root, url, cache)
    }

    #[test]
    fn a_commit_is_fetched_once_and_found_again_without_its_repository() {
        let (root, url, cache) = world();
        let file = fetch(&url, &cache).unwrap();
        assert!(file.ends_with("compose.yaml"), "{file:?}");
        let other = fetch(&format!("{url}#v1:sub/other.yaml"), &cache).unwrap();
        assert!(other.is_file());
        let commit = file.parent().unwrap().file_name().unwrap().to_owned();
        std::fs::remove_dir_all(root.path().join("source.git")).unwrap();
        let again = format!("{url}#{}", commit.to_str().unwrap());
        assert_eq!(fetch(&again, &cache).unwrap(), file);
    }

    #[test]
    fn what_leads_out_of_a_repository_is_refused() {
        let (_root, url, cache) = world();
        for bad in [
            "#:../../x",
            "#:/etc/passwd",
            "#--upload-pack=x:",
            "#a..b:",
            "#:out.yaml",
        ] {
            let error = fetch(&format!("{url}{bad}"), &cache).unwrap_err();
            assert!(
                matches!(error, RemoteError::Hostile { .. }),
                "{bad}: {error}"
            );
        }
        let error = fetch(&format!("{url}#nope:"), &cache).unwrap_err();
        assert!(matches!(error, RemoteError::Git { .. }), "{error}");
        let error = fetch(&format!("{url}#:gone.yaml"), &cache).unwrap_err();
        assert!(matches!(error, RemoteError::Missing { .. }), "{error}");
    }

    #[test]
    fn only_what_docker_compose_takes_for_a_repository_is_one() {
        for text in [
            "https://x/y.git",
            "git@x:y",
            "ssh://x/y",
            "github.com/a/b.git#c:d",
        ] {
            assert!(is_remote(text), "{text}");
        }
        for text in [
            "https://x/y",
            "./a.git",
            "compose.yaml",
            "github.com/a/b",
            "a#b",
        ] {
            assert!(!is_remote(text), "{text}");
        }
        let parsed = parse("github.com/a/b.git#c:d").unwrap();
        assert_eq!(parsed.url, "https://github.com/a/b.git");
        assert_eq!(
            (parsed.commit.as_str(), parsed.path.to_str()),
            ("c", Some("d"))
        );
    }
}
