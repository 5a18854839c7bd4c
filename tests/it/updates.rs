//! `deploy.update_config`: replicas are replaced a few at a time, and who asks for pages meanwhile gets them all.

use crate::stack::{SLEEP, asked, ps, stack};
use crate::world::{Running, World};
use std::collections::BTreeSet;

/// Four replicas of a web server, and somebody inside who asks for their pages by name.
fn project(version: &str, update: &str) -> String {
    format!(
        "services:\n  web:\n    image: host\n    command: [python3, /srv/server.py]\n    environment: {{VERSION: '{version}'}}\n    \
         volumes: ['./server.py:/srv/server.py:ro', 'data:/data']\n    ports: ['18080-18083:8080']\n    \
         healthcheck: {{test: [HTTP, 'http://localhost:8080/'], interval: 1s}}\n    deploy: {{replicas: 4, update_config: {update}}}\n  \
         client:\n    image: host\n    command: [python3, /srv/client.py, /srv/stop, 'web:8080']\n    volumes: ['.:/srv']\n    \
         depends_on: {{web: {{condition: service_healthy}}}}\nvolumes: {{data: {{}}}}\n"
    )
}

/// The stack is up, and pages are asked for from inside and from outside.
struct Load {
    world: World,
    outside: Running,
}

/// What the clients got: how many pages, of which versions.
struct Got {
    pages: usize,
    versions: BTreeSet<String>,
}

impl Load {
    #[track_caller]
    fn begin(update: &str) -> Self {
        let world = World::new("update");
        for file in ["server.py", "client.py"] {
            let path = format!(
                "{}/tests/fixtures/updates/{file}",
                env!("CARGO_MANIFEST_DIR")
            );
            world.write(file, &std::fs::read_to_string(path).expect("it is there"));
        }
        world.write("compose.yaml", &project("one", update));
        world.hoist(&["up", "-d", "--wait"]).ok();
        let outside = world.spawn(&[
            "python3",
            "client.py",
            "stop",
            "127.0.0.1:18080",
            "127.0.0.1:18081",
            "127.0.0.1:18082",
            "127.0.0.1:18083",
            "::1:18080",
        ]);
        Self { world, outside }
    }

    /// The same file with another version.
    fn becomes(&self, version: &str, update: &str) -> crate::world::Output {
        self.world.write("compose.yaml", &project(version, update));
        self.world.hoist(&["up", "-d"])
    }

    /// Ends it; not one request may have failed.
    #[track_caller]
    fn end(self) -> Got {
        self.world.write("stop", "");
        let outside = self.outside.wait().ok().stdout;
        self.world.hoist(&["wait", "client"]).ok();
        let inside = self
            .world
            .hoist(&["logs", "--no-log-prefix", "client"])
            .ok()
            .stdout;
        let mut got = Got {
            pages: 0,
            versions: BTreeSet::new(),
        };
        for said in [&outside, &inside] {
            let lines: Vec<&str> = said.lines().collect();
            let [pages, versions, failed, ..] = lines.as_slice() else {
                panic!("a client said: {said}");
            };
            assert_eq!(*failed, "0", "{said}");
            let pages: usize = pages.parse().expect("a number");
            assert!(pages > 20, "{said}");
            got.pages += pages;
            got.versions.extend(versions.split(',').map(str::to_owned));
        }
        self.world.hoist(&["down", "-v"]).ok();
        got
    }
}

/// The containers of `web` that run: number and version.
fn versions(world: &World) -> Vec<String> {
    let mut all = Vec::new();
    for number in 1..=4 {
        let index = number.to_string();
        let words = [
            "exec",
            "-T",
            "--index",
            &index,
            "web",
            "sh",
            "-c",
            "echo $VERSION",
        ];
        all.push(world.hoist(&words).ok().stdout.trim().to_owned());
    }
    all
}

fn names(world: &World) -> Vec<String> {
    let mut names: Vec<String> = ps(world)
        .iter()
        .filter(|c| c["Service"] == "web")
        .map(|c| {
            format!(
                "{} {}",
                c["Name"].as_str().unwrap_or_default(),
                c["State"].as_str().unwrap_or_default()
            )
        })
        .collect();
    names.sort();
    names
}

#[test]
fn start_first_loses_no_request() {
    let update = "{order: start-first}";
    let load = Load::begin(update);
    let said = load.becomes("two", update).ok().stderr;
    assert!(
        said.contains("web-1  Took over") || said.contains("web-1 Took over"),
        "{said}"
    );
    assert_eq!(versions(&load.world), ["two"; 4]);
    assert_eq!(names(&load.world).len(), 4);
    let got = load.end();
    assert_eq!(
        got.versions,
        BTreeSet::from(["one".to_owned(), "two".to_owned()])
    );
}

