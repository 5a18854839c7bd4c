//! What outlives the machine and the program: boots, shutdowns, upgrades, records of other versions, logs of what is gone.

use crate::stack::{SLEEP, ps};
use crate::world::World;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is left in the box when its machine loses power: files. The next boot is another one.
fn lose_power(world: &World, boot: usize) {
    loop {
        let all = world.processes();
        if all.is_empty() {
            break;
        }
        // All at once: nobody sees another's end.
        for signal in ["-STOP", "-KILL"] {
            for (pid, _) in &all {
                world.kill(signal, *pid);
            }
        }
    }
    let links = "for l in $(ip -o link | sed 's/^[0-9]*: //; s/[:@ ].*//'); do \
                 case $l in lo|ext0|eth*|dummy*) ;; *) ip link show type bridge | grep -q \" $l:\" && \
                 case $l in h*) ip link del $l;; esac ;; esac; done; \
                 for t in $(nft list tables | grep hoist | sed 's/^table //; s/ /:/'); do \
                 nft delete table ${t%%:*} ${t##*:}; done; true";
    world.run(&["sh", "-c", links]).ok();
    let cgroups =
        "find /sys/fs/cgroup -depth -type d -path '*/hoist*' -exec rmdir {} + 2>/dev/null; true";
    world.run(&["sh", "-c", cgroups]).ok();
    let id = format!("00000000-0000-4000-8000-{boot:012}");
    world.write("boot_id", &format!("{id}\n"));
    let reboot = "rm -rf /run/hoist; umount -n /proc/sys/kernel/random/boot_id 2>/dev/null; \
                  mount -n --bind boot_id /proc/sys/kernel/random/boot_id";
    world.run(&["sh", "-c", reboot]).ok();
}

/// Gives the box its own boot back.
fn settle(world: &World) {
    let tidy =
        "umount -n /proc/sys/kernel/random/boot_id 2>/dev/null; rm -rf /run/mount /run/blkid; true";
    world.run(&["sh", "-c", tidy]).ok();
}

fn state_of(all: &[Value], service: &str) -> String {
    let found = all.iter().find(|c| c["Service"] == service);
    found.map_or("gone".to_owned(), |c| {
        c["State"].as_str().unwrap().to_owned()
    })
}

fn states(world: &World, services: &[&str]) -> Vec<String> {
    let all = ps(world);
    services.iter().map(|name| state_of(&all, name)).collect()
}

const POLICIES: &str = "services:
  web: {SLEEP, restart: unless-stopped, depends_on: {db: {condition: service_healthy}}}
  db: {SLEEP, restart: always, healthcheck: {test: [CMD, 'true'], interval: 1s}}
  job: {SLEEP, restart: on-failure}
  once: {SLEEP}
  idle: {SLEEP, restart: unless-stopped}
";
const NAMES: [&str; 5] = ["web", "db", "job", "once", "idle"];

#[test]
fn a_boot_brings_back_in_order_what_ran_and_shall() {
    let world = World::new("boot");
    world.write("compose.yaml", &POLICIES.replace("SLEEP", SLEEP));
    world.hoist(&["up", "-d", "--wait"]).ok();
    world.hoist(&["stop", "idle"]).ok();
    lose_power(&world, 1);
    let booted = world.hoist(&["system", "start"]).ok().stderr;
    let place = |text: &str| {
        booted
            .find(text)
            .unwrap_or_else(|| panic!("no `{text}` in {booted}"))
    };
    assert!(place("the machine stopped while") < place("started project-db-1"));
    assert!(place("started project-db-1") < place("started project-web-1"));
    let after = ["running", "running", "running", "exited", "exited"];
    assert_eq!(states(&world, &NAMES), after);
    // Nothing is left to do in this boot, whatever a user stops in it.
    world.hoist(&["stop", "db"]).ok();
    let again = world.hoist(&["system", "start"]).ok().stderr;
    assert!(!again.contains("started"), "{again}");
    // As with docker: `always` means that a boot undoes a stop.
    lose_power(&world, 2);
    world.hoist(&["system", "start"]).ok();
    assert_eq!(states(&world, &NAMES), after);
    world.hoist(&["down"]).ok();
    settle(&world);
}

