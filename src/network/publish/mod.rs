//! Published ports: reserving them on the host, mapping them in the kernel, and carrying what the kernel cannot.
//!
//! Invariant: a host port is held by a bound socket for as long as it is published, so a conflict shows at once and
//! nobody can take the port while we restart.

mod holder;
pub mod proxy;

use super::error::Error;
use super::spec::PortSpec;
use super::spec::PublishedPort;
use rustix::net::AddressFamily;
use rustix::net::SocketFlags;
use rustix::net::SocketType;
use rustix::net::sockopt;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// How often a free port is asked of the kernel before we believe there is none.
const RANDOM_TRIES: usize = 32;
/// Connections that wait for the proxy.
const PROXY_BACKLOG: i32 = 1024;

/// A host port that is ours.
#[derive(Debug)]
pub(super) struct Reservation {
    pub port: PublishedPort,
    /// The bound IPv4 socket, if IPv4 is published. TCP sockets listen, since only that keeps others off, but nothing
    /// arrives at it: the kernel rewrites before.
    pub ipv4: Option<OwnedFd>,
    /// The bound IPv6 socket, if IPv6 is published. TCP sockets listen.
    pub ipv6: Option<OwnedFd>,
}

/// Reserves a host port: the first of the candidates that is free on all addresses it is published on.
pub(super) fn reserve(spec: &PortSpec) -> Result<Reservation, Error> {
    let (first, last) = spec.host_ports;
    let mut refused = None;
    if last == 0 {
        for _ in 0..RANDOM_TRIES {
            match bind_all(spec, 0) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                bound => return bound.map_err(|error| bind_error(spec, 0, error)),
            }
        }
        return Err(Error::NoFreePort {
            first: 1,
            last: u16::MAX,
            proto: protocol(spec.tcp),
        });
    }
    for port in first..=last {
        match bind_all(spec, port) {
            Ok(reservation) => return Ok(reservation),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => refused = Some((port, error)),
            Err(error) => return Err(bind_error(spec, port, error)),
        }
    }
    Err(match refused {
        Some((port, error)) if first == last => bind_error(spec, port, error),
        _ => Error::NoFreePort {
            first,
            last,
            proto: protocol(spec.tcp),
        },
    })
}

/// `tcp` or `udp`.
pub(super) fn protocol(tcp: bool) -> &'static str {
    if tcp { "tcp" } else { "udp" }
}

fn bind_all(spec: &PortSpec, port: u16) -> io::Result<Reservation> {
    let (mut ipv4, mut ipv6) = (None, None);
    let mut port = port;
    if let Some(ip) = ipv4_of(spec.host_ip) {
        let socket = bind(spec.tcp, SocketAddr::new(ip.into(), port))?;
        port = local_port(&socket)?;
        ipv4 = Some(socket);
    }
    if let Some(ip) = ipv6_of(spec.host_ip) {
        match bind(spec.tcp, SocketAddr::new(ip.into(), port)) {
            // Asked for "all addresses" on a host without IPv6.
            Err(error) if ipv4.is_some() && lacks_ipv6(&error) => {}
            bound => {
                let socket = bound?;
                port = local_port(&socket)?;
                ipv6 = Some(socket);
            }
        }
    }
    let port = PublishedPort {
        tcp: spec.tcp,
        host_ip: spec.host_ip,
        host_port: port,
        container_port: spec.container_port,
    };
    Ok(Reservation { port, ipv4, ipv6 })
}

fn ipv4_of(ip: Option<IpAddr>) -> Option<Ipv4Addr> {
    match ip {
        None => Some(Ipv4Addr::UNSPECIFIED),
        Some(IpAddr::V4(ip)) => Some(ip),
        Some(IpAddr::V6(_)) => None,
    }
}

fn ipv6_of(ip: Option<IpAddr>) -> Option<Ipv6Addr> {
    match ip {
        None => Some(Ipv6Addr::UNSPECIFIED),
        Some(IpAddr::V6(ip)) => Some(ip),
        Some(IpAddr::V4(_)) => None,
    }
}

fn bind(tcp: bool, address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let kind = if tcp {
        SocketType::STREAM
    } else {
        SocketType::DGRAM
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, kind, flags, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if tcp {
        // Connections of a former proxy may be in TIME_WAIT; a listener still excludes every other.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    if tcp {
        let backlog = if address.is_ipv6() { PROXY_BACKLOG } else { 0 };
        rustix::net::listen(&socket, backlog)?;
    }
    Ok(socket)
}

fn local_port(socket: &OwnedFd) -> io::Result<u16> {
    let address = SocketAddr::try_from(rustix::net::getsockname(socket)?)?;
    Ok(address.port())
}

fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
    )
}

fn bind_error(spec: &PortSpec, port: u16, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::AddrInUse => Error::PortInUse {
            ip: spec.host_ip,
            port,
            proto: protocol(spec.tcp),
            holder: holder::of_port(spec.tcp, spec.host_ip, port),
        },
        io::ErrorKind::AddrNotAvailable => Error::NoSuchAddress {
            ip: spec.host_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        },
        _ => {
            Error::system::<io::Error>("bind port", format!("{port}/{}", protocol(spec.tcp)))(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(ports: (u16, u16)) -> PortSpec {
        PortSpec {
            tcp: true,
            host_ip: Some(Ipv4Addr::LOCALHOST.into()),
            host_ports: ports,
            container_port: 80,
        }
    }

    #[test]
    fn a_reserved_port_is_refused_to_others_and_names_us() {
        let first = reserve(&local((0, 0))).unwrap();
        let port = first.port.host_port;
        assert!(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err());
        match reserve(&local((port, port))).unwrap_err() {
            Error::PortInUse {
                holder: Some(holder),
                ..
            } => {
                assert!(
                    holder.contains(&format!("pid {}", std::process::id())),
                    "{holder}"
                );
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_range_yields_its_first_free_port() {
        let taken = reserve(&local((0, 0))).unwrap().port.host_port;
        if taken == u16::MAX {
            return;
        }
        let held = reserve(&local((taken, taken))).unwrap();
        let next = reserve(&local((taken, u16::MAX))).unwrap();
        assert!(next.port.host_port > held.port.host_port);
        assert!(matches!(
            reserve(&PortSpec {
                host_ports: (taken, taken),
                ..local((0, 0))
            }),
            Err(Error::PortInUse { .. })
        ));
    }

    #[test]
    fn an_address_that_is_not_ours_is_told() {
        let spec = PortSpec {
            host_ip: Some(Ipv4Addr::new(192, 0, 2, 1).into()),
            ..local((0, 0))
        };
        assert!(matches!(reserve(&spec), Err(Error::NoSuchAddress { .. })));
    }
}
