//! What the resolver's thread is told, and what it looks up by itself: the zone and the servers upstream.

use super::zone::Zone;
use crate::id::ContainerId;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

/// What the thread is told.
pub(super) enum Command {
    Serve {
        container: ContainerId,
        udp: OwnedFd,
        tcp: OwnedFd,
    },
    Remove(ContainerId),
    Stop,
}

/// What the thread looks up for each batch of questions.
#[derive(Debug, Default)]
pub(super) struct Shared {
    zone: RwLock<Arc<Zone>>,
    upstream: RwLock<Arc<[SocketAddr]>>,
}

impl Shared {
    pub(super) fn publish(&self, zone: Arc<Zone>) {
        *self.zone.write().unwrap_or_else(PoisonError::into_inner) = zone;
    }

    pub(super) fn set_upstream(&self, servers: Arc<[SocketAddr]>) {
        *self
            .upstream
            .write()
            .unwrap_or_else(PoisonError::into_inner) = servers;
    }

    pub(super) fn zone(&self) -> Arc<Zone> {
        Arc::clone(&self.zone.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn upstream(&self) -> Arc<[SocketAddr]> {
        Arc::clone(&self.upstream.read().unwrap_or_else(PoisonError::into_inner))
    }
}
