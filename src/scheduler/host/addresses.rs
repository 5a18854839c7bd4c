//! Which addresses a container gets: those it asks for, else the first free ones.

use super::RealHost;
use super::networks::{only4, only6};
use crate::network::ipam::{Addresses, IpamError, Subnet};
use crate::network::spec::AttachmentSpec;
use crate::network::spec::InterfaceSpec;
use crate::network::spec::NetworkSpec;
use crate::scheduler::execute::HostError;
use crate::scheduler::supervisor::container::Container;
use crate::scheduler::supervisor::launch::Membership;
use crate::state::record::NetworkRecord;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

impl RealHost {
    pub(super) fn attachment(
        &self,
        container: &Container,
        members: &[Membership],
    ) -> Result<AttachmentSpec, HostError> {
        let networks: Vec<_> = members
            .iter()
            .map(|member| {
                let missing =
                    || HostError::new(format!("network `{}` does not exist", member.network));
                self.project
                    .network_record(&member.network)
                    .ok_or_else(missing)
            })
            .collect::<Result<_, _>>()?;
        let gateway = (0..members.len())
            .filter(|i| !networks[*i].spec.internal)
            .max_by_key(|i| (members[*i].gateway_priority, std::cmp::Reverse(*i)));
        let mut interfaces = Vec::new();
        for (index, (member, network)) in members.iter().zip(&networks).enumerate() {
            let (ipv4, ipv6) = self.addresses(container, member, network)?;
            let prefix = network.interface_prefix.as_deref().unwrap_or("eth");
            let name = member.interface.clone();
            interfaces.push(InterfaceSpec {
                network: member.network.clone(),
                name: name.unwrap_or_else(|| format!("{prefix}{index}")),
                ipv4,
                ipv6,
                link_local: member.link_local.clone(),
                mac: member.mac,
                default_route: gateway == Some(index),
            });
        }
        let attachment = AttachmentSpec {
            container: container.record.id.clone(),
            interfaces,
            ports: Vec::new(),
        };
        Ok(match container.life.borrow().apart {
            true => attachment,
            false => self.with_ports(container, attachment),
        })
    }

    /// The same, with the ports that the container publishes.
    pub(super) fn with_ports(
        &self,
        container: &Container,
        attachment: AttachmentSpec,
    ) -> AttachmentSpec {
        let gateway = attachment.interfaces.iter().find(|i| i.default_route);
        let network = gateway.and_then(|i| self.project.network_record(&i.network));
        let binding = network.and_then(|network| network.host_binding);
        let mut ports = container.record.launch.ports.clone();
        for port in &mut ports {
            port.host_ip = port.host_ip.or(binding);
        }
        AttachmentSpec {
            ports,
            ..attachment
        }
    }

    /// The addresses of one interface: those asked for, else the first free ones.
    fn addresses(
        &self,
        container: &Container,
        member: &Membership,
        network: &NetworkRecord<NetworkSpec>,
    ) -> Result<(Option<Ipv4Addr>, Option<Ipv6Addr>), HostError> {
        let name = &container.record.name;
        if let Some((address, holder)) = self.holder(container, member) {
            return Err(HostError::new(format!(
                "container `{name}` wants the address {address}, which container `{holder}` has"
            )));
        }
        let spec = &network.spec;
        let four = spec.subnet4.map(|(ip, prefix)| (IpAddr::V4(ip), prefix));
        let six = spec.subnet6.map(|(ip, prefix)| (IpAddr::V6(ip), prefix));
        unless_outside(container, network, member.ipv4.map(IpAddr::V4), four)?;
        unless_outside(container, network, member.ipv6.map(IpAddr::V6), six)?;
        let failed = |e: IpamError| {
            let network = &network.name;
            HostError::because(
                format!("container `{name}` gets no address on `{network}`"),
                e,
            )
        };
        let range = |of: Option<(IpAddr, u8)>| of.and_then(|(ip, prefix)| Subnet::new(ip, prefix));
        let pool4 = Addresses::of_network4(spec, range(network.range));
        let pool6 = Addresses::of_network6(spec, range(network.range6));
        let taken = self.project.addresses(network);
        let ipv4 = match member.ipv4 {
            Some(ip) => Some(ip),
            None => free(pool4, &taken).map_err(failed)?.and_then(only4),
        };
        let ipv6 = match member.ipv6 {
            Some(ip) => Some(ip),
            None => free(pool6, &taken).map_err(failed)?.and_then(only6),
        };
        Ok((ipv4, ipv6))
    }

    /// Which other container has an address now that this one asks for.
    fn holder(&self, container: &Container, member: &Membership) -> Option<(IpAddr, String)> {
        let wanted: Vec<IpAddr> = member
            .ipv4
            .map(IpAddr::V4)
            .into_iter()
            .chain(member.ipv6.map(IpAddr::V6))
            .collect();
        let others = self.project.all();
        let mut others = others
            .iter()
            .filter(|other| other.record.id != container.record.id);
        others.find_map(|other| {
            let endpoint = other.endpoint.borrow();
            let mut held = endpoint.as_ref()?.addresses_on(&member.network);
            let address = held.find(|ip| wanted.contains(ip))?;
            Some((address, other.record.name.clone()))
        })
    }
}

/// Refuses an address that its network does not have.
fn unless_outside(
    container: &Container,
    network: &NetworkRecord<NetworkSpec>,
    wanted: Option<IpAddr>,
    subnet: Option<(IpAddr, u8)>,
) -> Result<(), HostError> {
    let Some(ip) = wanted else {
        return Ok(());
    };
    let (container, network) = (&container.record.name, &network.name);
    let wants = format!("container `{container}` wants the address {ip}");
    let Some((base, prefix)) = subnet else {
        let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
        return Err(HostError::new(format!(
            "{wants}, but network `{network}` has no {family}"
        )));
    };
    if Subnet::new(base, prefix).is_none_or(|s| s.contains(ip)) {
        return Ok(());
    }
    Err(HostError::new(format!(
        "{wants}, which is not in the subnet {base}/{prefix} of network `{network}`"
    )))
}

/// The first address of a pool that is not taken; `None` without a pool.
fn free(pool: Option<Addresses>, taken: &BTreeSet<IpAddr>) -> Result<Option<IpAddr>, IpamError> {
    let Some(mut pool) = pool else {
        return Ok(None);
    };
    for address in taken {
        // One of the other family, or outside of a subnet that has changed since, is in nobody's way.
        let _ = pool.reserve(*address);
    }
    pool.allocate().map(Some)
}
