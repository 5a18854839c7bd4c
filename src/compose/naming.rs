//! The name of the project: what is asked for, else what is written, else that of the folder.

use super::diagnostic::Report;
use super::discover;
use super::discover::Setup;
use super::interpolation;
use super::load::Loader;
use super::normalize::Environment;
use super::yaml::Node;
use crate::id::ProjectName;

impl Loader<'_> {
    /// The name, from as little as it takes.
    pub(super) fn only_name(&mut self) -> Option<ProjectName> {
        // A broken `.env` must not stand in the way of taking a project down.
        let mut ignored = Report::default();
        let environment = &self.forest.options.environment;
        let given = |name: &Option<&String>| name.is_some_and(|name| !name.is_empty());
        let explicit = self.forest.options.project_name.as_ref();
        let explicit = explicit.or(environment.get("COMPOSE_PROJECT_NAME"));
        if given(&explicit) {
            return self.explicit_name(explicit.map(String::as_str).unwrap_or_default());
        }
        let setup = discover::find(self.forest.options, &mut self.forest.sources, &mut ignored);
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
        let explicit = explicit.or_else(|| setup.environment.get("COMPOSE_PROJECT_NAME").cloned());
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
        let lookup = |name: &str| environment.get(name).cloned();
        let text = match interpolation::substitute(text, &lookup) {
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
