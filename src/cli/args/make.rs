//! What a single container is made of, in the words of `docker run`.

use super::lifecycle::seconds;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// What a container is made of.
#[derive(Debug, Args)]
pub struct Make {
    /// Image
    pub image: String,
    /// Command and its arguments, instead of the image's
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
    /// Project of the container; it has one of its own.
    #[arg(
        id = "project_name",
        long = "project-name",
        value_name = "NAME",
        hide = true
    )]
    pub project_name: Option<String>,
    /// Name the container (default: made from the image)
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Write the container's id into this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<PathBuf>,
    /// Set a variable, `KEY=VALUE` or `KEY` for the value here; may be repeated
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub env: Vec<String>,
    /// Set the variables of a file; may be repeated
    #[arg(id = "env_file", long = "env-file", value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Run as this user
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Another group of the user; may be repeated
    #[arg(long, value_name = "GROUP")]
    pub group_add: Vec<String>,
    /// Run in this folder
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Replace the entrypoint
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,
    /// Run an init as its first process
    #[arg(long)]
    pub init: bool,
    /// Keep stdin open
    #[arg(short, long)]
    pub interactive: bool,
    /// Allocate a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Set a label; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Set the labels of a file; may be repeated
    #[arg(long, value_name = "FILE")]
    pub label_file: Vec<String>,
    /// Annotation for the runtime; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub annotation: Vec<String>,
    /// When it is started again: `no`, `always`, `on-failure[:N]`, `unless-stopped`
    #[arg(long, value_name = "POLICY")]
    pub restart: Option<String>,
    /// Remove the container when it has ended
    #[arg(long = "rm", conflicts_with = "restart")]
    pub remove: bool,
    /// Signal that stops it
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Time to stop before the kill
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub stop_timeout: Option<Duration>,
    /// What keeps its output: `json-file`, `local`, `journald`, `syslog`, `none`
    #[arg(long, value_name = "DRIVER")]
    pub log_driver: Option<String>,
    /// Option of what keeps its output; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub log_opt: Vec<(String, String)>,
    /// Run the image's variant for this platform, `OS/ARCH[/VARIANT]`
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
    /// When the image is fetched from its registry
    #[arg(long, value_name = "WHEN")]
    pub pull: Option<Pull>,
    /// Fetch the image without progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Runtime; there is one
    #[arg(long, value_name = "NAME", hide = true)]
    pub runtime: Option<String>,
    /// Files and devices.
    #[command(flatten)]
    pub files: Files,
    /// Networks.
    #[command(flatten)]
    pub net: Net,
    /// How much it may use.
    #[command(flatten)]
    pub limits: Limits,
    /// What it may do and see.
    #[command(flatten)]
    pub isolation: Isolation,
    /// Its health check.
    #[command(flatten)]
    pub health: Health,
}

/// `--pull`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pull {
    /// Each time
    Always,
    /// If it is not here
    Missing,
    /// Not at all
    Never,
}

impl Pull {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Missing => "missing",
            Self::Never => "never",
        }
    }
}

/// Files and devices.
#[derive(Debug, Args)]
#[command(next_help_heading = "Files and devices")]
pub struct Files {
    /// Mount a volume or a folder of the host; may be repeated
    #[arg(short, long, value_name = "SOURCE:TARGET[:MODE]")]
    pub volume: Vec<String>,
    /// Mount something, `type=bind|volume|tmpfs|image,source=…,target=…[,readonly][,…]`; may be repeated
    #[arg(long, value_name = "KEY=VALUE,…")]
    pub mount: Vec<String>,
    /// Mount a tmpfs; may be repeated
    #[arg(long, value_name = "TARGET")]
    pub tmpfs: Vec<String>,
    /// Mount what another container has mounted; may be repeated
    #[arg(long, value_name = "CONTAINER[:ro]")]
    pub volumes_from: Vec<String>,
    /// Driver of volumes that are made; there is `local`
    #[arg(long, value_name = "DRIVER", value_parser = ["local"], hide = true)]
    pub volume_driver: Option<String>,
    /// Mount the root filesystem read-only
    #[arg(long)]
    pub read_only: bool,
    /// Size of `/dev/shm`, such as `128m`
    #[arg(long, value_name = "BYTES")]
    pub shm_size: Option<String>,
    /// Option of the root filesystem, `size=BYTES`
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub storage_opt: Vec<(String, String)>,
    /// Device of the host, or of a CDI file; may be repeated
    #[arg(long, value_name = "HOST[:INSIDE[:rwm]]")]
    pub device: Vec<String>,
    /// Allow a class of devices, such as `c 13:* rwm`; may be repeated
    #[arg(long, value_name = "RULE")]
    pub device_cgroup_rule: Vec<String>,
    /// GPUs: `all`, a number, or `device=ID,…`
    #[arg(long, value_name = "GPUS")]
    pub gpus: Option<String>,
}

