//! A container is what it is under Docker: the probe (`fixtures/probe/probe.rs`) prints what it sees as PID 1, and that
//! is compared with what it printed under Docker 28.5 (`fixtures/probe/docker.txt`). `docs/container.md` tells the
//! same to people.
//!
//! To record again: put the static probe into an image, `docker compose up` the file of [`COMPOSE`], and keep what
//! `docker compose logs --no-log-prefix --no-color` prints.

use crate::world::World;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What was run under Docker, too.
const COMPOSE: &str = "\
services:
  probe:
    image: probe
    command: [/probe, one, two words]
    environment: {ZED: last, ALPHA: first}
";

const DOCKER: &str = include_str!("../fixtures/probe/docker.txt");

/// How a difference is recognised, and why it is right.
struct Allowed {
    /// The line starts so.
    start: &'static str,
    /// The line contains this.
    part: &'static str,
    /// Why.
    #[expect(dead_code, reason = "for who reads the table")]
    reason: &'static str,
}

const fn allowed(start: &'static str, part: &'static str, reason: &'static str) -> Allowed {
    Allowed {
        start,
        part,
        reason,
    }
}

const ALLOWED: &[Allowed] = &[
    allowed("kernel ", "", "the machine's"),
    allowed(
        "rlimit ",
        "",
        "those of a service here, of `dockerd` there; has a test of its own",
    ),
    allowed("file /etc/resolv.conf: #", "", "a comment of Docker's"),
    allowed(
        "fd 1 ",
        "",
        "a FIFO of both; ours has a name, so that a new supervisor finds it",
    ),
    allowed("fd 2 ", "", "as `fd 1`"),
    allowed("namespace cgroup", "", "own, as Docker does on cgroup v2"),
    allowed(
        "cgroup ",
        "",
        "seen from an own namespace; depends on the machine's hierarchies",
    ),
    allowed(
        "mount /sys/fs/cgroup",
        "",
        "depends on the machine; we show the hierarchies we limit in",
    ),
    allowed(
        "write /sys/fs/cgroup",
        "",
        "ours is read-only as documented; Docker's tmpfs of cgroup v1 is not",
    ),
    allowed(
        "mount /proc/",
        "size=4k",
        "our cover of masked folders is nosuid, nodev and noexec, too",
    ),
    allowed("mount /sys/", "size=4k", "as above"),
    allowed(
        "mount /etc/",
        "rw,relatime []",
        "ours are in the run folder, which is a tmpfs or not",
    ),
    allowed(
        "mount /sys sysfs",
        "",
        "`ro` of the mount; Docker's sysfs instance is `ro`, too",
    ),
    allowed(
        "sysctl net/ipv6/conf/",
        "",
        "no address, no waiting for duplicates: IPv6 without a wait",
    ),
    allowed(
        "syscall x32 ",
        "",
        "ENOSYS where Docker says EPERM: as a kernel without x32",
    ),
    allowed(
        "socket 38 ",
        "",
        "AF_ALG: refused since Docker 29 for a kernel bug",
    ),
    allowed("sysctl ", "tcp_mem", "the machine's"),
];

/// What depends on version or configuration of the kernel: compared only on the one that was recorded on. Of a
/// system call only whether the filter refused it is compared elsewhere.
const KERNELS: &[&str] = &[
    "sysctl ",
    "masked ",
    "mount /proc/",
    "write ",
    "socket ",
    "device /dev/core",
    "link ",
    "process ",
];