#[test]
fn a_boot_starts_what_a_command_had_made_and_not_started_yet() {
    let world = World::new("boot");
    let compose = "services:
  db: {SLEEP, restart: always, volumes: ['./data:/data'], healthcheck: {test: [CMD, test, -e, /data/ok], interval: 0.1s, retries: 10000}}
  web: {SLEEP, restart: unless-stopped, depends_on: {db: {condition: service_healthy}}}
  once: {SLEEP, depends_on: {db: {condition: service_healthy}}}
";
    world.write("compose.yaml", &compose.replace("SLEEP", SLEEP));
    world.write("data/note", "");
    let up = world.start_hoist(&["up", "-d"]);
    world.until("web is made", || {
        states(&world, &["db", "web", "once"]) == ["running", "created", "created"]
    });
    lose_power(&world, 1);
    up.wait().ended(137);
    world.write("data/ok", "");
    world.hoist(&["system", "start"]).ok();
    let after = states(&world, &["db", "web", "once"]);
    assert_eq!(after, ["running", "running", "created"]);
    // What a user has said since counts more.
    world.hoist(&["stop", "web"]).ok();
    lose_power(&world, 2);
    world.hoist(&["system", "start"]).ok();
    let after = states(&world, &["db", "web", "once"]);
    assert_eq!(after, ["running", "exited", "created"]);
    world.hoist(&["down"]).ok();
    settle(&world);
}

#[test]
fn a_boot_in_the_middle_of_a_replacement_leaves_one_of_the_two() {
    let world = World::new("boot");
    let compose = |label: &str| {
        let stubborn = "image: host, command: [sh, -c, \"trap '' TERM; echo deaf; while :; do sleep 0.1; done\"]";
        format!(
            "services: {{a: {{{stubborn}, stop_grace_period: 100s, restart: always, labels: {{v: '{label}'}}}}}}\n"
        )
    };
    world.write("compose.yaml", &compose("1"));
    world.hoist(&["up", "-d"]).ok();
    let told = || world.hoist(&["logs", "--no-log-prefix"]).ok().stdout;
    world.until("it is deaf", || told() == "deaf\n");
    world.write("compose.yaml", &compose("2"));
    let up = world.start_hoist(&["up", "-d"]);
    world.until("both are there", || ps(&world).len() == 2);
    lose_power(&world, 1);
    up.wait().ended(137);
    world.hoist(&["system", "start"]).ok();
    let count = |state: &str| ps(&world).iter().filter(|c| c["State"] == state).count();
    assert_eq!(count("running"), 1, "{:?}", ps(&world));
    world.hoist(&["up", "-d", "-t", "0"]).ok();
    assert_eq!((ps(&world).len(), count("running")), (1, 1));
    world.hoist(&["down", "-t", "0"]).ok();
    settle(&world);
}

#[test]
fn a_shutdown_in_order_is_undone_by_the_next_boot() {
    let world = World::new("boot");
    world.write("compose.yaml", &POLICIES.replace("SLEEP", SLEEP));
    world.hoist(&["up", "-d", "--wait"]).ok();
    world.hoist(&["stop", "idle"]).ok();
    let stopped = world.hoist(&["system", "stop"]).ok().stderr;
    let place = |text: &str| {
        stopped
            .find(text)
            .unwrap_or_else(|| panic!("no `{text}` in {stopped}"))
    };
    assert!(place("stopped project-web-1") < place("stopped project-db-1"));
    world.until("nothing runs", || world.processes().is_empty());
    lose_power(&world, 1);
    let booted = world.hoist(&["system", "start"]).ok().stderr;
    assert!(!booted.contains("the machine stopped"), "{booted}");
    let after = ["running", "running", "running", "exited", "exited"];
    assert_eq!(states(&world, &NAMES), after);
    world.hoist(&["down"]).ok();
    settle(&world);
}

