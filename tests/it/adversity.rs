//! Full disks, no inodes, no descriptors, little memory, a read-only state root: a clear message, nothing lost, and all is
//! well again when the cause is gone.

use crate::numbered;
use crate::stack::{SLEEP, ps};
use crate::world::{Output, World};

/// A box in which a folder is a small file system of its own.
fn confined(folder: &str, options: &str) -> World {
    let world = World::new("adversity");
    let mount = format!("mkdir -p {folder} && mount -t tmpfs -o {options} small {folder}");
    sh(&world, &mount).ok();
    world
}

fn sh(world: &World, script: &str) -> Output {
    world.run(&["sh", "-c", script])
}

/// Ends a test: all is taken down, and nothing of ours keeps the small file system.
fn leave(world: &World, folder: &str) {
    world.hoist(&["down", "-t", "0"]).ok();
    world.until("the supervisor is gone", || world.processes().is_empty());
    let tidy =
        format!("umount {folder}; rmdir {folder} 2>/dev/null; rm -rf /run/mount /run/blkid; true");
    sh(world, &tidy).ok();
}

/// The command fails and says why.
#[track_caller]
fn assert_says(output: &Output, why: &[&str]) {
    let text = output.stderr.to_lowercase();
    assert_eq!(output.code, 1, "{output:?}");
    assert!(
        why.iter().any(|word| text.contains(word)),
        "{}",
        output.stderr
    );
    assert!(!text.contains("panicked"), "{}", output.stderr);
}

const ROOT: &str = "\"$HOIST_ROOT\"";
const RUN: &str = "/run/hoist";
const FILL: &str = "dd if=/dev/zero of=FOLDER/filler bs=64k 2>/dev/null; \
                    dd if=/dev/zero of=FOLDER/filler2 bs=1 2>/dev/null; true";
const FULL: &[&str] = &["no space left", "is full"];

fn one(label: &str) -> String {
    format!("services: {{a: {{{SLEEP}, labels: {{v: '{label}'}}}}}}\n")
}

#[track_caller]
fn assert_runs(world: &World, service: &str) {
    let all = ps(world);
    let runs = |c: &&serde_json::Value| c["Service"] == service && c["State"] == "running";
    assert_eq!(all.iter().filter(runs).count(), 1, "{all:?}");
}

/// The last number that a service's log has.
fn latest(world: &World, service: &str) -> usize {
    let words = ["logs", "--no-color", "--no-log-prefix", "-n", "1", service];
    let line = world.hoist(&words).ok().stdout;
    let number = line.split(' ').nth(3).and_then(|n| n.trim().parse().ok());
    number.unwrap_or(0)
}

#[test]
fn a_full_disk_loses_no_line_that_may_wait_and_owns_up_to_others() {
    let world = confined(ROOT, "size=24m");
    numbered::install(&world);
    let writer = |name: &str, mode: &str| {
        format!(
            "  {name}:\n    image: host\n    stop_grace_period: 5s\n    environment: {{WIDTH: '2000'}}\n    \
             volumes: ['./data:/data']\n    command: [perl, /data/lines.pl]\n    \
             logging: {{options: {{mode: {mode}, max-size: '100m'}}}}\n"
        )
    };
    let all = writer("waits", "blocking") + &writer("drops", "non-blocking");
    world.write("compose.yaml", &format!("services:\n{all}"));
    world.hoist(&["up", "-d"]).ok();
    world.until("both write", || {
        latest(&world, "waits") > 0 && latest(&world, "drops") > 0
    });
    sh(&world, &FILL.replace("FOLDER", ROOT)).ok();
    let before = ps(&world);
    assert_says(&world.hoist(&["up", "-d", "--force-recreate"]), FULL);
    let ids = |all: &[serde_json::Value]| -> Vec<String> {
        let running = all.iter().filter(|c| c["State"] == "running");
        running.map(|c| c["ID"].to_string()).collect()
    };
    assert_eq!(ids(&ps(&world)), ids(&before), "what ran runs");
    // The one that may wait does, the other goes on: what it writes is lost, but not silently.
    let mut seen = (0, 0);
    world.until("neither is logged any more", || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        let before = seen;
        seen = (latest(&world, "waits"), latest(&world, "drops"));
        seen == before
    });
    let written = seen.0;
    sh(&world, "rm \"$HOIST_ROOT\"/filler*").ok();
    world.until("it goes on", || latest(&world, "waits") > written + 200);
    world.hoist(&["up", "-d"]).ok();
    let words = ["logs", "--no-color", "--no-log-prefix", "drops"];
    let mut log = String::new();
    for _ in 0..50 {
        let shown = world.hoist(&words).ok();
        log = shown.stdout + &shown.stderr;
        if log.contains("bytes of output are missing here") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let numbers: Vec<&str> = log.lines().filter_map(|l| l.split(' ').nth(3)).collect();
    assert!(
        log.contains("bytes of output are missing here"),
        "what is missing is not told: {numbers:?}"
    );
    world.hoist(&["stop"]).ok();
    for container in ps(&world) {
        let id = container["ID"].as_str().unwrap();
        assert_eq!(container["ExitCode"], 7, "{container}");
        if container["Service"] == "waits" {
            assert!(numbered::assert_log(&world, "waits", id) > written);
        }
    }
    let empty = "find \"$HOIST_ROOT\" -path '*/log/*' -size 0";
    assert_eq!(sh(&world, empty).ok().stdout, "", "empty segments");
    leave(&world, ROOT);
}

