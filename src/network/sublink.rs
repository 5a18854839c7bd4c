//! Links on top of one of the host's (macvlan, ipvlan): containers on the host's own network, without a bridge of ours.
//!
//! A link is born inside the container's namespace and goes with it; nothing of ours is on the host, so nothing can be left.

use super::bridge::DEFAULT_MTU;
use super::bridge::by_name;
use super::bridge::find;
use super::error::Error;
use super::netlink::Batch;
use super::netlink::Socket;
use super::spec::NetworkKind;
use super::spec::NetworkSpec;
use super::veth::Membership;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::InfoData;
use netlink_packet_route::link::InfoIpVlan;
use netlink_packet_route::link::InfoKind;
use netlink_packet_route::link::InfoMacVlan;
use netlink_packet_route::link::IpVlanMode;
use netlink_packet_route::link::LinkAttribute;
use netlink_packet_route::link::LinkInfo;
use netlink_packet_route::link::MacVlanMode;
use std::os::fd::RawFd;

/// Index of the link that those of a network are on top of.
pub(super) fn check_parent(socket: &mut Socket, network: &NetworkSpec) -> Result<u32, Error> {
    let parent = match &network.kind {
        NetworkKind::Macvlan { parent, .. } | NetworkKind::Ipvlan { parent, .. } => parent,
        NetworkKind::Bridge => &network.bridge,
    };
    let found = find(socket, parent)?;
    found.map(|link| link.index).ok_or_else(|| Error::NoParent {
        network: network.name.to_string(),
        parent: parent.clone(),
    })
}

/// Appends the message that makes a link on top of `parent`, inside the namespace `netns`.
pub(super) fn push(batch: &mut Batch, member: Membership<'_>, parent: u32, netns: RawFd) {
    let Some((kind, data)) = kind_of(member.network) else {
        return;
    };
    let mut message = by_name(&member.interface.name);
    let mtu = member.network.mtu;
    message.attributes.extend(
        mtu.filter(|mtu| *mtu != DEFAULT_MTU)
            .map(LinkAttribute::Mtu),
    );
    // Links of ipvlan have their parent's address.
    if kind == InfoKind::MacVlan {
        let mac = member.interface.hardware_address();
        message
            .attributes
            .push(LinkAttribute::Address(mac.to_vec()));
    }
    message.attributes.extend([
        LinkAttribute::Link(parent),
        LinkAttribute::NetNsFd(netns),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]),
    ]);
    let flags = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
    batch.route(RouteNetlinkMessage::NewLink(message), flags);
}

fn kind_of(network: &NetworkSpec) -> Option<(InfoKind, InfoData)> {
    Some(match &network.kind {
        NetworkKind::Bridge => return None,
        NetworkKind::Macvlan { mode, .. } => {
            let mode = match mode.as_str() {
                "private" => MacVlanMode::Private,
                "vepa" => MacVlanMode::Vepa,
                "passthru" => MacVlanMode::Passthrough,
                _ => MacVlanMode::Bridge,
            };
            let data = InfoData::MacVlan(vec![InfoMacVlan::Mode(mode)]);
            (InfoKind::MacVlan, data)
        }
        NetworkKind::Ipvlan { mode, .. } => {
            let mode = match mode.as_str() {
                "l3" => IpVlanMode::L3,
                "l3s" => IpVlanMode::L3S,
                _ => IpVlanMode::L2,
            };
            (
                InfoKind::IpVlan,
                InfoData::IpVlan(vec![InfoIpVlan::Mode(mode)]),
            )
        }
    })
}

/// What the kernel's "not supported" means for a network of links.
pub(super) fn explain(network: &NetworkSpec, error: Error) -> Error {
    let kind = match network.kind {
        NetworkKind::Bridge => return error,
        NetworkKind::Macvlan { .. } => "macvlan",
        NetworkKind::Ipvlan { .. } => "ipvlan",
    };
    match &error {
        Error::Netlink { source, .. } if source.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            let network = network.name.to_string();
            Error::NoSuchKind { network, kind }
        }
        _ => error,
    }
}
