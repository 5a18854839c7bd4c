//! Text to model: from `compose.yaml` to a checked [`model::Project`].
//!
//! ```text
//! files ─source─▶ text ─yaml─▶ Node trees ─interpolation, lengthen, include, extends, merge─▶ one tree
//!       ─conform, paths, normalize, profiles, environment, consistency─▶ canonical tree
//!       ─render─▶ YAML, JSON        ─parse, support─▶ model::Project
//! ```
//!
//! The language itself is data: `schema` has a row for each attribute, and the stages follow it. `config` prints the
//! canonical tree, with attributes that nothing here honours yet; only what is to run is read into the model, and what
//! that cannot say is a problem of `up` ([`Loaded::runnable`]).
//!
//! Invariants: pure (files and environment come in through [`LoadOptions`] and `source`), the same input gives the same
//! project, and all problems are returned at once, each with its place.

mod advice;
mod budget;
pub mod canonical;
mod clash;
pub mod codes;
mod conform;
mod consistency;
pub mod diagnostic;
mod discover;
mod dotenv;
mod draw;
mod environment;
pub mod explain;
mod extends;
pub mod fingerprint;
#[doc(hidden)]
pub mod fuzzing;
mod include;
mod interpolation;
mod lengthen;
mod load;
mod lsp;
mod merge;
pub mod model;
mod naming;
mod normalize;
pub mod origins;
mod parse;
mod paths;
mod profiles;
pub mod publish;
mod remote;
pub mod render;
pub mod schema;
pub mod source;
mod support;
mod trail;
mod tree;
mod unreadable;
mod used;
mod variables;
mod verdict;
pub mod yaml;

pub use canonical::Canonical;
pub use canonical::Written;
pub use diagnostic::Diagnostic;
pub use diagnostic::Diagnostics;
pub use diagnostic::Severity;
pub use discover::variables_of_files;
pub use origins::Origins;
pub use parse::is_signal;
pub use parse::values::format_duration;
pub use remote::ArtifactError;
pub use remote::Artifacts;
pub use remote::Cache;
pub use source::SourceMap;
pub use variables::Variable;
pub use variables::variables;

use crate::id::ProjectName;
use crate::id::ServiceName;
use model::Project;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What to load, and the surroundings that count.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// `-f`, relative to `working_directory`; `-` = `stdin`. Empty: `COMPOSE_FILE`, or the usual names here and above.
    pub files: Vec<PathBuf>,
    /// The content of the standard input.
    pub stdin: Option<Vec<u8>>,
    /// `--project-directory`.
    pub project_directory: Option<PathBuf>,
    /// `-p`.
    pub project_name: Option<String>,
    /// `--env-file`. Empty: `COMPOSE_ENV_FILES`, or `.env`.
    pub env_files: Vec<PathBuf>,
    /// `--profile`. Empty: `COMPOSE_PROFILES`.
    pub profiles: Vec<String>,
    /// Services named on the command line: their profiles become active.
    pub services: Vec<String>,
    /// Leave out the services that are neither named nor needed by one that is, if any is named.
    pub narrow: bool,
    /// The environment of the caller.
    pub environment: BTreeMap<String, String>,
    /// Absolute.
    pub working_directory: PathBuf,
    /// Where files of git repositories are kept; `None` = they cannot be had.
    pub remote: Option<Cache>,
    /// Replace variables (otherwise they stay as they are written).
    pub interpolate: bool,
    /// Add what nobody writes but everybody means: default network, full names.
    pub normalize: bool,
    /// Make paths absolute.
    pub resolve_paths: bool,
    /// Check what must hold between the parts.
    pub consistency: bool,
    /// Keep resources that no service uses.
    pub all_resources: bool,
    /// Read `env_file` and `label_file`, and give variables without a value that of the project.
    pub resolve_env: bool,
}

