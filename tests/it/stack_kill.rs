//! Kill anything: no death of ours costs a container, a log line, a lookup or a connection.

use crate::stack::{numbered, page};
use crate::world::World;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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
    let role = ["supervisor", "zygote", "cli"][dice.below(3)];
    if role == "cli" {
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
                for address in ["127.0.0.1:8090", "[::1]:8090"] {
                    assert_eq!(world.get(address, "/").as_deref(), Ok("web"), "{address}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
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

    assert_eq!(containers(&world), before, "the same containers");
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
