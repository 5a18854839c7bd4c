//! The table of one network: who may talk to its containers, where they may talk, and its published ports.
//!
//! One table a network, named after its bridge: projects never touch each other's, and removing it needs no list of
//! what is inside. Ports are entries of a map, so a packet's way does not grow with their number.
//!
//! ```text
//! raw          from the bridge to 127.0.0.0/8: drop (route_localnet would let it in)
//! prerouting   to this host's addresses, but not 127.0.0.0/8 from outside → publish
//! output       to this host's addresses → publish
//! publish      rewrite by map: exact host address first, then any
//! postrouting  masquerade: containers to elsewhere, hairpins, and local connections from 127.0.0.0/8
//! forward      in: known connections, the network itself, published ports; out: anywhere, or nowhere if internal
//! ```

use super::Element;
use super::Error;
use super::Family;
use super::Hook;
use super::MapType;
use super::Rule;
use super::Socket;
use super::Table;
use super::Transaction;
use super::expr::Side;
use super::expr::Verdict;
use super::refused_with;
use crate::network::names;
use crate::network::spec::NetworkSpec;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

const LOOPBACK4: (Ipv4Addr, u8) = (Ipv4Addr::new(127, 0, 0, 0), 8);
const LOOPBACK6: (Ipv6Addr, u8) = (Ipv6Addr::LOCALHOST, 128);
const ACTION: &str = "set the firewall rules of network";
const TYPE_IPV4: u32 = 7;
const TYPE_IPV6: u32 = 8;
const TYPE_PROTOCOL: u32 = 12;
const TYPE_PORT: u32 = 13;
const PORTS4: MapType = MapType {
    key_type: TYPE_IPV4 << 12 | TYPE_PROTOCOL << 6 | TYPE_PORT,
    key_length: 12,
    value_type: TYPE_IPV4 << 6 | TYPE_PORT,
    value_length: 8,
};
const PORTS6: MapType = MapType {
    key_type: TYPE_IPV6 << 12 | TYPE_PROTOCOL << 6 | TYPE_PORT,
    key_length: 24,
    value_type: TYPE_IPV6 << 6 | TYPE_PORT,
    value_length: 20,
};
const RAW: Hook = Hook {
    kind: "filter",
    number: 0,
    priority: -300,
};
const PREROUTING: Hook = Hook {
    kind: "nat",
    number: 0,
    priority: -100,
};
const OUTPUT: Hook = Hook {
    kind: "nat",
    number: 3,
    priority: -100,
};
const POSTROUTING: Hook = Hook {
    kind: "nat",
    number: 4,
    priority: 100,
};
const FORWARD: Hook = Hook {
    kind: "filter",
    number: 2,
    priority: 0,
};

/// One published port as the kernel is told. The addresses of both ends are of one family; the unspecified host address
/// stands for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::network) struct Mapping {
    pub bridge: String,
    pub tcp: bool,
    pub host: SocketAddr,
    pub container: SocketAddr,
    /// Whose it is.
    pub comment: String,
}

/// Makes the table, or its rules anew; mappings stay.
pub(in crate::network) fn create(socket: &mut Socket, network: &NetworkSpec) -> Result<(), Error> {
    let name = names::table(&network.bridge);
    let table = Table {
        family: Family::Inet,
        name: &name,
    };
    let mut transaction = Transaction::new();
    transaction.table(table, &format!("network {}", network.name));
    if !network.internal {
        transaction.map(table, "ports4", PORTS4);
        transaction.map(table, "ports6", PORTS6);
        transaction.chain(table, "publish", None);
        transaction.chain(table, "raw", Some(RAW));
        transaction.chain(table, "prerouting", Some(PREROUTING));
        transaction.chain(table, "output", Some(OUTPUT));
        transaction.chain(table, "postrouting", Some(POSTROUTING));
    }
    transaction.chain(table, "forward", Some(FORWARD));
    transaction.flush(table);
    if !network.internal {
        for (chain, rule) in translation_rules(network) {
            transaction.rule(table, chain, &rule);
        }
    }
    for rule in forward_rules(network) {
        transaction.rule(table, "forward", &rule);
    }
    transaction.commit(socket, ACTION, network.name.as_str())
}

/// Removes the table of a bridge, if it exists.
pub(in crate::network) fn remove(socket: &mut Socket, bridge: &str) -> Result<(), Error> {
    let name = names::table(bridge);
    let mut transaction = Transaction::new();
    transaction.delete_table(Table {
        family: Family::Inet,
        name: &name,
    });
    match transaction.commit(socket, "remove firewall table", &name) {
        Err(error) if refused_with(&error) == Some(libc::ENOENT) => Ok(()),
        committed => committed,
    }
}

/// Bridges that have a table of ours and begin with `prefix`.
pub(in crate::network) fn bridges(socket: &mut Socket, prefix: &str) -> Result<Vec<String>, Error> {
    let tables = super::tables(socket)?;
    let bridge = |table: String| {
        table
            .strip_prefix(names::table("").as_str())
            .map(str::to_owned)
    };
    Ok(tables
        .into_iter()
        .filter_map(bridge)
        .filter(|bridge| bridge.starts_with(prefix))
        .collect())
}

