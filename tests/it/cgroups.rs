//! cgroups on whatever this machine has: v1, hybrid or v2. Needs root.

use hoist::runtime::cgroups::Cgroup;
use hoist::runtime::cgroups::Error;
use hoist::runtime::cgroups::discard_unsupported;
use hoist::runtime::cgroups::list;
use hoist::runtime::cgroups::sweep;
use hoist::runtime::devices::DeviceRules;
use hoist::runtime::devices::rules;
use hoist::runtime::spec::BlkioSpec;
use hoist::runtime::spec::CgroupSpec;
use hoist::runtime::spec::DeviceLimit;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;

/// A cgroup with a prefix of its own, removed with what is in it, also when the test fails.
struct Jar {
    cgroup: Cgroup,
    prefix: String,
}

impl Jar {
    fn new(name: &str, limits: CgroupSpec, rules: &DeviceRules) -> Self {
        let prefix = format!("hoist-it-{}-{name}", std::process::id());
        let spec = CgroupSpec {
            path: format!("{prefix}/c"),
            ..limits
        };
        let cgroup = Cgroup::create(&spec, rules).expect("root can make a cgroup");
        Self { cgroup, prefix }
    }

    fn plain(name: &str) -> Self {
        Self::new(name, CgroupSpec::default(), &DeviceRules::Everything)
    }

