//! The descriptors that keep a container's network and streams alive, as they travel between supervisor and shim.
//!
//! Both hold them: whoever of the two is killed gets them back from the other.

use super::protocol::{LaunchFds, Proxy};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Master end of a container's terminal.
pub(crate) const TERMINAL: &str = "terminal";
/// Ends of the pipe to a container's stdin.
pub(crate) const STDIN: [&str; 2] = ["stdin-read", "stdin-write"];
/// A socket that reserves a published port.
pub const PORT: &str = "port";
/// Pidfd of PID 1, opened while it lived: it tells the exit status.
pub const PROCESS: &str = "process";

/// What the descriptors of a message are, in their order: netns if any, then `keep`, then `proxies`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    netns: bool,
    keep: Vec<String>,
    proxies: Vec<(bool, SocketAddr)>,
}

impl Manifest {
    /// The descriptors it describes; `None` if they are not as many.
    pub(crate) fn claim(self, fds: Vec<OwnedFd>) -> Option<LaunchFds> {
        if fds.len() != usize::from(self.netns) + self.keep.len() + self.proxies.len() {
            return None;
        }
        let mut fds = fds.into_iter();
        let netns = if self.netns { fds.next() } else { None };
        let keep = self.keep.into_iter().zip(fds.by_ref()).collect();
        let proxies = self.proxies.into_iter().zip(fds);
        let proxies = proxies.map(|((tcp, target), listener)| Proxy {
            listener,
            tcp,
            target,
        });
        Some(LaunchFds {
            netns,
            keep,
            proxies: proxies.collect(),
        })
    }
}

/// A [`Manifest`] under construction, with what it describes.
#[derive(Default)]
pub(super) struct Parcel<'a> {
    pub manifest: Manifest,
    pub fds: Vec<BorrowedFd<'a>>,
}

impl<'a> Parcel<'a> {
    pub(super) fn new(netns: Option<&'a OwnedFd>) -> Self {
        Self {
            manifest: Manifest {
                netns: netns.is_some(),
                ..Manifest::default()
            },
            fds: netns.into_iter().map(AsFd::as_fd).collect(),
        }
    }

    /// All of `fds`.
    pub(super) fn of(fds: &'a LaunchFds) -> Self {
        let mut parcel = Self::new(fds.netns.as_ref());
        parcel.keep(
            fds.keep
                .iter()
                .map(|(name, fd)| (name.as_str(), fd.as_fd())),
        );
        parcel.proxies(
            fds.proxies
                .iter()
                .map(|p| (p.listener.as_fd(), p.tcp, p.target)),
        );
        parcel
    }

    /// Before any proxies.
    pub(super) fn keep<'n>(&mut self, named: impl Iterator<Item = (&'n str, BorrowedFd<'a>)>) {
        for (name, fd) in named {
            self.manifest.keep.push(name.to_owned());
            self.fds.push(fd);
        }
    }

    pub(super) fn proxies(
        &mut self,
        proxies: impl Iterator<Item = (BorrowedFd<'a>, bool, SocketAddr)>,
    ) {
        for (fd, tcp, target) in proxies {
            self.manifest.proxies.push((tcp, target));
            self.fds.push(fd);
        }
    }
}

impl LaunchFds {
    /// Lets go of the sockets of published ports, and has those of `ports` instead.
    pub fn replace_ports(&mut self, ports: Self) {
        self.keep.retain(|(name, _)| name != PORT);
        self.keep.extend(ports.keep);
        self.proxies = ports.proxies;
    }

    /// Copies of the sockets of published ports.
    ///
    /// # Errors
    /// No descriptor is free.
    pub fn ports(&self) -> std::io::Result<Vec<OwnedFd>> {
        let reserved = self.keep.iter().filter(|(name, _)| name == PORT);
        let reserved = reserved.map(|(_, fd)| fd);
        let proxied = self.proxies.iter().map(|proxy| &proxy.listener);
        reserved.chain(proxied).map(OwnedFd::try_clone).collect()
    }

    /// Takes the first descriptor of this name out.
    pub fn take(&mut self, name: &str) -> Option<OwnedFd> {
        let at = self.keep.iter().position(|(known, _)| known == name)?;
        Some(self.keep.swap_remove(at).1)
    }

    /// Replaces what is kept of a container's streams by what its shim holds of them now.
    pub fn replace_streams(&mut self, streams: Vec<(String, OwnedFd)>) {
        let is_stream = |name: &str| name == TERMINAL || STDIN.contains(&name);
        self.keep.retain(|(name, _)| !is_stream(name));
        self.keep.extend(streams);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn null() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn descriptors_keep_their_names_and_a_missing_one_is_noticed() {
        let fds = LaunchFds {
            netns: Some(null()),
            keep: vec![("a".into(), null()), ("b".into(), null())],
            proxies: vec![Proxy {
                listener: null(),
                tcp: true,
                target: "127.0.0.1:80".parse().unwrap(),
            }],
        };
        let parcel = Parcel::of(&fds);
        assert_eq!(parcel.fds.len(), 4);
        assert!(
            parcel
                .manifest
                .clone()
                .claim(vec![null(), null()])
                .is_none()
        );
        let back = parcel.manifest.claim(vec![null(), null(), null(), null()]);
        let mut back = back.unwrap();
        assert!(back.netns.is_some() && back.proxies.len() == 1);
        back.replace_streams(vec![(TERMINAL.to_owned(), null())]);
        back.replace_streams(vec![(STDIN[0].to_owned(), null())]);
        let names: Vec<_> = back.keep.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b", STDIN[0]]);
        assert!(back.take("a").is_some() && back.take("a").is_none());
    }
}
