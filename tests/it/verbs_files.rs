//! Flags of verbs that take files from the folder where they are typed.

use crate::world::World;

const COMPOSE: &str = "\
name: vf
services:
  web: {image: host, init: true, command: [sleep, '1000'], scale: 2, stop_grace_period: 0s}
";

fn world(name: &str) -> World {
    let world = World::new(name);
    world.write("compose.yaml", COMPOSE);
    world
}

fn down(world: &World) {
    world.hoist(&["down", "-v", "-t", "0"]).ok();
    world.assert_no_trace();
}

#[test]
fn run_takes_variables_from_a_file() {
    let world = world("vf-env");
    world.write("my.env", "X=1\nY=two words\n");
    let flags = [
        "run",
        "--rm",
        "-T",
        "--env-from-file",
        "my.env",
        "-e",
        "X=2",
    ];
    let words = [&flags[..], &["web", "sh", "-c", "echo $X-$Y"]].concat();
    assert_eq!(world.hoist(&words).ok().stdout, "2-two words\n");
    down(&world);
}

#[test]
fn cp_follows_links_finds_a_replica_and_reaches_containers_of_run() {
    let world = world("vf-cp");
    world.write("real", "deep\n");
    std::os::unix::fs::symlink("real", world.project().join("link")).unwrap();
    world.hoist(&["up", "-d"]).ok();
    let within = |index: &str, path: &str| {
        let words = ["exec", "-T", "--index", index, "web", "cat", path];
        world.hoist(&words).stdout
    };
    world
        .hoist(&["cp", "-L", "link", "web:/var/tmp/followed"])
        .ok();
    assert_eq!(within("1", "/var/tmp/followed"), "deep\n");
    let second = ["cp", "--index", "2", "real", "web:/var/tmp/second"];
    world.hoist(&second).ok();
    assert_eq!(within("2", "/var/tmp/second"), "deep\n");
    assert_eq!(within("1", "/var/tmp/second"), "");
    let one = ["run", "-d", "--name", "one", "web", "sleep", "100"];
    world.hoist(&one).ok();
    world.hoist(&["cp", "real", "web:/var/tmp/plain"]).ok();
    world
        .hoist(&["cp", "--all", "real", "web:/var/tmp/all"])
        .ok();
    let found = ["container", "exec", "one", "ls", "/var/tmp"];
    assert_eq!(world.hoist(&found).ok().stdout, "all\n");
    down(&world);
}

#[test]
fn the_folder_of_the_project_has_an_old_name_too() {
    let world = world("vf-workdir");
    std::fs::create_dir(world.project().join("deep")).unwrap();
    world.write("deep/compose.yaml", "services: {inner: {image: host}}\n");
    let words = ["--workdir", "deep", "config", "--services"];
    assert_eq!(world.hoist(&words).ok().stdout, "inner\n");
}
