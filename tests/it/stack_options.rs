//! What a service may ask for, one claim a test, each seen from inside the container.

use crate::stack::{SLEEP, asked, ps, stack};
use crate::world::World;

/// What `script` prints in a container of a stack of one service `a` with `options`.
#[track_caller]
fn inside(options: &str, script: &str) -> String {
    let world = stack(&format!("a: {{{SLEEP}, {options}}}"), "");
    let said = asked(&world, "a", script);
    world.hoist(&["down", "-v"]).ok();
    said
}

#[test]
fn the_command_runs_where_and_as_it_is_told() {
    let said = inside(
        "user: '1234:5678', working_dir: /usr/share, hostname: box, environment: {A: b}, group_add: ['99']",
        "id -u; id -g; id -G; pwd; uname -n; echo $A",
    );
    assert_eq!(said, "1234\n5678\n5678 99\n/usr/share\nbox\nb");
}

#[test]
fn a_user_may_be_a_name_of_the_image() {
    assert_eq!(inside("user: nobody", "id -un; id -u"), "nobody\n65534");
}

#[test]
fn a_read_only_root_has_writable_tmpfs() {
    let said = inside(
        "read_only: true, tmpfs: ['/scratch:size=1m']",
        "touch /x 2>&1; touch /scratch/x && ls /scratch; df -k --output=size /scratch | tail -1 | tr -d ' '",
    );
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(said.ends_with("x\n1024"), "{said}");
}

#[test]
fn init_is_pid_1_and_reaps_orphans() {
    let said = inside(
        "labels: {usual: 'yes'}",
        "tr '\\0' ' ' </proc/1/cmdline; (sleep 0.01 & exec true); sleep 0.1; grep -l '^State:.Z' /proc/[0-9]*/status; true",
    );
    assert!(said.starts_with("hoist-init "), "{said}");
    assert_eq!(said.lines().count(), 1, "no zombie stays: {said}");
}

#[test]
fn ulimits_are_set() {
    let said = inside(
        "ulimits: {nofile: {soft: 123, hard: 456}, core: 0}",
        "ulimit -Sn; ulimit -Hn; ulimit -c",
    );
    assert_eq!(said, "123\n456\n0");
}

#[test]
fn capabilities_are_added_and_dropped() {
    let said = inside(
        "cap_drop: [ALL], cap_add: [NET_RAW]",
        "grep CapEff /proc/1/status",
    );
    assert_eq!(said, "CapEff:\t0000000000002000");
}

#[test]
fn a_privileged_container_may_mount() {
    let said = inside(
        "privileged: true",
        "mount -t tmpfs x /mnt && stat -fc %T /mnt",
    );
    assert_eq!(said, "tmpfs");
}

#[test]
fn pids_are_limited() {
    let said = inside(
        "pids_limit: 12",
        "perl -e 'for (1..50) { my $p = fork; defined $p or print(\"stopped\\n\"), last; $p or sleep(1), exit }'",
    );
    assert_eq!(said, "stopped");
}

#[test]
fn shared_memory_sysctls_and_devices_are_as_asked() {
    let said = inside(
        "shm_size: 5m, sysctls: {net.ipv4.ip_unprivileged_port_start: 77}, devices: ['/dev/zero:/dev/nil']",
        "df -k --output=size /dev/shm | tail -1 | tr -d ' '; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; head -c 3 /dev/nil | od -An -tx1",
    );
    assert_eq!(said, "5120\n77\n 00 00 00");
}

#[test]
fn extra_hosts_are_found() {
    let said = inside("extra_hosts: ['db.test:10.1.2.3']", "getent hosts db.test");
    assert_eq!(
        said.split_whitespace().collect::<Vec<_>>(),
        ["10.1.2.3", "db.test"]
    );
}

#[test]
fn a_terminal_is_one() {
    let world = stack(
        "a: {image: host, tty: true, command: [sh, -c, 'test -t 1 && tty; sleep 1000'], stop_grace_period: 0s}",
        "",
    );
    let up = world.start_hoist(&["logs", "--no-log-prefix", "-f"]);
    assert_eq!(up.line().as_deref().map(str::trim_end), Some("/dev/pts/0"));
    world.hoist(&["down"]).ok();
    up.wait().ok();
}

#[test]
fn too_much_memory_is_said_to_be_the_cause_of_death() {
    let world = World::new("oom");
    world.write(
        "compose.yaml",
        "services: {a: {image: host, mem_limit: 24m, command: [perl, -e, '$$x = \"x\" x 200e6; sleep 1000']}}",
    );
    world.hoist(&["up", "-d"]).ok();
    assert_eq!(world.hoist(&["wait", "a"]).code, 137);
    let a = &ps(&world)[0];
    assert_eq!(a["ExitCode"], 137, "{a}");
    let journal = world.hoist(&["logs", "a"]).ok();
    assert_eq!(journal.stdout, "", "it never got to say anything");
    world.hoist(&["down"]).ok();
}

