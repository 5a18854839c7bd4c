//! Flags of the verbs about one container.

use super::lifecycle::PullWhen;
use clap::Args;
use std::path::PathBuf;

/// `run`
#[derive(Debug, Args)]
pub struct Run {
    /// Service
    pub service: String,
    /// Command and its arguments, instead of the service's
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
    /// Project name. It stands in for the flag of every command, whose letter is another one's here.
    #[arg(
        id = "project_name",
        long = "project-name",
        value_name = "NAME",
        hide = true
    )]
    pub project_name: Option<String>,
    /// Run in the background and print the container's id
    #[arg(short, long)]
    pub detach: bool,
    /// Remove the container, with its anonymous volumes, when it has ended
    #[arg(long = "rm")]
    pub remove: bool,
    /// Set a variable, `KEY=VALUE` or `KEY` for the value here; may be repeated
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub env: Vec<String>,
    /// Set the variables of a file; may be repeated
    #[arg(long, value_name = "FILE")]
    pub env_from_file: Vec<PathBuf>,
    /// Replace the entrypoint; without a COMMAND, the image's command is left out
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,
    /// Run as this user
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Run in this folder
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Mount a volume or a folder of the host; may be repeated
    #[arg(short, long, value_name = "SOURCE:TARGET[:MODE]")]
    pub volume: Vec<String>,
    /// Publish a port; may be repeated
    #[arg(
        short,
        long,
        value_name = "[HOST:]CONTAINER",
        conflicts_with = "service_ports"
    )]
    pub publish: Vec<String>,
    /// Publish the ports of the service
    #[arg(short = 'P', long)]
    pub service_ports: bool,
    /// Answer to the names of the service in its networks
    #[arg(long)]
    pub use_aliases: bool,
    /// Name the container
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Add or replace a label; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Add a capability; may be repeated
    #[arg(long, value_name = "CAP")]
    pub cap_add: Vec<String>,
    /// Drop a capability; may be repeated
    #[arg(long, value_name = "CAP")]
    pub cap_drop: Vec<String>,
    /// Leave the services that it depends on alone
    #[arg(long)]
    pub no_deps: bool,
    /// Remove containers of services that the file does not have
    #[arg(long)]
    pub remove_orphans: bool,
    /// Do not allocate a terminal (default: allocate one if stdin and stdout are one)
    #[arg(short = 'T', long, alias = "no-TTY")]
    pub no_tty: bool,
    /// Allocate a terminal
    #[arg(short, long, hide = true, conflicts_with = "no_tty")]
    pub tty: bool,
    /// Keep stdin open
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", hide_default_value = true, action = clap::ArgAction::Set)]
    pub interactive: bool,
    /// Print nothing but what the container writes
    #[arg(short, long)]
    pub quiet: bool,
    /// When images are fetched
    #[arg(long, value_name = "WHEN")]
    pub pull: Option<PullWhen>,
    /// Fetch without progress
    #[arg(long)]
    pub quiet_pull: bool,
    /// Build without progress
    #[arg(long)]
    pub quiet_build: bool,
    /// Build the image first
    #[arg(long)]
    pub build: bool,
}

/// `attach`
#[derive(Debug, Args)]
pub struct Attach {
    /// Service
    pub service: String,
    /// Number of the container, if there are several
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,
    /// How.
    #[command(flatten)]
    pub joining: Joining,
}

/// How to attach.
#[derive(Debug, Args)]
pub struct Joining {
    /// Keys that leave the container running, such as `ctrl-p,ctrl-q`
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<String>,
    /// Do not attach stdin
    #[arg(long)]
    pub no_stdin: bool,
    /// Pass signals on to the container; without it they end `attach` alone
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set)]
    pub sig_proxy: bool,
}

/// How to copy.
#[derive(Debug, Args)]
pub struct Copying {
    /// Keep user and group of what is copied
    #[arg(short, long)]
    pub archive: bool,
    /// Copy what the source, if it is a symbolic link, points to
    #[arg(short = 'L', long)]
    pub follow_link: bool,
}

/// `cp`
#[derive(Debug, Args)]
#[command(
    override_usage = "hoist cp [OPTIONS] SERVICE:SOURCE TARGET|-\n       hoist cp [OPTIONS] SOURCE|- SERVICE:TARGET"
)]
pub struct Cp {
    /// What to copy: `SERVICE:PATH`, a path here, or `-` for a tar archive from stdin
    pub source: String,
    /// Where to: `SERVICE:PATH`, a path here, or `-` for a tar archive to stdout
    pub target: String,
    /// How.
    #[command(flatten)]
    pub how: Copying,
    /// Number of the container, if there are several
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,
    /// Copy to containers that `run` made, too
    #[arg(long)]
    pub all: bool,
}
