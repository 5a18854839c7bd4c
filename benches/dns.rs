//! How fast names are answered: the answer alone, over a socket one question at a time, and with many on the way.

use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;
use hoist::id::ContainerId;
use hoist::id::NetworkName;
use hoist::network::dns::Entry;
use hoist::network::dns::Membership;
use hoist::network::dns::Resolver;
use hoist::network::dns::Transport;
use hoist::network::dns::Zone;
use hoist::network::dns::respond;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::sync::Arc;

/// Questions on the way at once: what some dozen busy containers have.
const WINDOW: u64 = 64;

fn container(number: u8) -> ContainerId {
    ContainerId::new(format!("{number:064x}")).expect("64 digits")
}

/// Fifty services on one network.
fn zone() -> Zone {
    let entries: Vec<_> = (1..=50)
        .map(|number| Entry {
            container: container(number),
            name: format!("app-service{number}-1"),
            networks: vec![Membership {
                network: NetworkName::new("app_default").expect("a good name"),
                ipv4: Some(Ipv4Addr::new(172, 18, 0, number)),
                ipv6: None,
                names: vec![format!("service{number}"), format!("app-service{number}-1")],
                internal: false,
            }],
            links: Vec::new(),
            dns: Vec::new(),
        })
        .collect();
    Zone::new(&entries)
}

/// `service7`, type A, with an OPT record, as a resolver library asks.
fn question() -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 8];
    packet.extend_from_slice(b"service7\0");
    packet.extend_from_slice(&[0, 1, 0, 1]);
    packet.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    packet
}

fn answer(criterion: &mut Criterion) {
    let (zone, packet, mut buffer) = (zone(), question(), [0; 4096]);
    let asker = container(1);
    criterion.bench_function("dns/answer", |bencher| {
        bencher.iter(|| {
            respond(
                zone.view(&asker),
                black_box(&packet),
                Transport::Udp,
                0,
                &mut buffer,
            )
        });
    });
}

fn sockets(criterion: &mut Criterion) {
    let server = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    client
        .connect(server.local_addr().expect("it is bound"))
        .expect("a local server");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let resolver = Resolver::start().expect("a thread");
    resolver.publish(Arc::new(zone()));
    resolver.serve(container(1), server.into(), tcp.into());
    let (packet, mut buffer) = (question(), [0; 512]);
    let mut group = criterion.benchmark_group("dns");
    group.bench_function("one at a time", |bencher| {
        bencher.iter(|| {
            client.send(&packet).expect("the server is there");
            client.recv(&mut buffer).expect("it answers")
        });
    });
    group.throughput(Throughput::Elements(WINDOW));
    group.bench_function("many at once", |bencher| {
        bencher.iter(|| {
            for _ in 0..WINDOW {
                client.send(&packet).expect("the server is there");
            }
            for _ in 0..WINDOW {
                client.recv(&mut buffer).expect("it answers");
            }
        });
    });
}

criterion_group!(benches, answer, sockets);
criterion_main!(benches);
