//! Data that outlives containers.
//!
//! [`named`] keeps the volumes of this machine, [`populate`] fills a new one from an image, [`subpath`] opens a part of
//! one, [`bind`] and [`secret`] look at files of the user before anything is made from them.
//!
//! Invariants: a volume is removed only by a call that says so; a volume half made by a crash is finished or made again
//! by the next command; nothing is followed out of a volume.

pub mod bind;
pub mod named;
pub mod populate;
pub mod secret;
pub mod subpath;
mod tree;
