//! Whose a host port is that cannot be published, in words a user knows: a container's name rather than its shim's pid.

use super::RealHost;
use crate::id::ContainerId;
use crate::id::ProjectName;
use crate::network::Error;
use crate::network::spec::PortSpec;
use crate::scheduler::supervisor::container::EndpointRecord;
use crate::state::ledger;
use crate::state::store;
use serde::de::IgnoredAny;
use std::net::IpAddr;

/// A port as the kernel sees it: `true` for TCP, the address (`None` = all), the number.
type Port = (bool, Option<IpAddr>, u16);

impl RealHost {
    /// The error with the container that has the port, if it is one of ours, in place of the process.
    pub(super) fn name_holder(&self, error: Error, asking: &ContainerId) -> Error {
        let Error::PortInUse {
            ip,
            port,
            proto,
            holder,
        } = error
        else {
            return error;
        };
        let wanted = (proto == "tcp", ip, port);
        let ours = self.sibling(wanted, asking);
        Error::PortInUse {
            ip,
            port,
            proto,
            holder: ours.or_else(|| self.stranger(wanted)).or(holder),
        }
    }

    /// A container of this project. It may not have said yet which ports it got, but what it asked for is known.
    fn sibling(&self, wanted: Port, asking: &ContainerId) -> Option<String> {
        let asks = |spec: &PortSpec| {
            let (first, last) = spec.host_ports;
            let may = (first..=last).contains(&wanted.2);
            may && overlap((spec.tcp, spec.host_ip, wanted.2), wanted)
        };
        let all = self.project.all();
        let found = all.iter().find(|container| {
            let ports = &container.record.launch.ports;
            container.record.id != *asking
                && container.endpoint.borrow().is_some()
                && ports.iter().any(asks)
        })?;
        Some(format!("container `{}`", found.record.name))
    }

    /// A container of another project.
    fn stranger(&self, wanted: Port) -> Option<String> {
        let projects = self.project.installation.projects().ok()?;
        let mut others = projects.iter().filter(|name| **name != self.project.name);
        others.find_map(|project| self.publisher(project, wanted))
    }

    fn publisher(&self, project: &ProjectName, wanted: Port) -> Option<String> {
        let paths = self.project.installation.project(project);
        let endpoints = std::fs::read_dir(paths.run.join("c")).ok()?;
        let endpoint = endpoints.flatten().find_map(|entry| {
            let known = store::read::<EndpointRecord>(&entry.path().join("endpoint.json"));
            known.ok().flatten().filter(|endpoint| {
                let mut ports = endpoint.ports.iter();
                ports.any(|p| overlap((p.tcp, p.host_ip, p.host_port), wanted))
            })
        })?;
        let known = ledger::read::<IgnoredAny, IgnoredAny>(&paths.ledger());
        let containers = known.ok().flatten()?.containers;
        let (container, _) = containers.get(&endpoint.attachment.container)?;
        let name = &container.name;
        Some(format!("container `{name}` of project `{project}`"))
    }
}

fn overlap(one: Port, other: Port) -> bool {
    let addresses = match (one.1, other.1) {
        (Some(one), Some(other)) => one == other || one.is_unspecified() || other.is_unspecified(),
        _ => true,
    };
    one.0 == other.0 && one.2 == other.2 && addresses
}
