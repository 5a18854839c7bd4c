//! Packets against another implementation, the zone as a table, the resolver over real sockets.

use super::wire;
use super::*;
use crate::id::ContainerId;
use crate::id::NetworkName;
use hickory_proto::op::Edns;
use hickory_proto::op::Message;
use hickory_proto::op::Query;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::DNSClass;
use hickory_proto::rr::Name;
use hickory_proto::rr::RecordType;
use proptest::prelude::*;
use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn id(number: u8) -> ContainerId {
    ContainerId::new(format!("{number:064x}")).unwrap()
}

fn member(network: &str, last: u8, names: &[&str]) -> Membership {
    Membership {
        network: NetworkName::new(network).unwrap(),
        ipv4: Some(Ipv4Addr::new(
            10,
            if network == "app_front" { 1 } else { 2 },
            0,
            last,
        )),
        ipv6: (last == 2).then(|| "fd00::2".parse().unwrap()),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        internal: network == "app_back",
    }
}

fn entry(number: u8, name: &str, networks: Vec<Membership>) -> Entry {
    Entry {
        container: id(number),
        name: name.to_owned(),
        networks,
        links: Vec::new(),
        dns: Vec::new(),
    }
}

/// web (1) on front, db (2) on both, two workers (3, 4) on back only; web has links.
fn zone() -> Zone {
    let mut web = entry(
        1,
        "app-web-1",
        vec![member("app_front", 1, &["web", "app-web-1", "Www.Example"])],
    );
    web.links = vec![
        ("store".into(), vec!["db".into()]),
        ("none".into(), vec!["worker".into()]),
    ];
    let db = ["db", "app-db-1"];
    Zone::new(&[
        web,
        entry(
            2,
            "app-db-1",
            vec![
                member("app_front", 2, &db),
                member("app_back", 2, &["db", "app-db-1", "data"]),
            ],
        ),
        entry(
            3,
            "app-worker-1",
            vec![member("app_back", 3, &["worker", "app-worker-1"])],
        ),
        entry(
            4,
            "app-worker-2",
            vec![member("app_back", 4, &["worker", "app-worker-2"])],
        ),
    ])
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    let mut query = Query::query(
        Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).unwrap(),
        kind,
    );
    query.set_query_class(DNSClass::IN);
    message.add_query(query);
    message.metadata.recursion_desired = true;
    message
}

/// The answer to a question from a container's view; `None` if it is forwarded.
fn asked(
    zone: &Zone,
    from: u8,
    message: &Message,
    transport: Transport,
    turn: usize,
) -> Option<Message> {
    let mut buffer = vec![0; 65535];
    let packet = message.to_vec().unwrap();
    match respond(zone.view(&id(from)), &packet, transport, turn, &mut buffer) {
        Outcome::Reply(len) => Some(Message::from_vec(&buffer[..len]).unwrap()),
        Outcome::Forward => None,
        Outcome::Ignore => panic!("a question is not ignored"),
    }
}

/// An answer in short: `code: data data`, or `forward`.
fn short(zone: &Zone, from: u8, name: &str, kind: RecordType, turn: usize) -> String {
    let Some(reply) = asked(zone, from, &question(name, kind), Transport::Udp, turn) else {
        return "forward".into();
    };
    let data: Vec<_> = reply
        .answers
        .iter()
        .map(|record| record.data.to_string())
        .collect();
    format!("{:?}: {}", reply.metadata.response_code, data.join(" "))
}

