//! Flags of the verbs that change what runs.

use crate::id::ServiceName;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// `up`
#[derive(Debug, Args)]
pub struct Up {
    /// Services to bring up, with what they depend on (default: all)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Run in the background
    #[arg(short, long, conflicts_with_all = ["abort_on_container_exit", "abort_on_container_failure", "exit_code_from", "attach", "attach_dependencies"])]
    pub detach: bool,
    /// Wait until services are running or, with a health check, healthy; implies -d
    #[arg(long, conflicts_with_all = ["abort_on_container_exit", "abort_on_container_failure", "exit_code_from", "no_start"])]
    pub wait: bool,
    /// Give up waiting after this long
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub wait_timeout: Option<Duration>,
    /// Number of containers of a service, over the file's `scale`
    #[arg(long, value_name = "SERVICE=N", value_parser = scale)]
    pub scale: Vec<(ServiceName, u32)>,
    /// Recreate containers even if nothing about them has changed
    #[arg(long, conflicts_with = "no_recreate")]
    pub force_recreate: bool,
    /// Never recreate a container that exists
    #[arg(long, conflicts_with_all = ["always_recreate_deps", "renew_anon_volumes"])]
    pub no_recreate: bool,
    /// Recreate the containers that named services depend on, too
    #[arg(long)]
    pub always_recreate_deps: bool,
    /// Remove containers of services that the file does not have
    #[arg(long)]
    pub remove_orphans: bool,
    /// Leave the services that named ones depend on alone
    #[arg(long)]
    pub no_deps: bool,
    /// Create containers, do not start them
    #[arg(long)]
    pub no_start: bool,
    /// Give recreated containers new anonymous volumes
    #[arg(short = 'V', long)]
    pub renew_anon_volumes: bool,
    /// Time to stop before the kill, over the file's `stop_grace_period`
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// Show when each line was written
    #[arg(long)]
    pub timestamps: bool,
    /// Show lines without their container's name
    #[arg(long)]
    pub no_log_prefix: bool,
    /// Show lines without colour
    #[arg(long)]
    pub no_color: bool,
    /// Show only this service's lines; may be repeated
    #[arg(long, value_name = "SERVICE", conflicts_with = "attach_dependencies")]
    pub attach: Vec<ServiceName>,
    /// Do not show this service's lines; may be repeated
    #[arg(long, value_name = "SERVICE")]
    pub no_attach: Vec<ServiceName>,
    /// Show the lines of what named services depend on, too
    #[arg(long)]
    pub attach_dependencies: bool,
    /// Stop everything once a container has stopped
    #[arg(long, conflicts_with = "abort_on_container_failure")]
    pub abort_on_container_exit: bool,
    /// Stop everything once a container has failed
    #[arg(long)]
    pub abort_on_container_failure: bool,
    /// Exit with the code of this service; implies --abort-on-container-exit
    #[arg(long, value_name = "SERVICE")]
    pub exit_code_from: Option<ServiceName>,
    /// Answer every question with yes
    #[arg(short, long)]
    pub yes: bool,
    /// When images are fetched from registries, over the file's `pull_policy`
    #[arg(long, value_name = "WHEN")]
    pub pull: Option<PullWhen>,
    /// Do not build images
    #[arg(long)]
    pub no_build: bool,
    /// Only images that compose.lock names, exactly
    #[arg(long, conflicts_with = "pull")]
    pub locked: bool,
    /// As --locked, and nothing from registries: what is not here comes from the layout that `vendor` made
    #[arg(long, conflicts_with = "pull")]
    pub offline: bool,
    /// Fetch images without progress
    #[arg(long)]
    pub quiet_pull: bool,
    /// Build without progress
    #[arg(long)]
    pub quiet_build: bool,
    /// Build images first
    #[arg(long)]
    pub build: bool,
    /// Bring what changes here into the containers
    #[arg(short, long, conflicts_with_all = ["detach", "wait", "no_start"])]
    pub watch: bool,
    /// Write a page that shows where the time went
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "hoist-timings.html")]
    pub timings: Option<PathBuf>,
    /// Listen to keys while attached (default on a terminal)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub menu: Option<bool>,
}

/// `--pull`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PullWhen {
    /// What the file says
    Policy,
    /// If it is not in the store
    Missing,
    /// Never
    Never,
    /// Always; what is here and the same is not fetched again
    Always,
}

impl PullWhen {
    /// The word that is to hold instead of the file's, if any.
    pub fn policy(self) -> Option<&'static str> {
        match self {
            Self::Policy => None,
            Self::Missing => Some("missing"),
            Self::Never => Some("never"),
            Self::Always => Some("always"),
        }
    }
}

