//! What every parser has at hand: the report, the place in the document, and readers of simple types.
//!
//! Invariant: a reader that returns `None` has reported why.

use super::shape::Shape;
use super::values;
use crate::compose::diagnostic::Report;
use crate::compose::diagnostic::did_you_mean;
use crate::compose::merge::key_values;
use crate::compose::source::SourceMap;
use crate::compose::source::Span;
use crate::compose::source::absolute;
use crate::compose::yaml::Entry;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use crate::id::ProjectName;
use indexmap::IndexMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// Text values by key, each with its place; `None` = a key without a value.
pub type KeyValues = IndexMap<String, (Option<String>, Span)>;

/// The surroundings of a value that is being parsed.
pub struct Context<'a> {
    /// Where problems go.
    pub report: &'a mut Report,
    /// Which folder a relative path resolves against.
    pub sources: &'a SourceMap,
    /// What `~` stands for.
    pub home: Option<&'a str>,
    /// The project's name, which most resource names begin with.
    pub project: &'a ProjectName,
    /// `services.web.ports[0]`: what is being parsed.
    path: String,
}

impl<'a> Context<'a> {
    /// At the top of a document.
    pub fn new(
        report: &'a mut Report,
        sources: &'a SourceMap,
        home: Option<&'a str>,
        project: &'a ProjectName,
    ) -> Self {
        Self {
            report,
            sources,
            home,
            project,
            path: String::new(),
        }
    }

    /// What is being parsed, as `services.web.ports[0]`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Runs `parse` one key further down.
    pub fn within<T>(&mut self, key: &str, parse: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        let result = parse(self);
        self.path.truncate(length);
        result
    }

    /// Reports a value of a wrong type.
    pub fn wrong(&mut self, node: &Node, expected: &str) {
        let message = format!("`{}` must be {expected}, not {}", self.path, node.kind());
        let diagnostic = self.report.error("wrong-type", message);
        diagnostic.at(node.span);
        if let (Some(text), "a text") = (node.scalar(), expected) {
            diagnostic.hint(format!("write it in quotes: `\"{text}\"`"));
        }
    }

    /// Reports a value that is of the right type but makes no sense.
    pub fn invalid(&mut self, span: Span, problem: impl AsRef<str>) {
        let message = format!("`{}`: {}", self.path, problem.as_ref());
        self.report.error("invalid-value", message).at(span);
    }

    /// Reports something of the specification that is not there yet.
    pub fn unsupported(&mut self, span: Span, what: impl AsRef<str>) {
        let message = format!("`{}`: {} is not supported yet", self.path, what.as_ref());
        self.report.error("unsupported", message).at(span);
    }

    /// Calls `parse` for each known, non-null entry of a map; reports all others.
    pub fn fields(
        &mut self,
        node: &Node,
        shape: &Shape,
        mut parse: impl FnMut(&mut Self, &str, &Node),
    ) {
        let Some(map) = node.as_map() else {
            self.wrong(node, "a mapping");
            return;
        };
        for (key, entry) in map {
            if shape.known.contains(&key.as_str()) {
                if !entry.value.is_null() {
                    self.within(key, |cx| parse(cx, key, &entry.value));
                }
            } else if !key.starts_with("x-") {
                self.stray(key, entry, shape);
            }
        }
    }

    fn stray(&mut self, key: &str, entry: &Entry, shape: &Shape) {
        if self.report.is_full() {
            return;
        }
        let place = match self.path.as_str() {
            "" => String::new(),
            path => format!(" in `{path}`"),
        };
        if shape.later.contains(&key) {
            self.report
                .error(
                    "unsupported",
                    format!("`{key}`{place} is not supported yet"),
                )
                .at(entry.key);
        } else if shape.inert.contains(&key) {
            self.report
                .warning("no-effect", format!("`{key}`{place} has no effect here"))
                .at(entry.key);
        } else {
            let near = did_you_mean(key, shape.known.iter().chain(shape.later).copied());
            let diagnostic = self.report.error(
                "unknown-attribute",
                format!("unknown attribute `{key}`{place}"),
            );
            diagnostic.at(entry.key);
            match near {
                Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
                None => diagnostic.hint(shape.hint()),
            };
        }
    }

    /// Calls `parse` for each entry of a map with keys of the user's choice.
    pub fn entries(&mut self, node: &Node, mut parse: impl FnMut(&mut Self, &str, &Entry)) {
        match &node.value {
            Value::Map(map) => {
                for (key, entry) in map.iter() {
                    self.within(key, |cx| parse(cx, key, entry));
                }
            }
            Value::Null => {}
            _ => self.wrong(node, "a mapping"),
        }
    }

    /// Calls `parse` for each item of a list.
    pub fn items(&mut self, node: &Node, mut parse: impl FnMut(&mut Self, &Node)) {
        let Value::List(items) = &node.value else {
            self.wrong(node, "a list");
            return;
        };
        let length = self.path.len();
        for (index, item) in items.iter().enumerate() {
            self.path.push_str(&format!("[{index}]"));
            parse(self, item);
            self.path.truncate(length);
        }
    }

    /// A text.
    pub fn text(&mut self, node: &Node) -> Option<String> {
        if node.as_str().is_none() {
            self.wrong(node, "a text");
        }
        node.as_str().map(str::to_owned)
    }

