//! Published ports that pass from one container to another: at no moment does nobody have them.
//!
//! The sockets that hold the host ports are passed on with them, and the kernel's mappings change in one transaction.
//! Connections that are open stay with the container they began with.

use super::carrier;
use super::carrier::carrier;
use super::driver::Driver;
use super::endpoint::Published;
use super::error::Error;
use super::names;
use super::netlink::Batch;
use super::nftables::ruleset;
use super::publish;
use super::publish::Reservation;
use super::spec::AttachmentSpec;
use super::spec::NetworkSpec;
use super::spec::PortSpec;
use super::spec::PublishedPort;
use super::sysctl;
use super::veth;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// Who has had ports so far.
#[derive(Debug)]
pub struct Former {
    /// Where it is attached.
    pub attachment: AttachmentSpec,
    /// Its ports.
    pub ports: Vec<PublishedPort>,
    /// Copies of the sockets that hold them.
    pub sockets: Vec<OwnedFd>,
}

/// See [`Driver::hand_on`].
pub(super) fn hand_on(
    driver: &Driver,
    mut former: Vec<Former>,
    attachment: &AttachmentSpec,
    networks: &[NetworkSpec],
) -> Result<Published, Error> {
    let before: Vec<_> = former
        .iter()
        .flat_map(|f| carrier::mappings(&f.attachment, &f.ports, networks))
        .collect();
    let members = carrier::members(attachment, networks);
    let Some(carrier) = carrier(&members) else {
        ruleset::withdraw(&mut driver.netfilter(), &before)?;
        return Ok(Published::default());
    };
    let take = |spec: PortSpec| match inherit(&spec, &mut former) {
        Some(reservation) => Ok(reservation),
        None => publish::reserve(&spec),
    };
    let reservations: Vec<Reservation> = attachment
        .ports
        .iter()
        .filter_map(|spec| carrier::reachable(spec, carrier.interface))
        .map(take)
        .collect::<Result<_, _>>()?;
    let ports: Vec<_> = reservations.iter().map(|r| r.port.clone()).collect();
    let after = carrier::mappings_of(attachment, &ports, Some(carrier));
    turn_hairpins(driver, attachment, networks)?;
    ruleset::replace(&mut driver.netfilter(), &before, &after)?;
    Ok(carrier::sort(reservations, carrier.interface))
}

/// The sockets of a port that one of `former` has, if it is what `spec` wants.
fn inherit(spec: &PortSpec, former: &mut [Former]) -> Option<Reservation> {
    let (first, last) = spec.host_ports;
    let fits = |port: &PublishedPort| {
        let same_number = match last {
            0 => port.container_port == spec.container_port,
            _ => (first..=last).contains(&port.host_port),
        };
        port.tcp == spec.tcp && port.host_ip == spec.host_ip && same_number
    };
    for one in former {
        let Some(at) = one.ports.iter().position(fits) else {
            continue;
        };
        let port = one.ports.remove(at);
        let mut socket = |ipv4: bool| {
            let mut sockets = one.sockets.iter();
            let at = sockets.position(|socket| holds(socket, &port, ipv4))?;
            Some(one.sockets.swap_remove(at))
        };
        let (ipv4, ipv6) = (socket(true), socket(false));
        if ipv4.is_some() || ipv6.is_some() {
            let port = PublishedPort {
                container_port: spec.container_port,
                ..port
            };
            return Some(Reservation { port, ipv4, ipv6 });
        }
    }
    None
}

/// Whether a socket is the one that holds `port` in a family of addresses.
fn holds(socket: &OwnedFd, port: &PublishedPort, ipv4: bool) -> bool {
    let address = rustix::net::getsockname(socket).and_then(SocketAddr::try_from);
    let kind = rustix::net::sockopt::socket_type(socket);
    let tcp = kind.is_ok_and(|kind| kind == rustix::net::SocketType::STREAM);
    address.is_ok_and(|a| a.is_ipv4() == ipv4 && a.port() == port.host_port) && tcp == port.tcp
}

/// Where bridged packets pass the host's rules, a container must be able to reach itself by its own published port.
fn turn_hairpins(
    driver: &Driver,
    attachment: &AttachmentSpec,
    networks: &[NetworkSpec],
) -> Result<(), Error> {
    if !sysctl::is_on("net/bridge/bridge-nf-call-iptables") {
        return Ok(());
    }
    let mut batch = Batch::default();
    for (index, interface) in attachment.interfaces.iter().enumerate() {
        let member = carrier::member(interface, networks);
        if member.is_some_and(|member| member.network.has_bridge()) {
            let name = names::veth(&driver.prefix, &attachment.container, index);
            veth::push_hairpin(&mut batch, &name);
        }
    }
    let container = attachment.container.short();
    let sent = driver.route().exchange(&batch);
    sent.map(drop)
        .map_err(Error::system("publish ports of container", container))
}
