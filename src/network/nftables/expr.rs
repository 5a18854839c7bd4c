//! The expressions a rule is made of.
//!
//! Registers are counted in 32-bit words: 0 is `NFT_REG32_00`. Values from packets are in network order, metadata in
//! host order.

use super::LIST_ELEMENT;
use super::text;
use crate::network::netlink::attribute;
use crate::network::netlink::nested;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

const REGISTER_BASE: u32 = 8;
const VERDICT_REGISTER: u32 = 0;
const IPV4: u8 = 2;
const IPV6: u8 = 10;
const CSUM_INET: u32 = 1;

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Drop = 0,
    Accept = 1,
    Return = -5,
}

/// Metadata of a packet.
#[derive(Debug, Clone, Copy)]
enum Meta {
    OutIndex = 5,
    InName = 6,
    OutName = 7,
    Family = 15,
    Protocol = 16,
}

/// Which header an offset counts from.
#[derive(Debug, Clone, Copy)]
enum Base {
    Network = 1,
    Transport = 2,
}

/// Sender's or receiver's side of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

/// A transport protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp = 6,
    Udp = 17,
}

/// A rule: its expressions are evaluated in order until one does not match.
#[derive(Debug, Default, Clone)]
pub(super) struct Rule {
    bytes: Vec<u8>,
    comment: Option<String>,
}

impl Rule {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    pub(super) fn commented(mut self, comment: &str) -> Self {
        self.comment = Some(comment.to_owned());
        self
    }

    /// Came in by this link.
    pub(super) fn coming_by(self, name: &str) -> Self {
        self.meta(Meta::InName, 0)
            .compare(0, true, &link_name(name))
    }

    /// Came in by another link.
    pub(super) fn not_coming_by(self, name: &str) -> Self {
        self.meta(Meta::InName, 0)
            .compare(0, false, &link_name(name))
    }

    /// Goes out by this link.
    pub(super) fn leaving_by(self, name: &str) -> Self {
        self.meta(Meta::OutName, 0)
            .compare(0, true, &link_name(name))
    }

    /// Goes out by another link.
    pub(super) fn not_leaving_by(self, name: &str) -> Self {
        self.meta(Meta::OutName, 0)
            .compare(0, false, &link_name(name))
    }

    /// Goes out by another link than that with this index.
    pub(super) fn not_leaving_by_index(self, index: u32) -> Self {
        self.meta(Meta::OutIndex, 0)
            .compare(0, false, &index.to_ne_bytes())
    }

    pub(super) fn ipv4(self) -> Self {
        self.meta(Meta::Family, 0).compare(0, true, &[IPV4])
    }

    pub(super) fn ipv6(self) -> Self {
        self.meta(Meta::Family, 0).compare(0, true, &[IPV6])
    }

    /// Carries that protocol.
    pub(super) fn transport(self, transport: Transport) -> Self {
        self.meta(Meta::Protocol, 0)
            .compare(0, true, &[transport as u8])
    }

    /// An IPv4 address is in a subnet. After [`Self::ipv4`], or in a table of family `ip`.
    pub(super) fn in_subnet4(self, side: Side, subnet: (Ipv4Addr, u8)) -> Self {
        let mask = u32::MAX.checked_shl(32 - u32::from(subnet.1)).unwrap_or(0);
        let network = u32::from(subnet.0) & mask;
        self.address4(side, 0)
            .mask(0, &mask.to_be_bytes())
            .compare(0, true, &network.to_be_bytes())
    }

    /// An IPv6 address is in a subnet. After [`Self::ipv6`].
    pub(super) fn in_subnet6(self, side: Side, subnet: (Ipv6Addr, u8)) -> Self {
        let mask = u128::MAX
            .checked_shl(128 - u32::from(subnet.1))
            .unwrap_or(0);
        let network = u128::from(subnet.0) & mask;
        self.address6(side, 0)
            .mask(0, &mask.to_be_bytes())
            .compare(0, true, &network.to_be_bytes())
    }

    /// Loads an IPv4 address.
    pub(super) fn address4(self, side: Side, register: u32) -> Self {
        let offset = if side == Side::Source { 12 } else { 16 };
        self.payload(Base::Network, offset, 4, register)
    }

