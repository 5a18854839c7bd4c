//! Model to plan to actions, and supervision of what runs.
//!
//! Invariants: `reconcile` is pure; the executor decides nothing; one supervisor at a time writes a project's state.

pub mod action;
pub mod desired;
pub mod execute;
pub mod graph;
pub mod host;
pub mod inventory;
pub mod observed;
pub mod plan;
pub mod pre_start;
pub mod reconcile;
pub mod supervisor;

use crate::network::publish::proxy;
use crate::runtime::zygote::{self, Hooks};
use crate::volumes::populate;
use std::error::Error;
use std::process::ExitCode;

/// Answers a re-entry: when this process was started as a supervisor or zygote, runs it and gives its exit code, or why
/// it could not begin.
pub fn reenter() -> Option<Result<ExitCode, Box<dyn Error>>> {
    let hooks = Hooks {
        copy_up: populate::copy_up,
        proxy: proxy::serve,
    };
    if let Some(code) = zygote::main(std::env::args_os(), hooks) {
        return Some(Ok(code));
    }
    let role = std::env::var_os(supervisor::REENTRY)?;
    (role == "supervisor").then(|| supervisor::main(std::env::args_os().skip(1)))
}
