//! Compose files from registries, for whoever loads a project.

use crate::compose::{ArtifactError, Artifacts};
use crate::image::Name;
use crate::image::registry::{Client, Settings};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Registries as this environment knows them: logins, mirrors and certificates are looked up once something is fetched.
#[derive(Debug)]
pub struct Registries {
    environment: BTreeMap<String, String>,
}

impl Registries {
    /// With the variables of the caller.
    pub fn new(environment: BTreeMap<String, String>) -> Self {
        Self { environment }
    }
}

impl Artifacts for Registries {
    fn fetch(&self, reference: &str, cache: &Path) -> Result<PathBuf, ArtifactError> {
        let name = Name::parse(reference)?;
        let client = Client::new(Settings::from_environment(&self.environment)?);
        Ok(client.compose_file(&name, cache)?)
    }
}
