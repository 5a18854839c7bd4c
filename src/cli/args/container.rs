//! Flags of `container`: single containers, of projects and of their own.

use super::inspect::Tail;
use super::lifecycle::seconds;
use super::make::Make;
use super::resources::{Inspect, Names, Prune};
use super::single::{Copying, Joining};
use clap::{Args, Subcommand};
use std::time::Duration;

/// `container`
#[derive(Debug, Subcommand)]
pub enum Container {
    /// Create and start a container from an image
    Run(Box<RunContainer>),
    /// Create a container from an image
    Create(Box<CreateContainer>),
    /// List containers
    #[command(aliases = ["list", "ps"])]
    Ls(ListContainers),
    /// Start containers
    Start(Names),
    /// Stop containers
    Stop(Stop),
    /// Stop containers and start them again
    Restart(Stop),
    /// Send a signal to containers
    Kill(Kill),
    /// Freeze containers
    Pause(Names),
    /// Let frozen containers go on
    Unpause(Names),
    /// Remove containers
    #[command(alias = "remove")]
    Rm(Remove),
    /// Block until containers have ended, and print their exit codes
    Wait(Names),
    /// Show what a container wrote
    Logs(Logs),
    /// Run a command in a running container
    Exec(Exec),
    /// Attach stdin, stdout and stderr to a running container
    Attach(Attach),
    /// Copy files between a container and here
    Cp(Copy),
    /// Print where a container's ports are published
    Port(Port),
    /// Show all that is known of containers
    Inspect(Inspect),
    /// Show the processes of a container
    Top(One),
    /// Remove containers that have ended
    Prune(Prune),
}

/// `container run`
#[derive(Debug, Args)]
pub struct RunContainer {
    /// What it is made of.
    #[command(flatten)]
    pub make: Make,
    /// Run in the background and print the container's id
    #[arg(short, long)]
    pub detach: bool,
    /// Keys that leave the container running
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<String>,
    /// Show only `stdout` or `stderr`, or pass only `stdin` on; may be repeated
    #[arg(short, long, value_name = "STREAM", conflicts_with = "detach")]
    pub attach: Vec<AttachTo>,
    /// Pass signals on to the container
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true",
        action = clap::ArgAction::Set, value_name = "BOOL")]
    pub sig_proxy: bool,
}

/// `--attach`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AttachTo {
    /// What we are given
    Stdin,
    /// What it prints
    Stdout,
    /// What it prints of mistakes
    Stderr,
}

/// `container create`
#[derive(Debug, Args)]
pub struct CreateContainer {
    /// What it is made of.
    #[command(flatten)]
    pub make: Make,
}

/// `container ls`
#[derive(Debug, Args)]
pub struct ListContainers {
    /// Show those that do not run, too
    #[arg(short, long)]
    pub all: bool,
    /// Only with this property: `status=STATE`, `name=TEXT`, `label=KEY[=VALUE]`; may be repeated
    #[arg(short = 'f', long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// Only so many, the newest first, whether they run or not
    #[arg(short = 'n', long, value_name = "N")]
    pub last: Option<usize>,
    /// Only the newest, whether it runs or not
    #[arg(short, long, conflicts_with = "last")]
    pub latest: bool,
    /// Print only ids
    #[arg(short, long, conflicts_with = "format")]
    pub quiet: bool,
    /// `table`, `json`, or a template such as `{{.Names}}`
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    pub format: String,
    /// Do not cut long texts
    #[arg(long)]
    pub no_trunc: bool,
}

/// `container stop` and `restart`
#[derive(Debug, Args)]
pub struct Stop {
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    pub names: Vec<String>,
    /// Time to stop before the kill
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
}

/// `container kill`
#[derive(Debug, Args)]
pub struct Kill {
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    pub names: Vec<String>,
    /// Signal to send, name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "SIGKILL")]
    pub signal: String,
}

/// `container rm`
#[derive(Debug, Args)]
pub struct Remove {
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    pub names: Vec<String>,
    /// Stop what runs first
    #[arg(short, long)]
    pub force: bool,
    /// Remove anonymous volumes, too
    #[arg(short = 'v', long)]
    pub volumes: bool,
}

/// `container logs`
#[derive(Debug, Args)]
pub struct Logs {
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    pub name: String,
    /// Keep showing lines as they are written
    #[arg(short, long)]
    pub follow: bool,
    /// Only this many lines from the end
    #[arg(short = 'n', long, value_name = "N", value_parser = super::inspect::tail, default_value = "all", hide_default_value = true)]
    pub tail: Tail,
    /// Show when each line was written
    #[arg(short, long)]
    pub timestamps: bool,
    /// Only lines since a time (`2026-01-02T13:23:37Z`) or for the last while (`42m`)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only lines before a time (`2026-01-02T13:23:37Z`) or a while ago (`42m`)
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// `container exec`
#[derive(Debug, Args)]
pub struct Exec {
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    pub name: String,
    /// Command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
    /// Run in the background
    #[arg(short, long)]
    pub detach: bool,
    /// Keep stdin open
    #[arg(short, long)]
    pub interactive: bool,
    /// Allocate a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Set a variable; may be repeated
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub env: Vec<String>,
    /// Run as this user
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Run in this folder
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Run with all capabilities
    #[arg(long)]
    pub privileged: bool,
}

/// `container attach`
#[derive(Debug, Args)]
pub struct Attach {
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    pub name: String,
    /// How.
    #[command(flatten)]
    pub joining: Joining,
}

/// `container cp`
#[derive(Debug, Args)]
#[command(
    override_usage = "hoist container cp [OPTIONS] CONTAINER:SOURCE TARGET|-\n       hoist container cp [OPTIONS] SOURCE|- CONTAINER:TARGET"
)]
pub struct Copy {
    /// What to copy: `CONTAINER:PATH`, a path here, or `-` for a tar archive from stdin
    pub source: String,
    /// Where to: `CONTAINER:PATH`, a path here, or `-` for a tar archive to stdout
    pub target: String,
    /// How.
    #[command(flatten)]
    pub how: Copying,
}

/// `container port`
#[derive(Debug, Args)]
pub struct Port {
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    pub name: String,
    /// Only where this port of the container is
    #[arg(value_name = "PORT[/PROTOCOL]")]
    pub port: Option<String>,
}

/// One container.
#[derive(Debug, Args)]
pub struct One {
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    pub name: String,
}
