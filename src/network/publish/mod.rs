//! Published ports: reserving them on the host, mapping them in the kernel, and carrying what the kernel cannot.
//!
//! Invariant: a host port is held by a bound socket for as long as it is published.

pub mod proxy;
