//! What a container's network loses with the processes that held its sockets, made anew. The namespace, its links and the
//! kernel's port mappings live on with the container itself.

use super::carrier;
use super::endpoint::Endpoint;
use super::endpoint::Published;
use super::error::Error;
use super::netns;
use super::publish;
use super::spec::AttachmentSpec;
use super::spec::NetworkSpec;
use super::spec::PortSpec;
use super::spec::PublishedPort;
use std::os::fd::OwnedFd;

/// See [`Driver::restore`](super::driver::Driver::restore).
pub(super) fn restore(
    netns: OwnedFd,
    attachment: &AttachmentSpec,
    ports: &[PublishedPort],
    networks: &[NetworkSpec],
) -> Result<(Endpoint, Vec<Error>), Error> {
    let (dns_udp, dns_tcp) = netns::resolver_of(&netns)?;
    let mut endpoint = Endpoint {
        netns,
        dns_udp,
        dns_tcp,
        published: Published::default(),
    };
    let (mut reservations, mut refused) = (Vec::new(), Vec::new());
    for port in ports {
        match publish::reserve(&the_same(port)) {
            Ok(reservation) => reservations.push(reservation),
            Err(error) => refused.push(error),
        }
    }
    if let Some(carrier) = carrier::carrier(&carrier::members(attachment, networks)) {
        endpoint.published = carrier::sort(reservations, carrier.interface);
    }
    // A port without its socket is mapped all the same.
    endpoint.published.ports = ports.to_vec();
    Ok((endpoint, refused))
}

fn the_same(port: &PublishedPort) -> PortSpec {
    PortSpec {
        tcp: port.tcp,
        host_ip: port.host_ip,
        host_ports: (port.host_port, port.host_port),
        container_port: port.container_port,
    }
}
