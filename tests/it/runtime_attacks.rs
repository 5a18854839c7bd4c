//! What a hostile image or a hostile process inside tries on us; each is a CVE of somebody (`CVE-…` where it has a number).
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::runtime_bench::{Bench, SOON, bind};
use hoist::runtime::exec::ExecEvent;
use hoist::runtime::spec::{MountKind, MountSpec, Seccomp};
use hoist::runtime::{ShimCommand, ShimEvent, Step};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

fn host_mounts() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    text.lines()
        .filter(|l| l.contains("hoist") || l.contains("overlay"))
        .map(str::to_owned)
        .collect()
}

fn tmpfs(target: &str) -> MountSpec {
    MountSpec {
        target: target.into(),
        kind: MountKind::Tmpfs {
            size: Some(1 << 20),
            mode: None,
            options: Vec::new(),
        },
        read_only: false,
    }
}

fn file(target: &str) -> MountSpec {
    MountSpec {
        target: target.into(),
        kind: MountKind::File {
            content: b"ours".to_vec(),
            uid: 0,
            gid: 0,
            mode: 0o644,
        },
        read_only: false,
    }
}

/// CVE-2026-41579, CVE-2026-47766, CVE-2019-19921.
#[test]
fn system_folders_that_are_links_are_refused_and_nothing_lands_behind_them() {
    let bench = Bench::new();
    let outside = tempfile::tempdir().unwrap();
    for name in ["dev", "proc", "sys"] {
        for target in [
            outside.path().to_str().unwrap(),
            "../../../../../../tmp",
            "/etc",
        ] {
            let spec = bench.spec("true");
            symlink(target, bench.image(&spec).join(name)).unwrap();
            let failure = bench.failure(&spec);
            assert_eq!(
                failure.message,
                format!("the image's `/{name}` is not a folder")
            );
        }
    }
    assert!(is_empty(outside.path()));
}

#[test]
fn folders_that_are_links_lead_mounts_to_the_inside_only() {
    let bench = Bench::new();
    let outside = tempfile::tempdir().unwrap();
    let mut spec = bench.spec("cat /etc/passwd; ls /etc /mnt/deep");
    let image = bench.image(&spec);
    std::fs::remove_dir_all(image.join("etc")).unwrap();
    symlink(outside.path(), image.join("etc")).unwrap();
    symlink("../../../../../../../../..", image.join("up")).unwrap();
    spec.mounts
        .extend([file("/etc/passwd"), tmpfs("/up/mnt/deep")]);
    let (exit, text) = bench.run_spec(&spec);
    assert_eq!(exit.code, 0, "{text}");
    assert!(text.starts_with("ours"), "{text}");
    assert!(is_empty(outside.path()));
}

/// CVE-2024-21626.
#[test]
fn the_working_directory_cannot_be_a_descriptor_of_ours() {
    let bench = Bench::new();
    let mut spec = bench.spec("pwd; ls");
    for number in 0..30 {
        for prefix in ["/proc/self/fd", "/proc/1/fd", "/link"] {
            symlink("/proc/self/fd", bench.image(&spec).join("link")).ok();
            spec.process.cwd = format!("{prefix}/{number}");
            let failure = bench.failure(&spec);
            assert_eq!(failure.step, Step::Cwd, "{}: {failure}", spec.process.cwd);
        }
    }
    spec.process.cwd = "/proc/self/cwd".into();
    assert_eq!(bench.failure(&spec).step, Step::Cwd);
}

/// CVE-2019-5736, the entrypoint itself.
#[test]
fn our_executable_cannot_be_the_entrypoint() {
    let bench = Bench::new();
    let mut spec = bench.spec("");
    symlink("/proc/self/exe", bench.image(&spec).join("innocent")).unwrap();
    for args in [["/proc/self/exe"], ["/innocent"], ["/proc/1/exe"]] {
        spec.process.args = args.iter().map(|a| (*a).to_owned()).collect();
        let failure = bench.failure(&spec);
        assert_eq!((failure.step, failure.code), (Step::Exec, 126), "{failure}");
    }
    // A `#!` line is resolved by the kernel: it may run us, but must not hurt.
    let script = bench.image(&spec).join("script");
    std::fs::write(&script, "#!/proc/self/exe\n").unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    spec.process.args = vec!["/script".into()];
    let mut container = bench.launch(&spec);
    match container.event() {
        ShimEvent::Started { .. } => drop(container.exited()),
        ShimEvent::Failed(failure) => assert_eq!(failure.step, Step::Exec),
        other => panic!("{other:?}"),
    }
}

