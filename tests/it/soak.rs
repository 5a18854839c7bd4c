//! Days in a minute: fifty containers that write, restarts and `kill -9` without end, and nothing lost or grown.
//!
//! `HOIST_SOAK_SECONDS=600` soaks longer (`make soak`).

use crate::numbered;
use crate::stack::{page, ps};
use crate::world::World;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const WRITERS: usize = 50;

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

/// One writer, and how often it must have run.
struct Writer {
    service: String,
    id: String,
    runs: usize,
}

/// What of ours must stay flat.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    processes: usize,
    kib: usize,
    descriptors: usize,
}

fn compose() -> String {
    // Twenty kilobytes a second each, a megabyte all of them.
    let writers: String = (0..WRITERS)
        .map(|index| {
            format!(
                "  line{index}:\n    image: host\n    restart: always\n    stop_grace_period: 5s\n    \
                 environment: {{PAUSE: '0.05', WIDTH: '1000'}}\n    volumes: ['./data:/data']\n    \
                 command: [perl, /data/lines.pl]\n"
            )
        })
        .collect();
    let asker = "  asker:\n    image: host\n    stop_grace_period: 0s\n    command: [perl, -MSocket, -e, '$| = 1; \
        while (1) { print \"failed\\n\" unless inet_aton(\"web\"); print \"asked\\n\" unless ++$$n % 100; \
        select undef, undef, undef, 0.01 }']\n";
    format!("services:\n{writers}{}{asker}", page("web", "'8090:80'"))
}

/// What runs of ours: `(PID in the box, PID of the host, command)`.
fn ours(world: &World) -> Vec<(i32, i32, String)> {
    let hosts: BTreeMap<i32, i32> = world
        .host_processes()
        .into_iter()
        .map(|(h, b)| (b, h))
        .collect();
    let all = world.processes().into_iter();
    all.filter(|(_, words)| words.starts_with("[hoist-"))
        .filter_map(|(pid, words)| Some((pid, *hosts.get(&pid)?, words)))
        .collect()
}

fn size(world: &World) -> Size {
    let mut size = Size::default();
    for (_, host, words) in ours(world) {
        let rollup = std::fs::read_to_string(format!("/proc/{host}/smaps_rollup"));
        let rollup = rollup.unwrap_or_default();
        let pss = rollup
            .lines()
            .find_map(|line| line.strip_prefix("Pss_Anon:"));
        let kib = pss.and_then(|text| text.trim().trim_end_matches(" kB").parse::<usize>().ok());
        size.processes += 1;
        size.kib += kib.unwrap_or(0);
        if words.contains("hoist-supervise") {
            size.descriptors =
                std::fs::read_dir(format!("/proc/{host}/fd")).map_or(0, Iterator::count);
        }
    }
    size
}

/// Restarts a writer, kills its program, or kills something of ours.
fn disturb(world: &World, writers: &mut [Writer], dice: &mut Dice) {
    let index = dice.below(writers.len());
    let writer = &mut writers[index];
    // One that is about to start again would be started once for two reasons.
    let settled = numbered::runs(world, &writer.id) == writer.runs;
    match dice.below(6) {
        0 if settled => {
            world.hoist(&["restart", &writer.service]).ok();
            writer.runs += 1;
        }
        1 if settled => {
            world.hoist(&["kill", "-s", "TERM", &writer.service]).ok();
            // `restart: always` does not hold for what a user has ended.
            world.until("it has ended", || {
                let all = ps(world);
                all.iter()
                    .any(|c| c["Service"] == writer.service.as_str() && c["State"] == "exited")
            });
            world.hoist(&["start", &writer.service]).ok();
            writer.runs += 1;
        }
        _ => {
            let all = ours(world);
            let role = [
                "[hoist-supervise",
                "[hoist-zygote",
                "[hoist-shim",
                "[hoist-shim",
            ][dice.below(4)];
            let victims: Vec<_> = all
                .iter()
                .filter(|(_, _, words)| words.starts_with(role))
                .collect();
            if !victims.is_empty() {
                let victim = victims[dice.below(victims.len())].0;
                world.kill("-9", victim);
            }
        }
    }
    std::thread::sleep(Duration::from_millis(dice.below(120) as u64));
}

