//! `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` of a container, made for each start and bind-mounted by inode.

use super::container::Container;
use super::launch::Networking;
use super::project::Project;
use crate::network::dns;
use std::fmt::Write;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What docker writes at the top of `/etc/hosts`.
const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
                     ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/// Writes the files as they are to be for the coming run.
pub fn write(project: &Project, container: &Container) -> io::Result<()> {
    let etc = &container.paths.etc;
    let hostname = &container.record.launch.spec.hostname;
    write_file(&etc.join("hostname"), format!("{hostname}\n"))?;
    match &container.record.launch.network {
        Networking::Of(peer) => {
            // It is on its peer's network, so it sees its peer's names.
            let Some((peer, _)) = project.peer(container, peer) else {
                return Ok(());
            };
            for name in ["hosts", "resolv.conf"] {
                write_file(&etc.join(name), fs::read(peer.paths.etc.join(name))?)?;
            }
            Ok(())
        }
        _ => {
            write_file(&etc.join("hosts"), hosts(project, container))?;
            write_file(&etc.join("resolv.conf"), resolv_conf(container))
        }
    }
}

/// Everybody inside may read it, whatever the umask of who started us.
fn write_file(path: &Path, text: impl AsRef<[u8]>) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

fn hosts(project: &Project, container: &Container) -> String {
    let launch = &container.record.launch;
    let mut text = match launch.network {
        Networking::Host => fs::read_to_string("/etc/hosts").unwrap_or_else(|_| HOSTS.to_owned()),
        _ => HOSTS.to_owned(),
    };
    let endpoint = container.endpoint.borrow();
    let interfaces = endpoint
        .as_ref()
        .map(|e| e.attachment.interfaces.as_slice())
        .unwrap_or_default();
    let gateway = interfaces
        .iter()
        .find(|i| i.default_route)
        .or(interfaces.first())
        .and_then(|i| project.network_spec(&i.network))
        .and_then(|n| n.gateway4.map(IpAddr::V4).or(n.gateway6.map(IpAddr::V6)))
        .map_or("127.0.0.1".to_owned(), |ip| ip.to_string());
    for (name, address) in &launch.extra_hosts {
        let address = if address == "host-gateway" {
            &gateway
        } else {
            address
        };
        let _ = writeln!(text, "{address}\t{name}");
    }
    let names = match &launch.spec.domainname {
        Some(domain) => format!("{0}.{domain} {0}", launch.spec.hostname),
        None => launch.spec.hostname.clone(),
    };
    for interface in interfaces {
        for address in interface.addresses() {
            let _ = writeln!(text, "{address}\t{names}");
        }
    }
    text
}

fn resolv_conf(container: &Container) -> String {
    let launch = &container.record.launch;
    let dns = &launch.dns;
    let host = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let on_networks = matches!(launch.network, Networking::Networks(_));
    let mut text = String::new();
    let from_host = |keyword: &str| {
        host.lines()
            .filter(|l| l.split_whitespace().next() == Some(keyword))
            .fold(String::new(), |mut all, line| {
                let _ = writeln!(all, "{line}");
                all
            })
    };
    if on_networks {
        text.push_str("nameserver 127.0.0.11\n");
    } else if dns.servers.is_empty() {
        text.push_str(&from_host("nameserver"));
    }
    for server in dns.servers.iter().filter(|_| !on_networks) {
        let _ = writeln!(text, "nameserver {server}");
    }
    if dns.search.is_empty() {
        text.push_str(&from_host("search"));
    } else if dns.search != ["."] {
        let _ = writeln!(text, "search {}", dns.search.join(" "));
    }
    let mut options = dns.options.clone();
    if options.is_empty() && on_networks {
        options.push("ndots:0".to_owned());
    }
    if !options.is_empty() {
        let _ = writeln!(text, "options {}", options.join(" "));
    }
    text
}

/// The servers the host itself asks.
pub fn host_servers() -> Vec<std::net::SocketAddr> {
    dns::nameservers(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}
