//! The runtime on the real kernel: one container from spec to exit code.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::runtime_bench::{Bench, bind};
use hoist::runtime::shim::protocol::ShimState;
use hoist::runtime::shim::record;
use hoist::runtime::spec::{MountKind, MountSpec, Namespace, Seccomp};
use hoist::runtime::{ShimCommand, Step};

#[test]
fn a_container_runs_and_its_output_and_exit_code_are_kept() {
    let bench = Bench::new();
    let spec = bench.spec("echo out; echo err >&2; printf half; exit 7");
    let mut container = bench.launch(&spec);
    let (pid, start_time) = container.started();
    let exit = container.exited();
    assert_eq!((exit.code, exit.signal, exit.oom), (7, None, false));
    let log = container.log();
    assert!(
        log.contains("out\n") && log.contains("E:err\n") && log.contains("half"),
        "{log}"
    );
    let recorded = record::read_pid(&container.run_dir()).unwrap().unwrap();
    assert_eq!((recorded.pid, recorded.start_time), (pid, start_time));
    assert_eq!(record::read_exit(&container.run_dir()).unwrap(), Some(exit));
    container.release();
    assert!(
        std::fs::read_dir(container.run_dir())
            .unwrap()
            .next()
            .is_none()
    );
}

#[test]
fn it_is_alone_in_its_namespaces_and_sees_only_its_own() {
    let bench = Bench::new();
    let script = "echo pid $$; hostname; ls /proc | grep -c '^[0-9]'; cat /proc/self/cgroup | sort | tail -1; \
         ls /sys/class/net; cat /proc/1/environ | tr '\\0' '\\n'";
    let (exit, text) = bench.run(script);
    assert_eq!(exit.code, 0, "{text}");
    assert!(text.starts_with("pid 1\nbox\n"), "{text}");
    assert!(text.contains("\nlo\n"), "{text}");
    assert!(!text.contains("eth") && !text.contains("CARGO"), "{text}");
    assert!(text.contains("HOME=/root"), "{text}");
}

#[test]
fn a_missing_command_is_127_and_a_file_that_is_no_program_126() {
    let bench = Bench::new();
    let mut spec = bench.spec("");
    for (args, code) in [
        (vec!["nowhere"], 127),
        (vec!["/bin/nowhere"], 127),
        (vec!["/etc/passwd"], 126),
        (vec!["/etc"], 126),
        (vec![], 127),
    ] {
        spec.process.args = args.iter().map(|a| (*a).to_owned()).collect();
        let failure = bench.failure(&spec);
        assert_eq!(
            (failure.step, failure.code),
            (Step::Exec, code),
            "{failure}"
        );
    }
}

#[test]
fn a_mount_that_cannot_be_made_is_named() {
    let bench = Bench::new();
    let mut spec = bench.spec("true");
    spec.mounts.push(bind("/nowhere/data", "/data", false));
    let failure = bench.failure(&spec);
    assert_eq!(
        failure.message,
        "mount `/nowhere/data` at `/data`: no such file or directory"
    );
}

#[test]
fn mounts_are_what_was_asked_for() {
    let bench = Bench::new();
    let source = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("file"), "from the host").unwrap();
    let mut spec = bench.spec(
        "cat /data/file; cat /run/secret; echo x > /data/new; (echo no > /data-ro/no) 2>/dev/null || echo refused; \
         stat -c '%a %u' /run/secret; df -k /scratch | tail -1; grep -c 'nosuid.*noexec' /proc/self/mounts",
    );
    spec.mounts.push(bind(source.path(), "/data", false));
    spec.mounts.push(bind(source.path(), "/data-ro", true));
    spec.mounts.push(MountSpec {
        target: "/run/secret".into(),
        kind: MountKind::File {
            content: b" and from memory\n".to_vec(),
            uid: 1000,
            gid: 1000,
            mode: 0o400,
        },
        read_only: true,
    });
    spec.mounts.push(MountSpec {
        target: "/scratch".into(),
        kind: MountKind::Tmpfs {
            size: Some(1 << 20),
            mode: None,
            options: Vec::new(),
        },
        read_only: false,
    });
    let (exit, text) = bench.run_spec(&spec);
    assert_eq!(exit.code, 0, "{text}");
    assert!(
        text.starts_with("from the host and from memory\nrefused\n400 1000\n"),
        "{text}"
    );
    assert!(text.contains("1024"), "{text}");
    assert!(source.path().join("new").exists());
}

