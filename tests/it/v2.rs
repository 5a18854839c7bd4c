//! What cgroup v2 alone does. On a machine with v1 these tests say so and pass; `make test-v2` runs them where they count.

use crate::world::World;
use std::io::Write;

/// Whether this machine has pure cgroup v2; says so if not.
fn is_v2(test: &str) -> bool {
    let pure = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    if !pure {
        writeln!(
            std::io::stderr(),
            "v2::{test} skipped: needs pure cgroup v2, as `make test-v2` has"
        )
        .ok();
    }
    pure
}

fn service(options: &str) -> String {
    format!(
        "services: {{a: {{image: host, init: true, command: [sleep, '1000'], stop_grace_period: 0s{options}}}}}\n"
    )
}

/// What a file of the only container's cgroup says.
fn group(world: &World, file: &str) -> String {
    let find = format!(
        "cat $(find /sys/fs/cgroup -path '*hoist*' -name cgroup.events | xargs grep -l 'populated 1' | awk '{{print length, $0}}' | sort -n | tail -1 | cut -d' ' -f2 | xargs dirname)/{file}"
    );
    world
        .run(&["sh", "-c", &find])
        .ok()
        .stdout
        .trim()
        .to_owned()
}

#[test]
fn pause_freezes_the_group_and_unpause_thaws_it() {
    if !is_v2("pause") {
        return;
    }
    let world = World::new("v2-freeze");
    world.write("compose.yaml", &service(""));
    world.hoist(&["up", "-d"]).ok();
    assert_eq!(group(&world, "cgroup.freeze"), "0");
    world.hoist(&["pause"]).ok();
    assert_eq!(group(&world, "cgroup.freeze"), "1");
    assert!(group(&world, "cgroup.events").contains("frozen 1"));
    world.hoist(&["unpause"]).ok();
    assert!(group(&world, "cgroup.events").contains("frozen 0"));
    world.hoist(&["pause"]).ok();
    world.hoist(&["down"]).ok();
}

#[test]
fn a_command_from_a_group_with_processes_of_its_own_starts_what_has_limits() {
    if !is_v2("session") {
        return;
    }
    let world = World::new("v2-session");
    world.write("compose.yaml", &service(", mem_limit: 32m, pids_limit: 77"));
    // As in a login session: nobody delegated this group, and it cannot hand controllers down.
    let script = "mkdir /sys/fs/cgroup/session && echo $$ >/sys/fs/cgroup/session/cgroup.procs && \"$0\" up -d; code=$?; \
                  echo $$ >/sys/fs/cgroup/init/cgroup.procs; exit $code";
    world
        .run(&["sh", "-c", script, env!("CARGO_BIN_EXE_hoist")])
        .ok();
    assert_eq!(group(&world, "memory.max"), "33554432");
    assert_eq!(group(&world, "pids.max"), "77");
    world.hoist(&["down"]).ok();
    world.until("the supervisor leaves", || {
        world.run(&["rmdir", "/sys/fs/cgroup/session"]).code == 0
    });
}
