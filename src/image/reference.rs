//! Image references: registry names as everyone writes them, ids, and the transports of local files.
//!
//! The grammar is that of `distribution/reference`: `[domain/]path[:tag][@digest]`, where the first part is a domain
//! only if it has a dot or a port or is `localhost`; `redis` means `docker.io/library/redis:latest`.

use super::Error;
use crate::id::{Digest, ImageRef};
use std::fmt;
use std::path::PathBuf;

/// The registry that names without a domain mean.
const DEFAULT_DOMAIN: &str = "docker.io";

/// The built-in image.
const HOST: &str = "host";

/// What an [`ImageRef`] points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `host`: the built-in image over the host's own `/usr`.
    Host,
    /// `oci:DIR[:TAG]`: an OCI image layout.
    Layout {
        /// Its folder.
        dir: PathBuf,
        /// `org.opencontainers.image.ref.name` in it; `None` = its only image.
        tag: Option<String>,
    },
    /// `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:NAME]`.
    Archive {
        /// Which of the two.
        kind: ArchiveKind,
        /// The tar file, plain or compressed.
        file: PathBuf,
        /// One image of several; `None` = its only image.
        tag: Option<String>,
    },
    /// `dir:DIR`: one image as skopeo lays it out in a folder.
    Directory {
        /// The folder.
        dir: PathBuf,
    },
    /// `sha256:…`, an image id or a manifest digest.
    Digest(Digest),
    /// A registry name.
    Name(Name),
}

/// What an archive is written as; both are read alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveKind {
    /// As `docker save` writes it.
    Docker,
    /// An OCI image layout.
    Oci,
}

impl fmt::Display for ArchiveKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "docker-archive",
            Self::Oci => "oci-archive",
        })
    }
}

/// As it is written.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tagged = |tag: &Option<String>| match tag {
            Some(tag) => format!(":{tag}"),
            None => String::new(),
        };
        match self {
            Self::Host => f.write_str(HOST),
            Self::Layout { dir, tag } => write!(f, "oci:{}{}", dir.display(), tagged(tag)),
            Self::Archive { kind, file, tag } => {
                write!(f, "{kind}:{}{}", file.display(), tagged(tag))
            }
            Self::Directory { dir } => write!(f, "dir:{}", dir.display()),
            Self::Digest(digest) => digest.fmt(f),
            Self::Name(name) => f.write_str(&name.familiar()),
        }
    }
}

impl Reference {
    /// Reads a reference. A short id reads as a name; the store looks names up first, as docker does.
    pub fn parse(reference: &ImageRef) -> Result<Self, Error> {
        let text = reference.as_str();
        if let Some(place) = Self::place(text)? {
            return Ok(place);
        }
        if text == HOST {
            return Ok(Self::Host);
        }
        if let Ok(digest) = Digest::new(text).or_else(|_| Digest::new(format!("sha256:{text}"))) {
            return Ok(Self::Digest(digest));
        }
        Name::parse(text).map(Self::Name)
    }

    /// Reads a place other than store and registry; `None` if it is none. Its path may have spaces.
    pub fn place(text: &str) -> Result<Option<Self>, Error> {
        if let Some(rest) = text.strip_prefix("oci:") {
            return layout(text, rest).map(Some);
        }
        if let Some(dir) = text.strip_prefix("dir:") {
            if dir.is_empty() {
                return Err(invalid(text, "a folder must follow the colon"));
            }
            return Ok(Some(Self::Directory { dir: dir.into() }));
        }
        let kinds = [ArchiveKind::Oci, ArchiveKind::Docker];
        let mut found = kinds.iter().filter_map(|&kind| {
            let rest = text.strip_prefix(&kind.to_string())?;
            Some((kind, rest.strip_prefix(':')?))
        });
        let Some((kind, rest)) = found.next() else {
            return Ok(None);
        };
        // As for skopeo, the first colon ends the file: a name after it has some of its own.
        let (file, tag) = match rest.split_once(':') {
            Some((file, tag)) if !tag.is_empty() => (file, Some(tag.to_owned())),
            _ => (rest, None),
        };
        if file.is_empty() {
            return Err(invalid(text, "a file must follow the colon"));
        }
        let file = file.into();
        Ok(Some(Self::Archive { kind, file, tag }))
    }
}

