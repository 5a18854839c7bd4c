//! What the resolver's thread waits for: the sockets of containers and the questions on their way upstream.

use super::connection::Connection;
use super::exchange::Exchange;
use super::slots::Token;
use crate::id::ContainerId;
use nix::sys::socket::SockaddrIn;
use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

/// A container, with what it has open.
pub(super) struct Client {
    pub(super) container: ContainerId,
    pub(super) connections: Cell<usize>,
    pub(super) exchanges: Cell<usize>,
}

/// What epoll tells of.
pub(super) enum Watched {
    Wake(OwnedFd),
    Udp(Rc<Client>, OwnedFd),
    Listener(Rc<Client>, OwnedFd),
    Connection(Connection),
    Asked(Asked),
}

impl Watched {
    /// The container it belongs to.
    pub(super) fn client(&self) -> Option<&Rc<Client>> {
        match self {
            Self::Wake(_) => None,
            Self::Udp(client, _) | Self::Listener(client, _) => Some(client),
            Self::Connection(connection) => Some(&connection.client),
            Self::Asked(asked) => Some(&asked.client),
        }
    }
}

/// A question on its way upstream, and where its answer goes.
pub(super) struct Asked {
    pub(super) client: Rc<Client>,
    pub(super) exchange: Exchange,
    pub(super) packet: Vec<u8>,
    pub(super) back: Back,
    pub(super) deadline: Instant,
}

/// Where an answer goes: the socket it came by.
#[derive(Clone, Copy)]
pub(super) enum Back {
    Udp(Token, SockaddrIn),
    Tcp(Token),
}
