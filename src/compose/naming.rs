//! The name of the project: what is asked for, else what is written, else that of the folder.

use super::diagnostic::Report;
use super::discover;
use super::discover::Setup;
use super::interpolation;
use super::load::Loader;
use super::normalize::Environment;
use super::source::Span;
use super::yaml::Node;
use super::yaml::Step;
use super::yaml::Value;
use crate::id::ProjectName;

/// The variable that gives the name.
const VARIABLE: &str = "COMPOSE_PROJECT_NAME";

/// What gives the name before a compose file may.
enum Given {
    /// The user, so.
    By(&'static str),
    /// The variable, in a `.env` file.
    In(Span),
}

impl Loader<'_> {
    /// The name, from as little as it takes.
    pub(super) fn only_name(&mut self) -> Option<ProjectName> {
        // A broken `.env` must not stand in the way of taking a project down.
        let mut ignored = Report::default();
        let environment = &self.forest.options.environment;
        let given = |name: &Option<&String>| name.is_some_and(|name| !name.is_empty());
        let explicit = self.forest.options.project_name.as_ref();
        let explicit = explicit.or(environment.get(VARIABLE));
        if given(&explicit) {
            return self.explicit_name(explicit.map(String::as_str).unwrap_or_default());
        }
        let limits = (&mut ignored, &mut self.forest.budget);
        let setup = discover::find(self.forest.options, &mut self.forest.sources, limits);
        let Some(setup) = setup else {
            self.forest.report = ignored;
            return None;
        };
        let documents = self.documents(&setup);
        if documents.is_empty() && self.forest.report.has_errors() {
            return None;
        }
        // What else is wrong with the file does not matter here.
        self.forest.report = Report::default();
        self.name(&setup, &documents)
    }

    /// The name of a project of these documents.
    pub(super) fn name(&mut self, setup: &Setup, documents: &[Node]) -> Option<ProjectName> {
        let explicit = self.forest.options.project_name.clone();
        let explicit = explicit.or_else(|| setup.environment.get(VARIABLE).cloned());
        if let Some(name) = explicit.filter(|name| !name.is_empty()) {
            return self.explicit_name(&name);
        }
        let written = documents
            .iter()
            .rev()
            .find_map(|document| document.get("name"));
        if let Some(node) = written.filter(|node| !node.is_null()) {
            return self.written_name(node, &setup.environment);
        }
        let folder = setup
            .namesake
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let name = ProjectName::new(discover::normalize_name(&folder));
        if name.is_err() {
            self.forest
                .report
                .error(
                    "no-name",
                    format!("no project name can be made of the folder `{folder}`"),
                )
                .hint("give one with `-p NAME`, or write `name: …` to the compose file");
        }
        name.ok()
    }

    /// Puts the name into the tree, with where it comes from.
    pub(super) fn put_name(&self, root: &mut Node, name: &ProjectName) {
        let options = self.forest.options;
        let written = root.get("name").cloned();
        if written.is_none() && !options.interpolate && !options.normalize {
            return;
        }
        let given = self.given_name();
        let mut node = match (&given, &written) {
            (Some(Given::In(place)), _) => Node::text("", *place),
            (None, Some(written)) => written.clone(),
            _ => Node::text("", root.span),
        };
        node.value = Value::String(name.to_string());
        match (&given, written) {
            (Some(_), Some(written)) => node.history.over(written.history, written.span),
            (None, None) => node.history.add(Step::Default),
            _ => {}
        }
        if let Some(Given::By(how)) = given {
            node.history.add(Step::Given(how));
        }
        root.put("name", node);
    }

    /// What gave the name, if no compose file did.
    fn given_name(&self) -> Option<Given> {
        let options = self.forest.options;
        if let Some(flag) = &options.project_name {
            return (!flag.is_empty()).then_some(Given::By("with `-p`"));
        }
        if let Some(variable) = self.forest.origins.files.get(VARIABLE) {
            return (!variable.value.is_empty()).then_some(Given::In(variable.place));
        }
        let outer = options.environment.get(VARIABLE)?;
        (!outer.is_empty()).then_some(Given::By("by `COMPOSE_PROJECT_NAME` in the environment"))
    }

    fn explicit_name(&mut self, name: &str) -> Option<ProjectName> {
        ProjectName::new(name)
            .map_err(|error| {
                self.forest.report.error("invalid-name", error.to_string());
            })
            .ok()
    }

    fn written_name(&mut self, node: &Node, environment: &Environment) -> Option<ProjectName> {
        let Some(text) = node.as_str() else {
            self.forest
                .report
                .error("wrong-type", "`name` must be a text")
                .at(node.span);
            return None;
        };
        let lookup = |name: &str| environment.get(name).map(String::as_str);
        let room = self.forest.budget.text();
        let text = match interpolation::substitute(text, &lookup, room) {
            Ok(done) => done.text,
            Err(refused) => {
                for problem in refused.problems {
                    let kind = problem.kind;
                    let told = self.forest.report.error(kind.code(), kind.message());
                    told.at(node.span).hint(kind.hint());
                }
                return None;
            }
        };
        ProjectName::new(discover::normalize_name(&text))
            .map_err(|_| {
                self.forest
                    .report
                    .error(
                        "invalid-name",
                        format!("no project name can be made of `{text}`"),
                    )
                    .at(node.span)
                    .hint("use lower-case letters, digits, `-` and `_`");
            })
            .ok()
    }
}