#[test]
fn a_mount_made_inside_a_shared_bind_appears_on_the_host_and_one_made_there_inside() {
    use rustix::mount::{
        MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
    };
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    mount_bind(path, path).unwrap();
    mount_change(path, MountPropagationFlags::SHARED).unwrap();
    for name in ["in", "out"] {
        std::fs::create_dir(path.join(name)).unwrap();
    }
    let mut spec = bench.spec("mount -t tmpfs inner /vol/in && touch /vol/in/x && echo ready; until [ -e /vol/out/y ]; do sleep 0.01; done; umount /vol/in");
    spec.privileged = true;
    spec.seccomp = Seccomp::Unconfined;
    spec.process.capabilities.push("SYS_ADMIN".into());
    let mut shared = bind(path, "/vol", false);
    if let MountKind::Bind { propagation, .. } = &mut shared.kind {
        *propagation = Some("rshared".into());
    }
    spec.mounts.push(shared);
    let mut container = bench.launch(&spec);
    container.started();
    container.wait_for("ready");
    let seen = path.join("in/x").exists();
    mount(
        "outer",
        path.join("out"),
        "tmpfs",
        MountFlags::empty(),
        None,
    )
    .unwrap();
    std::fs::write(path.join("out/y"), "").unwrap();
    let exit = container.exited();
    unmount(path.join("out"), UnmountFlags::DETACH).unwrap();
    unmount(path, UnmountFlags::DETACH).unwrap();
    assert!(seen && exit.code == 0, "{exit:?} {}", container.log());
}

#[test]
fn a_container_starts_again_in_the_same_shim() {
    let bench = Bench::new();
    let spec = bench.spec("echo run >> /tmp/runs; cat /tmp/runs; exit 3");
    let mut container = bench.launch(&spec);
    let first = container.started();
    assert_eq!(container.exited().code, 3);
    container.link.send(&ShimCommand::Start).unwrap();
    assert_ne!(container.started(), first);
    assert_eq!(container.exited().code, 3);
    assert_eq!(container.log(), "run\nrun\nrun\n");
}

#[test]
fn signals_reach_pid_1_and_its_death_is_told() {
    let bench = Bench::new();
    let spec = bench.spec("trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.01; done");
    let mut container = bench.launch(&spec);
    container.started();
    container.wait_for("ready");
    container
        .link
        .send(&ShimCommand::Signal {
            signal: 15,
            all: false,
        })
        .unwrap();
    assert_eq!(container.exited().code, 9);
    container.link.send(&ShimCommand::Start).unwrap();
    container.started();
    container
        .link
        .send(&ShimCommand::Signal {
            signal: 9,
            all: true,
        })
        .unwrap();
    let exit = container.exited();
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
}

#[test]
fn another_supervisor_adopts_and_learns_what_happened() {
    let bench = Bench::new();
    let spec = bench.spec("echo ready; read x < /dev/zero; sleep 1000");
    let mut container = bench.launch(&spec);
    container.started();
    drop(bench.zygote);
    assert_eq!(container.adopt(), ShimState::Running);
    container
        .link
        .send(&ShimCommand::Signal {
            signal: 9,
            all: false,
        })
        .unwrap();
    assert_eq!(container.exited().signal, Some(9));
    assert_eq!(container.adopt(), ShimState::Exited);
}