    /// Starts a shell that waits until it is in the cgroup.
    fn start(&self, script: &str) -> Child {
        let mut child = Command::new("sh")
            .args(["-c", &format!("read go; {script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        self.cgroup
            .attach(child.id().cast_signed())
            .expect("a process can be attached");
        writeln!(child.stdin.as_mut().expect("it is piped")).expect("the shell reads");
        child
    }

    fn run(&self, script: &str) -> ExitStatus {
        self.start(script).wait().expect("it can be waited for")
    }
}

impl Drop for Jar {
    fn drop(&mut self) {
        sweep(&self.prefix).expect("nothing keeps the cgroup");
        assert_eq!(
            list(&self.prefix).expect("it can be listed"),
            Vec::<String>::new()
        );
        assert!(matches!(
            Cgroup::open(&self.prefix),
            Err(Error::Missing { .. })
        ));
    }
}

#[test]
fn what_is_made_is_found_again_and_removed_without_a_trace() {
    let made = Jar::plain("life");
    let found = Cgroup::open(made.cgroup.path()).unwrap();
    let mut child = made.start("exec sleep 1000");
    assert_eq!(found.pids(), [child.id().cast_signed()]);
    assert_eq!(list(&made.prefix).unwrap(), [made.cgroup.path()]);
    found.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    found.remove().unwrap();
    assert!(matches!(
        Cgroup::open(made.cgroup.path()),
        Err(Error::Missing { .. })
    ));
}

#[test]
fn what_was_killed_on_the_way_up_leaves_no_empty_folder_to_the_next_sweep() {
    let top = format!("hoist-it-{}-above", std::process::id());
    let spec = CgroupSpec {
        path: format!("{top}/p/c"),
        ..CgroupSpec::default()
    };
    Cgroup::create(&spec, &DeviceRules::Everything).expect("root can make a cgroup");
    let folders = || {
        let found = Command::new("find")
            .args(["/sys/fs/cgroup", "-type", "d", "-name", &top])
            .output()
            .expect("there is find");
        let text = String::from_utf8(found.stdout).expect("paths are UTF-8");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    for folder in folders() {
        for below in ["p/c", "p"] {
            std::fs::remove_dir(format!("{folder}/{below}")).expect("it is empty");
        }
    }
    assert!(!folders().is_empty());
    sweep(&format!("{top}/p")).expect("nothing is there");
    assert_eq!(folders(), Vec::<String>::new());
}

#[test]
fn kill_reaches_children_in_cgroups_of_their_own_and_frozen_ones() {
    let made = Jar::plain("kill");
    let mut child =
        made.start("for n in 1 2 3 4 5; do setsid sleep 1000 & done; kill -STOP $$; wait");
    made.cgroup.freeze().unwrap();
    made.cgroup.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    made.cgroup.remove().unwrap();
}

#[test]
fn a_frozen_cgroup_uses_no_time_and_goes_on_when_thawed() {
    let made = Jar::plain("freeze");
    let mut child = made.start("n=0; while [ $n -lt 20000 ]; do n=$((n+1)); done");
    made.cgroup.freeze().unwrap();
    let before = made
        .cgroup
        .stats()
        .cpu
        .expect("every kind of machine counts CPU time");
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(made.cgroup.stats().cpu, Some(before));
    made.cgroup.thaw().unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_memory_limit_kills_and_is_counted() {
    let limits = CgroupSpec {
        memory: Some(20 << 20),
        memory_swap: Some(20 << 20),
        ..CgroupSpec::default()
    };
    let made = Jar::new("memory", limits, &DeviceRules::Everything);
    assert_eq!(made.cgroup.oom_kills(), 0);
    // tail keeps a line that never ends. As a child, so that the shell lives to tell.
    let status = made.run("tail /dev/zero; exit $?");
    assert_eq!(status.code(), Some(137));
    assert!(made.cgroup.oom_kills() >= 1);
    assert_eq!(made.cgroup.stats().memory_limit, Some(20 << 20));
}

#[test]
fn the_pids_limit_stops_forks_and_can_be_raised() {
    let limits = CgroupSpec {
        pids: Some(2),
        ..CgroupSpec::default()
    };
    let mut made = Jar::new("pids", limits, &DeviceRules::Everything);
    let script = "sleep 0 & sleep 0 & sleep 0 & sleep 0 & wait";
    assert!(!made.run(script).success());
    assert_eq!(made.cgroup.stats().pids_limit, Some(2));
    let more = CgroupSpec {
        pids: Some(-1),
        ..CgroupSpec::default()
    };
    made.cgroup.update(&more).unwrap();
    assert!(made.run(script).success());
}

#[test]
fn an_update_brings_a_limit_to_what_runs_already() {
    let mut made = Jar::plain("update");
    let mut child = made.start("read more; sleep 0 & sleep 0 & sleep 0 & wait");
    let limits = CgroupSpec {
        pids: Some(1),
        cpus: Some(0.5),
        memory: Some(64 << 20),
        ..CgroupSpec::default()
    };
    made.cgroup.update(&limits).unwrap();
    writeln!(child.stdin.as_mut().unwrap()).unwrap();
    assert!(!child.wait().unwrap().success());
    // Raising beyond the old limit of memory and swap together, then lowering it again.
    for memory in [512 << 20, 32 << 20] {
        let limits = CgroupSpec {
            memory: Some(memory),
            ..CgroupSpec::default()
        };
        made.cgroup.update(&limits).unwrap();
        assert_eq!(made.cgroup.stats().memory_limit, Some(memory));
    }
}

#[test]
fn the_cpu_limit_throttles() {
    let limits = CgroupSpec {
        cpus: Some(0.05),
        cpu_shares: Some(512),
        ..CgroupSpec::default()
    };
    let made = Jar::new("cpu", limits, &DeviceRules::Everything);
    assert!(
        made.run("n=0; while [ $n -lt 30000 ]; do n=$((n+1)); done")
            .success()
    );
    assert!(made.cgroup.stats().throttled_periods.unwrap() > 0);
}

#[test]
fn a_cpuset_is_what_the_process_sees() {
    let limits = CgroupSpec {
        cpuset: Some("0".into()),
        ..CgroupSpec::default()
    };
    let made = Jar::new("cpuset", limits, &DeviceRules::Everything);
    assert!(made.run("[ $(nproc) = 1 ]").success());
}

#[test]
fn devices_are_denied_but_for_the_standard_ones_and_those_asked_for() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let kmsg = folder.path().join("kmsg");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let kind = rustix::fs::FileType::CharacterDevice;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &kmsg,
        kind,
        mode,
        rustix::fs::makedev(1, 11),
    )
    .unwrap();
    let opens = format!(": < {}", kmsg.display());
    let made = Jar::new(
        "devices",
        CgroupSpec::default(),
        &rules(&[], &[], false).unwrap(),
    );
    assert!(made.run("head -c1 /dev/zero > /dev/null").success());
    assert!(!made.run(&opens).success());
    assert!(
        made.run(&format!(
            "mknod {} b 7 7",
            folder.path().join("loop7").display()
        ))
        .success()
    );
    let asked = hoist::runtime::spec::DeviceSpec {
        source: kmsg,
        target: "/dev/kmsg".into(),
        access: "r".into(),
    };
    let given = Jar::new(
        "given",
        CgroupSpec::default(),
        &rules(&[asked], &[], false).unwrap(),
    );
    assert!(given.run(&opens).success());
    assert!(!given.run(&opens.replace('<', ">")).success());
    let everything = Jar::plain("alldevices");
    assert!(everything.run(&opens).success());
}

#[test]
fn a_senseless_limit_is_named_and_leaves_nothing() {
    let prefix = format!("hoist-it-{}-bad", std::process::id());
    let spec = CgroupSpec {
        path: format!("{prefix}/c"),
        cpuset: Some("4711".into()),
        ..CgroupSpec::default()
    };
    let error = Cgroup::create(&spec, &DeviceRules::Everything).unwrap_err();
    assert!(error.to_string().contains("`cpuset`"), "{error}");
    assert!(matches!(Cgroup::open(&prefix), Err(Error::Missing { .. })));
}

#[test]
fn neighbours_come_and_go_while_their_common_parent_does() {
    let prefix = format!("hoist-it-{}-race", std::process::id());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let prefix = &prefix;
            scope.spawn(move || {
                for _ in 0..20 {
                    let spec = CgroupSpec {
                        path: format!("{prefix}/{thread}"),
                        ..CgroupSpec::default()
                    };
                    let cgroup = Cgroup::create(&spec, &DeviceRules::Everything).unwrap();
                    cgroup.remove().unwrap();
                }
            });
        }
    });
    assert!(matches!(Cgroup::open(&prefix), Err(Error::Missing { .. })));
}

