//! Flags of the verbs that watch what runs.

use crate::id::ServiceName;
use clap::Args;
use std::path::PathBuf;

/// `stats`
#[derive(Debug, Args)]
pub struct Stats {
    /// Services (default: all)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Show containers that do not run, too
    #[arg(short, long)]
    pub all: bool,
    /// `table`, `json`, or a template such as `{{.Name}} {{.CPUPerc}}`
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    pub format: String,
    /// Print once instead of again and again
    #[arg(long)]
    pub no_stream: bool,
    /// Do not cut ids
    #[arg(long)]
    pub no_trunc: bool,
}

/// `dash`
#[derive(Debug, Args)]
pub struct Dash {
    /// Show all projects, not only the one here
    #[arg(short, long)]
    pub all: bool,
}

/// `timings`
#[derive(Debug, Args)]
pub struct Timings {
    /// Where to write the page; `-` is stdout
    #[arg(short, long, value_name = "FILE", default_value = "hoist-timings.html")]
    pub output: PathBuf,
}

/// `events`
#[derive(Debug, Args)]
pub struct Events {
    /// Services (default: all)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Print a JSON object an event
    #[arg(long)]
    pub json: bool,
    /// Begin with events since a time (`2026-01-02T13:23:37Z`) or of the last while (`42m`)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// End at a time, or after a while ago (`42m`)
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// `watch`
#[derive(Debug, Args)]
pub struct Watch {
    /// Services (default: all that say what to watch)
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Do not bring the services up first
    #[arg(long)]
    pub no_up: bool,
    /// Print only what goes wrong
    #[arg(long)]
    pub quiet: bool,
    /// Remove images that nothing names after a rebuild
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", hide_default_value = true, action = clap::ArgAction::Set)]
    pub prune: bool,
}

/// `volumes`
#[derive(Debug, Args)]
pub struct Volumes {
    /// Only volumes that these services mount
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Print only names
    #[arg(short, long, conflicts_with = "format")]
    pub quiet: bool,
    /// `table`, `json`, or a template such as `{{.Name}}`
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    pub format: String,
}

/// `viz`
#[derive(Debug, Args)]
pub struct Viz {
    /// Show the services' images
    #[arg(long)]
    pub image: bool,
    /// Show the services' networks
    #[arg(long)]
    pub networks: bool,
    /// Show the services' ports
    #[arg(long)]
    pub ports: bool,
    /// Spaces or tabs of an indentation
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub indentation_size: usize,
    /// Indent with spaces instead of tabs
    #[arg(long)]
    pub spaces: bool,
}