    /// A text or a number, as text.
    pub fn text_or_number(&mut self, node: &Node) -> Option<String> {
        match node.value {
            Value::String(_) | Value::Int(_) | Value::Float(_) => node.scalar(),
            _ => {
                self.wrong(node, "a text or a number");
                None
            }
        }
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(&mut self, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let all: Vec<String> = words.iter().map(|(w, _)| format!("`{w}`")).collect();
            let message = format!("`{}` cannot be `{text}`", self.path);
            let near = did_you_mean(&text, words.iter().map(|(word, _)| *word));
            let diagnostic = self.report.error("invalid-value", message);
            diagnostic.at(node.span);
            match near {
                Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
                None => diagnostic.hint(format!("it is one of {}", all.join(", "))),
            };
        }
        found.map(|(_, value)| *value)
    }

    /// A boolean, or one of docker's words for it.
    pub fn boolean(&mut self, node: &Node) -> Option<bool> {
        let value = match &node.value {
            Value::Bool(value) => Some(*value),
            Value::String(text) => values::boolean(text),
            _ => None,
        };
        if value.is_none() {
            self.wrong_value(node, "`true` or `false`");
        }
        value
    }

    /// A whole number within a type, also as text.
    pub fn integer<T: TryFrom<i64>>(&mut self, node: &Node) -> Option<T> {
        let number = match &node.value {
            Value::Int(number) => Some(*number),
            Value::String(text) => text.parse().ok(),
            Value::Float(number) if number.fract() == 0.0 => Some(*number as i64),
            _ => None,
        };
        let Some(number) = number else {
            self.wrong_value(node, "a whole number");
            return None;
        };
        let fitting = T::try_from(number).ok();
        if fitting.is_none() {
            self.invalid(node.span, format!("{number} is out of range"));
        }
        fitting
    }

    /// A number, also as text.
    pub fn number(&mut self, node: &Node) -> Option<f64> {
        let number = match &node.value {
            Value::Int(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let number = number.filter(|n| n.is_finite());
        if number.is_none() {
            self.wrong_value(node, "a number");
        }
        number
    }

    fn wrong_value(&mut self, node: &Node, expected: &str) {
        match node.as_str() {
            Some(text) => {
                let message = format!("`{}` must be {expected}, not `{text}`", self.path);
                self.report.error("wrong-type", message).at(node.span);
            }
            None => self.wrong(node, expected),
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

    /// A size: a number of bytes or a text such as `64m`.
    pub fn bytes(&mut self, node: &Node) -> Option<u64> {
        let text = self.text_or_number(node)?;
        self.checked(node, values::bytes(&text))
    }

    /// A list of texts, or of numbers as text; each once, at its first place.
    pub fn texts(&mut self, node: &Node) -> Vec<String> {
        let mut texts = Vec::new();
        self.items(node, |cx, item| texts.extend(cx.text_or_number(item)));
        texts
    }

    /// As [`Self::texts`], without repetitions.
    pub fn unique_texts(&mut self, node: &Node) -> Vec<String> {
        let texts: indexmap::IndexSet<String> = self.texts(node).into_iter().collect();
        texts.into_iter().collect()
    }

    /// A text or a list of texts, without repetitions.
    pub fn text_or_texts(&mut self, node: &Node) -> Vec<String> {
        let mut texts = indexmap::IndexSet::new();
        self.each_text(node, |_, _, text| {
            texts.insert(text.to_owned());
        });
        texts.into_iter().collect()
    }

    /// Calls `parse` for a text, or for each text of a list.
    pub fn each_text(&mut self, node: &Node, mut parse: impl FnMut(&mut Self, &Node, &str)) {
        match &node.value {
            Value::String(text) => parse(self, node, text),
            Value::List(_) => self.items(node, |cx, item| {
                if let Some(text) = cx.text_or_number(item) {
                    parse(cx, item, &text);
                }
            }),
            _ => self.wrong(node, "a text or a list"),
        }
    }

    /// Whether it is one of the two; reports if it is not.
    pub fn list_or_mapping(&mut self, node: &Node) -> bool {
        let good = matches!(node.value, Value::List(_) | Value::Map(_));
        if !good {
            self.wrong(node, "a list or a mapping");
        }
        good
    }

    /// `[A=1, B]` or `{A: 1, B: }`.
    pub fn key_values(&mut self, node: &Node) -> KeyValues {
        if !self.list_or_mapping(node) {
            return KeyValues::new();
        }
        let converted;
        let node = match node.value {
            Value::List(_) => {
                converted = key_values(node.clone());
                &converted
            }
            _ => node,
        };
        let mut all = KeyValues::new();
        if let Value::List(_) = node.value {
            self.items(node, |cx, item| {
                cx.text(item);
            });
            return all;
        }
        self.entries(node, |cx, key, entry| {
            let value = entry.value.scalar();
            if value.is_none() && !entry.value.is_null() {
                cx.wrong(&entry.value, "a text, a number or a boolean");
                return;
            }
            all.insert(key.to_owned(), (value, entry.key));
        });
        all
    }

    /// Key-values whose missing values are empty texts, as labels are.
    pub fn labels(&mut self, node: &Node) -> IndexMap<String, String> {
        self.key_values(node)
            .into_iter()
            .map(|(key, (value, _))| (key, value.unwrap_or_default()))
            .collect()
    }

    /// A host path: `~` expanded, relative ones resolved against the folder their file stands for.
    pub fn host_path(&mut self, text: &str, span: Span) -> PathBuf {
        let expanded = match (text.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
                format!("{home}{rest}")
            }
            _ => text.to_owned(),
        };
        absolute(self.sources.directory(span), Path::new(&expanded))
    }
}