/// Adds mappings, all or none.
pub(in crate::network) fn publish(socket: &mut Socket, mappings: &[Mapping]) -> Result<(), Error> {
    match add(socket, mappings) {
        // A crash left an entry of that port; the port is ours now, since we hold its socket.
        Err(error) if matches!(refused_with(&error), Some(libc::EBUSY | libc::EEXIST)) => {
            withdraw(socket, mappings)?;
            add(socket, mappings)
        }
        added => added,
    }
}

fn add(socket: &mut Socket, mappings: &[Mapping]) -> Result<(), Error> {
    if mappings.is_empty() {
        return Ok(());
    }
    let mut transaction = Transaction::new();
    change(&mut transaction, mappings, Transaction::add_elements);
    transaction.commit(socket, "publish ports", &ports_text(mappings))
}

/// Removes mappings; those that do not exist are fine.
pub(in crate::network) fn withdraw(socket: &mut Socket, mappings: &[Mapping]) -> Result<(), Error> {
    if mappings.is_empty() {
        return Ok(());
    }
    let mut transaction = Transaction::new();
    change(&mut transaction, mappings, Transaction::delete_elements);
    match transaction.commit(socket, "withdraw ports", &ports_text(mappings)) {
        Err(error) if refused_with(&error) == Some(libc::ENOENT) && mappings.len() > 1 => mappings
            .iter()
            .try_for_each(|mapping| withdraw(socket, std::slice::from_ref(mapping))),
        Err(error) if refused_with(&error) == Some(libc::ENOENT) => Ok(()),
        committed => committed,
    }
}

/// Puts mappings in the place of others, at once.
pub(in crate::network) fn replace(
    socket: &mut Socket,
    old: &[Mapping],
    new: &[Mapping],
) -> Result<(), Error> {
    let mut transaction = Transaction::new();
    change(&mut transaction, old, Transaction::delete_elements);
    change(&mut transaction, new, Transaction::add_elements);
    let passed = transaction.commit(socket, "pass ports on", &ports_text(new));
    passed.or_else(|_| {
        // A crash left it half done, so there is nothing left that could be kept whole.
        withdraw(socket, old)?;
        publish(socket, new)
    })
}