/// `DIR[:TAG]`; as for skopeo, the first colon ends the folder: a tag may be a whole name, with colons of its own.
fn layout(text: &str, rest: &str) -> Result<Reference, Error> {
    let (dir, tag) = match rest.split_once(':') {
        Some((dir, tag)) if !tag.is_empty() => (dir, Some(tag.to_owned())),
        _ => (rest, None),
    };
    if dir.is_empty() {
        return Err(invalid(text, "a folder must follow the colon"));
    }
    Ok(Reference::Layout {
        dir: dir.into(),
        tag,
    })
}

/// A registry name: `docker.io/library/redis:7`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Name {
    /// Reads a name; without tag and digest the tag is `latest`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text == HOST {
            return Err(invalid(
                text,
                "it is the built-in image and cannot be another's name",
            ));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = Digest::new(digest).map_err(|_| {
                    invalid(text, "`@` must be followed by `sha256:` and 64 digits")
                })?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(invalid(
                text,
                "a tag has up to 128 letters, digits, `_`, `.` and `-` and starts with a letter, digit or `_`",
            ));
        }
        let (domain, path) = split_domain(repository);
        let path = match domain == DEFAULT_DOMAIN && !path.contains('/') {
            true => format!("library/{path}"),
            false => path.to_owned(),
        };
        check_path(text, domain, &path)?;
        let tag = match (tag, &digest) {
            (Some(tag), _) => Some(tag.to_owned()),
            (None, None) => Some("latest".to_owned()),
            (None, Some(_)) => None,
        };
        Ok(Self {
            domain: domain.to_owned(),
            path,
            tag,
            digest,
        })
    }

    /// The digest it pins, if any.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The registry's host and port.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository within the registry, e.g. `library/redis`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Domain and path as people write them: `redis`, `ghcr.io/me/app`.
    pub fn repository(&self) -> String {
        let bare = Self {
            tag: None,
            digest: None,
            ..self.clone()
        };
        bare.familiar()
    }

    /// The tag, if it has one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Another tag of the same repository; `None` if it is no tag.
    pub fn with_tag(&self, tag: &str) -> Option<Self> {
        is_tag(tag).then(|| Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        })
    }

    /// The same name without the digest it pins; `None` if nothing but the digest names it.
    pub fn without_digest(&self) -> Option<Self> {
        self.tag.is_some().then(|| Self {
            digest: None,
            ..self.clone()
        })
    }

    /// As people write it: `redis:7` for `docker.io/library/redis:7`.
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        let short = full.strip_prefix("docker.io/").unwrap_or(&full);
        short.strip_prefix("library/").unwrap_or(short).to_owned()
    }
}

/// The canonical form, with everything said.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// The part before the first slash is a domain only if it cannot be a path.
fn split_domain(repository: &str) -> (&str, &str) {
    match repository.split_once('/') {
        Some(("index.docker.io", path)) => (DEFAULT_DOMAIN, path),
        Some((first, path))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.chars().any(|c| c.is_ascii_uppercase()) =>
        {
            (first, path)
        }
        _ => (DEFAULT_DOMAIN, repository),
    }
}

