//! Names, addresses and ports of containers, seen from inside and from outside.

use crate::stack::{SLEEP, asked, stack};
use crate::world::{EXTERNAL, World};

/// All addresses of a name, one a line, sorted.
fn lookup(name: &str) -> String {
    format!("getent ahostsv4 {name} | awk '/STREAM/ {{print $1}}' | sort -u")
}

#[test]
fn a_service_has_its_name_its_aliases_and_the_address_asked_for() {
    let world = stack(
        &format!(
            "a: {{{SLEEP}}}, b: {{{SLEEP}, container_name: known, networks: {{default: {{aliases: [other], ipv4_address: 10.77.0.9}}}}}}"
        ),
        "networks: {default: {ipam: {config: [{subnet: 10.77.0.0/24}]}}}",
    );
    for name in ["b", "other", "known"] {
        assert_eq!(asked(&world, "a", &lookup(name)), "10.77.0.9", "{name}");
    }
    assert!(asked(&world, "b", "grep -c '10.77.0.9$' /proc/net/fib_trie") != "0");
    assert_eq!(asked(&world, "a", &lookup("nobody")), "");
    world.hoist(&["down"]).ok();
}

#[test]
fn an_alias_is_known_on_its_network_alone() {
    let world = stack(
        &format!(
            "a: {{{SLEEP}, networks: [one]}}, b: {{{SLEEP}, networks: {{one: , two: {{aliases: [secret]}}}}}}, c: {{{SLEEP}, networks: [two]}}"
        ),
        "networks: {one: , two: }",
    );
    assert_eq!(asked(&world, "a", &lookup("secret")), "");
    assert_eq!(
        asked(&world, "a", &lookup("c")),
        "",
        "they share no network"
    );
    assert_eq!(asked(&world, "c", &lookup("secret")).lines().count(), 1);
    assert_eq!(
        asked(&world, "c", &lookup("b")),
        asked(&world, "c", &lookup("secret"))
    );
    world.hoist(&["down"]).ok();
}

#[test]
fn an_internal_network_has_no_way_out() {
    let world = stack(
        &format!("in: {{{SLEEP}, networks: [closed]}}, out: {{{SLEEP}}}"),
        "networks: {closed: {internal: true}, default: }",
    );
    let listener = world.spawn(&[
        "perl",
        "-MIO::Socket::INET",
        "-e",
        "$l = IO::Socket::INET->new(LocalPort => 9000, Listen => 5) or die; $| = 1; print \"ready\\n\"; while ($c = $l->accept) { print $c \"hi\\n\" }",
    ]);
    assert_eq!(listener.line().as_deref(), Some("ready"));
    let ask = format!(
        "perl -MIO::Socket::INET -e '$c = IO::Socket::INET->new(PeerAddr => \"{EXTERNAL}:9000\", Timeout => 1) or print(\"no way\\n\"), exit; print <$c>'"
    );
    // It answers each client with one line and the client reads up to it.
    let ask = ask.replace("print <$c>", "print scalar <$c>");
    assert_eq!(asked(&world, "out", &ask), "hi");
    assert_eq!(asked(&world, "in", &ask), "no way");
    world.kill("-9", listener.pid);
    world.hoist(&["down"]).ok();
}

#[test]
fn network_modes_share_or_withhold_the_network() {
    let world = stack(
        &format!(
            "own: {{{SLEEP}}}, none: {{{SLEEP}, network_mode: none}}, host: {{{SLEEP}, network_mode: host}}, \
             with: {{{SLEEP}, network_mode: 'service:own'}}, beside: {{{SLEEP}, network_mode: 'container:stack-own-1', depends_on: [own]}}"
        ),
        "name: stack",
    );
    let links = "ls /sys/class/net | tr '\\n' ' '";
    let links = |service| asked(&world, service, links);
    assert_eq!(links("none"), "lo");
    assert!(links("host").contains("ext0"), "{}", links("host"));
    let namespace = |service| asked(&world, service, "readlink /proc/self/ns/net");
    assert_eq!(namespace("with"), namespace("own"));
    assert_eq!(namespace("beside"), namespace("own"));
    assert_eq!(
        asked(&world, "with", &lookup("own")),
        asked(&world, "own", &lookup("own")),
        "and names are the same"
    );
    world.hoist(&["down"]).ok();
}

