//! What exists, as planning sees it; and for verbs without a file, what is wanted: what exists.

use super::container::{Container, Phase};
use super::control::HealthState;
use super::jobs::dependency;
use super::launch::Networking;
use super::project::Project;
use crate::compose::model;
use crate::id::Digest;
use crate::id::NetworkName;
use crate::id::ServiceName;
use crate::network::spec::NetworkSpec;
use crate::scheduler::desired::{Desired, DesiredNetwork, DesiredService, DesiredVolume};
use crate::scheduler::host::CONFIG_HASH;
use crate::scheduler::observed::{
    Health, Observed, ObservedContainer, ObservedNetwork, ObservedVolume, State,
};
use crate::state::ledger;
use crate::state::record::NetworkRecord;
use crate::volumes::named::Volume;
use indexmap::IndexMap;
use serde::de::IgnoredAny;

/// Everything of the project, and the external things `desired` names.
pub fn project(project: &Project, desired: &Desired) -> Observed {
    let record = project.record.borrow();
    let mut networks: Vec<ObservedNetwork> = record
        .networks
        .iter()
        .filter(|n| !n.external)
        .map(|n| ObservedNetwork {
            name: n.name.clone(),
            hash: Digest::new(n.hash.clone()).ok(),
            up: nix::net::if_::if_nametoindex(n.spec.bridge.as_str()).is_ok(),
        })
        .collect();
    for wanted in desired.networks.iter().filter(|n| n.external) {
        if let Some(found) = find_network(project, &wanted.name) {
            let up = nix::net::if_::if_nametoindex(found.spec.bridge.as_str()).is_ok();
            networks.push(ObservedNetwork {
                name: wanted.name.clone(),
                hash: None,
                up,
            });
        }
    }
    let mut volumes = own_volumes(project);
    // One of ours whose record was lost is as good as missing: to make it writes the record anew, and touches no data.
    let recorded =
        |name| matches!(project.volumes.get(name), Ok(v) if v.metadata.created.is_some());
    for DesiredVolume { name, external, .. } in &desired.volumes {
        let is_there = project.volumes.exists(name) && (*external || recorded(name));
        if is_there && !volumes.iter().any(|v| v.name == *name) {
            volumes.push(ObservedVolume {
                name: name.clone(),
                hash: None,
            });
        }
    }
    let containers = project.all().iter().filter_map(|c| container(c)).collect();
    Observed {
        networks,
        volumes,
        containers,
    }
}

/// Named volumes made for the project. They tell it themselves, since they outlive its record.
fn own_volumes(project: &Project) -> Vec<ObservedVolume> {
    let own = |volume: Volume| {
        let hash = volume.metadata.labels.get(CONFIG_HASH)?;
        let ours = volume.metadata.project.as_ref() == Some(&project.name);
        ours.then(|| ObservedVolume {
            name: volume.name,
            hash: Some(digest(hash)),
        })
    };
    let all = project.volumes.list().unwrap_or_default();
    all.into_iter().filter_map(own).collect()
}

fn container(container: &Container) -> Option<ObservedContainer> {
    let status = container.status.borrow();
    let record = &container.record;
    let networks = match &record.launch.network {
        Networking::Networks(members) => members.iter().map(|m| m.network.clone()).collect(),
        _ => Vec::new(),
    };
    Some(ObservedContainer {
        id: record.id.clone(),
        name: record.name.clone(),
        service: ServiceName::new(&record.service).ok()?,
        number: record.number,
        one_off: container.is_one_off(),
        config: record.config_hash.clone(),
        image: record.image_id.clone(),
        state: match status.phase {
            Phase::Created => State::Created,
            Phase::Starting | Phase::Running => State::Running,
            Phase::Paused => State::Paused,
            Phase::Restarting => State::Restarting,
            Phase::Exited => State::Exited {
                code: status.exit_code.unwrap_or(255),
            },
        },
        health: status.health.map(|health| match health {
            HealthState::Starting => Health::Starting,
            HealthState::Healthy => Health::Healthy,
            HealthState::Unhealthy => Health::Unhealthy,
        }),
        networks,
        volumes: record
            .launch
            .volumes
            .iter()
            .filter(|v| !v.anonymous)
            .map(|v| v.name.clone())
            .collect(),
        joined: record.launch.joined.clone(),
        apart: container.life.borrow().apart,
    })
}

