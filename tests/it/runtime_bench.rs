//! A place to run containers in, for tests of the runtime alone: a root filesystem made of the host's `/usr`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use hoist::id::ContainerId;
use hoist::runtime::exec::ExecRequest;
use hoist::runtime::log::{LogReader, Stream};
use hoist::runtime::shim::protocol::{LogLimits, ShimState, ShimStatus};
use hoist::runtime::spec::{
    CgroupSpec, ContainerSpec, MountKind, MountSpec, Namespace, NetworkNs, ProcessSpec, Rootfs,
    Seccomp,
};
use hoist::runtime::{
    Exit, LaunchFds, LaunchRequest, ShimCommand, ShimEvent, ShimLink, StartFailure, Zygote,
};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Nothing here takes this long; a test that waits for it has failed.
pub const SOON: Duration = Duration::from_secs(20);

/// Docker's default capabilities.
pub const CAPABILITIES: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// A zygote and a folder for containers; all of it goes when it is dropped.
pub struct Bench {
    pub zygote: Zygote,
    folder: tempfile::TempDir,
}

/// A container on the bench.
pub struct Box {
    pub link: ShimLink,
    pub dir: PathBuf,
    pub spec: ContainerSpec,
    pub kept: LaunchFds,
    released: bool,
}

impl Bench {
    pub fn new() -> Self {
        // Measurements name a release build here.
        let exe = std::env::var_os("HOIST_TEST_EXE");
        let exe = exe.unwrap_or_else(|| env!("CARGO_BIN_EXE_hoist").into());
        Self {
            zygote: Zygote::spawn_from(Path::new(&exe)).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The container's folder, and what it would be with docker's defaults and this script as PID 1.
    pub fn spec(&self, script: &str) -> ContainerSpec {
        let id = ContainerId::random();
        let dir = self.folder.path().join(id.as_str());
        let image = dir.join("image");
        for name in [
            "run",
            "log",
            "upper",
            "work",
            "image/etc",
            "image/tmp",
            "image/usr",
        ] {
            std::fs::create_dir_all(dir.join(name)).unwrap();
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            symlink(format!("usr/{name}"), image.join(name)).unwrap();
        }
        std::fs::write(
            image.join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n",
        )
        .unwrap();
        std::fs::write(
            image.join("etc/group"),
            "root:x:0:\nbob:x:1000:\nstaff:x:50:bob\n",
        )
        .unwrap();
        ContainerSpec {
            cgroup: CgroupSpec {
                path: format!("hoist-test/{}", id.short()),
                ..CgroupSpec::default()
            },
            id,
            rootfs: Rootfs::Overlay {
                lower: vec![image],
                upper: dir.join("upper"),
                work: dir.join("work"),
            },
            read_only: false,
            mounts: vec![bind("/usr", "/usr", true)],
            process: process(&["/bin/sh", "-c", script]),
            hostname: "box".into(),
            domainname: None,
            network: NetworkNs::New,
            pid_ns: Namespace::New,
            ipc_ns: Namespace::New,
            host_uts: false,
            host_cgroups: false,
            init: false,
            privileged: false,
            seccomp: Seccomp::Default,
            unmasked: false,
            devices: Vec::new(),
            device_rules: Vec::new(),
            sysctls: Vec::new(),
            shm_size: Some(64 << 20),
            stop_signal: 15,
            annotations: Default::default(),
            hooks: Vec::new(),
        }
    }

    pub fn dir(&self, spec: &ContainerSpec) -> PathBuf {
        self.folder.path().join(spec.id.as_str())
    }

    /// The image folder of a container, to put things into before it starts.
    pub fn image(&self, spec: &ContainerSpec) -> PathBuf {
        self.dir(spec).join("image")
    }

    pub fn request(&self, spec: &ContainerSpec) -> LaunchRequest {
        let dir = self.dir(spec);
        LaunchRequest {
            run_dir: dir.join("run"),
            log_dir: dir.join("log"),
            log_limits: LogLimits::default(),
            spec: spec.clone(),
            hold: false,
            terminal: None,
            watchdog: None,
        }
    }

    pub fn launch(&self, spec: &ContainerSpec) -> Box {
        self.launch_with(self.request(spec), LaunchFds::default())
    }

    pub fn launch_with(&self, request: LaunchRequest, fds: LaunchFds) -> Box {
        let spec = request.spec.clone();
        Box {
            dir: self.dir(&spec),
            link: self.zygote.launch(request, &fds).unwrap(),
            spec,
            kept: LaunchFds::default(),
            released: false,
        }
    }

    /// The container of a spec whose first link was dropped.
    pub fn adopted(&self, spec: &ContainerSpec) -> Box {
        let dir = self.dir(spec);
        let mut container = Box {
            link: ShimLink::connect(&dir.join("run")).unwrap(),
            dir,
            spec: spec.clone(),
            kept: LaunchFds::default(),
            released: false,
        };
        assert!(matches!(container.event(), ShimEvent::Hello { .. }));
        container
    }

    /// Runs a script to its end: exit and output.
    pub fn run(&self, script: &str) -> (Exit, String) {
        self.run_spec(&self.spec(script))
    }

    pub fn run_spec(&self, spec: &ContainerSpec) -> (Exit, String) {
        let mut container = self.launch(spec);
        container.started();
        let exit = container.exited();
        let text = container.log();
        container.release();
        (exit, text)
    }

    /// Why a container does not start.
    pub fn failure(&self, spec: &ContainerSpec) -> StartFailure {
        let mut container = self.launch(spec);
        let event = container.event();
        let ShimEvent::Failed(failure) = event else {
            panic!("expected a failure, got {event:?}")
        };
        container.release();
        failure
    }
}

impl Box {
    pub fn event(&mut self) -> ShimEvent {
        loop {
            match self.link.wait(SOON).unwrap() {
                // Held, as a supervisor does.
                ShimEvent::Streams(fds) => self.kept.replace_streams(fds),
                other => return other,
            }
        }
    }

    /// PID and start time of its PID 1.
    pub fn started(&mut self) -> (i32, u64) {
        match self.event() {
            ShimEvent::Started { pid, start_time } => (pid, start_time),
            ShimEvent::Failed(failure) => panic!("{:?}: {failure}", failure.step),
            other => panic!("{other:?}"),
        }
    }

    pub fn exited(&mut self) -> Exit {
        match self.event() {
            ShimEvent::Exited(exit) => exit,
            other => panic!("{other:?}"),
        }
    }

    pub fn run_dir(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// All that was logged, standard error marked `E:`.
    pub fn log(&self) -> String {
        let mut reader = LogReader::open(&self.dir.join("log"));
        let mut text = String::new();
        while let Some(record) = reader.next_record().unwrap() {
            if record.stream == Stream::Err {
                text.push_str("E:");
            }
            text.push_str(&String::from_utf8_lossy(&record.bytes));
            if !record.partial {
                text.push('\n');
            }
        }
        text
    }

    /// Waits until the log holds `text`.
    pub fn wait_for(&self, text: &str) {
        let until = std::time::Instant::now() + SOON;
        while !self.log().contains(text) {
            assert!(
                std::time::Instant::now() < until,
                "never saw `{text}` in: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A connection as another supervisor makes it.
    pub fn adopt(&mut self) -> ShimState {
        self.adopt_status().state
    }

    pub fn adopt_status(&mut self) -> ShimStatus {
        self.link = ShimLink::connect(&self.run_dir()).unwrap();
        match self.event() {
            ShimEvent::Hello { status, kept } => {
                self.kept = kept;
                status
            }
            other => panic!("{other:?}"),
        }
    }

    /// Ends the shim and waits until it is gone.
    pub fn release(&mut self) {
        self.released = true;
        if self.link.send(&ShimCommand::Release).is_ok() {
            while self.link.wait(SOON).is_ok() {}
        }
    }

    pub fn exec(&self, (pid, start_time): (i32, u64), args: &[&str]) -> ExecRequest {
        ExecRequest {
            pid,
            start_time,
            cgroup: self.spec.cgroup.path.clone(),
            process: process(args),
            seccomp: Seccomp::Default,
            privileged: false,
            terminal: None,
            kill_on_hangup: false,
        }
    }
}

impl Drop for Box {
    fn drop(&mut self) {
        if !self.released {
            self.release();
        }
    }
}

pub fn bind(source: impl Into<PathBuf>, target: &str, read_only: bool) -> MountSpec {
    MountSpec {
        target: target.into(),
        kind: MountKind::Bind {
            source: source.into(),
            subpath: None,
            propagation: None,
            recursive: true,
            shallow: false,
            copy_up: false,
        },
        read_only,
    }
}

pub fn process(args: &[&str]) -> ProcessSpec {
    ProcessSpec {
        args: args.iter().map(|a| (*a).to_owned()).collect(),
        env: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()],
        cwd: "/".into(),
        user: String::new(),
        groups: Vec::new(),
        tty: false,
        stdin: false,
        capabilities: CAPABILITIES.iter().map(|c| (*c).to_owned()).collect(),
        no_new_privileges: false,
        confinement: Default::default(),
        rlimits: Vec::new(),
        oom_score_adj: None,
    }
}
