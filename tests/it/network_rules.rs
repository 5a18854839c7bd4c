//! Isolation, living beside others, and finding what a crash left.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::network_world::*;
use hoist::network::Driver;
use hoist::network::Error;
use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;

fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

#[test]
fn an_internal_network_has_no_way_out_and_no_way_in() {
    on_a_fresh_host(|| {
        let outside = neighbour();
        let driver = Driver::new("htest21").unwrap();
        let mut net = network(&driver, "inner", 1);
        net.internal = true;
        let open = network(&driver, "open", 2);
        let nets = [net, open];
        nets.iter()
            .for_each(|net| driver.create_network(net).unwrap());
        let mut spec = container(&[&nets[0]], 2);
        spec.ports = vec![port(true, 80)];
        let inner = driver.attach(&spec, &nets).unwrap();
        assert!(
            inner.published.ports.is_empty() && inner.published.reservations.is_empty(),
            "nothing is published"
        );
        let sibling = driver.attach(&container(&[&nets[0]], 3), &nets).unwrap();
        let other = driver.attach(&container(&[&nets[1]], 2), &nets).unwrap();
        for end in [&inner, &other] {
            serve_whoami(&end.netns, true, 80);
        }
        serve_whoami(&outside, true, 81);
        ask_from(&sibling.netns, true, at("172.30.1.2", 80)).unwrap();
        // No route, and with one by hand no passage.
        assert!(!reaches(&inner.netns, at("192.0.2.2", 81)));
        assert!(!reaches(&inner.netns, at("172.30.2.2", 80)));
        add_default_route(&inner.netns, Ipv4Addr::new(172, 30, 1, 1));
        assert!(!reaches(&inner.netns, at("192.0.2.2", 81)));
        assert!(!reaches(&inner.netns, at("172.30.2.2", 80)));
        assert!(!reaches(&other.netns, at("172.30.1.2", 80)));
        assert!(!reaches(&outside, at("172.30.1.2", 80)));
        assert!(
            reaches(&other.netns, at("192.0.2.2", 81)),
            "an open one has"
        );
    });
}

#[test]
fn a_container_on_two_networks_is_reached_on_both_and_joins_them_not() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest22").unwrap();
        let nets = [network(&driver, "front", 1), network(&driver, "back", 2)];
        nets.iter()
            .for_each(|net| driver.create_network(net).unwrap());
        let specs = [
            container(&[&nets[0], &nets[1]], 2),
            container(&[&nets[0]], 3),
            container(&[&nets[1]], 3),
        ];
        let ends: Vec<_> = driver
            .attach_all(&specs, &nets)
            .into_iter()
            .map(Result::unwrap)
            .collect();
        serve_whoami(&ends[0].netns, true, 80);
        serve_whoami(&ends[2].netns, true, 80);
        ask_from(&ends[1].netns, true, at("172.30.1.2", 80)).unwrap();
        ask_from(&ends[2].netns, true, at("172.30.2.2", 80)).unwrap();
        ask_from(&ends[0].netns, true, at("172.30.2.3", 80)).unwrap();
        assert!(!reaches(&ends[1].netns, at("172.30.2.3", 80)));
    });
}

#[test]
fn a_port_published_on_localhost_is_for_this_host_alone() {
    on_a_fresh_host(|| {
        let outside = neighbour();
        let driver = Driver::new("htest23").unwrap();
        let net = network(&driver, "one", 1);
        driver.create_network(&net).unwrap();
        let mut spec = container(&[&net], 2);
        spec.ports = vec![port(true, 80)];
        spec.ports[0].host_ip = Some(Ipv4Addr::LOCALHOST.into());
        let end = driver.attach(&spec, std::slice::from_ref(&net)).unwrap();
        serve_whoami(&end.netns, true, 80);
        let port = host_port(&end);
        ask(true, at("127.0.0.1", port)).unwrap();
        assert!(!reaches(&outside, at("192.0.2.1", port)));
        // Not even by sending packets for 127.0.0.1 over the cable.
        set(&outside, "net/ipv4/conf/all/route_localnet", "1");
        drop_local_table(&outside);
        add_route(
            &outside,
            (Ipv4Addr::new(127, 0, 0, 0), 8),
            Ipv4Addr::new(192, 0, 2, 1),
        );
        assert!(!reaches(&outside, at("127.0.0.1", port)));
        // Nor is a service of the host on 127.0.0.1 open to containers.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        set(&end.netns, "net/ipv4/conf/all/route_localnet", "1");
        drop_local_table(&end.netns);
        add_route(
            &end.netns,
            (Ipv4Addr::new(127, 0, 0, 0), 8),
            Ipv4Addr::new(172, 30, 1, 1),
        );
        let secret = listener.local_addr().unwrap();
        let connect = move || TcpStream::connect_timeout(&secret, SILENCE).is_ok();
        assert!(!inside(&end.netns, connect));
    });
}

