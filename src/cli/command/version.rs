//! `version`.

use super::show;
use crate::cli::args::{Version, VersionFormat};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::invocation::COMPATIBLE;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that a release was built from, if its maker said so.
const COMMIT: Option<&str> = option_env!("HOIST_COMMIT");

/// Prints the version; under docker's name, that of the docker compose we are like.
pub fn run(context: &Context, args: &Version) -> Result<Exit, Error> {
    let docker = context.env.as_docker;
    let number = if docker { COMPATIBLE } else { VERSION };
    let text = match (args.short, args.format, docker) {
        (true, _, _) => format!("{number}\n"),
        (false, VersionFormat::Pretty, true) => docker_version(),
        (false, VersionFormat::Pretty, false) => format!("hoist version {}\n", long()),
        (false, VersionFormat::Json, true) => {
            format!(
                "{}\n",
                serde_json::json!({ "version": format!("v{number}") })
            )
        }
        (false, VersionFormat::Json, false) => {
            let mut object = serde_json::json!({ "version": number });
            if let Some(commit) = COMMIT {
                object["commit"] = commit.into();
            }
            format!("{object}\n")
        }
    };
    show(context, &text)
}

/// The version under docker's name.
pub fn docker_version() -> String {
    format!("Docker Compose version v{COMPATIBLE} (hoist {})\n", long())
}

/// `0.1.0 (1a2b3c4)`
fn long() -> String {
    match COMMIT {
        Some(commit) => format!("{VERSION} ({commit})"),
        None => VERSION.to_owned(),
    }
}
