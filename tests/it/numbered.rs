//! A program that prints numbered lines and notes beside how many it has printed, and the claim that a log has them all.

use crate::world::World;
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// `PAUSE` seconds between two lines that are `WIDTH` wide. TERM ends it with code 7. It notes its runs and their lines
/// in the folder `data` of the project, which is to be mounted at `/data`.
const PROGRAM: &str = r#"
use strict; use Sys::Hostname;
my ($me, $n, $stop) = (hostname(), 0, 0);
my ($pause, $fill) = ($ENV{PAUSE} // 0.002, $ENV{WIDTH} ? " " . "x" x $ENV{WIDTH} : "");
$SIG{TERM} = sub { $stop = 1 };
open(my $runs, ">>", "/data/runs.$me") or die; syswrite $runs, "+"; my $run = -s $runs;
open(my $count, ">", "/data/count.$me.$run") or die;
until ($stop) {
    $n++; syswrite STDOUT, "run $run line $n$fill\n";
    sysseek $count, 0, 0; syswrite $count, sprintf("%09d", $n);
    select undef, undef, undef, $pause;
}
exit 7;
"#;

/// Puts the program into the project: `command: [perl, /data/lines.pl]`, `volumes: ['./data:/data']`.
pub fn install(world: &World) {
    world.write("data/lines.pl", PROGRAM);
}

/// How often a container (by its id) has run.
pub fn runs(world: &World, id: &str) -> usize {
    let path = world.project().join(format!("data/runs.{}", &id[..12]));
    fs::metadata(path).map_or(0, |file| file.len() as usize)
}

/// Every line that a container has printed is in its log, once and in its place; how many they are.
pub fn assert_log(world: &World, service: &str, id: &str) -> usize {
    let me = &id[..12];
    let data = world.project().join("data");
    // Counted before the log is read: the log may be ahead, and catches up where it is behind.
    let counts: Vec<usize> = (1..=runs(world, id))
        .map(|run| {
            let text = fs::read_to_string(data.join(format!("count.{me}.{run}")));
            text.unwrap_or_default().parse().unwrap_or(0)
        })
        .collect();
    let mut logged = logged(world, service);
    let behind = |logged: &BTreeMap<usize, usize>| {
        let of = |run: usize| logged.get(&run).copied().unwrap_or(0);
        let all = counts.iter().enumerate();
        all.map(|(index, count)| (index + 1, *count, of(index + 1)))
            .find(|(_, printed, logged)| logged < printed)
    };
    // What was printed this instant is in the pipe; whoever takes it out may wait for a processor.
    let deadline = Instant::now() + Duration::from_secs(10);
    while behind(&logged).is_some() && Instant::now() < deadline {
        logged = self::logged(world, service);
    }
    if let Some((run, printed, logged)) = behind(&logged) {
        panic!("run {run} of {service} printed {printed} lines, the log has {logged}");
    }
    logged.values().sum()
}

/// How many lines of each run a log has, all in their places.
fn logged(world: &World, service: &str) -> BTreeMap<usize, usize> {
    let words = ["logs", "--no-color", "--no-log-prefix", service];
    let log = world.hoist(&words).ok().stdout;
    let mut logged: BTreeMap<usize, usize> = BTreeMap::new();
    let mut latest = 0;
    for line in log.lines() {
        let words: Vec<&str> = line.split(' ').take(4).collect();
        let &["run", run, "line", number] = words.as_slice() else {
            panic!("a garbled line of {service}: {line:?}");
        };
        let (run, number): (usize, usize) = (run.parse().unwrap(), number.parse().unwrap());
        assert!(run >= latest, "{service}: run {run} after run {latest}");
        latest = run;
        let last = logged.entry(run).or_default();
        assert_eq!(number, *last + 1, "in run {run} of {service}");
        *last = number;
    }
    logged
}
