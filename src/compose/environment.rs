//! The environment and the labels of services: `env_file`, `label_file`, and variables without a value.
//!
//! Invariants: what a service says itself wins over what its files say; only the files of services that are on are read.

use super::budget::Budget;
use super::diagnostic::Report;
use super::dotenv;
use super::dotenv::Variable;
use super::dotenv::Variables;
use super::normalize::Environment;
use super::source;
use super::source::Source;
use super::source::SourceMap;
use super::source::Span;
use super::unreadable::unreadable;
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
    /// How much may be read.
    pub budget: &'a mut Budget,
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
pub fn inherit(
    root: &mut Node,
    environment: &Environment,
    (report, budget): (&mut Report, &mut Budget),
) {
    let services = root.entry_mut("services").and_then(Node::map_mut);
    for entry in services.into_iter().flat_map(|map| map.values_mut()) {
        let variables = entry.value.entry_mut("environment").and_then(Node::map_mut);
        for (name, entry) in variables.into_iter().flatten() {
            if let (true, Some(value)) = (entry.value.is_null(), environment.get(name))
                && budget.take_text(value.len(), entry.key, report)
            {
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
            let lookup = |name: &str| own.as_ref()?.text_at(name);
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

/// Variables of files below those that are written.
fn below(service: &mut Node, key: &str, variables: Map) {
    if variables.is_empty() {
        return;
    }
    let mut map = variables;
    let own = service.entry_mut(key).and_then(Node::map_mut);
    for (name, mut entry) in own.map(std::mem::take).into_iter().flatten() {
        if let Some(old) = map.get_mut(&name) {
            let old = std::mem::replace(&mut old.value, Node::new(Value::Null, entry.key));
            entry.value.history.over(old.history, old.span);
        }
        map.insert(name, entry);
    }
    let span = service.get(key).map_or(service.span, |node| node.span);
    service.put(key, Node::new(Value::Map(Box::new(map)), span));
}

impl Files<'_> {
    fn variables<'o>(&mut self, files: &[File], own: &dyn Fn(&str) -> Option<&'o str>) -> Map {
        let (mut all, mut known) = (Variables::new(), 0);
        for file in files {
            if self.budget.is_spent() {
                break;
            }
            self.read(file, own, &mut all);
            let read = all.len() - known;
            known = all.len();
            self.budget.take(read, file.span, self.report);
        }
        let entry = |(name, variable)| (name, self.entry(variable));
        all.into_iter().map(entry).collect()
    }

    /// A variable of a file, with all places where it stands, and that of the name of the file.
    fn entry(&self, variable: Variable) -> Entry {
        let mut value = Node::text(variable.value, variable.place);
        for place in variable.before {
            value.history.add(Step::Over(place));
        }
        if let Some((named, _)) = self.sources.named(variable.place).next() {
            value.history.add(Step::File(named));
        }
        Entry {
            key: variable.place,
            value,
        }
    }

    fn read<'o>(
        &mut self,
        file: &File,
        own: &dyn Fn(&str) -> Option<&'o str>,
        into: &mut Variables,
    ) {
        let path = source::absolute(self.directory, &file.path);
        let name = source::display_name(self.working_directory, &path);
        let text = match source::read_given(&path) {
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
                let named = Some((file.span, "read here"));
                let (sources, report) = (&mut *self.sources, &mut *self.report);
                return unreadable(error, (&name, &path), named, sources, report);
            }
        };
        if !self.budget.take_text(text.len(), file.span, self.report) {
            return;
        }
        let environment = self.environment;
        let lookup = |name: &str| {
            environment
                .get(name)
                .map(String::as_str)
                .or_else(|| own(name))
        };
        let index = self.sources.add(Source {
            name,
            directory: path.parent().unwrap_or(&path).to_owned(),
            text: text.as_str().into(),
            named: Some((file.span, "read here")),
        });
        match &file.format {
            None => dotenv::parse(&text, index, &lookup, into, (self.report, self.budget)),
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