#[test]
fn what_a_user_wished_of_a_full_disk_is_not_forgotten() {
    let world = confined(ROOT, "size=24m");
    let kept = format!("services: {{a: {{{SLEEP}, restart: unless-stopped}}}}\n");
    world.write("compose.yaml", &kept);
    world.hoist(&["up", "-d"]).ok();
    sh(&world, &FILL.replace("FOLDER", ROOT)).ok();
    // The page that the ledger ends in has space for some more.
    let mut last = world.hoist(&["stop"]);
    for _ in 0..100 {
        if last.code != 0 {
            break;
        }
        world.hoist(&["start"]);
        last = world.hoist(&["stop"]);
    }
    assert_says(&last, FULL);
    assert_eq!(ps(&world)[0]["State"], "exited");
    sh(&world, "rm \"$HOIST_ROOT\"/filler*").ok();
    world.until("it is noted", || world.processes().is_empty());
    let noted = "tail -n 1 \"$HOIST_ROOT\"/projects/project/ledger";
    let noted = sh(&world, noted).ok().stdout;
    assert!(noted.contains("\"stopped_by_user\":true"), "{noted}");
    world.hoist(&["start"]).ok();
    assert_runs(&world, "a");
    leave(&world, ROOT);
}

#[test]
fn without_inodes_nothing_new_is_made_and_nothing_old_lost() {
    let world = confined(ROOT, "nr_inodes=2000");
    world.write("compose.yaml", &one("1"));
    world.hoist(&["up", "-d"]).ok();
    let fill = r#"perl -e 'for (1..5000) { open(F, ">", "$ENV{HOIST_ROOT}/i$_") or last }'"#;
    sh(&world, fill).ok();
    world.write("compose.yaml", &one("2"));
    assert_says(&world.hoist(&["up", "-d"]), FULL);
    assert_runs(&world, "a");
    sh(&world, "rm \"$HOIST_ROOT\"/i[0-9]*").ok();
    world.hoist(&["up", "-d"]).ok();
    assert_runs(&world, "a");
    leave(&world, ROOT);
}

#[test]
fn a_full_run_folder_is_told_and_containers_end_as_ever() {
    let world = confined(RUN, "size=2m");
    world.write("compose.yaml", &one("1"));
    world.hoist(&["up", "-d"]).ok();
    sh(&world, &FILL.replace("FOLDER", RUN)).ok();
    let two = format!("services: {{a: {{{SLEEP}, labels: {{v: '1'}}}}, b: {{{SLEEP}}}}}\n");
    world.write("compose.yaml", &two);
    assert_says(&world.hoist(&["up", "-d"]), FULL);
    assert_runs(&world, "a");
    world.hoist(&["kill", "a"]).ok();
    let ended = |c: &serde_json::Value| c["State"] == "exited" && c["ExitCode"] == 137;
    world.until("its end is known", || ps(&world).iter().any(ended));
    sh(&world, "rm /run/hoist/filler*").ok();
    world.hoist(&["up", "-d"]).ok();
    assert_runs(&world, "a");
    assert_runs(&world, "b");
    leave(&world, RUN);
}

#[test]
fn too_few_descriptors_are_told() {
    let world = World::new("adversity");
    world.write("compose.yaml", &one("1"));
    for limit in [6, 9, 12, 16, 20, 24, 32] {
        let few = format!(
            "ulimit -n {limit}; exec {} up -d",
            env!("CARGO_BIN_EXE_hoist")
        );
        let output = sh(&world, &few);
        if output.code != 0 {
            assert_says(&output, &["too many open files", "descriptors"]);
        }
        world.hoist(&["up", "-d"]).ok();
        assert_runs(&world, "a");
        world.hoist(&["down", "-t", "0"]).ok();
        world.until("the supervisor is gone", || world.processes().is_empty());
    }
}

