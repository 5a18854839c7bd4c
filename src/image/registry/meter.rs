//! How far a transfer is.

use super::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two reports at least.
const PAUSE: Duration = Duration::from_millis(100);

/// How far the transfer of one image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// Another process fetches a part of it; we wait for that.
    Waiting,
    /// So many bytes are here (or there).
    Bytes {
        /// Of those that are to be moved.
        done: u64,
        /// All of them.
        total: u64,
    },
}

/// Who wants to know.
pub type Observer = Arc<dyn Fn(Moved) + Send + Sync>;

/// Counts for all threads of one image.
pub(super) struct Meter {
    observer: Observer,
    total: u64,
    done: AtomicU64,
    reported: Mutex<Option<Instant>>,
    /// Another part has failed: there is no use in going on.
    aborted: AtomicBool,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter")
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl Meter {
    pub(super) fn new(observer: Observer, total: u64) -> Self {
        Self {
            observer,
            total,
            done: AtomicU64::new(0),
            reported: Mutex::new(None),
            aborted: AtomicBool::new(false),
        }
    }

    /// Bytes have been moved.
    pub(super) fn moved(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.is_none_or(|last| last.elapsed() >= PAUSE) {
            *reported = Some(Instant::now());
            drop(reported);
            (self.observer)(Moved::Bytes {
                done: done.min(self.total),
                total: self.total,
            });
        }
    }

    /// Bytes have to be moved again.
    pub(super) fn again(&self, bytes: u64) {
        self.done.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn waiting(&self) {
        (self.observer)(Moved::Waiting);
    }

    pub(super) fn abort(&self) {
        self.aborted.store(true, Ordering::Relaxed);
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match self.aborted.load(Ordering::Relaxed) {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }
}
