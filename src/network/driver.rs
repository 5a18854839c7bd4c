//! The door of the network layer: what a supervisor asks for.

use super::endpoint::Endpoint;
use super::error::Error;
use super::names;
use super::spec::AttachmentSpec;
use super::spec::NetworkSpec;
use super::spec::PublishedPort;
use crate::id::ContainerId;
use crate::id::NetworkName;
use std::net::Ipv4Addr;

/// What a sweep removed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Bridges and host ends of veths.
    pub links: Vec<String>,
    /// nftables tables.
    pub tables: Vec<String>,
    /// Rules of ours in chains of others (`DOCKER-USER`).
    pub foreign_rules: usize,
}

/// The network of one project. Synchronous; one per supervisor. Made on a thread in the host's network namespace; its
/// methods are called from threads there.
pub struct Driver {
    prefix: String,
}

impl Driver {
    /// Opens the sockets. `prefix` (see [`names::prefix`]) begins the name of every kernel object it will make.
    pub fn new(prefix: &str) -> Result<Self, Error> {
        Ok(Self {
            prefix: prefix.to_owned(),
        })
    }

    /// The name for the bridge of `network`, for [`NetworkSpec::bridge`].
    pub fn bridge_name(&self, network: &NetworkName) -> String {
        names::bridge(&self.prefix, network)
    }

    /// IPv4 subnets of the host's routes and addresses: what a new network must not overlap.
    pub fn used_subnets(&self) -> Result<Vec<(Ipv4Addr, u8)>, Error> {
        Ok(Vec::new())
    }

    /// Has `n` network namespaces made ready in the background.
    pub fn prepare(&self, _n: usize) {}

    /// Makes bridge, rules and sysctls of a network, or brings what exists of them into shape. Idempotent.
    pub fn create_network(&self, _network: &NetworkSpec) -> Result<(), Error> {
        Err(Error::FactoryGone)
    }

    /// Removes bridge and rules. Idempotent; refuses while the bridge has ports.
    pub fn remove_network(&self, _network: &NetworkSpec) -> Result<(), Error> {
        Err(Error::FactoryGone)
    }

    /// Makes the namespace of one container; see [`Self::attach_all`].
    pub fn attach(
        &self,
        attachment: &AttachmentSpec,
        networks: &[NetworkSpec],
    ) -> Result<Endpoint, Error> {
        self.attach_all(std::slice::from_ref(attachment), networks)
            .pop()
            .expect("one result for one attachment")
    }

    /// Makes the namespaces of many containers with few kernel messages: one result for each attachment, in order. A
    /// failed one leaves nothing behind and does not touch the others. `networks` holds at least those named by the
    /// attachments; they exist ([`Self::create_network`]).
    pub fn attach_all(
        &self,
        attachments: &[AttachmentSpec],
        _networks: &[NetworkSpec],
    ) -> Vec<Result<Endpoint, Error>> {
        attachments
            .iter()
            .map(|_| Err(Error::FactoryGone))
            .collect()
    }

    /// Takes back the published ports. Links and addresses go with the namespace, when its last process has ended
    /// and the last descriptor of the [`Endpoint`] is closed. Idempotent.
    pub fn detach(
        &self,
        _attachment: &AttachmentSpec,
        _ports: &[PublishedPort],
        _networks: &[NetworkSpec],
    ) -> Result<(), Error> {
        Ok(())
    }

    /// A namespace with only `lo` (`network_mode: none`).
    pub fn new_netns(&self) -> Result<Endpoint, Error> {
        Err(Error::FactoryGone)
    }

    /// Finds and removes everything with our prefix except what belongs to `networks` and `containers`: links,
    /// tables, port mappings, rules in `DOCKER-USER`. Needs no record.
    pub fn sweep(
        &self,
        _networks: &[NetworkSpec],
        _containers: &[ContainerId],
    ) -> Result<Swept, Error> {
        Ok(Swept::default())
    }
}
