//! The door of the network layer: what a supervisor asks for.

use super::attach;
use super::bridge;
use super::carrier;
use super::endpoint::Endpoint;
use super::endpoint::Published;
use super::error::Error;
use super::hand_on;
use super::hand_on::Former;
use super::names;
use super::netlink::Socket;
use super::netns::Pool;
use super::nftables::foreign;
use super::nftables::ruleset;
use super::remove;
use super::restore;
use super::spec::AttachmentSpec;
use super::spec::NetworkSpec;
use super::spec::PublishedPort;
use super::sublink;
use super::subnets;
use super::sweep;
use super::sweep::Swept;
use crate::id::ContainerId;
use crate::id::NetworkName;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// The network of one project. Synchronous; one per supervisor. Made on a thread in the host's network namespace; its
/// methods are called from threads there.
pub struct Driver {
    pub(super) prefix: String,
    pub(super) pool: Pool,
    route: Mutex<Socket>,
    netfilter: Mutex<Socket>,
}

impl Driver {
    /// Opens the sockets. `prefix` (see [`names::prefix`]) begins the name of every kernel object it will make.
    pub fn new(prefix: &str) -> Result<Self, Error> {
        let route = Socket::route().map_err(Error::system("open", "route socket"))?;
        let netfilter = Socket::netfilter().map_err(Error::system("open", "netfilter socket"))?;
        Ok(Self {
            prefix: prefix.to_owned(),
            pool: Pool::start()?,
            route: Mutex::new(route),
            netfilter: Mutex::new(netfilter),
        })
    }

    /// The name for the bridge of `network`, for [`NetworkSpec::bridge`].
    pub fn bridge_name(&self, network: &NetworkName) -> String {
        names::bridge(&self.prefix, network)
    }

    /// IPv4 subnets of the host's routes and addresses: what a new network must not overlap (`ipam`).
    pub fn used_subnets(&self) -> Result<Vec<(Ipv4Addr, u8)>, Error> {
        subnets::used(&mut self.route())
    }

    /// Has `n` network namespaces made ready in the background.
    pub fn prepare(&self, n: usize) {
        self.pool.prepare(n);
    }

    /// Makes bridge, rules and sysctls of a network, or brings what exists of them into shape. Idempotent. Sets
    /// `net.ipv4.ip_forward`, and with IPv6 `net.ipv6.conf.all.forwarding`, which stay set.
    pub fn create_network(&self, network: &NetworkSpec) -> Result<(), Error> {
        if !network.has_bridge() {
            return sublink::check_parent(&mut self.route(), network).map(drop);
        }
        if !network.bridge.starts_with(&self.prefix) {
            bridge::unless_foreign(&mut self.route(), network)?;
        }
        // Rules first: the bridge is never up without its isolation.
        ruleset::create(&mut self.netfilter(), network)?;
        bridge::create(&mut self.route(), network)?;
        foreign::admit(&mut self.netfilter(), &network.bridge)
    }

    /// Removes bridge and rules, with the links of containers that have `ended`. Idempotent. The kernel clears the
    /// namespaces of others away in its own time: waits for it up to 3 s, then refuses while the bridge still has ports.
    pub fn remove_network(
        &self,
        network: &NetworkSpec,
        ended: &[ContainerId],
    ) -> Result<(), Error> {
        if !network.has_bridge() {
            return Ok(());
        }
        remove::remove(self, network, ended)
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
        networks: &[NetworkSpec],
    ) -> Vec<Result<Endpoint, Error>> {
        attach::all(self, attachments, networks)
    }

    /// Takes back the published ports. Links and addresses go with the namespace, when its last process has ended
    /// and the last descriptor of the [`Endpoint`] is closed. Idempotent.
    pub fn detach(
        &self,
        attachment: &AttachmentSpec,
        ports: &[PublishedPort],
        networks: &[NetworkSpec],
    ) -> Result<(), Error> {
        let mappings = carrier::mappings(attachment, ports, networks);
        ruleset::withdraw(&mut self.netfilter(), &mappings)
    }

    /// Gives a running container the ports of its specification, those of them that `former` ones have with their sockets.
    /// What the former ones had besides is theirs no more.
    pub fn hand_on(
        &self,
        former: Vec<Former>,
        attachment: &AttachmentSpec,
        networks: &[NetworkSpec],
    ) -> Result<Published, Error> {
        hand_on::hand_on(self, former, attachment, networks)
    }

    /// Makes the sockets of a running container anew, all of whose holders were killed. A port that somebody has taken
    /// meanwhile is told, and no reason to fail: the kernel's mapping is still there.
    pub fn restore(
        &self,
        netns: std::os::fd::OwnedFd,
        attachment: &AttachmentSpec,
        ports: &[PublishedPort],
        networks: &[NetworkSpec],
    ) -> Result<(Endpoint, Vec<Error>), Error> {
        restore::restore(netns, attachment, ports, networks)
    }

    /// A namespace with only `lo` (`network_mode: none`).
    pub fn new_netns(&self) -> Result<Endpoint, Error> {
        let ready = self.pool.take()?;
        Ok(attach::endpoint(ready))
    }

    /// Finds and removes everything with our prefix except what belongs to `networks` and `containers`: links,
    /// tables, port mappings, rules in `DOCKER-USER`. Needs no record. Networks and containers of other projects are
    /// not touched.
    pub fn sweep(
        &self,
        networks: &[NetworkSpec],
        containers: &[ContainerId],
    ) -> Result<Swept, Error> {
        sweep::sweep(self, networks, containers)
    }

    pub(super) fn route(&self) -> MutexGuard<'_, Socket> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn netfilter(&self) -> MutexGuard<'_, Socket> {
        self.netfilter
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
