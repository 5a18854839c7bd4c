//! Kill anything: no death of ours costs a container, a log line, a lookup or a connection.

use crate::stack::{numbered, page};
use crate::world::World;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: usize = 100;
const PRINTERS: usize = 18;

/// Looks every printer's name up, again and again, and prints each failure.
const ASKER: &str = "  asker:\n    image: host\n    stop_grace_period: 0s\n    command: [perl, -MSocket, -e, '$| = 1; \
    while (1) { $$name = \"line\" . int rand 18; $$n++; print \"failed $$name\\n\" unless inet_aton($$name); \
    print \"asked $$n\\n\" unless $$n % 100; select undef, undef, undef, 0.002 }']\n";

/// A small generator, so that a failing sequence can be run again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("limits are small")
    }
}

/// Supervisor or zygote: what a process is called tells it from the shims, which have the zygote's command line.
fn of_role(world: &World, role: &str) -> Vec<i32> {
    let is_it = |words: &str| match role {
        "zygote" => words.starts_with("[hoist-zygote] "),
        "shim" => words.starts_with("[hoist-shim] "),
        _ => words.contains("] hoist-supervisor "),
    };
    let all = world.processes().into_iter();
    all.filter(|(_, words)| is_it(words))
        .map(|(pid, _)| pid)
        .collect()
}

/// `(service, id)` of everything that runs.
fn containers(world: &World) -> Vec<(String, String)> {
    let text = world.hoist(&["ps", "--format", "json"]).ok().stdout;
    let mut found: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("one object a line"))
        .map(|object| (object["Service"].to_string(), object["ID"].to_string()))
        .collect();
    found.sort();
    found
}

/// How many were killed.
fn kill_something(world: &World, dice: &mut Dice) -> usize {
    let mut killed = 0;
    let role = ["supervisor", "zygote", "cli", "shim", "shim"][dice.below(5)];
    if role == "shim" {
        let shims = of_role(world, role);
        let victim = shims.get(dice.below(shims.len().max(1)));
        killed += victim.map_or(0, |pid| usize::from(world.kill("-9", *pid)));
    } else if role == "cli" {
        let words = [
            &["ps"][..],
            &["up", "-d"],
            &["logs"],
            &["exec", "-T", "web", "true"],
        ][dice.below(4)];
        let cli = world.start_hoist(words);
        std::thread::sleep(std::time::Duration::from_micros(dice.below(8000) as u64));
        killed += usize::from(world.kill("-9", cli.pid));
        cli.wait();
    } else {
        for pid in of_role(world, role) {
            killed += usize::from(world.kill("-9", pid));
        }
    }
    if dice.below(2) == 0 {
        world.hoist(&["ps"]).ok();
    }
    // The next may hit a successor at any moment of its start.
    std::thread::sleep(std::time::Duration::from_micros(dice.below(30_000) as u64));
    killed
}

/// Every number from 1 to the last, once each and in order.
fn assert_complete(service: &str, log: &str) {
    let mut expected = 1;
    for line in log.lines() {
        let number: usize = line
            .rsplit(' ')
            .next()
            .and_then(|word| word.parse().ok())
            .expect("lines are numbered");
        assert_eq!(number, expected, "{service} lost or repeated a line");
        expected += 1;
    }
    assert!(expected > ROUNDS, "{service} printed {expected} lines only");
}

#[test]
fn kill_9_of_anything_of_ours_costs_nothing() {
    let world = World::new("kill");
    world.write(
        "compose.yaml",
        &format!("{}{}{ASKER}", numbered(PRINTERS), page("web", "'8090:80'")),
    );
    world.hoist(&["up", "-d", "--wait"]).ok();
    let before = containers(&world);
    assert_eq!(before.len(), PRINTERS + 2);

    let (done, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let mut answer = world.get("[::1]:8090", "/");
                let deadline = Instant::now() + Duration::from_secs(2);
                while answer.is_err() && Instant::now() < deadline {
                    // Its listener dies with the last holder: when supervisor and shim are dead at the same time.
                    answer = world.get("[::1]:8090", "/");
                }
                assert_eq!(answer.as_deref(), Ok("web"), "[::1]");
                assert_eq!(world.get("127.0.0.1:8090", "/").as_deref(), Ok("web"));
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
        let seed = std::env::var("HOIST_TEST_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or(20_261_122);
        let mut dice = Dice(seed);
        let rounds = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut killed = 0;
            while killed < ROUNDS {
                killed += kill_something(&world, &mut dice);
            }
        }));
        done.store(true, Ordering::Relaxed);
        rounds.expect("a round failed");
    });

    let after = containers(&world);
    if after != before {
        let told = "find /run/hoist -name journal -exec tail -n 60 {} +";
        let journal = world.run(&["sh", "-c", told]).stdout;
        let listed = world.hoist(&["ps", "-a"]).stdout;
        panic!("not the same containers:\n{listed}\n{journal}");
    }
    assert!(
        answered.into_inner() > ROUNDS,
        "the port was asked throughout"
    );
    for index in 0..PRINTERS {
        let service = format!("line{index}");
        let log = world
            .hoist(&["logs", "--no-color", "--no-log-prefix", &service])
            .ok()
            .stdout;
        assert_complete(&service, &log);
    }
    let asker = world
        .hoist(&["logs", "--no-color", "--no-log-prefix", "asker"])
        .ok()
        .stdout;
    assert!(asker.contains("asked"), "it asked");
    assert!(!asker.contains("failed"), "{asker}");
    world.hoist(&["down"]).ok();
}

