//! Containers reach each other, the outside and their published ports; what must not be reached is not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::network_world::*;
use crate::world::patience;
use hoist::network::Driver;
use hoist::network::Error;
use hoist::network::spec::NetworkKind;
use std::net::SocketAddr;
use std::time::Instant;

fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

/// Runs a script in the network namespace of the calling thread.
fn sh(script: &str) {
    let status = std::process::Command::new("sh")
        .args(["-c", script])
        .status();
    assert!(status.unwrap().success(), "{script}");
}

#[test]
fn containers_of_a_network_reach_each_other_at_once() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest01").unwrap();
        let net = with_ipv6(network(&driver, "one", 1));
        driver.create_network(&net).unwrap();
        let specs = [container(&[&net], 2), container(&[&net], 3)];
        let mut ends = driver.attach_all(&specs, std::slice::from_ref(&net));
        let (b, a) = (ends.pop().unwrap().unwrap(), ends.pop().unwrap().unwrap());
        let attached = Instant::now();
        for tcp in [true, false] {
            serve_whoami(&b.netns, tcp, 80);
            let peer = ask_from(&a.netns, tcp, at("172.30.1.3", 80)).unwrap();
            assert_eq!(peer.to_string(), "172.30.1.2");
            let peer = ask_from(&a.netns, tcp, at("fd00:1::3", 80)).unwrap();
            assert_eq!(peer.to_string(), "fd00:1::2");
        }
        // A second would mean that bridge or address had to settle first.
        assert!(
            attached.elapsed().as_millis() < 900,
            "{:?}",
            attached.elapsed()
        );
        assert!(ask_from(&a.netns, true, at("172.30.1.1", 80)).is_err());
    });
}

#[test]
fn a_published_port_answers_from_every_side() {
    on_a_fresh_host(|| {
        let outside = neighbour();
        let driver = Driver::new("htest02").unwrap();
        let (net, other) = (network(&driver, "one", 1), network(&driver, "two", 2));
        for net in [&net, &other] {
            driver.create_network(net).unwrap();
        }
        let nets = [net.clone(), other.clone()];
        let mut web = container(&[&net], 2);
        web.ports = vec![port(true, 80), port(false, 80)];
        let sibling = driver.attach(&container(&[&net], 3), &nets).unwrap();
        let stranger = driver.attach(&container(&[&other], 2), &nets).unwrap();
        let web = driver.attach(&web, &nets).unwrap();
        for (published, tcp) in web.published.ports.iter().zip([true, false]) {
            serve_whoami(&web.netns, tcp, 80);
            let port = published.host_port;
            assert_eq!(
                ask_from(&outside, tcp, at("192.0.2.1", port))
                    .unwrap()
                    .to_string(),
                "192.0.2.2"
            );
            ask(tcp, at("127.0.0.1", port)).unwrap();
            ask(tcp, at("192.0.2.1", port)).unwrap();
            ask(tcp, at("172.30.1.1", port)).unwrap();
            ask_from(&sibling.netns, tcp, at("192.0.2.1", port)).unwrap();
            ask_from(&sibling.netns, tcp, at("172.30.1.1", port)).unwrap();
            ask_from(&web.netns, tcp, at("172.30.1.1", port)).unwrap();
            ask_from(&stranger.netns, tcp, at("192.0.2.1", port)).unwrap();
        }
        // But not by its own address from outside or from another network.
        let direct = at("172.30.1.2", 80);
        assert!(!reaches(&outside, direct));
        assert!(!reaches(&stranger.netns, direct));
        ask_from(&sibling.netns, true, direct).unwrap();
        // And containers reach the outside, as the host.
        serve_whoami(&outside, true, 81);
        assert_eq!(
            ask_from(&web.netns, true, at("192.0.2.2", 81))
                .unwrap()
                .to_string(),
            "192.0.2.1"
        );
    });
}

