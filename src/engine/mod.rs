//! The verbs, one file each: a request in, a reply and events out.
//!
//! Invariant: nothing here prints or ends the process.
