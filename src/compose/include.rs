//! `include`: other compose applications, loaded with their own folder and variables, under this one.
//!
//! Invariant: a file that includes itself, over however many others, is an error that shows the chain; including a file
//! twice side by side is fine.

use super::diagnostic::one_of_few;
use super::dotenv;
use super::dotenv::Variables;
use super::normalize::Environment;
use super::source;
use super::source::Source;
use super::source::Span;
use super::tree::Forest;
use super::tree::Named;
use super::tree::Scope;
use super::yaml::Map;
use super::yaml::Node;
use super::yaml::Step;
use super::yaml::Value;
use std::borrow::Cow;
use std::path::PathBuf;

/// Deepest nesting of files that include each other.
const MAX_DEPTH: usize = 100;

/// What one more file costs at least, in values: it is looked for, read and parsed.
const VALUES: usize = 100;

/// What is taken over from an included application.
const SECTIONS: [&str; 6] = [
    "services", "networks", "volumes", "secrets", "configs", "models",
];

/// A path, and where it is written.
type Placed = (PathBuf, Span);

/// One entry of `include`, paths absolute.
struct Include {
    paths: Vec<Placed>,
    directory: PathBuf,
    /// `None` = `.env` of the folder, if there is one.
    env_files: Option<Vec<Placed>>,
    span: Span,
}

