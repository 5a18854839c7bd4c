//! Running containers that lost what leads to them: their run folder, or their records. None of them may run twice.

use crate::stack::ps;
use crate::world::{Output, World};

/// Notes in a volume, again and again, which run of the container writes: numbers of namespaces are soon used again.
const WRITER: &str = "services:
  db:
    image: host
    init: true
    restart: always
    stop_grace_period: 0s
    volumes: [\"data:/d\"]
    command: [sh, -c, 'read me </proc/sys/kernel/random/uuid; while :; do echo $$me >>/d/log; sleep 0.05; done']
volumes: {data: }
";

fn sh(world: &World, script: &str) -> Output {
    world.run(&["sh", "-c", script])
}

/// Those who have written, one after the other.
fn writers(world: &World) -> Vec<String> {
    // Nobody has written at first.
    let log = sh(world, "cat \"$HOIST_ROOT\"/volumes/*/_data/log").stdout;
    let mut writers: Vec<String> = log.lines().map(str::to_owned).collect();
    writers.dedup();
    writers
}

/// One container writes, then another: never two in turns.
fn assert_one_after_the_other(world: &World) {
    world.until("the next one writes", || writers(world).len() > 1);
    let length = || {
        sh(world, "cat \"$HOIST_ROOT\"/volumes/*/_data/log | wc -l")
            .ok()
            .stdout
    };
    let before = length();
    world.until("it goes on", || length() != before);
    assert_eq!(writers(world).len(), 2, "nobody writes in turns");
}

#[test]
fn a_container_whose_run_folder_is_removed_is_ended_before_it_runs_again() {
    // The supervisor finds out, or whoever comes next does, or one between who is killed before it could tell.
    for (supervised, seen) in [(true, false), (false, false), (false, true)] {
        let world = World::new("adrift");
        world.write("compose.yaml", WRITER);
        world.hoist(&["up", "-d"]).ok();
        world.until("it writes", || writers(&world).len() == 1);
        if !supervised {
            world.kill_supervisor();
        }
        sh(&world, "rm -rf \"$HOIST_RUN\"").ok();
        if seen {
            world.hoist(&["ps"]).ok();
            world.until("its policy starts it again", || writers(&world).len() > 1);
            world.kill_supervisor();
        }
        let up = world.hoist(&["up", "-d"]).ok();
        assert!(up.stderr.contains("was removed while"), "{}", up.stderr);
        assert_one_after_the_other(&world);
        world.hoist(&["down", "-v"]).ok();
        world.until("everybody is gone", || world.processes().is_empty());
        world.assert_no_trace();
    }
}

#[test]
fn a_command_with_another_run_folder_starts_nothing_twice() {
    let world = World::new("adrift-run");
    world.write("compose.yaml", WRITER);
    world.hoist(&["up", "-d"]).ok();
    world.until("it writes", || writers(&world).len() == 1);
    let elsewhere = format!(
        "HOIST_RUN=\"$HOIST_RUN-other\" {} up -d",
        env!("CARGO_BIN_EXE_hoist")
    );
    let other = sh(&world, &elsewhere).ended(1);
    assert!(other.stderr.contains("runs from"), "{}", other.stderr);
    assert!(
        other.stderr.contains("export HOIST_RUN="),
        "{}",
        other.stderr
    );
    world.hoist(&["down", "-v"]).ok();
    sh(&world, "rm -rf \"$HOIST_RUN-other\"").ok();
}

#[test]
fn a_supervisor_that_is_not_found_gets_no_second_beside_it() {
    let world = World::new("adrift-hidden");
    world.write("compose.yaml", WRITER);
    world.hoist(&["up", "-d"]).ok();
    world.until("it writes", || writers(&world).len() == 1);
    let is_supervisor = |words: &str| words.contains("] hoist-supervisor");
    let mut processes = world.processes().into_iter();
    let (supervisor, _) = processes.find(|it| is_supervisor(&it.1)).unwrap();
    // As if a tmpfs was mounted over it, which is undone more easily.
    sh(&world, "mv \"$HOIST_RUN\" \"$HOIST_RUN-moved\"").ok();
    for command in [&["up", "-d"][..], &["down"], &["ps"]] {
        let refused = world.hoist(command).ended(1);
        let named = format!("supervised by process {supervisor}, which is not found at `");
        assert!(refused.stderr.contains(&named), "{}", refused.stderr);
        assert!(refused.stderr.contains("kill -9"), "{}", refused.stderr);
    }
    let back = "rm -rf \"$HOIST_RUN\"; mv \"$HOIST_RUN-moved\" \"$HOIST_RUN\"";
    sh(&world, back).ok();
    world.hoist(&["up", "-d"]).ok();
    assert_eq!(writers(&world).len(), 1);
    // What the hint says.
    sh(&world, "mv \"$HOIST_RUN\" \"$HOIST_RUN-moved\"").ok();
    world.kill_supervisor();
    world.hoist(&["up", "-d"]).ok();
    assert_one_after_the_other(&world);
    world.hoist(&["down", "-v"]).ok();
    sh(&world, "rm -rf \"$HOIST_RUN-moved\"").ok();
    world.until("everybody is gone", || world.processes().is_empty());
    world.assert_no_trace();
}

#[test]
fn a_container_that_the_ledger_has_lost_is_ended_and_its_data_stay() {
    for damage in [": >$L", "truncate -s $(($(wc -c <$L) / 3)) $L"] {
        let world = World::new("adrift-ledger");
        world.write("compose.yaml", WRITER);
        world.hoist(&["up", "-d"]).ok();
        world.until("it writes", || writers(&world).len() == 1);
        world
            .hoist(&["exec", "db", "sh", "-c", "echo mine >/file"])
            .ok();
        world.kill_supervisor();
        // Its shim may have started another one, which has read the ledger by now.
        world.until("nobody supervises", || {
            world.kill_supervisor();
            sh(
                &world,
                &format!("L=\"$HOIST_ROOT\"/projects/*/ledger; L=$(echo $L); {damage}"),
            )
            .ok();
            true
        });
        world.kill_supervisor();
        let up = world.hoist(&["up", "-d"]).ok();
        assert!(
            up.stderr.contains("does not know the container"),
            "{}",
            up.stderr
        );
        assert_one_after_the_other(&world);
        assert_eq!(ps(&world).len(), 1);
        let kept = sh(&world, "cat \"$HOIST_ROOT\"/projects/*/c/*/upper/file").ok();
        assert_eq!(kept.stdout, "mine\n");
        world.hoist(&["down", "-v"]).ok();
        world.until("everybody is gone", || world.processes().is_empty());
        world.assert_no_trace();
    }
}

#[test]
fn a_ledger_with_a_damaged_line_is_named() {
    let world = World::new("adrift-line");
    world.write("compose.yaml", WRITER);
    world.hoist(&["up", "-d"]).ok();
    world.hoist(&["stop"]).ok();
    world.until("nobody supervises", || world.processes().is_empty());
    sh(
        &world,
        "sed -i '1s/.*/garbage/' \"$HOIST_ROOT\"/projects/*/ledger",
    )
    .ok();
    let up = world.hoist(&["up", "-d"]);
    assert!(up.stderr.contains("is damaged in line 1"), "{}", up.stderr);
    world.hoist(&["down", "-v"]);
    world.hoist(&["down", "-v"]);
    sh(
        &world,
        "rm -rf \"$HOIST_ROOT\"/projects \"$HOIST_ROOT\"/volumes",
    )
    .ok();
}

#[test]
fn a_successor_knows_the_streak_of_failures_and_when_the_next_start_is_due() {
    let world = World::new("adrift-streak");
    world.write(
        "compose.yaml",
        "services:
  sick: {image: host, container_name: sick, command: sleep 1000, init: true, stop_grace_period: 0s,
         healthcheck: {test: 'echo nope; exit 1', interval: 0.1s, retries: 100000}}
  late: {image: host, command: [sh, -c, 'echo run; exit 1'], deploy: {restart_policy: {condition: any, delay: 1h}}}
",
    );
    world.hoist(&["up", "-d"]).ok();
    let inspect = || world.hoist(&["inspect", "sick"]).ok().stdout;
    let streak = || {
        let all: serde_json::Value = serde_json::from_str(&inspect()).unwrap();
        all[0]["State"]["Health"]["FailingStreak"].as_u64().unwrap()
    };
    world.until("it fails", || streak() > 4);
    world.kill_supervisor();
    assert!(streak() > 4, "{}", inspect());
    assert!(inspect().contains("nope"), "{}", inspect());
    let late = world.hoist(&["ps", "--format", "{{.State}}", "late"]).ok();
    assert_eq!(late.stdout, "restarting\n");
    let runs = world.hoist(&["logs", "--no-log-prefix", "late"]).ok();
    assert_eq!(runs.stdout, "run\n");
    world.hoist(&["down"]).ok();
}