/// Removes the mappings of a bridge whose comment is not wanted; returns how many.
pub(in crate::network) fn withdraw_unless(
    socket: &mut Socket,
    bridge: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<usize, Error> {
    let name = names::table(bridge);
    let table = Table {
        family: Family::Inet,
        name: &name,
    };
    let mut removed = 0;
    for map in ["ports4", "ports6"] {
        let mut stale = super::elements(socket, table, map)?;
        stale.retain(|element| !wanted(&element.comment));
        if stale.is_empty() {
            continue;
        }
        let mut transaction = Transaction::new();
        transaction.delete_elements(table, map, &stale);
        transaction.commit(socket, "withdraw ports of", &name)?;
        removed += stale.len();
    }
    Ok(removed)
}

/// Applies `operation` to the elements of the mappings, grouped by table and map.
fn change(
    transaction: &mut Transaction,
    mappings: &[Mapping],
    operation: fn(&mut Transaction, Table<'_>, &str, &[Element]),
) {
    let mut bridges: Vec<&str> = mappings
        .iter()
        .map(|mapping| mapping.bridge.as_str())
        .collect();
    bridges.sort_unstable();
    bridges.dedup();
    for bridge in bridges {
        let name = names::table(bridge);
        let table = Table {
            family: Family::Inet,
            name: &name,
        };
        for (map, ipv4) in [("ports4", true), ("ports6", false)] {
            let belongs =
                |mapping: &&Mapping| mapping.bridge == bridge && mapping.host.is_ipv4() == ipv4;
            let elements: Vec<_> = mappings.iter().filter(belongs).map(element).collect();
            if !elements.is_empty() {
                operation(transaction, table, map, &elements);
            }
        }
    }
}

fn element(mapping: &Mapping) -> Element {
    let mut key = address_bytes(mapping.host);
    key.extend([if mapping.tcp { 6 } else { 17 }, 0, 0, 0]);
    key.extend(port_bytes(mapping.host.port()));
    let mut value = address_bytes(mapping.container);
    value.extend(port_bytes(mapping.container.port()));
    Element {
        key,
        value,
        comment: mapping.comment.clone(),
    }
}

fn address_bytes(address: SocketAddr) -> Vec<u8> {
    match address {
        SocketAddr::V4(address) => address.ip().octets().to_vec(),
        SocketAddr::V6(address) => address.ip().octets().to_vec(),
    }
}

fn port_bytes(port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    [high, low, 0, 0]
}

fn ports_text(mappings: &[Mapping]) -> String {
    let ports: Vec<_> = mappings
        .iter()
        .map(|mapping| mapping.host.port().to_string())
        .collect();
    ports.join(", ")
}

/// The rules of all chains but `forward`.
fn translation_rules(network: &NetworkSpec) -> Vec<(&'static str, Rule)> {
    let rule = Rule::default;
    let bridge = &network.bridge;
    let from_loopback = |rule: Rule| rule.ipv4().in_subnet4(Side::Source, LOOPBACK4);
    let to_loopback = |rule: Rule| rule.ipv4().in_subnet4(Side::Destination, LOOPBACK4);
    let mut rules = vec![
        (
            "raw",
            to_loopback(rule().coming_by(bridge)).verdict(Verdict::Drop),
        ),
        // From outside, 127.0.0.1 is spoofed: a port published there is for this host alone.
        ("prerouting", to_loopback(rule()).verdict(Verdict::Return)),
        ("prerouting", rule().for_this_host().jump("publish")),
        ("output", rule().for_this_host().jump("publish")),
        (
            "publish",
            lookup4(rule().ipv4().address4(Side::Destination, 0)),
        ),
        (
            "publish",
            lookup4(rule().ipv4().load(0, &Ipv4Addr::UNSPECIFIED.octets())),
        ),
        // The kernel cannot route ::1 elsewhere; a proxy serves it.
        (
            "publish",
            rule()
                .ipv6()
                .in_subnet6(Side::Destination, LOOPBACK6)
                .verdict(Verdict::Return),
        ),
        (
            "publish",
            lookup6(rule().ipv6().address6(Side::Destination, 0)),
        ),
        (
            "publish",
            lookup6(rule().ipv6().load(0, &Ipv6Addr::UNSPECIFIED.octets())),
        ),
        (
            "postrouting",
            from_loopback(rule().leaving_by(bridge)).masquerade(),
        ),
    ];
    let mut masquerade = |inside: &dyn Fn(Rule) -> Rule| {
        let hairpin = inside(rule().leaving_by(bridge)).destination_rewritten();
        rules.push(("postrouting", hairpin.masquerade()));
        if !network.unmasqueraded {
            let outbound = inside(rule().not_leaving_by(bridge));
            rules.push(("postrouting", outbound.masquerade()));
        }
    };
    if let Some(subnet) = network.subnet4 {
        masquerade(&|rule| rule.ipv4().in_subnet4(Side::Source, subnet));
    }
    if let Some(subnet) = network.subnet6 {
        masquerade(&|rule| rule.ipv6().in_subnet6(Side::Source, subnet));
    }
    rules
}

fn forward_rules(network: &NetworkSpec) -> Vec<Rule> {
    let rule = Rule::default;
    let bridge = &network.bridge;
    let mut rules = vec![
        rule()
            .not_coming_by(bridge)
            .not_leaving_by(bridge)
            .verdict(Verdict::Accept),
        rule().established().verdict(Verdict::Accept),
        // Between ports of the bridge: seen here only with br_netfilter.
        rule()
            .coming_by(bridge)
            .leaving_by(bridge)
            .verdict(match network.isolated {
                true => Verdict::Drop,
                false => Verdict::Accept,
            }),
    ];
    if !network.internal {
        rules.push(
            rule()
                .leaving_by(bridge)
                .destination_rewritten()
                .verdict(Verdict::Accept),
        );
        rules.push(rule().coming_by(bridge).verdict(Verdict::Accept));
    }
    rules.push(rule().verdict(Verdict::Drop));
    rules
}

fn lookup4(address_loaded: Rule) -> Rule {
    address_loaded
        .load_transport(1)
        .load_port(Side::Destination, 2)
        .look_up("ports4")
        .rewrite_destination4()
}

fn lookup6(address_loaded: Rule) -> Rule {
    address_loaded
        .load_transport(4)
        .load_port(Side::Destination, 5)
        .look_up("ports6")
        .rewrite_destination6()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_encoded_as_the_rules_load_it() {
        let mapping = Mapping {
            bridge: "b".into(),
            tcp: true,
            host: "0.0.0.0:8080".parse().unwrap(),
            container: "172.18.0.2:80".parse().unwrap(),
            comment: String::new(),
        };
        let element = element(&mapping);
        assert_eq!(element.key, [0, 0, 0, 0, 6, 0, 0, 0, 0x1f, 0x90, 0, 0]);
        assert_eq!(element.value, [172, 18, 0, 2, 0, 80, 0, 0]);
        assert_eq!(element.key.len() as u32, PORTS4.key_length);
        assert_eq!(element.value.len() as u32, PORTS4.value_length);
    }

    #[test]
    fn ipv6_mappings_have_the_lengths_of_their_map() {
        let mapping = Mapping {
            bridge: "b".into(),
            tcp: false,
            host: "[::]:53".parse().unwrap(),
            container: "[fd00::2]:53".parse().unwrap(),
            comment: String::new(),
        };
        let element = element(&mapping);
        assert_eq!(element.key.len() as u32, PORTS6.key_length);
        assert_eq!(element.value.len() as u32, PORTS6.value_length);
    }
}
