//! Verbs about one container or a few: run, attach, cp, pause, top, stats, events, scale, and single containers.

use crate::stack::ps;
use crate::world::World;

const COMPOSE: &str = "\
name: vb
services:
  web:
    image: host
    init: true
    command: [sleep, '1000']
    stop_grace_period: 1s
    environment: {A: one, B: two}
    ports: ['127.0.0.1:8099:80']
    volumes: [data:/data]
    depends_on: [db]
  db:
    image: host
    command: [perl, -e, '$$|=1; $$SIG{TERM}=sub{print \"bye\\n\"; exit 0}; while(1){print \"tick\\n\"; select undef,undef,undef,0.05}']
volumes: {data: {}}
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

fn names(world: &World, all: &str) -> String {
    world
        .hoist(&["ps", all, "--format", "{{.Service}} {{.State}}"])
        .ok()
        .stdout
}

#[test]
fn run_has_the_service_with_what_the_flags_change_and_gives_the_exit_code() {
    let world = world("vb-run");
    let script = "echo $A $B $(id -u) $(pwd) $0; exit 7";
    let flags = [
        "run", "--rm", "-e", "A=x$y", "-u", "1:1", "-w", "/tmp", "web",
    ];
    let words = [&flags[..], &["sh", "-c", script, "name"]].concat();
    let output = world.hoist(&words).ended(7);
    assert_eq!(output.stdout, "x$y two 1 /tmp name\n");
    assert!(
        output.stderr.contains("Container vb-db-1  Started"),
        "{}",
        output.stderr
    );
    assert_eq!(names(&world, "-a"), "db running\n", "--rm leaves nothing");
    // the port of the service is not published by run: two can run
    world.hoist(&["up", "-d"]).ok();
    let second = world.hoist(&["run", "--rm", "web", "true"]);
    second.ok();
    let clash = world.hoist(&["run", "--rm", "-P", "web", "true"]);
    assert_ne!(clash.code, 0, "-P publishes it, and it is taken");
    down(&world);
}

#[test]
fn run_passes_stdin_and_every_byte_of_a_slow_readers_output() {
    let world = world("vb-stdin");
    let hoist = env!("CARGO_BIN_EXE_hoist");
    let script = format!(
        "echo data | {hoist} run --rm --no-deps web cat; \
         {hoist} run --rm --no-deps web head -c 3000000 /dev/zero 2>/dev/null | (sleep 1; wc -c)"
    );
    let output = world.run(&["sh", "-c", &script]).ok();
    assert_eq!(output.stdout, "data\n3000000\n");
    down(&world);
}

#[test]
fn run_without_a_program_ends_with_127_and_an_entrypoint_silences_the_command() {
    let world = world("vb-entry");
    world
        .hoist(&["run", "--rm", "--no-deps", "web", "no-such-program"])
        .ended(127);
    let flags = [
        "run",
        "--rm",
        "--no-deps",
        "--entrypoint",
        "sh -c",
        "web",
        "exit 3",
    ];
    world.hoist(&flags).ended(3);
    assert_eq!(names(&world, "-a"), "");
    down(&world);
}

#[test]
fn a_one_off_container_stands_outside_of_its_services_replicas() {
    let world = world("vb-oneoff");
    let id = world
        .hoist(&["run", "-d", "--name", "mine", "web", "sleep", "99"])
        .ok()
        .stdout;
    assert_eq!(id.trim().len(), 64);
    assert_eq!(
        names(&world, "--orphans"),
        "db running\n",
        "`ps` shows it with -a only"
    );
    assert_eq!(names(&world, "-a"), "db running\nweb running\n");
    let lookup = "perl -e 'exit(gethostbyname($ARGV[0]) ? 0 : 1)'";
    let asks = |name: &str| {
        world
            .hoist(&["exec", "db", "sh", "-c", &format!("{lookup} {name}")])
            .code
    };
    assert_eq!(
        (asks("mine"), asks("web")),
        (0, 1),
        "it has its own name, not the service's"
    );
    world.hoist(&["up", "-d"]).ok();
    assert_eq!(asks("web"), 0);
    let told = world
        .hoist(&["events", "--since", "10m", "--until", "0s"])
        .ok();
    assert!(told.stdout.contains("vb-db-1"), "{}", told.stdout);
    assert!(!told.stdout.contains("name=mine"), "{}", told.stdout);
    let labels = world.hoist(&[
        "ps",
        "-a",
        "--filter",
        "name=mine",
        "--format",
        "{{.Labels}}",
    ]);
    assert!(
        labels
            .ok()
            .stdout
            .contains("com.docker.compose.oneoff=True")
    );
    down(&world);
}

