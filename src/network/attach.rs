//! Joining containers to their networks: many at once, each by itself in success and failure.
//!
//! Order: reserve the ports, take a namespace, make the links (one batch for all), set addresses inside, map the ports
//! (one transaction for all). Undoing is dropping: ports go with their sockets, links with the namespace.

use super::bridge;
use super::carrier::carrier;
use super::carrier::mappings_of;
use super::carrier::member;
use super::carrier::reachable;
use super::carrier::sort;
use super::driver::Driver;
use super::endpoint::Endpoint;
use super::endpoint::Published;
use super::error::Error;
use super::names;
use super::netlink::Batch;
use super::netlink::Socket;
use super::netns::Ready;
use super::nftables::ruleset;
use super::nftables::ruleset::Mapping;
use super::publish;
use super::publish::Reservation;
use super::settle;
use super::spec::AttachmentSpec;
use super::spec::InterfaceSpec;
use super::spec::NetworkSpec;
use super::spec::PublishedPort;
use super::sublink;
use super::sysctl;
use super::veth;
use super::veth::Membership;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::os::fd::AsRawFd;
use std::time::Duration;
use std::time::Instant;

/// A container on its way to an [`Endpoint`].
struct Joining<'a> {
    attachment: &'a AttachmentSpec,
    members: Vec<Membership<'a>>,
    reservations: Vec<Reservation>,
    ready: Ready,
    /// IPv6 addresses inside, each with the index of its link.
    ipv6: Vec<(u32, Ipv6Addr)>,
    /// A link of an earlier run has not quite gone.
    name_taken: bool,
}

const LINKS: &str = "make links of container";
/// How long the kernel may take to clear an earlier run's links away.
const CLEARING: Duration = Duration::from_secs(3);
const CLEARING_STEP: Duration = Duration::from_millis(1);

impl<'a> Joining<'a> {
    fn start(
        driver: &Driver,
        attachment: &'a AttachmentSpec,
        networks: &'a [NetworkSpec],
    ) -> Result<Self, Error> {
        let members = memberships(attachment, networks)?;
        let carrier = carrier(&members);
        let wanted = attachment
            .ports
            .iter()
            .filter_map(|spec| reachable(spec, carrier?.interface));
        let reservations = wanted
            .map(|spec| publish::reserve(&spec))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            attachment,
            members,
            reservations,
            ready: driver.pool.take()?,
            ipv6: Vec::new(),
            name_taken: false,
        })
    }

    fn ports(&self) -> Vec<PublishedPort> {
        self.reservations
            .iter()
            .map(|reservation| reservation.port.clone())
            .collect()
    }

    fn mappings(&self) -> Vec<Mapping> {
        let ports = self.ports();
        mappings_of(self.attachment, &ports, carrier(&self.members))
    }

    fn finish(self) -> Endpoint {
        let mut endpoint = endpoint(self.ready);
        if let Some(carrier) = carrier(&self.members) {
            endpoint.published = sort(self.reservations, carrier.interface);
        }
        endpoint
    }
}

/// See [`Driver::attach_all`].
pub(super) fn all(
    driver: &Driver,
    attachments: &[AttachmentSpec],
    networks: &[NetworkSpec],
) -> Vec<Result<Endpoint, Error>> {
    driver.pool.prepare(attachments.len());
    let mut joining: Vec<Result<Joining<'_>, Error>> = attachments
        .iter()
        .map(|attachment| Joining::start(driver, attachment, networks))
        .collect();
    make_links(driver, &mut joining);
    try_names_again(driver, &mut joining);
    for slot in &mut joining {
        attempt(slot, |joining| {
            let container = joining.attachment.container.short();
            let route = &mut joining.ready.route;
            joining.ipv6 = veth::configure(route, &joining.members, container)?;
            Ok(())
        });
    }
    map_ports(driver, &mut joining);
    settle(driver, &mut joining);
    joining
        .into_iter()
        .map(|slot| slot.map(Joining::finish))
        .collect()
}

/// An endpoint without ports.
pub(super) fn endpoint(ready: Ready) -> Endpoint {
    Endpoint {
        netns: ready.netns,
        dns_udp: ready.dns_udp,
        dns_tcp: ready.dns_tcp,
        published: Published::default(),
    }
}

fn memberships<'a>(
    attachment: &'a AttachmentSpec,
    networks: &'a [NetworkSpec],
) -> Result<Vec<Membership<'a>>, Error> {
    let find = |interface: &'a InterfaceSpec| {
        member(interface, networks).ok_or_else(|| Error::UnknownNetwork {
            name: interface.network.to_string(),
            container: attachment.container.short().to_owned(),
        })
    };
    attachment.interfaces.iter().map(find).collect()
}

/// Does a step for a container that has not failed yet.
fn attempt<'a>(
    slot: &mut Result<Joining<'a>, Error>,
    step: impl FnOnce(&mut Joining<'a>) -> Result<(), Error>,
) {
    if let Ok(joining) = slot
        && let Err(error) = step(joining)
    {
        *slot = Err(error);
    }
}