/// Asks the published port until told to stop; how often it answered.
fn visit(world: &World, done: &AtomicBool, answered: &AtomicUsize) {
    while !done.load(Ordering::Relaxed) {
        assert_eq!(world.get("127.0.0.1:8090", "/").as_deref(), Ok("web"));
        answered.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_soak_loses_no_line_no_restart_no_request_and_grows_nothing() {
    let seconds = std::env::var("HOIST_SOAK_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(60);
    let world = World::new("soak");
    numbered::install(&world);
    world.write("compose.yaml", &compose());
    world.hoist(&["up", "-d"]).ok();
    let mut writers: Vec<Writer> = ps(&world)
        .iter()
        .filter(|c| c["Service"].as_str().is_some_and(|s| s.starts_with("line")))
        .map(|c| Writer {
            service: c["Service"].as_str().unwrap().to_owned(),
            id: c["ID"].as_str().unwrap().to_owned(),
            runs: 1,
        })
        .collect();
    assert_eq!(writers.len(), WRITERS);
    world.until("all have begun", || {
        writers.iter().all(|w| numbered::runs(&world, &w.id) == 1)
    });

    let (done, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut disturbances, mut early) = (0, None);
    std::thread::scope(|scope| {
        scope.spawn(|| visit(&world, &done, &answered));
        let mut dice = Dice(20_261_126);
        let began = Instant::now();
        let soaked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            while began.elapsed() < Duration::from_secs(seconds) {
                disturb(&world, &mut writers, &mut dice);
                disturbances += 1;
                if early.is_none() && began.elapsed() > Duration::from_secs(seconds / 4) {
                    world.hoist(&["ps"]).ok();
                    early = Some(size(&world));
                }
            }
        }));
        done.store(true, Ordering::Relaxed);
        soaked.expect("a disturbance failed");
    });
    settle(&world, &writers);
    let (early, late) = (early.expect("a quarter has passed"), size(&world));
    let lines: usize = writers
        .iter()
        .map(|w| numbered::assert_log(&world, &w.service, &w.id))
        .sum();
    let asker = world
        .hoist(&["logs", "--no-color", "--no-log-prefix", "asker"])
        .ok()
        .stdout;
    let answered = answered.into_inner();
    println!(
        "{seconds} s: {disturbances} disturbances, {lines} lines, {answered} requests, early {early:?}, late {late:?}"
    );
    assert!(
        asker.contains("asked") && !asker.contains("failed"),
        "a lookup failed"
    );
    assert!(answered > 100, "{answered} requests");
    assert!(
        late.kib < early.kib * 3 / 2 + 4096,
        "memory: {early:?}, {late:?}"
    );
    assert!(
        late.descriptors < early.descriptors + 32,
        "descriptors: {early:?}, {late:?}"
    );
    world.hoist(&["down", "-t", "1"]).ok();
    // A disk takes its time for what was written meanwhile.
    let deadline = Instant::now() + Duration::from_secs(120);
    while !ours(&world).is_empty() {
        assert!(Instant::now() < deadline, "the folders are not emptied");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until all run, each as often as it was made to.
fn settle(world: &World, writers: &[Writer]) {
    world.hoist(&["ps"]).ok();
    let off = || {
        let off = |w: &&Writer| numbered::runs(world, &w.id) != w.runs;
        writers
            .iter()
            .filter(off)
            .map(|w| (w.service.clone(), w.runs, numbered::runs(world, &w.id)))
            .collect::<Vec<_>>()
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !off().is_empty() {
        assert!(
            Instant::now() < deadline,
            "runs expected and counted: {:?}",
            off()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    world.until("everything of ours is there", || {
        ours(world).len() >= WRITERS + 4
    });
}
