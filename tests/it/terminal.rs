//! What a person at a terminal sees and does: progress, keys, shells, windows that change their size.

use crate::world::World;

const COMPOSE: &str = "\
name: tt
services:
  web:
    image: host
    init: true
    command: [sh, -c, 'while :; do echo web line; sleep 1; done']
    stop_grace_period: 1s
    depends_on: [db]
  db:
    image: host
    init: true
    command: [sh, -c, 'while :; do echo db line; sleep 1; done']
    stop_grace_period: 1s
  shell:
    image: host
    profiles: [shell]
    tty: true
    stdin_open: true
    command: [sh]
    environment: {PS1: '$$ '}
    stop_grace_period: 1s
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

/// Times and ids are other ones each time.
fn steady(screen: &str) -> String {
    let words = screen.split_inclusive([' ', '\n']).map(|word| {
        let bare = word.trim_end();
        let seconds = bare.strip_suffix('s').and_then(|n| n.parse::<f64>().ok());
        match seconds {
            Some(_) => word.replace(bare, "*s"),
            None => word.to_owned(),
        }
    });
    let text: String = words.collect();
    text.lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

#[test]
fn progress_is_a_list_with_marks_and_times() {
    let world = world("tt-up");
    let up = world.at_terminal((24, 72), &["up", "-d"]);
    let screen = up.until("the end", |screen| {
        screen.contains("[+] up 3/3") && screen.matches(" Started ").count() == 2
    });
    assert_eq!(up.wait(), 0);
    let squeezed: Vec<String> = steady(&screen)
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(squeezed[0], "[+] up 3/3");
    for line in [
        "✔ Network tt_default Created *s",
        "✔ Container tt-db-1 Started *s",
        "✔ Container tt-web-1 Started *s",
    ] {
        assert!(
            squeezed.contains(&line.to_owned()),
            "{line} is not in\n{screen}"
        );
    }
    assert!(
        screen.lines().all(|line| line.chars().count() < 72),
        "nothing wraps:\n{screen}"
    );
    down(&world);
}

#[test]
fn run_gives_a_shell_a_terminal_of_our_size_and_its_exit_code() {
    let world = world("tt-run");
    let mut run = world.at_terminal(
        (30, 90),
        &["run", "--rm", "--no-deps", "-e", "PS1=go> ", "web", "sh"],
    );
    run.shows("go>");
    run.types("stty size; tty | tr -d '/'; id -u\n");
    run.shows("30 90");
    run.shows("devpts0");
    run.resize(20, 60);
    // Keys may overtake the new size, which goes by way of the supervisor.
    run.types("while [ \"$(stty size)\" = '30 90' ]; do :; done; stty size\n");
    run.shows("20 60");
    run.types("exit 5\n");
    assert_eq!(run.wait(), 5);
    assert_eq!(world.hoist(&["ps", "-a", "-q"]).ok().stdout, "");
    down(&world);
}

#[test]
fn exec_gives_a_shell_and_control_c_goes_to_its_command() {
    let world = world("tt-exec");
    world.hoist(&["up", "-d", "db"]).ok();
    let mut exec = world.at_terminal((24, 80), &["exec", "-e", "PS1=go> ", "db", "sh"]);
    exec.shows("go>");
    // The command says itself that it runs: before that, a Control-C is the shell's, which ignores it.
    exec.types("sh -c 'echo up $((1+1)); exec sleep 1000'\n");
    exec.shows("up 2");
    exec.types("\x03");
    exec.types("echo still $((40+2))\n");
    exec.shows("still 42");
    exec.types("exit 3\n");
    assert_eq!(exec.wait(), 3);
    down(&world);
}

#[test]
fn attach_is_left_with_its_keys_and_the_shell_lives_on() {
    let world = world("tt-attach");
    world.hoist(&["up", "-d", "shell"]).ok();
    let mut attach = world.at_terminal((24, 80), &["attach", "shell"]);
    attach.types("echo $((6*7))\n");
    attach.shows("42");
    attach.types("\x10\x11");
    assert_eq!(attach.wait(), 0);
    assert_eq!(
        world
            .hoist(&["--profile", "shell", "ps", "--format", "{{.State}}"])
            .ok()
            .stdout,
        "running\n"
    );
    let mut again = world.at_terminal((24, 80), &["attach", "--detach-keys", "ctrl-x", "shell"]);
    again.types("echo $((50+5))\n");
    again.shows("55");
    again.types("exit 7\n");
    assert_eq!(again.wait(), 7);
    down(&world);
}

#[test]
fn an_attached_up_has_keys_and_control_c_stops_it() {
    let world = world("tt-menu");
    let mut up = world.at_terminal((40, 80), &["up"]);
    up.shows("d detach   w watch   r restart   l logs   ? help");
    up.shows("web-1  | web line");
    up.types("l");
    up.shows("show or hide lines of: 1 web   2 db");
    up.types("1");
    up.shows("lines of web are hidden");
    up.types("r");
    up.shows("restart: 1 web   2 db");
    up.types("2");
    up.shows("Container tt-db-1  Started");
    up.types("w");
    up.shows("no service has a `develop.watch` section");
    up.types("d");
    assert_eq!(up.wait(), 0);
    assert_eq!(
        world.hoist(&["ps", "-q"]).ok().stdout.lines().count(),
        2,
        "it runs on"
    );
    let mut up = world.at_terminal((40, 80), &["up"]);
    up.shows("web-1  | web line");
    up.types("\x03");
    up.shows("Gracefully stopping");
    assert_eq!(up.wait(), 130);
    assert_eq!(world.hoist(&["ps", "-q"]).ok().stdout, "");
    down(&world);
}

#[test]
fn a_narrow_terminal_loses_columns_of_a_table_and_nothing_wraps() {
    let world = world("tt-narrow");
    world.hoist(&["up", "-d"]).ok();
    for (columns, wanted) in [(120, "STATUS"), (40, "IMAGE"), (20, "NAME")] {
        let ps = world.at_terminal((24, columns), &["ps"]);
        let screen = ps.shows("tt-web-1");
        assert!(screen.contains(wanted), "{columns}:\n{screen}");
        assert_eq!(screen.trim_end().lines().count(), 3, "{columns}:\n{screen}");
        assert_eq!(ps.wait(), 0);
    }
    let mut stats = world.at_terminal((24, 100), &["stats"]);
    stats.shows("tt-web-1");
    stats.shows("CPU %");
    stats.types("\x03");
    stats.wait();
    down(&world);
}
