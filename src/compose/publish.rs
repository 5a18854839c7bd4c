//! The files of a project as they are published: what they name beside themselves goes along, under a name of its own.
//!
//! Invariants: the text stays as the user wrote it but for names of files; what would be missing where it is fetched is
//! an error, or goes along.

use super::budget::Budget;
use super::interpolation::Lookup;
use super::interpolation::substitute;
use super::remote::is_remote;
use super::source;
use super::source::Finder;
use super::source::ReadError;
use super::source::Source;
use super::source::SourceMap;
use super::source::Span;
use super::yaml;
use super::yaml::Node;
use crate::compose::diagnostic::Report;
use sha2::Digest as _;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What it is to the project.
    pub kind: Kind,
    /// Without a folder.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// What a file is to a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is merged over the ones before it.
    Compose,
    /// Services of others extend services of it.
    Extended,
    /// `env_file` or `label_file`.
    Variables,
}

/// Why a project cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A file cannot be read.
    #[error("cannot publish what {place} names: {source}")]
    Unreadable {
        /// `file:line:column`, or the file itself.
        place: String,
        /// Why not.
        #[source]
        source: ReadError,
    },
    /// A file of this machine is included.
    #[error("cannot publish {place}: it includes a file of this machine")]
    Included {
        /// `file:line:column`.
        place: String,
    },
    /// The name of a file is written so that it cannot be replaced.
    #[error(
        "cannot publish {place}: this name of a file has several lines or a variable without a value"
    )]
    Unclear {
        /// `file:line:column`.
        place: String,
    },
    /// The standard input has no name.
    #[error("what comes from the standard input cannot be published")]
    Stdin,
}

impl PublishError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "create it, or leave it out of the compose file",
            Self::Included { .. } => {
                "publish that file by itself and include its `oci://…`, or publish what `hoist config --no-interpolate` prints"
            }
            Self::Unclear { .. } => "write it on one line, without variables",
            Self::Stdin => "write it to a file, and name that with `-f`",
        }
    }
}

/// The compose `files` and all that they name, in the order in which they are merged.
pub fn publish(files: &[PathBuf], lookup: Lookup<'_>) -> Result<Vec<File>, PublishError> {
    let mut publisher = Publisher {
        lookup,
        sources: SourceMap::default(),
        named: BTreeMap::new(),
        waiting: Vec::new(),
        done: Vec::new(),
    };
    for path in files {
        if path == Path::new("-") {
            return Err(PublishError::Stdin);
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        publisher.compose(path, name.into_owned(), Kind::Compose, None)?;
    }
    while let Some((path, name, place)) = publisher.waiting.pop() {
        publisher.compose(&path, name, Kind::Extended, Some(place))?;
    }
    Ok(publisher.done)
}

struct Publisher<'a> {
    lookup: Lookup<'a>,
    sources: SourceMap,
    /// What is named already, and its new name.
    named: BTreeMap<PathBuf, String>,
    /// Files that services extend: where, under which name, and who says so.
    waiting: Vec<(PathBuf, String, Span)>,
    done: Vec<File>,
}

/// A name in the text of a file, and what goes there.
type Edit = (Span, String);

