//! The pipeline, stage by stage.
//!
//! ```text
//! parse ▶ interpolate ▶ lengthen ▶ include ▶ extends ▶ merge      each document, into one tree
//! ▶ conform ▶ paths ▶ inherit ▶ normalize                         the tree
//! ▶ profiles ▶ env files ▶ consistency ▶ unused resources         what is on
//! ▶ canonical tree ▶ support, model                               what can run here
//! ```
//!
//! [`LoadOptions`] can leave stages out. Problems of services that nobody asked for become warnings.

use super::LoadOptions;
use super::Loaded;
use super::Resolved;
use super::canonical::Canonical;
use super::canonical::Written;
use super::conform::conform;
use super::conform::structure;
use super::consistency;
use super::diagnostic::Diagnostics;
use super::diagnostic::Report;
use super::discover;
use super::discover::Setup;
use super::environment;
use super::normalize;
use super::normalize::Environment;
use super::parse;
use super::paths::Folders;
use super::profiles;
use super::profiles::Disabled;
use super::profiles::Selection;
use super::schema::DOCUMENT;
use super::source;
use super::tree::Forest;
use super::tree::Named;
use super::tree::Scope;
use super::used;
use super::yaml::Node;
use crate::id::ProjectName;
use std::collections::HashSet;
use std::path::Path;
use std::path::PathBuf;

/// Loads a project; see [`super::load`].
pub fn load(options: &LoadOptions) -> Result<Loaded, Diagnostics> {
    let mut loader = Loader {
        forest: Forest::new(options),
    };
    let found = loader.canonical();
    let mut unrunnable = Report::default();
    let project = found.as_ref().map(|found| {
        let project = parse::project(&found.0, &mut unrunnable);
        loader.forest.judge(found, &mut unrunnable);
        project
    });
    let (Some((canonical, _)), Some(project)) = (found, project) else {
        return Err(loader.forest.refuse(unrunnable));
    };
    let (warnings, errors) = loader.forest.settle(unrunnable)?;
    Ok(Loaded {
        canonical,
        project,
        warnings,
        unrunnable: errors,
        sources: loader.forest.sources,
        origins: loader.forest.origins,
    })
}

/// Loads the canonical tree alone; see [`super::load_resolved`].
pub fn resolved(options: &LoadOptions) -> Result<Resolved, Diagnostics> {
    let mut loader = Loader {
        forest: Forest::new(options),
    };
    let found = loader.canonical();
    let mut unrunnable = Report::default();
    let Some(found) = found else {
        return Err(loader.forest.refuse(unrunnable));
    };
    loader.forest.judge(&found, &mut unrunnable);
    if loader.forest.report.has_errors() {
        // Who mends these wants to know of the others, too.
        parse::project(&found.0, &mut unrunnable);
        loader.forest.soften(&found, &mut unrunnable);
    }
    let (warnings, _) = loader.forest.settle(unrunnable)?;
    Ok(Resolved {
        canonical: found.0,
        warnings,
        sources: loader.forest.sources,
    })
}

/// Loads a project without replacing its variables; see [`super::load_written`].
pub fn written(options: &LoadOptions) -> Result<Written, Diagnostics> {
    let forest = Forest::new(options);
    let mut loader = Loader { forest };
    let tree = loader.tree();
    let Forest {
        sources, report, ..
    } = loader.forest;
    match tree {
        Some((root, ..)) if !report.has_errors() => Ok(Written {
            root,
            warnings: report.into_sorted(&sources),
            sources,
        }),
        _ => {
            let list = report.into_sorted(&sources);
            Err(Diagnostics { list, sources })
        }
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
    let list = report.into_sorted(&sources);
    name.ok_or(Diagnostics { list, sources })
}

/// A load under way.
pub(super) struct Loader<'a> {
    pub(super) forest: Forest<'a>,
}