impl LoadOptions {
    /// The plain case: what is found in `working_directory`, with variables of `environment`.
    pub fn new(working_directory: PathBuf, environment: BTreeMap<String, String>) -> Self {
        Self {
            files: Vec::new(),
            stdin: None,
            project_directory: None,
            project_name: None,
            env_files: Vec::new(),
            profiles: Vec::new(),
            services: Vec::new(),
            narrow: false,
            environment,
            working_directory,
            remote: None,
            interpolate: true,
            normalize: true,
            resolve_paths: true,
            consistency: true,
            all_resources: false,
            resolve_env: true,
        }
    }
}

/// A project, and what is worth saying about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The project as a tree: all that is written, in canonical form.
    pub canonical: Canonical,
    /// The project as the engine knows it.
    pub project: Project,
    /// Warnings, sorted by place.
    pub warnings: Vec<Diagnostic>,
    /// What is right in the language but cannot be done here: it stops `up`.
    pub unrunnable: Vec<Diagnostic>,
    /// What their places point into.
    pub sources: SourceMap,
    /// Where variables came from.
    pub origins: Origins,
}

impl Loaded {
    /// An error if the project says something that cannot be done here.
    pub fn runnable(&self) -> Result<(), Diagnostics> {
        if self.unrunnable.is_empty() {
            return Ok(());
        }
        Err(Diagnostics {
            list: self.unrunnable.clone(),
            sources: self.sources.clone(),
        })
    }

    /// Where a service names its image, as `file:line:column`.
    pub fn image_place(&self, service: &ServiceName) -> Option<String> {
        let image = self.attribute(service, "image")?;
        Some(self.sources.locate(image.span))
    }

    /// Whether the image of a service can be built from what the file says.
    pub fn is_buildable(&self, service: &ServiceName) -> bool {
        self.attribute(service, "build").is_some()
    }

    fn attribute(&self, service: &ServiceName, key: &str) -> Option<&yaml::Node> {
        let services = self.canonical.root.get("services")?;
        services.get(service.as_str())?.get(key)
    }
}

/// A project as a tree, and what is worth saying about it.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// All that is written, in canonical form.
    pub canonical: Canonical,
    /// Warnings, sorted by place.
    pub warnings: Vec<Diagnostic>,
    /// What their places point into.
    pub sources: SourceMap,
}

/// Loads a project from its files. All errors and warnings come back at once.
pub fn load(options: &LoadOptions) -> Result<Loaded, Diagnostics> {
    load::load(options)
}

/// Loads no more than the canonical tree, with all checks; the engine's view of it is not made.
pub fn load_resolved(options: &LoadOptions) -> Result<Resolved, Diagnostics> {
    load::resolved(options)
}

/// Loads the files as they are written, merged and in their places, with all variables still there.
pub fn load_written(options: &LoadOptions) -> Result<Written, Diagnostics> {
    let interpolate = false;
    load::written(&LoadOptions {
        interpolate,
        ..options.clone()
    })
}

/// The name alone, for commands that need no more: no variable and no `env_file` has to be there for it.
pub fn project_name(options: &LoadOptions) -> Result<ProjectName, Diagnostics> {
    load::project_name(options)
}

/// Reads the text of [`Canonical::text`] back, for `services` or for all of them. No file and no variable is looked at.
pub fn load_canonical(text: &str, services: &[String]) -> Result<Loaded, Diagnostics> {
    let canonical = Canonical::parse(text)?;
    let mut report = diagnostic::Report::default();
    let project = parse::project(&canonical, &mut report);
    let sources = SourceMap::default();
    // As the first load did, which knew what is used by whom from its places.
    let wanted = profiles::wanted(&canonical.root, services);
    report.soften(|problem| match &problem.service {
        Some(service) => !wanted.contains(service),
        None => !services.is_empty(),
    });
    if report.has_errors() {
        let list = report.into_sorted(&sources);
        return Err(Diagnostics { list, sources });
    }
    Ok(Loaded {
        canonical,
        project,
        warnings: Vec::new(),
        unrunnable: Vec::new(),
        sources,
        origins: Origins::default(),
    })
}