/// Networks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub struct Net {
    /// Network: `host`, `none`, `container:NAME`, or the name of one that is there; may be repeated
    #[arg(long, alias = "net", value_name = "NETWORK")]
    pub network: Vec<String>,
    /// Another name in the network; may be repeated
    #[arg(long, alias = "net-alias", value_name = "NAME")]
    pub network_alias: Vec<String>,
    /// IPv4 address in the network
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<String>,
    /// IPv6 address in the network
    #[arg(long, value_name = "ADDRESS")]
    pub ip6: Option<String>,
    /// Link-local address in the network; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub link_local_ip: Vec<String>,
    /// Hardware address in the network
    #[arg(long, value_name = "ADDRESS")]
    pub mac_address: Option<String>,
    /// Publish a port; may be repeated
    #[arg(short, long, value_name = "[HOST:]CONTAINER")]
    pub publish: Vec<String>,
    /// Publish every port that the image or `--expose` names, on a free one
    #[arg(short = 'P', long)]
    pub publish_all: bool,
    /// Port that others in the network may use; may be repeated
    #[arg(long, value_name = "PORT[/PROTOCOL]")]
    pub expose: Vec<String>,
    /// Name of the machine inside
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Name of the domain inside
    #[arg(long, value_name = "NAME")]
    pub domainname: Option<String>,
    /// Line of `/etc/hosts`; may be repeated
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub add_host: Vec<String>,
    /// DNS server; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<String>,
    /// Option of `/etc/resolv.conf`; may be repeated
    #[arg(long, alias = "dns-opt", value_name = "OPTION")]
    pub dns_option: Vec<String>,
    /// Domain in which names are looked up; may be repeated
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Vec<String>,
    /// Call another container by this name; may be repeated
    #[arg(long, value_name = "CONTAINER[:NAME]")]
    pub link: Vec<String>,
}

/// How much it may use.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// CPUs it may use
    #[arg(long, value_name = "N")]
    pub cpus: Option<String>,
    /// Share of the CPUs where others want them, too (default: 1024)
    #[arg(short, long, value_name = "N")]
    pub cpu_shares: Option<u64>,
    /// Length of a period, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_period: Option<u64>,
    /// CPU time in a period, in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    pub cpu_quota: Option<i64>,
    /// Length of a real-time period, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_rt_period: Option<u64>,
    /// Real-time in such a period, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_rt_runtime: Option<u64>,
    /// CPUs it runs on, such as `0-2,4`
    #[arg(long, value_name = "CPUS")]
    pub cpuset_cpus: Option<String>,
    /// Memory it may use, such as `512m`
    #[arg(short, long, value_name = "BYTES")]
    pub memory: Option<String>,
    /// Memory it keeps when there is little
    #[arg(long, value_name = "BYTES")]
    pub memory_reservation: Option<String>,
    /// Memory and swap together; -1 for no limit
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub memory_swap: Option<String>,
    /// How readily it is swapped out, 0 to 100
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub memory_swappiness: Option<i64>,
    /// Do not kill it when it is out of memory
    #[arg(long)]
    pub oom_kill_disable: bool,
    /// How readily it is killed when the machine is out of memory, -1000 to 1000
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub oom_score_adj: Option<i64>,
    /// Processes and threads it may have; -1 for no limit
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub pids_limit: Option<i64>,
    /// Limit of a process, such as `nofile=1024:2048`; may be repeated
    #[arg(long, value_name = "NAME=SOFT[:HARD]", value_parser = ulimit)]
    pub ulimit: Vec<(String, i64, i64)>,
    /// Share of the disks, 10 to 1000
    #[arg(long, value_name = "N")]
    pub blkio_weight: Option<u64>,
    /// Share of one disk; may be repeated
    #[arg(long, value_name = "DEVICE:N", value_parser = of_device)]
    pub blkio_weight_device: Vec<(String, String)>,
    /// Bytes a second that are read from a disk; may be repeated
    #[arg(long, value_name = "DEVICE:BYTES", value_parser = of_device)]
    pub device_read_bps: Vec<(String, String)>,
    /// Reads a second from a disk; may be repeated
    #[arg(long, value_name = "DEVICE:N", value_parser = of_device)]
    pub device_read_iops: Vec<(String, String)>,
    /// Bytes a second that are written to a disk; may be repeated
    #[arg(long, value_name = "DEVICE:BYTES", value_parser = of_device)]
    pub device_write_bps: Vec<(String, String)>,
    /// Writes a second to a disk; may be repeated
    #[arg(long, value_name = "DEVICE:N", value_parser = of_device)]
    pub device_write_iops: Vec<(String, String)>,
    /// Control group that the container's is made in
    #[arg(long, value_name = "GROUP")]
    pub cgroup_parent: Option<String>,
}

