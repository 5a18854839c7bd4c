//! Living beside Docker.
//!
//! dockerd sets the policy of its FORWARD chain to drop, and an accept in our chain does not overrule another base
//! chain's drop. Docker offers the chain `DOCKER-USER` for others' rules and never flushes it; where it exists in
//! nftables (iptables-nft), a network adds two rules there, tagged with its bridge. What our own table forbids stays
//! forbidden.
//!
//! Not done: firewalls that keep their rules in the old x_tables, or drop in chains without such a door.

use super::Error;
use super::Family;
use super::GET_RULE;
use super::HEADERS;
use super::Rule;
use super::Socket;
use super::Table;
use super::Transaction;
use super::dump;
use super::expr::Verdict;
use super::read_comment;
use crate::network::netlink::find_attribute;

const CHAIN: &str = "DOCKER-USER";
const TABLES: [Table<'static>; 2] = [
    Table {
        family: Family::Ip,
        name: "filter",
    },
    Table {
        family: Family::Ip6,
        name: "filter",
    },
];

/// A rule of ours in somebody's chain.
struct Tagged {
    table: Table<'static>,
    handle: Vec<u8>,
    bridge: String,
}

/// Lets the traffic of a bridge through `DOCKER-USER` where that exists. Idempotent.
pub(in crate::network) fn admit(socket: &mut Socket, bridge: &str) -> Result<(), Error> {
    for table in TABLES {
        if !super::chain_exists(socket, table, CHAIN)?
            || tagged(socket, table)?
                .iter()
                .any(|rule| rule.bridge == bridge)
        {
            continue;
        }
        let mut transaction = Transaction::new();
        for rule in [
            Rule::default().coming_by(bridge),
            Rule::default().leaving_by(bridge),
        ] {
            let rule = rule
                .counted()
                .verdict(Verdict::Accept)
                .commented(&tag(bridge));
            transaction.first_rule(table, CHAIN, &rule);
        }
        transaction.commit(socket, "admit in chain DOCKER-USER bridge", bridge)?;
    }
    Ok(())
}

/// Removes our rules of the bridges that are chosen; returns how many.
pub(in crate::network) fn expel(
    socket: &mut Socket,
    chosen: impl Fn(&str) -> bool,
) -> Result<usize, Error> {
    let mut removed = 0;
    for table in TABLES {
        let mut rules = tagged(socket, table)?;
        rules.retain(|rule| chosen(&rule.bridge));
        if rules.is_empty() {
            continue;
        }
        let mut transaction = Transaction::new();
        for rule in &rules {
            transaction.delete_rule(rule.table, CHAIN, &rule.handle);
        }
        transaction.commit(socket, "remove rules from chain", CHAIN)?;
        removed += rules.len();
    }
    Ok(removed)
}

fn tag(bridge: &str) -> String {
    format!("hoist {bridge}")
}

fn tagged(socket: &mut Socket, table: Table<'static>) -> Result<Vec<Tagged>, Error> {
    let messages = dump(socket, GET_RULE, table.family, &[table.name, CHAIN])?;
    let read = |bytes: &Vec<u8>| {
        let rule = bytes.get(HEADERS..)?;
        let comment = read_comment(find_attribute(rule, 7)?)?;
        Some(Tagged {
            table,
            handle: find_attribute(rule, 3)?.to_vec(),
            bridge: comment.strip_prefix(&tag(""))?.to_owned(),
        })
    };
    Ok(messages.iter().filter_map(read).collect())
}