#[test]
fn what_follows_a_service_is_the_commands_own() {
    let world = world("vb-words");
    let echo = ["run", "--rm", "--no-deps", "--entrypoint", "echo", "db"];
    let output = world.hoist(&[&echo[..], &["--rm", "-p", "5", "--dry-run", "-h"]].concat());
    assert_eq!(output.ok().stdout, "--rm -p 5 --dry-run -h\n");
    world
        .hoist(&["up", "-d", "--remove-orphans=true", "db"])
        .ok();
    let output = world.hoist(&["exec", "-T=true", "db", "-e", "A=1", "env"]);
    assert!(output.code > 1, "`-e` is the program: {}", output.stderr);
    down(&world);
}

#[test]
fn a_run_that_cannot_start_leaves_nothing_if_it_was_to_be_removed() {
    let world = world("vb-failed");
    world.hoist(&["up", "-d"]).ok();
    let before = names(&world, "-a");
    world
        .hoist(&["run", "--rm", "--no-deps", "db", "/not/there"])
        .ended(127);
    assert_eq!(names(&world, "-a"), before);
    let output = world.hoist(&["run", "--rm", "-P", "web", "true"]).ended(1);
    assert!(output.stderr.contains("8099"), "{}", output.stderr);
    assert_eq!(names(&world, "-a"), before);
    down(&world);
}

#[test]
fn a_replica_that_is_not_there_is_told() {
    let world = world("vb-index");
    world.hoist(&["up", "-d", "db"]).ok();
    for words in [
        &["exec", "--index", "7", "db", "true"][..],
        &["cp", "--index", "7", "compose.yaml", "db:/tmp/x"],
        &["logs", "--index", "7", "db"],
    ] {
        let output = world.hoist(words).ended(1);
        assert!(
            output.stderr.contains("container number 7"),
            "{}",
            output.stderr
        );
        assert!(
            output.stderr.contains("hoist ps -a db"),
            "{}",
            output.stderr
        );
    }
    down(&world);
}

#[test]
fn verbs_are_about_the_services_of_the_file() {
    let world = world("vb-file");
    let one = COMPOSE.lines().filter(|line| !line.contains("depends_on"));
    let one: Vec<&str> = one.take_while(|line| *line != "  db:").collect();
    world.write(
        "one.yaml",
        &format!("{}\nvolumes: {{data: {{}}}}\n", one.join("\n")),
    );
    world.hoist(&["up", "-d"]).ok();
    let of_one = |words: &[&str]| {
        world.hoist(&[&["-f", "one.yaml"], words].concat()).ok();
        names(&world, "-a")
    };
    assert_eq!(of_one(&["pause"]), "db running\nweb paused\n");
    assert_eq!(of_one(&["unpause"]), "db running\nweb running\n");
    assert_eq!(of_one(&["stop"]), "db running\nweb exited\n");
    assert_eq!(of_one(&["rm", "-s", "-f"]), "db running\n");
    world.hoist(&["-p", "vb", "stop"]).ok();
    assert_eq!(of_one(&["restart"]), "db exited\n");
    down(&world);
}

