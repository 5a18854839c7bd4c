//! The process beside one container: creates it, is the parent of its PID 1, writes its log and its end.
//!
//! Invariants: all output of PID 1 is in the log before `exit.json` is, and `exit.json` before the zombie is reaped; a
//! shim ends only on `Release`; it takes orders from root or its own user only.

pub mod link;
pub mod protocol;

pub use link::ShimLink;
