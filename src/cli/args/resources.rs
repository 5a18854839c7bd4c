//! Flags of the commands about what the whole installation has: `network`, `volume`, `container`, `project`.

use super::inspect::Ls;
use super::lifecycle::seconds;
use clap::{Args, Subcommand};
use std::time::Duration;

/// `network`
#[derive(Debug, Subcommand)]
pub enum Network {
    /// List networks
    #[command(alias = "list")]
    Ls(List),
    /// Make a network, for projects that name it as `external`
    Create(CreateNetwork),
    /// Show all that is known of networks
    Inspect(Inspect),
    /// Remove networks that no container is on
    #[command(alias = "remove")]
    Rm(Remove),
    /// Remove the networks of projects that have no container
    Prune(Prune),
}

/// `volume`
#[derive(Debug, Subcommand)]
pub enum Volume {
    /// List volumes
    #[command(alias = "list")]
    Ls(List),
    /// Make a volume
    Create(CreateVolume),
    /// Show all that is known of volumes
    Inspect(Inspect),
    /// Remove volumes, with all that is in them
    #[command(alias = "remove")]
    Rm(Remove),
    /// Remove volumes without a name that no container mounts
    Prune(PruneVolumes),
}

/// `project`
#[derive(Debug, Subcommand)]
pub enum Project {
    /// List projects
    #[command(alias = "list")]
    Ls(Ls),
    /// Show all that is known of projects
    Inspect(Inspect),
    /// Take projects down
    #[command(alias = "remove")]
    Rm(RemoveProject),
    /// Take projects down of which nothing runs
    Prune(Prune),
}

/// `ls`
#[derive(Debug, Args)]
pub struct List {
    /// Print only names
    #[arg(short, long, conflicts_with = "format")]
    pub quiet: bool,
    /// Only with this property: `name=TEXT`, `label=KEY[=VALUE]`, `dangling=true`
    #[arg(short = 'f', long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// `table`, `json`, or a template such as `{{.Name}}`
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    pub format: String,
}

/// Names of things.
#[derive(Debug, Args)]
pub struct Names {
    /// Names
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// `inspect`
#[derive(Debug, Args)]
pub struct Inspect {
    /// Names
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// `json`, or a template such as `{{.Name}}`
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// `inspect`, of anything
#[derive(Debug, Args)]
pub struct InspectAny {
    /// Names or ids
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// `json`, or a template such as `{{.Name}}`
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Only things of this kind
    #[arg(long = "type", value_name = "KIND")]
    pub kind: Option<Kind>,
}

/// What there is to inspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
}

impl Kind {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
        }
    }
}

/// `rm`
#[derive(Debug, Args)]
pub struct Remove {
    /// Names
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// One that is not there is no error
    #[arg(short, long)]
    pub force: bool,
}

/// `prune`
#[derive(Debug, Args)]
pub struct Prune {
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
}

/// `volume prune`
#[derive(Debug, Args)]
pub struct PruneVolumes {
    /// Those with a name, too
    #[arg(short, long)]
    pub all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
}

/// `volume create`
#[derive(Debug, Args)]
pub struct CreateVolume {
    /// Name (default: one that nobody has thought of)
    pub name: Option<String>,
    /// Driver; there is `local`
    #[arg(short, long, value_name = "DRIVER", value_parser = ["local"], default_value = "local", hide_default_value = true,
        hide_possible_values = true)]
    pub driver: String,
    /// Set an option of the driver: `type`, `device`, `o`, as `mount` has them; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub opt: Vec<String>,
    /// Set a label; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
}

/// `network create`
#[derive(Debug, Args)]
pub struct CreateNetwork {
    /// Name
    pub name: String,
    /// Driver
    #[arg(short, long, value_name = "DRIVER", default_value = "bridge")]
    pub driver: String,
    /// Without a way to the outside
    #[arg(long)]
    pub internal: bool,
    /// With IPv6 addresses, too
    #[arg(long)]
    pub ipv6: bool,
    /// Addresses of the network (`10.5.0.0/16`); may be repeated
    #[arg(long, value_name = "SUBNET")]
    pub subnet: Vec<String>,
    /// Address of this machine in the subnet at the same place
    #[arg(long, value_name = "ADDRESS", requires = "subnet")]
    pub gateway: Vec<String>,
    /// Part of the subnet at the same place that containers get their addresses from
    #[arg(long, value_name = "SUBNET", requires = "subnet")]
    pub ip_range: Vec<String>,
    /// Set a label; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Set an option of the driver; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub opt: Vec<String>,
}

/// `project rm`
#[derive(Debug, Args)]
pub struct RemoveProject {
    /// Names
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// Remove their volumes, too
    #[arg(short, long)]
    pub volumes: bool,
    /// Time to stop before the kill
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
}