fn check_path(text: &str, domain: &str, path: &str) -> Result<(), Error> {
    let is_domain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    if domain.is_empty() || !domain.chars().all(is_domain) {
        return Err(invalid(
            text,
            "the part before the first slash is not a host name",
        ));
    }
    if path.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(invalid(text, "repository name must be lowercase"));
    }
    if path.len() > 255 {
        return Err(invalid(text, "a repository has up to 255 characters"));
    }
    if !path.split('/').all(is_component) {
        return Err(invalid(
            text,
            "each part of the repository consists of lowercase letters and digits, separated by `.`, `_`, `__` or dashes",
        ));
    }
    Ok(())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(part: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    if !ends.is_some_and(|(a, z)| alphanumeric(*a) && alphanumeric(*z)) {
        return false;
    }
    part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .all(|gap| matches!(gap, "" | "." | "_" | "__") || gap.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= 128
        && tag.chars().next().is_some_and(word)
        && tag.chars().all(|c| word(c) || ".-".contains(c))
}

fn invalid(text: &str, rule: &'static str) -> Error {
    Error::Reference {
        text: text.to_owned(),
        rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Reference, Error> {
        Reference::parse(&ImageRef::new(text).unwrap())
    }

    #[test]
    fn familiar_and_canonical_names_are_one() {
        for (text, canonical, familiar) in [
            ("redis", "docker.io/library/redis:latest", "redis:latest"),
            ("redis:7", "docker.io/library/redis:7", "redis:7"),
            (
                "docker.io/library/redis:7",
                "docker.io/library/redis:7",
                "redis:7",
            ),
            (
                "index.docker.io/redis",
                "docker.io/library/redis:latest",
                "redis:latest",
            ),
            (
                "bitnami/redis",
                "docker.io/bitnami/redis:latest",
                "bitnami/redis:latest",
            ),
            ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
            (
                "127.0.0.1:5000/a/b:c",
                "127.0.0.1:5000/a/b:c",
                "127.0.0.1:5000/a/b:c",
            ),
            (
                "ghcr.io/x/y__z--w:V1.2",
                "ghcr.io/x/y__z--w:V1.2",
                "ghcr.io/x/y__z--w:V1.2",
            ),
        ] {
            let name = Name::parse(text).unwrap();
            assert_eq!(name.to_string(), canonical, "{text}");
            assert_eq!(name.familiar(), familiar, "{text}");
        }
        let digest = format!("sha256:{}", "a".repeat(64));
        let pinned = Name::parse(&format!("redis@{digest}")).unwrap();
        assert_eq!(pinned.tag(), None);
        assert_eq!(
            pinned.to_string(),
            format!("docker.io/library/redis@{digest}")
        );
    }

    #[test]
    fn broken_names_are_refused() {
        for text in [
            "host",
            "Redis",
            "host",
            "a//b",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a:",
            "a:-x",
            "a@sha256:12",
            "/a",
            "a/",
            "a:b:c",
        ] {
            assert!(Name::parse(text).is_err(), "{text}");
        }
    }

    /// Found by fuzzing: with `library/` in front of it, the longest name was too long to be read back.
    #[test]
    fn the_longest_name_is_as_long_with_all_that_is_left_out() {
        let name = |length: usize| Name::parse(&"a".repeat(length));
        let longest = name(247).unwrap();
        assert_eq!(longest.path().len(), 255);
        assert_eq!(Name::parse(&longest.to_string()).unwrap(), longest);
        assert!(name(248).is_err());
        assert!(Name::parse(&format!("registry.test/{}", "a".repeat(255))).is_ok());
    }

    #[test]
    fn transports_are_recognised() {
        assert_eq!(parse("host").unwrap(), Reference::Host);
        let layout = |dir: &str, tag: Option<&str>| Reference::Layout {
            dir: dir.into(),
            tag: tag.map(str::to_owned),
        };
        assert_eq!(parse("oci:/a/b").unwrap(), layout("/a/b", None));
        assert_eq!(parse("oci:/a/b:v1").unwrap(), layout("/a/b", Some("v1")));
        assert_eq!(
            parse("oci:/a:localhost:5000/b:1").unwrap(),
            layout("/a", Some("localhost:5000/b:1"))
        );
        assert!(matches!(
            parse("docker-archive:x.tar").unwrap(),
            Reference::Archive { .. }
        ));
        assert!(parse("oci:").is_err());
        assert!(matches!(
            parse(&"0".repeat(64)).unwrap(),
            Reference::Digest(_)
        ));
        assert!(matches!(parse("abc123").unwrap(), Reference::Name(_)));
    }
}
