//! Names and packets: bridges, namespaces, addresses, published ports, DNS.
//!
//! Invariants: every kernel object has a name derived from its project and network, so that what a crash left can be
//! found; our nft table never depends on anybody else's; nothing here knows what a service is.

pub mod spec;
