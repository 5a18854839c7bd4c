//! Flags of the verbs that look, and of those about hoist itself.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `ps`
#[derive(Debug, Args)]
pub struct Ps {
    /// Services (default: all)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Show stopped containers, too
    #[arg(short, long)]
    pub all: bool,
    /// Print only ids
    #[arg(short, long, conflicts_with = "format")]
    pub quiet: bool,
    /// Print the names of services
    #[arg(long = "services", conflicts_with_all = ["format", "quiet"])]
    pub list_services: bool,
    /// Only containers in this state; may be repeated
    #[arg(long, value_name = "STATE")]
    pub status: Vec<Status>,
    /// Only containers with this property: `status=STATE`, `name=TEXT`, `label=KEY[=VALUE]`
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// `table`, `json`, or a template such as `table {{.Name}}\t{{.Status}}`
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
    /// Show containers of services that the file does not have
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", hide_default_value = true, action = clap::ArgAction::Set)]
    pub orphans: bool,
}

/// States that `--status` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum Status {
    Paused,
    Restarting,
    Removing,
    Running,
    Dead,
    Created,
    Exited,
}

/// `logs`
#[derive(Debug, Args)]
pub struct Logs {
    /// Services (default: all)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Keep showing lines as they are written
    #[arg(short, long)]
    pub follow: bool,
    /// Only this many lines from the end of each container's log
    #[arg(short = 'n', long, value_name = "N", value_parser = tail, default_value = "all", hide_default_value = true)]
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
    /// What was kept by `down --keep-logs`
    #[arg(long, conflicts_with = "follow")]
    pub previous: bool,
    /// Only the container with this number
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,
    /// Show lines without colour
    #[arg(long)]
    pub no_color: bool,
    /// Show lines without their container's name
    #[arg(long)]
    pub no_log_prefix: bool,
    /// Show each line as a JSON object: container, service, number, time, stream, line
    #[arg(long)]
    pub json: bool,
}

/// `--tail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Every line.
    All,
    /// The last ones.
    Last(usize),
}

pub(super) fn tail(text: &str) -> Result<Tail, String> {
    match text.parse() {
        Ok(lines) => Ok(Tail::Last(lines)),
        // docker takes every negative number for `all`
        Err(_) if text == "all" || text.parse::<i64>().is_ok_and(|n| n < 0) => Ok(Tail::All),
        Err(_) => Err("must be a number of lines, or `all`".to_owned()),
    }
}

/// `exec`
#[derive(Debug, Args)]
pub struct Exec {
    /// Service
    pub service: String,
    /// Command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
    /// Run in the background
    #[arg(short, long)]
    pub detach: bool,
    /// Set a variable, `KEY=VALUE` or `KEY` for the value here; may be repeated
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub env: Vec<String>,
    /// Number of the container, if there are several
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,
    /// Do not allocate a terminal (default: allocate one if stdin and stdout are one)
    #[arg(short = 'T', long, alias = "no-TTY")]
    pub no_tty: bool,
    /// Allocate a terminal
    #[arg(short, long, hide = true, conflicts_with = "no_tty")]
    pub tty: bool,
    /// Keep stdin open
    #[arg(short, long, hide = true, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set)]
    pub interactive: bool,
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

/// `config`
#[derive(Debug, Args)]
pub struct Config {
    /// Services (default: all)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Form of the output: `yaml` or `json`; of a graph also `dot`, `mermaid` or `svg`
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<ConfigFormat>,
    /// Print the names of services
    #[arg(long = "services", group = "part")]
    pub list_services: bool,
    /// Print the names of volumes
    #[arg(long, group = "part")]
    pub volumes: bool,
    /// Print the names of networks
    #[arg(long, group = "part")]
    pub networks: bool,
    /// Print the models
    #[arg(long, group = "part")]
    pub models: bool,
    /// Print the images
    #[arg(long, group = "part")]
    pub images: bool,
    /// Print the profiles
    #[arg(long, group = "part")]
    pub profiles: bool,
    /// Print the variables of the files, with their defaults
    #[arg(long, group = "part")]
    pub variables: bool,
    /// Print the environment that replaces variables
    #[arg(long, group = "part")]
    pub environment: bool,
    /// Print where a value came from: file and line, variables, overrides (`services.web.image`)
    #[arg(long, group = "part", value_name = "PATH")]
    pub explain: Option<String>,
    /// Draw which service needs which: as a tree, or in the form that `--format` names
    #[arg(long, group = "part")]
    pub graph: bool,
    /// Print the hash of these services' configuration (`*`: all)
    #[arg(long, group = "part", value_name = "SERVICE,…")]
    pub hash: Option<String>,
    /// Only check the file
    #[arg(short, long)]
    pub quiet: bool,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Leave variables as they are written
    #[arg(long)]
    pub no_interpolate: bool,
    /// Leave out what nobody writes: default network, full names
    #[arg(long)]
    pub no_normalize: bool,
    /// Leave paths as they are written
    #[arg(long)]
    pub no_path_resolution: bool,
    /// Do not check what must hold between the parts
    #[arg(long)]
    pub no_consistency: bool,
    /// Leave `env_file` unread
    #[arg(long)]
    pub no_env_resolution: bool,
    /// Replace tags of images by the digests that their registries have now
    #[arg(long)]
    pub resolve_image_digests: bool,
    /// Print an override file with the digests of the images
    #[arg(long)]
    pub lock_image_digests: bool,
}

impl Config {
    /// Whether something about the project is asked for, not the project itself.
    pub fn asks_for_part(&self) -> bool {
        let lists =
            self.list_services || self.volumes || self.networks || self.models || self.images;
        let rest = self.profiles || self.environment || self.graph;
        lists || rest || self.explain.is_some() || self.hash.is_some()
    }

    /// Whether a program reads what is printed.
    pub fn wants_json(&self) -> bool {
        self.format == Some(ConfigFormat::Json)
    }
}

/// `config --format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum ConfigFormat {
    Yaml,
    Json,
    Dot,
    Mermaid,
    Svg,
}

/// `ls`
#[derive(Debug, Args)]
pub struct Ls {
    /// Show projects of which nothing runs, too
    #[arg(short, long)]
    pub all: bool,
    /// Print only names
    #[arg(short, long)]
    pub quiet: bool,
    /// Only projects with this property: `name=TEXT`
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// `table` or `json`
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    pub format: String,
}

/// `port`
#[derive(Debug, Args)]
pub struct Port {
    /// Service
    pub service: String,
    /// Port inside the container
    pub private_port: u16,
    /// Number of the container, if there are several
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,
    /// `tcp` or `udp`
    #[arg(long, default_value = "tcp", value_parser = ["tcp", "udp"])]
    pub protocol: String,
}

/// `version`
#[derive(Debug, Args)]
pub struct Version {
    /// Print only the number
    #[arg(long)]
    pub short: bool,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "pretty")]
    pub format: VersionFormat,
}

/// `version --format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum VersionFormat {
    Pretty,
    Json,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// Write what was found into a file for a bug report: no variables, no files of yours
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
}

/// `completion`
#[derive(Debug, Args)]
pub struct Completion {
    /// Shell
    pub shell: Shell,
}

/// Shells that completions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// `man`
#[derive(Debug, Args)]
pub struct Man {
    /// Folder for the pages; made if it does not exist
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}
