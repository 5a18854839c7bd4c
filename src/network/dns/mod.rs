//! Names inside containers: the resolver behind `127.0.0.11`.
//!
//! ```text
//!  container's socket ─▶ worker ─▶ zone::respond ─┬─ ours ──▶ answer, in the same batch
//!   (in its netns)        epoll     (pure)        └─ else ──▶ exchange ──▶ upstream server (from the host's netns)
//! ```
//!
//! The zone is pure data, published whole; the sockets are bound by others and only handed here, so a new supervisor that
//! adopts them goes on where the old one stopped: questions that came meanwhile wait in the socket.
//!
//! A name of ours is answered for every record type, if need be with "no such record": what is inside never leaks to a server
//! outside. Everything else is passed on byte for byte but for the id, and back likewise.
//!
//! Invariants: no packet makes the thread end or allocate without bound; answering a name of ours allocates nothing; one
//! container cannot use up what the others need (exchanges, connections); an upstream answer is believed only from the
//! server that was asked, with our random id and the same question.

mod batch;
mod connection;
mod exchange;
mod resolver;
mod shared;
mod slots;
mod stream;
mod upstream;
mod watched;
mod wire;
mod worker;
mod zone;

pub use resolver::Resolver;
pub use resolver::nameservers;
pub use zone::Entry;
pub use zone::Membership;
pub use zone::Outcome;
pub use zone::Transport;
pub use zone::View;
pub use zone::Zone;
pub use zone::respond;

#[cfg(test)]
mod tests;
