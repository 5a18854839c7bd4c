//! What can be typed: one struct a verb, each flag said once; help, completions and man pages are made from it.
//!
//! The names follow `docker compose`. Flags of the project come before the verb as there, and those whose letter no verb
//! uses are accepted after it, too.
//!
//! Invariant: a flag that is accepted is honoured; one that is not is refused in words, never ignored.

pub mod container;
mod image;
pub mod inspect;
mod lifecycle;
pub mod make;
mod named;
pub mod next;
mod registry;
pub mod resources;
mod single;
mod spelling;
mod watching;

pub use container::{Container, CreateContainer, RunContainer};
pub use image::{
    Commit, Df, EnableSystem, Export, History, Image, Images, Import, Init, InspectImages,
    ListImages, Load, LockImages, PruneImages, PruneSystem, Rmi, Save, System, Tag, Vendor,
};
pub use inspect::{
    Completion, Config, ConfigFormat, Doctor, Exec, Logs, Ls, Man, Port, Ps, Shell, Status, Tail,
    Version, VersionFormat,
};
pub use lifecycle::{
    Create, Down, Kill, PullWhen, RemoveImages, Restart, Rm, Scale, Services, Start, Stop, Up, Wait,
};
pub use named::Named;
pub use registry::{Login, Logout, Publish, Pull, PullPolicy, Push};
pub use resources::{InspectAny, Kind as InspectKind, Network, Project, RemoveProject, Volume};
pub use single::{Attach, Cp, Joining, Run};
pub use watching::{Dash, Events, Stats, Timings, Viz, Volumes, Watch};

use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::path::PathBuf;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "hoist",
    version,
    about = "Bring up the services of a compose file, without Docker",
    disable_version_flag = true,
    disable_help_flag = true,
    args_override_self = true,
    max_term_width = 100,
    subcommand_value_name = "COMMAND",
    after_help = "Run `hoist COMMAND --help` for the flags of a command."
)]
pub struct Cli {
    /// Print the version
    #[arg(short = 'v', long, action = clap::ArgAction::Version)]
    version: Option<bool>,
    /// Print help
    #[arg(short, long, global = true, display_order = 999, action = clap::ArgAction::HelpShort)]
    help: Option<bool>,
    /// Flags of the project.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

impl Cli {
    /// Reads a line, the name of the program first. Only verbs that it names are made ready for the parser: all of them,
    /// with the flags of every command, would be most of the time of a short command.
    pub fn read(words: &[OsString]) -> Result<Self, clap::Error> {
        // What ends with the process is not taken apart before.
        let all = ManuallyDrop::new(named::only(words, Self::command));
        let is_named = |verb: &&Command| {
            let mut names = std::iter::once(verb.get_name()).chain(verb.get_all_aliases());
            names.any(|name| words.iter().skip(1).any(|word| word == name))
        };
        let short = Command::new("hoist")
            .version(env!("CARGO_PKG_VERSION"))
            .disable_version_flag(true)
            .disable_help_flag(true)
            .args_override_self(true)
            .args(all.get_arguments().cloned())
            .subcommands(all.get_subcommands().filter(is_named).cloned());
        let mut short = ManuallyDrop::new(short);
        let said = spelling::ours(&short, words);
        let read = short.try_get_matches_from_mut(said);
        match read.and_then(|matches| Self::from_arg_matches(&matches)) {
            Ok(cli) => Ok(cli),
            // Help and mistakes speak of all verbs.
            Err(_) => Self::try_parse_from(spelling::ours(&Self::command(), words)),
        }
    }
}

/// Flags that say which project, and how to talk about it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Compose file; repeat it to merge several, `-` reads stdin. Also one of a git repository or a registry:
    /// `https://HOST/NAME.git#REF:PATH`, `oci://HOST/NAME:TAG`
    #[arg(short, long, value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// Project name
    #[arg(short, long, global = true, value_name = "NAME")]
    pub project_name: Option<String>,
    /// Folder that relative paths start from (default: the first file's)
    #[arg(long, global = true, value_name = "DIR")]
    pub project_directory: Option<PathBuf>,
    /// File with variables, instead of `.env`; may be repeated
    #[arg(long, global = true, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Enable a profile; may be repeated, `*` enables all
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Vec<String>,
    /// How progress is shown
    #[arg(long, global = true, value_name = "TYPE")]
    pub progress: Option<ProgressKind>,
    /// When to use colours and cursor movement
    #[arg(long, global = true, value_name = "WHEN")]
    pub ansi: Option<Ansi>,
    /// Do at most this many things at once; no limit below 1
    #[arg(long, global = true, value_name = "N", allow_negative_numbers = true)]
    pub parallel: Option<i64>,
    /// Say what would be done, and do nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Include resources that no service uses
    #[arg(long, global = true)]
    pub all_resources: bool,
    /// Name containers as the first docker-compose did: `app_web_1`
    #[arg(long, global = true)]
    pub compatibility: bool,
    /// Deprecated: use --project-directory
    #[arg(
        id = "old_directory",
        long = "workdir",
        hide = true,
        value_name = "DIR",
        conflicts_with = "project_directory"
    )]
    pub workdir: Option<PathBuf>,
    /// Deprecated: use --ansi never
    #[arg(long, global = true, hide = true, conflicts_with = "ansi")]
    pub no_ansi: bool,
    /// Show more
    #[arg(long, global = true, hide = true)]
    pub verbose: bool,
    /// Registry without TLS for compose files of registries; may be repeated
    #[arg(long, hide = true, value_name = "HOST")]
    pub insecure_registry: Vec<String>,
}

