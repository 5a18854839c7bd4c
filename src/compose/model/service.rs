//! One service: what to run, with what, when.

use super::super::parse::values::duration;
use super::native::NativeTest;
use super::{
    FileMount, Kernel, Life, Limits, Mount, NetworkMode, PortMapping, ServiceNetwork, Ulimit,
    VolumesFrom,
};
use crate::id::ServiceName;
use indexmap::IndexMap;
use std::net::IpAddr;
use std::time::Duration;

/// Argument vectors are kept as the list they become; a shell-form text is split as docker compose splits it.
pub type StringOrList = Vec<String>;

/// A service in canonical form.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Key below `services:`.
    pub name: ServiceName,
    /// Image reference as written.
    pub image: String,
    /// `command`: `None` = the image's; `Some(vec![])` = none at all.
    pub command: Option<StringOrList>,
    /// `entrypoint`: `None` = the image's; `Some(vec![])` = none at all.
    pub entrypoint: Option<StringOrList>,
    /// `env_file` contents below `environment`, resolved; `None` = unset in the caller's environment: left out.
    pub environment: IndexMap<String, Option<String>>,
    /// Fixed name instead of `<project>-<service>-<n>`.
    pub container_name: Option<String>,
    /// Number of replicas (`scale`, `deploy.replicas`, or 1).
    pub scale: u32,
    /// What must hold before this one starts.
    pub depends_on: IndexMap<ServiceName, Dependency>,
    /// `healthcheck` as written; unset fields come from the image.
    pub healthcheck: Option<Healthcheck>,
    /// `restart` or `deploy.restart_policy`.
    pub restart: Restart,
    /// Networking of the container.
    pub network_mode: NetworkMode,
    /// Networks by key; empty unless `network_mode` is [`NetworkMode::Networks`].
    pub networks: IndexMap<String, ServiceNetwork>,
    /// Published ports, ranges expanded to one entry a container port.
    pub ports: Vec<PortMapping>,
    /// `expose`, as `80` or `80/udp`.
    pub expose: Vec<String>,
    /// Volumes, binds, tmpfs (both `volumes` and `tmpfs`).
    pub mounts: Vec<Mount>,
    /// Secrets mounted below `/run/secrets`.
    pub secrets: Vec<FileMount>,
    /// Configs mounted where they say.
    pub configs: Vec<FileMount>,
    /// `uid`, `name`, `uid:gid`, `name:group`.
    pub user: Option<String>,
    /// Supplementary groups, names or numbers.
    pub group_add: Vec<String>,
    /// `working_dir`.
    pub working_dir: Option<String>,
    /// `hostname`; default is the short container id.
    pub hostname: Option<String>,
    /// `domainname`.
    pub domainname: Option<String>,
    /// Run an init as PID 1 that reaps and forwards signals.
    pub init: bool,
    /// Allocate a terminal.
    pub tty: bool,
    /// Keep stdin open.
    pub stdin_open: bool,
    /// Mount the root filesystem read-only.
    pub read_only: bool,
    /// Everything allowed.
    pub privileged: bool,
    /// Capabilities to add, upper-case without `CAP_`; may be `ALL`.
    pub cap_add: Vec<String>,
    /// Capabilities to drop, upper-case without `CAP_`; may be `ALL`.
    pub cap_drop: Vec<String>,
    /// `security_opt` entries as written (`seccomp:FILE` with an absolute path).
    pub security_opt: Vec<String>,
    /// Whose PID namespace.
    pub pid: Option<NamespaceOf>,
    /// Whose IPC namespace.
    pub ipc: Option<NamespaceOf>,
    /// Signal name or number that asks the container to stop.
    pub stop_signal: Option<String>,
    /// How long it may take before SIGKILL; `None` = 10 s.
    pub stop_grace_period: Option<Duration>,
    /// Labels of the container.
    pub labels: IndexMap<String, String>,
    /// `host` to addresses; the address may be the word `host-gateway`.
    pub extra_hosts: IndexMap<String, Vec<String>>,
    /// DNS servers instead of the host's.
    pub dns: Vec<IpAddr>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// Resolver options.
    pub dns_opt: Vec<String>,
    /// `service[:alias]` names visible to this container only.
    pub links: Vec<(ServiceName, String)>,
    /// CPU, memory, pids.
    pub limits: Limits,
    /// rlimits by name (`nofile`).
    pub ulimits: IndexMap<String, Ulimit>,
    /// Kernel parameters of the container's namespaces.
    pub sysctls: IndexMap<String, String>,
    /// Device nodes as `host:container:rwm`.
    pub devices: Vec<String>,
    /// `/dev/shm` size, bytes.
    pub shm_size: Option<u64>,
    /// Adjustment of the OOM killer's score, -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// The profiles the service belongs to.
    pub profiles: Vec<String>,
    /// Whether `up` shows its logs.
    pub attach: bool,
    /// When the image may be fetched.
    pub pull_policy: Option<String>,
    /// How old it may get where the policy is `refresh`.
    pub pull_refresh_after: Option<Duration>,
    /// Platform asked for, `os/arch[/variant]`.
    pub platform: Option<String>,
    /// Namespaces, control group and devices.
    pub kernel: Kernel,
    /// MAC address on its first network.
    pub mac_address: Option<String>,
    /// Containers of others, by name, and how they are called here.
    pub external_links: Vec<(String, String)>,
    /// Whose volumes are mounted, too.
    pub volumes_from: Vec<VolumesFrom>,
    /// Hooks, logging, updates.
    pub life: Life,
}

