//! The pipeline: files → trees → one tree → model.
//!
//! Each document is interpolated on its own, then merged over what came before; everything later works on the merged
//! tree, whose nodes still know their file.

use super::LoadOptions;
use super::Loaded;
use super::diagnostic::Diagnostics;
use super::diagnostic::Report;
use super::discover;
use super::discover::Setup;
use super::interpolation;
use super::model::FileObject;
use super::model::Mount;
use super::model::Project;
use super::normalize;
use super::normalize::Environment;
use super::normalize::Surroundings;
use super::parse;
use super::parse::Context;
use super::parse::Document;
use super::parse::Origin;
use super::parse::Section;
use super::profiles;
use super::profiles::Selection;
use super::tree::Forest;
use super::tree::Scope;
use super::validate;
use super::yaml::Node;
use crate::id::ProjectName;
use crate::id::ServiceName;
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Loads a project; see [`super::load`].
pub fn load(options: &LoadOptions) -> Result<Loaded, Diagnostics> {
    let forest = Forest::new(options);
    let mut loader = Loader { forest };
    let project = loader.project();
    let Forest {
        sources, report, ..
    } = loader.forest;
    let failed = report.has_errors();
    let list = report.into_sorted();
    match project {
        Some(project) if !failed => Ok(Loaded {
            project,
            warnings: list,
            sources,
        }),
        _ => Err(Diagnostics { list, sources }),
    }
}

/// Finds the name of the project; see [`super::project_name`].
pub fn project_name(options: &LoadOptions) -> Result<ProjectName, Diagnostics> {
    let forest = Forest::new(options);
    let mut loader = Loader { forest };
    let name = loader.only_name();
    let Forest {
        sources, report, ..
    } = loader.forest;
    let list = report.into_sorted();
    name.ok_or(Diagnostics { list, sources })
}

/// A load under way.
struct Loader<'a> {
    forest: Forest<'a>,
}

impl Loader<'_> {
    fn project(&mut self) -> Option<Project> {
        let setup = discover::find(
            self.forest.options,
            &mut self.forest.sources,
            &mut self.forest.report,
        )?;
        let documents = self.documents(&setup);
        if self.forest.report.has_errors() {
            return None;
        }
        let name = self.name(&setup, &documents)?;
        let mut environment = setup.environment.clone();
        environment.insert("COMPOSE_PROJECT_NAME".to_owned(), name.to_string());
        let scope = Scope {
            environment: &environment,
            including: &setup.files,
        };
        let root = self.merged(documents, &scope)?;
        let mut document = self.parse(&root, &name, &environment);
        let disabled = self.select(&mut document, &environment);
        self.complete(&mut document, &name, &environment, &disabled);
        let names = Names {
            name,
            directory: setup.directory,
            files: setup.files,
            disabled,
        };
        Some(assemble(
            names,
            document,
            &environment,
            &mut self.forest.report,
        ))
    }

    fn only_name(&mut self) -> Option<ProjectName> {
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

    /// Reads and parses all files.
    fn documents(&mut self, setup: &Setup) -> Vec<Node> {
        let mut documents = Vec::new();
        for file in &setup.files {
            let parsed = self.forest.parse(file, &setup.directory, None);
            documents.extend(parsed.unwrap_or_default());
        }
        documents
    }

    fn name(&mut self, setup: &Setup, documents: &[Node]) -> Option<ProjectName> {
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
            .directory
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
            Err(problem) => {
                self.forest
                    .report
                    .error("invalid-variable", problem.kind.message())
                    .at(node.span)
                    .hint(problem.kind.hint());
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

    fn merged(&mut self, documents: Vec<Node>, scope: &Scope<'_>) -> Option<Node> {
        let merged = self.forest.merge(documents, scope);
        if merged.is_none() && !self.forest.report.has_errors() {
            self.forest
                .report
                .error("empty", "the compose file is empty")
                .hint("it needs at least `services:`");
        }
        merged
    }

    fn parse(&mut self, root: &Node, name: &ProjectName, environment: &Environment) -> Document {
        let home = environment.get("HOME").map(String::as_str);
        let mut cx = Context::new(&mut self.forest.report, &self.forest.sources, home, name);
        parse::parse(&mut cx, root)
    }

    fn select(&mut self, document: &mut Document, environment: &Environment) -> Vec<ServiceName> {
        let mut active = self.forest.options.profiles.clone();
        if active.is_empty()
            && let Some(list) = environment.get("COMPOSE_PROFILES")
        {
            active.extend(list.split(',').map(|profile| profile.trim().to_owned()));
        }
        let selection = Selection {
            profiles: active,
            services: &self.forest.options.services,
        };
        profiles::select(
            &mut document.services.entries,
            &selection,
            &mut self.forest.report,
        )
    }

    fn complete(
        &mut self,
        document: &mut Document,
        name: &ProjectName,
        environment: &Environment,
        disabled: &[ServiceName],
    ) {
        let mut around = Surroundings {
            project: name,
            environment,
            sources: &mut self.forest.sources,
            report: &mut self.forest.report,
            working_directory: &self.forest.options.working_directory,
        };
        normalize::services(document, &mut around);
        validate::check(document, disabled, &mut self.forest.report);
    }
}

/// What a project is called and where it is.
pub struct Names {
    /// The name.
    pub name: ProjectName,
    /// Absolute.
    pub directory: PathBuf,
    /// Absolute.
    pub files: Vec<PathBuf>,
    /// Services that are off.
    pub disabled: Vec<ServiceName>,
}

/// Puts the parts together, without the resources that nobody uses.
pub fn assemble(
    names: Names,
    document: Document,
    environment: &Environment,
    report: &mut Report,
) -> Project {
    let services: IndexMap<_, _> = document
        .services
        .entries
        .into_values()
        .map(|draft| (draft.service.name.clone(), draft.service))
        .collect();
    let mut networks = BTreeSet::new();
    let mut volumes = BTreeSet::new();
    let mut secrets = BTreeSet::new();
    let mut configs = BTreeSet::new();
    for service in services.values() {
        networks.extend(service.networks.keys().cloned());
        secrets.extend(service.secrets.iter().map(|mount| mount.source.clone()));
        configs.extend(service.configs.iter().map(|mount| mount.source.clone()));
        volumes.extend(service.mounts.iter().filter_map(|mount| match mount {
            Mount::Volume(volume) => volume.source.clone(),
            _ => None,
        }));
    }
    Project {
        name: names.name,
        directory: names.directory,
        files: names.files,
        services,
        disabled: names.disabled,
        networks: used(document.networks, &networks),
        volumes: used(document.volumes, &volumes),
        secrets: objects(document.secrets, &secrets, environment, report),
        configs: objects(document.configs, &configs, environment, report),
    }
}

fn used<T>(all: Section<T>, names: &BTreeSet<String>) -> IndexMap<String, T> {
    let entries = all.entries.into_iter();
    entries.filter(|(key, _)| names.contains(key)).collect()
}

fn objects(
    all: Section<(String, Origin)>,
    names: &BTreeSet<String>,
    environment: &Environment,
    report: &mut Report,
) -> IndexMap<String, FileObject> {
    used(all, names)
        .into_iter()
        .filter_map(|(key, (name, origin))| {
            let object = normalize::file_object(name, origin, environment, report)?;
            Some((key, object))
        })
        .collect()
}