/// `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressKind {
    /// Live on a terminal, plain elsewhere
    Auto,
    /// A live list of resources
    Tty,
    /// A line an event
    Plain,
    /// A JSON object an event
    Json,
    /// Nothing
    Quiet,
}

/// `--ansi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ansi {
    /// Never
    Never,
    /// Also into files and pipes
    Always,
    /// On a terminal
    Auto,
}

/// The verbs, in the order of the help.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create and start containers
    Up(Named<Box<Up>>),
    /// Stop and remove containers and networks
    Down(Named<Down>),
    /// List containers
    Ps(Named<Ps>),
    /// Show what containers wrote
    Logs(Named<Logs>),
    /// Run a command in a running container
    Exec(Named<Exec>),
    /// Run a one-off command in a container of its own
    Run(Named<Box<Run>>),
    /// Check the compose file and print it in canonical form
    #[command(alias = "convert")]
    Config(Named<Config>),
    /// Stop containers and keep them
    Stop(Named<Stop>),
    /// Start stopped containers
    Start(Named<Start>),
    /// Stop containers and start them again
    Restart(Named<Restart>),
    /// Create containers, do not start them
    Create(Named<Create>),
    /// Set how many containers services have
    Scale(Named<Scale>),
    /// Freeze containers
    Pause(Named<Services>),
    /// Let frozen containers go on
    Unpause(Named<Services>),
    /// Send a signal to containers
    Kill(Named<Kill>),
    /// Remove stopped containers
    Rm(Named<Rm>),
    /// Block until containers have stopped
    Wait(Named<Wait>),
    /// Attach stdin, stdout and stderr to a running container
    Attach(Named<Attach>),
    /// Copy files between a container and here
    Cp(Named<Cp>),
    /// Show what containers use: CPU, memory, network, disk
    Stats(Named<Stats>),
    /// Look at the services and work with them on a whole screen
    Dash(Named<Dash>),
    /// Show the processes of containers
    Top(Named<Services>),
    /// Write a page that shows where the time of the last `up` went
    Timings(Named<Timings>),
    /// Show what happens to containers as it happens
    Events(Named<Events>),
    /// Bring what changes here into the containers
    Watch(Named<Watch>),
    /// List the volumes of the project
    Volumes(Named<Volumes>),
    /// List projects
    Ls(Named<Ls>),
    /// Print where a container's port is published
    Port(Named<Port>),
    /// Fetch images from registries
    Pull(Named<Pull>),
    /// Push images to registries
    Push(Named<Push>),
    /// Put the compose files into a registry, for `-f oci://HOST/NAME:TAG`
    Publish(Named<Publish>),
    /// Log in to a registry
    Login(Named<Login>),
    /// Forget the credentials of a registry
    Logout(Named<Logout>),
    /// List the images of the project's containers; outside of a project, those in the store
    Images(Named<Images>),
    /// Commands about images
    #[command(subcommand)]
    Image(Named<Image>),
    /// Show how an image was made
    History(Named<History>),
    /// Show all that is known of containers, images, networks and volumes
    Inspect(Named<InspectAny>),
    /// Commands about the whole installation
    #[command(subcommand)]
    System(Named<System>),
    /// Write down which images the services run on, exactly, in compose.lock
    Lock(Named<LockImages>),
    /// Put all locked images into one OCI layout
    Vendor(Named<Vendor>),
    /// Write the files of a service's container as a tar archive
    Export(Named<Export>),
    /// Make an image of a service's container
    Commit(Named<Commit>),
    /// Remove images from the store
    Rmi(Named<Rmi>),
    /// Write images to an archive or folder
    Save(Named<Save>),
    /// Bring images in from an archive or folder
    Load(Named<Load>),
    /// Make an image from a tar archive of a root filesystem
    Import(Named<Import>),
    /// Give an image another name
    Tag(Named<Tag>),
    /// Commands about single containers
    #[command(subcommand)]
    Container(Named<Container>),
    /// Commands about networks
    #[command(subcommand)]
    Network(Named<Network>),
    /// Commands about volumes
    #[command(subcommand)]
    Volume(Named<Volume>),
    /// Commands about projects
    #[command(subcommand)]
    Project(Named<Project>),
    /// Draw the services as a graph for Graphviz
    Viz(Named<Viz>),
    /// Commands that are being tried out
    #[command(subcommand)]
    Alpha(Named<Alpha>),
    /// About hoist itself.
    #[command(flatten)]
    Itself(Itself),
}