impl Loader<'_> {
    /// The canonical tree, and the names of the services that are wanted; also if there are errors, as far as it goes.
    fn canonical(&mut self) -> Option<(Canonical, HashSet<String>)> {
        let (mut root, name, setup) = self.tree()?;
        let variables = self.forest.origins.environment.clone();
        let disabled = self.select(&mut root, &variables);
        let wanted = profiles::wanted(&root, &self.forest.options.services);
        if self.forest.options.narrow && !self.forest.options.services.is_empty() {
            profiles::narrow(&mut root, &wanted);
        }
        self.check(&mut root, &disabled, &setup.directory, &variables);
        if self.forest.budget.is_spent() {
            return None;
        }
        let variables = used::variables(&root, &variables);
        let canonical = Canonical {
            root,
            name,
            directory: setup.directory,
            files: setup.files,
            disabled: disabled.into_iter().map(|service| service.name).collect(),
            variables,
            interpolated: self.forest.options.interpolate,
        };
        Some((canonical, wanted))
    }

    /// The tree of all files, before anything is selected.
    fn tree(&mut self) -> Option<(Node, ProjectName, Setup)> {
        let limits = (&mut self.forest.report, &mut self.forest.budget);
        let setup = discover::find(self.forest.options, &mut self.forest.sources, limits)?;
        let documents = self.documents(&setup);
        if self.forest.report.has_errors() {
            return None;
        }
        let name = self.name(&setup, &documents)?;
        let mut variables = setup.environment.clone();
        variables.insert("COMPOSE_PROJECT_NAME".to_owned(), name.to_string());
        self.forest.origins.environment = variables.clone();
        self.forest.origins.files = setup.files_say.clone();
        let scope = Scope {
            environment: &variables,
            including: &setup.files,
        };
        let mut root = self.merged(documents, &scope)?;
        if self.forest.budget.is_spent() {
            return None;
        }
        self.complete(&mut root, &name, &setup.directory, &variables);
        Some((root, name, setup))
    }

    /// Reads and parses all files.
    pub(super) fn documents(&mut self, setup: &Setup) -> Vec<Node> {
        let mut documents = Vec::new();
        let named = match setup.given {
            true => Named::Given,
            false => Named::Found,
        };
        for file in &setup.files {
            let parsed = self.forest.parse(file, &setup.directory, named);
            documents.extend(parsed.unwrap_or_default());
        }
        documents
    }

    fn merged(&mut self, documents: Vec<Node>, scope: &Scope<'_>) -> Option<Node> {
        let merged = self.forest.merge(documents, scope);
        if merged.is_none() && !self.forest.report.has_errors() {
            let folder = &self.forest.options.working_directory;
            let name = |file: &PathBuf| source::display_name(folder, file);
            let names: Vec<String> = scope.including.iter().map(name).collect();
            let message = format!("there is nothing in `{}`", names.join("`, `"));
            self.forest
                .report
                .error("empty", message)
                .hint("begin with a service: `services: {web: {image: nginx}}`");
        }
        merged
    }

    /// The stages that look at the whole tree.
    fn complete(
        &mut self,
        root: &mut Node,
        name: &ProjectName,
        directory: &Path,
        variables: &Environment,
    ) {
        let Forest {
            options,
            sources,
            report,
            budget,
            ..
        } = &mut self.forest;
        obsolete(root, report);
        match options.interpolate {
            true => conform(root, &DOCUMENT, report),
            false => structure(root, &DOCUMENT, report),
        }
        let home = variables.get("HOME").map(String::as_str);
        let keep = (!options.resolve_paths).then_some(directory);
        let folders = Folders {
            sources,
            home,
            keep,
        };
        folders.resolve(root, &DOCUMENT);
        folders.resolve_special(root);
        if options.resolve_env && options.interpolate {
            environment::inherit(root, variables, (report, budget));
        }
        if options.interpolate || options.normalize {
            normalize::resources(root);
        }
        if options.normalize {
            normalize::normalize(root, name, variables);
        }
        if root.get("services").is_none() {
            root.put("services", Node::mapping(root.span, []));
        }
        self.put_name(root, name);
    }

    fn select(&mut self, root: &mut Node, variables: &Environment) -> Vec<Disabled> {
        let mut active = self.forest.options.profiles.clone();
        if active.is_empty()
            && let Some(list) = variables.get("COMPOSE_PROFILES")
        {
            active.extend(list.split(',').map(|profile| profile.trim().to_owned()));
        }
        let selection = Selection {
            profiles: active,
            services: &self.forest.options.services,
        };
        profiles::select(root, &selection, &mut self.forest.report)
    }

    /// The stages that look at the services that are on.
    fn check(
        &mut self,
        root: &mut Node,
        disabled: &[Disabled],
        directory: &Path,
        variables: &Environment,
    ) {
        let options = self.forest.options;
        if options.resolve_env {
            let mut around = environment::Files {
                environment: variables,
                sources: &mut self.forest.sources,
                report: &mut self.forest.report,
                budget: &mut self.forest.budget,
                working_directory: &options.working_directory,
                directory,
            };
            environment::files(root, &mut around);
        }
        if options.consistency {
            consistency::check(root, disabled, &mut self.forest.report);
        }
        if !options.all_resources {
            used::prune(root);
        }
    }
}

/// Takes out what has no meaning any more.
fn obsolete(root: &mut Node, report: &mut Report) {
    let version = root.map_mut().and_then(|map| map.shift_remove("version"));
    let Some(entry) = version else {
        return;
    };
    let value = &entry.value;
    if value.is_broken() {
        return;
    }
    if value.as_str().is_none() {
        let message = format!("`version` must be a text, not {}", value.kind());
        let hint = match value.scalar().filter(|_| !value.is_null()) {
            Some(number) => format!("remove it, or write it in quotes: `\"{number}\"`"),
            None => "remove it: it is obsolete".to_owned(),
        };
        report
            .error("wrong-type", message)
            .at(value.span)
            .hint(hint);
    } else {
        report
            .warning("obsolete", "`version` is obsolete and has no effect")
            .at(entry.value.span)
            .hint("remove it");
    }
}