#[test]
fn a_signal_cancels_what_a_verb_has_not_begun() {
    let mut world = World::new("vb-cancel");
    world.set_env("COMPOSE_STATUS_STDOUT", "1");
    world.write(
        "compose.yaml",
        "name: vb
services:
  db:
    image: host
    command: [sh, -c, 'trap \"\" TERM; echo up; while :; do sleep 0.05; done']
    stop_grace_period: 1h
",
    );
    world.hoist(&["up", "-d"]).ok();
    world.until("it ignores the signal", || {
        world.hoist(&["logs"]).stdout.contains("up")
    });
    let says = |running: &crate::world::Running, text: &str| {
        while running.line().is_some_and(|line| !line.contains(text)) {}
    };
    let taken_down = world.start_hoist(&["down"]);
    says(&taken_down, "Stopping");
    world.kill("-INT", taken_down.pid);
    says(&taken_down, "cancelled");
    // what waits for it says so, and does not wait if it is not wished any more
    let up = world.start_hoist(&["up", "-d"]);
    says(&up, "waiting for the `down`");
    world.kill("-INT", up.pid);
    up.wait().ended(130);
    world.hoist(&["kill"]).ok();
    taken_down.wait().ended(130);
    assert_eq!(names(&world, "-a"), "db exited\n");
    down(&world);
}

#[test]
fn what_belongs_to_a_project_has_dockers_labels() {
    let world = world("vb-labels");
    let file = COMPOSE.replacen(
        "command: [sleep",
        "volumes: [/anonymous]\n    command: [sleep",
        1,
    );
    let file = file.replacen("    volumes: [data:/data]\n", "", 1);
    let file = file.replacen(
        "volumes: [/anonymous]",
        "volumes: [data:/data, /anonymous]",
        1,
    );
    world.write("compose.yaml", &file);
    world.hoist(&["up", "-d"]).ok();
    for (kind, name, key) in [
        ("volume", "vb_data", "data"),
        ("network", "vb_default", "default"),
    ] {
        let labels = world
            .hoist(&[kind, "inspect", "--format", "{{json .Labels}}", name])
            .ok();
        let labels: serde_json::Value = serde_json::from_str(&labels.stdout).unwrap();
        assert_eq!(labels["com.docker.compose.project"], "vb");
        assert_eq!(labels[format!("com.docker.compose.{kind}")], key);
        for more in ["version", "config-hash"] {
            let label = labels[format!("com.docker.compose.{more}")].as_str();
            assert!(label.is_some_and(|it| !it.is_empty()), "{kind} {more}");
        }
    }
    assert_eq!(world.hoist(&["volumes", "-q"]).ok().stdout, "vb_data\n");
    down(&world);
}

#[test]
fn what_run_started_is_removed_after_its_end_although_the_client_and_the_supervisor_were_killed() {
    let world = world("vb-orphan");
    let run = world.start_hoist(&[
        "run",
        "--rm",
        "--no-deps",
        "web",
        "sh",
        "-c",
        "echo up; sleep 2",
    ]);
    while run.line().is_some_and(|line| line != "up") {}
    world.kill("-KILL", run.pid);
    world.kill_supervisor();
    world.until("the container is gone", || names(&world, "-a").is_empty());
    down(&world);
}

#[test]
fn attach_shows_what_comes_and_ends_with_the_container() {
    let world = world("vb-attach");
    world.hoist(&["up", "-d", "db"]).ok();
    let attach = world.start_hoist(&["attach", "--no-stdin", "db"]);
    assert_eq!(attach.line().as_deref(), Some("tick"));
    world.hoist(&["stop", "db"]).ok();
    let output = attach.wait().ended(0);
    assert!(output.stdout.ends_with("bye\n"), "{}", output.stdout);
    let refused = world.hoist(&["attach", "db"]).ended(1);
    assert!(
        refused.stderr.contains("hint: hoist start db"),
        "{}",
        refused.stderr
    );
    down(&world);
}