#[test]
fn a_taken_port_is_an_error_that_names_the_holder() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest03").unwrap();
        let net = network(&driver, "one", 1);
        driver.create_network(&net).unwrap();
        let mut first = container(&[&net], 2);
        first.ports = vec![port(true, 80)];
        let first = driver.attach(&first, std::slice::from_ref(&net)).unwrap();
        let mut second = container(&[&net], 3);
        second.ports = vec![port(true, 80)];
        second.ports[0].host_ports = (host_port(&first), host_port(&first));
        let third = container(&[&net], 4);
        let mut ends = driver.attach_all(&[second, third], std::slice::from_ref(&net));
        assert!(ends.pop().unwrap().is_ok(), "the conflict is of the other");
        match ends.pop().unwrap().unwrap_err() {
            Error::PortInUse {
                port,
                proto: "tcp",
                holder: Some(holder),
                ..
            } => {
                assert_eq!(port, host_port(&first));
                assert!(
                    holder.contains(&format!("pid {}", std::process::id())),
                    "{holder}"
                );
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn networks_come_and_go_without_a_trace() {
    on_a_fresh_host(|| {
        let before = snapshot();
        let driver = Driver::new("htest04").unwrap();
        let net = with_ipv6(network(&driver, "one", 1));
        driver.create_network(&net).unwrap();
        // The kernel adds the routes to an IPv6 address of its own, and to its network's anycast one, when it finds the time.
        let own =
            ["1 80", "0 80"].map(|end| format!("ipv6_route: fd00000100000000000000000000000{end}"));
        let has = |route: &String| snapshot().iter().any(|line| line.starts_with(route));
        let deadline = Instant::now() + patience();
        while !own.iter().all(has) {
            assert!(Instant::now() < deadline, "{:?}", snapshot());
            std::thread::yield_now();
        }
        let during = snapshot();
        driver.create_network(&net).unwrap();
        assert_eq!(snapshot(), during);
        let mut web = container(&[&net], 2);
        web.ports = vec![port(true, 80), port(false, 80)];
        let end = driver.attach(&web, std::slice::from_ref(&net)).unwrap();
        for _ in 0..2 {
            driver
                .detach(&web, &end.published.ports, std::slice::from_ref(&net))
                .unwrap();
        }
        drop(end);
        for _ in 0..2 {
            driver.remove_network(&net, &[]).unwrap();
        }
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn the_first_packet_of_a_new_container_is_not_lost() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest06").unwrap();
        for round in 0..20 {
            // A new bridge each time: it too has to become ready.
            let net = with_ipv6(network(&driver, "one", 1));
            driver.create_network(&net).unwrap();
            let mut specs = [container(&[&net], 2), container(&[&net], 3)];
            specs[0].ports = vec![port(true, 80)];
            let ends = driver.attach_all(&specs, std::slice::from_ref(&net));
            let ends: Vec<_> = ends.into_iter().map(Result::unwrap).collect();
            let start = Instant::now();
            // Nobody listens; that is told by the other end. A lost packet is sent again after a second.
            for ip in ["172.30.1.2", "fd00:1::2", "172.30.1.1", "fd00:1::1"] {
                ask_from(&ends[1].netns, true, at(ip, 80)).unwrap_err();
            }
            ask(true, at("127.0.0.1", host_port(&ends[0]))).unwrap_err();
            let took = start.elapsed();
            assert!(took.as_millis() < 900, "round {round}: {took:?}");
            drop(ends);
            driver.remove_network(&net, &[]).unwrap();
        }
    });
}

#[test]
fn fifty_containers_are_attached_in_a_blink() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest05").unwrap();
        let net = network(&driver, "one", 1);
        let start = Instant::now();
        driver.create_network(&net).unwrap();
        let created = start.elapsed();
        let mut specs: Vec<_> = (2..52).map(|host| container(&[&net], host)).collect();
        for spec in &mut specs {
            spec.ports = vec![port(true, 80)];
        }
        let (start, before) = (Instant::now(), cpu_time());
        let ends = driver.attach_all(&specs, std::slice::from_ref(&net));
        println!(
            "create_network {created:?}; 50 attaches with a port each: {:?}, CPU {:?}",
            start.elapsed(),
            cpu_time() - before
        );
        let ends: Vec<_> = ends.into_iter().map(Result::unwrap).collect();
        let ids: Vec<_> = specs.iter().map(|spec| spec.container.clone()).collect();
        // Nobody listens: the refusal comes from inside.
        let refusal = ask(true, at("127.0.0.1", host_port(&ends[49]))).unwrap_err();
        assert_eq!(refusal.kind(), std::io::ErrorKind::ConnectionRefused);
        let start = Instant::now();
        drop(ends);
        driver.remove_network(&net, &ids).unwrap();
        println!(
            "remove_network after 50 namespaces ended: {:?}",
            start.elapsed()
        );
    });
}

/// Processor time of this process, all threads, user and kernel.
fn cpu_time() -> std::time::Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let of = |time: nix::sys::time::TimeVal| {
        use nix::sys::time::TimeValLike;
        std::time::Duration::from_micros(time.num_microseconds() as u64)
    };
    of(usage.user_time()) + of(usage.system_time())
}