#[test]
fn stop_sends_the_signal_asked_for_and_waits_as_long_as_asked() {
    let world = stack(
        "polite: {image: host, stop_signal: SIGUSR1, command: [sh, -c, 'trap \"echo told; exit 3\" USR1; while :; do sleep 0.01; done']}, \
         deaf: {image: host, stop_grace_period: 200ms, command: [sh, -c, 'trap \"\" TERM; while :; do sleep 0.01; done']}",
        "",
    );
    // The shell must have set its trap.
    while asked(&world, "polite", "grep SigCgt /proc/1/status").ends_with("0000000000000000")
        || asked(&world, "deaf", "grep SigIgn /proc/1/status").ends_with("0000000000000000")
    {}
    let took = world.hoist(&["stop"]).ok().took;
    assert!(took.as_millis() >= 200, "{took:?}");
    let code = |service| {
        let all = ps(&world);
        let found = all.iter().find(|c| c["Service"] == service);
        found.expect("it stays")["ExitCode"].clone()
    };
    assert_eq!(code("polite"), 3);
    assert_eq!(code("deaf"), 137);
    let log = world.hoist(&["logs", "--no-log-prefix", "polite"]).ok();
    assert_eq!(log.stdout, "told\n");
    world.hoist(&["down"]).ok();
}

#[test]
fn secrets_and_configs_come_from_files_variables_and_text() {
    let mut world = World::new("secrets");
    world.set_env("TOKEN", "from variable");
    world.write("password", "from file");
    world.write(
        "compose.yaml",
        &format!(
            "services: {{a: {{{SLEEP}, user: '77', secrets: [password, {{source: token, target: other, uid: '77', mode: 0400}}], \
             configs: [{{source: text, target: /etc/app.conf}}]}}}}\n\
             secrets: {{password: {{file: ./password}}, token: {{environment: TOKEN}}}}\n\
             configs: {{text: {{content: 'from text'}}}}\n"
        ),
    );
    world.hoist(&["up", "-d"]).ok();
    let said = asked(
        &world,
        "a",
        "cd /run/secrets; cat password; echo; cat other; echo; cat /etc/app.conf; echo; stat -c '%u %a' other; \
         sh -c '>password' 2>&1 | grep -o Read-only",
    );
    assert_eq!(
        said,
        "from file\nfrom variable\nfrom text\n77 400\nRead-only"
    );
    world.hoist(&["down"]).ok();
}

#[test]
fn a_volume_made_at_a_folder_of_the_image_begins_with_its_content() {
    let world = stack(
        &format!("a: {{{SLEEP}, volumes: ['named:/etc/perl', '/etc/perl/Net']}}"),
        "volumes: {named: }",
    );
    assert_eq!(asked(&world, "a", "ls /etc/perl"), "Net");
    assert_eq!(asked(&world, "a", "ls /etc/perl/Net"), "libnet.cfg");
    world.hoist(&["down", "-v"]).ok();
}

#[test]
fn an_anonymous_volume_is_kept_when_its_container_is_made_anew() {
    let world = World::new("anonymous");
    let write = |value: &str| {
        world.write(
            "compose.yaml",
            &format!(
                "services: {{a: {{{SLEEP}, volumes: [/data], environment: {{X: '{value}'}}}}}}"
            ),
        );
    };
    write("1");
    world.hoist(&["up", "-d"]).ok();
    asked(&world, "a", "echo kept >/data/file");
    write("2");
    world.hoist(&["up", "-d"]).ok();
    assert_eq!(asked(&world, "a", "echo $X; cat /data/file"), "2\nkept");
    world.hoist(&["up", "-d", "--force-recreate", "-V"]).ok();
    assert_eq!(asked(&world, "a", "ls /data"), "", "`-V` asks for new ones");
    assert_eq!(volumes(&world).len(), 2, "the old one is still data");
    world.hoist(&["down", "-v"]).ok();
    assert_eq!(volumes(&world).len(), 1, "of what is mounted");
    world.hoist(&["volume", "prune", "-f"]).ok();
    assert_eq!(volumes(&world), Vec::<String>::new());
}

#[test]
fn an_anonymous_volume_goes_only_with_a_command_that_says_so() {
    let world = World::new("anonymous-stays");
    let file = format!("services: {{a: {{{SLEEP}, volumes: [/data]}}}}");
    world.write("compose.yaml", &file);
    world.hoist(&["up", "-d", "--scale", "a=2"]).ok();
    let all = volumes(&world);
    assert_eq!(all.len(), 2);
    world.hoist(&["up", "-d", "--scale", "a=1"]).ok();
    assert_eq!(volumes(&world), all, "fewer replicas");
    world.write("compose.yaml", &file.replace("{a:", "{b:"));
    world.hoist(&["up", "-d", "--remove-orphans"]).ok();
    assert_eq!(volumes(&world).len(), 3, "an orphan");
    world.hoist(&["down"]).ok();
    assert_eq!(volumes(&world).len(), 3, "down");
    world.hoist(&["volume", "prune", "-f"]).ok();
    assert_eq!(volumes(&world), Vec::<String>::new());
}