#[test]
fn who_sees_what() {
    let zone = zone();
    for (from, name, kind, answer) in [
        (1, "db", RecordType::A, "NoError: 10.1.0.2"),
        (1, "DB.", RecordType::A, "NoError: 10.1.0.2"),
        (1, "db", RecordType::AAAA, "NoError: fd00::2"),
        (1, "web", RecordType::AAAA, "NoError: "),
        (1, "web", RecordType::MX, "NoError: "),
        (1, "web", RecordType::HTTPS, "NoError: "),
        (1, "www.example", RecordType::A, "NoError: 10.1.0.1"),
        (1, "db.app_front", RecordType::A, "NoError: 10.1.0.2"),
        (1, "store", RecordType::A, "NoError: 10.1.0.2"),
        // On a network that web is not on; a link to it; a link of somebody else; an alias of another network.
        (1, "worker", RecordType::A, "forward"),
        (1, "none", RecordType::A, "forward"),
        (2, "store", RecordType::A, "forward"),
        (1, "data", RecordType::A, "forward"),
        (1, "db.app_back", RecordType::A, "forward"),
        (1, "example.org", RecordType::A, "forward"),
        // db is on both; front is its first.
        (2, "db", RecordType::A, "NoError: 10.1.0.2"),
        (2, "data", RecordType::A, "NoError: 10.2.0.2"),
        (2, "worker", RecordType::A, "NoError: 10.2.0.3 10.2.0.4"),
        (2, "app-worker-2", RecordType::A, "NoError: 10.2.0.4"),
        // The workers' only network is internal.
        (3, "web", RecordType::A, "NXDomain: "),
        (3, "example.org", RecordType::A, "NXDomain: "),
        (3, "db", RecordType::ANY, "NoError: 10.2.0.2 fd00::2"),
        (
            1,
            "2.0.1.10.in-addr.arpa",
            RecordType::PTR,
            "NoError: app-db-1.app_front.",
        ),
        (
            3,
            "2.0.2.10.in-addr.arpa",
            RecordType::PTR,
            "NoError: app-db-1.app_back.",
        ),
        (3, "2.0.1.10.in-addr.arpa", RecordType::PTR, "NXDomain: "),
        (1, "2.0.1.10.in-addr.arpa", RecordType::A, "NoError: "),
        (1, "2.0.1.10.10.in-addr.arpa", RecordType::PTR, "forward"),
        (1, "x.0.1.10.in-addr.arpa", RecordType::PTR, "forward"),
        (
            3,
            "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
            RecordType::PTR,
            "NoError: app-db-1.app_back.",
        ),
        (1, ".", RecordType::NS, "forward"),
        // A container that is not in the zone.
        (9, "web", RecordType::A, "ServFail: "),
    ] {
        assert_eq!(
            short(&zone, from, name, kind, 0),
            answer,
            "{from} asks {name} {kind}"
        );
    }
}

#[test]
fn replicas_take_turns() {
    let zone = zone();
    assert_eq!(
        short(&zone, 2, "worker", RecordType::A, 7),
        "NoError: 10.2.0.4 10.2.0.3"
    );
    assert_eq!(
        short(&zone, 2, "worker", RecordType::A, 8),
        "NoError: 10.2.0.3 10.2.0.4"
    );
}

#[test]
fn an_answer_repeats_the_question_and_says_it_is_ours() {
    let question = question("DB", RecordType::A);
    let reply = asked(&zone(), 1, &question, Transport::Udp, 0).unwrap();
    assert_eq!(reply.queries, question.queries);
    assert_eq!(reply.metadata.id, question.metadata.id);
    assert!(
        reply.metadata.authoritative
            && reply.metadata.recursion_available
            && reply.metadata.recursion_desired
    );
    assert_eq!(reply.answers[0].ttl, 600);
    assert_eq!(reply.answers[0].name, question.queries[0].name);
    assert_eq!(reply.edns, None);
}

#[test]
fn edns_is_answered_in_kind() {
    let mut question = question("db", RecordType::A);
    let mut edns = Edns::new();
    edns.set_max_payload(1400).set_dnssec_ok(true);
    question.set_edns(edns);
    let reply = asked(&zone(), 1, &question, Transport::Udp, 0).unwrap();
    let edns = reply.edns.as_ref().unwrap();
    assert_eq!(
        (
            edns.version(),
            edns.flags().dnssec_ok,
            usize::from(edns.max_payload())
        ),
        (0, true, wire::LARGEST_UDP)
    );
    assert_eq!(reply.answers.len(), 1);
    question.edns.as_mut().unwrap().set_version(1);
    let reply = asked(&zone(), 1, &question, Transport::Udp, 0).unwrap();
    // hickory calls 16 by its other name, BADSIG.
    assert_eq!(u16::from(reply.metadata.response_code), 16);
    assert_eq!(reply.answers.len(), 0);
}

