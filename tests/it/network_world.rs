//! A throw-away host for network tests: each test gets a network namespace of its own on a thread of its own, so tests
//! run in parallel and leave nothing, whatever they do.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use hoist::id::ContainerId;
use hoist::id::NetworkName;
use hoist::network::Driver;
use hoist::network::Endpoint;
use hoist::network::spec::AttachmentSpec;
use hoist::network::spec::InterfaceSpec;
use hoist::network::spec::NetworkSpec;
use hoist::network::spec::PortSpec;
use netlink_packet_core::NetlinkMessage;
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressAttribute;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::InfoData;
use netlink_packet_route::link::InfoKind;
use netlink_packet_route::link::InfoVeth;
use netlink_packet_route::link::LinkAttribute;
use netlink_packet_route::link::LinkFlags;
use netlink_packet_route::link::LinkInfo;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::RouteAddress;
use netlink_packet_route::route::RouteAttribute;
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::route::RouteType;
use nix::sched::CloneFlags;
use nix::sched::setns;
use nix::sched::unshare;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

/// What nothing in these tests takes: reached only when something is broken.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How long one waits for what must not come.
pub const SILENCE: Duration = Duration::from_millis(300);

/// Runs a test on a host of its own: a fresh network namespace with `lo` up. The files under `/proc/sys/net` are its.
pub fn on_a_fresh_host(test: impl FnOnce() + Send + 'static) {
    let body = move || {
        fresh_namespace();
        test();
    };
    let outcome = thread::Builder::new()
        .name("host".into())
        .spawn(body)
        .unwrap()
        .join();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// A new network namespace for this thread, with `lo` up and no IPv6 addresses that come by themselves, and late.
fn fresh_namespace() {
    unshare(CloneFlags::CLONE_NEWNET).expect("these tests run as root");
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1");
    links_up(&[1]);
}

/// Runs `body` on a thread inside a namespace and returns what it returns.
pub fn inside<T: Send + 'static>(netns: &OwnedFd, body: impl FnOnce() -> T + Send + 'static) -> T {
    start_inside(netns, body)
        .join()
        .expect("the body does not panic")
}

/// As [`inside`], without waiting.
pub fn start_inside<T: Send + 'static>(
    netns: &OwnedFd,
    body: impl FnOnce() -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let netns = netns.try_clone().unwrap();
    thread::spawn(move || {
        setns(netns.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
        drop(netns);
        body()
    })
}

/// A network `172.30.NUMBER.0/24` of the driver.
pub fn network(driver: &Driver, name: &str, number: u8) -> NetworkSpec {
    let name = NetworkName::new(name).unwrap();
    NetworkSpec {
        bridge: driver.bridge_name(&name),
        name,
        kind: Default::default(),
        subnet4: Some((Ipv4Addr::new(172, 30, number, 0), 24)),
        gateway4: Some(Ipv4Addr::new(172, 30, number, 1)),
        subnet6: None,
        gateway6: None,
        internal: false,
        mtu: None,
        unmasqueraded: false,
        isolated: false,
    }
}

/// The same with `fd00:NUMBER::/64`.
pub fn with_ipv6(mut network: NetworkSpec) -> NetworkSpec {
    let number = u16::from(network.gateway4.unwrap().octets()[2]);
    network.subnet6 = Some((Ipv6Addr::new(0xfd00, number, 0, 0, 0, 0, 0, 0), 64));
    network.gateway6 = Some(Ipv6Addr::new(0xfd00, number, 0, 0, 0, 0, 0, 1));
    network
}

/// A container with host number `host` on each of the networks.
pub fn container(networks: &[&NetworkSpec], host: u8) -> AttachmentSpec {
    let interface = |(index, network): (usize, &&NetworkSpec)| {
        let [a, b, c, _] = network.subnet4.unwrap().0.octets();
        InterfaceSpec {
            network: network.name.clone(),
            name: format!("eth{index}"),
            ipv4: Some(Ipv4Addr::new(a, b, c, host)),
            ipv6: network
                .subnet6
                .map(|(net, _)| Ipv6Addr::from(u128::from(net) | u128::from(host))),
            link_local: Vec::new(),
            mac: None,
            default_route: index == 0,
        }
    };
    AttachmentSpec {
        container: ContainerId::random(),
        interfaces: networks.iter().enumerate().map(interface).collect(),
        ports: Vec::new(),
    }
}

