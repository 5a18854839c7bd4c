//! Who has a port: the socket's inode from `/proc/net`, its owner from `/proc/PID/fd`.

use super::protocol;
use std::fs;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

const TCP_LISTEN: &str = "0A";
const UDP_UNCONNECTED: &str = "07";

/// A line that names the process that keeps us from binding the port, e.g. `` `nginx` (pid 812) ``; several processes
/// may share the socket, the oldest is named. `None` if it cannot be seen (not root, or in another pid namespace).
pub(super) fn of_port(tcp: bool, ip: Option<IpAddr>, port: u16) -> Option<String> {
    let inodes = inodes(tcp, ip, port);
    if inodes.is_empty() {
        return None;
    }
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    let pid = pids.into_iter().find(|pid| holds(*pid, &inodes))?;
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(format!("`{}` (pid {pid})", comm.trim_end()))
}

/// Sockets bound to the port on an address that conflicts with `ip`.
fn inodes(tcp: bool, ip: Option<IpAddr>, port: u16) -> Vec<String> {
    ["", "6"]
        .iter()
        .filter_map(|suffix| {
            // The thread's own namespace: `/proc/net` is that of the process.
            fs::read_to_string(format!("/proc/thread-self/net/{}{suffix}", protocol(tcp))).ok()
        })
        .flat_map(|table| matching(&table, tcp, ip, port))
        .collect()
}

fn matching(table: &str, tcp: bool, ip: Option<IpAddr>, port: u16) -> Vec<String> {
    let state = if tcp { TCP_LISTEN } else { UDP_UNCONNECTED };
    let line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (address, hex_port) = fields.get(1)?.split_once(':')?;
        let same = u16::from_str_radix(hex_port, 16) == Ok(port)
            && *fields.get(3)? == state
            && conflicts(parse_address(address)?, ip);
        same.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    };
    table.lines().skip(1).filter_map(line).collect()
}

/// Whether a socket bound to `bound` keeps one off `wanted`.
fn conflicts(bound: IpAddr, wanted: Option<IpAddr>) -> bool {
    match wanted {
        None => true,
        // A socket bound to `::` may take IPv4 as well.
        Some(wanted) => {
            bound == wanted
                || bound == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                || (bound.is_ipv4() == wanted.is_ipv4()
                    && (bound.is_unspecified() || wanted.is_unspecified()))
        }
    }
}

/// Reads an address as `/proc/net` prints it: 32-bit words in host order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    for at in (0..hex.len()).step_by(8) {
        let word = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

fn holds(pid: u32, inodes: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    descriptors.flatten().any(|descriptor| {
        let Ok(target) = fs::read_link(descriptor.path()) else {
            return false;
        };
        let inode = target
            .to_str()
            .and_then(|text| text.strip_prefix("socket:["));
        inode.is_some_and(|inode| {
            inodes
                .iter()
                .any(|wanted| inode.trim_end_matches(']') == wanted)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1
   2: 0100007F:1F90 0100007F:AAAA 01 00000000:00000000 00:00000000 00000000     0        0 4713 1
";

    #[test]
    fn only_listeners_on_a_conflicting_address_count() {
        let local = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let other = Some("10.0.0.1".parse().unwrap());
        assert_eq!(matching(TABLE, true, local, 8080), ["4711"]);
        assert_eq!(matching(TABLE, true, None, 8080), ["4711"]);
        assert!(matching(TABLE, true, other, 8080).is_empty());
        assert_eq!(matching(TABLE, true, other, 80), ["4712"]);
    }

    #[test]
    fn ipv6_addresses_are_read() {
        let local = parse_address("00000000000000000000000001000000").unwrap();
        assert_eq!(local, IpAddr::V6(Ipv6Addr::LOCALHOST));
        assert_eq!(parse_address("zz"), None);
    }
}
