//! Flags of the verbs that talk to registries.

use clap::{Args, ValueEnum};

/// `pull`
#[derive(Debug, Args)]
pub struct Pull {
    /// Services, or images such as `redis:7` (default: all services)
    #[arg(value_name = "SERVICE|IMAGE")]
    pub targets: Vec<String>,
    /// When to fetch, over the file's `pull_policy`
    #[arg(long, value_name = "WHEN")]
    pub policy: Option<PullPolicy>,
    /// Fetch the variant for another platform, `OS/ARCH[/VARIANT]`
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
    /// Fetch for the services that named ones depend on, too
    #[arg(long)]
    pub include_deps: bool,
    /// Leave out services that are built here
    #[arg(long)]
    pub ignore_buildable: bool,
    /// Go on when an image cannot be fetched
    #[arg(long)]
    pub ignore_pull_failures: bool,
    /// Fetch every tag that the registry has of the named repositories
    #[arg(short, long, requires = "targets")]
    pub all_tags: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// As docker: without effect
    #[arg(long, hide = true)]
    pub no_parallel: bool,
}

/// `--policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PullPolicy {
    /// If it is not in the store
    Missing,
    /// Always; what is here and the same is not fetched again
    Always,
}

impl PullPolicy {
    /// Its word in a compose file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Always => "always",
        }
    }
}

/// `push`
#[derive(Debug, Args)]
pub struct Push {
    /// Services, or images such as `registry.test/app:1` (default: all services that are built here)
    #[arg(value_name = "SERVICE|IMAGE")]
    pub targets: Vec<String>,
    /// Push the images of the services that named ones depend on, too
    #[arg(long)]
    pub include_deps: bool,
    /// Go on when an image cannot be pushed
    #[arg(long)]
    pub ignore_push_failures: bool,
    /// Push every tag that the store has of the named repositories
    #[arg(short, long, requires = "targets")]
    pub all_tags: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// `publish`
#[derive(Debug, Args)]
pub struct Publish {
    /// Where to: `HOST/NAME[:TAG]`
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub repository: String,
    /// Form of what is published: `1.1`, or `1.0` for registries that do not know artifacts
    #[arg(long, value_name = "VERSION", default_value = "1.1", hide_default_value = true, value_parser = ["1.0", "1.1"], hide_possible_values = true)]
    pub oci_version: String,
    /// Publish the digests that the tags of images have now, too
    #[arg(long)]
    pub resolve_image_digests: bool,
    /// Publish what `environment` and `env_file` say, too
    #[arg(long)]
    pub with_env: bool,
    /// Answer every question with yes
    #[arg(short, long)]
    pub yes: bool,
    /// The registry may be spoken to in plain
    #[arg(long = "insecure-registry", hide = true)]
    pub insecure: bool,
}

/// `login`
#[derive(Debug, Args)]
pub struct Login {
    /// Registry, `HOST[:PORT]` (default: Docker Hub)
    pub server: Option<String>,
    /// Name of the account
    #[arg(short, long)]
    pub username: Option<String>,
    /// Password or token; better given by --password-stdin
    // `-p` is the project's name after every other verb; with the same id this one stands in its place.
    #[arg(
        id = "project_name",
        short = 'p',
        long = "password",
        value_name = "PASSWORD"
    )]
    pub password: Option<String>,
    /// Read the password from stdin
    #[arg(long, conflicts_with = "project_name")]
    pub password_stdin: bool,
}

/// `logout`
#[derive(Debug, Args)]
pub struct Logout {
    /// Registry, `HOST[:PORT]` (default: Docker Hub)
    pub server: Option<String>,
}