/// Port `inner` of the container on any free host port, all addresses.
pub fn port(tcp: bool, inner: u16) -> PortSpec {
    PortSpec {
        tcp,
        host_ip: None,
        host_ports: (0, 0),
        container_port: inner,
    }
}

/// A server inside a namespace that answers a connection (or datagram) with the address of who asks.
pub fn serve_whoami(netns: &OwnedFd, tcp: bool, port: u16) {
    let (ready, started) = std::sync::mpsc::channel();
    start_inside(netns, move || {
        // Dual stack where IPv6 exists.
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        if tcp {
            let listener = TcpListener::bind(any).unwrap();
            ready.send(()).unwrap();
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let peer = stream.peer_addr().unwrap().ip().to_canonical();
                let _ = stream.write_all(peer.to_string().as_bytes());
            }
        } else {
            let socket = UdpSocket::bind(any).unwrap();
            ready.send(()).unwrap();
            let mut buffer = [0; 2048];
            while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(peer.ip().to_canonical().to_string().as_bytes(), peer);
            }
        }
    });
    started.recv().unwrap();
}

/// Asks a [`serve_whoami`] from this thread's namespace; the error says why there was no answer.
pub fn ask(tcp: bool, to: SocketAddr) -> std::io::Result<IpAddr> {
    ask_patiently(tcp, to, PATIENCE)
}

/// As [`ask`] with another patience.
pub fn ask_patiently(tcp: bool, to: SocketAddr, patience: Duration) -> std::io::Result<IpAddr> {
    let mut text = String::new();
    if tcp {
        let mut stream = TcpStream::connect_timeout(&to, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.read_to_string(&mut text)?;
    } else {
        let any: IpAddr = if to.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(to)?;
        socket.set_read_timeout(Some(patience))?;
        socket.send(b"who am I")?;
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer)?;
        text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    }
    text.parse()
        .map_err(|_| std::io::Error::other(format!("answer `{text}`")))
}

/// Asks from inside a namespace.
pub fn ask_from(netns: &OwnedFd, tcp: bool, to: SocketAddr) -> std::io::Result<IpAddr> {
    inside(netns, move || ask(tcp, to))
}

/// Asks from inside a namespace for what must not be reached.
pub fn reaches(netns: &OwnedFd, to: SocketAddr) -> bool {
    inside(netns, move || ask_patiently(true, to, SILENCE).is_ok())
}

/// A machine beside the test's host, on a cable of their own: host `192.0.2.1`, machine `192.0.2.2`, with its default route
/// by the host. To be made before any other link.
pub fn neighbour() -> OwnedFd {
    let netns = thread::spawn(|| {
        fresh_namespace();
        OwnedFd::from(File::open("/proc/thread-self/ns/net").unwrap())
    })
    .join()
    .unwrap();
    let mut peer = LinkMessage::default();
    peer.attributes.push(LinkAttribute::IfName("cable".into()));
    peer.attributes
        .push(LinkAttribute::NetNsFd(netns.as_raw_fd()));
    let mut host = LinkMessage::default();
    host.attributes.push(LinkAttribute::IfName("cable".into()));
    host.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    request(
        RouteNetlinkMessage::NewLink(host),
        libc::NLM_F_CREATE as u16,
    );
    configure_cable(Ipv4Addr::new(192, 0, 2, 1), None);
    inside(&netns, || {
        configure_cable(
            Ipv4Addr::new(192, 0, 2, 2),
            Some(Ipv4Addr::new(192, 0, 2, 1)),
        );
    });
    netns
}

fn configure_cable(address: Ipv4Addr, gateway: Option<Ipv4Addr>) {
    // The first link a namespace gets beside `lo`.
    let index = 2;
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = 24;
    message.header.index = index;
    message
        .attributes
        .push(AddressAttribute::Local(address.into()));
    message
        .attributes
        .push(AddressAttribute::Address(address.into()));
    request(
        RouteNetlinkMessage::NewAddress(message),
        libc::NLM_F_CREATE as u16,
    );
    links_up(&[index]);
    if let Some(gateway) = gateway {
        request(
            route((Ipv4Addr::UNSPECIFIED, 0), gateway),
            libc::NLM_F_CREATE as u16,
        );
    }
}

