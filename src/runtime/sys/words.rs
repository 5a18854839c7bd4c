//! A few numbers in a file that are there when their writer is killed, without a system call for each change.

use super::process::last_error;
use rustix::fd::{AsFd, AsRawFd};
use rustix::io::Result;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// A mapping of the first `N` 64-bit numbers of a file.
#[derive(Debug)]
pub struct Words<const N: usize>(NonNull<[AtomicU64; N]>);

impl<const N: usize> Words<N> {
    /// Maps the file, which is at least that long; one on a tmpfs, where nothing is ever written back.
    pub fn map(file: impl AsFd) -> Result<Self> {
        let length = size_of::<[AtomicU64; N]>();
        // SAFETY: a new mapping at an address of the kernel's choice, of an open file; nothing else refers to it.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_fd().as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(last_error());
        }
        NonNull::new(address.cast())
            .map(Self)
            .ok_or(rustix::io::Errno::NOMEM)
    }

    /// A number.
    pub fn get(&self, index: usize) -> u64 {
        self.words()[index].load(Ordering::SeqCst)
    }

    /// Changes a number; changes are seen in the order they were made.
    pub fn set(&self, index: usize, value: u64) {
        self.words()[index].store(value, Ordering::SeqCst);
    }

    fn words(&self) -> &[AtomicU64; N] {
        // SAFETY: the mapping is page-aligned, as long as the array and lives as long as `self`; its contents are
        // atomics, so other processes may change them. A file that is truncated under us would be a SIGBUS: it is in a
        // folder of ours alone.
        unsafe { self.0.as_ref() }
    }
}

impl<const N: usize> Drop for Words<N> {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `map` has mapped; no reference into it outlives `self`.
        unsafe {
            libc::munmap(self.0.as_ptr().cast(), size_of::<[AtomicU64; N]>());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_the_file() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(16).unwrap();
        let words = Words::<2>::map(&file).unwrap();
        words.set(1, 7);
        drop(words);
        assert_eq!(Words::<2>::map(&file).unwrap().get(1), 7);
    }
}
