//! One process a project that owns its state: it plans, executes, watches, restarts, probes and answers names.
//!
//! Invariants: it holds the project's lock for life; everything it knows can be read again from disk and kernel, so its
//! death costs nothing but the time to the next one.

pub mod control;
pub mod health;
pub mod restart;
pub mod wire;