#[test]
fn cp_goes_both_ways_also_with_a_stopped_container_and_into_its_volumes() {
    let world = world("vb-cp");
    world.write("f.txt", "hello\n");
    world.write("dir/sub/g.txt", "deep\n");
    world.hoist(&["up", "-d", "web"]).ok();
    for state in ["running", "stopped"] {
        world.hoist(&["cp", "f.txt", "web:/data/f"]).ok();
        world.hoist(&["cp", "dir", "web:/root/"]).ok();
        world.hoist(&["cp", "web:/data/f", "back"]).ok();
        world.hoist(&["cp", "web:/root/dir/.", "back.dir"]).ok();
        let read = |path| std::fs::read_to_string(world.project().join(path)).unwrap();
        assert_eq!(
            (read("back"), read("back.dir/sub/g.txt")),
            ("hello\n".into(), "deep\n".into())
        );
        let script =
            "hoist cp web:/data - | tar tf -".replace("hoist", env!("CARGO_BIN_EXE_hoist"));
        let list = world.run(&["sh", "-c", &script]).ok().stdout;
        assert!(list.contains("data/f"), "{state}: {list}");
        let missing = world.hoist(&["cp", "web:/nowhere", "x"]).ended(1);
        assert!(missing.stderr.contains("/nowhere"), "{}", missing.stderr);
        std::fs::remove_file(world.project().join("back")).unwrap();
        std::fs::remove_dir_all(world.project().join("back.dir")).unwrap();
        world.hoist(&["stop", "-t", "0", "web"]).ok();
    }
    world.hoist(&["start", "web"]).ok();
    assert_eq!(
        world
            .hoist(&["exec", "web", "cat", "/root/dir/sub/g.txt"])
            .ok()
            .stdout,
        "deep\n"
    );
    down(&world);
}

#[test]
fn a_paused_container_does_nothing_is_no_place_for_exec_and_stops_all_the_same() {
    let world = world("vb-pause");
    world.hoist(&["up", "-d"]).ok();
    world.hoist(&["pause", "db"]).ok();
    assert_eq!(names(&world, "--orphans"), "db paused\nweb running\n");
    let exec = world.hoist(&["exec", "db", "true"]).ended(1);
    assert!(
        exec.stderr.contains("hint: hoist unpause db"),
        "{}",
        exec.stderr
    );
    let lines = || world.hoist(&["logs", "db"]).ok().stdout.lines().count();
    assert_eq!(lines(), lines());
    // its successor sees it, too
    world.kill_supervisor();
    assert_eq!(names(&world, "--orphans"), "db paused\nweb running\n");
    world.hoist(&["unpause"]).ok();
    assert_eq!(names(&world, "--orphans"), "db running\nweb running\n");
    world.hoist(&["pause"]).ok();
    let stop = world.hoist(&["stop", "db"]).ok();
    assert!(stop.took.as_secs() < 8, "the signal was heard");
    assert!(world.hoist(&["logs", "db"]).ok().stdout.ends_with("bye\n"));
    down(&world);
}

#[test]
fn top_and_stats_tell_of_every_container_and_events_of_what_happened() {
    let world = world("vb-look");
    world.hoist(&["up", "-d"]).ok();
    let top = world.hoist(&["top"]).ok().stdout;
    assert!(
        top.starts_with("SERVICE") && top.contains("sleep 1000"),
        "{top}"
    );
    let stats = world
        .hoist(&["stats", "--no-stream", "--format", "json"])
        .ok()
        .stdout;
    let rows: Vec<serde_json::Value> = stats
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter()
            .all(|row| row["PIDs"] != "--" && row["CPUPerc"] != "--"),
        "{stats}"
    );
    world.hoist(&["kill", "db"]).ok();
    let events = world
        .hoist(&["events", "--json", "--since", "1m", "--until", "0s", "db"])
        .ok()
        .stdout;
    let actions: Vec<String> = events
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .inspect(|event| assert_eq!(event["service"], "db"))
        .map(|event| event["action"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actions[..2], ["create", "start"]);
    assert!(
        actions.contains(&"die".to_owned()) && actions.contains(&"kill".to_owned()),
        "{actions:?}"
    );
    down(&world);
}