/// What exists, as if it were wanted: for verbs that read no file. With `known`, containers of other services are
/// orphans.
pub fn desired(project: &Project, known: Option<&[ServiceName]>) -> Desired {
    let record = project.record.borrow();
    let mut services: IndexMap<ServiceName, DesiredService> = IndexMap::new();
    for container in project.all() {
        let Ok(name) = ServiceName::new(&container.record.service) else {
            continue;
        };
        if known.is_some_and(|known| !known.contains(&name)) {
            continue;
        }
        let service = services
            .entry(name.clone())
            .or_insert_with(|| service(project, name, &container));
        service.scale += u32::from(!container.is_one_off());
    }
    let present: Vec<ServiceName> = services.keys().cloned().collect();
    for service in services.values_mut() {
        service.depends_on.retain(|name, _| present.contains(name));
    }
    Desired {
        project: project.name.clone(),
        networks: record
            .networks
            .iter()
            .map(|n| DesiredNetwork {
                key: n.name.to_string(),
                name: n.name.clone(),
                external: n.external,
                hash: digest(&n.hash),
            })
            .collect(),
        volumes: own_volumes(project)
            .into_iter()
            .filter_map(|v| {
                Some(DesiredVolume {
                    key: v.name.to_string(),
                    name: v.name,
                    external: false,
                    hash: v.hash?,
                })
            })
            .collect(),
        services,
        disabled: Vec::new(),
    }
}

fn service(project: &Project, name: ServiceName, container: &Container) -> DesiredService {
    let record = &container.record;
    let depends =
        |d: &super::launch::DependsOn| Some((ServiceName::new(&d.service).ok()?, dependency(d)));
    DesiredService {
        name,
        scale: 0,
        container_name: None,
        separator: '-',
        config: record.config_hash.clone(),
        image: Some(record.image_id.clone()),
        has_healthcheck: record.launch.health.is_some(),
        networks: match &record.launch.network {
            Networking::Networks(members) => members.iter().map(|m| m.network.clone()).collect(),
            _ => Vec::new(),
        },
        volumes: record
            .launch
            .volumes
            .iter()
            .filter(|v| !v.anonymous)
            .map(|v| v.name.clone())
            .collect(),
        depends_on: record
            .launch
            .depends_on
            .iter()
            .filter_map(depends)
            .collect(),
        joins: project
            .all()
            .iter()
            .filter(|c| record.launch.joined.contains(&c.record.id))
            .filter_map(|c| ServiceName::new(&c.record.service).ok())
            .collect(),
        pre_start: Vec::new(),
        update: None,
        rollback: None,
        fixed: false,
    }
}

fn digest(text: &str) -> Digest {
    Digest::new(text).unwrap_or_else(|_| {
        Digest::new(format!("sha256:{}", "0".repeat(64))).expect("64 zeros are a digest")
    })
}

/// The records of the external networks that a project uses, as far as they exist.
pub fn external_networks(
    project: &Project,
    model: &model::Project,
) -> Vec<NetworkRecord<NetworkSpec>> {
    let external = model.networks.values().filter(|n| n.external);
    let record = |network: &model::Network| {
        let found = find_network(project, &network.name)?;
        Some(NetworkRecord {
            hash: String::new(),
            external: true,
            ..found
        })
    };
    external.filter_map(record).collect()
}

/// A network of any project of this installation.
fn find_network(project: &Project, name: &NetworkName) -> Option<NetworkRecord<NetworkSpec>> {
    all_networks(project).into_iter().find(|n| n.name == *name)
}

/// The networks of all projects of this installation, each with the project it belongs to.
pub fn all_networks(project: &Project) -> Vec<NetworkRecord<NetworkSpec>> {
    let mut found: Vec<_> = project.record.borrow().networks.clone();
    for other in project.installation.projects().unwrap_or_default() {
        let path = project.installation.project(&other).ledger();
        // One that cannot be read is its own project's trouble.
        let known = ledger::read::<NetworkSpec, IgnoredAny>(&path)
            .ok()
            .flatten();
        let record = known.and_then(|known| known.project);
        found.extend(record.into_iter().flat_map(|r| r.networks));
    }
    found.retain(|n| !n.external);
    found
}