/// A YAML service whose container says its number of starts, and ends a second time only when told.
const COUNTED: &str = "  counted:\n    image: host\n    restart: always\n    stop_grace_period: 0s\n    command: [sh, -c, \
    'echo start >> /var/tmp/starts; n=$$(wc -l < /var/tmp/starts); echo start $$n; [ $$n -gt 3 ] && exec sleep 1000; exit 3']\n";

fn kill_all(world: &World, role: &str) {
    for pid in of_role(world, role) {
        world.kill("-9", pid);
    }
}

/// Whether somebody else may bind the port in the box.
fn is_free(world: &World, port: u16) -> bool {
    let script = format!(
        "exit !IO::Socket::INET->new(LocalAddr => \"0.0.0.0:{port}\", Listen => 1, ReuseAddr => 1)"
    );
    let bound = world.run(&["perl", "-MIO::Socket::INET", "-e", &script]);
    bound.code == 0
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_container_whose_shim_or_shim_and_supervisor_were_killed_keeps_ports_and_names() {
    let world = World::new("shimless");
    world.write(
        "compose.yaml",
        &format!(
            "services:\n{}{}",
            page("web", "'8090:80'"),
            page("peer", "'80'")
        ),
    );
    world.hoist(&["up", "-d", "--wait"]).ok();
    let before = containers(&world);
    for roles in [
        &["shim"][..],
        &["supervisor", "shim"],
        &["zygote", "supervisor", "shim"],
    ] {
        for role in roles {
            kill_all(&world, role);
        }
        assert_eq!(containers(&world), before, "after the death of {roles:?}");
        eventually(&format!("each has another shim after {roles:?}"), || {
            of_role(&world, "shim").len() == 2
        });
        // Both kinds of sockets come back together; to bind the port sooner would take it away from us.
        eventually(&format!("[::1] answers after {roles:?}"), || {
            world.get("[::1]:8090", "/").as_deref() == Ok("web")
        });
        assert_eq!(world.get("127.0.0.1:8090", "/").as_deref(), Ok("web"));
        assert!(
            !is_free(&world, 8090),
            "the port is reserved after {roles:?}"
        );
        let lookup = ["exec", "-T", "web", "getent", "hosts", "peer"];
        world.hoist(&lookup).ok();
    }
    world.hoist(&["down"]).ok();
}

#[test]
fn a_restart_is_not_forgotten_by_whoever_was_to_do_it() {
    for roles in [&["shim"][..], &["supervisor", "shim"], &["supervisor"]] {
        let world = World::new("due");
        // Lest the supervisor leaves when a start has failed, and its successor tries again.
        let other =
            "other: {image: host, command: [sleep, '1000'], init: true, stop_grace_period: 0s}";
        world.write("compose.yaml", &format!("services:\n{COUNTED}  {other}\n"));
        world.hoist(&["up", "-d"]).ok();
        let started = |count: usize| {
            let log = world
                .hoist(&["logs", "--no-color", "--no-log-prefix", "counted"])
                .ok();
            log.stdout.contains(&format!("start {count}\n"))
        };
        // What nobody has read yet is lost with everybody who could have.
        world.until("the first start is in the log", || started(1));
        for role in roles {
            kill_all(&world, role);
        }
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !started(4) {
            assert!(
                std::time::Instant::now() < deadline,
                "no restart after {roles:?}: {}",
                world
                    .run(&["sh", "-c", "tail -n 12 /run/hoist/projects/*/journal"])
                    .stdout
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let log = world
            .hoist(&["logs", "--no-color", "--no-log-prefix", "counted"])
            .ok();
        assert_eq!(
            log.stdout, "start 1\nstart 2\nstart 3\nstart 4\n",
            "{roles:?}"
        );
        world.hoist(&["down"]).ok();
    }
}

#[test]
fn an_exit_code_survives_its_shim_and_supervisor() {
    let world = World::new("lastwords");
    world.write(
        "compose.yaml",
        "services:\n  a:\n    image: host\n    command: [sh, -c, 'trap \"exit 7\" TERM; echo up; while :; do sleep 0.01; done']\n",
    );
    world.hoist(&["up", "-d"]).ok();
    let pid = world.run(&["pgrep", "-f", "exit 7"]).ok().stdout;
    let pid: i32 = pid
        .lines()
        .next()
        .and_then(|l| l.parse().ok())
        .expect("it runs");
    kill_all(&world, "shim");
    assert!(world.kill("-TERM", pid));
    let ended = world.hoist(&["wait", "a"]);
    assert_eq!(ended.code, 7, "{ended:?}");
    world.hoist(&["down"]).ok();
}

#[test]
fn a_container_whose_shims_end_again_and_again_is_given_no_more_and_can_be_stopped() {
    let world = World::new("givenup");
    world.write(
        "compose.yaml",
        "services: {a: {image: host, command: [sleep, '1000'], init: true, stop_grace_period: 0s}}\n",
    );
    world.hoist(&["up", "-d"]).ok();
    world.until("it is told that it gets no more shims", || {
        for shim in of_role(&world, "shim") {
            world.kill("-KILL", shim);
        }
        let told = "grep -c 'no more shims' /run/hoist/projects/*/journal";
        world.run(&["sh", "-c", told]).stdout == "1\n"
    });
    assert_eq!(state(&world), "running");
    world.hoist(&["down"]).ok();
}

/// A box with a container that waits for its restart, and has no shim any more: each one it got was killed.
fn without_a_shim(pause: &str) -> World {
    let world = World::new("scratch");
    world.write(
        "compose.yaml",
        &format!(
            "services: {{a: {{image: host, command: [sh, -c, 'echo run; exit 1'], \
             deploy: {{restart_policy: {{condition: any, delay: {pause}}}}}}}}}\n"
        ),
    );
    world.hoist(&["up", "-d"]).ok();
    world.until("it waits for its restart", || state(&world) == "restarting");
    let mut killed = 0;
    world.until("it is given no more shims", || {
        let shims = of_role(&world, "shim");
        for shim in &shims {
            killed += usize::from(world.kill("-KILL", *shim));
        }
        // A killed shim goes before its successor comes.
        killed > 10
            && shims.is_empty()
            && world.hoist(&["ps"]).code == 0
            && of_role(&world, "shim").is_empty()
    });
    assert_eq!(state(&world), "restarting");
    world
}

fn state(world: &World) -> String {
    let all = crate::stack::ps(world);
    all[0]["State"].as_str().expect("it has one").to_owned()
}

#[test]
fn a_stop_ends_the_wait_for_a_restart_without_a_shim() {
    let world = without_a_shim("100s");
    world.hoist(&["stop"]).ok();
    assert_eq!(state(&world), "exited");
    world.hoist(&["start"]).ok();
    world.until("it restarts again", || state(&world) == "restarting");
    world.hoist(&["down"]).ok();
}

/// The same at the time of its restart, which the zygote's being stopped keeps from going on; the zygote.
fn starting_from_scratch() -> (World, i32) {
    let world = without_a_shim("5s");
    let events = world.start_hoist(&["events"]);
    let zygote = of_role(&world, "zygote")[0];
    world.kill("-STOP", zygote);
    while !events
        .line()
        .expect("events go on")
        .contains("container restart")
    {}
    world.kill("-KILL", events.pid);
    events.wait();
    (world, zygote)
}

/// One that does not wait says so at once.
fn assert_it_waits(world: &World) {
    for _ in 0..20 {
        assert_eq!(state(world), "restarting", "its start is under way");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_stop_that_meets_a_start_from_scratch_waits_for_it_and_ends_it() {
    let (world, zygote) = starting_from_scratch();
    let stop = world.start_hoist(&["stop", "-t", "0"]);
    assert_it_waits(&world);
    world.kill("-CONT", zygote);
    stop.wait().ok();
    assert_eq!(state(&world), "exited");
    world.hoist(&["down"]).ok();
}

#[test]
fn an_up_that_meets_a_start_from_scratch_waits_for_it_and_starts_nothing_twice() {
    let (world, zygote) = starting_from_scratch();
    let before = starts(&world);
    let up = world.start_hoist(&["up", "-d"]);
    assert_it_waits(&world);
    world.kill("-CONT", zygote);
    up.wait().ok();
    world.until("it has run, and waits again", || {
        starts(&world) > before && state(&world) == "restarting"
    });
    assert_eq!(starts(&world), before + 1);
    world.hoist(&["down"]).ok();
}

/// How often the container has run.
fn starts(world: &World) -> usize {
    let log = world.hoist(&["logs", "--no-log-prefix"]).ok();
    log.stdout.matches("run\n").count()
}