/// Verbs about hoist itself.
#[derive(Debug, Subcommand)]
pub enum Itself {
    /// Look at this machine: what hoist needs, and what mends it
    Doctor(Named<Doctor>),
    /// Print the version
    Version(Named<Version>),
    /// Print a completion script for a shell
    Completion(Named<Completion>),
    /// Write the man pages into a folder
    Man(Named<Man>),
}

/// `alpha`
#[derive(Debug, Subcommand)]
pub enum Alpha {
    /// Draw the services as a graph for Graphviz
    Viz(Viz),
    /// Put the compose files into a registry, for `-f oci://HOST/NAME:TAG`
    Publish(Publish),
    /// Set how many containers services have
    Scale(Scale),
    /// Bring what changes here into the containers
    Watch(Watch),
    /// Say what a command would do, and do nothing: `alpha dry-run -- up -d`
    DryRun(DryRun),
}

/// `alpha dry-run`
#[derive(Debug, Args)]
pub struct DryRun {
    /// Command and its flags
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        let words = std::iter::once("hoist").chain(line.split_whitespace());
        Cli::read(&words.map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn file_and_follow_share_a_letter_on_two_sides_of_the_verb() {
        let cli = parse("-f a.yaml -f b.yaml logs -f web").unwrap();
        assert_eq!(cli.global.file, [PathBuf::from("a.yaml"), "b.yaml".into()]);
        let Some(Verb::Logs(Named(logs))) = cli.verb else {
            panic!("not logs")
        };
        assert!(logs.follow);
        assert_eq!(logs.services, ["web"]);
    }

    #[test]
    fn project_flags_are_accepted_after_the_verb() {
        let cli = parse("up -d -p demo --dry-run --progress json").unwrap();
        assert_eq!(cli.global.project_name.as_deref(), Some("demo"));
        assert!(cli.global.dry_run);
        assert_eq!(cli.global.progress, Some(ProgressKind::Json));
    }

    #[test]
    fn exec_leaves_the_commands_own_flags_alone() {
        let cli = parse("exec -T -e A=1 web sh -c -T --help").unwrap();
        let Some(Verb::Exec(Named(exec))) = cli.verb else {
            panic!("not exec")
        };
        assert!(exec.no_tty);
        assert_eq!(exec.service, "web");
        assert_eq!(exec.command, ["sh", "-c", "-T", "--help"]);
    }

    #[test]
    fn a_command_keeps_the_flags_that_stand_first() {
        let cli = parse("run --rm db -e A=1 --rm").unwrap();
        let Some(Verb::Run(Named(run))) = cli.verb else {
            panic!("not run")
        };
        assert!(run.remove && run.env.is_empty());
        assert_eq!(run.command, ["-e", "A=1", "--rm"]);
        let cli = parse("container run alpine -h").unwrap();
        let Some(Verb::Container(Named(Container::Run(run)))) = cli.verb else {
            panic!("not container run")
        };
        assert_eq!(run.make.command, ["-h"]);
    }

    #[test]
    fn flags_that_docker_combines_are_combined() {
        for line in [
            "up -d --no-attach db",
            "up -d --wait-timeout 3",
            "up -d -d --timeout 3 --timeout -1",
            "start --wait-timeout 3",
            "logs -n -1",
            "up --detach=true --menu=false",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "up -d --abort-on-container-exit",
            "up --force-recreate --no-recreate",
            "up --no-recreate -V",
            "up --no-recreate --always-recreate-deps",
            "up -d --exit-code-from web",
            "up --attach web --attach-dependencies",
            "up --abort-on-container-exit --abort-on-container-failure",
            "up --wait --no-start",
            "exec -d -T",
            "wait",
            "--parallel x ps",
        ] {
            assert_eq!(
                parse(line).expect_err(line).exit_code(),
                2,
                "{line} must be refused"
            );
        }
    }

    #[test]
    fn negative_parallel_means_no_limit() {
        assert_eq!(parse("--parallel -1 ps").unwrap().global.parallel, Some(-1));
    }

    #[test]
    fn scale_is_checked_while_parsing() {
        let Some(Verb::Up(Named(up))) = parse("up --scale web=3 --scale db=0").unwrap().verb else {
            panic!("not up")
        };
        assert_eq!(up.scale.len(), 2);
        assert_eq!((up.scale[0].0.as_str(), up.scale[0].1), ("web", 3));
        for bad in ["web", "web=", "web=x", "web=-1", "=3"] {
            assert!(parse(&format!("up --scale {bad}")).is_err(), "{bad}");
        }
    }
}
