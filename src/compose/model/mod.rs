//! What a project is, once its text is understood: canonical, validated, defaults filled in, paths absolute.
//!
//! Invariants: every name a service refers to exists in the project (or is external); `depends_on` has no cycle;
//! durations, sizes and ports are numbers, no longer text. The model is not `Serialize`: `compose::render` gives the
//! canonical text that leads back to it.

mod kernel;
mod life;
mod mounts;
mod native;
mod network;
mod resources;
mod service;

pub use kernel::{Blkio, DeviceRequest, Kernel};
pub use life::{Hook, Hooks, Life, Logging, OnFailure, Update, VolumesFrom, VolumesOf};
pub use mounts::{BindMount, FileMount, ImageMount, Mount, Recursion, TmpfsMount, VolumeMount};
pub use native::NativeTest;
pub use network::{Network, NetworkMode, PortMapping, Protocol, Publish, ServiceNetwork, Subnet};
pub use resources::{FileContent, FileObject, Limits, Ulimit, Volume};
pub use service::{
    Condition, Dependency, HealthTest, Healthcheck, NamespaceOf, Restart, RestartPolicy, Service,
    StringOrList,
};

use crate::id::ProjectName;
use crate::id::ServiceName;
use indexmap::IndexMap;
use std::path::PathBuf;

/// A whole project. Maps keep the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// `-p`, `COMPOSE_PROJECT_NAME`, `name:` or the folder's name, in this order.
    pub name: ProjectName,
    /// Absolute folder that relative paths resolve against.
    pub directory: PathBuf,
    /// Absolute compose files, in the order they were merged.
    pub files: Vec<PathBuf>,
    /// The services whose profiles are active.
    pub services: IndexMap<ServiceName, Service>,
    /// Names of services that the active profiles leave out.
    pub disabled: Vec<ServiceName>,
    /// Networks by key; only those in use.
    pub networks: IndexMap<String, Network>,
    /// Named volumes by key; only those in use.
    pub volumes: IndexMap<String, Volume>,
    /// Secrets by key; only those in use.
    pub secrets: IndexMap<String, FileObject>,
    /// Configs by key; only those in use.
    pub configs: IndexMap<String, FileObject>,
}