/// Not a test of correctness: `cargo test --release --test it runtime::how_long -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn how_long_a_start_and_an_exec_take() {
    use hoist::runtime::exec::ExecEvent;
    use std::time::Instant;
    let bench = Bench::new();
    let (mut starts, mut execs, mut kilobytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..200 {
        let mut spec = bench.spec("");
        std::fs::copy("/usr/bin/busybox", bench.image(&spec).join("busybox")).unwrap();
        for name in ["dev", "proc", "sys"] {
            std::fs::create_dir(bench.image(&spec).join(name)).unwrap();
        }
        spec.mounts.clear();
        spec.process.args = vec!["/busybox".into(), "sleep".into(), "1000".into()];
        let begin = Instant::now();
        let mut container = bench.launch(&spec);
        let pid = container.started();
        starts.push(begin.elapsed());
        let begin = Instant::now();
        let mut exec = bench
            .zygote
            .exec(container.exec(pid, &["/busybox", "true"]))
            .unwrap();
        while !matches!(exec.control.wait(None).unwrap(), ExecEvent::Exited { .. }) {}
        execs.push(begin.elapsed());
        let shim = container.adopt_status().shim;
        let smaps = std::fs::read_to_string(format!("/proc/{shim}/smaps_rollup")).unwrap();
        let line = smaps
            .lines()
            .find(|l| l.starts_with("Private_Dirty"))
            .unwrap();
        kilobytes = line
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap();
        container.release();
    }
    for (name, mut times) in [("start", starts), ("exec", execs)] {
        times.sort();
        println!(
            "{name}: min {:?} p50 {:?} p90 {:?}",
            times[0], times[100], times[180]
        );
    }
    println!("shim: {kilobytes} KB private dirty");
}

#[test]
fn the_host_s_names_and_cgroups_are_seen_where_asked() {
    let bench = Bench::new();
    let mut spec = bench.spec("uname -n; readlink /proc/self/ns/uts /proc/self/ns/cgroup");
    spec.host_uts = true;
    spec.host_cgroups = true;
    let (_, text) = bench.run_spec(&spec);
    let own = |ns: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{ns}")).unwrap();
        link.to_string_lossy().into_owned()
    };
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let expected = format!("{name}\n{}\n{}\n", own("uts"), own("cgroup"));
    assert_eq!(text, expected);
}

#[test]
fn shared_memory_belongs_to_the_ipc_namespace() {
    let bench = Bench::new();
    let mut owner =
        bench.launch(&bench.spec("echo there >/dev/shm/note; echo ready; exec sleep 100"));
    let (pid, start_time) = owner.started();
    owner.wait_for("ready");
    let mut spec = bench.spec("cat /dev/shm/note; grep -c mqueue /proc/mounts");
    spec.ipc_ns = Namespace::Of { pid, start_time };
    assert_eq!(bench.run_spec(&spec).1, "there\n1\n");
    spec = bench.spec("ls -d /dev/shm; true");
    spec.shm_size = None;
    let (_, text) = bench.run_spec(&spec);
    assert!(
        text.starts_with("E:") && text.contains("/dev/shm"),
        "{text}"
    );
    let signal = ShimCommand::Signal {
        signal: 9,
        all: false,
    };
    owner.link.send(&signal).unwrap();
    owner.exited();
}

#[test]
fn written_device_rules_open_what_the_standard_ones_do_not() {
    let bench = Bench::new();
    let script = "mknod /kmsg c 1 11 && (: > /kmsg) 2>/dev/null && echo open || echo closed";
    let mut spec = bench.spec(script);
    spec.process.capabilities.push("MKNOD".into());
    assert_eq!(bench.run_spec(&spec).1, "closed\n");
    let mut spec = bench.spec(script);
    spec.process.capabilities.push("MKNOD".into());
    spec.device_rules = vec!["c 1:11 w".into()];
    assert_eq!(bench.run_spec(&spec).1, "open\n");
}

#[test]
fn a_read_only_bind_may_leave_the_mounts_below_it_writable() {
    let bench = Bench::new();
    let script =
        "for f in /data/x /data/below/x; do (: > $f) 2>/dev/null && echo w || echo r; done";
    for (shallow, said) in [(false, "r\nr\n"), (true, "r\nw\n")] {
        let mut spec = bench.spec(script);
        let folder = bench.dir(&spec).join("data");
        let below = folder.join("below");
        std::fs::create_dir_all(&below).unwrap();
        let _mounted = Mounted::tmpfs(&below);
        spec.mounts.push(bind(&folder, "/data", true));
        if let Some(MountKind::Bind { shallow: s, .. }) =
            spec.mounts.last_mut().map(|m| &mut m.kind)
        {
            *s = shallow;
        }
        assert_eq!(bench.run_spec(&spec).1, said);
    }
}

/// A tmpfs on the host, gone with this.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn tmpfs(place: &std::path::Path) -> Self {
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "x"])
            .arg(place)
            .status();
        assert!(status.unwrap().success());
        Self(place.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}
