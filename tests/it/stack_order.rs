//! When things start, start again, stop and change.

use crate::stack::{SLEEP, asked, ps, stack};
use crate::world::World;

/// `(service, container)` names that run.
fn running(world: &World) -> Vec<String> {
    let mut names: Vec<_> = ps(world)
        .iter()
        .filter(|c| c["State"] == "running")
        .map(|c| c["Name"].as_str().expect("a name is text").to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_dependent_starts_when_its_dependency_has_completed() {
    let world = stack(
        &format!(
            "first: {{image: host, command: [sh, -c, 'sleep 0.3; echo done >/data/file'], volumes: ['data:/data']}}, \
             then: {{{SLEEP}, volumes: ['data:/data'], depends_on: {{first: {{condition: service_completed_successfully}}}}, \
             entrypoint: [sh, -c, 'cat /data/file; exec sleep 1000']}}"
        ),
        "volumes: {data: }",
    );
    let log = world.hoist(&["logs", "--no-log-prefix", "then"]).ok();
    assert_eq!(log.stdout, "done\n");
    world.hoist(&["down", "-v"]).ok();
}

#[test]
fn a_dependent_starts_the_instant_its_dependency_is_healthy() {
    let world = World::new("healthy");
    world.write(
        "compose.yaml",
        &format!(
            "services: {{slow: {{image: host, stop_grace_period: 0s, command: [sh, -c, 'sleep 0.5; touch /tmp/ready; sleep 1000'], \
             healthcheck: {{test: [CMD, test, -e, /tmp/ready], interval: 30s}}}}, \
             then: {{{SLEEP}, depends_on: {{slow: {{condition: service_healthy}}}}}}}}"
        ),
    );
    let up = world.hoist(&["up", "-d"]).ok();
    assert!(
        up.took.as_secs() < 20,
        "no interval is waited for: {:?}",
        up.took
    );
    assert_eq!(running(&world).len(), 2);
    world.hoist(&["down"]).ok();
}

#[test]
fn a_failing_program_is_restarted_as_often_as_asked() {
    let world = World::new("on-failure");
    world.write(
        "compose.yaml",
        "services: {a: {image: host, restart: 'on-failure:2', command: [sh, -c, 'echo run; exit 5']}}",
    );
    world.hoist(&["up", "-d"]).ok();
    assert_eq!(world.hoist(&["wait", "a"]).code, 5);
    let log = world.hoist(&["logs", "--no-log-prefix"]).ok();
    assert_eq!(log.stdout, "run\nrun\nrun\n");
    world.hoist(&["down"]).ok();
}

#[test]
fn a_killed_program_is_restarted_unless_it_was_stopped() {
    let world = stack(&format!("a: {{{SLEEP}, restart: always}}"), "");
    let id = || ps(&world)[0]["ID"].clone();
    let before = id();
    let mark = "touch /root/mark";
    asked(&world, "a", mark);
    let sleeper = world
        .processes()
        .into_iter()
        .find(|(_, words)| words.starts_with("[sleep] sleep 1000"))
        .expect("it sleeps");
    assert!(world.kill("-9", sleeper.0));
    let back = |pid: i32| {
        let alive =
            |(p, words): &(i32, String)| *p != pid && words.starts_with("[sleep] sleep 1000");
        world.processes().iter().any(alive)
    };
    while !back(sleeper.0) {
        assert_eq!(id(), before);
    }
    assert_eq!(id(), before, "the same container");
    asked(&world, "a", "test -e /root/mark");
    world.hoist(&["stop"]).ok();
    assert_eq!(running(&world), Vec::<String>::new());
    world.hoist(&["start"]).ok();
    assert_eq!(running(&world).len(), 1);
    world.hoist(&["restart"]).ok();
    assert_eq!(id(), before);
    world.hoist(&["down"]).ok();
}

#[test]
fn a_service_is_scaled_up_and_down() {
    let world = World::new("scale");
    world.write(
        "compose.yaml",
        &format!("services: {{web: {{{SLEEP}}}, ask: {{{SLEEP}}}}}"),
    );
    world.hoist(&["up", "-d", "--scale", "web=3"]).ok();
    let found = "getent ahostsv4 web | awk '/STREAM/ {print $1}' | sort -u";
    assert_eq!(asked(&world, "ask", found).lines().count(), 3);
    assert_eq!(running(&world).len(), 4);
    world.hoist(&["up", "-d", "--scale", "web=1"]).ok();
    assert_eq!(running(&world), ["project-ask-1", "project-web-1"]);
    assert_eq!(asked(&world, "ask", found).lines().count(), 1);
    world.hoist(&["down"]).ok();
}

#[test]
fn only_what_changed_is_made_anew() {
    let world = World::new("change");
    let write = |value: &str| {
        world.write(
            "compose.yaml",
            &format!("services: {{a: {{{SLEEP}, environment: {{X: '{value}'}}}}, b: {{{SLEEP}}}}}"),
        );
    };
    let ids = || {
        let mut all: Vec<_> = ps(&world)
            .iter()
            .map(|c| (c["Service"].to_string(), c["ID"].to_string()))
            .collect();
        all.sort();
        all
    };
    write("1");
    world.hoist(&["up", "-d"]).ok();
    let first = ids();
    world.hoist(&["up", "-d"]).ok();
    assert_eq!(ids(), first, "nothing changed");
    write("2");
    world.hoist(&["up", "-d"]).ok();
    assert_ne!(ids()[0], first[0]);
    assert_eq!(ids()[1], first[1]);
    world.hoist(&["up", "-d", "--force-recreate"]).ok();
    assert_ne!(ids()[1], first[1]);
    world.hoist(&["down"]).ok();
}

#[test]
fn an_orphan_is_warned_of_and_removed_if_asked() {
    let world = World::new("orphan");
    world.write(
        "compose.yaml",
        &format!("services: {{a: {{{SLEEP}}}, b: {{{SLEEP}}}}}"),
    );
    world.hoist(&["up", "-d"]).ok();
    world.write("compose.yaml", &format!("services: {{a: {{{SLEEP}}}}}"));
    let up = world.hoist(&["up", "-d"]).ok();
    assert!(up.stderr.contains("--remove-orphans"), "{}", up.stderr);
    assert_eq!(running(&world).len(), 2);
    world.hoist(&["up", "-d", "--remove-orphans"]).ok();
    assert_eq!(running(&world), ["project-a-1"]);
    world.hoist(&["down"]).ok();
}

#[test]
fn up_ends_with_the_code_of_the_container_asked_for() {
    let world = World::new("exit-code");
    world.write(
        "compose.yaml",
        &format!("services: {{job: {{image: host, command: [sh, -c, 'echo out; echo err >&2; exit 42']}}, web: {{{SLEEP}}}}}"),
    );
    let up = world.hoist(&["up", "--exit-code-from", "job"]).ended(42);
    assert!(
        up.stdout.contains("out") && up.stdout.contains("job-1"),
        "{}",
        up.stdout
    );
    assert_eq!(
        running(&world),
        Vec::<String>::new(),
        "the others are stopped"
    );
    world.hoist(&["down"]).ok();
}

#[test]
fn logs_are_chosen_by_service_and_number() {
    let world = stack(
        "a: {image: host, init: true, stop_grace_period: 0s, command: [sh, -c, 'for i in 1 2 3; do echo a$$i; done; sleep 1000'], \
             healthcheck: {test: [CMD, 'true']}}, \
         b: {image: host, init: true, stop_grace_period: 0s, command: [sh, -c, 'echo b; sleep 1000']}",
        "",
    );
    let log = |args: &[&str]| {
        world
            .hoist(&[&["logs", "--no-color"], args].concat())
            .ok()
            .stdout
    };
    assert_eq!(log(&["--no-log-prefix", "--tail", "2", "a"]), "a2\na3\n");
    assert_eq!(log(&["a"]), "a-1  | a1\na-1  | a2\na-1  | a3\n");
    assert!(log(&["-t", "b"]).contains("T"), "{}", log(&["-t", "b"]));
    assert_eq!(log(&[]).lines().count(), 4);
    world.hoist(&["down"]).ok();
}

#[test]
fn what_is_stopped_with_a_second_interrupt_is_killed() {
    let world = World::new("twice");
    world.write(
        "compose.yaml",
        "services: {deaf: {image: host, stop_grace_period: 1h, command: [sh, -c, 'trap \"echo told\" TERM; echo deaf; while :; do sleep 0.01; done']}}",
    );
    let up = world.start_hoist(&["up"]);
    while !up.line().expect("it runs").contains("| deaf") {}
    assert!(world.kill("-INT", up.pid));
    while !up.line().expect("it is not done").contains("| told") {}
    assert!(world.kill("-INT", up.pid));
    assert_eq!(up.wait().code, 130);
    assert_eq!(running(&world), Vec::<String>::new());
    world.hoist(&["down"]).ok();
}