/// What it may do and see.
#[derive(Debug, Args)]
#[command(next_help_heading = "Isolation")]
pub struct Isolation {
    /// Allow everything
    #[arg(long)]
    pub privileged: bool,
    /// Add a capability; may be repeated
    #[arg(long, value_name = "CAP")]
    pub cap_add: Vec<String>,
    /// Drop a capability; may be repeated
    #[arg(long, value_name = "CAP")]
    pub cap_drop: Vec<String>,
    /// `seccomp=FILE|unconfined`, `no-new-privileges`, `apparmor=PROFILE`, `label=…`, `systempaths=unconfined`
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Processes that it sees: `host`, `container:NAME`
    #[arg(long, value_name = "MODE")]
    pub pid: Option<String>,
    /// Shared memory that it sees: `host`, `private`, `shareable`, `none`, `container:NAME`
    #[arg(long, value_name = "MODE")]
    pub ipc: Option<String>,
    /// Host name that it sees: `host`
    #[arg(long, value_name = "MODE")]
    pub uts: Option<String>,
    /// Users that it sees: `host`
    #[arg(long, value_name = "MODE")]
    pub userns: Option<String>,
    /// Control groups that it sees: `host`, `private`
    #[arg(long, value_name = "MODE")]
    pub cgroupns: Option<String>,
    /// Kernel setting inside; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub sysctl: Vec<String>,
}

/// Its health check.
#[derive(Debug, Args)]
#[command(next_help_heading = "Health")]
pub struct Health {
    /// Command that tells whether it is healthy
    #[arg(long, value_name = "COMMAND")]
    pub health_cmd: Option<String>,
    /// Time between two checks, such as `30s`
    #[arg(long, value_name = "DURATION")]
    pub health_interval: Option<String>,
    /// Failures in a row that make it unhealthy
    #[arg(long, value_name = "N")]
    pub health_retries: Option<u64>,
    /// Time to start, in which failures do not count
    #[arg(long, value_name = "DURATION")]
    pub health_start_period: Option<String>,
    /// Time between two checks while it starts
    #[arg(long, value_name = "DURATION")]
    pub health_start_interval: Option<String>,
    /// Time that a check may take
    #[arg(long, value_name = "DURATION")]
    pub health_timeout: Option<String>,
    /// Leave the image's check out
    #[arg(long, conflicts_with_all = ["health_cmd", "health_interval", "health_retries", "health_start_period",
        "health_start_interval", "health_timeout"])]
    pub no_healthcheck: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn of_device(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once(':') {
        Some((device, value)) if device.starts_with('/') => {
            Ok((device.to_owned(), value.to_owned()))
        }
        _ => Err("must be DEVICE:VALUE, as in `/dev/sda:1mb`".to_owned()),
    }
}

fn ulimit(text: &str) -> Result<(String, i64, i64), String> {
    let number = |text: &str| match text {
        "unlimited" => Ok(-1),
        text => text
            .parse()
            .map_err(|_| format!("`{text}` is neither a number nor `unlimited`")),
    };
    let (name, value) = text
        .split_once('=')
        .ok_or("must be NAME=SOFT[:HARD], as in `nofile=1024:2048`")?;
    let (soft, hard) = value.split_once(':').unwrap_or((value, value));
    Ok((name.to_owned(), number(soft)?, number(hard)?))
}