/// CVE-2019-5736, from a process that waits for us to come in.
#[test]
fn our_executable_cannot_be_written_from_inside() {
    let bench = Bench::new();
    let exe = Path::new(env!("CARGO_BIN_EXE_hoist"));
    let before = std::fs::metadata(exe).unwrap().modified().unwrap();
    let attack = "while :; do for p in /proc/[0-9]*; do \
         case $(readlink $p/exe) in *hoist*|*memfd*|/) echo seen; (echo pwned > $p/exe) 2>/dev/null && echo WRITTEN;; esac; \
         (exec 9>>$p/exe) 2>/dev/null && echo OPENED $p; done; echo round; done";
    let mut spec = bench.spec(attack);
    spec.init = true;
    spec.process.capabilities.push("SYS_PTRACE".into());
    spec.seccomp = Seccomp::Unconfined;
    let mut container = bench.launch(&spec);
    let pid = container.started();
    container.wait_for("round");
    for _ in 0..30 {
        let mut exec = bench.zygote.exec(container.exec(pid, &["true"])).unwrap();
        while !matches!(
            exec.control.wait(Some(SOON)).unwrap(),
            ExecEvent::Exited { .. }
        ) {}
    }
    container
        .link
        .send(&ShimCommand::Signal {
            signal: 9,
            all: true,
        })
        .unwrap();
    container.exited();
    let log = container.log();
    assert!(!log.contains("WRITTEN") && !log.contains("OPENED"), "{log}");
    assert_eq!(std::fs::metadata(exe).unwrap().modified().unwrap(), before);
}

#[test]
fn a_program_gets_its_three_descriptors_and_no_other() {
    let bench = Bench::new();
    for init in [false, true] {
        let mut spec = bench.spec("");
        // The fourth is the folder that `ls` reads.
        spec.process.args = vec!["ls".into(), "/proc/self/fd".into()];
        spec.init = init;
        assert_eq!(bench.run_spec(&spec).1, "0\n1\n2\n3\n");
    }
    let mut container = bench.launch(&bench.spec("echo ready; read x < /dev/zero"));
    let pid = container.started();
    let mut exec = bench
        .zygote
        .exec(container.exec(pid, &["ls", "/proc/self/fd"]))
        .unwrap();
    let mut text = String::new();
    std::fs::File::from(exec.stdout.take().unwrap())
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "0\n1\n2\n3\n");
}

