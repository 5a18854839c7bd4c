//! What a container gets of the network layer.

use super::spec::PublishedPort;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// A network namespace made ready for one container, with everything that must stay open beside it. The shim keeps the
/// descriptors: the namespace lives as long as `netns` or a process inside, the ports stay reserved as long as
/// `reservations`.
#[derive(Debug)]
pub struct Endpoint {
    /// The namespace, for `setns`.
    pub netns: OwnedFd,
    /// Bound UDP socket that gets what the container sends to `127.0.0.11:53`; non-blocking.
    pub dns_udp: OwnedFd,
    /// Listening TCP socket of the same; non-blocking.
    pub dns_tcp: OwnedFd,
    /// Its published ports.
    pub published: Published,
}

/// The published ports of a container, with the sockets that make them its own.
#[derive(Debug, Default)]
pub struct Published {
    /// Each with the host port it got, in the order of the specification.
    pub ports: Vec<PublishedPort>,
    /// Bound sockets that keep the host ports ours.
    pub reservations: Vec<OwnedFd>,
    /// Host sockets whose traffic a userspace proxy must carry, since the kernel cannot (`[::1]`): the socket (for
    /// TCP listening), whether it is TCP, and where in the container it goes. For `publish::proxy::serve`.
    pub proxies: Vec<(OwnedFd, bool, SocketAddr)>,
}