/// `down`
#[derive(Debug, Args)]
pub struct Down {
    /// Services to take down (default: all, and networks)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Remove named volumes of the file and anonymous volumes
    #[arg(short, long)]
    pub volumes: bool,
    /// Time to stop before the kill
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// Remove containers of services that the file does not have
    #[arg(long)]
    pub remove_orphans: bool,
    /// Keep what the containers have written, for `logs --previous`; `down -v` forgets it
    #[arg(long)]
    pub keep_logs: bool,
    /// Remove the images of the services: `local` those without a name of their own, `all` every one
    #[arg(long, value_name = "WHICH")]
    pub rmi: Option<RemoveImages>,
}

/// `create`
#[derive(Debug, Args)]
pub struct Create {
    /// Services to create, with what they depend on (default: all)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Recreate containers even if nothing about them has changed
    #[arg(long, conflicts_with = "no_recreate")]
    pub force_recreate: bool,
    /// Never recreate a container that exists
    #[arg(long)]
    pub no_recreate: bool,
    /// Remove containers of services that the file does not have
    #[arg(long)]
    pub remove_orphans: bool,
    /// Number of containers of a service, over the file's `scale`
    #[arg(long, value_name = "SERVICE=N", value_parser = scale)]
    pub scale: Vec<(ServiceName, u32)>,
    /// When images are fetched
    #[arg(long, value_name = "WHEN")]
    pub pull: Option<PullWhen>,
    /// Fetch without progress
    #[arg(long)]
    pub quiet_pull: bool,
    /// Build images first
    #[arg(long, conflicts_with = "no_build")]
    pub build: bool,
    /// Do not build images
    #[arg(long)]
    pub no_build: bool,
    /// Answer every question with yes
    #[arg(short, long)]
    pub yes: bool,
}

/// `scale`
#[derive(Debug, Args)]
pub struct Scale {
    /// How many containers each service shall have
    #[arg(value_name = "SERVICE=N", value_parser = scale, required = true)]
    pub scale: Vec<(ServiceName, u32)>,
    /// Leave the services that they depend on alone
    #[arg(long)]
    pub no_deps: bool,
}

/// `pause`, `unpause` and `top`
#[derive(Debug, Args)]
pub struct Services {
    /// Services (default: all)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
}

/// `--rmi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RemoveImages {
    /// Those built here without a name of their own
    Local,
    /// Every image of the services
    All,
}

/// `stop`
#[derive(Debug, Args)]
pub struct Stop {
    /// Services (default: all)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Time to stop before the kill
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
}

/// `start`
#[derive(Debug, Args)]
pub struct Start {
    /// Services (default: all)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Wait until services are running or, with a health check, healthy
    #[arg(long)]
    pub wait: bool,
    /// Give up waiting after this long
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub wait_timeout: Option<Duration>,
}

/// `restart`
#[derive(Debug, Args)]
pub struct Restart {
    /// Services (default: all)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Leave services that depend on them alone
    #[arg(long)]
    pub no_deps: bool,
    /// Time to stop before the kill
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
}

/// `kill`
#[derive(Debug, Args)]
pub struct Kill {
    /// Services (default: all)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Signal to send, name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "SIGKILL")]
    pub signal: String,
    /// Kill containers of services that the file does not have, too
    #[arg(long)]
    pub remove_orphans: bool,
}

/// `rm`
#[derive(Debug, Args)]
pub struct Rm {
    /// Services (default: all)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
    /// Stop running containers first
    #[arg(short, long)]
    pub stop: bool,
    /// Remove anonymous volumes, too
    #[arg(short = 'v', long)]
    pub volumes: bool,
    /// Has no effect: all stopped containers are removed
    #[arg(short, long, hide = true)]
    pub all: bool,
}

/// `wait`
#[derive(Debug, Args)]
pub struct Wait {
    /// Services
    #[arg(value_name = "SERVICE", required = true)]
    pub services: Vec<ServiceName>,
    /// Take the project down once they have stopped
    #[arg(long)]
    pub down_project: bool,
}

/// Longer than anybody waits, and short enough to be added to any time.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Whole seconds, as every `-t` of docker compose counts; what is negative has no end.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<i64>() {
        Ok(seconds) => Ok(u64::try_from(seconds)
            .map_or(FOR_EVER, Duration::from_secs)
            .min(FOR_EVER)),
        Err(_) => Err("must be a whole number of seconds".to_owned()),
    }
}

fn scale(text: &str) -> Result<(ServiceName, u32), String> {
    let (service, count) = text
        .split_once('=')
        .ok_or("must be SERVICE=N, as in `web=3`")?;
    let service = ServiceName::from_str(service).map_err(|error| error.to_string())?;
    match count.parse() {
        Ok(count) => Ok((service, count)),
        Err(_) => Err(format!("`{count}` is not a number of containers")),
    }
}