#[test]
fn events_are_told_as_they_happen() {
    let world = world("vb-events");
    world.hoist(&["up", "-d", "db"]).ok();
    let events = world.start_hoist(&["events"]);
    world.until("a pause is told", || {
        world.hoist(&["pause", "db"]).ok();
        world.hoist(&["unpause", "db"]).ok();
        events
            .ready_line()
            .is_some_and(|line| line.contains("container pause"))
    });
    world.kill("-INT", events.pid);
    events.wait();
    down(&world);
}

#[test]
fn timings_tell_of_the_last_up_at_once_and_afterwards() {
    let world = world("vb-timings");
    let early = world.hoist(&["timings", "-o", "-"]).ended(1);
    assert!(early.stderr.contains("nothing is known"), "{early:?}");
    world.hoist(&["up", "-d", "--timings=page.html"]).ok();
    let page = std::fs::read_to_string(world.project().join("page.html")).unwrap();
    let again = world.hoist(&["timings", "-o", "-"]).ok().stdout;
    for page in [&page, &again] {
        assert!(page.starts_with("<!doctype html>"), "{page}");
        for service in ["db", "web"] {
            assert!(page.contains(&format!(">vb-{service}-1</text>")), "{page}");
        }
        assert!(page.contains("vb-web-1 started"), "{page}");
    }
    let nothing = world.hoist(&["up", "-d", "--timings=none.html"]).ok();
    assert!(
        nothing.stderr.contains("nothing was brought up"),
        "{nothing:?}"
    );
    assert!(!world.project().join("none.html").exists());
    down(&world);
}

#[test]
fn create_scale_and_named_start() {
    let world = world("vb-scale");
    world.hoist(&["create"]).ok();
    assert_eq!(names(&world, "-a"), "db created\nweb created\n");
    world.hoist(&["start", "db"]).ok();
    world.hoist(&["stop", "db"]).ok();
    world.hoist(&["start", "db"]).ok();
    assert_eq!(names(&world, "-a"), "db running\nweb created\n");
    world.hoist(&["scale", "db=3"]).ok();
    assert_eq!(names(&world, "--orphans").lines().count(), 3);
    world.hoist(&["scale", "db=1"]).ok();
    assert_eq!(names(&world, "--orphans").lines().count(), 1);
    let unknown = world.hoist(&["scale", "bd=1"]).ended(1);
    assert!(
        unknown.stderr.contains("did you mean `db`?"),
        "{}",
        unknown.stderr
    );
    down(&world);
}

#[test]
fn a_dry_run_changes_nothing_whatever_the_verb() {
    let world = world("vb-dry");
    world.hoist(&["up", "-d"]).ok();
    let before = names(&world, "-a");
    for words in [
        &["kill"][..],
        &["stop"],
        &["rm", "-s", "-f"],
        &["restart"],
        &["pause"],
        &["down", "-v"],
        &["run", "--rm", "web", "true"],
        &["exec", "web", "rm", "-rf", "/data"],
        &["cp", "compose.yaml", "web:/data/x"],
        &["scale", "db=4"],
        &["create", "--force-recreate"],
        &["up", "-d", "--force-recreate"],
        &["attach", "db"],
        &["wait", "db"],
        &["container", "rm", "-f", "vb-db-1"],
        &["volume", "create", "new"],
        &["network", "create", "new"],
        &["network", "rm", "vb_default"],
        &["system", "prune", "--volumes"],
        &["image", "prune", "-a"],
        &["volume", "prune", "-a"],
        &["rmi", "nothing:1"],
        &["pull"],
    ] {
        world.hoist(&[&["--dry-run"], words].concat()).ok();
        assert_eq!(names(&world, "-a"), before, "{words:?}");
    }
    assert_eq!(
        world.hoist(&["volume", "ls", "-q"]).ok().stdout,
        "vb_data\n"
    );
    assert_eq!(world.hoist(&["exec", "web", "ls", "/data"]).ok().stdout, "");
    down(&world);
}

