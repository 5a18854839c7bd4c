//! What an installation has, read from its records: networks of all projects, volumes. No supervisor is asked.

use super::supervisor::launch::Launch;
use crate::id::NetworkName;
use crate::id::ProjectName;
use crate::id::VolumeName;
use crate::network::spec::NetworkSpec;
use crate::state::ledger;
use crate::state::paths::Paths;
use crate::state::record::ContainerRecord;
use crate::volumes::named::{self, Request, Volumes};
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

/// A network.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Full name.
    pub name: NetworkName,
    /// The project that it belongs to.
    pub project: ProjectName,
    /// Its bridge.
    pub bridge: String,
    /// No way out.
    pub internal: bool,
    /// Subnets, each with the bridge's address in it.
    pub subnets: Vec<((IpAddr, u8), IpAddr)>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Names of the containers that are members of it.
    pub containers: Vec<String>,
}

/// A volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// Its name.
    pub name: VolumeName,
    /// The project it was made for.
    pub project: Option<ProjectName>,
    /// Where its data is.
    pub path: PathBuf,
    /// When it was made, seconds since the epoch.
    pub created: Option<i64>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Nobody gave it a name.
    pub anonymous: bool,
    /// Names of the containers that mount it.
    pub containers: Vec<String>,
}

/// A volume that is to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewVolume {
    /// Options of the driver `local`.
    pub driver_opts: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

type Container = ContainerRecord<Launch>;

/// All networks, by name.
pub fn networks(paths: &Paths) -> io::Result<Vec<Network>> {
    let mut found = Vec::new();
    let containers = containers(paths)?;
    for project in paths.projects()? {
        // A ledger that cannot be read is its own project's trouble.
        let known = ledger::read::<NetworkSpec, IgnoredAny>(&paths.project(&project).ledger());
        let record = known.ok().flatten().and_then(|known| known.project);
        let networks = record.into_iter().flat_map(|r| r.networks);
        for network in networks.filter(|n| !n.external) {
            let spec = network.spec;
            let v4 = spec.subnet4.zip(spec.gateway4);
            let v4 =
                v4.map(|((net, bits), gateway)| ((IpAddr::V4(net), bits), IpAddr::V4(gateway)));
            let v6 = spec.subnet6.zip(spec.gateway6);
            let v6 =
                v6.map(|((net, bits), gateway)| ((IpAddr::V6(net), bits), IpAddr::V6(gateway)));
            let on_it = |c: &&Container| match &c.launch.network {
                super::supervisor::launch::Networking::Networks(members) => {
                    members.iter().any(|m| m.network == network.name)
                }
                _ => false,
            };
            found.push(Network {
                project: project.clone(),
                bridge: spec.bridge,
                internal: spec.internal,
                labels: network.labels,
                subnets: v4.into_iter().chain(v6).collect(),
                containers: names(containers.iter().filter(on_it)),
                name: network.name,
            });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// All volumes, by name.
pub fn volumes(paths: &Paths) -> Result<Vec<Volume>, named::Error> {
    let containers = containers(paths).unwrap_or_default();
    if !paths.root.join("volumes").exists() {
        return Ok(Vec::new());
    }
    let volume = |volume: named::Volume| {
        let mounts = |c: &&Container| c.launch.volumes.iter().any(|v| v.name == volume.name);
        let metadata = volume.metadata;
        Volume {
            containers: names(containers.iter().filter(mounts)),
            anonymous: metadata.labels.contains_key("com.docker.volume.anonymous"),
            project: metadata.project,
            path: volume.path,
            created: metadata.created.map(|time| time.as_second()),
            labels: metadata.labels,
            name: volume.name,
        }
    };
    let mut found: Vec<Volume> = Volumes::open(&paths.root)?
        .list()?
        .into_iter()
        .map(volume)
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Makes a volume that belongs to no project; whether it was not there before.
pub fn create_volume(
    paths: &Paths,
    name: &VolumeName,
    new: NewVolume,
) -> Result<bool, named::Error> {
    let request = Request {
        driver_opts: new.driver_opts,
        labels: new.labels,
        ..Request::default()
    };
    Volumes::open(&paths.root)?.create(name, &request)
}

/// Removes a volume and what is in it. Whether it is in use is for the caller to see.
pub fn remove_volume(paths: &Paths, name: &VolumeName) -> Result<(), named::Error> {
    Volumes::open(&paths.root)?.remove(name)
}

fn names<'a>(containers: impl Iterator<Item = &'a Container>) -> Vec<String> {
    containers.map(|c| c.name.clone()).collect()
}

/// The records of all containers of all projects.
fn containers(paths: &Paths) -> io::Result<Vec<Container>> {
    let mut all = Vec::new();
    for project in paths.projects()? {
        let known = ledger::read::<IgnoredAny, Launch>(&paths.project(&project).ledger());
        let known = known.ok().flatten().unwrap_or_default();
        all.extend(known.containers.into_values().map(|(record, _)| record));
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}
