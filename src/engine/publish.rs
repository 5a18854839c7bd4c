//! `publish`: the files of a project go to a registry, where `-f oci://…` and `include` find them.

use super::Error;
use crate::compose::publish::{File, Kind};
use crate::id::ImageRef;
use crate::image::registry::{Client, ProjectFile, ProjectFileKind, Pushed, Settings};
use crate::image::{Name, Reference};

/// What is published, where.
#[derive(Debug, Clone)]
pub struct Publish {
    /// `HOST/NAME[:TAG]`.
    pub repository: String,
    /// The files.
    pub files: Vec<File>,
    /// Without the type of artifacts, for registries that do not know it.
    pub plain: bool,
    /// The registry may be spoken to in plain.
    pub insecure: bool,
    /// What is configured about registries.
    pub settings: Settings,
}

/// Puts the files into the registry.
pub fn publish(request: Publish) -> Result<Pushed, Error> {
    let name = name(&request.repository)?;
    let files = request.files.into_iter().map(|file| ProjectFile {
        kind: match file.kind {
            Kind::Compose => ProjectFileKind::Compose,
            Kind::Extended => ProjectFileKind::Extended,
            Kind::Variables => ProjectFileKind::Variables,
        },
        name: file.name,
        bytes: file.text.into_bytes(),
    });
    let files: Vec<ProjectFile> = files.collect();
    let mut settings = request.settings;
    if request.insecure {
        settings.trust(name.domain());
    }
    let client = Client::new(settings);
    Ok(client.publish(&name, &files, request.plain)?)
}

fn name(repository: &str) -> Result<Name, crate::image::Error> {
    let invalid = |rule| crate::image::Error::Reference {
        text: repository.to_owned(),
        rule,
    };
    let text = repository.strip_prefix("oci://").unwrap_or(repository);
    let reference = ImageRef::new(text).map_err(|error| invalid(error.rule))?;
    match Reference::parse(&reference)? {
        Reference::Name(name) if name.digest().is_none() => Ok(name),
        _ => Err(invalid(
            "what is published has a name and a tag, and no digest",
        )),
    }
}
