//! The zygote's own side.

use super::{ARGV0, Hooks};
use std::ffi::OsString;
use std::process::ExitCode;

/// Answers a re-entry: if `args` are those of one of the runtime's helper processes (`hoist-zygote`, `hoist-init`), is
/// that process until its end. Call it first in `main`, before any thread exists.
pub fn main(args: impl IntoIterator<Item = OsString>, hooks: Hooks) -> Option<ExitCode> {
    let _ = hooks;
    let mut args = args.into_iter();
    (args.next()? == ARGV0).then_some(ExitCode::SUCCESS)
}
