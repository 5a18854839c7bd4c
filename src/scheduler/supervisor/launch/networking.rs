//! How a service's containers are connected, and the kernel parameters that come with it.

use super::{Membership, Networking, Peer};
use crate::compose::model::NetworkMode;
use crate::compose::model::Project;
use crate::compose::model::Service;
use indexmap::IndexMap;
use std::net::IpAddr;

/// The networks in the order of attachment: larger priority first, then by name.
pub fn networking(project: &Project, service: &Service) -> Networking {
    let mut members: Vec<_> = match &service.network_mode {
        NetworkMode::None => return Networking::None,
        NetworkMode::Host => return Networking::Host,
        NetworkMode::Service(name) => return Networking::Of(Peer::Service(name.to_string())),
        NetworkMode::Container(name) => return Networking::Of(Peer::Container(name.clone())),
        NetworkMode::Networks => service.networks.iter().collect(),
    };
    members.sort_by_key(|(key, member)| (std::cmp::Reverse(member.priority), key.as_str()));
    let membership = |(key, member): (&String, &crate::compose::model::ServiceNetwork)| {
        let network = project.networks.get(key)?;
        Some(Membership {
            network: network.name.clone(),
            aliases: member.aliases.clone(),
            ipv4: member
                .ipv4_address
                .and_then(|a| if let IpAddr::V4(a) = a { Some(a) } else { None }),
            ipv6: member
                .ipv6_address
                .and_then(|a| if let IpAddr::V6(a) = a { Some(a) } else { None }),
            link_local: member.link_local_ips.clone(),
            sysctls: endpoint_sysctls(&member.driver_opts),
            mac: member.mac_address.as_deref().and_then(parse_mac),
            interface: member.interface_name.clone(),
            gateway_priority: member.gw_priority,
        })
    };
    let mut members: Vec<_> = members.into_iter().filter_map(membership).collect();
    if let (Some(first), Some(mac)) = (members.first_mut(), &service.mac_address) {
        first.mac = first.mac.or_else(|| parse_mac(mac));
    }
    Networking::Networks(members)
}

/// `com.docker.network.endpoint.sysctls: net.ipv4.conf.IFNAME.log_martians=1,…`
fn endpoint_sysctls(options: &IndexMap<String, String>) -> Vec<(String, String)> {
    let text = options.get("com.docker.network.endpoint.sysctls");
    let pairs = text.into_iter().flat_map(|text| text.split(','));
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        Some((key.trim().to_owned(), value.trim().to_owned()))
    };
    pairs.filter_map(pair).collect()
}

/// `aa:bb:cc:dd:ee:ff`, also with dashes.
fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Vec<u8> = text
        .split([':', '-'])
        .map(|b| u8::from_str_radix(b, 16))
        .collect::<Result<_, _>>()
        .ok()?;
    bytes.try_into().ok()
}

/// Kernel parameters: the service's, and those its endpoints bring with the name of their interface left open.
pub fn sysctls(service: &Service, networking: &Networking) -> Vec<(String, String)> {
    let own = service.sysctls.iter();
    let mut all: Vec<_> = own.map(|(k, v)| (k.clone(), v.clone())).collect();
    let Networking::Networks(members) = networking else {
        return all;
    };
    for (index, member) in members.iter().enumerate() {
        let name = member
            .interface
            .clone()
            .unwrap_or_else(|| format!("eth{index}"));
        for (key, value) in &member.sysctls {
            // With slashes: the name of an interface may have dots.
            let key = key.replace('.', "/").replace("IFNAME", &name);
            all.push((key, value.clone()));
        }
    }
    all
}