#[test]
fn the_first_command_after_a_crash_says_what_it_found() {
    let world = World::new("boot");
    let services = format!("services:\n  a: {{{SLEEP}}}\n  b: {{{SLEEP}}}\n");
    world.write("compose.yaml", &services);
    world.hoist(&["up", "-d"]).ok();
    lose_power(&world, 1);
    // Looking changes nothing, and uses nothing up.
    assert_eq!(states(&world, &["a", "b"]), ["exited", "exited"]);
    let told = "the machine stopped while `project-a-1`, `project-b-1` ran";
    let up = world.hoist(&["up", "-d"]).ok().stderr;
    assert!(up.contains(told), "{up}");
    assert_eq!(states(&world, &["a", "b"]), ["running", "running"]);
    let again = world.hoist(&["up", "-d"]).ok().stderr;
    assert!(!again.contains("the machine stopped"), "{again}");
    world.hoist(&["down"]).ok();
    settle(&world);
}

/// The same program, but for its number.
fn upgraded(world: &World) -> PathBuf {
    let mut program = fs::read(env!("CARGO_BIN_EXE_hoist")).unwrap();
    let (old, new) = (env!("CARGO_PKG_VERSION").as_bytes(), b"9.8.7");
    assert_eq!(
        old.len(),
        new.len(),
        "a number of the same length is needed"
    );
    let places = memchr::memmem::find_iter(&program, old).collect::<Vec<_>>();
    for at in places {
        program[at..at + new.len()].copy_from_slice(new);
    }
    let path = world.project().join("hoist-9.8.7");
    fs::write(&path, program).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_new_version_takes_over_what_an_old_one_started() {
    let world = World::new("upgrade");
    let services = format!(
        "services:\n  a: {{{SLEEP}, restart: always}}\n  b: {{{SLEEP}, depends_on: [a]}}\n"
    );
    world.write("compose.yaml", &services);
    world.hoist(&["up", "-d"]).ok();
    let inside = |service: &str| {
        let started = [
            "exec",
            "-T",
            service,
            "cut",
            "-d",
            " ",
            "-f",
            "22",
            "/proc/1/stat",
        ];
        world.hoist(&started).ok().stdout
    };
    let before = (inside("a"), inside("b"));
    let new = upgraded(&world);
    let new = new.to_str().unwrap();
    let supervisor = || {
        let exe = "for p in /proc/[0-9]*; do grep -qa 'hoist-[s]upervisor' $p/cmdline 2>/dev/null && \
                   readlink $p/exe; done; true";
        world.run(&["sh", "-c", exe]).stdout
    };
    assert!(!supervisor().contains("9.8.7"));
    let listed = world.run(&[new, "ps", "-q"]).ok().stdout;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(supervisor().contains("hoist-9.8.7"), "{}", supervisor());
    assert_eq!(supervisor().lines().count(), 1);
    // The same processes, still cared for.
    let version = world.run(&[new, "version"]).ok().stdout;
    assert!(version.contains("9.8.7"), "{version}");
    let kill = [new, "exec", "-T", "a", "kill", "-9", "-1"];
    world.run(&kill);
    world.until("it is started again", || {
        state_of(&ps(&world), "a") == "running" && inside("a") != before.0
    });
    assert_eq!(inside("b"), before.1);
    world.run(&[new, "down"]).ok();
}

/// A state root as a released version left it, with its project's containers at rest.
fn recorded(world: &World, version: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/state")
        .join(version);
    let (from, to) = (from.display(), world.state());
    let (to, project) = (to.display(), world.project());
    let project = project.display();
    // The layer of `image: host` is named after this machine's.
    let other = "services: {x: {image: host, command: ['true']}}\n";
    let other = world.write("other/compose.yaml", other);
    let file = other.to_str().unwrap();
    world.hoist(&["-f", file, "up"]).ok();
    let host = world
        .run(&["sh", "-c", "ls \"$HOIST_ROOT\"/host | grep -v json"])
        .ok()
        .stdout;
    let host = host.trim();
    world.hoist(&["-f", file, "down"]).ok();
    let place = format!(
        "cp -r {from}/. {to} && sed -i 's|@ROOT@|{to}|g; s|@PROJECT@|{project}|g; s|@HOST@|{host}|g' \
         {to}/projects/recorded/ledger && for c in {to}/projects/recorded/c/*; do \
         mkdir -p $c/upper $c/work $c/log; done"
    );
    world.run(&["sh", "-c", &place]).ok();
}

#[test]
fn what_version_one_has_recorded_is_taken_over() {
    let world = World::new("upgrade");
    recorded(&world, "v1");
    world.write("compose.yaml", RECORDED);
    let words = ["ps", "-a", "--format", "json"];
    let listed = world.hoist(&words).ok().stdout;
    let all: Vec<Value> = listed
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(state_of(&all, "a"), "exited", "{listed}");
    assert_eq!(state_of(&all, "b"), "exited");
    let code = |name: &str| all.iter().find(|c| c["Service"] == name).unwrap()["ExitCode"].clone();
    assert_eq!((code("a"), code("b")), (Value::from(137), Value::from(3)));
    let log = world.hoist(&["logs", "--no-log-prefix", "b"]).ok().stdout;
    assert_eq!(log, "b was here\n");
    let plan = world.hoist(&["up", "--dry-run"]).ok().stdout;
    assert!(
        !plan.contains("recreate") && !plan.contains("create container"),
        "{plan}"
    );
    world.hoist(&["start"]).ok();
    let kept = world
        .hoist(&["exec", "-T", "a", "cat", "/data/file", "/var/tmp/own"])
        .ok();
    assert_eq!(kept.stdout, "kept\nown\n");
    world.hoist(&["down", "-v"]).ok();
}

/// What the fixtures were recorded from: `up -d`, until `b` has ended, `kill a`.
const RECORDED: &str = "name: recorded
services:
  a:
    image: host
    stop_grace_period: 0s
    restart: unless-stopped
    environment: {KEY: value}
    labels: {our.label: 'yes'}
    volumes: ['precious:/data']
    command: [sh, -c, 'test -e /data/file || echo kept > /data/file; echo own > /var/tmp/own; exec sleep 1000']
  b:
    image: host
    stop_grace_period: 0s
    depends_on: [a]
    command: [sh, -c, 'echo b was here; exit 3']
volumes: {precious: {}}
";

#[test]
fn records_of_a_newer_version_are_named_and_left_alone() {
    let world = World::new("upgrade");
    recorded(&world, "v1");
    world.write("compose.yaml", RECORDED);
    let ledger = world.state().join("projects/recorded/ledger");
    let newer = fs::read_to_string(&ledger)
        .unwrap()
        .replace("\"version\":1,", "\"version\":2,");
    fs::write(&ledger, &newer).unwrap();
    for words in [&["ps"][..], &["up", "-d"], &["down", "-v"], &["start"]] {
        let output = world.hoist(words);
        assert_eq!(output.code, 1, "{words:?}: {output:?}");
        let text = &output.stderr;
        assert!(
            text.contains("projects/recorded/ledger` is of version 2"),
            "{words:?}: {text}"
        );
        assert_eq!(fs::read_to_string(&ledger).unwrap(), newer);
    }
    let kept = "ls -d \"$HOIST_ROOT\"/projects/recorded/c/*/upper | wc -l; cat \"$HOIST_ROOT\"/volumes/*/_data/file";
    assert_eq!(world.run(&["sh", "-c", kept]).ok().stdout, "2\nkept\n");
    world
        .run(&["sh", "-c", "rm -rf \"$HOIST_ROOT\"/* /run/hoist"])
        .ok();
}

#[test]
fn logs_are_kept_after_down_when_asked() {
    let world = World::new("kept");
    let words =
        |text: &str| format!("services: {{a: {{image: host, command: [echo, '{text}']}}}}\n");
    let previous = || {
        world
            .hoist(&["logs", "--previous", "--no-log-prefix"])
            .ok()
            .stdout
    };
    world.write("compose.yaml", &words("first"));
    world.hoist(&["up"]).ok();
    assert_eq!(previous(), "");
    world.hoist(&["down", "--keep-logs"]).ok();
    assert_eq!(previous(), "first\n");
    world.write("compose.yaml", &words("second"));
    world.hoist(&["up"]).ok();
    // Neither a new run nor a `down` that keeps nothing costs what is kept.
    world.hoist(&["down"]).ok();
    assert_eq!(previous(), "first\n");
    world.hoist(&["up"]).ok();
    world.hoist(&["down", "--keep-logs"]).ok();
    assert_eq!(previous(), "second\n");
    let lines = world
        .hoist(&["logs", "--previous", "-n", "1", "a"])
        .ok()
        .stdout;
    assert!(lines.contains("a-1") && lines.contains("second"), "{lines}");
    world.hoist(&["down", "-v"]).ok();
    assert_eq!(previous(), "");
}