impl Publisher<'_> {
    fn compose(
        &mut self,
        path: &Path,
        name: String,
        kind: Kind,
        place: Option<Span>,
    ) -> Result<(), PublishError> {
        let text = source::read(path).map_err(|source| PublishError::Unreadable {
            place: place.map_or(path.display().to_string(), |place| {
                self.sources.locate(place)
            }),
            source,
        })?;
        let index = self.sources.add(Source {
            name: path.display().to_string(),
            directory: path.parent().unwrap_or(path).to_owned(),
            text: text.as_str().into(),
            named: None,
        });
        // What is wrong with the file was told when it was loaded.
        let documents = yaml::parse(&text, index, &mut Report::default());
        let mut edits = Vec::new();
        for document in &documents {
            self.includes(document)?;
            for (_, service) in document.get("services").into_iter().flat_map(Node::entries) {
                self.service(&service.value, &mut edits)?;
            }
        }
        let text = self.edited(&text, edits)?;
        self.done.push(File { kind, name, text });
        Ok(())
    }

    /// What is included must be where others can fetch it.
    fn includes(&self, document: &Node) -> Result<(), PublishError> {
        let Some(includes) = document.get("include") else {
            return Ok(());
        };
        for include in includes.items() {
            let paths = include.get("path").unwrap_or(include);
            let one = std::slice::from_ref(paths);
            let paths = if paths.as_str().is_some() {
                one
            } else {
                paths.items()
            };
            let local = |path: &&Node| path.as_str().is_some_and(|path| !is_remote(path));
            if let Some(path) = paths.iter().find(local) {
                let place = self.sources.locate(path.span);
                return Err(PublishError::Included { place });
            }
        }
        Ok(())
    }

    fn service(&mut self, service: &Node, edits: &mut Vec<Edit>) -> Result<(), PublishError> {
        for key in ["env_file", "label_file"] {
            let Some(files) = service.get(key) else {
                continue;
            };
            let one = std::slice::from_ref(files);
            let files = if files.as_str().is_some() {
                one
            } else {
                files.items()
            };
            for file in files {
                let required = file
                    .get("required")
                    .is_none_or(|it| it.scalar().as_deref() != Some("false"));
                self.variables(file.get("path").unwrap_or(file), required, edits)?;
            }
        }
        let extended = service
            .get("extends")
            .and_then(|extends| extends.get("file"));
        match extended {
            Some(file) => self.extended(file, edits),
            None => Ok(()),
        }
    }

    /// A file of variables goes along.
    fn variables(
        &mut self,
        file: &Node,
        required: bool,
        edits: &mut Vec<Edit>,
    ) -> Result<(), PublishError> {
        let Some((path, name)) = self.rename(file, "env")? else {
            return Ok(());
        };
        if !self.named.contains_key(&path) {
            let text = match source::read(&path) {
                Ok(text) => text,
                Err(error) if error.is_missing() && !required => return Ok(()),
                Err(source) => {
                    let place = self.sources.locate(file.span);
                    return Err(PublishError::Unreadable { place, source });
                }
            };
            self.named.insert(path, name.clone());
            self.done.push(File {
                kind: Kind::Variables,
                name: name.clone(),
                text,
            });
        }
        edits.push((file.span, name));
        Ok(())
    }

    /// A file with services that are extended goes along, and what it names.
    fn extended(&mut self, file: &Node, edits: &mut Vec<Edit>) -> Result<(), PublishError> {
        let Some((path, name)) = self.rename(file, "yaml")? else {
            return Ok(());
        };
        if self.named.insert(path.clone(), name.clone()).is_none() {
            self.waiting.push((path, name.clone(), file.span));
        }
        edits.push((file.span, name));
        Ok(())
    }

    /// Where a file is that is named, and its new name; nothing if it is no file of this machine.
    fn rename(&self, file: &Node, ending: &str) -> Result<Option<(PathBuf, String)>, PublishError> {
        let Some(written) = file.as_str() else {
            return Ok(None);
        };
        let unclear = || PublishError::Unclear {
            place: self.sources.locate(file.span),
        };
        let done =
            substitute(written, self.lookup, Budget::default().text()).map_err(|_| unclear())?;
        if !done.unset.is_empty() {
            return Err(unclear());
        }
        if is_remote(&done.text) {
            return Ok(None);
        }
        let path = source::absolute(self.sources.directory(file.span), Path::new(&done.text));
        let hash = Sha256::digest(path.as_os_str().as_encoded_bytes());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some((path, format!("{hash}.{ending}"))))
    }

    /// The text with its new names.
    fn edited(&self, text: &str, mut edits: Vec<Edit>) -> Result<String, PublishError> {
        edits.sort();
        edits.dedup();
        let mut finder = Finder::new(&self.sources);
        let (mut edited, mut at) = (String::new(), 0);
        for (span, name) in edits {
            let unclear = || PublishError::Unclear {
                place: self.sources.locate(span),
            };
            let (rest, length) = finder.rest(span).ok_or_else(unclear)?;
            // Of a value on several lines only the beginning is known.
            if length < 2 {
                return Err(unclear());
            }
            let start = text.len() - rest.len();
            edited.push_str(text.get(at..start).ok_or_else(unclear)?);
            edited.push_str(&name);
            at = start + length;
        }
        edited.push_str(&text[at..]);
        Ok(edited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> (tempfile::TempDir, Result<Vec<File>, PublishError>) {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in all {
            let file = root.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let lookup = |name: &str| (name == "DIR").then_some("env");
        let found = publish(&[root.path().join("compose.yaml")], &lookup);
        (root, found)
    }

    #[test]
    fn what_a_file_names_goes_along_and_the_rest_of_its_text_stays() {
        let text = "# mine\nservices:\n  a: {image: 'x:${TAG}', env_file: [\"${DIR}/a.env\", {path: gone.env, required: false}]} # ü\n  \
                    b:\n    image: y\n    env_file: env/a.env # again\n    extends: {file: sub/base.yaml, service: s}\n";
        let base =
            "services: {s: {label_file: l.txt, extends: {file: ../compose.yaml, service: a}}}\n";
        let (_root, found) = files(&[
            ("compose.yaml", text),
            ("env/a.env", "A=1\n"),
            ("sub/base.yaml", base),
            ("sub/l.txt", "l=1\n"),
        ]);
        let found = found.unwrap();
        let kinds: Vec<Kind> = found.iter().map(|file| file.kind).collect();
        assert_eq!(
            kinds,
            [
                Kind::Variables,
                Kind::Compose,
                Kind::Variables,
                Kind::Extended,
                Kind::Extended
            ]
        );
        let (env, main, sub) = (&found[0].name, &found[1].text, &found[3]);
        let wanted = text
            .replace("\"${DIR}/a.env\"", env)
            .replace("env/a.env", env);
        assert_eq!(*main, wanted.replace("sub/base.yaml", &sub.name));
        assert!(sub.text.contains(&found[2].name), "{}", sub.text);
        assert!(found.iter().all(|file| !file.name.contains('/')));
    }

    #[test]
    fn what_would_be_missing_elsewhere_is_refused() {
        let one = |text: &str| files(&[("compose.yaml", text)]).1.unwrap_err();
        let included = one("include: [{path: ['oci://x/y', other.yaml]}]\n");
        assert!(
            matches!(included, PublishError::Included { .. }),
            "{included}"
        );
        assert!(
            included.to_string().contains("compose.yaml:1:32"),
            "{included}"
        );
        let missing = one("services: {a: {env_file: none}}\n");
        assert!(
            matches!(missing, PublishError::Unreadable { .. }),
            "{missing}"
        );
        let unset = one("services: {a: {env_file: '${NO}.env'}}\n");
        assert!(matches!(unset, PublishError::Unclear { .. }), "{unset}");
    }
}
