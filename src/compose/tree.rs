//! Files to one tree: read, parse, interpolate, write short forms out, include, extend, merge.
//!
//! Invariant: every node of the tree knows its file, and with it the folder that its relative paths resolve against.

use super::LoadOptions;
use super::budget::Budget;
use super::diagnostic::Report;
use super::environment::with_cause;
use super::interpolation;
use super::lengthen::lengthen;
use super::lengthen::wrap;
use super::merge;
use super::merge::How;
use super::normalize::Environment;
use super::origins::Origins;
use super::remote;
use super::schema::DOCUMENT;
use super::schema::Shape;
use super::source;
use super::source::ReadError;
use super::source::Source;
use super::source::SourceMap;
use super::source::Span;
use super::unreadable::unreadable;
use super::yaml;
use super::yaml::Entry;
use super::yaml::Node;
use std::collections::HashMap;
use std::collections::HashSet;
use std::path::Path;
use std::path::PathBuf;

/// Reads files into trees.
pub struct Forest<'a> {
    /// What was asked for.
    pub options: &'a LoadOptions,
    /// All texts read so far.
    pub sources: SourceMap,
    /// Where problems go.
    pub report: Report,
    /// Files that services extend, parsed and interpolated; `None` = could not be read.
    pub extended: HashMap<PathBuf, Option<Node>>,
    /// Where variables come from.
    pub origins: Origins,
    /// How much more all of it may become.
    pub budget: Budget,
    /// Circles of `extends` that are reported already.
    pub circles: HashSet<Vec<Step>>,
}

/// Who names a file.
#[derive(Debug, Clone, Copy)]
pub enum Named {
    /// Nobody: it has the name of a compose file.
    Found,
    /// The user.
    Given,
    /// A text, at this place, for this.
    At(Span, &'static str),
}

/// One step of a chain of `extends`: the file (`None` = the one it began in) and the service.
pub type Step = (Option<PathBuf>, String);

/// The surroundings of one set of files: the project's own, or those of an `include`.
pub struct Scope<'a> {
    /// Variables.
    pub environment: &'a Environment,
    /// Files that are being included, outermost first.
    pub including: &'a [PathBuf],
}

impl<'a> Forest<'a> {
    /// Nothing read yet.
    pub fn new(options: &'a LoadOptions) -> Self {
        Self {
            options,
            sources: SourceMap::default(),
            report: Report::default(),
            extended: HashMap::new(),
            budget: Budget::default(),
            circles: HashSet::new(),
            origins: Origins::default(),
        }
    }

    /// Reads and parses `file` (`-` is the standard input).
    pub fn parse(&mut self, file: &Path, directory: &Path, named: Named) -> Option<Vec<Node>> {
        let (name, text) = match file == Path::new("-") {
            true => {
                let bytes = self.options.stdin.clone().unwrap_or_default();
                ("-".to_owned(), source::decode("-", bytes))
            }
            false => {
                let name = source::display_name(&self.options.working_directory, file);
                let text = match named {
                    Named::Given => source::read_given(file),
                    Named::Found | Named::At(..) => source::read(file),
                };
                (name, text)
            }
        };
        let named = match named {
            Named::At(place, why) => Some((place, why)),
            Named::Found | Named::Given => None,
        };
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                self.unreadable(error, (&name, file), named);
                return None;
            }
        };
        let index = self.sources.add(Source {
            name,
            directory: directory.to_owned(),
            text: text.as_str().into(),
            named,
        });
        Some(yaml::parse(&text, index, &mut self.report))
    }

    /// Reports that a file cannot be read.
    pub fn unreadable(
        &mut self,
        error: ReadError,
        (name, path): (&str, &Path),
        named: Option<(Span, &'static str)>,
    ) {
        if !error.is_missing() {
            let (sources, report) = (&mut self.sources, &mut self.report);
            return unreadable(error, (name, path), named, sources, report);
        }
        self.report
            .error("missing-file", format!("there is no file `{name}`"))
            .primary = named.map(|(place, _)| place);
    }

    /// Makes one tree of `documents`, each over those before it.
    pub fn merge(&mut self, documents: Vec<Node>, scope: &Scope<'_>) -> Option<Node> {
        let mut merged: Option<Node> = None;
        for document in documents {
            let Some(document) = self.complete(document, scope) else {
                continue;
            };
            merged = Some(match merged {
                Some(base) => self.over(base, document),
                None => {
                    let mut document = document;
                    merge::settle(&mut document);
                    document
                }
            });
        }
        merged
    }

    /// Interpolates a document, and brings in what it includes and extends.
    fn complete(&mut self, mut document: Node, scope: &Scope<'_>) -> Option<Node> {
        if document.as_map().is_none() {
            let message = format!("a compose file must be a mapping, not {}", document.kind());
            self.report.error("wrong-type", message).at(document.span);
            return None;
        }
        self.interpolate(&mut document, scope.environment);
        self.lengthen(&mut document, &DOCUMENT, "");
        self.services(&mut document);
        let document = self.include(document, scope);
        Some(self.extend(document, scope))
    }

    /// Other sections may come without a value as soon as another document has one; `services` may not.
    fn services(&mut self, document: &mut Node) {
        let is_service = |entry: &Entry| entry.value.get("image").is_some();
        let hint = match document.entries().any(|(_, entry)| is_service(entry)) {
            true => "indent the services below it",
            false => "give it a mapping, or remove the key",
        };
        if let Some(node) = document.entry_mut("services")
            && node.is_null()
            && node.tag.is_none()
        {
            self.report
                .error("wrong-type", "`services` has no value")
                .at(node.span)
                .hint(hint);
            node.spoil();
        }
    }

    /// Writes short forms out, as far as variables that stay permit.
    pub fn lengthen(&mut self, node: &mut Node, shape: &Shape, path: &str) {
        match self.options.interpolate {
            true => lengthen(node, shape, path, (&mut self.report, &mut self.budget)),
            false => wrap(node, shape, path, (&mut self.report, &mut self.budget)),
        }
    }

    /// Merges one document over another.
    pub fn over(&mut self, base: Node, over: Node) -> Node {
        merge::documents(base, over, self.how(false), &mut self.report)
    }

    /// Puts one document below another, which is merged over others yet.
    pub fn under(&mut self, base: Node, over: Node) -> Node {
        merge::documents(base, over, self.how(true), &mut self.report)
    }

    /// How documents and services are merged; `goes_on`: over others yet.
    pub fn how(&self, goes_on: bool) -> How {
        How {
            wrapped: !self.options.interpolate,
            goes_on,
        }
    }

    /// Replaces the variables of a tree, unless they shall stay as they are.
    pub fn interpolate(&mut self, node: &mut Node, environment: &Environment) {
        if self.options.interpolate {
            let lookup = |name: &str| environment.get(name).map(String::as_str);
            let limits = (&mut self.report, &mut self.budget);
            interpolation::interpolate(node, &lookup, &self.sources, limits);
        }
    }

    /// A file as it is written at `span`, absolute; one of a repository as it is in the cache.
    pub fn locate(&mut self, path: &str, span: Span) -> Option<PathBuf> {
        if !remote::is_remote(path) {
            let directory = self.sources.directory(span);
            return Some(source::absolute(directory, Path::new(path)));
        }
        remote::local(path, self.options.remote.as_ref())
            .map_err(|error| {
                self.report
                    .error("remote-file", with_cause(&error))
                    .at(span)
                    .hint(error.hint());
            })
            .ok()
    }
}
