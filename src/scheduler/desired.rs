//! What shall exist: a project with its images, fingerprints and scales worked in.

use crate::compose::model::Dependency;
use crate::compose::model::Project;
use crate::compose::model::Service;
use crate::id::Digest;
use crate::id::NetworkName;
use crate::id::ProjectName;
use crate::id::ServiceName;
use crate::id::VolumeName;
use indexmap::IndexMap;

/// What planning needs to know of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its id.
    pub id: Digest,
    /// Whether it brings a health check of its own.
    pub has_healthcheck: bool,
    /// Its `VOLUME` paths.
    pub volumes: Vec<String>,
}

/// Everything a project shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The project.
    pub project: ProjectName,
    /// Its networks.
    pub networks: Vec<DesiredNetwork>,
    /// Its named volumes.
    pub volumes: Vec<DesiredVolume>,
    /// Its services, dependencies before dependents.
    pub services: IndexMap<ServiceName, DesiredService>,
    /// Services the active profiles leave out: their containers are no orphans.
    pub disabled: Vec<ServiceName>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredNetwork {
    /// Key below `networks:`.
    pub key: String,
    /// Full name.
    pub name: NetworkName,
    /// Must exist already, is never made or removed.
    pub external: bool,
    /// Fingerprint of its configuration: kept with the network, compared at the next `up`.
    pub hash: Digest,
}

/// A named volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredVolume {
    /// Key below `volumes:`.
    pub key: String,
    /// Full name.
    pub name: VolumeName,
    /// Must exist already, is never made or removed.
    pub external: bool,
    /// Fingerprint of its configuration.
    pub hash: Digest,
}

/// A service: `scale` containers that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredService {
    /// Name.
    pub name: ServiceName,
    /// Number of containers.
    pub scale: u32,
    /// Fixed container name.
    pub container_name: Option<String>,
    /// Fingerprint of the service, without the image's id.
    pub config: Digest,
    /// Id of its image; `None` = the image is not here (yet), which is no reason to recreate.
    pub image: Option<Digest>,
    /// Whether its containers have a health check, their own or the image's.
    pub has_healthcheck: bool,
    /// Full names of its networks.
    pub networks: Vec<NetworkName>,
    /// Full names of the named volumes it mounts.
    pub volumes: Vec<VolumeName>,
    /// What it depends on, also implicitly (`links`, `network_mode: service:…`); only services of this project.
    pub depends_on: IndexMap<ServiceName, Dependency>,
    /// Services whose namespaces it shares: when they are recreated, so is it.
    pub joins: Vec<ServiceName>,
}

/// A wish that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DesiredError {
    /// `--scale` of a service the project does not have.
    #[error("cannot scale `{0}`: no such service")]
    NoSuchService(ServiceName),
    /// A fixed name fits one container only.
    #[error(
        "cannot scale `{service}` to {scale}: its `container_name` is `{name}`, and names are unique"
    )]
    FixedName {
        /// The service.
        service: ServiceName,
        /// The scale asked for.
        scale: u32,
        /// The fixed name.
        name: String,
    },
    /// Services that depend on each other.
    #[error("dependency cycle detected: {0}")]
    Cycle(String),
}

impl Desired {
    /// Works out what `project` wants. `images` knows the images that are here, `fingerprint` is
    /// `compose::fingerprint`, `scale` holds the `--scale` overrides.
    pub fn new(
        project: &Project,
        images: &dyn Fn(&str) -> Option<ImageFacts>,
        fingerprint: &dyn Fn(&Service) -> Digest,
        scale: &IndexMap<ServiceName, u32>,
    ) -> Result<Self, DesiredError> {
        let _ = (project, images, fingerprint, scale);
        unimplemented!()
    }
}
