//! Names and packets: bridges, namespaces, addresses, published ports, DNS.
//!
//! Invariants: every kernel object has a name derived from its project and network, so that what a crash left can be
//! found; our nft table never depends on anybody else's; nothing here knows what a service is.

mod attach;
mod bridge;
mod carrier;
pub mod dns;
mod driver;
mod endpoint;
mod error;
mod hand_on;
pub mod ipam;
pub mod names;
mod netlink;
pub mod netns;
mod nftables;
pub mod publish;
mod remove;
mod restore;
mod settle;
pub mod spec;
mod sublink;
mod subnets;
mod sweep;
mod sysctl;
mod veth;

pub use driver::Driver;
pub use endpoint::Endpoint;
pub use endpoint::Published;
pub use error::Error;
pub use hand_on::Former;
pub use sweep::Swept;
