//! What shall exist: a project with its images, fingerprints and scales worked in.

mod resources;

use super::graph::Cycle;
use super::graph::Edges;
use super::graph::dependency_order;
use super::observed::ObservedContainer;
use super::pre_start;
use super::pre_start::PreStart;
use crate::compose::diagnostic::did_you_mean;
use crate::compose::model::Condition;
use crate::compose::model::Dependency;
use crate::compose::model::HealthTest;
use crate::compose::model::Mount;
use crate::compose::model::NamespaceOf;
use crate::compose::model::NetworkMode;
use crate::compose::model::Project;
use crate::compose::model::Service;
use crate::compose::model::ServiceNetwork;
use crate::compose::model::Update;
use crate::compose::model::VolumesOf;
use crate::id::Digest;
use crate::id::NetworkName;
use crate::id::ProjectName;
use crate::id::ServiceName;
use crate::id::VolumeName;
use indexmap::IndexMap;
use std::borrow::Cow;

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
    /// What stands between the words of a name that is not fixed: `-`, or `_` as the first docker-compose had it.
    pub separator: char,
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
    /// What runs to its end before they start.
    pub pre_start: Vec<PreStart>,
    /// How its containers are replaced; `None` = all at once.
    pub update: Option<Update>,
    /// How they go back when that fails.
    pub rollback: Option<Update>,
    /// It has a fixed address: an old container and a new one cannot run at once.
    pub fixed: bool,
}

/// A wish that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DesiredError {
    /// `--scale` of a service the project does not have.
    #[error("cannot scale `{name}`: no such service")]
    NoSuchService {
        /// As it was named.
        name: ServiceName,
        /// The service that was probably meant.
        similar: Option<ServiceName>,
    },
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
    #[error(transparent)]
    Cycle(#[from] Cycle),
}

impl DesiredError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSuchService { similar, .. } => similar
                .as_ref()
                .map(|name| format!("did you mean `{name}`?")),
            Self::FixedName { service, .. } => {
                Some(format!("remove `container_name` from `{service}`"))
            }
            Self::Cycle(_) => None,
        }
    }
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
        let unknown = scale
            .keys()
            .find(|name| !project.services.contains_key(*name));
        if let Some(name) = unknown {
            return Err(DesiredError::NoSuchService {
                name: name.clone(),
                similar: similar(name, project.services.keys()),
            });
        }
        let mut services = IndexMap::with_capacity(project.services.len());
        for (name, service) in &project.services {
            let config = fingerprint(service);
            let mut wanted = desired_service(project, service, images(&service.image), config);
            wanted.scale = scale.get(name).copied().unwrap_or(service.scale);
            services.insert(name.clone(), checked_name(wanted)?);
        }
        let networks = project.networks.iter();
        let volumes = project.volumes.iter();
        Ok(Self {
            project: project.name.clone(),
            networks: networks
                .map(|(key, n)| resources::network(key, n))
                .collect(),
            volumes: volumes.map(|(key, v)| resources::volume(key, v)).collect(),
            services: in_dependency_order(services)?,
            disabled: project.disabled.clone(),
        })
    }

    /// Itself, with dependencies before dependents. [`Desired::new`] gives it so; one put together by hand may not be.
    pub fn in_dependency_order(&self) -> Result<Cow<'_, Self>, Cycle> {
        let place = |name: &ServiceName| self.services.get_index_of(name);
        let follows = |(name, service): (&ServiceName, &DesiredService)| {
            service
                .depends_on
                .keys()
                .all(|dependency| place(dependency) < place(name))
        };
        if self.services.iter().all(follows) {
            return Ok(Cow::Borrowed(self));
        }
        let services = in_dependency_order(self.services.clone())?;
        Ok(Cow::Owned(Self {
            services,
            ..self.clone()
        }))
    }

    /// The service that somebody who wrote `name` probably meant.
    pub(super) fn similar(&self, name: &ServiceName) -> Option<ServiceName> {
        similar(name, self.services.keys().chain(&self.disabled))
    }

    /// For each service those it depends on.
    pub fn edges(&self) -> Edges {
        edges(&self.services)
    }
}

impl DesiredService {
    /// Whether `container` was made from the service as it is now.
    pub(super) fn made(&self, container: &ObservedContainer) -> bool {
        let other_image = self
            .image
            .as_ref()
            .is_some_and(|image| *image != container.image);
        self.config == container.config && !other_image
    }