impl Service {
    /// How old the image may get before it is fetched again: `daily`, `weekly`, `every_12h`; `refresh` = as old as
    /// `pull_refresh_after` says, or at once.
    pub fn refresh_after(&self) -> Option<Duration> {
        const DAY: Duration = Duration::from_secs(86_400);
        match self.pull_policy.as_deref()? {
            "refresh" => Some(self.pull_refresh_after.unwrap_or_default()),
            "daily" => Some(DAY),
            "weekly" => Some(7 * DAY),
            policy => duration(policy.strip_prefix("every_")?).ok(),
        }
    }

    /// A service of which nothing but name and image is written; it belongs to no network yet.
    pub fn new(name: ServiceName, image: impl Into<String>) -> Self {
        Self {
            name,
            image: image.into(),
            command: None,
            entrypoint: None,
            environment: IndexMap::new(),
            container_name: None,
            scale: 1,
            depends_on: IndexMap::new(),
            healthcheck: None,
            restart: Restart::default(),
            network_mode: NetworkMode::Networks,
            networks: IndexMap::new(),
            ports: Vec::new(),
            expose: Vec::new(),
            mounts: Vec::new(),
            secrets: Vec::new(),
            configs: Vec::new(),
            user: None,
            group_add: Vec::new(),
            working_dir: None,
            hostname: None,
            domainname: None,
            init: false,
            tty: false,
            stdin_open: false,
            read_only: false,
            privileged: false,
            cap_add: Vec::new(),
            cap_drop: Vec::new(),
            security_opt: Vec::new(),
            pid: None,
            ipc: None,
            stop_signal: None,
            stop_grace_period: None,
            labels: IndexMap::new(),
            extra_hosts: IndexMap::new(),
            dns: Vec::new(),
            dns_search: Vec::new(),
            dns_opt: Vec::new(),
            links: Vec::new(),
            limits: Limits::default(),
            ulimits: IndexMap::new(),
            sysctls: IndexMap::new(),
            devices: Vec::new(),
            shm_size: None,
            oom_score_adj: None,
            profiles: Vec::new(),
            attach: true,
            pull_policy: None,
            pull_refresh_after: None,
            platform: None,
            kernel: Kernel::default(),
            mac_address: None,
            external_links: Vec::new(),
            volumes_from: Vec::new(),
            life: Life::default(),
        }
    }
}

/// Whose namespace a container uses instead of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceOf {
    /// The host's.
    Host,
    /// That of another service's container.
    Service(ServiceName),
    /// That of any container, by name or id.
    Container(String),
    /// Its own (`ipc: private` or `shareable`).
    Private,
    /// Its own, without shared memory (`ipc: none`).
    Bare,
}

/// One entry of `depends_on`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// What must hold.
    pub condition: Condition,
    /// Whether its failure is an error (otherwise a warning).
    pub required: bool,
    /// Restart this service when the dependency is restarted or recreated by a command.
    pub restart: bool,
}

/// What a dependent waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Condition {
    /// `service_started`
    Started,
    /// `service_healthy`
    Healthy,
    /// `service_completed_successfully`
    Completed,
}

impl Condition {
    /// Its word in a compose file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Started => "service_started",
            Self::Healthy => "service_healthy",
            Self::Completed => "service_completed_successfully",
        }
    }
}

/// `healthcheck:`; every `None` is filled from the image's, then from docker's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Healthcheck {
    /// The probe.
    pub test: Option<HealthTest>,
    /// Time between two probes (30 s).
    pub interval: Option<Duration>,
    /// A probe that takes longer has failed (30 s).
    pub timeout: Option<Duration>,
    /// Consecutive failures that make a container unhealthy (3).
    pub retries: Option<u32>,
    /// Failures within this time after the start do not count (0 s).
    pub start_period: Option<Duration>,
    /// Time between two probes during the start period (5 s).
    pub start_interval: Option<Duration>,
}

/// What a probe runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthTest {
    /// `HTTP`, `TCP`, `LOG`: made by hoist itself.
    Native(NativeTest),
    /// `NONE` or `disable: true`.
    Disabled,
    /// `CMD`: argument vector.
    Command(Vec<String>),
    /// `CMD-SHELL`: text for the container's `/bin/sh -c`.
    Shell(String),
}

/// When to start a container again after it exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restart {
    /// The rule.
    pub policy: RestartPolicy,
    /// At most this many times in a row; `None` = without end.
    pub max_attempts: Option<u32>,
    /// Fixed time before each restart; `None` = docker's back-off.
    pub delay: Option<Duration>,
    /// A run longer than this counts as a success; `None` = docker's 10 s.
    pub window: Option<Duration>,
}

/// `restart:`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// After every exit.
    Always,
    /// After every exit, unless a user stopped it.
    UnlessStopped,
    /// After a non-zero exit.
    OnFailure,
}