#[test]
fn an_update_that_fails_goes_back_and_loses_no_request() {
    let update = "{order: start-first, failure_action: rollback}";
    let load = Load::begin(update);
    let failed = load.becomes("third-fails", update).ended(1).stderr;
    assert!(
        failed.contains("the update of service `web` stopped: 1 of 3 containers did not come up"),
        "{failed}"
    );
    assert!(failed.contains("the third one does not start"), "{failed}");
    assert_eq!(versions(&load.world), ["one"; 4]);
    assert_eq!(
        names(&load.world).len(),
        4,
        "nothing else is left: {:?}",
        names(&load.world)
    );
    load.end();
}

#[test]
fn an_update_that_pauses_leaves_the_rest_and_goes_on_later() {
    let update = "{order: start-first, parallelism: 2}";
    let load = Load::begin(update);
    let failed = load.becomes("broken", update).ended(1).stderr;
    assert!(
        failed.contains("2 of 2 containers did not come up"),
        "{failed}"
    );
    // The supervisor's successor must not send anybody to those who failed, or two to one place.
    load.world.kill_supervisor();
    load.becomes("three", update).ok();
    assert_eq!(versions(&load.world), ["three"; 4]);
    assert_eq!(names(&load.world).len(), 4, "{:?}", names(&load.world));
    load.end();
}

#[test]
fn stop_first_replaces_one_after_the_other() {
    let world = stack(
        &format!(
            "web: {{{SLEEP}, environment: {{VERSION: one}}, deploy: {{replicas: 3, update_config: {{delay: 100ms}}}}}}"
        ),
        "",
    );
    let text = format!(
        "services: {{web: {{{SLEEP}, environment: {{VERSION: two}}, deploy: {{replicas: 3, update_config: {{delay: 100ms}}}}}}}}\n"
    );
    world.write("compose.yaml", &text);
    world.hoist(&["up", "-d"]).ok();
    for number in ["1", "2", "3"] {
        let version = [
            "exec",
            "-T",
            "--index",
            number,
            "web",
            "sh",
            "-c",
            "echo $VERSION",
        ];
        assert_eq!(world.hoist(&version).ok().stdout.trim(), "two");
    }
    world.hoist(&["down"]).ok();
}

#[test]
fn a_hook_runs_to_its_end_before_the_first_replica() {
    let hooks = "pre_start: [{command: [sh, -c, 'umask 0; echo $$WHAT >> /data/order'], environment: {WHAT: first}}, \
                 {command: [sh, -c, 'echo second:$$(id -u) >> /data/order'], user: '7'}, \
                 {command: [sh, -c, 'echo each >> /data/order'], per_replica: true}]";
    let world = stack(
        &format!(
            "a: {{image: host, command: [sh, -c, 'echo service >> /data/order; exec sleep 1000'], init: true, \
             stop_grace_period: 0s, volumes: ['data:/data'], scale: 2, {hooks}, depends_on: {{open: {{condition: service_completed_successfully}}}}}}, \
             open: {{image: host, command: [chmod, '777', /data], volumes: ['data:/data']}}"
        ),
        "volumes: {data: {}}",
    );
    let order = asked(
        &world,
        "a",
        "sort /data/order | uniq -c | tr -s ' '; head -1 /data/order",
    );
    assert_eq!(order, " 2 each\n 1 first\n 1 second:7\n 2 service\nfirst");
    assert_eq!(
        ps(&world).iter().filter(|c| c["Service"] == "a").count(),
        2,
        "no hook is left"
    );
    // One replica runs: the hooks that come once do not.
    world.hoist(&["up", "-d", "--scale", "a=3"]).ok();
    let order = asked(&world, "a", "sort /data/order | uniq -c | tr -s ' '");
    assert_eq!(order, " 3 each\n 1 first\n 1 second:7\n 3 service");
    world.hoist(&["down", "-v"]).ok();
}

#[test]
fn a_hook_that_fails_keeps_the_service_down_and_is_kept_to_be_looked_at() {
    let world = World::new("hook");
    let file = |code: u8| {
        format!(
            "services: {{a: {{{SLEEP}, pre_start: [{{command: [sh, -c, 'echo no database >&2; exit {code}']}}]}}}}\n"
        )
    };
    world.write("compose.yaml", &file(3));
    let failed = world.hoist(&["up", "-d"]).ended(1).stderr;
    assert!(
        failed.contains("a-pre_start-1 didn't complete successfully: exit 3"),
        "{failed}"
    );
    assert!(failed.contains("no database"), "{failed}");
    let all = ps(&world);
    let state = |c: &serde_json::Value| {
        format!(
            "{} {}",
            c["State"].as_str().unwrap_or_default(),
            c["ExitCode"]
        )
    };
    assert!(
        all.iter().any(|c| state(c) == "exited 3"),
        "the hook is kept: {all:?}"
    );
    world.write("compose.yaml", &file(0));
    world.hoist(&["up", "-d"]).ok();
    assert_eq!(ps(&world).len(), 1);
    world.hoist(&["down"]).ok();
}