#[test]
fn down_amid_a_recreation_takes_both_containers_and_their_volume() {
    let world = World::new("anonymous-amid");
    world.write(
        "compose.yaml",
        "services: {a: {image: host, command: [sh, -c, \"trap 'echo bye' TERM; while :; do sleep 1000 & wait; done\"], \
         stop_grace_period: 1s, volumes: [/data]}}",
    );
    world.hoist(&["up", "-d"]).ok();
    let up = world.spawn(&[env!("CARGO_BIN_EXE_hoist"), "up", "-d", "--force-recreate"]);
    // It asks the old one to stop once the new one is made.
    world.until("the old one is asked to stop", || {
        world.hoist(&["logs", "a"]).stdout.contains("bye")
    });
    world.hoist(&["down", "-v"]).ok();
    up.wait();
    assert_eq!(volumes(&world), Vec::<String>::new());
    world.hoist(&["down", "-v"]).ok();
}

#[test]
fn binds_may_be_read_only_and_volumes_may_show_a_part() {
    let world = World::new("binds");
    world.write("file", "bound");
    world.write(
        "compose.yaml",
        &format!(
            "services: {{\
             maker: {{image: host, command: [sh, -c, 'mkdir /v/sub; echo part >/v/sub/file'], volumes: ['data:/v']}}, \
             a: {{{SLEEP}, depends_on: {{maker: {{condition: service_completed_successfully}}}}, volumes: ['./file:/file:ro', \
             {{type: volume, source: data, target: /part, volume: {{subpath: sub}}}}]}}}}\nvolumes: {{data: }}\n"
        ),
    );
    world.hoist(&["up", "-d"]).ok();
    let said = asked(
        &world,
        "a",
        "cat /file /part/file; sh -c '>/file' 2>&1 | grep -o Read-only",
    );
    assert_eq!(said, "boundpart\nRead-only");
    world.hoist(&["down", "-v"]).ok();
}

#[test]
fn an_external_volume_belongs_to_its_maker() {
    let world = World::new("external-volume");
    let service = |more: &str| {
        format!(
            "services: {{a: {{{SLEEP}, volumes: ['data:/data']}}}}\nvolumes: {{data: {more}}}\n"
        )
    };
    world.write("one.yaml", &service("{name: shared}"));
    world.write("two.yaml", &service("{name: shared, external: true}"));
    let early = world
        .hoist(&["-p", "two", "-f", "two.yaml", "up", "-d"])
        .ended(1);
    assert!(early.stderr.contains("`shared`"), "{}", early.stderr);
    world
        .hoist(&["-p", "one", "-f", "one.yaml", "up", "-d"])
        .ok();
    world
        .hoist(&["-p", "two", "-f", "two.yaml", "up", "-d"])
        .ok();
    world
        .hoist(&[
            "-p", "two", "-f", "two.yaml", "exec", "-T", "a", "touch", "/data/x",
        ])
        .ok();
    world
        .hoist(&["-p", "two", "-f", "two.yaml", "down", "-v"])
        .ok();
    let there = world
        .hoist(&[
            "-p", "one", "-f", "one.yaml", "exec", "-T", "a", "ls", "/data",
        ])
        .ok();
    assert_eq!(there.stdout, "x\n");
    world
        .hoist(&["-p", "one", "-f", "one.yaml", "down", "-v"])
        .ok();
    assert_eq!(volumes(&world), Vec::<String>::new());
}

/// The names of the volumes that exist.
fn volumes(world: &World) -> Vec<String> {
    let listed = world.run(&["sh", "-c", "ls \"$HOIST_ROOT/volumes\""]).ok();
    listed.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn nothing_that_hoist_says_has_a_secret_in_it() {
    let mut world = World::new("told-secrets");
    world.write(
        "compose.yaml",
        &format!(
            "services: {{a: {{{SLEEP}, secrets: [s], configs: [c], environment: {{PASSWORD: $SECRET}}}}}}\n\
             secrets: {{s: {{environment: SECRET}}}}\nconfigs: {{c: {{content: $SECRET}}}}\n"
        ),
    );
    let mut said = String::new();
    for secret in ["hunter-one", "hunter-two"] {
        world.set_env("SECRET", secret);
        for args in [&["up", "-d", "--dry-run"][..], &["up", "-d"]] {
            let output = world.hoist(args).ok();
            said += &(output.stdout + &output.stderr);
        }
    }
    assert!(said.contains("environment.PASSWORD has changed"), "{said}");
    assert!(!said.contains("hunter"), "{said}");
    let journal = world.run(&["sh", "-c", "cat \"$HOIST_RUN\"/projects/*/journal*"]);
    assert!(!journal.ok().stdout.contains("hunter"));
    world.hoist(&["down"]).ok();
}