/// The line `rlimit NAME SOFT HARD` of a container of somebody with such a line.
fn of_a_service(line: &str) -> String {
    const CAP_SYS_RESOURCE: u32 = 24;
    let words: Vec<&str> = line.split(' ').collect();
    let (soft, hard) = match words[1] {
        "sigpending" => return line.to_owned(),
        "stack" => ("8388608", "-1"),
        "memlock" => ("8388608", "8388608"),
        "msgqueue" => ("819200", "819200"),
        "nice" | "rtprio" => ("0", "0"),
        "nofile" => ("1024", "524288"),
        _ => ("-1", "-1"),
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let capabilities = status.lines().find_map(|l| l.strip_prefix("CapEff:"));
    let capabilities = u64::from_str_radix(capabilities.unwrap().trim(), 16).unwrap();
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let most = match capabilities >> CAP_SYS_RESOURCE & 1 {
        1 => u64::MAX,
        _ => number(words[3]),
    };
    let limit = |text: &str| match number(text).min(most) {
        u64::MAX => "-1".to_owned(),
        limit => limit.to_string(),
    };
    format!("rlimit {} {} {}", words[1], limit(soft), limit(hard))
}

#[test]
fn a_container_is_what_it_is_under_docker() {
    let world = World::new("probe");
    let probe = build(&world);
    import(&world, &probe);
    world.write("compose.yaml", COMPOSE);
    world.hoist(&["up", "-d"]).ok();
    world.hoist(&["wait", "probe"]).ok();
    let seen = world
        .hoist(&["logs", "--no-log-prefix", "probe"])
        .ok()
        .stdout;
    world.hoist(&["down"]).ok();
    world.hoist(&["rmi", "probe"]).ok();

    let ours = world.run(&[&*probe, "rlimits"]).ok().stdout;
    assert_eq!(
        lines(&seen, |line| line.starts_with("rlimit ")),
        ours.lines().map(of_a_service).collect::<Vec<_>>(),
        "limits are those of a service, as far as ours allow it"
    );
    // The coarse comparison is for other kernels, but it has to hold here, too.
    compare(&seen, false);
    if seen.lines().next() == DOCKER.lines().next() {
        compare(&seen, true);
    }
}

fn compare(seen: &str, same_kernel: bool) {
    let (ours, dockers) = (facts(seen, same_kernel), facts(DOCKER, same_kernel));
    assert!(ours.len() > 500, "the probe ended early:\n{seen}");
    // A kernel may lack the 32-bit calls.
    let emulated = seen.contains("syscall i386 20 ok");
    let counts = |line: &&String| emulated || !line.starts_with("syscall i386");
    let more = ours.difference(&dockers).filter(counts);
    let less = dockers.difference(&ours).filter(counts);
    let differences: Vec<String> = more
        .map(|line| format!("+ {line}"))
        .chain(less.map(|line| format!("- {line}")))
        .collect();
    assert!(
        differences.is_empty(),
        "not as under Docker:\n  {}",
        differences.join("\n  ")
    );
}

/// What `exec` starts is in the same container as PID 1: it is told apart by its PID and where its input comes from.
#[test]
fn an_exec_is_what_pid_1_is() {
    let world = World::new("probe-exec");
    let probe = build(&world);
    import(&world, &probe);
    world.write(
        "compose.yaml",
        &COMPOSE.replace(
            "[/probe, one, two words]",
            "[/probe, wait]\n    stop_grace_period: 0s",
        ),
    );
    world.hoist(&["up", "-d"]).ok();
    let words = ["exec", "-T", "probe", "/probe", "one", "two words"];
    let seen = world.hoist(&words).ok().stdout;
    let nowhere = world.hoist(&[
        "exec",
        "-T",
        "-w",
        "/no/where",
        "probe",
        "/probe",
        "rlimits",
    ]);
    assert!(nowhere.stderr.contains("/no/where"), "{nowhere:?}");
    assert_ne!(nowhere.code, 0, "a folder is made for PID 1 only");
    world.hoist(&["down"]).ok();
    world.hoist(&["rmi", "probe"]).ok();
    let own = ["status NSpid ", "fd 0 "];
    let as_pid_1 = |line: &str| {
        let prefix = own.iter().find(|prefix| line.starts_with(**prefix));
        let other = prefix.and_then(|prefix| DOCKER.lines().find(|line| line.starts_with(prefix)));
        other.unwrap_or(line).to_owned() + "\n"
    };
    compare(&seen.lines().map(as_pid_1).collect::<String>(), false);
}

/// On a machine of whatever kind: nothing of x32 is let through.
#[test]
fn no_x32_call_is_let_through_by_docker_or_us() {
    let through = |line: &&str| !line.ends_with("errno 1") && !line.ends_with("errno 38");
    let found: Vec<&str> = DOCKER
        .lines()
        .filter(|line| line.starts_with("syscall x32"))
        .filter(through)
        .collect();
    assert_eq!(found, Vec::<&str>::new());
}

fn lines(text: &str, wanted: impl Fn(&str) -> bool) -> Vec<&str> {
    text.lines().filter(|line| wanted(line)).collect()
}

/// The lines that have to be equal.
fn facts(text: &str, same_kernel: bool) -> BTreeSet<String> {
    let is_allowed = |line: &str| {
        ALLOWED
            .iter()
            .any(|allowed| line.starts_with(allowed.start) && line.contains(allowed.part))
    };
    let kernels = |line: &str| !same_kernel && KERNELS.iter().any(|start| line.starts_with(start));
    text.lines()
        .map(str::trim_end)
        .filter(|line| !is_allowed(line) && !kernels(line) && *line != "file /etc/resolv.conf:")
        .map(|line| match same_kernel {
            true => line.to_owned(),
            false => refusals(line),
        })
        .collect()
}

/// Of a result only whether it is EPERM.
fn refusals(line: &str) -> String {
    if !line.starts_with("syscall ") && !line.starts_with("mknod ") {
        return line.to_owned();
    }
    let line = line.replace("errno 1 ", "EPERM ").replace("blocks", "ok");
    let mut words = Vec::new();
    let mut rest = line.split(' ');
    while let Some(word) = rest.next() {
        words.push(match word {
            "errno" | "signal" if rest.next() == Some("1") => "EPERM",
            "errno" | "signal" | "exits" => "ok",
            word => word,
        });
    }
    words.join(" ")
}

/// Builds the probe; its path.
fn build(world: &World) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/probe/probe.rs");
    let target = world.project().join("probe");
    let built = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition=2024", "-O", "-Ctarget-feature=+crt-static"])
        .args(["-Crelocation-model=static", "-o"])
        .arg(&target)
        .arg(source)
        .output()
        .expect("who has cargo has rustc");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success() && said.is_empty(), "{said}");
    target.display().to_string()
}

fn import(world: &World, probe: &str) {
    let folder = Path::new(probe).parent().expect("it is in a folder");
    let folder = folder.display().to_string();
    world
        .run(&["tar", "-C", &folder, "-cf", "probe.tar", "probe"])
        .ok();
    world.hoist(&["import", "probe.tar", "probe"]).ok();
}
