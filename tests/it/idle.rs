//! A project in which nothing happens costs nothing.

use crate::stack::{SLEEP, page};
use crate::world::World;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// How often each thread of ours has gone to sleep: one that wakes up sleeps once more.
fn sleeps(world: &World) -> BTreeMap<String, u64> {
    let names: BTreeMap<i32, String> = world.processes().into_iter().collect();
    let mut all = BTreeMap::new();
    for (host, inside) in world.host_processes() {
        let name = names
            .get(&inside)
            .filter(|name| name.starts_with("[hoist-"));
        let Some(name) = name else { continue };
        let Ok(threads) = fs::read_dir(format!("/proc/{host}/task")) else {
            continue;
        };
        for thread in threads.flatten() {
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            let mut lines = status.lines();
            let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            let key = format!("{name} {}", thread.path().display());
            all.insert(key, count.and_then(|n| n.trim().parse().ok()).unwrap_or(0));
        }
    }
    all
}

#[test]
fn an_idle_project_wakes_nobody_up() {
    let world = World::new("idle");
    let services = format!("services:\n  a: {{{SLEEP}}}\n  b: {{{SLEEP}, restart: always}}\n");
    let web = page("web", "'8090:80'");
    let web = &web[..web.find("    healthcheck").expect("it has one")];
    world.write("compose.yaml", &format!("{services}{web}"));
    world.hoist(&["up", "-d"]).ok();
    let pause = Duration::from_secs(1);
    let mut before = sleeps(&world);
    // What `up` left to do behind its back, and threads that stay a while for more work, come first.
    world.until("it is quiet for a second", || {
        std::thread::sleep(pause);
        let after = sleeps(&world);
        let quiet = after == before;
        before = after;
        quiet
    });
    std::thread::sleep(pause);
    assert_eq!(sleeps(&world), before);
    world.hoist(&["down"]).ok();
}

#[test]
fn to_look_at_a_project_at_rest_starts_nobody() {
    let world = World::new("idle-look");
    let said = "{image: host, command: [sh, -c, 'echo said; exit 3']}";
    world.write(
        "compose.yaml",
        &format!("services:\n  a: {said}\n  b: {{{SLEEP}}}\n"),
    );
    world.hoist(&["up", "-d"]).ok();
    world.hoist(&["wait", "a"]).ended(3);
    let asked = world.hoist(&["ps", "-a", "--format", "json"]).ok().stdout;
    assert!(asked.contains("\"ExitCode\":3"), "{asked}");
    world.hoist(&["stop"]).ok();
    world.until("its supervisor has left", || world.processes().is_empty());
    // Whoever has to start a supervisor waits for this lock, and fails.
    let lock = "/run/hoist/projects/project/lock";
    let look = |words: &[&str]| {
        let all = [&["flock", lock, env!("CARGO_BIN_EXE_hoist")], words].concat();
        world.run(&all)
    };
    let told = look(&["ps", "-a", "--format", "json"]).ok().stdout;
    for part in ["\"ExitCode\":3", "project-b-1", "Exited"] {
        assert!(told.contains(part), "no {part} in {told}");
    }
    let log = look(&["logs", "--no-log-prefix", "-n", "10"]).ok().stdout;
    assert_eq!(log, "said\n");
    for words in [&["ls", "-a"][..], &["images"], &["logs", "-f", "a"]] {
        look(words).ok();
    }
    world.hoist(&["down"]).ok();
}

#[test]
fn an_exec_whose_input_has_ended_sleeps() {
    let world = World::new("idle-exec");
    world.write("compose.yaml", &format!("services:\n  a: {{{SLEEP}}}\n"));
    world.hoist(&["up", "-d"]).ok();
    let words = ["exec", "-T", "a", "sh", "-c", "echo ready; exec sleep 1000"];
    let exec = world.start_hoist(&words);
    assert_eq!(exec.line().as_deref(), Some("ready"));
    let numbers = world.host_processes();
    let host = numbers.iter().find(|(_, inside)| *inside == exec.pid);
    let proc = format!("/proc/{}", host.expect("it runs").0);
    world.until("its stdin was read to the end", || {
        fs::read_dir(format!("{proc}/task")).is_ok_and(|threads| threads.count() == 1)
    });
    let before = ticks(&proc);
    std::thread::sleep(Duration::from_secs(1));
    let spent = ticks(&proc) - before;
    assert!(spent < 10, "{spent} of 100 ticks");
    world.hoist(&["down"]).ok();
    exec.wait().ended(137);
}

/// Processor time of a process, in hundredths of a second.
fn ticks(proc: &str) -> u64 {
    let stat = fs::read_to_string(format!("{proc}/stat")).expect("it runs");
    let (_, fields) = stat.rsplit_once(')').expect("proc_pid_stat(5)");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |at: usize| fields[at].parse::<u64>().expect("proc_pid_stat(5)");
    number(11) + number(12)
}
