//! What containers call each other.

use super::container::Container;
use super::launch::Networking;
use super::project::Project;
use crate::network::dns;
use crate::network::dns::Entry;
use crate::network::spec::InterfaceSpec;
use std::net::SocketAddr;

/// Port of every name server.
const PORT: u16 = 53;

/// All containers that have addresses now.
pub fn entries(project: &Project) -> Vec<Entry> {
    let all = project.all();
    all.iter()
        .filter_map(|container| entry(project, container))
        .collect()
}

fn entry(project: &Project, container: &Container) -> Option<Entry> {
    let endpoint = container.endpoint.borrow();
    let record = &container.record;
    let interfaces = &endpoint.as_ref()?.attachment.interfaces;
    let server = |ip: &std::net::IpAddr| SocketAddr::new(*ip, PORT);
    let launch = &record.launch;
    let services = launch.links.iter().map(|(alias, service)| (alias, service));
    let others = launch
        .external_links
        .iter()
        .map(|(name, alias)| (alias, name));
    Some(Entry {
        container: record.id.clone(),
        name: record.name.clone(),
        networks: interfaces
            .iter()
            .map(|interface| membership(project, container, interface))
            .collect(),
        links: services
            .chain(others)
            .map(|(alias, target)| (alias.clone(), vec![target.clone()]))
            .collect(),
        dns: launch.dns.servers.iter().map(server).collect(),
    })
}

fn membership(
    project: &Project,
    container: &Container,
    interface: &InterfaceSpec,
) -> dns::Membership {
    let record = &container.record;
    let mut names = vec![record.id.short().to_owned()];
    let apart = container.life.borrow().apart;
    if !apart {
        names.push(record.name.clone());
    }
    let of_service = !record.launch.nameless && !apart;
    if of_service {
        names.push(record.service.clone());
    }
    if let Networking::Networks(members) = &record.launch.network
        && of_service
    {
        let here = members.iter().filter(|m| m.network == interface.network);
        names.extend(here.flat_map(|m| m.aliases.iter().cloned()));
    }
    dns::Membership {
        network: interface.network.clone(),
        ipv4: interface.ipv4,
        ipv6: interface.ipv6,
        names,
        internal: project
            .network_spec(&interface.network)
            .is_some_and(|n| n.internal),
    }
}
