//! What containers write comes back byte by byte, and costs nobody else anything.

use crate::world::World;
use std::fs;

/// Lines of any length with any bytes, on standard output.
const LINES: &str = r#"
binmode STDOUT;
for my $length (0, 1, 65535, 65536, 65537, 131072, 1000000, 1048576, 1048577, 3000000) {
    syswrite STDOUT, ("x" x $length) . "\n";
}
syswrite STDOUT, join("", map { chr } grep { $_ != 10 } 0 .. 255) . "\n";
syswrite STDOUT, "\xff\xfe\x00 not a text \xc3\x28\r\n";
for my $part ("in ", "several ", "pieces\n") { syswrite STDOUT, $part; select undef, undef, undef, 0.05 }
"#;

#[test]
fn long_and_binary_lines_come_back_as_they_were() {
    let world = World::new("logs");
    world.write("lines.pl", LINES);
    world.write(
        "compose.yaml",
        "services: {a: {image: host, volumes: ['./lines.pl:/lines.pl'], command: [perl, /lines.pl]}}\n",
    );
    world.hoist(&["up", "-d"]).ok();
    world.hoist(&["wait", "a"]).ok();
    let compare = format!(
        "perl lines.pl > expected; {} logs --no-log-prefix --no-color > shown; cmp expected shown",
        env!("CARGO_BIN_EXE_hoist")
    );
    let compared = world.run(&["sh", "-c", &compare]);
    assert_eq!((compared.code, compared.stdout), (0, String::new()));
    let last = world.hoist(&["logs", "--no-log-prefix", "-n", "1"]).ok();
    assert_eq!(last.stdout, "in several pieces\n");
    world.hoist(&["down"]).ok();
}

/// Memory of all our processes, kilobytes.
fn memory(world: &World) -> u64 {
    let names: Vec<(i32, String)> = world.processes();
    let ours = |inside: i32| {
        let mut all = names.iter();
        all.any(|(pid, name)| *pid == inside && name.starts_with("[hoist-"))
    };
    let mut sum = 0;
    for (host, inside) in world.host_processes() {
        if !ours(inside) {
            continue;
        }
        let rollup = fs::read_to_string(format!("/proc/{host}/smaps_rollup")).unwrap_or_default();
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let pss = pss.and_then(|text| text.trim().strip_suffix("kB"));
        sum += pss.and_then(|n| n.trim().parse::<u64>().ok()).unwrap_or(0);
    }
    sum
}

#[test]
fn a_flood_blocks_nobody_and_fills_neither_memory_nor_disk() {
    let world = World::new("logs");
    let limits = "logging: {options: {max-size: 1m, max-file: '2'}}";
    world.write(
        "compose.yaml",
        &format!(
            "services:\n  flood: {{image: host, command: [yes, 'all work and no play'], stop_grace_period: 0s, {limits}}}\n  \
             quiet: {{image: host, command: [sleep, '1000'], stop_grace_period: 0s}}\n"
        ),
    );
    world.hoist(&["up", "-d"]).ok();
    let segments = "ls \"$HOIST_ROOT\"/projects/project/c/*/log/ | sort | tail -1";
    let written = || world.run(&["sh", "-c", segments]).ok().stdout;
    let before = written();
    for round in 0..20 {
        let say = format!("echo round {round} > /proc/1/fd/1");
        world.hoist(&["exec", "-T", "quiet", "sh", "-c", &say]).ok();
        world.hoist(&["ps"]).ok();
    }
    assert!(written() > before, "the flood goes on");
    let said = world
        .hoist(&["logs", "--no-log-prefix", "quiet"])
        .ok()
        .stdout;
    assert_eq!(said.lines().count(), 20, "{said}");
    let memory = memory(&world);
    assert!(memory < 60_000, "{memory} kB");
    let disk = "du -sk \"$HOIST_ROOT\"/projects/project/c/*/log | cut -f1 | sort -n | tail -1";
    let disk: u64 = world
        .run(&["sh", "-c", disk])
        .ok()
        .stdout
        .trim()
        .parse()
        .unwrap();
    assert!(disk < 8_000, "{disk} kB");
    let tail = world
        .hoist(&["logs", "--no-log-prefix", "-n", "2", "flood"])
        .ok();
    assert_eq!(tail.stdout, "all work and no play\n".repeat(2));
    world.hoist(&["down"]).ok();
}
