//! The dash at a real terminal: what is on its screen, what its keys do, and that the terminal is given back.

use crate::world::World;
use crate::world::terminal::steady;

const COMPOSE: &str = "\
name: shop
services:
  web:
    image: host
    init: true
    command: [sh, -c, 'echo web begins; while :; do sleep 1000; done']
    ports: ['8080:80']
    stop_grace_period: 1s
    depends_on: {db: {condition: service_healthy}, job: {condition: service_started}}
  db:
    image: host
    init: true
    command: [sh, -c, 'echo db one; echo db two >&2; while :; do sleep 1000; done']
    healthcheck: {test: ['CMD', 'true'], interval: 1s, start_interval: 100ms, start_period: 5s}
    stop_grace_period: 1s
  job:
    image: host
    command: [sh, -c, 'echo job fails; exit 3']
    depends_on: {db: {condition: service_healthy}}
";

fn world(name: &str) -> World {
    let world = World::new(name);
    world.write("compose.yaml", COMPOSE);
    world.hoist(&["up", "-d"]).ok();
    world
}

fn down(world: &World) {
    world.hoist(&["down", "-t", "0"]).ok();
    world.assert_no_trace();
}

#[test]
fn the_screen_shows_services_lines_the_graph_and_what_is_known() {
    let world = world("dash-screen");
    let mut dash = world.at_terminal((24, 130), &["dash"]);
    dash.snapshot("dash-logs");
    dash.types("j");
    dash.shows("db two");
    dash.types("a");
    dash.snapshot("dash-all-logs");
    dash.types("/ONE\r");
    dash.until("only one line", |screen| {
        screen.contains("db one") && !screen.contains("db two")
    });
    dash.types("\x1bg");
    dash.snapshot("dash-graph");
    dash.types("i");
    dash.shows("\"id\": ");
    dash.types("l?");
    dash.snapshot("dash-keys");
    dash.types("x");
    dash.resize(14, 50);
    dash.snapshot("dash-small");
    dash.types("q");
    assert_eq!(dash.wait(), 0);
    down(&world);
}

#[test]
fn keys_stop_start_and_restart_and_a_shell_gives_the_screen_back() {
    let world = world("dash-keys");
    let mut dash = world.at_terminal((24, 100), &["dash"]);
    let runs = |screen: &str| steady(screen).contains("● web running");
    dash.until("it runs", runs);
    dash.types("s");
    dash.shows("web stopped");
    dash.until("it is shown as ended", |screen| {
        steady(screen).contains("web exited 143")
    });
    dash.types("s");
    dash.shows("web started");
    dash.until("it runs again", runs);
    dash.types("r");
    dash.shows("web restarted");
    // What is said is true of the table: the next key finds it running.
    dash.types("e");
    dash.shows("a shell in shop-web-1");
    dash.types("PS1='go> '; echo $((6*7)) $(stty size)\n");
    dash.shows("42 24 100");
    dash.types("exit 3\n");
    dash.shows("the shell in web ended with 3");
    dash.types("\x03");
    assert_eq!(dash.wait(), 0);
    down(&world);
}

#[test]
fn it_shows_all_projects_those_that_come_and_those_that_go() {
    let world = world("dash-all");
    let mut dash = world.at_terminal((30, 130), &["dash", "-a"]);
    dash.until("the first", |screen| {
        steady(screen).contains("shop ● web running")
    });
    world
        .hoist(&["-p", "other", "up", "-d", "--no-deps", "db"])
        .ok();
    dash.until("the second", |screen| {
        steady(screen).contains("other ● db running")
    });
    world.hoist(&["-p", "other", "down", "-t", "0"]).ok();
    dash.until("it is gone", |screen| !steady(screen).contains("other ●"));
    dash.types("q");
    assert_eq!(dash.wait(), 0);
    down(&world);
}

#[test]
fn without_a_terminal_it_says_what_else_there_is() {
    let world = World::new("dash-pipe");
    world.write("compose.yaml", COMPOSE);
    let refused = world.hoist(&["dash"]).ended(2);
    assert!(refused.stderr.contains("hoist ps"), "{}", refused.stderr);
}