impl Forest<'_> {
    /// Puts what `document` includes under it.
    pub fn include(&mut self, mut document: Node, scope: &Scope<'_>) -> Node {
        let Some(fields) = document.map_mut() else {
            return document;
        };
        let Some(entry) = fields.shift_remove("include") else {
            return document;
        };
        let items = match entry.value.value {
            Value::List(items) => items,
            Value::Null => return document,
            _ => {
                self.report
                    .error("wrong-type", "`include` must be a list")
                    .at(entry.value.span);
                return document;
            }
        };
        let mut base: Option<Node> = None;
        for item in items {
            if self.budget.is_spent() {
                break;
            }
            let Some(include) = self.parse_include(&item) else {
                continue;
            };
            let Some(tree) = self.included(&include, scope) else {
                continue;
            };
            base = Some(match base {
                Some(before) => self.over(before, tree),
                None => tree,
            });
        }
        match base {
            Some(base) => self.under(base, document),
            None => document,
        }
    }

    fn parse_include(&mut self, node: &Node) -> Option<Include> {
        let span = node.span;
        let known = self.report.len();
        let paths = match &node.value {
            Value::String(_) => self.paths(Some(node)),
            Value::Map(fields) => {
                self.check_include(fields);
                self.check_directory(node.get("project_directory"));
                self.paths(node.get("path"))
            }
            _ => Vec::new(),
        };
        let Some((first, _)) = paths.first() else {
            if self.report.len() > known {
                return None;
            }
            self.report
                .error("wrong-type", "an entry of `include` needs a path")
                .at(span)
                .hint("write `- FILE`, or `- {path: FILE}`");
            return None;
        };
        let directory = match self.paths(node.get("project_directory")).pop() {
            Some((directory, _)) => directory,
            None => first.parent().unwrap_or(first).to_owned(),
        };
        let env_files = node.get("env_file").filter(|files| !files.is_null());
        let env_files = env_files.map(|files| self.paths(Some(files)));
        Some(Include {
            paths,
            directory,
            env_files,
            span,
        })
    }

    fn check_include(&mut self, fields: &Map) {
        for (key, entry) in fields {
            let known = ["path", "project_directory", "env_file"];
            if !known.contains(&key.as_str()) && !key.starts_with("x-") {
                self.report
                    .error(
                        "unknown-attribute",
                        format!("unknown attribute `{key}` in `include`"),
                    )
                    .at(entry.key)
                    .hint(one_of_few(key, &known));
            }
        }
    }

    fn check_directory(&mut self, node: Option<&Node>) {
        if let Some(node) = node.filter(|node| matches!(node.value, Value::List(_))) {
            let message = "`project_directory` of `include` must be a text, not a list";
            self.report.error("wrong-type", message).at(node.span);
        }
    }

    /// A path or a list of paths.
    fn paths(&mut self, node: Option<&Node>) -> Vec<Placed> {
        let items: Vec<&Node> = match node.map(|node| (&node.value, node)) {
            Some((Value::List(items), _)) => items.iter().collect(),
            Some((Value::Null, _)) | None => Vec::new(),
            Some((_, node)) => vec![node],
        };
        let mut paths = Vec::new();
        for item in items {
            match item.as_str() {
                Some(path) => {
                    let path = self.locate(path, item.span);
                    paths.extend(path.map(|path| (path, item.span)));
                }
                None => {
                    let message = format!("a path must be a text, not {}", item.kind());
                    self.report.error("wrong-type", message).at(item.span);
                }
            }
        }
        paths
    }

    /// The tree of an included application, without its name.
    fn included(&mut self, include: &Include, scope: &Scope<'_>) -> Option<Node> {
        let (main, place) = include.paths.first()?.clone();
        if scope.including.contains(&main) || scope.including.len() > MAX_DEPTH {
            self.too_far(&main, place, scope);
            return None;
        }
        let environment = self.include_environment(include, scope.environment);
        let mut documents = Vec::new();
        for (path, place) in &include.paths {
            let named = Named::At(*place, "included here");
            if !self.budget.take(VALUES, *place, &mut self.report) {
                return None;
            }
            documents.extend(self.parse(path, &include.directory, named)?);
        }
        let including = [scope.including, &[main]].concat();
        let inner = Scope {
            environment: &environment,
            including: &including,
        };
        let mut tree = self.merge(documents, &inner)?;
        let fields = tree.map_mut()?;
        fields.retain(|key, _| SECTIONS.contains(&key.as_str()));
        for section in fields
            .values_mut()
            .filter_map(|entry| entry.value.map_mut())
        {
            for entry in section.values_mut() {
                entry.value.history.add(Step::Include(include.span));
            }
        }
        Some(tree)
    }

    /// Reports a chain of files that comes back to itself, or that is too long.
    fn too_far(&mut self, main: &PathBuf, place: Span, scope: &Scope<'_>) {
        if !scope.including.contains(main) {
            let message = format!("a chain of more than {MAX_DEPTH} files that include each other");
            self.report
                .error("include-cycle", message)
                .at(place)
                .hint("let the first of them include the others side by side");
            return;
        }
        let chain = scope.including.iter().chain([main]);
        let names = chain.map(|p| source::display_name(&self.options.working_directory, p));
        let names: Vec<String> = names.collect();
        let message = format!(
            "files include each other in a circle: {}",
            names.join(" → ")
        );
        self.report.error("include-cycle", message).at(place);
    }

    /// The variables of an included application: those of the including one win.
    fn include_environment<'e>(
        &mut self,
        include: &Include,
        outer: &'e Environment,
    ) -> Cow<'e, Environment> {
        let optional = include.env_files.is_none();
        let files = match &include.env_files {
            Some(files) => files.clone(),
            None => vec![(include.directory.join(".env"), include.span)],
        };
        let mut variables = Variables::new();
        for (file, place) in files {
            let name = source::display_name(&self.options.working_directory, &file);
            match source::read_given(&file) {
                Ok(text) => {
                    let index = self.sources.add(Source {
                        name,
                        directory: include.directory.clone(),
                        text: text.as_str().into(),
                        named: Some((place, "read here")),
                    });
                    let lookup = |name: &str| outer.get(name).map(String::as_str);
                    let limits = (&mut self.report, &mut self.budget);
                    dotenv::parse(&text, index, &lookup, &mut variables, limits);
                }
                Err(error) if optional && error.is_missing() => {}
                Err(error) => {
                    self.unreadable(error, (&name, &file), Some((place, "read here")));
                }
            }
        }
        let mut environment = Cow::Borrowed(outer);
        let bytes: usize = outer
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if variables.keys().any(|key| !outer.contains_key(key))
            && self.budget.take_text(bytes, include.span, &mut self.report)
        {
            let environment = environment.to_mut();
            for (key, variable) in &variables {
                let value = || variable.value.clone();
                environment.entry(key.clone()).or_insert_with(value);
            }
        }
        self.origins.included.push((include.span, variables));
        environment
    }
}