#[test]
fn ports_work_with_and_without_rules_for_bridged_packets() {
    for on in ["0", "1"] {
        on_a_fresh_host(move || {
            let key = "/proc/sys/net/bridge/bridge-nf-call-iptables";
            if std::fs::write(key, on).is_err() {
                // This kernel has no br_netfilter, or not loaded.
                return;
            }
            let driver = Driver::new("htest24").unwrap();
            let net = network(&driver, "one", 1);
            driver.create_network(&net).unwrap();
            let mut spec = container(&[&net], 2);
            spec.ports = vec![port(true, 80)];
            let end = driver.attach(&spec, std::slice::from_ref(&net)).unwrap();
            let other = driver
                .attach(&container(&[&net], 3), std::slice::from_ref(&net))
                .unwrap();
            serve_whoami(&end.netns, true, 80);
            let published = at("172.30.1.1", host_port(&end));
            for netns in [&end.netns, &other.netns] {
                ask_from(netns, true, published).unwrap();
            }
            assert_eq!(
                ask_from(&other.netns, true, at("172.30.1.2", 80))
                    .unwrap()
                    .to_string(),
                "172.30.1.3"
            );
            ask(true, at("127.0.0.1", host_port(&end))).unwrap();
        });
    }
}

#[test]
fn traffic_passes_beside_docker_and_our_rules_leave_its_chain() {
    on_a_fresh_host(|| {
        let outside = neighbour();
        nft_like_dockerd();
        let before = snapshot();
        let driver = Driver::new("htest25").unwrap();
        let net = network(&driver, "one", 1);
        // Twice: no rule is added again.
        driver.create_network(&net).unwrap();
        driver.create_network(&net).unwrap();
        assert_eq!(rules_in_docker_user(), 2);
        let mut spec = container(&[&net], 2);
        spec.ports = vec![port(true, 80)];
        let end = driver.attach(&spec, std::slice::from_ref(&net)).unwrap();
        serve_whoami(&end.netns, true, 80);
        serve_whoami(&outside, true, 81);
        ask_from(&outside, true, at("192.0.2.1", host_port(&end))).unwrap();
        ask_from(&end.netns, true, at("192.0.2.2", 81)).unwrap();
        assert!(
            !reaches(&outside, at("172.30.1.2", 80)),
            "isolation holds beside it"
        );
        // The server's thread keeps its namespace, so the network goes by sweeping.
        let swept = driver.sweep(&[], &[]).unwrap();
        assert_eq!(
            (swept.links.len(), swept.tables.len(), swept.foreign_rules),
            (2, 1, 2)
        );
        assert_eq!(rules_in_docker_user(), 0);
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn a_sweep_finds_what_a_crash_left_and_spares_the_rest() {
    on_a_fresh_host(|| {
        let before = snapshot();
        let other = Driver::new("htest27").unwrap();
        let foreign = network(&other, "theirs", 9);
        other.create_network(&foreign).unwrap();
        let _theirs = other
            .attach(&container(&[&foreign], 2), std::slice::from_ref(&foreign))
            .unwrap();

        let crashed = Driver::new("htest26").unwrap();
        let nets = [network(&crashed, "kept", 1), network(&crashed, "lost", 2)];
        nets.iter()
            .for_each(|net| crashed.create_network(net).unwrap());
        let mut specs = [
            container(&[&nets[0]], 2),
            container(&[&nets[0]], 3),
            container(&[&nets[1]], 2),
        ];
        specs
            .iter_mut()
            .for_each(|spec| spec.ports = vec![port(true, 80), port(false, 80)]);
        // The endpoints stay open: shims outlive a supervisor.
        let ends: Vec<_> = crashed
            .attach_all(&specs, &nets)
            .into_iter()
            .map(Result::unwrap)
            .collect();
        drop(crashed);

        let driver = Driver::new("htest26").unwrap();
        let swept = driver
            .sweep(&nets[..1], &[specs[0].container.clone()])
            .unwrap();
        assert_eq!(swept.links.len(), 2 + 1, "{swept:?}");
        assert_eq!(swept.tables, [nets[1].bridge.clone()]);
        assert_eq!(swept.mappings, 4 - 2, "{swept:?}");
        serve_whoami(&ends[0].netns, true, 80);
        ask(true, at("127.0.0.1", host_port(&ends[0]))).unwrap();
        assert_eq!(
            driver
                .sweep(&nets[..1], &[specs[0].container.clone()])
                .unwrap(),
            Default::default()
        );

        driver.sweep(&[], &[]).unwrap();
        assert_ne!(snapshot(), before, "the other project is there");
        other.sweep(&[], &[]).unwrap();
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn a_stale_mapping_does_not_keep_a_port() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest28").unwrap();
        let net = network(&driver, "one", 1);
        driver.create_network(&net).unwrap();
        let mut spec = container(&[&net], 2);
        spec.ports = vec![port(true, 80), port(false, 80)];
        let end = driver.attach(&spec, std::slice::from_ref(&net)).unwrap();
        // Its shim dies: sockets and namespace are gone, the mappings are not.
        let ports = end.published.ports.clone();
        drop(end);
        let mut next = container(&[&net], 3);
        next.ports = spec.ports.clone();
        for (spec, was) in next.ports.iter_mut().zip(&ports) {
            spec.host_ports = (was.host_port, was.host_port);
        }
        let end = driver.attach(&next, std::slice::from_ref(&net)).unwrap();
        serve_whoami(&end.netns, true, 80);
        ask(true, at("127.0.0.1", host_port(&end))).unwrap();
    });
}

#[test]
fn a_network_in_use_is_not_removed() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest29").unwrap();
        let net = network(&driver, "one", 1);
        driver.create_network(&net).unwrap();
        let end = driver
            .attach(&container(&[&net], 2), std::slice::from_ref(&net))
            .unwrap();
        match driver.remove_network(&net, &[]) {
            Err(Error::NetworkInUse { members: 1, .. }) => {}
            other => panic!("{other:?}"),
        }
        drop(end);
        driver.remove_network(&net, &[]).unwrap();
    });
}

