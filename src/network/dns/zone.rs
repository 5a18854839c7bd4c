//! Who sees which names: pure data, made anew whenever containers come or go.
//!
//! A container sees the names of its networks (service, container, aliases, short id, each also as `name.network`), and
//! its own links. A name on several of its networks gives the addresses of the first, as docker does.

use super::wire;
use super::wire::Code;
use super::wire::Malformed;
use super::wire::NameKey;
use super::wire::Query;
use super::wire::Writer;
use super::wire::kind;
use crate::id::ContainerId;
use crate::id::NetworkName;
use std::collections::HashMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::sync::Arc;

/// One container, as the zone is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub container: ContainerId,
    /// Its name, which reverse lookups give.
    pub name: String,
    /// Its networks; the first that has a name decides.
    pub networks: Vec<Membership>,
    /// Names that only it sees: alias, and the names of the targets as it sees them.
    pub links: Vec<(String, Vec<String>)>,
    /// Servers to forward to instead of the host's (`dns:`); empty = the host's.
    pub dns: Vec<SocketAddr>,
}

/// A container on a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The network.
    pub network: NetworkName,
    /// Its address there.
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address there.
    pub ipv6: Option<Ipv6Addr>,
    /// What it is called there: service, container name, aliases, short id.
    pub names: Vec<String>,
    /// The network has no way out.
    pub internal: bool,
}

type Key = Box<[u8]>;

/// The addresses of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Addresses {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
}

impl Addresses {
    fn add(&mut self, other: &Self) {
        for (all, more) in [(&mut self.v4, &other.v4), (&mut self.v6, &other.v6)] {
            for address in more {
                if !all.contains(address) {
                    all.push(*address);
                }
            }
        }
    }
}

/// The names of a network.
#[derive(Debug, Default)]
struct Table {
    names: HashMap<Key, Addresses>,
    reverse: HashMap<IpAddr, Key>,
}

/// What one container sees.
#[derive(Debug)]
pub struct View {
    tables: Vec<Arc<Table>>,
    links: HashMap<Key, Addresses>,
    /// It may ask beyond our names.
    forward: bool,
    /// Its own servers.
    dns: Option<Arc<[SocketAddr]>>,
}

/// What all containers see.
#[derive(Debug, Default)]
pub struct Zone {
    views: HashMap<ContainerId, View>,
}

/// How a packet came, and what may go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// As large as the asker says.
    Udp,
    /// As large as there are addresses.
    Tcp,
}

/// What is to be done with a packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Send the first so many bytes of the buffer.
    Reply(usize),
    /// Ask an upstream server.
    Forward,
    /// Nothing.
    Ignore,
}

impl Zone {
    /// Makes the zone of these containers.
    pub fn new(entries: &[Entry]) -> Self {
        let tables = tables(entries);
        let view = |entry: &Entry| {
            let of = |membership: &Membership| tables.get(&membership.network).cloned();
            let mut view = View {
                tables: entry.networks.iter().filter_map(of).collect(),
                links: HashMap::new(),
                // Somebody without any network asks from nowhere.
                forward: entry.networks.iter().any(|membership| !membership.internal),
                dns: (!entry.dns.is_empty()).then(|| entry.dns.clone().into()),
            };
            view.links = view.links(&entry.links);
            (entry.container.clone(), view)
        };
        Self {
            views: entries.iter().map(view).collect(),
        }
    }

    /// What a container sees; `None` if it is not in the zone.
    pub fn view(&self, container: &ContainerId) -> Option<&View> {
        self.views.get(container)
    }
}

fn tables(entries: &[Entry]) -> HashMap<NetworkName, Arc<Table>> {
    let mut tables: HashMap<NetworkName, Table> = HashMap::new();
    for entry in entries {
        for membership in &entry.networks {
            let table = tables.entry(membership.network.clone()).or_default();
            let addresses = Addresses {
                v4: membership.ipv4.map(IpAddr::from).into_iter().collect(),
                v6: membership.ipv6.map(IpAddr::from).into_iter().collect(),
            };
            let qualified = |name: &str| format!("{name}.{}", membership.network);
            for name in &membership.names {
                for key in [wire::key(name), wire::key(&qualified(name))]
                    .into_iter()
                    .flatten()
                {
                    table.names.entry(key).or_default().add(&addresses);
                }
            }
            // The name that has dots may be too long for the wire; the bare one then says as much.
            let own = wire::key(&qualified(&entry.name)).or_else(|| wire::key(&entry.name));
            for address in addresses.v4.iter().chain(&addresses.v6) {
                table.reverse.extend(own.clone().map(|key| (*address, key)));
            }
        }
    }
    tables
        .into_iter()
        .map(|(network, table)| (network, Arc::new(table)))
        .collect()
}