    /// Loads an IPv6 address.
    pub(super) fn address6(self, side: Side, register: u32) -> Self {
        let offset = if side == Side::Source { 8 } else { 24 };
        self.payload(Base::Network, offset, 16, register)
    }

    /// Loads the transport protocol's number.
    pub(super) fn load_transport(self, register: u32) -> Self {
        self.meta(Meta::Protocol, register)
    }

    /// Loads a port.
    pub(super) fn load_port(self, side: Side, register: u32) -> Self {
        self.payload(Base::Transport, port_offset(side), 2, register)
    }

    /// A port has this number. After [`Self::transport`].
    pub(super) fn port(self, side: Side, port: u16) -> Self {
        self.load_port(side, 0)
            .compare(0, true, &port.to_be_bytes())
    }

    /// Writes a port, keeping the checksum right. After [`Self::transport`] with the same protocol.
    pub(super) fn set_port(self, transport: Transport, side: Side, port: u16) -> Self {
        let checksum: u32 = if transport == Transport::Tcp { 16 } else { 6 };
        self.load(0, &port.to_be_bytes())
            .expression("payload", |out| {
                number(out, 2, Base::Transport as u32);
                number(out, 3, port_offset(side));
                number(out, 4, 2);
                number(out, 5, REGISTER_BASE);
                number(out, 6, CSUM_INET);
                number(out, 7, checksum);
            })
    }

    /// The destination is an address of this host.
    pub(super) fn for_this_host(self) -> Self {
        const ADDRESS_TYPE: u32 = 3;
        const OF_DESTINATION: u32 = 2;
        const LOCAL: u32 = 2;
        self.expression("fib", |out| {
            number(out, 1, REGISTER_BASE);
            number(out, 2, ADDRESS_TYPE);
            number(out, 3, OF_DESTINATION);
        })
        .compare(0, true, &LOCAL.to_ne_bytes())
    }

    /// Belongs to a known connection, or an error about one.
    pub(super) fn established(self) -> Self {
        const STATE: u32 = 0;
        const ESTABLISHED: u32 = 2;
        const RELATED: u32 = 4;
        self.conntrack_bits(STATE, ESTABLISHED | RELATED)
    }

    /// Its connection has had its destination rewritten.
    pub(super) fn destination_rewritten(self) -> Self {
        const STATUS: u32 = 2;
        const DESTINATION_NAT: u32 = 32;
        self.conntrack_bits(STATUS, DESTINATION_NAT)
    }

    /// Keeps connection tracking from seeing it.
    pub(super) fn untracked(self) -> Self {
        self.expression("notrack", |_| {})
    }

    /// Counts. `iptables` expects it in every rule it shows.
    pub(super) fn counted(self) -> Self {
        self.expression("counter", |out| {
            attribute(out, 1, &0u64.to_be_bytes());
            attribute(out, 2, &0u64.to_be_bytes());
        })
    }

    /// Loads a constant.
    pub(super) fn load(self, register: u32, value: &[u8]) -> Self {
        self.expression("immediate", |out| {
            number(out, 1, REGISTER_BASE + register);
            nested(out, 2, |out| attribute(out, 1, value));
        })
    }

    /// Looks the key from register 0 on up in a map and loads the value there; no match, end of rule.
    pub(super) fn look_up(self, map: &str) -> Self {
        self.expression("lookup", |out| {
            attribute(out, 1, &text(map));
            number(out, 2, REGISTER_BASE);
            number(out, 3, REGISTER_BASE);
        })
    }

    /// Rewrites the destination: IPv4 address in register 0, port in register 1.
    pub(super) fn rewrite_destination4(self) -> Self {
        self.rewrite_destination(IPV4, 1)
    }

    /// Rewrites the destination: IPv6 address in registers 0 to 3, port in register 4.
    pub(super) fn rewrite_destination6(self) -> Self {
        self.rewrite_destination(IPV6, 4)
    }

    /// Rewrites the source to the address of the link it goes out by.
    pub(super) fn masquerade(self) -> Self {
        self.expression("masq", |_| {})
    }