#[test]
fn a_network_goes_with_the_links_of_containers_that_have_ended_but_not_with_those_of_others() {
    on_a_fresh_host(|| {
        let before = snapshot();
        let driver = Driver::new("htest30").unwrap();
        let net = network(&driver, "one", 1);
        driver.create_network(&net).unwrap();
        let (ended, stays) = (container(&[&net], 2), container(&[&net], 3));
        let nets = std::slice::from_ref(&net);
        // Its namespace is still held, as by a kernel that has not got round to it.
        let _netns = driver.attach(&ended, nets).unwrap();
        let other = driver.attach(&stays, nets).unwrap();
        match driver.remove_network(&net, std::slice::from_ref(&ended.container)) {
            Err(Error::NetworkInUse { members: 1, .. }) => {}
            other => panic!("{other:?}"),
        }
        drop(other);
        driver
            .remove_network(&net, std::slice::from_ref(&ended.container))
            .unwrap();
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn queries_reach_the_resolver_though_the_container_has_port_53() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest32").unwrap();
        let end = driver.new_netns().unwrap();
        let (udp, tcp) = (UdpSocket::from(end.dns_udp), TcpListener::from(end.dns_tcp));
        udp.set_nonblocking(false).unwrap();
        tcp.set_nonblocking(false).unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            let (length, peer) = udp.recv_from(&mut buffer).unwrap();
            udp.send_to(&[b"udp ", &buffer[..length]].concat(), peer)
                .unwrap();
            let (mut stream, _) = tcp.accept().unwrap();
            let length = stream.read(&mut buffer).unwrap();
            stream
                .write_all(&[b"tcp ", &buffer[..length]].concat())
                .unwrap();
        });
        inside(&end.netns, || {
            let _own = (
                UdpSocket::bind("0.0.0.0:53").unwrap(),
                TcpListener::bind("0.0.0.0:53").unwrap(),
            );
            let resolver = "127.0.0.11:53";
            let mut buffer = [0; 64];
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(resolver).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.send(b"one").unwrap();
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"udp one");
            let mut stream = TcpStream::connect(resolver).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(b"two").unwrap();
            let length = stream.read(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"tcp two");
        });
    });
}

#[test]
fn a_namespace_has_the_settings_containers_expect() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest31").unwrap();
        let net = network(&driver, "one", 1);
        driver.create_network(&net).unwrap();
        let end = driver
            .attach(&container(&[&net], 2), std::slice::from_ref(&net))
            .unwrap();
        inside(&end.netns, || {
            let read = |key: &str| std::fs::read_to_string(format!("/proc/sys/net/{key}")).unwrap();
            assert_eq!(read("ipv4/ip_unprivileged_port_start").trim(), "0");
            assert_eq!(
                read("ipv4/ping_group_range").split_whitespace().last(),
                Some("2147483647")
            );
            let addresses = std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap();
            assert_eq!(
                addresses.lines().count(),
                1,
                "only ::1 without IPv6: {addresses}"
            );
            let links = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
            assert!(links.contains("eth0:") && links.contains("lo:"), "{links}");
        });
    });
}