#[test]
fn projects_meet_on_an_external_network() {
    let world = World::new("external-network");
    world.write(
        "one.yaml",
        &format!("name: one\nservices: {{a: {{{SLEEP}}}}}\n"),
    );
    world.write(
        "two.yaml",
        &format!(
            "name: two\nservices: {{b: {{{SLEEP}, networks: [theirs], external_links: ['one-a-1:theirs-a']}}}}\nnetworks: {{theirs: {{name: one_default, external: true}}}}\n"
        ),
    );
    let early = world.hoist(&["-f", "two.yaml", "up", "-d"]).ended(1);
    assert!(early.stderr.contains("one_default"), "{}", early.stderr);
    world.hoist(&["-f", "one.yaml", "up", "-d"]).ok();
    world.hoist(&["-f", "two.yaml", "up", "-d"]).ok();
    let own = "awk '/32 host/ {print ip} {ip = $2}' /proc/net/fib_trie | grep -v ^127 | head -1";
    let a = world
        .hoist(&["-f", "one.yaml", "exec", "-T", "a", "sh", "-c", own])
        .ok()
        .stdout;
    let knock = format!("exec 3<>/dev/tcp/{}/1", a.trim());
    let refused = world.hoist(&["-f", "two.yaml", "exec", "-T", "b", "bash", "-c", &knock]);
    assert!(
        refused.stderr.contains("refused"),
        "it is reached: {}",
        refused.stderr
    );
    let asks = |file: &str, who: &str, name: &str| {
        let words = ["-f", file, "exec", "-T", who, "getent", "hosts", name];
        world.hoist(&words).code == 0
    };
    for round in ["at first", "with new supervisors"] {
        for name in ["a", "one-a-1", "theirs-a"] {
            assert!(asks("two.yaml", "b", name), "{name} {round}");
        }
        assert!(
            !asks("one.yaml", "a", "theirs-a"),
            "a link is the linked one's own"
        );
        world.until("the first project hears of the second", || {
            asks("one.yaml", "a", "b")
        });
        world.kill_supervisor();
    }
    world.hoist(&["-f", "two.yaml", "down"]).ok();
    world.until("a name goes with its container", || {
        !asks("one.yaml", "a", "b")
    });
    world
        .hoist(&["-f", "one.yaml", "exec", "-T", "a", "true"])
        .ok();
    world.hoist(&["-f", "one.yaml", "down"]).ok();
}

#[test]
fn ports_may_be_ranges_random_and_udp() {
    let world = stack(
        "a: {image: host, stop_grace_period: 0s, ports: ['9001-9002:81-82', '83', '9003:53/udp'], command: [perl, -MIO::Socket::INET, -e, \
         'for $$p (81, 82, 83) { next if fork; $$l = IO::Socket::INET->new(LocalPort => $$p, Listen => 9, ReuseAddr => 1) or die; \
         while ($$c = $$l->accept) { while (<$$c>) { last unless /\\S/ } print $$c \"HTTP/1.0 200 OK\\r\\n\\r\\n$$p\"; close $$c } } \
         $$u = IO::Socket::INET->new(LocalPort => 53, Proto => \"udp\"); while ($$u->recv($$m, 99)) { $$u->send(\"echo $$m\") }'], \
         healthcheck: {test: [CMD, perl, -MIO::Socket::INET, -e, 'for (81, 82, 83) { IO::Socket::INET->new(\"127.0.0.1:$$_\") or exit 1 }']}}",
        "",
    );
    assert_eq!(world.get("127.0.0.1:9001", "/").as_deref(), Ok("81"));
    assert_eq!(
        world.get(&format!("{EXTERNAL}:9002"), "/").as_deref(),
        Ok("82")
    );
    let random = world.hoist(&["port", "a", "83"]).ok().stdout;
    let port = random
        .trim()
        .rsplit(':')
        .next()
        .expect("an address has a port");
    assert_eq!(
        world.get(&format!("127.0.0.1:{port}"), "/").as_deref(),
        Ok("83")
    );
    for address in ["127.0.0.1", EXTERNAL] {
        let ask = format!(
            "$u = IO::Socket::INET->new(PeerAddr => '{address}:9003', Proto => 'udp'); $u->send('hi'); $u->recv($m, 99); print $m"
        );
        assert_eq!(
            world
                .run(&["timeout", "5", "perl", "-MIO::Socket::INET", "-e", &ask])
                .ok()
                .stdout,
            "echo hi",
            "{address}"
        );
    }
    world.hoist(&["down"]).ok();
}
