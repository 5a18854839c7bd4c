//! What is, and what happened: folders, records, locks and the journal of events.
//!
//! Invariants: a record is replaced whole (write aside, rename) and never read half; a bare pid is never trusted;
//! all folders of ours are 0700.

pub mod event;