/// A service of so many replicas.
fn crowd(size: u16) -> Zone {
    let entries: Vec<_> = (0..size)
        .map(|number| {
            let [high, low] = number.to_be_bytes();
            let name = format!("app-crowd-{number}");
            let mut membership = member("app_front", 1, &["crowd", &name]);
            membership.ipv4 = Some(Ipv4Addr::new(10, 9, high, low));
            let container = ContainerId::new(format!("{number:064x}")).unwrap();
            Entry {
                container,
                ..entry(0, &name, vec![membership])
            }
        })
        .collect();
    Zone::new(&entries)
}

#[test]
fn many_replicas_are_cut_over_udp_and_whole_over_tcp() {
    let zone = crowd(400);
    let mut question = question("crowd", RecordType::A);
    let reply = asked(&zone, 0, &question, Transport::Udp, 0).unwrap();
    assert!(reply.metadata.truncation);
    assert_eq!(reply.answers.len(), (512 - 12 - 11) / 16);
    let reply = asked(&zone, 0, &question, Transport::Tcp, 0).unwrap();
    assert!(!reply.metadata.truncation);
    assert_eq!(reply.answers.len(), 400);
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    question.set_edns(edns);
    let reply = asked(&zone, 0, &question, Transport::Udp, 399).unwrap();
    assert!(reply.metadata.truncation && reply.edns.is_some());
    assert_eq!(reply.answers.len(), (1232 - 12 - 11 - 11) / 16);
    assert_eq!(reply.answers[1].data.to_string(), "10.9.0.0");
}

