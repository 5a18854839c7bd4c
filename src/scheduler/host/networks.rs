//! Networks of the project: addresses chosen, bridge made, record kept.

use super::options::Options;
use super::{RealHost, blocking};
use crate::compose::model;
use crate::id::NetworkName;
use crate::network::ipam::{self, Subnet};
use crate::network::spec::NetworkSpec;
use crate::scheduler::execute::HostError;
use crate::scheduler::supervisor::observe;
use crate::state::lock::Lock;
use crate::state::record::NetworkRecord;
use std::collections::BTreeMap;
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
        let _turn = self.network_turn.lock().await;
        let lock_path = self.project.installation.run.clone();
        let lock = blocking(move || Lock::take(&lock_path))
            .await
            .map_err(|e| failed(e.into()))?;
        let record = match known {
            Some(record) => {
                self.restored.borrow_mut().push(name.clone());
                record
            }
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

    /// Whether the network is older than this request.
    pub(super) fn is_restored(&self, name: &NetworkName) -> bool {
        self.restored.borrow().contains(name)
    }

    /// Removes a network; one that is not there is fine.
    pub(super) async fn remove_network(&self, name: &NetworkName) -> Result<(), HostError> {
        self.take_down_network(name).await?;
        self.project
            .record
            .borrow_mut()
            .networks
            .retain(|n| n.name != *name);
        self.project.save()
    }

    /// What the kernel has of it goes, what is known of it stays.
    pub(super) async fn take_down_network(&self, name: &NetworkName) -> Result<(), HostError> {
        if let Some(spec) = self.project.network_spec(name) {
            let driver = self.project.network.clone();
            let failed = |e| HostError::because(format!("cannot remove network `{name}`"), e);
            let ended = self.removed.borrow().clone();
            blocking(move || driver.remove_network(&spec, &ended))
                .await
                .map_err(failed)?;
        }
        Ok(())
    }

    fn free_subnet(&self) -> Result<(Ipv4Addr, u8), Box<dyn std::error::Error + Send + Sync>> {
        let used = self.project.network.used_subnets()?;
        Ok(ipam::free_subnet(&used)?)
    }

    /// Refuses a subnet of the user's that overlaps with a network of any project.
    fn unless_taken(&self, name: &NetworkName, wanted: (IpAddr, u8)) -> Result<(), HostError> {
        let range = |(ip, prefix): (IpAddr, u8)| Subnet::new(ip, prefix);
        let Some(mine) = range(wanted) else {
            return Ok(());
        };
        for other in observe::all_networks(&self.project) {
            let spec = &other.spec;
            let four = spec.subnet4.map(|(ip, prefix)| (IpAddr::V4(ip), prefix));
            let six = spec.subnet6.map(|(ip, prefix)| (IpAddr::V6(ip), prefix));
            let theirs = four.into_iter().chain(six).filter_map(range);
            let mut overlapping =
                theirs.filter(|their| other.name != *name && mine.overlaps(*their));
            if let Some(their) = overlapping.next() {
                return Err(HostError::new(format!(
                    "the subnet {mine} of network `{name}` overlaps with {their} of network `{}`",
                    other.name
                )));
            }
        }
        Ok(())
    }

    /// Chooses the addresses; the caller holds the lock that keeps other projects from choosing the same.
    fn choose(
        &self,
        key: &str,
        name: &NetworkName,
    ) -> Result<NetworkRecord<NetworkSpec>, HostError> {
        let missing = || HostError::new(format!("no such network: `{key}`"));
        let network = self.model()?.networks.get(key).ok_or_else(missing)?;
        let options = Options::of(network)?;
        let four = self.pool4(network)?;
        let six = self.pool6(network)?;
        if four.is_none() && six.is_none() {
            return Err(HostError::new(format!(
                "network `{name}` has neither IPv4 nor IPv6"
            )));
        }
        let own = || self.project.network.bridge_name(name);
        Ok(NetworkRecord {
            name: name.clone(),
            hash: self.hash(name.as_str()),
            external: false,
            range: wanted(network, IpAddr::is_ipv4).and_then(|w| w.ip_range),
            range6: wanted(network, IpAddr::is_ipv6).and_then(|w| w.ip_range),
            host_binding: options.host_binding,
            interface_prefix: options.interface_prefix,
            reserved: network
                .subnets
                .iter()
                .flat_map(|s| s.aux_addresses.values().copied())
                .collect(),
            labels: self.network_labels(key, network),
            spec: NetworkSpec {
                name: name.clone(),
                kind: options.kind,
                bridge: options.bridge.unwrap_or_else(own),
                subnet4: four.and_then(|pool| v4(pool.subnet)),
                gateway4: four.and_then(|pool| only4(pool.gateway)),
                subnet6: six.and_then(|pool| v6(pool.subnet)),
                gateway6: six.and_then(|pool| only6(pool.gateway)),
                internal: network.internal,
                mtu: options.mtu,
                unmasqueraded: options.unmasqueraded,
                isolated: options.isolated,
            },
        })
    }

    /// Those of the file, and whose it is, as docker compose says it.
    fn network_labels(&self, key: &str, network: &model::Network) -> BTreeMap<String, String> {
        let own = self.own_labels(("network", key), network.name.as_str());
        network.labels.clone().into_iter().chain(own).collect()
    }

    fn pool4(&self, network: &model::Network) -> Result<Option<Pool>, HostError> {
        if !network.enable_ipv4 {
            return Ok(None);
        }
        let wanted = wanted(network, IpAddr::is_ipv4);
        let subnet = match wanted.and_then(|w| w.subnet) {
            Some(subnet) => subnet,
            None => {
                let name = &network.name;
                let failed = |e| {
                    HostError::because(format!("cannot choose a subnet for network `{name}`"), e)
                };
                let (ip, prefix) = self.free_subnet().map_err(failed)?;
                (ip.into(), prefix)
            }
        };
        self.pool(network, subnet, wanted).map(Some)
    }

    fn pool6(&self, network: &model::Network) -> Result<Option<Pool>, HostError> {
        let wanted = wanted(network, IpAddr::is_ipv6);
        let subnet = match wanted.and_then(|w| w.subnet) {
            Some(subnet) => subnet,
            None if network.enable_ipv6 => {
                let own = self.project.network.bridge_name(&network.name);
                let (ip, prefix) = ipam::unique_local_subnet(own.as_bytes());
                (ip.into(), prefix)
            }
            None => return Ok(None),
        };
        self.pool(network, subnet, wanted).map(Some)
    }

    fn pool(
        &self,
        network: &model::Network,
        subnet: (IpAddr, u8),
        wanted: Option<&model::Subnet>,
    ) -> Result<Pool, HostError> {
        let name = &network.name;
        self.unless_taken(name, subnet)?;
        let range = Subnet::new(subnet.0, subnet.1);
        let outside = |what: &str, thing: String| {
            let (ip, prefix) = subnet;
            HostError::new(format!(
                "network `{name}`: {what} {thing} is not in its subnet {ip}/{prefix}"
            ))
        };
        let inside = |ip: IpAddr| range.is_some_and(|range| range.contains(ip));
        if let Some((ip, prefix)) = wanted
            .and_then(|w| w.ip_range)
            .filter(|(ip, _)| !inside(*ip))
        {
            return Err(outside("the `ip_range`", format!("{ip}/{prefix}")));
        }
        let aux = wanted.iter().flat_map(|w| w.aux_addresses.values());
        if let Some(ip) = aux.copied().find(|ip| !inside(*ip)) {
            return Err(outside("the auxiliary address", ip.to_string()));
        }
        let gateway = match wanted.and_then(|w| w.gateway) {
            Some(ip) if !inside(ip) => return Err(outside("the gateway", ip.to_string())),
            Some(ip) => ip,
            None => range.and_then(|range| range.nth(1)).ok_or_else(|| {
                HostError::new(format!(
                    "the subnet of network `{name}` is too small for a gateway"
                ))
            })?,
        };
        Ok(Pool { subnet, gateway })
    }
}

/// Addresses of one family.
#[derive(Clone, Copy)]
struct Pool {
    subnet: (IpAddr, u8),
    gateway: IpAddr,
}

/// What the file says about one family; a gateway or range without a subnet is taken to be of IPv4.
fn wanted(network: &model::Network, family: fn(&IpAddr) -> bool) -> Option<&model::Subnet> {
    let v4 = family(&IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let fits = |s: &&model::Subnet| s.subnet.map_or(v4, |(ip, _)| family(&ip));
    network.subnets.iter().find(fits)
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