    pub(super) fn verdict(self, verdict: Verdict) -> Self {
        self.verdict_code(verdict as i32, None)
    }

    /// Goes on in another chain, and comes back.
    pub(super) fn jump(self, chain: &str) -> Self {
        const JUMP: i32 = -3;
        self.verdict_code(JUMP, Some(chain))
    }

    fn verdict_code(self, code: i32, chain: Option<&str>) -> Self {
        self.expression("immediate", |out| {
            number(out, 1, VERDICT_REGISTER);
            nested(out, 2, |out| {
                nested(out, 2, |out| {
                    attribute(out, 1, &code.to_be_bytes());
                    if let Some(chain) = chain {
                        attribute(out, 2, &text(chain));
                    }
                });
            });
        })
    }

    fn rewrite_destination(self, family: u8, port_register: u32) -> Self {
        const DESTINATION: u32 = 1;
        self.expression("nat", |out| {
            number(out, 1, DESTINATION);
            number(out, 2, u32::from(family));
            number(out, 3, REGISTER_BASE);
            number(out, 5, REGISTER_BASE + port_register);
        })
    }

    fn conntrack_bits(self, key: u32, bits: u32) -> Self {
        self.expression("ct", |out| {
            number(out, 1, REGISTER_BASE);
            number(out, 2, key);
        })
        .mask(0, &bits.to_ne_bytes())
        .compare(0, false, &[0; 4])
    }

    fn meta(self, key: Meta, register: u32) -> Self {
        self.expression("meta", |out| {
            number(out, 1, REGISTER_BASE + register);
            number(out, 2, key as u32);
        })
    }

    fn payload(self, base: Base, offset: u32, length: u32, register: u32) -> Self {
        self.expression("payload", |out| {
            number(out, 1, REGISTER_BASE + register);
            number(out, 2, base as u32);
            number(out, 3, offset);
            number(out, 4, length);
        })
    }

    fn compare(self, register: u32, equal: bool, value: &[u8]) -> Self {
        self.expression("cmp", |out| {
            number(out, 1, REGISTER_BASE + register);
            number(out, 2, u32::from(!equal));
            nested(out, 3, |out| attribute(out, 1, value));
        })
    }

    fn mask(self, register: u32, mask: &[u8]) -> Self {
        self.expression("bitwise", |out| {
            number(out, 1, REGISTER_BASE + register);
            number(out, 2, REGISTER_BASE + register);
            number(out, 3, mask.len() as u32);
            nested(out, 4, |out| attribute(out, 1, mask));
            nested(out, 5, |out| attribute(out, 1, &vec![0; mask.len()]));
        })
    }

    fn expression(mut self, name: &str, body: impl FnOnce(&mut Vec<u8>)) -> Self {
        nested(&mut self.bytes, LIST_ELEMENT, |out| {
            attribute(out, 1, &text(name));
            nested(out, 2, body);
        });
        self
    }
}

fn number(out: &mut Vec<u8>, kind: u16, value: u32) {
    attribute(out, kind, &value.to_be_bytes());
}

fn port_offset(side: Side) -> u32 {
    if side == Side::Source { 0 } else { 2 }
}

/// A link name as the kernel compares it: all 16 bytes.
fn link_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::netlink::attributes;
    use crate::network::netlink::find_attribute;

    fn names(rule: &Rule) -> Vec<String> {
        attributes(rule.bytes())
            .map(|(_, element)| super::super::read_text(find_attribute(element, 1).unwrap()))
            .collect()
    }

    #[test]
    fn a_rule_is_a_list_of_named_expressions() {
        let rule = Rule::default()
            .ipv4()
            .in_subnet4(Side::Source, (Ipv4Addr::new(172, 18, 0, 0), 16))
            .not_leaving_by("br0")
            .masquerade();
        let expected = [
            "meta", "cmp", "payload", "bitwise", "cmp", "meta", "cmp", "masq",
        ];
        assert_eq!(names(&rule), expected);
    }

    #[test]
    fn link_names_are_compared_whole() {
        assert_eq!(link_name("lo")[..4], *b"lo\0\0");
        assert_eq!(link_name("a-name-much-too-long")[15], 0);
    }
}
