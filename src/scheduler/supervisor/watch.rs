//! Descriptors in the event loop.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches a descriptor for reading.
#[expect(
    deprecated,
    reason = "its successor is unsafe; `AsFd` is the promise that it wants: the descriptor stays open"
)]
pub fn readable<T: AsFd + AsRawFd>(inner: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(inner, Interest::READABLE)
}
