//! `watch`: edits here appear in the containers.

use crate::world::World;
use std::fs;
use std::time::{Duration, Instant};

const COMPOSE: &str = "\
name: wt
services:
  web:
    image: host
    init: true
    command: [sleep, '1000']
    stop_grace_period: 1s
    develop:
      watch:
        - {action: sync, path: ./src, target: /app, initial_sync: true, ignore: ['*.tmp', '!keep.tmp', 'node_modules/']}
        - {action: sync+exec, path: ./conf.txt, target: /etc/conf.txt, exec: {command: [sh, -c, 'echo ran >> /root/ran']}}
        - {action: restart, path: ./restart}
        - {action: rebuild, path: ./Makefile}
";

struct Watching {
    world: World,
    running: crate::world::Running,
}

impl Watching {
    fn new(name: &str) -> Self {
        let world = World::new(name);
        world.write("compose.yaml", COMPOSE);
        world.write("src/first", "one");
        world.write("conf.txt", "a");
        world.write("restart/x", "a");
        world.write("Makefile", "a");
        let running = world.start_hoist(&["watch"]);
        let watching = Self { world, running };
        watching.appears("/app/first", "one");
        watching
    }

    fn read(&self, path: &str) -> Option<String> {
        let output = self.world.hoist(&["exec", "-T", "web", "cat", path]);
        (output.code == 0).then_some(output.stdout)
    }

    #[track_caller]
    fn appears(&self, path: &str, text: &str) {
        self.world
            .until(path, || self.read(path).as_deref() == Some(text));
    }

    #[track_caller]
    fn vanishes(&self, path: &str) {
        self.world.until(path, || self.read(path).is_none());
    }

    fn end(self) {
        self.world.kill("-INT", self.running.pid);
        self.running.wait().ended(130);
        self.world.hoist(&["down", "-t", "0"]).ok();
        self.world.assert_no_trace();
    }
}

#[test]
fn edits_replacements_links_moves_and_deletions_arrive_and_what_is_ignored_does_not() {
    let watching = Watching::new("wt-edits");
    let src = watching.world.project().join("src");
    fs::write(src.join("first"), "two").unwrap();
    watching.appears("/app/first", "two");
    // an editor writes beside it, then renames
    fs::write(src.join(".first.swp"), "three").unwrap();
    fs::write(src.join("first.new"), "three").unwrap();
    fs::rename(src.join("first.new"), src.join("first")).unwrap();
    watching.appears("/app/first", "three");
    fs::write(src.join("a.tmp"), "x").unwrap();
    fs::write(src.join("keep.tmp"), "x").unwrap();
    fs::create_dir_all(src.join("node_modules/m")).unwrap();
    fs::write(src.join("node_modules/m/x"), "x").unwrap();
    watching.appears("/app/keep.tmp", "x");
    for ignored in [
        "/app/a.tmp",
        "/app/node_modules/m/x",
        "/app/.first.swp",
        "/app/first.new",
    ] {
        assert_eq!(watching.read(ignored), None, "{ignored}");
    }
    std::os::unix::fs::symlink("first", src.join("link")).unwrap();
    watching.appears("/app/link", "three");
    fs::create_dir_all(src.join("deep/er")).unwrap();
    fs::write(src.join("deep/er/f"), "deep").unwrap();
    watching.appears("/app/deep/er/f", "deep");
    fs::rename(src.join("deep"), src.join("moved")).unwrap();
    watching.appears("/app/moved/er/f", "deep");
    watching.vanishes("/app/deep/er/f");
    fs::remove_dir_all(src.join("moved")).unwrap();
    watching.vanishes("/app/moved/er/f");
    // a folder where a file was
    fs::remove_file(src.join("first")).unwrap();
    fs::create_dir(src.join("first")).unwrap();
    fs::write(src.join("first/inner"), "in").unwrap();
    watching.appears("/app/first/inner", "in");
    watching.end();
}

#[test]
fn an_edit_is_there_within_a_tenth_of_a_second() {
    let watching = Watching::new("wt-fast");
    // looked at from inside, so that only the way of the edit counts
    let script = "while [ \"$(cat /app/t 2>/dev/null)\" != x$N ]; do :; done";
    let mut best = Duration::MAX;
    for n in 0..5 {
        let text = format!("x{n}");
        let wait = watching.world.start_hoist(&[
            "exec",
            "-T",
            "-e",
            &format!("N={n}"),
            "web",
            "sh",
            "-c",
            &format!("echo ready; {script}; echo there"),
        ]);
        assert_eq!(wait.line().as_deref(), Some("ready"));
        let start = Instant::now();
        fs::write(watching.world.project().join("src/t"), text).unwrap();
        assert_eq!(wait.line().as_deref(), Some("there"));
        best = best.min(start.elapsed());
        wait.wait();
    }
    assert!(
        best < Duration::from_millis(100),
        "the fastest took {best:?}"
    );
    watching.end();
}

#[test]
fn ten_thousand_files_at_once_arrive_all() {
    let watching = Watching::new("wt-burst");
    let src = watching.world.project().join("src");
    for folder in 0..100 {
        let folder = src.join(format!("d{folder}"));
        fs::create_dir(&folder).unwrap();
        for file in 0..100 {
            fs::write(folder.join(format!("f{file}")), "x").unwrap();
        }
    }
    let count = || {
        let output = watching.world.hoist(&[
            "exec",
            "-T",
            "web",
            "sh",
            "-c",
            "find /app -name 'f*' -type f | wc -l",
        ]);
        output.stdout.trim().to_owned()
    };
    watching.world.until("10001 files", || count() == "10001");
    for folder in 0..100 {
        fs::remove_dir_all(src.join(format!("d{folder}"))).unwrap();
    }
    watching.world.until("1 file", || count() == "1");
    watching.end();
}

#[test]
fn a_rule_executes_restarts_or_says_that_it_cannot_build() {
    let watching = Watching::new("wt-rules");
    let project = watching.world.project();
    fs::write(project.join("conf.txt"), "b").unwrap();
    watching.appears("/etc/conf.txt", "b");
    watching.appears("/root/ran", "ran\n");
    let started = || {
        watching
            .world
            .hoist(&["ps", "--format", "json"])
            .ok()
            .stdout
    };
    let id = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["ID"].clone();
    let before = started();
    fs::write(project.join("restart/x"), "b").unwrap();
    watching.world.until("a restart", || {
        let log = watching
            .world
            .hoist(&["events", "--since", "10m", "--until", "0s"])
            .ok()
            .stdout;
        log.matches("container start ").count() == 2
    });
    assert_eq!(id(&before), id(&started()), "it is the same container");
    fs::write(project.join("Makefile"), "b").unwrap();
    let world = &watching.world;
    world.until("it is said", || {
        world.hoist(&["exec", "-T", "web", "true"]).code == 0
    });
    let Watching { world, running } = watching;
    std::thread::sleep(Duration::from_millis(400));
    world.kill("-INT", running.pid);
    let output = running.wait().ended(130);
    assert!(
        output.stderr.contains("hoist does not build yet"),
        "{}",
        output.stderr
    );
    world.hoist(&["down", "-t", "0"]).ok();
}