#[test]
fn a_network_may_have_ipv6_alone() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest20").unwrap();
        let mut net = with_ipv6(network(&driver, "six", 1));
        (net.subnet4, net.gateway4) = (None, None);
        driver.create_network(&net).unwrap();
        let mut specs = [2, 3].map(|host| {
            let mut spec = container(&[&with_ipv6(network(&driver, "six", 1))], host);
            spec.interfaces[0].ipv4 = None;
            spec
        });
        specs[1].ports = vec![port(true, 80)];
        let mut ends = driver.attach_all(&specs, std::slice::from_ref(&net));
        let (b, a) = (ends.pop().unwrap().unwrap(), ends.pop().unwrap().unwrap());
        serve_whoami(&b.netns, true, 80);
        let peer = ask_from(&a.netns, true, at("fd00:1::3", 80)).unwrap();
        assert_eq!(peer.to_string(), "fd00:1::2");
        assert!(!reaches(&a.netns, at("172.30.1.3", 80)));
    });
}

#[test]
fn members_of_an_isolated_network_reach_the_outside_but_not_each_other() {
    on_a_fresh_host(|| {
        let outside = neighbour();
        let driver = Driver::new("htest21").unwrap();
        let mut net = network(&driver, "one", 1);
        net.isolated = true;
        driver.create_network(&net).unwrap();
        let specs = [container(&[&net], 2), container(&[&net], 3)];
        let mut ends = driver.attach_all(&specs, std::slice::from_ref(&net));
        let (b, a) = (ends.pop().unwrap().unwrap(), ends.pop().unwrap().unwrap());
        serve_whoami(&b.netns, true, 80);
        assert!(!reaches(&a.netns, at("172.30.1.3", 80)));
        serve_whoami(&outside, true, 81);
        let peer = ask_from(&a.netns, true, at("192.0.2.2", 81)).unwrap();
        assert_eq!(peer.to_string(), "192.0.2.1", "as the host");
    });
}

#[test]
fn without_masquerading_packets_leave_with_the_container_s_own_address() {
    on_a_fresh_host(|| {
        let outside = neighbour();
        inside(&outside, || sh("ip route add 172.30.1.0/24 via 192.0.2.1"));
        let driver = Driver::new("htest22").unwrap();
        let mut net = network(&driver, "one", 1);
        net.unmasqueraded = true;
        driver.create_network(&net).unwrap();
        let spec = container(&[&net], 2);
        let end = driver.attach(&spec, std::slice::from_ref(&net)).unwrap();
        serve_whoami(&outside, true, 81);
        let peer = ask_from(&end.netns, true, at("192.0.2.2", 81)).unwrap();
        assert_eq!(peer.to_string(), "172.30.1.2");
    });
}

#[test]
fn a_macvlan_network_is_part_of_the_host_s_own() {
    on_a_fresh_host(|| {
        sh(
            "ip link add lower type veth peer name upper && ip link set lower up && ip link set upper up",
        );
        let driver = Driver::new("htest23").unwrap();
        let mut net = network(&driver, "lan", 1);
        net.kind = NetworkKind::Macvlan {
            parent: "lower".into(),
            mode: "bridge".into(),
        };
        driver.create_network(&net).unwrap();
        let specs = [container(&[&net], 2), container(&[&net], 3)];
        let mut ends = driver.attach_all(&specs, std::slice::from_ref(&net));
        let (b, a) = (ends.pop().unwrap().unwrap(), ends.pop().unwrap().unwrap());
        serve_whoami(&b.netns, true, 80);
        let peer = ask_from(&a.netns, true, at("172.30.1.3", 80)).unwrap();
        assert_eq!(peer.to_string(), "172.30.1.2");
        net.kind = NetworkKind::Macvlan {
            parent: "nonesuch".into(),
            mode: "bridge".into(),
        };
        let error = driver.create_network(&net).unwrap_err();
        assert!(error.to_string().contains("`nonesuch`"), "{error}");
    });
}

#[test]
fn an_interface_has_the_link_local_addresses_and_the_name_it_asks_for() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest24").unwrap();
        let net = network(&driver, "one", 1);
        driver.create_network(&net).unwrap();
        let mut spec = container(&[&net], 2);
        spec.interfaces[0].name = "front0".into();
        spec.interfaces[0].link_local = vec!["169.254.8.8".parse().unwrap()];
        let end = driver.attach(&spec, std::slice::from_ref(&net)).unwrap();
        inside(&end.netns, || {
            sh("ip -br address show front0 | grep -q '169.254.8.8/16'");
        });
    });
}

#[test]
fn a_bridge_of_somebody_else_is_not_taken_over() {
    on_a_fresh_host(|| {
        sh("ip link add theirs type bridge");
        let driver = Driver::new("htest25").unwrap();
        let mut net = network(&driver, "one", 1);
        net.bridge = "theirs".into();
        let error = driver.create_network(&net).unwrap_err();
        assert!(error.to_string().contains("`theirs`"), "{error}");
        net.bridge = "ours0".into();
        for _ in 0..2 {
            driver.create_network(&net).unwrap();
        }
        driver.remove_network(&net, &[]).unwrap();
        sh("! ip link show ours0 2>/dev/null && ip link show theirs >/dev/null");
    });
}