fn route(to: (Ipv4Addr, u8), gateway: Ipv4Addr) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = 254;
    message.header.protocol = RouteProtocol::Static;
    message.header.kind = RouteType::Unicast;
    message.header.destination_prefix_length = to.1;
    if to.1 > 0 {
        message
            .attributes
            .push(RouteAttribute::Destination(RouteAddress::Inet(to.0)));
    }
    message
        .attributes
        .push(RouteAttribute::Gateway(RouteAddress::Inet(gateway)));
    RouteNetlinkMessage::NewRoute(message)
}

/// Adds a route in a namespace.
pub fn add_route(netns: &OwnedFd, to: (Ipv4Addr, u8), gateway: Ipv4Addr) {
    inside(netns, move || {
        request(route(to, gateway), libc::NLM_F_CREATE as u16)
    });
}

/// Adds a default route in a namespace.
pub fn add_default_route(netns: &OwnedFd, gateway: Ipv4Addr) {
    add_route(netns, (Ipv4Addr::UNSPECIFIED, 0), gateway);
}

/// Makes a namespace forget that 127.0.0.0/8 is its own, so that it sends such packets out: takes the address off `lo`.
pub fn drop_local_table(netns: &OwnedFd) {
    inside(netns, || {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = 8;
        message.header.index = 1;
        message
            .attributes
            .push(AddressAttribute::Local(Ipv4Addr::LOCALHOST.into()));
        request(RouteNetlinkMessage::DelAddress(message), 0);
    });
}

/// Sets a parameter in a namespace.
pub fn set(netns: &OwnedFd, key: &'static str, value: &'static str) {
    inside(netns, move || {
        std::fs::write(format!("/proc/sys/{key}"), value).unwrap()
    });
}

fn links_up(indexes: &[u32]) {
    for index in indexes {
        let mut message = LinkMessage::default();
        message.header.index = *index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        request(RouteNetlinkMessage::SetLink(message), 0);
    }
}

fn request(message: RouteNetlinkMessage, flags: u16) {
    let mut socket = netlink_sys::Socket::new(netlink_sys::protocols::NETLINK_ROUTE).unwrap();
    socket.bind_auto().unwrap();
    let mut message = NetlinkMessage::from(message);
    message.header.flags = flags | (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0).unwrap();
    let (answer, _) = socket.recv_from_full().unwrap();
    match NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer)
        .unwrap()
        .payload
    {
        NetlinkPayload::Error(error) => assert!(error.code.is_none(), "{error:?}"),
        other => panic!("{other:?}"),
    }
}

/// Everything of this namespace a test could leave: links, routes, addresses, nftables objects.
pub fn snapshot() -> Vec<String> {
    let mut lines = Vec::new();
    for file in ["dev", "route", "fib_trie", "if_inet6", "ipv6_route"] {
        let text =
            std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
        // Counters are no objects.
        let name = |line: &str| match file {
            "dev" => line.split(':').next().unwrap_or_default().trim().to_owned(),
            "ipv6_route" => {
                let fields: Vec<_> = line.split_whitespace().collect();
                format!("{} {} {}", fields[0], fields[1], fields[fields.len() - 1])
            }
            _ => line.to_owned(),
        };
        // Inner nodes of the tree depend on the order of coming and going; the cable is the test's and settles late.
        let objects = text
            .lines()
            .filter(|line| !line.contains("+--") && !line.contains("cable"));
        lines.extend(objects.map(|line| format!("{file}: {}", name(line))));
    }
    lines.extend(nft_tables());
    lines.sort();
    lines
}

/// Names of all nftables tables of this namespace, by their family.
pub fn nft_tables() -> Vec<String> {
    const GET_TABLE: u16 = 1;
    let names = |message: Vec<u8>| format!("nft family {}: {}", message[16], text_at(&message, 20));
    nft_dump(GET_TABLE, 0, &[]).into_iter().map(names).collect()
}

/// How many rules there are in `ip filter DOCKER-USER`.
pub fn rules_in_docker_user() -> usize {
    const GET_RULE: u16 = 7;
    let filter = [attribute(1, b"filter\0"), attribute(2, b"DOCKER-USER\0")].concat();
    nft_dump(GET_RULE, 2, &filter).len()
}