#[test]
fn a_single_container_is_a_project_that_goes_with_it() {
    let world = world("vb-solo");
    let run = world.hoist(&[
        "container",
        "run",
        "--rm",
        "-e",
        "A=1",
        "host",
        "sh",
        "-c",
        "echo $A; exit 4",
    ]);
    assert_eq!(run.ended(4).stdout, "1\n");
    world
        .hoist(&[
            "container",
            "run",
            "-d",
            "--name",
            "solo",
            "-v",
            "keep:/k",
            "host",
            "sleep",
            "99",
        ])
        .ok();
    let list = world
        .hoist(&["container", "ls", "--format", "{{.Names}} {{.State}}"])
        .ok()
        .stdout;
    assert_eq!(list, "solo running\n");
    world
        .hoist(&["container", "exec", "solo", "touch", "/k/x"])
        .ok();
    world.hoist(&["container", "stop", "-t", "0", "solo"]).ok();
    world.hoist(&["container", "start", "solo"]).ok();
    let refused = world.hoist(&["container", "rm", "solo"]).ended(1);
    assert!(
        refused.stderr.contains("remove it with `-f`"),
        "{}",
        refused.stderr
    );
    let used = world.hoist(&["volume", "rm", "keep"]).ended(1);
    assert!(
        used.stderr.contains("in use by container `solo`"),
        "{}",
        used.stderr
    );
    world.hoist(&["container", "rm", "-f", "solo"]).ok();
    assert_eq!(world.hoist(&["project", "ls", "-a", "-q"]).ok().stdout, "");
    assert_eq!(world.hoist(&["network", "ls", "-q"]).ok().stdout, "");
    world.hoist(&["volume", "rm", "keep"]).ok();
    world.assert_no_trace();
}

#[test]
fn a_single_container_has_what_the_flags_of_docker_run_say() {
    let world = world("vb-flags");
    world
        .hoist(&["network", "create", "--subnet", "10.77.0.0/24", "front"])
        .ok();
    let small = ["-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m"];
    world
        .hoist(&[&["volume", "create"], &small[..], &["small"]].concat())
        .ok();
    let run = |flags: &str, line: &str| {
        let words = flags.split_whitespace();
        let all: Vec<&str> = ["container", "run", "--rm"]
            .into_iter()
            .chain(words)
            .chain(["host", "sh", "-c", line])
            .collect();
        world.hoist(&all)
    };
    let seen = run(
        "--network front --ip 10.77.0.9 --ulimit nofile=1024:2048 --shm-size 32m --add-host a:10.0.0.1 \
         --sysctl net.core.somaxconn=77 --mount src=small,dst=/mnt --hostname box --cidfile id",
        "ulimit -n; ulimit -Hn; df /dev/shm /mnt | awk 'NR > 1 {print $2}'; awk '$2 == \"a\"' /etc/hosts; \
         cat /proc/sys/net/core/somaxconn; hostname; ip -br addr show eth0 | awk '{print $3}'",
    );
    let wanted = "1024\n2048\n32768\n1024\n10.0.0.1\ta\n77\nbox\n10.77.0.9/24\n";
    assert_eq!(seen.ok().stdout, wanted);
    let id = std::fs::read_to_string(world.project().join("id")).expect("it was written");
    assert_eq!(id.len(), 64);
    let refused = run("--cidfile id", "echo it ran");
    assert_eq!(refused.ended(1).stdout, "", "the file is there already");
    let heard = run("-a stderr", "echo out; echo err >&2").ok();
    assert_eq!((&*heard.stdout, &*heard.stderr), ("", "err\n"));

    // What cannot be made leaves nothing behind.
    run("--mount type=bind,src=/nowhere,dst=/x --cidfile no", "true").ended(1);
    assert!(!world.project().join("no").exists());
    let left = world.hoist(&["project", "ls", "-a", "-q"]).ok().stdout;
    assert_eq!(left, "network-front\n");

    let words = "container run -d --name open -P --expose 8080 --expose 53/udp host sleep 99";
    world.hoist(&words.split(' ').collect::<Vec<_>>()).ok();
    let format = "{{.Ports}}";
    let ports = world.hoist(&["container", "ls", "--format", format]).ok();
    assert!(ports.stdout.contains("->8080/tcp"), "{}", ports.stdout);
    assert!(ports.stdout.contains("->53/udp"), "{}", ports.stdout);
    world.hoist(&["container", "rm", "-f", "open"]).ok();
    // Those that the image names, too.
    world
        .run(&["tar", "-cf", "empty.tar", "-T", "/dev/null"])
        .ok();
    let import = ["import", "-c", "EXPOSE 7070", "empty.tar", "exposed"];
    world.hoist(&import).ok();
    let words = "container create -P --name closed exposed /x";
    world.hoist(&words.split(' ').collect::<Vec<_>>()).ok();
    let ports = world.hoist(&["container", "ls", "-a", "--format", format]);
    assert_eq!(ports.ok().stdout, "7070/tcp\n");
    world.hoist(&["container", "rm", "closed"]).ok();
    world.hoist(&["rmi", "exposed"]).ok();
    world.hoist(&["network", "rm", "front"]).ok();
    world.hoist(&["volume", "rm", "small"]).ok();
    world.assert_no_trace();
}

