//! The environment and the labels of services: `env_file`, `label_file`, and variables without a value.
//!
//! Invariants: what a service says itself wins over what its files say; only the files of services that are on are read.

use super::diagnostic::Report;
use super::dotenv;
use super::dotenv::Variable;
use super::dotenv::Variables;
use super::normalize::Environment;
use super::source;
use super::source::Source;
use super::source::SourceMap;
use super::source::Span;
use super::yaml::Entry;
use super::yaml::Map;
use super::yaml::Node;
use super::yaml::Step;
use super::yaml::Value;
use std::path::Path;
use std::path::PathBuf;

/// What is needed to read the files of services.
pub struct Files<'a> {
    /// Variables.
    pub environment: &'a Environment,
    /// Where what is read is added.
    pub sources: &'a mut SourceMap,
    /// Where problems go.
    pub report: &'a mut Report,
    /// What file names are shown relative to.
    pub working_directory: &'a Path,
    /// What paths are relative to that were not made absolute.
    pub directory: &'a Path,
}

/// One file of a service.
struct File {
    path: PathBuf,
    required: bool,
    format: Option<(String, Span)>,
    span: Span,
}

/// Gives variables without a value that of the project, if it has one.
pub fn inherit(root: &mut Node, environment: &Environment) {
    let services = root.entry_mut("services").and_then(Node::map_mut);
    for entry in services.into_iter().flat_map(|map| map.values_mut()) {
        let variables = entry.value.entry_mut("environment").and_then(Node::map_mut);
        for (name, entry) in variables.into_iter().flatten() {
            if let (true, Some(value)) = (entry.value.is_null(), environment.get(name)) {
                entry.value.value = Value::String(value.clone());
                let step = Step::Variables(vec![name.clone()], String::new());
                entry.value.history.add(step);
            }
        }
    }
}

/// Puts the variables of `env_file` and the labels of `label_file` below what the services that are on say themselves.
pub fn files(root: &mut Node, around: &mut Files<'_>) {
    let services = root.entry_mut("services").and_then(Node::map_mut);
    for (name, entry) in services.into_iter().flatten() {
        around.report.scope = Some(name.clone());
        let service = &mut entry.value;
        if let Some(files) = take(service, "env_file") {
            let own = service.get("environment").cloned();
            let lookup = |name: &str| own.as_ref()?.text_at(name).map(str::to_owned);
            let variables = around.variables(&files, &lookup);
            below(service, "environment", variables);
        }
        if let Some(files) = take(service, "label_file") {
            let labels = around.variables(&files, &|_| None);
            below(service, "labels", labels);
        }
    }
    around.report.scope = None;
}

fn take(service: &mut Node, key: &str) -> Option<Vec<File>> {
    let entry = service.map_mut()?.shift_remove(key)?;
    Some(entry.value.items().iter().filter_map(File::new).collect())
}

impl File {
    fn new(node: &Node) -> Option<Self> {
        let flag = |key: &str| node.get(key).map(|node| &node.value);
        let path = node.get("path").unwrap_or(node);
        Some(Self {
            path: PathBuf::from(path.as_str()?),
            required: flag("required") != Some(&Value::Bool(false)),
            format: node
                .get("format")
                .and_then(|node| Some((node.as_str()?.to_owned(), node.span))),
            span: path.span,
        })
    }
}

/// Variables of files with their places, below those that are written.
fn below(service: &mut Node, key: &str, variables: Vec<(String, String, Span)>) {
    if variables.is_empty() {
        return;
    }
    let mut map = Map::default();
    for (name, value, span) in variables {
        let value = Node::text(value, span);
        map.insert(name, Entry { key: span, value });
    }
    let own = service.entry_mut(key).and_then(Node::map_mut);
    map.extend(own.map(std::mem::take).into_iter().flatten());
    let span = service.get(key).map_or(service.span, |node| node.span);
    service.put(key, Node::new(Value::Map(Box::new(map)), span));
}

impl Files<'_> {
    fn variables(
        &mut self,
        files: &[File],
        own: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<(String, String, Span)> {
        let mut all = Variables::new();
        for file in files {
            self.read(file, own, &mut all);
        }
        let placed = |(name, it): (String, Variable)| (name, it.value, it.place);
        all.into_iter().map(placed).collect()
    }

    fn read(&mut self, file: &File, own: &dyn Fn(&str) -> Option<String>, into: &mut Variables) {
        let path = source::absolute(self.directory, &file.path);
        let name = source::display_name(self.working_directory, &path);
        let text = match source::read(&path) {
            Ok(text) => text,
            Err(error) if error.is_missing() && !file.required => return,
            Err(error) if error.is_missing() => {
                self.report
                    .error("missing-file", format!("there is no file `{name}`"))
                    .at(file.span)
                    .hint("create it, or write `{path: …, required: false}`");
                return;
            }
            Err(error) => {
                self.report
                    .error("unreadable-file", with_cause(&error))
                    .at(file.span);
                return;
            }
        };
        let lookup = |name: &str| self.environment.get(name).cloned().or_else(|| own(name));
        let index = self.sources.add(Source {
            name,
            directory: path.parent().unwrap_or(&path).to_owned(),
            text: text.as_str().into(),
            named: Some((file.span, "read here")),
        });
        match &file.format {
            None => dotenv::parse(&text, index, &lookup, into, self.report),
            Some((format, _)) if format == "raw" => {
                dotenv::parse_raw(&text, index, &lookup, into, self.report);
            }
            Some((format, span)) => {
                self.report
                    .error("invalid-value", format!("there is no format `{format}`"))
                    .at(*span)
                    .hint("write `raw`, or remove it");
            }
        }
    }
}

/// An error with its causes on one line.
pub fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_cause(cause)),
        None => error.to_string(),
    }
}
