//! What every reader has at hand: the report, the place in the document, and readers of simple types.
//!
//! The tree is canonical: a value is of the type that the schema says, or broken and reported.
//!
//! Invariant: a reader that returns `None` has reported why, or somebody before it has.

use super::values;
use crate::compose::canonical::Canonical;
use crate::compose::diagnostic::Report;
use crate::compose::source::Span;
use crate::compose::source::absolute;
use crate::compose::trail::Trail;
use crate::compose::yaml::Entry;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use indexmap::IndexMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// The surroundings of a value that is being read.
pub struct Context<'a> {
    /// Where problems go.
    pub report: &'a mut Report,
    /// The project.
    pub canonical: &'a Canonical,
    /// `services.web.ports[0]`: what is being read.
    path: Trail,
}

impl<'a> Context<'a> {
    /// At the top of a document.
    pub fn new(report: &'a mut Report, canonical: &'a Canonical) -> Self {
        Self {
            report,
            canonical,
            path: Trail::default(),
        }
    }

    /// What is being read, as `services.web.ports[0]`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Runs `read` one key further down.
    pub fn within<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let mark = self.path.key(key);
        let result = read(self);
        self.path.back(mark);
        result
    }

    /// Reports a value that makes no sense.
    pub fn invalid(&mut self, span: Span, problem: impl AsRef<str>) {
        let message = format!("`{}`: {}", self.path, problem.as_ref());
        self.report.error("invalid-value", message).at(span);
    }

    /// Reports something of the specification that is not there yet.
    pub fn unsupported(&mut self, span: Span, what: impl AsRef<str>) {
        let message = format!("`{}`: {} is not supported yet", self.path, what.as_ref());
        self.report.error("unsupported", message).at(span);
    }

    /// Calls `read` for each entry of an object.
    pub fn fields(&mut self, node: &Node, mut read: impl FnMut(&mut Self, &str, &Node)) {
        for (key, entry) in node.entries() {
            if !entry.value.is_null() && !key.starts_with("x-") {
                self.within(key, |cx| {
                    cx.through(&entry.value, |cx| read(cx, key, &entry.value))
                });
            }
        }
    }

    /// Calls `read` for each entry of a map with keys of the user's choice.
    pub fn entries(&mut self, node: &Node, mut read: impl FnMut(&mut Self, &str, &Entry)) {
        for (key, entry) in node.entries() {
            self.within(key, |cx| {
                cx.through(&entry.value, |cx| read(cx, key, entry))
            });
        }
    }

    /// Calls `read` for each item of a list.
    pub fn items(&mut self, node: &Node, mut read: impl FnMut(&mut Self, &Node)) {
        for (index, item) in node.items().iter().enumerate() {
            let mark = self.path.index(index);
            self.through(item, |cx| read(cx, item));
            self.path.back(mark);
        }
    }

    /// Runs `read`; what it finds to be wrong gets the place where the value came in, if it was written elsewhere.
    fn through(&mut self, node: &Node, read: impl FnOnce(&mut Self)) {
        let known = self.report.len();
        read(self);
        if self.report.len() > known
            && let Some((span, how)) = node.history.detour()
        {
            self.report.lead(known, span, how);
        }
    }

    /// A text.
    pub fn text(&mut self, node: &Node) -> Option<String> {
        node.as_str().map(str::to_owned)
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(&mut self, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let all: Vec<String> = words.iter().map(|(w, _)| format!("`{w}`")).collect();
            let message = format!("`{}` cannot be `{text}`", self.path);
            let names = words.iter().map(|(word, _)| *word);
            let near = crate::compose::diagnostic::did_you_mean(&text, names);
            let diagnostic = self.report.error("invalid-value", message);
            diagnostic.at(node.span);
            match near {
                Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
                None => diagnostic.hint(format!("it is one of {}", all.join(", "))),
            };
        }
        found.map(|(_, value)| *value)
    }

    /// A boolean.
    pub fn boolean(&mut self, node: &Node) -> Option<bool> {
        match node.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A whole number within a type.
    pub fn integer<T: TryFrom<i64>>(&mut self, node: &Node) -> Option<T> {
        let Value::Int(number) = node.value else {
            return None;
        };
        let fitting = T::try_from(number).ok();
        if fitting.is_none() {
            self.invalid(node.span, format!("{number} is out of range"));
        }
        fitting
    }

    /// A number.
    pub fn number(&mut self, node: &Node) -> Option<f64> {
        match node.value {
            Value::Int(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            _ => None,
        }
    }

    /// A text that `parse` understands.
    pub fn parsed<T>(
        &mut self,
        node: &Node,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(node)?;
        self.checked(node, parse(&text))
    }

    /// The value of `result`, or a report of its problem.
    pub fn checked<T>(&mut self, node: &Node, result: Result<T, String>) -> Option<T> {
        result
            .map_err(|problem| self.invalid(node.span, problem))
            .ok()
    }

    /// A duration such as `1m30s`.
    pub fn duration(&mut self, node: &Node) -> Option<Duration> {
        self.parsed(node, values::duration)
    }

    /// A size in bytes.
    pub fn bytes(&mut self, node: &Node) -> Option<u64> {
        self.parsed(node, values::bytes)
    }

    /// A list of texts.
    pub fn texts(&mut self, node: &Node) -> Vec<String> {
        let texts = node.items().iter().filter_map(Node::as_str);
        texts.map(str::to_owned).collect()
    }

    /// Texts by key.
    pub fn labels(&mut self, node: &Node) -> IndexMap<String, String> {
        let text = |(key, entry): (&String, &Entry)| {
            let value = entry.value.scalar().unwrap_or_default();
            (key.clone(), value)
        };
        node.entries().map(text).collect()
    }

    /// A host path that no row of the schema knows as one: relative to the project's folder.
    pub fn host_path(&self, text: &str) -> PathBuf {
        absolute(&self.canonical.directory, Path::new(text))
    }
}
