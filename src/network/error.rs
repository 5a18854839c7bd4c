//! What can go wrong with links, rules and ports.

use std::io;
use std::net::IpAddr;

/// A failed network operation: what happened to which thing, with the kernel's answer kept as the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A netlink request was refused.
    #[error("cannot {action} `{name}`{}", detail.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Netlink {
        /// The verb, e.g. `create bridge`.
        action: &'static str,
        /// The thing.
        name: String,
        /// The kernel's own words, if it gave any (extended ACK).
        detail: Option<String>,
        /// The errno.
        #[source]
        source: io::Error,
    },
    /// A system call outside netlink failed.
    #[error("cannot {action} `{name}`")]
    System {
        /// The verb, e.g. `write`.
        action: &'static str,
        /// The thing, e.g. a path in `/proc/sys`.
        name: String,
        /// The errno.
        #[source]
        source: io::Error,
    },
    /// Somebody has the host port.
    #[error(
        "cannot publish {proto} port `{}`: it is already in use{}",
        endpoint(*ip, *port),
        holder.as_ref().map(|text| format!(" by {text}")).unwrap_or_default()
    )]
    PortInUse {
        /// Host address; `None` = all.
        ip: Option<IpAddr>,
        /// Host port.
        port: u16,
        /// `tcp` or `udp`.
        proto: &'static str,
        /// Who holds it: process name and pid, if it can be seen.
        holder: Option<String>,
    },
    /// No port of a range, or no port at all, was free.
    #[error("cannot publish a {proto} port of `{first}-{last}`: all are in use")]
    NoFreePort {
        /// First candidate.
        first: u16,
        /// Last candidate.
        last: u16,
        /// `tcp` or `udp`.
        proto: &'static str,
    },
    /// The wanted host address is not one of this host's.
    #[error("cannot publish on `{ip}`: this host has no such address")]
    NoSuchAddress {
        /// The address.
        ip: IpAddr,
    },
    /// An attachment names a network that was not given with it.
    #[error("no network `{name}` was given for container `{container}`")]
    UnknownNetwork {
        /// The network.
        name: String,
        /// The container.
        container: String,
    },
    /// The network still has members.
    #[error("network `{name}` is still in use by {members} interface(s)")]
    NetworkInUse {
        /// The network.
        name: String,
        /// How many links are ports of its bridge.
        members: usize,
    },
    /// A link that was to be made exists, and is not ours.
    #[error(
        "network `{network}` cannot have the bridge `{link}`: this host has a link of that name already"
    )]
    LinkTaken {
        /// The link.
        link: String,
        /// The network.
        network: String,
    },
    /// The kernel has no such kind of link.
    #[error("network `{network}`: this kernel has no `{kind}` links")]
    NoSuchKind {
        /// The network.
        network: String,
        /// `macvlan` or `ipvlan`.
        kind: &'static str,
    },
    /// The link that others are to be on top of is not there.
    #[error("network `{network}`: the host has no link `{parent}` to be its `parent`")]
    NoParent {
        /// The network.
        network: String,
        /// The missing link.
        parent: String,
    },
    /// The thread that makes network namespaces is gone.
    #[error("the network namespace thread has ended")]
    FactoryGone,
}

impl Error {
    /// What the user can do about it, if anything can be typed.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::PortInUse { port, proto, .. } => Some(format!(
                "publish another host port, or end the holder (`ss -lnp --{proto} 'sport = :{port}'` shows it)"
            )),
            Self::NoFreePort { .. } => Some("give a wider range, or no host port at all".into()),
            Self::NoParent { .. } => Some("`ip link` lists the links of this host".into()),
            Self::LinkTaken { .. } => {
                Some("choose another `com.docker.network.bridge.name`".into())
            }
            Self::NoSuchAddress { .. } => {
                Some("`ip address` lists the addresses of this host".into())
            }
            Self::Netlink { source, .. } | Self::System { source, .. }
                if source.raw_os_error() == Some(libc::EPERM) =>
            {
                Some(
                    "run as root: bridges and namespaces need CAP_NET_ADMIN and CAP_SYS_ADMIN"
                        .into(),
                )
            }
            _ => None,
        }
    }

    /// For `map_err`: a failed system call.
    pub(super) fn system<E: Into<io::Error>>(
        action: &'static str,
        name: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let name = name.into();
        move |source| Self::System {
            action,
            name,
            source: source.into(),
        }
    }
}

fn endpoint(ip: Option<IpAddr>, port: u16) -> String {
    match ip {
        None => port.to_string(),
        Some(IpAddr::V4(ip)) => format!("{ip}:{port}"),
        Some(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_names_address_port_and_holder() {
        let error = Error::PortInUse {
            ip: Some("127.0.0.1".parse().unwrap()),
            port: 8080,
            proto: "tcp",
            holder: Some("`nginx` (pid 12)".into()),
        };
        assert_eq!(
            error.to_string(),
            "cannot publish tcp port `127.0.0.1:8080`: it is already in use by `nginx` (pid 12)"
        );
        assert!(error.hint().unwrap().contains("8080"));
    }
}
