//! Whole screens of what a person does at a terminal, as they are recorded in `tests/fixtures/screens`.

use crate::world::World;

const COMPOSE: &str = "\
name: tt
services:
  web:
    image: host
    init: true
    command: [sh, -c, 'echo web begins; while :; do sleep 1000; done']
    stop_grace_period: 1s
    depends_on: [db]
  db:
    image: host
    init: true
    command: [sh, -c, 'sleep 1; echo db begins; while :; do sleep 1000; done']
    stop_grace_period: 1s
  shell:
    image: host
    profiles: [shell]
    tty: true
    stdin_open: true
    command: [sh]
    environment: {PS1: 'in> '}
    stop_grace_period: 1s
  deaf:
    image: host
    profiles: [deaf]
    command: [sh, -c, \"trap '' TERM; echo deaf begins; while :; do sleep 1; done\"]
    stop_grace_period: 100s
";

fn world(name: &str) -> World {
    let world = World::new(name);
    world.write("compose.yaml", COMPOSE);
    world
}

fn down(world: &World) {
    world.hoist(&["--profile", "*", "down", "-t", "0"]).ok();
    world.assert_no_trace();
}

#[test]
fn progress_of_up_and_down() {
    let world = world("ts-progress");
    let up = world.at_terminal((12, 72), &["up", "-d"]);
    up.snapshot("up");
    assert_eq!(up.wait(), 0);
    let down_again = world.at_terminal((12, 40), &["down", "-t", "0"]);
    down_again.snapshot("down-narrow");
    assert_eq!(down_again.wait(), 0);
    down(&world);
}

#[test]
fn the_menu_and_its_lists() {
    let world = world("ts-menu");
    let mut up = world.at_terminal((16, 80), &["up"]);
    up.shows("db begins");
    up.snapshot("menu");
    up.types("l");
    up.shows("show or hide");
    up.types("1r");
    up.shows("restart: ");
    up.types("?");
    up.snapshot("menu-lists");
    up.types("d");
    assert_eq!(up.wait(), 0);
    down(&world);
}

#[test]
fn control_c_once_stops_and_twice_kills() {
    let world = world("ts-interrupt");
    let mut up = world.at_terminal((16, 80), &["up", "deaf"]);
    up.shows("deaf begins");
    up.types("\x03");
    up.shows("Container tt-deaf-1  Stopping");
    up.snapshot("interrupted-once");
    up.types("\x03");
    up.shows("Container tt-deaf-1  Killed");
    assert_eq!(up.wait(), 130);
    assert_eq!(world.hoist(&["ps", "-q"]).ok().stdout, "");
    down(&world);
}

#[test]
fn a_stop_counts_down_to_its_kill() {
    let world = world("ts-countdown");
    world.hoist(&["--profile", "deaf", "up", "-d", "deaf"]).ok();
    world.until("it is deaf", || {
        let logs = world.hoist(&["--profile", "deaf", "logs", "deaf"]);
        logs.stdout.contains("deaf begins")
    });
    let words = ["--profile", "deaf", "stop", "-t", "3", "deaf"];
    let stop = world.at_terminal((12, 72), &words);
    for left in ["kill in 3s", "kill in 2s", "kill in 1s"] {
        stop.shows(left);
    }
    stop.snapshot("stop");
    assert_eq!(stop.wait(), 0);
    down(&world);
}

#[test]
fn shells_of_run_exec_and_attach() {
    let world = world("ts-shells");
    world.hoist(&["up", "-d", "db", "shell"]).ok();
    let mut exec = world.at_terminal((10, 60), &["exec", "-it", "-e", "PS1=exec> ", "db", "sh"]);
    exec.shows("exec>");
    exec.types("stty size; echo $((6*7))\n");
    exec.snapshot("exec");
    exec.resize(12, 50);
    exec.types("while [ \"$(stty size)\" = '10 60' ]; do :; done; stty size\n");
    exec.shows("12 50");
    exec.types("exit 3\n");
    assert_eq!(exec.wait(), 3);
    let words = [
        "run",
        "-it",
        "--rm",
        "--no-deps",
        "--name",
        "one",
        "-e",
        "PS1=run> ",
        "web",
        "sh",
    ];
    let mut run = world.at_terminal((10, 60), &words);
    run.shows("run>");
    run.types("stty size\n");
    run.snapshot("run");
    run.types("exit 4\n");
    assert_eq!(run.wait(), 4);
    let mut attach = world.at_terminal((10, 60), &["attach", "shell"]);
    // Keys that are typed before it is attached are seen twice: here, and there.
    attach.types("\n");
    attach.shows("in>");
    attach.types("printf '\\033[H\\033[2J'; echo $((6*7))\n");
    attach.until("a screen of its own", |screen| screen == "42\nin>");
    attach.types("\x10\x11");
    assert_eq!(attach.wait(), 0, "it is left, not ended");
    down(&world);
}
