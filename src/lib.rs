//! hoist: `docker compose` without Docker.
//!
//! The modules are listed in the order data flows; `tests/it/architecture.rs` holds who may import whom.
//!
//! ```text
//!  compose.yaml ─text▶ Node tree ─▶ Project ─▶ Desired ┐
//!                                                       ├▶ Plan ─▶ Action ─▶ Host ─▶ kernel, disk
//!  disk, kernel ──────────────────▶ Observed ───────────┘
//! ```

pub mod id;

pub mod compose;

pub mod image;
pub mod network;
pub mod runtime;
pub mod volumes;

pub mod state;

pub mod scheduler;

pub mod engine;

pub mod cli;
