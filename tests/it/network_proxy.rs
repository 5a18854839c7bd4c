//! What the kernel cannot carry to a container, the proxy carries: whole, in both directions, to the end.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::network_world::*;
use hoist::network::Driver;
use hoist::network::Endpoint;
use hoist::network::publish::proxy;
use hoist::network::spec::NetworkSpec;
use std::io::Read;
use std::io::Write;
use std::net::Ipv6Addr;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::thread;

/// A container that publishes TCP and UDP port 80, with its proxy running.
fn published(driver: &Driver, net: &NetworkSpec) -> Endpoint {
    driver.create_network(net).unwrap();
    let mut spec = container(&[net], 2);
    spec.ports = vec![port(true, 80), port(false, 80)];
    let mut end = driver.attach(&spec, std::slice::from_ref(net)).unwrap();
    let proxies = std::mem::take(&mut end.published.proxies);
    assert_eq!(proxies.len(), 2, "::1 needs a proxy for each");
    thread::spawn(move || proxy::serve(proxies));
    end
}

fn local(end: &Endpoint, index: usize) -> SocketAddr {
    (Ipv6Addr::LOCALHOST, end.published.ports[index].host_port).into()
}

#[test]
fn ipv6_localhost_reaches_containers_with_and_without_ipv6() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest11").unwrap();
        for net in [
            network(&driver, "four", 1),
            with_ipv6(network(&driver, "both", 2)),
        ] {
            let end = published(&driver, &net);
            for (index, tcp) in [true, false].into_iter().enumerate() {
                serve_whoami(&end.netns, tcp, 80);
                let peer = ask(tcp, local(&end, index)).unwrap();
                let gateway = net
                    .gateway6
                    .map_or(net.gateway4.unwrap().into(), std::net::IpAddr::from);
                assert_eq!(peer, gateway);
            }
        }
    });
}

#[test]
fn ipv6_addresses_are_rewritten_by_the_kernel_where_the_container_has_ipv6() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest12").unwrap();
        let net = with_ipv6(network(&driver, "both", 1));
        let end = published(&driver, &net);
        let other = driver
            .attach(&container(&[&net], 3), std::slice::from_ref(&net))
            .unwrap();
        for (index, tcp) in [true, false].into_iter().enumerate() {
            serve_whoami(&end.netns, tcp, 80);
            let host = SocketAddr::new(
                net.gateway6.unwrap().into(),
                end.published.ports[index].host_port,
            );
            ask(tcp, host).unwrap();
            ask_from(&other.netns, tcp, host).unwrap();
            ask_from(&end.netns, tcp, host).unwrap();
        }
    });
}

/// A server that reads to the end and then answers with how much it read and the same bytes.
fn serve_echo_after_end(end: &Endpoint) {
    let (ready, started) = std::sync::mpsc::channel();
    start_inside(&end.netns, move || {
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 80)).unwrap();
        ready.send(()).unwrap();
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut bytes = Vec::new();
                if stream.read_to_end(&mut bytes).is_ok() {
                    let _ = stream.write_all(&bytes);
                }
            });
        }
    });
    started.recv().unwrap();
}

#[test]
fn a_client_may_end_its_side_and_still_get_the_answer() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest13").unwrap();
        let end = published(&driver, &network(&driver, "one", 1));
        serve_echo_after_end(&end);
        let clients: Vec<_> = (0..8_u8)
            .map(|number| {
                let to = local(&end, 0);
                let netns = std::fs::File::open("/proc/thread-self/ns/net")
                    .unwrap()
                    .into();
                start_inside(&netns, move || {
                    let sent: Vec<u8> = (0..4_000_000_u32)
                        .map(|at| (at / 7) as u8 ^ number)
                        .collect();
                    let mut stream = TcpStream::connect(to).unwrap();
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    stream.write_all(&sent).unwrap();
                    stream.shutdown(Shutdown::Write).unwrap();
                    let mut got = Vec::new();
                    stream.read_to_end(&mut got).unwrap();
                    assert!(
                        got == sent,
                        "{} of {} bytes came back right",
                        got.len(),
                        sent.len()
                    );
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
    });
}

#[test]
fn a_refusal_and_a_reset_are_seen_by_the_client() {
    on_a_fresh_host(|| {
        let driver = Driver::new("htest14").unwrap();
        let end = published(&driver, &network(&driver, "one", 1));
        let mut buffer = [0; 16];
        // Nobody listens in the container.
        let mut stream = TcpStream::connect(local(&end, 0)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let error = stream.read(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        // The server closes with unread bytes: a reset.
        let (ready, started) = std::sync::mpsc::channel();
        start_inside(&end.netns, move || {
            let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 80)).unwrap();
            ready.send(()).unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 1]).unwrap();
        });
        started.recv().unwrap();
        let mut stream = TcpStream::connect(local(&end, 0)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"much more than one byte").unwrap();
        let error = stream.read(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    });
}
