//! The whole program: stacks come up, answer, and go without a trace. Each test has a host of its own, and dropping
//! it asserts that nothing is left.

use crate::world::{EXTERNAL, World};

/// A service that does nothing and ends at once when told, as entries of a YAML flow mapping.
pub const SLEEP: &str = "image: host, command: [sleep, '1000'], init: true, stop_grace_period: 0s";

/// A box with a stack of these services (entries of a flow mapping) that is up; `more` ends the file.
#[track_caller]
pub fn stack(services: &str, more: &str) -> World {
    let world = World::new("stack");
    world.write(
        "compose.yaml",
        &format!("services: {{{services}}}\n{more}\n"),
    );
    world.hoist(&["up", "-d", "--wait"]).ok();
    world
}

/// What a shell script prints in a service's container, standard error below.
#[track_caller]
pub fn asked(world: &World, service: &str, script: &str) -> String {
    let asked = world
        .hoist(&["exec", "-T", service, "sh", "-c", script])
        .ok();
    (asked.stdout + &asked.stderr).trim_end().to_owned()
}

/// Every container of the project in the box, as `ps -a` tells.
#[track_caller]
pub fn ps(world: &World) -> Vec<serde_json::Value> {
    let listed = world.hoist(&["ps", "-a", "--format", "json"]).ok();
    let lines = listed.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("one object a line"))
        .collect()
}

/// A stack of `count` services that print numbered lines, as YAML.
pub fn numbered(count: usize) -> String {
    let mut yaml = String::from("services:\n");
    for index in 0..count {
        yaml += &format!(
            "  line{index}:\n    image: host\n    stop_grace_period: 0s\n    command: [perl, -e, '$| = 1; \
             while (1) {{ print \"line \", ++$$n, \"\\n\"; select undef, undef, undef, 0.005 }}']\n"
        );
    }
    yaml
}

/// A service that answers HTTP with its host name, published as `ports` says.
pub fn page(name: &str, ports: &str) -> String {
    format!(
        "  {name}:\n    image: host\n    stop_grace_period: 0s\n    ports: [{ports}]\n    command: [perl, \
         -MIO::Socket::INET, -e, '$$l = IO::Socket::INET->new(LocalPort => 80, Listen => 64, ReuseAddr => 1) or die; \
         while ($$c = $$l->accept) {{ while (<$$c>) {{ last unless /\\S/ }} print $$c \"HTTP/1.0 200 OK\\r\\n\\r\\n{name}\"; \
         close $$c }}']\n    healthcheck: {{test: [CMD, perl, -MIO::Socket::INET, -e, 'exit \
         !IO::Socket::INET->new(\"127.0.0.1:80\")']}}\n"
    )
}

#[test]
fn hello_answers_through_worker_and_store() {
    let world = World::new("hello");
    world.copy("examples/hello");
    let visit = || {
        world
            .get("127.0.0.1:7878", "/")
            .expect("the page is published")
    };
    world.hoist(&["up", "-d", "--wait"]).ok();
    assert_eq!(visit(), "Hello! You are the 1st visitor.\n");
    assert_eq!(visit(), "Hello! You are the 2nd visitor.\n");
    assert!(
        world.get(&format!("{EXTERNAL}:7878"), "/").is_err(),
        "it is published on 127.0.0.1 alone"
    );
    let asked = world
        .hoist(&[
            "exec",
            "-T",
            "store",
            "perl",
            "ask.pl",
            "worker:7001",
            "GREET",
        ])
        .ok();
    assert_eq!(asked.stdout, "Hello! You are the 3rd visitor.\n");

    world.hoist(&["down"]).ok();
    world.assert_no_trace();
    world.hoist(&["up", "-d", "--wait"]).ok();
    assert_eq!(
        visit(),
        "Hello! You are the 4th visitor.\n",
        "the volume outlives `down`"
    );
    world.hoist(&["down", "-v"]).ok();
    world.hoist(&["up", "-d", "--wait"]).ok();
    assert_eq!(
        visit(),
        "Hello! You are the 1st visitor.\n",
        "`down -v` forgets it"
    );
    world.hoist(&["down", "-v"]).ok();
}

#[test]
fn a_published_port_answers_from_everywhere() {
    let world = World::new("ports");
    world.write(
        "compose.yaml",
        &format!(
            "services:\n{}{}",
            page("all", "'8081:80'"),
            page("one", "'127.0.0.2:8079:80'")
        ),
    );
    world.hoist(&["up", "-d", "--wait"]).ok();
    for address in ["127.0.0.1:8081", "[::1]:8081", &format!("{EXTERNAL}:8081")] {
        assert_eq!(world.get(address, "/").as_deref(), Ok("all"), "{address}");
    }
    assert_eq!(world.get("127.0.0.2:8079", "/").as_deref(), Ok("one"));
    assert!(world.get("127.0.0.1:8079", "/").is_err());
    let hairpin = format!(
        "use IO::Socket::INET; $c = IO::Socket::INET->new('{EXTERNAL}:8081') or die $@; print $c \"GET /\\r\\n\\r\\n\"; print <$c>"
    );
    for service in ["all", "one"] {
        let reply = world
            .hoist(&["exec", "-T", service, "perl", "-e", &hairpin])
            .ok();
        assert!(
            reply.stdout.ends_with("all"),
            "from {service}: {}",
            reply.stdout
        );
    }
    world.hoist(&["down"]).ok();
}

