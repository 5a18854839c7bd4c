//! What is, and what happened: folders, records, locks and the journal of events.
//!
//! Invariants: a record is appended or replaced whole and never read half; a bare pid is never trusted;
//! all folders of ours are 0700.

mod aside;
pub mod event;
pub mod journal;
pub mod kept_logs;
pub mod ledger;
pub mod lock;
pub mod news;
pub mod paths;
pub mod record;
pub mod store;
