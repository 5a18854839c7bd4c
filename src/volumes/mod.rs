//! Data that outlives containers.
//!
//! Invariants: a volume is removed only by a call that says so; a volume half made by a crash is finished or made again
//! by the next command; nothing is followed out of a volume.
