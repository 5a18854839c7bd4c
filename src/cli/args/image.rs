//! Flags of the verbs about images.

use crate::id::ImageRef;
use crate::id::ServiceName;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `image`
#[derive(Debug, Subcommand)]
pub enum Image {
    /// List images in the store
    #[command(alias = "list")]
    Ls(ListImages),
    /// Show all that is known of images
    Inspect(InspectImages),
    /// Show how an image was made
    History(History),
    /// Give an image another name
    Tag(Tag),
    /// Remove images from the store
    #[command(alias = "remove")]
    Rm(Rmi),
    /// Remove images that nothing needs
    Prune(PruneImages),
    /// Write images to an archive or folder
    Save(Save),
    /// Bring images in from an archive or folder
    Load(Load),
    /// Make an image from a tar archive of a root filesystem
    Import(Import),
}

/// `images`
#[derive(Debug, Args)]
pub struct Images {
    /// In a project: services; elsewhere: a name or pattern of images
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Print only ids
    #[arg(short, long, conflicts_with = "format")]
    pub quiet: bool,
    /// `table`, `json`, or a template such as `{{.Repository}}:{{.Tag}}`
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    pub format: String,
}

/// `image history`
#[derive(Debug, Args)]
pub struct History {
    /// Name or id of the image
    pub image: String,
    /// Print only ids
    #[arg(short, long, conflicts_with = "format")]
    pub quiet: bool,
    /// `table`, `json`, or a template such as `{{.CreatedBy}}`
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    pub format: String,
    /// Do not cut ids and instructions
    #[arg(long)]
    pub no_trunc: bool,
    /// Sizes and dates as people say them
    #[arg(short = 'H', long, value_name = "BOOL", default_value = "true", hide_default_value = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub human: bool,
}

/// `image inspect`
#[derive(Debug, Args)]
pub struct InspectImages {
    /// Names or ids of images
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
    /// `json`, or a template such as `{{.Id}}`
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// `image prune`
#[derive(Debug, Args)]
pub struct PruneImages {
    /// Every image that no container needs, not only those without a name
    #[arg(short, long)]
    pub all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
    /// `until=TIME`, `label=KEY[=VALUE]`; may be repeated
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
}

/// `system`
#[derive(Debug, Subcommand)]
pub enum System {
    /// Show what images, containers and volumes take on the disk
    Df(Df),
    /// Remove ended containers, idle projects' networks and images that nothing needs
    Prune(PruneSystem),
    /// Bring projects back whenever the machine boots, and stop them in order when it goes down
    Enable(EnableSystem),
    /// Undo `system enable`
    Disable,
    /// What is done at boot: start what restart policies bring back, in every project
    Start,
    /// What is done at shutdown: stop every project, to be brought back at the next boot
    Stop,
}

/// `system enable`
#[derive(Debug, Args)]
pub struct EnableSystem {
    /// Print what would be installed, and install nothing
    #[arg(long)]
    pub print: bool,
    /// For this init (default: systemd where it runs)
    #[arg(long, value_name = "INIT")]
    pub init: Option<Init>,
}

/// Programs that start a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Init {
    /// A unit.
    Systemd,
    /// A script for `/etc/init.d`.
    Openrc,
    /// A script for `/etc/init.d` of everything else.
    Sysv,
}

/// `system df`
#[derive(Debug, Args)]
pub struct Df {
    /// One line an image, container and volume
    #[arg(short, long, conflicts_with = "format")]
    pub verbose: bool,
    /// `table`, `json`, or a template such as `{{.Type}}: {{.Size}}`
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    pub format: String,
}

/// `system prune`
#[derive(Debug, Args)]
pub struct PruneSystem {
    /// Every image that no container needs, not only those without a name
    #[arg(short, long)]
    pub all: bool,
    /// Volumes without a name that no container mounts, too
    #[arg(long)]
    pub volumes: bool,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
    /// `until=TIME`, `label=KEY[=VALUE]`, for images; may be repeated
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
}