/// CVE-2021-30465, CVE-2023-27561: a mount target is swapped for a link while it is mounted on.
#[test]
fn a_renamer_in_a_shared_volume_gets_no_mount_outside() {
    let bench = Bench::new();
    let (volume, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(volume.path().join("a/b")).unwrap();
    symlink(outside.path(), volume.path().join("evil")).unwrap();
    symlink("../../../../../../../..", volume.path().join("up")).unwrap();
    let mut renamer = bench.spec(
        "cd /vol; echo ready; while :; do mv a t; mv -T evil a; mv -T a evil; mv -T up a; mv -T a up; mv t a; done 2>/dev/null",
    );
    renamer.mounts.push(bind(volume.path(), "/vol", false));
    let mut renamer = bench.launch(&renamer);
    renamer.started();
    renamer.wait_for("ready");
    let before = host_mounts();
    for _ in 0..60 {
        let mut spec = bench.spec("true");
        spec.mounts.extend([
            bind(volume.path(), "/vol", false),
            tmpfs("/vol/a/b"),
            file("/vol/a/c/file"),
        ]);
        let mut victim = bench.launch(&spec);
        // Either a mount landed inside, or it was refused; both are right.
        let _ = victim.event();
        victim.release();
    }
    assert!(is_empty(outside.path()));
    assert_eq!(host_mounts(), before);
}

#[test]
fn a_subpath_cannot_lead_out_of_its_volume() {
    let bench = Bench::new();
    let volume = tempfile::tempdir().unwrap();
    symlink("/etc", volume.path().join("abs")).unwrap();
    symlink("..", volume.path().join("up")).unwrap();
    for subpath in ["abs", "up", "up/..", "..", "/etc"] {
        let mut spec = bench.spec("ls /data");
        let mut mount = bind(volume.path(), "/data", false);
        if let MountKind::Bind { subpath: own, .. } = &mut mount.kind {
            *own = Some(subpath.into());
        }
        spec.mounts.push(mount);
        assert_eq!(bench.failure(&spec).step, Step::Mount, "{subpath}");
    }
}

#[test]
fn the_profile_is_dockers() {
    let bench = Bench::new();
    let (_, text) = bench.run(
        "grep -E 'CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp:' /proc/self/status | tr '\\t' ' '; \
         cat /proc/sys/net/ipv4/ip_unprivileged_port_start; \
         (echo 1 > /proc/sys/kernel/panic) 2>/dev/null || echo ro-sys; (echo b > /proc/sysrq-trigger) 2>/dev/null || echo ro-sysrq; \
         (cat /proc/keys /proc/timer_list | wc -c); ls /sys/firmware /proc/acpi 2>/dev/null | wc -w; \
         touch /sys/x 2>/dev/null || echo ro; (mkdir /sys/fs/cgroup/memory/x) 2>/dev/null || echo ro-cgroup; \
         mount -t tmpfs none /mnt 2>/dev/null || echo no-mount; unshare -U true 2>/dev/null || echo no-userns; \
         head -c0 /dev/kmsg 2>/dev/null || echo no-kmsg; ls /dev | tr '\\n' ' '; umask",
    );
    let caps = "00000000a80425fb";
    let expected = format!(
        "CapInh: 0000000000000000\nCapPrm: {caps}\nCapEff: {caps}\nCapBnd: {caps}\nCapAmb: 0000000000000000\n\
         NoNewPrivs: 0\nSeccomp: 2\n0\nro-sys\nro-sysrq\n0\n"
    );
    assert!(text.starts_with(&expected), "{text}");
    for line in [
        "ro",
        "ro-cgroup",
        "no-mount",
        "no-userns",
        "no-kmsg",
        "0022",
    ] {
        assert!(text.lines().any(|l| l.ends_with(line)), "{line}: {text}");
    }
    assert!(
        text.contains(
            "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
        ),
        "{text}"
    );
}

#[test]
fn a_user_who_is_not_root_has_no_capabilities_and_may_reopen_its_output() {
    let bench = Bench::new();
    let mut spec = bench.spec("id; grep CapEff /proc/self/status; echo again > /dev/stdout; echo wrong > /dev/stderr; cat /proc/1/environ | tr '\\0' '\\n'");
    spec.process.user = "bob".into();
    spec.process.no_new_privileges = true;
    let (exit, text) = bench.run_spec(&spec);
    assert_eq!(exit.code, 0, "{text}");
    assert!(
        text.contains("uid=1000(bob) gid=1000(bob) groups=1000(bob),50(staff)"),
        "{text}"
    );
    assert!(text.contains("CapEff:\t0000000000000000"), "{text}");
    assert!(
        text.contains("again\n") && text.contains("E:wrong\n") && text.contains("HOME=/home/bob"),
        "{text}"
    );
}

#[test]
fn the_root_is_read_only_when_asked_and_volumes_are_not() {
    let bench = Bench::new();
    let volume = tempfile::tempdir().unwrap();
    let mut spec = bench.spec("(touch /x) 2>/dev/null || echo refused; touch /data/x && echo written; touch /dev/shm/x && echo shm");
    spec.read_only = true;
    spec.mounts.push(bind(volume.path(), "/data", false));
    let (_, text) = bench.run_spec(&spec);
    assert_eq!(text, "refused\nwritten\nshm\n");
}