impl View {
    fn links(&self, links: &[(String, Vec<String>)]) -> HashMap<Key, Addresses> {
        let mut found: HashMap<Key, Addresses> = HashMap::new();
        for (alias, targets) in links {
            let targets = targets.iter().filter_map(|name| wire::key(name));
            let addresses = targets.filter_map(|key| self.find(&key).cloned());
            let (Some(alias), addresses) = (wire::key(alias), addresses.collect::<Vec<_>>()) else {
                continue;
            };
            let all = found.entry(alias).or_default();
            addresses.iter().for_each(|more| all.add(more));
        }
        // A link to nothing (yet) is no name.
        found.retain(|_, addresses| *addresses != Addresses::default());
        found
    }

    fn find(&self, key: &[u8]) -> Option<&Addresses> {
        self.links
            .get(key)
            .or_else(|| self.tables.iter().find_map(|table| table.names.get(key)))
    }

    fn reverse(&self, name: &NameKey) -> Option<&Key> {
        let address = wire::reverse(name)?;
        self.tables
            .iter()
            .find_map(|table| table.reverse.get(&address))
    }

    /// The servers it is to ask instead of the host's.
    pub fn dns(&self) -> Option<&Arc<[SocketAddr]>> {
        self.dns.as_ref()
    }
}

/// Answers a packet from the view of the container that sent it. `turn` rotates the addresses; `buffer` is as long as an
/// answer over the transport may be, and at least 512 bytes.
pub fn respond(
    view: Option<&View>,
    packet: &[u8],
    transport: Transport,
    turn: usize,
    buffer: &mut [u8],
) -> Outcome {
    let query = match wire::parse(packet) {
        Ok(query) => query,
        Err(Malformed::Ignore) => return Outcome::Ignore,
        Err(Malformed::Answer(code)) => return Outcome::Reply(wire::error(packet, code, buffer)),
    };
    let limit = match transport {
        Transport::Udp => query.udp_limit().min(buffer.len()),
        Transport::Tcp => buffer.len(),
    };
    let buffer = &mut buffer[..limit];
    let plain = |code: Code, buffer: &mut [u8]| {
        Outcome::Reply(Writer::new(&query, buffer).finish(&query, code))
    };
    if query.edns.is_some_and(|edns| edns.version > 0) {
        return plain(Code::BadVers, buffer);
    }
    if !matches!(query.class, 1 | 255) {
        return plain(Code::Refused, buffer);
    }
    // A container whose zone is not there yet asks again after this.
    let Some(view) = view else {
        return plain(Code::ServFail, buffer);
    };
    if let Some(addresses) = view.find(query.name().as_bytes()) {
        return Outcome::Reply(addresses_of(&query, addresses, turn, buffer));
    }
    if let Some(name) = view.reverse(query.name()) {
        let mut writer = Writer::new(&query, buffer);
        if matches!(query.kind, kind::PTR | kind::ANY) {
            writer.record(kind::PTR, name);
        }
        return Outcome::Reply(writer.finish(&query, Code::NoError));
    }
    if view.forward {
        Outcome::Forward
    } else {
        plain(Code::NxDomain, buffer)
    }
}

/// The answer for one of our names: also for types it has none of, so that these never reach a server outside.
fn addresses_of(query: &Query<'_>, addresses: &Addresses, turn: usize, buffer: &mut [u8]) -> usize {
    let mut writer = Writer::new(query, buffer);
    let (v4, v6) = (&addresses.v4, &addresses.v6);
    let lists = match query.kind {
        kind::A => [v4.as_slice(), &[]],
        kind::AAAA => [v6.as_slice(), &[]],
        kind::ANY => [v4.as_slice(), v6],
        _ => [&[][..], &[]],
    };
    for list in lists.into_iter().filter(|list| !list.is_empty()) {
        let (head, tail) = list.split_at(turn % list.len());
        let mut rotated = tail.iter().chain(head);
        if !rotated.all(|address| writer.address(*address)) {
            break;
        }
    }
    writer.finish(query, Code::NoError)
}

/// The answer that says we cannot answer, for a query that could not be forwarded; its length.
pub fn failure(packet: &[u8], buffer: &mut [u8]) -> usize {
    match wire::parse(packet) {
        Ok(query) => Writer::new(&query, buffer).finish(&query, Code::ServFail),
        Err(_) => wire::error(packet, Code::ServFail, buffer),
    }
}
