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
use super::merge;
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
use super::parse::Resource;
use super::profiles;
use super::profiles::Selection;
use super::source;
use super::source::Source;
use super::source::SourceMap;
use super::validate;
use super::yaml;
use super::yaml::Node;
use crate::id::ProjectName;
use crate::id::ServiceName;
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

/// Everything a load carries along.
struct Loader<'a> {
    options: &'a LoadOptions,
    sources: SourceMap,
    report: Report,
}

/// Loads a project; see [`super::load`].
pub fn load(options: &LoadOptions) -> Result<Loaded, Diagnostics> {
    let mut loader = Loader {
        options,
        sources: SourceMap::default(),
        report: Report::default(),
    };
    let project = loader.project();
    let Loader {
        sources, report, ..
    } = loader;
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
    let mut loader = Loader {
        options,
        sources: SourceMap::default(),
        report: Report::default(),
    };
    let name = loader.only_name();
    let Loader {
        sources, report, ..
    } = loader;
    let list = report.into_sorted();
    name.ok_or(Diagnostics { list, sources })
}

impl Loader<'_> {
    fn project(&mut self) -> Option<Project> {
        let setup = discover::find(self.options, &mut self.sources, &mut self.report)?;
        let documents = self.documents(&setup);
        if self.report.has_errors() {
            return None;
        }
        let name = self.name(&setup, &documents)?;
        let mut environment = setup.environment.clone();
        environment.insert("COMPOSE_PROJECT_NAME".to_owned(), name.to_string());
        let root = self.merged(documents, &environment)?;
        let mut document = self.parse(&root, &name, &environment);
        let disabled = self.select(&mut document, &environment);
        self.complete(&mut document, &name, &environment, &disabled);
        let names = Names {
            name,
            directory: setup.directory,
            files: setup.files,
            disabled,
        };
        Some(assemble(names, document, &environment, &mut self.report))
    }

    fn only_name(&mut self) -> Option<ProjectName> {
        // A broken `.env` must not stand in the way of taking a project down.
        let mut ignored = Report::default();
        let environment = &self.options.environment;
        let given = |name: &Option<&String>| name.is_some_and(|name| !name.is_empty());
        let explicit = self.options.project_name.as_ref();
        let explicit = explicit.or(environment.get("COMPOSE_PROJECT_NAME"));
        if given(&explicit) {
            return self.explicit_name(explicit.map(String::as_str).unwrap_or_default());
        }
        let setup = discover::find(self.options, &mut self.sources, &mut ignored);
        let Some(setup) = setup else {
            self.report = ignored;
            return None;
        };
        let documents = self.documents(&setup);
        if self.report.has_errors() {
            return None;
        }
        self.name(&setup, &documents)
    }

    /// Reads and parses all files.
    fn documents(&mut self, setup: &Setup) -> Vec<Node> {
        let mut documents = Vec::new();
        for file in &setup.files {
            let Some((name, text)) = self.read(file) else {
                continue;
            };
            let index = self.sources.add(Source {
                name,
                directory: setup.directory.clone(),
                text: text.as_str().into(),
            });
            documents.extend(yaml::parse(&text, index, &mut self.report));
        }
        documents
    }

    fn read(&mut self, file: &Path) -> Option<(String, String)> {
        let (name, text) = match file == Path::new("-") {
            true => {
                let bytes = self.options.stdin.clone().unwrap_or_default();
                ("-".to_owned(), source::decode("-", bytes))
            }
            false => (
                source::display_name(&self.options.working_directory, file),
                source::read(file),
            ),
        };
        match text {
            Ok(text) => Some((name, text)),
            Err(error) if error.is_missing() => {
                self.report
                    .error("missing-file", format!("there is no file `{name}`"));
                None
            }
            Err(error) => {
                self.report
                    .error("unreadable-file", normalize::with_cause(&error));
                None
            }
        }
    }

    fn name(&mut self, setup: &Setup, documents: &[Node]) -> Option<ProjectName> {
        let explicit = self.options.project_name.clone();
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
            self.report
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
                self.report.error("invalid-name", error.to_string());
            })
            .ok()
    }

    fn written_name(&mut self, node: &Node, environment: &Environment) -> Option<ProjectName> {
        let Some(text) = node.as_str() else {
            self.report
                .error("wrong-type", "`name` must be a text")
                .at(node.span);
            return None;
        };
        let lookup = |name: &str| environment.get(name).cloned();
        let text = match interpolation::substitute(text, &lookup) {
            Ok(done) => done.text,
            Err(problem) => {
                self.report
                    .error("invalid-variable", problem.kind.message())
                    .at(node.span)
                    .hint(problem.kind.hint());
                return None;
            }
        };
        ProjectName::new(discover::normalize_name(&text))
            .map_err(|_| {
                self.report
                    .error(
                        "invalid-name",
                        format!("no project name can be made of `{text}`"),
                    )
                    .at(node.span)
                    .hint("use lower-case letters, digits, `-` and `_`");
            })
            .ok()
    }

    /// Interpolates each document and merges it over those before.
    fn merged(&mut self, documents: Vec<Node>, environment: &Environment) -> Option<Node> {
        let lookup = |name: &str| environment.get(name).cloned();
        let mut merged: Option<Node> = None;
        for mut document in documents {
            if document.as_map().is_none() {
                let message = format!("a compose file must be a mapping, not {}", document.kind());
                self.report.error("wrong-type", message).at(document.span);
                continue;
            }
            if self.options.interpolate {
                interpolation::interpolate(&mut document, &lookup, &mut self.report);
            }
            merged = Some(match merged {
                Some(base) => merge::documents(base, document, &mut self.report),
                None => {
                    merge::settle(&mut document);
                    document
                }
            });
        }
        if merged.is_none() && !self.report.has_errors() {
            self.report
                .error("empty", "the compose file is empty")
                .hint("it needs at least `services:`");
        }
        merged
    }

    fn parse(&mut self, root: &Node, name: &ProjectName, environment: &Environment) -> Document {
        let home = environment.get("HOME").map(String::as_str);
        let mut cx = Context::new(&mut self.report, &self.sources, home, name);
        parse::parse(&mut cx, root)
    }

    fn select(&mut self, document: &mut Document, environment: &Environment) -> Vec<ServiceName> {
        let mut active = self.options.profiles.clone();
        if active.is_empty()
            && let Some(list) = environment.get("COMPOSE_PROFILES")
        {
            active.extend(list.split(',').map(|profile| profile.trim().to_owned()));
        }
        let selection = Selection {
            profiles: active,
            services: &self.options.services,
        };
        profiles::select(&mut document.services, &selection, &mut self.report)
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
            sources: &mut self.sources,
            report: &mut self.report,
            working_directory: &self.options.working_directory,
        };
        normalize::services(document, &mut around);
        validate::check(document, disabled, &mut self.report);
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

fn used<T>(all: IndexMap<String, Resource<T>>, names: &BTreeSet<String>) -> IndexMap<String, T> {
    all.into_iter()
        .filter(|(key, _)| names.contains(key))
        .map(|(key, resource)| (key, resource.value))
        .collect()
}

fn objects(
    all: IndexMap<String, Resource<(String, Origin)>>,
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
