//! `logging.driver: syslog` and `journald`: whoever listens gets every line, whatever is killed meanwhile.

use crate::world::{Running, World};

/// Writes down what comes to a socket, a message a line.
const LISTENER: &str = "import os, socket, sys\n\
    path, out = sys.argv[1:]\n\
    os.makedirs(os.path.dirname(path), exist_ok=True)\n\
    if os.path.exists(path): os.unlink(path)\n\
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
    s.bind(path)\n\
    print('ready', flush=True)\n\
    with open(out, 'ab', buffering=0) as file:\n\
    \x20   while True: file.write(s.recv(1 << 17).replace(b'\\n', b'|') + b'\\n')\n";

fn listener(world: &World, path: &str) -> Running {
    world.write("listen.py", LISTENER);
    let listener = world.spawn(&["python3", "listen.py", path, "came"]);
    assert_eq!(listener.line().as_deref(), Some("ready"));
    listener
}

fn came(world: &World) -> String {
    let bytes = std::fs::read(world.project().join("came")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The numbers of the lines that came, in their order, each once.
fn numbers(world: &World) -> Vec<u32> {
    let said = came(world);
    let numbers = said.lines().filter_map(|line| {
        line.rsplit("line ")
            .next()?
            .trim_end_matches('|')
            .parse()
            .ok()
    });
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.dedup();
    numbers
}

fn stop(world: &World, listener: Running) {
    let listening = world
        .processes()
        .into_iter()
        .find(|(_, line)| line.contains("listen.py"));
    let (pid, _) = listening.expect("it listens");
    assert!(world.kill("-KILL", pid));
    listener.wait();
}

/// How many lines are in the log.
fn written(world: &World) -> usize {
    let log = world.hoist(&["logs", "--no-log-prefix", "a"]).ok();
    log.stdout.lines().count()
}

fn service(logging: &str) -> String {
    format!(
        "services:\n  a:\n    image: host\n    init: true\n    stop_grace_period: 0s\n    logging: {logging}\n    \
         command: [perl, -e, '$$| = 1; for (1..400) {{ print \"line $$_\\n\"; select undef, undef, undef, 0.005 }} print \"the end\"']\n"
    )
}

#[test]
fn syslog_gets_every_line_although_it_was_away_and_the_supervisor_was_killed() {
    let world = World::new("syslog");
    let path = world.project().join("log.sock").display().to_string();
    let logging = format!(
        "{{driver: syslog, options: {{syslog-address: 'unixgram://{path}', tag: '{{{{.Name}}}}', syslog-facility: local3, syslog-format: rfc5424}}}}"
    );
    world.write("compose.yaml", &service(&logging));
    let first = listener(&world, &path);
    world.hoist(&["up", "-d"]).ok();
    world.until("some lines came", || numbers(&world).len() > 20);
    // What is in the socket of somebody who is killed goes with him: it has to be empty then.
    world.hoist(&["pause", "a"]).ok();
    world.until("all of it came", || {
        numbers(&world).len() == written(&world)
    });
    stop(&world, first);
    world.hoist(&["unpause", "a"]).ok();
    let before = written(&world);
    world.until("more was written", || written(&world) > before + 20);
    world.kill_supervisor();
    let second = listener(&world, &path);
    world.until("the last line came", || {
        numbers(&world).last() == Some(&400)
    });
    let wanted: Vec<u32> = (1..=400).collect();
    let mut got = numbers(&world);
    got.sort_unstable();
    got.dedup();
    assert_eq!(got, wanted, "no line is missing");
    let said = came(&world);
    assert!(
        said.starts_with("<158>1 20") && said.contains(" project-a-1 "),
        "{}",
        &said[..200]
    );
    world.hoist(&["wait", "a"]).ok();
    world.hoist(&["down"]).ok();
    assert!(
        came(&world).ends_with("the end\n"),
        "what no line feed ends comes when the container goes"
    );
    stop(&world, second);
}

#[test]
fn the_journal_gets_dockers_fields() {
    let world = World::new("journald");
    world.write(
        "compose.yaml",
        "services: {a: {image: host, command: [sh, -c, 'echo out; echo err >&2'], logging: {driver: journald}}}\n",
    );
    let listener = listener(&world, "/run/systemd/journal/socket");
    world.hoist(&["up", "-d"]).ok();
    world.until("both lines came", || came(&world).lines().count() == 2);
    let said = came(&world);
    assert!(
        said.contains("PRIORITY=6|") && said.contains("|MESSAGE=out|"),
        "{said}"
    );
    assert!(
        said.contains("PRIORITY=3|") && said.contains("|MESSAGE=err|"),
        "{said}"
    );
    assert!(said.contains("|CONTAINER_NAME=project-a-1|"), "{said}");
    let kept = world.hoist(&["logs", "--no-log-prefix", "a"]).ok();
    assert_eq!(
        (kept.stdout.as_str(), kept.stderr.as_str()),
        ("out\n", "err\n")
    );
    world.hoist(&["down"]).ok();
    stop(&world, listener);
    world.run(&["rm", "-r", "/run/systemd"]).ok();
}

#[test]
fn who_does_not_listen_costs_no_line_and_options_are_checked() {
    let world = World::new("syslog-none");
    let service = |options: &str| {
        format!(
            "services: {{a: {{image: host, command: [echo, hello], logging: {{driver: syslog, options: {{{options}}}}}}}}}\n"
        )
    };
    world.write(
        "compose.yaml",
        &service("syslog-address: 'unixgram:///nowhere'"),
    );
    world.hoist(&["up", "-d"]).ok();
    world.hoist(&["wait", "a"]).ok();
    assert_eq!(
        world.hoist(&["logs", "--no-log-prefix", "a"]).ok().stdout,
        "hello\n"
    );
    world.until("it is told", || {
        let told = world
            .run(&["sh", "-c", "cat /run/hoist/projects/*/journal"])
            .stdout;
        told.contains("cannot be passed on: nobody answers at `/nowhere`")
    });
    world.hoist(&["down"]).ok();
    for wrong in [
        "syslog-address: 'tcp+tls://x'",
        "syslog-facility: nobody",
        "tag: '{{.What}}'",
    ] {
        world.write("compose.yaml", &service(wrong));
        let refused = world.hoist(&["up", "-d"]).ended(1).stderr;
        assert!(refused.contains("makes no sense"), "{wrong}: {refused}");
    }
    world.hoist(&["down"]).ok();
}