#[test]
fn quota_and_period_are_written_as_they_are() {
    let limits = CgroupSpec {
        cpu_period: Some(20_000),
        cpu_quota: Some(4_000),
        ..CgroupSpec::default()
    };
    let made = Jar::new("quota", limits, &DeviceRules::Everything);
    let started = std::time::Instant::now();
    let burn = "perl -e '$x++ until (times)[0] > 0.2'";
    assert!(made.run(burn).success());
    // A fifth of a CPU: 0.2 s of work take a second; the tick may give a little more.
    assert!(
        started.elapsed().as_millis() > 700,
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_rate_of_a_disk_is_held() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let Some(disk) = disk_below(folder.path()) else {
        return;
    };
    let rate = 4 << 20;
    let limits = CgroupSpec {
        blkio: BlkioSpec {
            write_bps: vec![DeviceLimit {
                path: disk,
                value: rate,
            }],
            weight: Some(200),
            ..BlkioSpec::default()
        },
        ..CgroupSpec::default()
    };
    let made = Jar::new("blkio", limits, &DeviceRules::Everything);
    let file = folder.path().join("data");
    let write = format!(
        "dd if=/dev/zero of={} bs=1M count=8 oflag=direct",
        file.display()
    );
    let started = std::time::Instant::now();
    assert!(made.run(&write).success());
    let took = started.elapsed().as_secs_f64();
    assert!((1.5..6.0).contains(&took), "8 MiB at 4 MiB/s took {took} s");
}

/// The block device of a folder's file system, if it is on one that can be named.
fn disk_below(folder: &std::path::Path) -> Option<std::path::PathBuf> {
    let device = rustix::fs::stat(folder).ok()?.st_dev;
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let uevent = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/uevent")).ok()?;
    let name = uevent.lines().find_map(|l| l.strip_prefix("DEVNAME="))?;
    let path = std::path::Path::new("/dev").join(name);
    path.exists().then_some(path)
}

#[test]
fn only_v1_lets_processes_wait_for_memory_and_be_real_time() {
    let mut limits = CgroupSpec {
        memory: Some(64 << 20),
        memory_swappiness: Some(7),
        oom_kill_disable: true,
        cpu_rt_period: Some(1_000_000),
        cpu_rt_runtime: Some(1_000),
        ..CgroupSpec::default()
    };
    let told = discard_unsupported(&mut limits).unwrap();
    let made = Jar::new("v1-only", limits.clone(), &DeviceRules::Everything);
    match limits.oom_kill_disable {
        true => assert!(
            made.run("chrt -f 1 true || exit 3").success(),
            "a group with a budget may be real-time"
        ),
        false => assert_eq!(told.len(), 4, "{told:?}"),
    }
}
