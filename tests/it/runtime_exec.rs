//! Exec, terminals, attaching, our init, and the processes that watch.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::runtime_bench::{Bench, Box, SOON};
use hoist::runtime::exec::{ExecCommand, ExecEvent, ExecHandle};
use hoist::runtime::shim::protocol::{Attachment, Proxy, ShimState, Watchdog};
use hoist::runtime::{LaunchFds, ShimCommand, ShimEvent, Step};
use rustix::fd::OwnedFd;
use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

const SLEEP: &str = "echo ready; while :; do sleep 0.05; done";

fn text(fd: Option<OwnedFd>) -> String {
    let mut text = String::new();
    File::from(fd.unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn started(exec: &mut ExecHandle) -> (i32, Option<OwnedFd>) {
    match exec.control.wait(Some(SOON)).unwrap() {
        ExecEvent::Started { pid, terminal } => (pid, terminal),
        other => panic!("{other:?}"),
    }
}

fn ended(exec: &mut ExecHandle) -> i32 {
    match exec.control.wait(Some(SOON)).unwrap() {
        ExecEvent::Exited { code } => code,
        other => panic!("{other:?}"),
    }
}

/// Reads until `wanted` was seen.
fn read_until(from: &mut impl Read, wanted: &str) -> String {
    let (mut all, mut buffer) = (String::new(), [0u8; 512]);
    while !all.contains(wanted) {
        let count = from.read(&mut buffer).unwrap();
        assert!(count > 0, "the end came before `{wanted}`: {all}");
        all.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    all
}

fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

fn wait_until(what: &str, check: impl Fn() -> bool) {
    let until = Instant::now() + SOON;
    while !check() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn running(bench: &Bench) -> (Box, (i32, u64)) {
    let mut container = bench.launch(&bench.spec(SLEEP));
    let pid = container.started();
    (container, pid)
}

#[test]
fn an_exec_runs_in_the_container_with_its_own_streams_and_code() {
    let bench = Bench::new();
    let (container, pid) = running(&bench);
    let mut request = container.exec(
        pid,
        &[
            "sh",
            "-c",
            "cat; hostname; id -un; echo $HOME; pwd; echo oops >&2; exit 5",
        ],
    );
    request.process.stdin = true;
    request.process.user = "bob:staff".into();
    request.process.cwd = "/tmp".into();
    let mut exec = bench.zygote.exec(request).unwrap();
    File::from(exec.stdin.take().unwrap())
        .write_all(b"typed\n")
        .unwrap();
    started(&mut exec);
    assert_eq!(
        text(exec.stdout.take()),
        "typed\nbox\nbob\n/home/bob\n/tmp\n"
    );
    assert_eq!(text(exec.stderr.take()), "oops\n");
    assert_eq!(ended(&mut exec), 5);
    assert!(!container.log().contains("typed"));
}

#[test]
fn an_exec_is_in_all_namespaces_and_cgroups_of_the_container() {
    let bench = Bench::new();
    let (container, pid) = running(&bench);
    let script = "for n in mnt uts ipc net pid cgroup; do readlink /proc/self/ns/$n; done; cat /proc/self/cgroup";
    let mut exec = bench
        .zygote
        .exec(container.exec(pid, &["sh", "-c", script]))
        .unwrap();
    let mut other = bench
        .zygote
        .exec(container.exec(pid, &["sh", "-c", script.replace("self", "1").as_str()]))
        .unwrap();
    let (ours, theirs) = (text(exec.stdout.take()), text(other.stdout.take()));
    assert_eq!(
        ours.lines().take(6).collect::<Vec<_>>(),
        theirs.lines().take(6).collect::<Vec<_>>()
    );
    assert!(ours.contains("0::/exec-"), "{ours}");
    assert!(
        ours.contains("memory:/\n") || !theirs.contains("memory:/\n"),
        "{ours} {theirs}"
    );
}

#[test]
fn an_exec_that_cannot_be_says_why() {
    let bench = Bench::new();
    let (mut container, pid) = running(&bench);
    let mut exec = bench
        .zygote
        .exec(container.exec(pid, &["nowhere"]))
        .unwrap();
    let ExecEvent::Failed(failure) = exec.control.wait(Some(SOON)).unwrap() else {
        panic!()
    };
    assert_eq!((failure.step, failure.code), (Step::Exec, 127));
    assert_eq!(failure.message, "execute `nowhere`: not found in $PATH");
    let mut request = container.exec(pid, &["true"]);
    request.process.user = "nobody-here".into();
    let mut exec = bench.zygote.exec(request).unwrap();
    let ExecEvent::Failed(failure) = exec.control.wait(Some(SOON)).unwrap() else {
        panic!()
    };
    assert_eq!(failure.step, Step::User);
    container
        .link
        .send(&ShimCommand::Signal {
            signal: 9,
            all: false,
        })
        .unwrap();
    container.exited();
    let mut exec = bench.zygote.exec(container.exec(pid, &["true"])).unwrap();
    let ExecEvent::Failed(failure) = exec.control.wait(Some(SOON)).unwrap() else {
        panic!()
    };
    assert_eq!(failure.message, "the container is not running");
}

#[test]
fn killing_an_exec_kills_all_it_started_and_nothing_else() {
    let bench = Bench::new();
    let (container, pid) = running(&bench);
    let script = "setsid sleep 1000 & setsid sh -c 'setsid sleep 1000 & wait' & echo up; wait";
    let mut exec = bench
        .zygote
        .exec(container.exec(pid, &["sh", "-c", script]))
        .unwrap();
    let (first, _) = started(&mut exec);
    let mut out = File::from(exec.stdout.take().unwrap());
    read_until(&mut out, "up");
    exec.control.send(&ExecCommand::Kill).unwrap();
    assert_eq!(ended(&mut exec), 137);
    // End of file: no process holds the pipe any more.
    assert_eq!(out.read(&mut [0; 1]).unwrap(), 0);
    assert!(!is_alive(first) && is_alive(pid.0));
}

#[test]
fn a_probe_dies_with_who_asked_and_another_exec_does_not() {
    let bench = Bench::new();
    let (container, pid) = running(&bench);
    let mut probe = container.exec(pid, &["sleep", "1000"]);
    probe.kill_on_hangup = true;
    let mut probe = bench.zygote.exec(probe).unwrap();
    let mut exec = bench
        .zygote
        .exec(container.exec(pid, &["sh", "-c", "read x; echo still here"]))
        .unwrap();
    let ((probe_pid, _), (exec_pid, _)) = (started(&mut probe), started(&mut exec));
    drop(probe);
    wait_until("the probe is gone", || !is_alive(probe_pid));
    drop((exec.control, bench.zygote));
    // Reading /dev/null it ended on its own and was heard, or it runs: it was not killed.
    let mut heard = String::new();
    File::from(exec.stdout.take().unwrap())
        .read_to_string(&mut heard)
        .unwrap();
    assert_eq!(heard, "still here\n");
    wait_until("the exec ended", || !is_alive(exec_pid));
}

#[test]
fn an_exec_with_a_terminal_has_a_terminal_of_the_container() {
    let bench = Bench::new();
    let (container, pid) = running(&bench);
    let mut request = container.exec(
        pid,
        &[
            "sh",
            "-c",
            "tty; stty size; echo $TERM; read x; echo got $x",
        ],
    );
    request.process.tty = true;
    request.terminal = Some((33, 77));
    let mut exec = bench.zygote.exec(request).unwrap();
    let (_, terminal) = started(&mut exec);
    let mut terminal = File::from(terminal.unwrap());
    read_until(&mut terminal, "/dev/pts/0\r\n33 77\r\nxterm\r\n");
    terminal.write_all(b"word\n").unwrap();
    read_until(&mut terminal, "got word");
    assert_eq!(ended(&mut exec), 0);
}

#[test]
fn a_container_with_a_terminal_can_be_attached_to_and_logs_what_it_shows() {
    let bench = Bench::new();
    let mut spec = bench.spec("tty; stty size; read x; echo got $x; tty < /dev/console; exit 4");
    spec.process.tty = true;
    let mut request = bench.request(&spec);
    request.hold = true;
    request.terminal = Some((20, 90));
    let mut container = bench.launch_with(request, LaunchFds::default());
    container
        .link
        .send(&ShimCommand::Attach {
            close_stdin: false,
            lossless: false,
        })
        .unwrap();
    let ShimEvent::Attached(Attachment::Terminal(socket)) = container.event() else {
        panic!()
    };
    let mut terminal = File::from(socket);
    container.link.send(&ShimCommand::Start).unwrap();
    container.started();
    read_until(&mut terminal, "/dev/pts/0\r\n20 90\r\n");
    terminal.write_all(b"hello\n").unwrap();
    read_until(&mut terminal, "got hello");
    assert_eq!(container.exited().code, 4);
    assert!(container.log().contains("20 90") && container.log().contains("got hello"));
}

#[test]
fn stdin_stays_open_until_a_client_that_may_close_it_does() {
    let bench = Bench::new();
    let mut spec = bench.spec("cat; echo end");
    spec.process.stdin = true;
    let mut container = bench.launch(&spec);
    container.started();
    container
        .link
        .send(&ShimCommand::Attach {
            close_stdin: false,
            lossless: false,
        })
        .unwrap();
    let ShimEvent::Attached(Attachment::Pipes { stdin, stdout, .. }) = container.event() else {
        panic!()
    };
    File::from(stdin.unwrap()).write_all(b"one\n").unwrap();
    read_until(&mut File::from(stdout), "one");
    container
        .link
        .send(&ShimCommand::Attach {
            close_stdin: true,
            lossless: false,
        })
        .unwrap();
    let ShimEvent::Attached(Attachment::Pipes { stdin, stdout, .. }) = container.event() else {
        panic!()
    };
    File::from(stdin.unwrap()).write_all(b"two\n").unwrap();
    read_until(&mut File::from(stdout), "two\nend\n");
    assert_eq!(container.exited().code, 0);
    assert_eq!(container.log(), "one\ntwo\nend\n");
}

#[test]
fn our_init_reaps_forwards_and_ends_as_its_child() {
    let bench = Bench::new();
    let mut spec = bench.spec(
        "trap 'exit 6' TERM; (sleep 0 &); (true &); echo me $$; tr '\\0' ' ' < /proc/1/cmdline; echo; \
         cat /proc/1/exe > /tmp/stolen 2>/dev/null || echo hidden; echo ready; while :; do sleep 0.02; done",
    );
    spec.init = true;
    let mut container = bench.launch(&spec);
    container.started();
    container.wait_for("ready");
    let log = container.log();
    assert!(
        !log.contains("me 1\n") && log.contains("hoist-init /bin/sh /bin/sh -c"),
        "{log}"
    );
    assert!(log.contains("hidden"), "{log}");
    container
        .link
        .send(&ShimCommand::Signal {
            signal: 15,
            all: false,
        })
        .unwrap();
    assert_eq!(container.exited().code, 6);
}

#[test]
fn output_written_while_nobody_reads_is_not_lost() {
    let bench = Bench::new();
    let mut container = bench.launch(&bench.spec("seq 1 200000; echo last"));
    container.started();
    assert_eq!(container.exited().code, 0);
    let log = container.log();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!((lines.len(), lines[199_999]), (200_001, "200000"));
}

#[test]
fn shims_that_lost_their_supervisor_fight_for_its_lock_and_stay_adoptable() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("lock");
    let held = File::create(&lock).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let watch = nix::sys::inotify::Inotify::init(nix::sys::inotify::InitFlags::empty()).unwrap();
    watch
        .add_watch(&lock, nix::sys::inotify::AddWatchFlags::IN_CLOSE)
        .unwrap();
    let mut specs = Vec::new();
    for _ in 0..3 {
        let spec = bench.spec(SLEEP);
        let mut request = bench.request(&spec);
        request.watchdog = Some(Watchdog {
            supervisor_lock: lock.clone(),
            // Our executable does not become a supervisor by these; it ends, and the lock with it.
            supervisor_args: vec!["--version".into()],
            supervisor_env: Vec::new(),
        });
        let mut link = bench.zygote.launch(request, &LaunchFds::default()).unwrap();
        assert!(matches!(
            link.wait(SOON).unwrap(),
            ShimEvent::Started { .. }
        ));
        specs.push(spec);
    }
    // All three looked, found it locked, and closed it.
    let mut looks = 0;
    while looks < 3 {
        looks += watch.read_events().unwrap().len();
    }
    drop(held);
    for spec in &specs {
        assert_eq!(bench.adopted(spec).adopt(), ShimState::Running);
    }
}

#[test]
fn a_container_outlives_its_shim_and_loses_nothing() {
    let bench = Bench::new();
    let spec = bench
        .spec("i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; sleep 0.005; done; exit 21");
    let request = bench.request(&spec);
    let mut link = bench
        .zygote
        .launch(request.clone(), &LaunchFds::default())
        .unwrap();
    let ShimEvent::Started { pid, .. } = link.wait(SOON).unwrap() else {
        panic!()
    };
    let mut container = bench.adopted(&spec);
    container.wait_for("line 3");
    let shim = container.adopt_status().shim;
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(shim).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    wait_until("the shim is gone", || !is_alive(shim));
    let orphan = hoist::runtime::shim::record::read_pid(&container.run_dir())
        .unwrap()
        .unwrap();
    assert_eq!(orphan.pid, pid);
    container.link = bench
        .zygote
        .adopt(request, &LaunchFds::default(), orphan)
        .unwrap();
    assert_eq!(container.started().0, pid);
    let exit = container.exited();
    // Kernels before 6.15 do not tell the exit status of another's child.
    assert!(exit.code == 21 || exit.code == -1, "{exit:?}");
    let expected: String = (1..=300).map(|i| format!("line {i}\n")).collect();
    assert_eq!(container.log(), expected);
}

#[test]
fn a_listener_gets_its_process_when_the_first_client_comes() {
    let bench = Bench::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let fds = LaunchFds {
        netns: None,
        keep: vec![("port".into(), File::open("/dev/null").unwrap().into())],
        proxies: vec![Proxy {
            listener: listener.into(),
            tcp: true,
            target: address,
        }],
    };
    let mut container = bench.launch_with(bench.request(&bench.spec(SLEEP)), fds);
    container.started();
    let shim = container.adopt_status().shim;
    let children =
        || std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap();
    assert_eq!(children().split_whitespace().count(), 1);
    let _client = std::net::TcpStream::connect(address).unwrap();
    // What it does there is the network's business; that the shim goes on is ours.
    assert_eq!(container.adopt(), ShimState::Running);
}

#[test]
fn a_terminal_outlives_the_shim_that_made_it() {
    let bench = Bench::new();
    let mut spec = bench.spec("trap 'echo hangup; exit 1' HUP; i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo n $i; sleep 0.01; done; exit 9");
    spec.process.tty = true;
    let mut container = bench.launch(&spec);
    let (pid, start_time) = container.started();
    container.wait_for("n 3");
    let shim = container.adopt_status().shim;
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(shim).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    wait_until("the shim is gone", || !is_alive(shim));
    let orphan = hoist::runtime::shim::record::read_pid(&container.run_dir()).unwrap();
    let request = bench.request(&spec);
    container.link = bench
        .zygote
        .adopt(request, &container.kept, orphan.unwrap())
        .unwrap();
    assert_eq!(container.started(), (pid, start_time));
    let exit = container.exited();
    assert!(exit.code == 9 || exit.code == -1, "{exit:?}");
    let log = container.log();
    assert!(log.contains("n 100") && !log.contains("hangup"), "{log}");
}
