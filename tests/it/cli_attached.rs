//! The command line beside running containers: attached `up`, signals, exit codes, `exec` with and without a terminal.

use crate::world::{Output, Running, World};

/// `web` prints numbered lines until it is asked to end; `job` fails; `deaf` ignores every request to end.
const COMPOSE: &str = "\
name: att
services:
  web:
    image: host
    stop_grace_period: 10s
    command: [perl, -e, '$$| = 1; $$SIG{TERM} = sub { print \"bye\\n\"; exit 0 }; while (1) { print \"line \", ++$$n, \"\\n\"; select undef, undef, undef, 0.05 }']
  job:
    image: host
    profiles: [job]
    depends_on: [web]
    command: [perl, -e, 'print STDERR \"failing\\n\"; exit 3']
  deaf:
    image: host
    profiles: [deaf]
    stop_grace_period: 60s
    command: [perl, -e, '$$| = 1; $$SIG{TERM} = sub { print \"no\\n\" }; print \"ready\\n\"; sleep 1 while 1']
";

fn world(name: &str) -> World {
    let world = World::new(name);
    world.write("compose.yaml", COMPOSE);
    world
}

/// Reads lines until one is `wanted`.
#[track_caller]
fn until(running: &Running, wanted: &str) {
    loop {
        match running.line() {
            Some(line) if line == wanted => return,
            Some(_) => (),
            None => panic!("`{wanted}` was never printed"),
        }
    }
}

fn down(world: &World) {
    world.hoist(&["--profile", "*", "down", "-t", "0"]).ok();
    world.assert_no_trace();
}

#[test]
fn control_c_once_stops_gracefully_and_shows_the_last_lines() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let world = world("att-once");
        let up = world.start_hoist(&["up"]);
        until(&up, "web-1  | line 3");
        world.kill(signal, up.pid);
        let Output { stdout, stderr, .. } = up.wait().ended(code);
        assert!(stdout.ends_with("web-1  | bye\n"), "{stdout}");
        assert!(stderr.contains("Gracefully stopping"), "{stderr}");
        assert!(stderr.contains("web-1 exited with code 0"), "{stderr}");
        let ps = world.hoist(&["ps", "-a", "--format", "{{.Service}} {{.State}}"]);
        assert_eq!(ps.ok().stdout, "web exited\n");
        down(&world);
    }
}

#[test]
fn control_c_twice_kills() {
    let world = world("att-twice");
    let up = world.start_hoist(&["up", "deaf"]);
    until(&up, "deaf-1  | ready");
    world.kill("-INT", up.pid);
    until(&up, "deaf-1  | no");
    world.kill("-INT", up.pid);
    let output = up.wait().ended(130);
    assert!(
        output.took.as_secs() < 50,
        "the grace period was not waited for"
    );
    down(&world);
}

#[test]
fn the_first_container_that_ends_can_end_all_with_its_code() {
    let world = world("att-abort");
    for flags in [
        &["--abort-on-container-exit"][..],
        &["--abort-on-container-failure"],
        &["--exit-code-from", "job"],
    ] {
        let words: Vec<&str> = ["--profile", "job", "up", "--attach-dependencies"]
            .into_iter()
            .chain(flags.iter().copied())
            .collect();
        let output = world.hoist(&words).ended(3);
        assert!(
            output.stderr.contains("job-1  | failing"),
            "{}",
            output.stderr
        );
        assert!(
            output.stdout.ends_with("web-1  | bye\n"),
            "{}",
            output.stdout
        );
    }
    let words = ["--profile", "job", "up", "--exit-code-from", "web"];
    world.hoist(&words).ended(0);
    down(&world);
}