/// Makes all links of all containers in one batch.
fn make_links(driver: &Driver, joining: &mut [Result<Joining<'_>, Error>]) {
    let mut route = driver.route();
    let mut links = Links {
        driver,
        bridges: HashMap::new(),
        batch: Batch::default(),
        bridge_netfilter: sysctl::is_on("net/bridge/bridge-nf-call-iptables"),
    };
    let mut spans = Vec::with_capacity(joining.len());
    for slot in joining.iter_mut() {
        let from = links.batch.len();
        attempt(slot, |joining| links.push(&mut route, joining));
        spans.push(from..links.batch.len());
    }
    let outcome = route.exchange(&links.batch);
    for (slot, span) in joining.iter_mut().zip(spans) {
        attempt(slot, |joining| {
            let container = joining.attachment.container.short();
            let answers = match &outcome {
                Ok(answers) => &answers[span],
                Err(error) => return Err(Error::system(LINKS, container)(copy(error))),
            };
            joining.name_taken = answers
                .iter()
                .filter_map(|answer| answer.refusal.as_ref())
                .any(|refusal| refusal.errno == libc::EEXIST);
            match bridge::refused(answers, LINKS, container) {
                Some(error) if !joining.name_taken => {
                    Err(joining.members.iter().fold(error, |error, member| {
                        sublink::explain(member.network, error)
                    }))
                }
                _ => Ok(()),
            }
        });
    }
}

/// The kernel takes a link's name out of its tables a moment before it takes it out of sysfs, and refuses it in between:
/// when the former namespace of a container is just being cleared away.
fn try_names_again(driver: &Driver, joining: &mut [Result<Joining<'_>, Error>]) {
    let deadline = Instant::now() + CLEARING;
    for slot in joining {
        while let Ok(joining) = slot
            && joining.name_taken
            && Instant::now() < deadline
        {
            std::thread::sleep(CLEARING_STEP);
            make_links(driver, std::slice::from_mut(slot));
        }
        if let Ok(joining) = slot
            && joining.name_taken
        {
            let name = joining.attachment.container.short();
            *slot = Err(Error::system(LINKS, name)(
                std::io::Error::from_raw_os_error(libc::EEXIST),
            ));
        }
    }
}

/// The links of many containers, as one batch.
struct Links<'a> {
    driver: &'a Driver,
    /// Indexes of bridges, by name.
    bridges: HashMap<String, u32>,
    batch: Batch,
    /// Whether bridged packets pass the host's IP rules.
    bridge_netfilter: bool,
}

impl Links<'_> {
    fn push(&mut self, route: &mut Socket, joining: &Joining<'_>) -> Result<(), Error> {
        for (index, member) in joining.members.iter().enumerate() {
            let netns = joining.ready.netns.as_raw_fd();
            if !member.network.has_bridge() {
                let parent = sublink::check_parent(route, member.network)?;
                sublink::push(&mut self.batch, *member, parent, netns);
                continue;
            }
            let bridge = self.bridge(route, &member.network.bridge)?;
            let name = names::veth(&self.driver.prefix, &joining.attachment.container, index);
            if nix::net::if_::if_nametoindex(name.as_str()).is_ok() {
                // The container was started again before the kernel was done with its former namespace.
                bridge::remove(route, &name)?;
            }
            veth::push_pair(&mut self.batch, *member, &name, bridge, netns);
            if self.bridge_netfilter && !joining.reservations.is_empty() {
                veth::push_hairpin(&mut self.batch, &name);
            }
            if member.network.isolated {
                veth::push_isolation(&mut self.batch, &name);
            }
        }
        Ok(())
    }

    fn bridge(&mut self, route: &mut Socket, name: &str) -> Result<u32, Error> {
        if let Some(index) = self.bridges.get(name) {
            return Ok(*index);
        }
        let index = bridge::index_of(route, name)?;
        self.bridges.insert(name.to_owned(), index);
        Ok(index)
    }
}

/// Waits until the first packet to and from the containers passes.
fn settle(driver: &Driver, joining: &mut [Result<Joining<'_>, Error>]) {
    let mut bridges = BTreeMap::new();
    let mut links = Vec::new();
    for joining in joining.iter().flatten() {
        for (index, member) in joining.members.iter().enumerate() {
            if !member.network.has_bridge() {
                continue;
            }
            bridges.insert(member.network.bridge.clone(), member.network.gateway6);
            let container = &joining.attachment.container;
            links.push(names::veth(&driver.prefix, container, index));
        }
    }
    // Ports first: the first of them to pass packets gives the bridge its carrier.
    links.extend(bridges.keys().cloned());
    let mut route = driver.route();
    settle::links(&mut route, links);
    let gateways = bridges.into_iter().filter_map(|(bridge, gateway)| {
        let index = gateway.and_then(|_| bridge::index_of(&mut route, &bridge).ok())?;
        Some((index, gateway?))
    });
    let gateways: Vec<_> = gateways.collect();
    settle::addresses6(&mut route, &gateways);
    for joining in joining.iter_mut().flatten() {
        settle::addresses6(&mut joining.ready.route, &joining.ipv6);
    }
}

/// Maps all ports in one transaction; if that is refused, each container's in its own, to find whose it is.
fn map_ports(driver: &Driver, joining: &mut [Result<Joining<'_>, Error>]) {
    let mut netfilter = driver.netfilter();
    let mappings: Vec<_> = joining
        .iter()
        .flatten()
        .flat_map(Joining::mappings)
        .collect();
    if ruleset::publish(&mut netfilter, &mappings).is_ok() {
        return;
    }
    for slot in joining {
        attempt(slot, |joining| {
            ruleset::publish(&mut netfilter, &joining.mappings())
        });
    }
}

fn copy(error: &std::io::Error) -> std::io::Error {
    error
        .raw_os_error()
        .map_or_else(|| error.kind().into(), std::io::Error::from_raw_os_error)
}
