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
    insecure: Vec<String>,
}

impl Registries {
    /// With the variables of the caller, and registries that may be asked in plain.
    pub fn new(environment: BTreeMap<String, String>, insecure: Vec<String>) -> Self {
        Self {
            environment,
            insecure,
        }
    }
}

impl Artifacts for Registries {
    fn fetch(&self, reference: &str, cache: &Path) -> Result<PathBuf, ArtifactError> {
        let name = Name::parse(reference)?;
        let mut settings = Settings::from_environment(&self.environment)?;
        for host in &self.insecure {
            settings.trust(host);
        }
        let client = Client::new(settings);
        Ok(client.compose_file(&name, cache)?)
    }
}