    /// Name of its container number `number`.
    pub fn container_name(&self, project: &ProjectName, number: u32) -> String {
        let fixed = self.container_name.clone();
        let by = self.separator;
        fixed.unwrap_or_else(|| format!("{project}{by}{}{by}{number}", self.name))
    }
}

fn similar<'a>(
    name: &ServiceName,
    known: impl Iterator<Item = &'a ServiceName>,
) -> Option<ServiceName> {
    let similar = did_you_mean(name.as_str(), known.map(ServiceName::as_str))?;
    Some(ServiceName::new(similar).expect("it was a service's name"))
}

fn edges(services: &IndexMap<ServiceName, DesiredService>) -> Edges {
    let depends_on = |service: &DesiredService| service.depends_on.keys().cloned().collect();
    let pairs = services.iter();
    pairs
        .map(|(name, service)| (name.clone(), depends_on(service)))
        .collect()
}

fn in_dependency_order(
    mut services: IndexMap<ServiceName, DesiredService>,
) -> Result<IndexMap<ServiceName, DesiredService>, Cycle> {
    let order = dependency_order(&edges(&services))?;
    Ok(order
        .iter()
        .filter_map(|name| services.swap_remove_entry(name))
        .collect())
}

fn checked_name(service: DesiredService) -> Result<DesiredService, DesiredError> {
    match &service.container_name {
        Some(name) if service.scale > 1 => Err(DesiredError::FixedName {
            service: service.name,
            scale: service.scale,
            name: name.clone(),
        }),
        _ => Ok(service),
    }
}

fn desired_service(
    project: &Project,
    service: &Service,
    image: Option<ImageFacts>,
    config: Digest,
) -> DesiredService {
    let network = |key: &String| project.networks.get(key).map(|n| n.name.clone());
    let named = service.mounts.iter().filter_map(|mount| match mount {
        Mount::Volume(volume) => volume.source.as_ref(),
        _ => None,
    });
    let volume = |key: &String| project.volumes.get(key).map(|v| v.name.clone());
    let joins = joins(service);
    DesiredService {
        name: service.name.clone(),
        scale: service.scale,
        container_name: service.container_name.clone(),
        separator: '-',
        config,
        has_healthcheck: has_healthcheck(service, image.as_ref()),
        image: image.map(|facts| facts.id),
        networks: service.networks.keys().filter_map(network).collect(),
        volumes: named.filter_map(volume).collect(),
        depends_on: depends_on(project, service, &joins),
        joins,
        pre_start: pre_start::of(service),
        update: service.life.update.clone(),
        rollback: service.life.rollback.clone(),
        fixed: service.networks.values().any(is_fixed),
    }
}

fn is_fixed(place: &ServiceNetwork) -> bool {
    place.ipv4_address.is_some() || place.ipv6_address.is_some() || place.mac_address.is_some()
}

/// An image that is not here yet may bring a health check: planning gives it the benefit of the doubt.
fn has_healthcheck(service: &Service, image: Option<&ImageFacts>) -> bool {
    match service
        .healthcheck
        .as_ref()
        .and_then(|check| check.test.as_ref())
    {
        Some(HealthTest::Disabled) => false,
        Some(_) => true,
        None => image.is_none_or(|facts| facts.has_healthcheck),
    }
}

/// Services whose namespaces or volumes `service` shares.
fn joins(service: &Service) -> Vec<ServiceName> {
    let mut joins = Vec::new();
    if let NetworkMode::Service(other) = &service.network_mode {
        joins.push(other.clone());
    }
    for namespace in [&service.pid, &service.ipc].into_iter().flatten() {
        match namespace {
            NamespaceOf::Service(other) if !joins.contains(other) => joins.push(other.clone()),
            _ => {}
        }
    }
    for from in &service.volumes_from {
        match &from.source {
            VolumesOf::Service(other) if !joins.contains(other) => joins.push(other.clone()),
            _ => {}
        }
    }
    joins
}

/// What is written, and what namespaces and links imply (as compose-go adds it).
fn depends_on(
    project: &Project,
    service: &Service,
    joins: &[ServiceName],
) -> IndexMap<ServiceName, Dependency> {
    let implied = Dependency {
        condition: Condition::Started,
        required: true,
        restart: true,
    };
    let mut all = service.depends_on.clone();
    for other in joins
        .iter()
        .chain(service.links.iter().map(|(name, _)| name))
    {
        all.entry(other.clone()).or_insert_with(|| implied.clone());
    }
    all.retain(|name, _| project.services.contains_key(name));
    all
}
