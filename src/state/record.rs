//! What is on disk about a project and its containers. The one place where serde meets the state folder.

use crate::id::ContainerId;
use crate::id::Digest;
use crate::id::NetworkName;
use crate::id::ProjectName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// Version of the records this program writes; it reads all up to this one.
pub const VERSION: u32 = 1;

/// A project: what `down` needs to know without its file. `N` is the network layer's own specification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectRecord<N> {
    /// Version of this record.
    pub version: u32,
    /// Its name.
    pub name: ProjectName,
    /// Absolute folder of the compose file.
    pub directory: PathBuf,
    /// Absolute compose files.
    pub files: Vec<PathBuf>,
    /// Networks that exist for it.
    pub networks: Vec<NetworkRecord<N>>,
    /// Path prefix of its cgroups, below each hierarchy's root.
    pub cgroup: String,
    /// What containers were made from, by `config_hash`: to tell what has changed.
    #[serde(default)]
    pub made_from: BTreeMap<String, serde_json::Value>,
}

/// A network of a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkRecord<N> {
    /// Full name.
    pub name: NetworkName,
    /// Hash of its configuration, to see changes.
    pub hash: String,
    /// Made by somebody else.
    pub external: bool,
    /// Where addresses that nobody asked for come from, if not from the whole subnet.
    #[serde(default)]
    pub range: Option<(IpAddr, u8)>,
    /// The same of IPv6.
    #[serde(default)]
    pub range6: Option<(IpAddr, u8)>,
    /// Host address of ports that name none.
    #[serde(default)]
    pub host_binding: Option<IpAddr>,
    /// How interfaces on it are called, if not `eth`.
    #[serde(default)]
    pub interface_prefix: Option<String>,
    /// Addresses that are never given to containers.
    #[serde(default)]
    pub reserved: Vec<IpAddr>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Addresses and link.
    pub spec: N,
}

/// A container. `L` is all the scheduler needs to launch it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerRecord<L> {
    /// Version of this record.
    pub version: u32,
    /// Its identity.
    pub id: ContainerId,
    /// `project-service-1`.
    pub name: String,
    /// Its service.
    pub service: String,
    /// Replica number.
    pub number: u32,
    /// Image as written in the file.
    pub image: String,
    /// The image's identity.
    pub image_id: Digest,
    /// Hash of the service it was made from.
    pub config_hash: Digest,
    /// Nanoseconds since the epoch.
    pub created: i64,
    /// Labels, compose's own among them.
    pub labels: BTreeMap<String, String>,
    /// How to launch it.
    pub launch: L,
}

/// Whose log was kept when its container was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLogRecord {
    /// Version of this record.
    pub version: u32,
    /// Name of the container.
    pub name: String,
    /// Its service.
    pub service: String,
    /// Its number.
    pub number: u32,
    /// When it was made, nanoseconds since the epoch.
    pub created: i64,
}

/// `compose.lock`: which images a project runs on, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRecord {
    /// Version of this record.
    pub version: u32,
    /// By the name that services use.
    pub images: BTreeMap<String, LockedImage>,
    /// The OCI layout that has them all, relative to the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<PathBuf>,
}

/// A locked image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedImage {
    /// What registries know it by: of its index, if it is one.
    pub digest: Digest,
    /// Digests of its manifests by `os/architecture[/variant]`.
    pub platforms: BTreeMap<String, Digest>,
}

/// What changes in a container's life and must outlive the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LifeRecord {
    /// A user's command stopped it: `unless-stopped` stays down.
    pub stopped_by_user: bool,
    /// It was stopped for a shutdown of the machine, and is to run again after it.
    #[serde(default)]
    pub halted: bool,
    /// Nobody is sent to it yet, or any more: another container has the names and ports of its place.
    #[serde(default)]
    pub apart: bool,
    /// It ended with the machine, and no user was told yet.
    #[serde(default)]
    pub lost: bool,
    /// A command made it to start it, and has not come to that.
    #[serde(default)]
    pub meant: bool,
    /// Restarts without a long run between them, for the back-off.
    pub restarts: u32,
    /// Restarts since a user started it, for `on-failure:N`.
    #[serde(default)]
    pub attempts: u32,
    /// The boot this was written in.
    #[serde(default)]
    pub boot: String,
    /// It has ended and is to be started again.
    #[serde(default)]
    pub due: bool,
    /// When PID 1 was last started, nanoseconds since the epoch; 0 = never.
    pub started: i64,
    /// The last verdict of its health check.
    pub health: Option<String>,
    /// Exit code of the last run, once it has ended.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// It ended because its control group had no memory left.
    #[serde(default)]
    pub oom: bool,
    /// When that was, nanoseconds since the epoch; 0 = not yet.
    #[serde(default)]
    pub finished: i64,
}