#[test]
fn a_port_in_use_is_an_error_that_names_the_holder() {
    let world = World::new("conflict");
    world.write(
        "compose.yaml",
        &format!("services:\n{}", page("web", "'8082:80'")),
    );
    world.hoist(&["-p", "first", "up", "-d", "--wait"]).ok();
    let second = world.hoist(&["-p", "second", "up", "-d"]).ended(1);
    assert!(second.stderr.contains("8082"), "{}", second.stderr);
    assert!(second.stderr.contains("`first-web-1`"), "{}", second.stderr);
    world.hoist(&["-p", "second", "down"]).ok();
    assert_eq!(
        world.get("127.0.0.1:8082", "/").as_deref(),
        Ok("web"),
        "the first is unharmed"
    );
    world.hoist(&["-p", "first", "down"]).ok();
}

#[test]
fn a_dry_run_prints_the_plan_and_makes_nothing() {
    let world = World::new("dry");
    world.copy("examples/hello");
    let plan = world.hoist(&["up", "--dry-run"]).ok();
    for word in ["store", "worker", "web", "visits"] {
        assert!(plan.stdout.contains(word), "no {word} in:\n{}", plan.stdout);
    }
    world.assert_no_trace();
}

#[test]
fn two_projects_at_once_do_not_meet() {
    let world = World::new("two");
    world.write(
        "compose.yaml",
        &format!("services:\n{}", page("web", "'80'")),
    );
    let ups = ["a", "b"].map(|project| world.start_hoist(&["-p", project, "up", "-d"]));
    for up in ups {
        up.wait().ok();
    }
    let address = |project: &str| {
        let words = [
            "-p",
            project,
            "exec",
            "-T",
            "web",
            "perl",
            "-MSocket",
            "-e",
            "print inet_ntoa(inet_aton('web'))",
        ];
        world.hoist(&words).ok().stdout
    };
    assert_ne!(address("a"), address("b"), "each finds its own");
    world.hoist(&["-p", "a", "down"]).ok();
    world.hoist(&["-p", "b", "exec", "-T", "web", "true"]).ok();
    world.hoist(&["-p", "b", "down"]).ok();
}

#[test]
fn exit_codes_say_who_is_at_fault() {
    let mut world = World::new("codes");
    world.set_env("GREETING", "hello");
    assert_eq!(
        world.hoist(&["up", "--no-such-flag"]).code,
        2,
        "the command line"
    );
    assert_eq!(world.hoist(&["up", "-d"]).code, 1, "no file");
    world.write("compose.yaml", "services:\n  web:\n    imagee: host\n");
    let typo = world.hoist(&["up", "-d"]).ended(1);
    assert!(typo.stderr.contains("compose.yaml:3"), "{}", typo.stderr);
    world.write(
        "compose.yaml",
        "services:\n  web:\n    image: host\n    command: [sleep, '1000']\n    \
                 environment: [GREETING]\n    init: true\n    stop_grace_period: 1s\n",
    );
    world.hoist(&["up", "-d"]).ok();
    assert_eq!(
        world
            .hoist(&["exec", "-T", "web", "sh", "-c", "exit 42"])
            .code,
        42
    );
    assert_eq!(
        world
            .hoist(&["exec", "-T", "web", "sh", "-c", "kill -9 $$"])
            .code,
        137
    );
    assert_eq!(
        world.hoist(&["exec", "-T", "web", "/no/such/program"]).code,
        127
    );
    assert_eq!(world.hoist(&["exec", "-T", "web", "/etc"]).code, 126);
    assert_eq!(
        world
            .hoist(&["exec", "-T", "web", "printenv", "GREETING"])
            .ok()
            .stdout,
        "hello\n"
    );
    world.hoist(&["exec", "-T", "nobody", "true"]).ended(1);
    world.hoist(&["down"]).ok();
}

#[test]
fn an_interrupt_stops_an_attached_up() {
    let world = World::new("interrupt");
    world.write("compose.yaml", &numbered(2));
    let up = world.start_hoist(&["up"]);
    let mut seen = 0;
    while seen < 3 {
        seen += usize::from(
            up.line()
                .expect("it runs until it is interrupted")
                .contains("line "),
        );
    }
    assert!(world.kill("-INT", up.pid));
    assert_eq!(up.wait().code, 130);
    let left = world.hoist(&["ps", "--format", "json"]).ok();
    assert_eq!(
        left.stdout.trim(),
        "",
        "stopped containers are not listed without `-a`"
    );
    world.hoist(&["down"]).ok();
}
