//! From the merged tree to the model, one file a topic.
//!
//! Invariants: no attribute is silently ignored: it is honoured, or reported as unknown, unsupported or without effect;
//! parsing goes on after a problem, so that all of them are reported; nothing here reads a file.

mod context;
mod depends;
mod deploy;
mod environment;
mod files;
mod health;
mod limits;
mod mounts;
mod networks;
mod ports;
mod process;
mod project;
mod security;
mod service;
mod shape;
pub mod values;

pub use context::Context;
pub use environment::EnvFile;
pub use files::Origin;
pub use project::Document;
pub use project::Section;
pub use project::parse;
pub use service::Draft;
pub use service::Reference;
pub use service::Target;