#[test]
fn logs_are_aligned_chosen_and_cut() {
    let world = world("att-logs");
    let up = world.start_hoist(&["--profile", "job", "up"]);
    until(&up, "web-1  | line 3");
    world.kill("-INT", up.pid);
    up.wait().ended(130);
    let output = world.hoist(&["logs", "--tail", "1"]).ok();
    assert_eq!(output.stdout, "web-1  | bye\n");
    assert_eq!(output.stderr, "job-1  | failing\n");
    let output = world
        .hoist(&["logs", "--no-log-prefix", "-n", "1", "web"])
        .ok();
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("bye\n", "")
    );
    let stamped = world.hoist(&["logs", "-t", "-n", "1", "web"]).ok().stdout;
    let time = stamped.split_whitespace().nth(2).expect("name, bar, time");
    assert!(time.ends_with('Z') && time.len() == 30, "{stamped}");
    assert_eq!(
        world
            .hoist(&["logs", "--since", "2100-01-01T00:00:00Z"])
            .ok()
            .stdout,
        ""
    );
    down(&world);
}

#[test]
fn exec_passes_streams_code_and_environment() {
    let world = world("exec-pipe");
    world.hoist(&["up", "-d", "--wait"]).ok();
    let output = world.hoist(&[
        "exec",
        "-T",
        "web",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 7",
    ]);
    let output = output.ended(7);
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("out\n", "err\n")
    );
    let shell = format!(
        "printf 'a\\nb\\n' | {} exec -T -e K=v -w /tmp web sh -c 'cat; pwd; echo $K'",
        hoist()
    );
    assert_eq!(
        world.run(&["sh", "-c", &shell]).ok().stdout,
        "a\nb\n/tmp\nv\n"
    );
    let output = world
        .hoist(&["exec", "-T", "web", "no-such-program"])
        .ended(127);
    assert!(output.stderr.starts_with("error: "), "{}", output.stderr);
    world.hoist(&["exec", "-d", "web", "sleep", "0"]).ok();
    down(&world);
}

#[test]
fn a_flood_comes_out_whole() {
    let world = world("exec-flood");
    world.hoist(&["up", "-d", "--wait"]).ok();
    let shell = format!(
        "{} exec -T web perl -e 'print \"x\" x 3000000' | wc -c",
        hoist()
    );
    assert_eq!(
        world.run(&["sh", "-c", &shell]).ok().stdout.trim(),
        "3000000"
    );
    let shell = format!("head -c 3000000 /dev/zero | {} exec -T web wc -c", hoist());
    assert_eq!(
        world.run(&["sh", "-c", &shell]).ok().stdout.trim(),
        "3000000"
    );
    let shell = format!("{} logs -f web | head -2", hoist());
    assert_eq!(
        world.run(&["sh", "-c", &shell]).ok().stdout,
        "web-1  | line 1\nweb-1  | line 2\n"
    );
    down(&world);
}

#[test]
fn exec_on_a_terminal_gives_the_command_one_and_gives_ours_back() {
    let world = world("exec-tty");
    world.hoist(&["up", "-d", "--wait"]).ok();
    // `script` makes a terminal and runs the shell on it; its own stdin must not end before
    let terminal = |line: &str| {
        let shell = "mkfifo -m 600 keys; script -qec \"$0\" /dev/null <>keys; rm keys";
        world.run(&["sh", "-c", shell, line])
    };
    let line = format!(
        "stty rows 33 cols 99; {0} exec web sh -c 'test -t 0 && test -t 1 && stty size; exit 4'; echo code $?; stty -a",
        hoist()
    );
    let output = terminal(&line).stdout;
    assert!(output.contains("33 99"), "{output}");
    assert!(output.contains("code 4"), "{output}");
    assert!(
        output.contains(" icanon") && output.contains(" echo "),
        "still raw: {output}"
    );
    // a signal ends us while the terminal is raw; it is given back all the same
    let line = format!(
        "(until stty -F /dev/tty -a | grep -q -e -icanon; do :; done; kill -TERM $(cat pid)) & \
         sh -c 'echo $$ >pid; exec {0} exec web sleep 77'; echo code $?; stty -a; rm pid",
        hoist()
    );
    let output = terminal(&line).stdout;
    assert!(output.contains("code 143"), "{output}");
    assert!(
        output.contains(" icanon") && output.contains(" echo "),
        "still raw: {output}"
    );
    down(&world);
}

fn hoist() -> &'static str {
    env!("CARGO_BIN_EXE_hoist")
}