#[test]
fn what_is_no_question_gets_an_error_or_nothing() {
    let good = question("db", RecordType::A).to_vec().unwrap();
    let changed = |at: usize, value: u8| {
        let mut packet = good.clone();
        packet[at] = value;
        packet
    };
    let mut two = question("db", RecordType::A);
    two.add_query(Query::query(
        Name::from_ascii("web").unwrap(),
        RecordType::A,
    ));
    let mut chaos = question("version.bind", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    for (packet, outcome) in [
        (Vec::new(), None),
        (good[..11].to_vec(), None),
        (changed(2, 0x80), None),
        (changed(2, 0x10), Some(4)),
        (good[..12].to_vec(), Some(1)),
        (good[..good.len() - 1].to_vec(), Some(1)),
        // A compressed name, a label of an unknown kind, a name without an end.
        (changed(12, 0xc0), Some(1)),
        (changed(12, 0x41), Some(1)),
        (changed(15, 60), Some(1)),
        // An additional record that is not there.
        (changed(11, 1), Some(1)),
        (two.to_vec().unwrap(), Some(1)),
        (chaos.to_vec().unwrap(), Some(5)),
    ] {
        let mut buffer = [0; 512];
        let got = respond(zone().view(&id(1)), &packet, Transport::Udp, 0, &mut buffer);
        match outcome {
            None => assert_eq!(got, Outcome::Ignore, "{packet:x?}"),
            Some(code) => {
                assert!(
                    matches!(got, Outcome::Reply(len) if len >= 12),
                    "{packet:x?}"
                );
                assert_eq!(
                    (buffer[3] & 15, &buffer[..2]),
                    (code, &packet[..2]),
                    "{packet:x?}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn no_packet_is_too_strange(
        packet in proptest::collection::vec(any::<u8>(), 0..600),
        head in any::<bool>(), tcp in any::<bool>(), turn in any::<usize>(),
    ) {
        let mut packet = packet;
        if head && packet.len() >= 12 {
            // One question, so that more than the header is looked at.
            packet[2] &= 0x07;
            packet[4..10].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
        }
        let mut buffer = vec![0; 65535];
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        if let Outcome::Reply(len) = respond(zone().view(&id(1)), &packet, transport, turn, &mut buffer) {
            prop_assert!(Message::from_vec(&buffer[..len]).is_ok());
            prop_assert!(tcp || len <= wire::LARGEST_UDP);
        }
    }

    #[test]
    fn a_bent_question_is_answered_readably(at in 0usize..60, value in any::<u8>(), cut in 0usize..60) {
        let mut message = question("app-db-1.app_front", RecordType::A);
        message.set_edns(Edns::new());
        let mut packet = message.to_vec().unwrap();
        let at = at % packet.len();
        packet[at] = value;
        packet.truncate(packet.len() - cut % packet.len());
        let mut buffer = vec![0; 65535];
        if let Outcome::Reply(len) = respond(zone().view(&id(1)), &packet, Transport::Udp, 0, &mut buffer) {
            prop_assert!(Message::from_vec(&buffer[..len]).is_ok());
        }
    }

    /// Every name that hickory can write is read here as the same name.
    #[test]
    fn names_are_read_as_hickory_writes_them(labels in proptest::collection::vec("[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,18}[a-zA-Z0-9_])?", 1..10)) {
        let text = labels.join(".");
        let packet = question(&text, RecordType::A).to_vec().unwrap();
        let query = wire::parse(&packet).unwrap();
        let key = wire::key(&text).unwrap();
        prop_assert_eq!(query.name().as_bytes(), &*key);
        prop_assert_eq!(query.kind, 1);
    }
}

#[test]
fn a_reply_is_believed_only_for_the_same_question() {
    let query = question("example.org", RecordType::A);
    let mut reply = query.clone().into_response();
    let packet = query.to_vec().unwrap();
    assert!(wire::answers(&reply.to_vec().unwrap(), &packet));
    assert!(!wire::answers(&packet, &packet), "a query is no reply");
    reply.metadata.id ^= 1;
    assert!(!wire::answers(&reply.to_vec().unwrap(), &packet));
    let mut other = question("example.com", RecordType::A).into_response();
    other.metadata.id = query.metadata.id;
    assert!(!wire::answers(&other.to_vec().unwrap(), &packet));
    assert!(!wire::answers(&[], &packet));
}

// ---- over real sockets -------------------------------------------------------------------------------------------

const LONG: Duration = Duration::from_secs(20);

/// A resolver with one container on sockets of this namespace.
struct Served {
    resolver: Resolver,
    udp: SocketAddr,
    tcp: SocketAddr,
}

impl Served {
    fn new(container: u8, zone: Zone, upstream: Vec<SocketAddr>) -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let (at, tcp_at) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
        let resolver = Resolver::start().unwrap();
        resolver.publish(Arc::new(zone));
        resolver.set_upstream(upstream);
        resolver.serve(id(container), udp.into(), tcp.into());
        Self {
            resolver,
            udp: at,
            tcp: tcp_at,
        }
    }

    fn by_udp(&self, message: &Message) -> Message {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        socket
            .send_to(&message.to_vec().unwrap(), self.udp)
            .unwrap();
        let mut buffer = [0; 65535];
        let len = socket.recv(&mut buffer).unwrap();
        Message::from_vec(&buffer[..len]).unwrap()
    }

    fn by_tcp(&self, messages: &[Message]) -> Vec<Message> {
        let mut stream = TcpStream::connect(self.tcp).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        for message in messages {
            stream
                .write_all(&framed(&message.to_vec().unwrap()))
                .unwrap();
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        messages.iter().map(|_| unframed(&mut stream)).collect()
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).unwrap().to_be_bytes();
    [&len, message].concat()
}

fn unframed(stream: &mut TcpStream) -> Message {
    let mut len = [0; 2];
    stream.read_exact(&mut len).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut message).unwrap();
    Message::from_vec(&message).unwrap()
}

/// A name server that answers so many UDP packets, each with what `reply` makes of it, then TCP ones if it has to.
fn server(
    packets: usize,
    reply: impl Fn(Message) -> Vec<Message> + Send + 'static,
    connections: usize,
) -> SocketAddr {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = udp.local_addr().unwrap();
    let tcp = TcpListener::bind(at).unwrap();
    std::thread::spawn(move || {
        for _ in 0..packets {
            let mut buffer = [0; 4096];
            let (len, from) = udp.recv_from(&mut buffer).unwrap();
            for message in reply(Message::from_vec(&buffer[..len]).unwrap()) {
                udp.send_to(&message.to_vec().unwrap(), from).unwrap();
            }
        }
        for _ in 0..connections {
            let (mut stream, _) = tcp.accept().unwrap();
            let answer = unframed(&mut stream).into_response();
            stream
                .write_all(&framed(&answer.to_vec().unwrap()))
                .unwrap();
        }
    });
    at
}

fn with_code(message: Message, code: ResponseCode) -> Message {
    let mut reply = message.into_response();
    reply.metadata.response_code = code;
    reply
}

/// A port where nobody is.
fn nobody() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

#[test]
fn our_names_are_answered_over_udp_and_tcp() {
    let served = Served::new(1, zone(), Vec::new());
    let (a, aaaa) = (
        question("db", RecordType::A),
        question("db", RecordType::AAAA),
    );
    assert_eq!(served.by_udp(&a).answers.len(), 1);
    let replies = served.by_tcp(&[a.clone(), aaaa.clone()]);
    assert_eq!(replies[0].metadata.id, a.metadata.id);
    assert_eq!(replies[1].answers[0].data.to_string(), "fd00::2");
}

#[test]
fn a_zone_is_seen_as_soon_as_it_is_published() {
    let served = Served::new(1, zone(), Vec::new());
    for round in 0..50u16 {
        served.resolver.publish(Arc::new(crowd(round % 7 + 2)));
        let reply = served.by_udp(&question("crowd", RecordType::A));
        assert_eq!(reply.answers.len(), usize::from(round % 7 + 2));
    }
}

#[test]
fn garbage_does_not_stop_the_resolver() {
    let served = Served::new(1, zone(), Vec::new());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for len in 0..200 {
        socket.send_to(&vec![0xff; len * 20], served.udp).unwrap();
    }
    TcpStream::connect(served.tcp)
        .unwrap()
        .write_all(&[0xff; 300])
        .unwrap();
    // The socket's buffer may be full of it still, and what comes then is lost: who asks by UDP asks again.
    socket.connect(served.udp).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let question = question("db", RecordType::A);
    let ask = question.to_vec().unwrap();
    let deadline = Instant::now() + LONG;
    let mut buffer = [0; 4096];
    let answer = loop {
        assert!(Instant::now() < deadline, "no answer");
        socket.send(&ask).unwrap();
        let len = socket.recv(&mut buffer).unwrap_or(0);
        match Message::from_vec(&buffer[..len]) {
            Ok(answer) if answer.metadata.id == question.metadata.id => break answer,
            _ => {}
        }
    };
    assert_eq!(answer.answers.len(), 1);
}

#[test]
fn other_names_are_forwarded_and_come_back_with_the_askers_id() {
    let upstream = server(2, |message| vec![message.into_response()], 0);
    let served = Served::new(1, zone(), vec![upstream]);
    let question = question("example.org", RecordType::TXT);
    for reply in [
        served.by_udp(&question),
        served.by_tcp(std::slice::from_ref(&question)).remove(0),
    ] {
        assert_eq!(
            (reply.metadata.id, &reply.queries),
            (question.metadata.id, &question.queries)
        );
        assert!(!reply.metadata.authoritative);
    }
}

#[test]
fn a_dead_or_troubled_server_is_passed_over_at_once() {
    let troubled = server(
        1,
        |message| vec![with_code(message, ResponseCode::ServFail)],
        0,
    );
    let good = server(
        1,
        |message| vec![with_code(message, ResponseCode::NXDomain)],
        0,
    );
    let served = Served::new(1, zone(), vec![nobody(), troubled, good]);
    let before = std::time::Instant::now();
    let reply = served.by_udp(&question("example.org", RecordType::A));
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
    assert!(
        before.elapsed() < exchange::TIMEOUT,
        "no timeout was needed"
    );
}

#[test]
fn a_silent_server_is_given_up_and_the_next_one_asked() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let good = server(1, |message| vec![message.into_response()], 0);
    let served = Served::new(1, zone(), vec![silent.local_addr().unwrap(), good]);
    let reply = served.by_udp(&question("example.org", RecordType::A));
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
}

#[test]
fn with_nobody_to_ask_the_answer_is_a_failure() {
    for upstream in [vec![], vec![nobody()]] {
        let served = Served::new(1, zone(), upstream);
        let reply = served.by_udp(&question("example.org", RecordType::A));
        assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    }
}

#[test]
fn a_containers_own_servers_come_first() {
    let own = server(
        1,
        |message| vec![with_code(message, ResponseCode::NotImp)],
        0,
    );
    let mut asker = entry(1, "app-web-1", vec![member("app_front", 1, &["web"])]);
    asker.dns = vec![own];
    let served = Served::new(1, Zone::new(&[asker]), vec![nobody()]);
    let reply = served.by_udp(&question("example.org", RecordType::A));
    assert_eq!(reply.metadata.response_code, ResponseCode::NotImp);
}

#[test]
fn a_cut_answer_is_passed_on_over_udp_and_completed_over_tcp() {
    let cut = |message: Message| {
        let mut reply = message.into_response();
        reply.metadata.truncation = true;
        vec![reply]
    };
    let served = Served::new(1, zone(), vec![server(2, cut, 1)]);
    let question = question("example.org", RecordType::A);
    assert!(served.by_udp(&question).metadata.truncation);
    let whole = served.by_tcp(std::slice::from_ref(&question)).remove(0);
    assert!(!whole.metadata.truncation);
    assert_eq!(whole.metadata.id, question.metadata.id);
}

#[test]
fn a_forged_answer_is_not_believed() {
    let forging = |message: Message| {
        let mut forged = with_code(message.clone(), ResponseCode::Refused);
        forged.metadata.id = forged.metadata.id.wrapping_add(1);
        let mut other = question("example.com", RecordType::A).into_response();
        other.metadata.id = message.metadata.id;
        vec![forged, other, message.into_response()]
    };
    let served = Served::new(1, zone(), vec![server(1, forging, 0)]);
    let reply = served.by_udp(&question("example.org", RecordType::A));
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    assert_eq!(reply.queries[0].name.to_ascii(), "example.org.");
}

#[test]
fn a_container_that_is_removed_is_not_answered_and_one_served_again_is() {
    let served = Served::new(1, zone(), Vec::new());
    served.by_udp(&question("db", RecordType::A));
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (at, tcp) = (
        udp.local_addr().unwrap(),
        TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    served.resolver.serve(id(1), udp.into(), tcp.into());
    let again = Served { udp: at, ..served };
    again.by_udp(&question("db", RecordType::A));
    again.resolver.remove(&id(1));
    drop(again.resolver);
    // The resolver held the last descriptor.
    assert!(UdpSocket::bind(at).is_ok());
}

#[test]
fn one_container_cannot_take_all_connections() {
    let served = Served::new(1, zone(), Vec::new());
    let held: Vec<_> = (0..60)
        .map(|_| TcpStream::connect(served.tcp).unwrap())
        .collect();
    let closed = |mut stream: &TcpStream| {
        stream.set_read_timeout(Some(LONG)).unwrap();
        matches!(stream.read(&mut [0]), Ok(0) | Err(_))
    };
    // Those beyond the limit are closed at once; UDP goes on.
    assert!(held.last().is_some_and(closed));
    assert_eq!(
        served.by_udp(&question("db", RecordType::A)).answers.len(),
        1
    );
}
