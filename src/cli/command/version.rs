//! `version`.

use super::show;
use crate::cli::args::{Version, VersionFormat};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Prints the version.
pub fn run(context: &Context, args: &Version) -> Result<Exit, Error> {
    let text = match (args.short, args.format) {
        (true, _) => format!("{VERSION}\n"),
        (false, VersionFormat::Pretty) => format!("hoist version {VERSION}\n"),
        (false, VersionFormat::Json) => format!("{}\n", serde_json::json!({ "version": VERSION })),
    };
    show(context, &text)
}
