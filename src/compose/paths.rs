//! Relative paths made absolute, where the schema says that a value is a path.
//!
//! A path resolves against the folder that its file stands for: the project's for the project's own files, its own for
//! one that is extended or included. The place of a value says which file it came from, through whatever merging.
//!
//! Invariant: the disk is not looked at.

use super::schema::Kind;
use super::schema::Path as PathKind;
use super::schema::Shape;
use super::source::SourceMap;
use super::source::Span;
use super::source::absolute;
use super::yaml::Node;
use super::yaml::Value;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

/// What paths resolve against.
pub struct Folders<'a> {
    /// The files, with their folders.
    pub sources: &'a SourceMap,
    /// What `~` stands for.
    pub home: Option<&'a str>,
    /// Leave the paths of this folder's files as they are, and make those of others relative to it.
    pub keep: Option<&'a Path>,
}

impl Folders<'_> {
    /// Makes all paths below `node` absolute.
    pub fn resolve(&self, node: &mut Node, shape: &Shape) {
        match (shape.kind, &mut node.value) {
            (Kind::Scalar(_), Value::String(text)) => self.scalar(text, node.span, shape.path),
            (Kind::List(shape), Value::List(items)) => {
                items.iter_mut().for_each(|item| self.resolve(item, shape));
            }
            (Kind::Map(shape), Value::Map(map)) => {
                let values = map.values_mut();
                values.for_each(|entry| self.resolve(&mut entry.value, shape));
            }
            (Kind::Object(_), Value::Map(map)) => {
                for (key, entry) in map.iter_mut() {
                    if let Some(field) = shape.field(key) {
                        self.resolve(&mut entry.value, &field.shape);
                    }
                }
            }
            _ => {}
        }
    }

    /// What no row of the schema can say: a source is a path if the mount is a bind, a device of a volume if it is one.
    pub fn resolve_special(&self, root: &mut Node) {
        for service in children(root, "services") {
            if let Some(Value::List(mounts)) = service.entry_mut("volumes").map(|n| &mut n.value) {
                for mount in mounts {
                    if mount.text_at("type") == Some("bind") {
                        self.at(mount, "source");
                    }
                }
            }
            if let Some(image) = service.entry_mut("image") {
                self.image(image);
            }
        }
        for volume in children(root, "volumes") {
            if volume.text_at("driver") != Some("local") {
                continue;
            }
            if let Some(options) = volume.entry_mut("driver_opts")
                && options.text_at("o") == Some("bind")
            {
                self.at(options, "device");
            }
        }
    }

    /// `text` as it is written at `span`, absolute.
    pub fn host(&self, text: &str, span: Span) -> String {
        let directory = self.sources.directory(span);
        if let Some(kept) = self.keep {
            if directory == kept || text.starts_with(['/', '~']) {
                return text.to_owned();
            }
            let path = absolute(directory, Path::new(text));
            return relative(kept, &path).to_string_lossy().into_owned();
        }
        let expanded = match (text.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
                format!("{home}{rest}")
            }
            _ => text.to_owned(),
        };
        let path = absolute(directory, Path::new(&expanded));
        path.to_string_lossy().into_owned()
    }

    fn at(&self, node: &mut Node, key: &str) {
        if let Some(node) = node.entry_mut(key) {
            let span = node.span;
            if let Value::String(text) = &mut node.value {
                *text = self.host(text, span);
            }
        }
    }

    fn scalar(&self, text: &mut String, span: Span, kind: PathKind) {
        match kind {
            PathKind::No => {}
            PathKind::Host => *text = self.host(text, span),
            PathKind::OrUrl if is_elsewhere(text) => {}
            PathKind::OrUrl => *text = self.host(text, span),
            PathKind::Ssh => {
                if let Some((id, path)) = text.split_once('=') {
                    *text = format!("{id}={}", self.host(path, span));
                }
            }
        }
    }

    /// The paths of `oci:DIR[:TAG]` and of archives are relative to the file that names them, as all others are.
    fn image(&self, node: &mut Node) {
        let span = node.span;
        let Value::String(text) = &mut node.value else {
            return;
        };
        for transport in ["oci:", "oci-archive:", "docker-archive:", "dir:"] {
            if let Some(path) = text.strip_prefix(transport) {
                *text = format!("{transport}{}", self.host(path, span));
                return;
            }
        }
    }
}

/// `path` as seen from `folder`, both absolute.
fn relative(folder: &Path, path: &Path) -> PathBuf {
    let shared = folder
        .components()
        .zip(path.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = folder
        .components()
        .skip(shared)
        .map(|_| Component::ParentDir);
    let found: PathBuf = up.chain(path.components().skip(shared)).collect();
    match found.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => found,
    }
}

/// The entries of a section.
fn children<'a>(root: &'a mut Node, section: &str) -> impl Iterator<Item = &'a mut Node> {
    let map = root.entry_mut(section).and_then(Node::map_mut);
    map.into_iter()
        .flat_map(|map| map.values_mut().map(|entry| &mut entry.value))
}

/// A URL, a repository, an image or another service, none of which is a path of this host.
fn is_elsewhere(text: &str) -> bool {
    let prefixes = [
        "git@",
        "github.com/",
        "git://",
        "http://",
        "https://",
        "ssh://",
    ];
    prefixes.iter().any(|prefix| text.starts_with(prefix))
        || text.contains("://")
        || text.starts_with("service:")
        || text.starts_with("target:")
}
