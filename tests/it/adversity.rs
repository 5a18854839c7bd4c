//! Full disks, no inodes, no descriptors, a read-only state root: a clear message, nothing lost, and all is well again
//! when the cause is gone.

use crate::numbered;
use crate::stack::{SLEEP, ps};
use crate::world::{Output, World};

/// A box whose state root (or another folder) is a small file system of its own.
fn confined(folder: &str, options: &str) -> World {
    let world = World::new("adversity");
    let mount = format!("mkdir -p {folder} && mount -t tmpfs -o {options} small {folder}");
    sh(&world, &mount).ok();
    world
}

fn sh(world: &World, script: &str) -> Output {
    world.run(&["sh", "-c", script])
}

/// Ends a test: all is taken down, and nothing of ours is left in the small file system.
fn leave(world: &World, folder: &str) {
    world.hoist(&["down", "-t", "0"]).ok();
    world.until("the supervisor is gone", || world.processes().is_empty());
    sh(
        world,
        &format!("umount {folder}; rmdir {folder} 2>/dev/null; true"),
    )
    .ok();
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
const FILL: &str = "dd if=/dev/zero of=FOLDER/filler bs=64k 2>/dev/null; dd if=/dev/zero of=FOLDER/filler2 bs=1 2>/dev/null; true";
const FULL: &[&str] = &["no space left", "is full"];

fn one(label: &str) -> String {
    format!("services: {{a: {{{SLEEP}, labels: {{v: '{label}'}}}}}}\n")
}

fn assert_runs(world: &World, service: &str) {
    let all = ps(world);
    let runs = |c: &&serde_json::Value| c["Service"] == service && c["State"] == "running";
    assert_eq!(all.iter().filter(runs).count(), 1, "{all:?}");
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
    sh(&world, &FILL.replace("FOLDER", ROOT)).ok();
    let refused = world.hoist(&["up", "-d", "--force-recreate"]);
    assert_says(&refused, FULL);
    world.hoist(&["ps"]).ok();
    // Until it is told, the writer that may not wait has lost something.
    std::thread::sleep(std::time::Duration::from_millis(300));
    sh(&world, "rm \"$HOIST_ROOT\"/filler*").ok();
    world.hoist(&["up", "-d"]).ok();
    for container in ps(&world) {
        assert_eq!(container["State"], "running", "{container}");
        if container["Service"] == "waits" {
            numbered::assert_log(&world, "waits", container["ID"].as_str().unwrap());
        }
    }
    let words = ["logs", "--no-color", "--no-log-prefix", "drops"];
    world.until("what is missing is told", || {
        world
            .hoist(&words)
            .ok()
            .stdout
            .contains("bytes of output are missing here")
    });
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
    let world = confined("/run/hoist", "size=2m");
    world.write("compose.yaml", &one("1"));
    world.hoist(&["up", "-d"]).ok();
    sh(&world, &FILL.replace("FOLDER", "/run/hoist")).ok();
    let two = format!("services: {{a: {{{SLEEP}, labels: {{v: '1'}}}}, b: {{{SLEEP}}}}}\n");
    world.write("compose.yaml", &two);
    assert_says(&world.hoist(&["up", "-d"]), FULL);
    assert_runs(&world, "a");
    world.hoist(&["kill", "a"]).ok();
    let ended = ps(&world);
    assert!(
        ended
            .iter()
            .any(|c| c["State"] == "exited" && c["ExitCode"] == 137),
        "{ended:?}"
    );
    sh(&world, "rm /run/hoist/filler*").ok();
    world.hoist(&["up", "-d"]).ok();
    assert_runs(&world, "a");
    assert_runs(&world, "b");
    leave(&world, "/run/hoist");
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
fn a_read_only_state_root_is_told_and_what_runs_goes_on() {
    let world = confined(ROOT, "size=64m");
    world.write("compose.yaml", &one("1"));
    world.hoist(&["up", "-d"]).ok();
    world.kill_supervisor();
    let remount = |how: &str| sh(&world, &format!("mount -o remount,{how} {ROOT}"));
    if remount("ro").code != 0 {
        // Whoever has a file open for writing forbids it: a read-only bind does not ask.
        sh(
            &world,
            &format!("mount --bind {ROOT} {ROOT} && mount -o remount,bind,ro {ROOT}"),
        )
        .ok();
    }
    world.write("compose.yaml", &one("2"));
    assert_says(&world.hoist(&["up", "-d"]), &["read-only"]);
    world.until("it runs on", || {
        world.run(&["pgrep", "-f", "^sleep 1000"]).code == 0
    });
    if world
        .run(&[
            "sh",
            "-c",
            "touch \"$HOIST_ROOT\"/x && rm \"$HOIST_ROOT\"/x",
        ])
        .code
        != 0
    {
        sh(
            &world,
            &format!("umount {ROOT} 2>/dev/null || mount -o remount,rw {ROOT}"),
        )
        .ok();
    }
    world.hoist(&["up", "-d"]).ok();
    assert_runs(&world, "a");
    leave(&world, ROOT);
}
