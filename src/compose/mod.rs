//! Text to model: from `compose.yaml` to a checked [`model::Project`].
//!
//! ```text
//! files ─source─▶ text ─yaml─▶ Node trees ─interpolation, include, extends, merge─▶ one tree ─parse─▶ Document
//!       ─profiles, normalize, validate─▶ model::Project ─render─▶ canonical text, YAML, JSON
//! ```
//!
//! Invariants: pure (files and environment come in through [`LoadOptions`] and `source`), the same input gives the same
//! project, and all problems are returned at once, each with its place.

mod canonical;
pub mod diagnostic;
mod discover;
mod dotenv;
mod draw;
mod extends;
pub mod fingerprint;
mod include;
mod interpolation;
mod load;
mod merge;
pub mod model;
mod normalize;
mod parse;
mod profiles;
pub mod render;
pub mod source;
mod tree;
mod validate;
mod yaml;

pub use diagnostic::Diagnostic;
pub use diagnostic::Diagnostics;
pub use diagnostic::Severity;
pub use source::SourceMap;

use crate::id::ProjectName;
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
    /// The environment of the caller.
    pub environment: BTreeMap<String, String>,
    /// Absolute.
    pub working_directory: PathBuf,
    /// Replace variables (otherwise they stay as they are written).
    pub interpolate: bool,
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
            environment,
            working_directory,
            interpolate: true,
        }
    }
}

/// A project, and what is worth saying about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The project.
    pub project: Project,
    /// Warnings, sorted by place.
    pub warnings: Vec<Diagnostic>,
    /// What their places point into.
    pub sources: SourceMap,
}

/// Loads a project from its files. All errors and warnings come back at once.
pub fn load(options: &LoadOptions) -> Result<Loaded, Diagnostics> {
    load::load(options)
}

/// The name alone, for commands that need no more: no variable and no `env_file` has to be there for it.
pub fn project_name(options: &LoadOptions) -> Result<ProjectName, Diagnostics> {
    load::project_name(options)
}

/// Reads the text of [`render::canonical`] back. No file and no variable is looked at.
pub fn load_canonical(text: &str) -> Result<Project, Diagnostics> {
    canonical::load(text)
}