/// `lock`
#[derive(Debug, Args)]
pub struct LockImages {
    /// With --update: only the images of these services
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    /// Look up what is locked already, too
    #[arg(short, long)]
    pub update: bool,
    /// Lock for this platform, such as linux/arm64; may be repeated (default: this machine's)
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Vec<String>,
}

/// `vendor`
#[derive(Debug, Args)]
pub struct Vendor {
    /// Folder of the OCI layout
    pub dir: PathBuf,
}

/// `export`
#[derive(Debug, Args)]
pub struct Export {
    /// Service
    pub service: String,
    /// Number of the container, if the service has several
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,
    /// File (default: stdout)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `commit`
#[derive(Debug, Args)]
pub struct Commit {
    /// Service
    pub service: String,
    /// Name of the image
    pub name: Option<String>,
    /// Who made it
    #[arg(short, long, value_name = "TEXT")]
    pub author: Option<String>,
    /// Apply an instruction such as `CMD ["nginx"]`; may be repeated
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,
    /// Number of the container, if the service has several
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,
    /// Why it was made
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Freeze the container meanwhile
    // Docker's `-p` of it is the project's name here, as after every other verb.
    #[arg(long, value_name = "BOOL", default_value = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub pause: bool,
}

/// `image ls`
#[derive(Debug, Args)]
pub struct ListImages {
    /// A name, or a pattern of names
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// As docker: images without a name are always shown
    #[arg(short, long)]
    pub all: bool,
    /// Show digests, too
    #[arg(long)]
    pub digests: bool,
    /// `dangling=BOOL`, `reference=PATTERN`, `label=KEY[=VALUE]`, `before=IMAGE`, `since=IMAGE`, `until=TIME`
    #[arg(short, long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Print only ids
    #[arg(short, long, conflicts_with = "format")]
    pub quiet: bool,
    /// `table`, `json`, or a template such as `{{.Repository}}:{{.Tag}}`
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    pub format: String,
    /// Do not cut ids
    #[arg(long)]
    pub no_trunc: bool,
}

/// `rmi`
#[derive(Debug, Args)]
pub struct Rmi {
    /// Names or ids of images
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
    /// Remove images that a container uses, too; those that are not there are no error
    #[arg(short, long)]
    pub force: bool,
    /// As docker: keep parents that have no name; images here have none
    #[arg(long)]
    pub no_prune: bool,
}

/// `save`
#[derive(Debug, Args)]
pub struct Save {
    /// Names or ids of images; a name without a tag means all its tags
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
    /// File, or `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]`, `dir:DIR` (default: stdout)
    #[arg(short, long, value_name = "PLACE")]
    pub output: Option<String>,
    /// Platform of the images, such as linux/arm64, if not this machine's
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
}

/// `load`
#[derive(Debug, Args)]
pub struct Load {
    /// Archive as `docker save` or an OCI tool wrote it, plain or compressed; or `oci:DIR[:TAG]`,
    /// `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]`, `dir:DIR` (default: stdin)
    #[arg(short, long, value_name = "PLACE")]
    pub input: Option<String>,
    /// Platform of the images, such as linux/arm64, if not this machine's
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// `import`
#[derive(Debug, Args)]
pub struct Import {
    /// Tar archive of a root filesystem, plain or compressed; `-` reads stdin
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    /// Name of the image
    pub name: Option<ImageRef>,
    /// Apply an instruction such as `CMD ["nginx"]`, `ENV A=1`, `EXPOSE 80`; may be repeated
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,
    /// What to say of it in its history
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Platform of its programs, such as linux/arm64, if not this machine's
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
}

/// `tag`
#[derive(Debug, Args)]
pub struct Tag {
    /// Name or id of the image
    pub source: ImageRef,
    /// Its new name
    pub target: ImageRef,
}