#[test]
fn a_container_is_attached_copied_and_looked_at_by_its_name() {
    let world = world("vb-by-name");
    world.write("file", "inside\n");
    let hoist = |line: &str| world.hoist(&line.split(' ').collect::<Vec<_>>());
    hoist("container run -d --name first host sleep 99").ok();
    hoist("container run -d --name one -i -p 127.0.0.1:7099:80 host head -n 1").ok();
    assert_eq!(
        hoist("container port one").ok().stdout,
        "80/tcp -> 127.0.0.1:7099\n"
    );
    assert_eq!(
        hoist("container port one 80").ok().stdout,
        "127.0.0.1:7099\n"
    );
    hoist("container port one 80/udp").ended(1);
    hoist("container cp file one:/tmp/there").ok();
    hoist("container cp one:/tmp/there back").ok();
    let back = std::fs::read_to_string(world.project().join("back"));
    assert_eq!(back.expect("it was copied"), "inside\n");
    for (flags, names) in [
        ("-l", "one\n"),
        ("-n 2", "one\nfirst\n"),
        ("-f name=irs", "first\n"),
        ("-f status=exited", ""),
    ] {
        let list = hoist(&format!("container ls --format {{{{.Names}}}} {flags}"));
        assert_eq!(list.ok().stdout, names, "{flags}");
    }
    let attach = "echo typed | \"$0\" container attach one";
    let heard = world.run(&["sh", "-c", attach, env!("CARGO_BIN_EXE_hoist")]);
    assert_eq!(heard.ok().stdout, "typed\n");
    assert_eq!(
        hoist("container logs --since 1h one").ok().stdout,
        "typed\n"
    );
    assert_eq!(hoist("container logs --until 1h one").ok().stdout, "");
    hoist("container rm -f one first").ok();
    world.assert_no_trace();
}