/// Makes what of dockerd's rules matters here: `ip filter` with a FORWARD chain that drops, after `DOCKER-USER`.
pub fn nft_like_dockerd() {
    let name = attribute(1, b"filter\0");
    let hook = [
        attribute(1, &2_u32.to_be_bytes()),
        attribute(2, &0_u32.to_be_bytes()),
    ]
    .concat();
    let drop_policy = attribute(5, &0_u32.to_be_bytes());
    let forward = [
        attribute(3, b"FORWARD\0"),
        attribute(4, &hook),
        drop_policy,
        attribute(7, b"filter\0"),
    ];
    let verdict = [
        attribute(1, &(-3_i32).to_be_bytes()),
        attribute(2, b"DOCKER-USER\0"),
    ]
    .concat();
    let data = [
        attribute(1, &0_u32.to_be_bytes()),
        attribute(2, &attribute(2, &verdict)),
    ]
    .concat();
    let jump = [attribute(1, b"immediate\0"), attribute(2, &data)].concat();
    let rule = [
        attribute(2, b"FORWARD\0"),
        attribute(4, &attribute(1, &jump)),
    ]
    .concat();
    let messages = [
        (0x10, 0, vec![]),
        (10 << 8, 2, name.clone()),
        (
            10 << 8 | 3,
            2,
            [name.clone(), attribute(3, b"DOCKER-USER\0")].concat(),
        ),
        (10 << 8 | 3, 2, [name.clone(), forward.concat()].concat()),
        (10 << 8 | 6, 2, [name, rule].concat()),
        (0x11, 0, vec![]),
    ];
    let mut bytes = Vec::new();
    for (sequence, (kind, family, body)) in messages.into_iter().enumerate() {
        let resource = if family == 0 { 10 } else { 0 };
        bytes.extend((20 + body.len() as u32).to_ne_bytes());
        bytes.extend::<[u8; 2]>(u16::to_ne_bytes(kind));
        bytes.extend(((libc::NLM_F_REQUEST | libc::NLM_F_CREATE) as u16).to_ne_bytes());
        bytes.extend((sequence as u32).to_ne_bytes());
        bytes.extend([0, 0, 0, 0, family, 0, 0, resource]);
        bytes.extend(body);
    }
    netfilter_socket().send(&bytes, 0).unwrap();
    assert_eq!(nft_tables(), ["nft family 2: filter"]);
}

fn netfilter_socket() -> netlink_sys::Socket {
    let mut socket = netlink_sys::Socket::new(netlink_sys::protocols::NETLINK_NETFILTER).unwrap();
    socket.bind_auto().unwrap();
    socket
}

/// The messages of an nftables list.
fn nft_dump(kind: u16, family: u8, filter: &[u8]) -> Vec<Vec<u8>> {
    let socket = netfilter_socket();
    let mut bytes = (20 + filter.len() as u32).to_ne_bytes().to_vec();
    bytes.extend((10 << 8 | kind).to_ne_bytes());
    bytes.extend(((libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16).to_ne_bytes());
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, family, 0, 0, 0]);
    bytes.extend(filter);
    socket.send(&bytes, 0).unwrap();
    let mut messages = Vec::new();
    loop {
        let (answer, _) = socket.recv_from_full().unwrap();
        let mut rest = &answer[..];
        while rest.len() >= 16 {
            let length = u32::from_ne_bytes(rest[..4].try_into().unwrap()) as usize;
            match i32::from(u16::from_ne_bytes([rest[4], rest[5]])) {
                libc::NLMSG_DONE | libc::NLMSG_ERROR => return messages,
                _ => messages.push(rest[..length].to_vec()),
            }
            rest = &rest[length.next_multiple_of(4)..];
        }
    }
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn text_at(message: &[u8], at: usize) -> String {
    let length = usize::from(u16::from_ne_bytes([message[at], message[at + 1]]));
    String::from_utf8_lossy(&message[at + 4..at + length - 1]).into_owned()
}

/// The first published host port of an endpoint.
pub fn host_port(endpoint: &Endpoint) -> u16 {
    endpoint.published.ports[0].host_port
}
