//! Networks of the project: addresses chosen, bridge made, record kept.

use super::{RealHost, blocking};
use crate::compose::model;
use crate::id::NetworkName;
use crate::network::ipam::{self, Subnet};
use crate::network::spec::NetworkSpec;
use crate::scheduler::execute::HostError;
use crate::scheduler::supervisor::observe;
use crate::state::lock::Lock;
use crate::state::record::NetworkRecord;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

impl RealHost {
    /// Makes a network, or makes one whole again whose bridge is gone.
    pub(super) async fn create_network(
        &self,
        key: &str,
        name: &NetworkName,
    ) -> Result<(), HostError> {
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
            HostError::because(format!("cannot create network `{name}`"), e)
        };
        let driver = self.project.network.clone();
        let known = self.project.network_record(name);
        let lock_path = self.project.installation.run.clone();
        let lock = blocking(move || Lock::take(&lock_path))
            .await
            .map_err(|e| failed(e.into()))?;
        let record = match known {
            Some(record) => record,
            None => self.choose(key, name)?,
        };
        let made = record.spec.clone();
        blocking(move || driver.create_network(&made))
            .await
            .map_err(|e| failed(e.into()))?;
        drop(lock);
        let mut project = self.project.record.borrow_mut();
        project.networks.retain(|n| n.name != *name);
        project.networks.push(record);
        drop(project);
        self.project.save()
    }

    /// Removes a network; one that is not there is fine.
    pub(super) async fn remove_network(&self, name: &NetworkName) -> Result<(), HostError> {
        if let Some(spec) = self.project.network_spec(name) {
            let driver = self.project.network.clone();
            let failed = |e| HostError::because(format!("cannot remove network `{name}`"), e);
            blocking(move || driver.remove_network(&spec))
                .await
                .map_err(failed)?;
        }
        self.project
            .record
            .borrow_mut()
            .networks
            .retain(|n| n.name != *name);
        self.project.save()
    }

    fn free_subnet(&self) -> Result<(Ipv4Addr, u8), Box<dyn std::error::Error + Send + Sync>> {
        let used = self.project.network.used_subnets()?;
        Ok(ipam::free_subnet(&used)?)
    }

    /// Refuses a subnet of the user's that overlaps with a network of any project.
    fn unless_taken(
        &self,
        name: &NetworkName,
        wanted: (Ipv4Addr, u8),
    ) -> Result<(Ipv4Addr, u8), HostError> {
        let range = |(ip, prefix): (Ipv4Addr, u8)| Subnet::new(ip, prefix);
        let overlaps = |other: &NetworkRecord<NetworkSpec>| {
            other.name != *name
                && matches!((range(wanted), range(other.spec.subnet4)), (Some(a), Some(b)) if a.overlaps(b))
        };
        match observe::all_networks(&self.project)
            .into_iter()
            .find(overlaps)
        {
            None => Ok(wanted),
            Some(other) => Err(HostError::new(format!(
                "the subnet {}/{} of network `{name}` overlaps with {}/{} of network `{}`",
                wanted.0, wanted.1, other.spec.subnet4.0, other.spec.subnet4.1, other.name
            ))),
        }
    }

    /// Chooses the addresses; the caller holds the lock that keeps other projects from choosing the same.
    fn choose(
        &self,
        key: &str,
        name: &NetworkName,
    ) -> Result<NetworkRecord<NetworkSpec>, HostError> {
        let missing = || HostError::new(format!("no such network: `{key}`"));
        let network = self.model()?.networks.get(key).ok_or_else(missing)?;
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
            HostError::because(format!("cannot choose a subnet for network `{name}`"), e)
        };
        let wanted4 = wanted(network, |ip| ip.is_ipv4());
        let wanted6 = wanted(network, |ip| ip.is_ipv6());
        let subnet4 = match wanted4.and_then(|w| v4(w.subnet?)) {
            Some(subnet) => self.unless_taken(name, subnet)?,
            None => self.free_subnet().map_err(failed)?,
        };
        let subnet6 = match wanted6.and_then(|w| v6(w.subnet?)) {
            None if network.enable_ipv6 => Some(ipam::unique_local_subnet(
                self.project.network.bridge_name(name).as_bytes(),
            )),
            wanted => wanted,
        };
        let gateway4 = gateway((subnet4.0.into(), subnet4.1), wanted4);
        let gateway6 = subnet6.and_then(|(ip, prefix)| gateway((ip.into(), prefix), wanted6));
        let no_gateway = || {
            HostError::new(format!(
                "the subnet of network `{name}` is too small for a gateway"
            ))
        };
        Ok(NetworkRecord {
            name: name.clone(),
            hash: self.hash(name.as_str()),
            external: false,
            range: wanted4.and_then(|w| w.ip_range),
            reserved: network
                .subnets
                .iter()
                .flat_map(|s| s.aux_addresses.values().copied())
                .collect(),
            spec: NetworkSpec {
                name: name.clone(),
                bridge: self.project.network.bridge_name(name),
                subnet4,
                gateway4: gateway4.and_then(only4).ok_or_else(no_gateway)?,
                subnet6,
                gateway6: gateway6.and_then(only6),
                internal: network.internal,
                mtu: network
                    .driver_opts
                    .get("com.docker.network.driver.mtu")
                    .and_then(|m| m.parse().ok()),
            },
        })
    }
}

/// What the file says about one family; a gateway or range without a subnet is taken to be of IPv4.
fn wanted(network: &model::Network, family: fn(&IpAddr) -> bool) -> Option<&model::Subnet> {
    let v4 = family(&IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let fits = |s: &&model::Subnet| s.subnet.map_or(v4, |(ip, _)| family(&ip));
    network.subnets.iter().find(fits)
}

/// The gateway the file wants, else the first address.
fn gateway(subnet: (IpAddr, u8), wanted: Option<&model::Subnet>) -> Option<IpAddr> {
    wanted
        .and_then(|w| w.gateway)
        .or_else(|| Subnet::new(subnet.0, subnet.1)?.nth(1))
}

fn v4((ip, prefix): (IpAddr, u8)) -> Option<(Ipv4Addr, u8)> {
    only4(ip).map(|ip| (ip, prefix))
}

fn v6((ip, prefix): (IpAddr, u8)) -> Option<(Ipv6Addr, u8)> {
    only6(ip).map(|ip| (ip, prefix))
}

pub(super) fn only4(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    }
}

pub(super) fn only6(ip: IpAddr) -> Option<Ipv6Addr> {
    match ip {
        IpAddr::V6(ip) => Some(ip),
        IpAddr::V4(_) => None,
    }
}