#[test]
fn a_stop_that_meets_a_restart_waits_for_it_and_ends_it() {
    let world = World::new("stop-restart");
    world.write(
        "compose.yaml",
        "services: {a: {image: host, command: [sh, -c, 'exit 1'], \
         deploy: {restart_policy: {condition: any, delay: 2s}}}}\n",
    );
    let state = |want: &str| ps(&world).first().is_some_and(|a| a["State"] == want);
    world.hoist(&["up", "-d"]).ok();
    world.until("it waits for its restart", || state("restarting"));
    let events = world.start_hoist(&["events"]);
    let all = world.processes();
    let shim = all
        .iter()
        .find(|(_, words)| words.starts_with("[hoist-shim]"));
    let shim = shim.expect("it keeps the container").0;
    world.kill("-STOP", shim);
    // The order to start waits in the socket of its shim now.
    while !events.line().expect("events go on").contains("restart") {}
    let stop = world.start_hoist(&["stop", "-t", "0"]);
    for _ in 0..20 {
        // One that does not wait says so at once.
        if state("exited") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    world.kill("-CONT", shim);
    stop.wait().ok();
    assert!(state("exited"), "{:?}", ps(&world));
    world.kill("-KILL", events.pid);
    events.wait();
    world.hoist(&["down"]).ok();
}

#[test]
fn a_start_by_a_user_is_the_first_of_its_attempts_again() {
    let world = World::new("attempts");
    world.write(
        "compose.yaml",
        "services:\n  a: {image: host, command: [sh, -c, 'echo run; exit 3'], restart: 'on-failure:2'}\n  \
         b: {image: host, command: [sleep, '1000'], init: true, stop_grace_period: 0s}\n",
    );
    let runs = || {
        let log = world.hoist(&["logs", "--no-log-prefix", "a"]).ok();
        log.stdout.matches("run\n").count()
    };
    let is_over = || names(&world, "-a").contains("a exited");
    world.hoist(&["up", "-d"]).ok();
    world.until("it gives up", || is_over() && runs() == 3);
    let inspected = world.hoist(&["inspect", "project-a-1", "-f", "{{.RestartCount}}"]);
    assert_eq!(inspected.ok().stdout, "2\n");
    // The same supervisor, since `b` runs.
    world.hoist(&["start", "a"]).ok();
    world.until("it gives up again", is_over);
    assert_eq!(runs(), 6);
    down(&world);
}

#[test]
fn inspect_tells_the_last_five_probes() {
    let world = World::new("probes");
    world.write(
        "compose.yaml",
        "services:\n  a: {image: host, command: [sleep, '1000'], init: true, stop_grace_period: 0s,\n    \
         healthcheck: {test: 'echo trying; exit 4', interval: 20ms, retries: 6}}\n",
    );
    world.hoist(&["up", "-d"]).ok();
    let health = || {
        let shown = world.hoist(&["container", "inspect", "project-a-1"]).ok();
        let all: serde_json::Value = serde_json::from_str(&shown.stdout).expect("it is JSON");
        all[0]["State"]["Health"].clone()
    };
    world.until("it is unhealthy", || health()["Status"] == "unhealthy");
    let health = health();
    assert!(health["FailingStreak"].as_i64() >= Some(6), "{health}");
    let log = health["Log"].as_array().expect("it is a list");
    assert_eq!(log.len(), 5);
    for probe in log {
        let told = (&probe["ExitCode"], &probe["Output"]);
        assert_eq!(told, (&4.into(), &"trying\n".into()));
        assert!(probe["Start"].as_str() < probe["End"].as_str());
    }
    down(&world);
}

#[test]
fn a_network_that_is_made_by_hand_serves_projects_and_outlives_them() {
    let world = World::new("verbs-network");
    world.write(
        "compose.yaml",
        "name: user\nservices: {web: {image: host, init: true, command: [sleep, '1000'], networks: [shared]}}\n\
         networks: {shared: {name: shared, external: true}}\n",
    );
    let create = ["network", "create", "--subnet", "10.77.0.0/24", "shared"];
    assert_eq!(world.hoist(&create).ok().stdout, "shared\n");
    let again = world.hoist(&create).ended(1);
    assert!(
        again.stderr.contains("hoist network inspect shared"),
        "{}",
        again.stderr
    );
    world.hoist(&["up", "-d"]).ok();
    let address = world.hoist(&["exec", "-T", "web", "ip", "-4", "-o", "addr"]);
    assert!(address.ok().stdout.contains("10.77.0."));
    world.hoist(&["down", "-t", "0"]).ok();
    let list = world.hoist(&["network", "ls", "-q"]).ok().stdout;
    assert_eq!(list, "shared\n");
    world.hoist(&["network", "rm", "shared"]).ok();
    world.assert_no_trace();
}