#[test]
fn what_a_shell_has_set_for_itself_is_raised_for_us_and_kept_from_containers() {
    let world = World::new("adversity");
    let tells = "image: host, command: [sh, -c, 'ulimit -Sn; ulimit -s; nice; nproc; cat /proc/self/oom_score_adj; exec sleep 1000'], \
                 init: true, stop_grace_period: 0s";
    let services: String = (0..12).map(|n| format!("s{n}: {{{tells}}}, ")).collect();
    world.write("compose.yaml", &format!("services: {{{services}}}\n"));
    let cpus = world.run(&["nproc"]).ok().stdout;
    let odd = format!(
        "ulimit -Sn 48; ulimit -Ss 1024; echo 500 >/proc/self/oom_score_adj; exec nice -n 7 taskset -c 0 {} up -d",
        env!("CARGO_BIN_EXE_hoist")
    );
    sh(&world, &odd).ok();
    let told = || {
        let log = world.hoist(&["logs", "--no-log-prefix", "s0"]).ok();
        log.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    world.until("it is told", || told().len() == 5);
    assert_eq!(told(), ["1024", "8192", "0", cpus.trim(), "0"]);
    world.hoist(&["down"]).ok();
}

#[test]
fn little_memory_costs_an_operation_at_most() {
    let world = World::new("adversity");
    let services: String = (0..8).map(|n| format!("s{n}: {{{SLEEP}}}, ")).collect();
    world.write("compose.yaml", &format!("services: {{{services}}}\n"));
    for megabytes in [2, 4, 8, 12, 16, 24, 64] {
        // Both kinds of hierarchy; the limit is that of everything the command starts.
        let limited = format!(
            "for d in /sys/fs/cgroup/memory /sys/fs/cgroup; do mkdir $d/tight 2>/dev/null && break; done; \
             echo {megabytes}M > $d/tight/memory.limit_in_bytes 2>/dev/null || echo {megabytes}M > $d/tight/memory.max; \
             (echo 0 > $d/tight/cgroup.procs; exec {} up -d)",
            env!("CARGO_BIN_EXE_hoist")
        );
        let output = sh(&world, &limited);
        assert!(
            output.code == 0 || !output.stderr.is_empty(),
            "{megabytes} MB: {output:?}"
        );
        let loosen = "for d in /sys/fs/cgroup/memory /sys/fs/cgroup; do \
                      echo -1 > $d/tight/memory.limit_in_bytes || echo max > $d/tight/memory.max; done 2>/dev/null; true";
        sh(&world, loosen).ok();
        world.hoist(&["up", "-d"]).ok();
        let all = ps(&world);
        let running = all.iter().filter(|c| c["State"] == "running").count();
        assert_eq!(running, 8, "{megabytes} MB: {all:?}");
        world.hoist(&["down"]).ok();
        world.until("the supervisor is gone", || world.processes().is_empty());
        sh(
            &world,
            "rmdir /sys/fs/cgroup/memory/tight 2>/dev/null || rmdir /sys/fs/cgroup/tight",
        )
        .ok();
        world.assert_no_trace();
    }
}

#[test]
fn a_read_only_state_root_is_told_and_what_runs_goes_on() {
    let world = confined(ROOT, "size=64m");
    world.write("compose.yaml", &one("1"));
    world.hoist(&["up", "-d"]).ok();
    world.kill_supervisor();
    // Whoever has a file open for writing forbids the remount: then a read-only bind, which does not ask.
    let freeze = format!(
        "mount -o remount,ro {ROOT} 2>/dev/null || \
         {{ mount --bind {ROOT} {ROOT} && mount -o remount,bind,ro {ROOT}; }}"
    );
    sh(&world, &freeze).ok();
    world.kill_supervisor();
    world.write("compose.yaml", &one("2"));
    assert_says(&world.hoist(&["up", "-d"]), &["read-only"]);
    let runs = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -q 'sleep 1000'";
    assert_eq!(sh(&world, runs).code, 0, "it runs on");
    // A supervisor may have something open by way of the bind.
    let thaw = format!(
        "if [ $(grep -cF \" $HOIST_ROOT \" /proc/self/mountinfo) = 2 ]; \
         then umount -l {ROOT}; else mount -o remount,rw {ROOT}; fi; touch {ROOT}/x && rm {ROOT}/x"
    );
    sh(&world, &thaw).ok();
    world.hoist(&["up", "-d"]).ok();
    assert_runs(&world, "a");
    leave(&world, ROOT);
}
