//! Canonical tree to the model, one file a topic.
//!
//! What is wrong here is of no concern to `config`: the file is right, but this program cannot do what it says. It stops
//! `up`.
//!
//! Invariants: reading goes on after a problem, so that all of them are reported; nothing here reads a file.

mod context;
mod depends;
mod deploy;
mod files;
mod health;
mod kernel;
mod life;
mod limits;
mod models;
mod mounts;
mod networks;
mod ports;
mod process;
mod project;
mod security;
mod service;
pub mod values;

pub use process::is_signal;
pub use project::project;
