//! Where containers can be reached: addresses taken, given back, remembered for an adopter.

use super::container::{Container, EndpointRecord};
use super::launch::Networking;
use super::project::Project;
use crate::id::NetworkName;
use crate::network::spec::NetworkSpec;
use crate::runtime::LaunchFds;
use crate::scheduler::execute::HostError;
use crate::state::event::What;
use crate::state::record::NetworkRecord;
use crate::state::store;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

/// Name of the kept descriptors of a container's resolver sockets.
pub const DNS_UDP: &str = "dns_udp";
/// See [`DNS_UDP`].
pub const DNS_TCP: &str = "dns_tcp";

impl Project {
    /// All addresses on a network that are held by containers, reserved for them, or kept from them.
    pub fn addresses(&self, network: &NetworkRecord<NetworkSpec>) -> BTreeSet<IpAddr> {
        let mut taken: BTreeSet<IpAddr> = network.reserved.iter().copied().collect();
        for container in self.containers.borrow().values() {
            taken.extend(
                container
                    .endpoint
                    .borrow()
                    .iter()
                    .flat_map(|e| e.addresses_on(&network.name)),
            );
            if let Networking::Networks(members) = &container.record.launch.network {
                let member = members.iter().find(|m| m.network == network.name);
                taken.extend(member.and_then(|m| m.ipv4).map(IpAddr::V4));
                taken.extend(member.and_then(|m| m.ipv6).map(IpAddr::V6));
            }
        }
        if network.external {
            taken.extend(self.foreign_addresses(&network.name));
        }
        taken
    }

    /// Addresses that containers of other projects have on a network that is shared.
    fn foreign_addresses(&self, network: &NetworkName) -> Vec<IpAddr> {
        let mut taken = Vec::new();
        for project in self.installation.projects().unwrap_or_default() {
            let containers = self.installation.project(&project).run.join("c");
            for entry in std::fs::read_dir(containers)
                .into_iter()
                .flatten()
                .flatten()
            {
                let endpoint: Option<EndpointRecord> =
                    store::read(&entry.path().join("endpoint.json"))
                        .ok()
                        .flatten();
                taken.extend(endpoint.iter().flat_map(|e| e.addresses_on(network)));
            }
        }
        taken
    }

    /// Gives addresses and ports of a container back. Idempotent.
    pub fn release_endpoint(&self, container: &Container) {
        self.resolver.remove(&container.record.id);
        container.kept.take();
        let Some(endpoint) = container.endpoint.take() else {
            return;
        };
        let networks = self.networks();
        if !endpoint.ports.is_empty()
            && let Err(error) =
                self.network
                    .detach(&endpoint.attachment, &endpoint.ports, &networks)
        {
            let text = format!(
                "cannot take back the ports of container `{}`: {error}",
                container.record.name
            );
            self.event(container, What::Warning { text }, "");
        }
        let _ = std::fs::remove_file(endpoint_path(container));
        self.names_changed();
    }

    /// Remembers addresses and ports, also for an adopter.
    pub fn keep_endpoint(
        &self,
        container: &Container,
        endpoint: EndpointRecord,
    ) -> Result<(), HostError> {
        store::write(&endpoint_path(container), &endpoint).map_err(|e| {
            HostError::because(
                format!("cannot save the addresses of `{}`", container.record.name),
                e,
            )
        })?;
        container.endpoint.replace(Some(endpoint));
        self.names_changed();
        Ok(())
    }

    /// Takes over what a shim kept of a container's network.
    pub fn adopt_endpoint(&self, container: &Container, kept: LaunchFds) {
        let copy = |wanted: &str| {
            let (_, fd) = kept.keep.iter().find(|(name, _)| name == wanted)?;
            fd.try_clone().ok()
        };
        if let (Some(udp), Some(tcp)) = (copy(DNS_UDP), copy(DNS_TCP)) {
            self.resolver.serve(container.record.id.clone(), udp, tcp);
        }
        container.kept.replace(kept);
    }

    /// Reads an adopted container's addresses and ports back.
    pub fn recall_endpoint(&self, container: &Container) {
        container
            .endpoint
            .replace(store::read(&endpoint_path(container)).ok().flatten());
        self.names_changed();
    }
}

fn endpoint_path(container: &Container) -> PathBuf {
    container.paths.run.join("endpoint.json")
}
