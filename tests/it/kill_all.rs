//! All of ours die in the same instant: what containers write meanwhile waits in them, and their ends are known.

use crate::numbered;
use crate::stack::ps;
use crate::world::World;

/// How often everything dies.
const ROUNDS: usize = 20;

#[test]
fn all_of_ours_die_at_once_and_no_line_is_lost_or_said_twice() {
    let world = World::new("killall");
    numbered::install(&world);
    let writer = |name: &str, pause: &str| {
        format!(
            "  {name}:\n    image: host\n    stop_grace_period: 20s\n    environment: {{PAUSE: '{pause}'}}\n    \
             volumes: ['./data:/data']\n    command: [perl, /data/lines.pl]\n"
        )
    };
    let all = writer("fast", "0") + &writer("slow", "0.01");
    world.write("compose.yaml", &format!("services:\n{all}"));
    world.hoist(&["up", "-d"]).ok();
    let logged = || {
        let words = ["logs", "--no-log-prefix", "-n", "1", "slow"];
        world.hoist(&words).ok().stdout
    };
    let mut last = String::new();
    for _ in 0..ROUNDS {
        world.until("it goes on", || {
            let now = logged();
            let goes_on = !now.is_empty() && now != last;
            last = now;
            goes_on
        });
        let mut pids = Vec::new();
        world.until("each has a shim", || {
            let ours = world.processes().into_iter();
            let ours = ours.filter(|(_, words)| words.starts_with("[hoist-"));
            pids = ours.map(|(pid, _)| pid.to_string()).collect();
            pids.len() >= 3
        });
        world.run(&["sh", "-c", &format!("kill -9 {}", pids.join(" "))]);
    }
    world.hoist(&["stop"]).ok();
    let told = "cat /run/hoist/projects/*/journal /run/hoist/projects/*/supervisor.log";
    let told = world.run(&["sh", "-c", told]).stdout;
    for container in ps(&world) {
        assert_eq!(container["ExitCode"], 7, "{container}\n{told}");
        let (service, id) = (&container["Service"], container["ID"].as_str().unwrap());
        let lines = numbered::assert_log(&world, service.as_str().unwrap(), id);
        assert!(lines > ROUNDS, "{lines} lines");
    }
    world.hoist(&["down"]).ok();
}
