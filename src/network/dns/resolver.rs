//! The handle of the resolver's thread.

use super::shared::Command;
use super::shared::Shared;
use super::worker::Worker;
use super::zone::Zone;
use crate::id::ContainerId;
use rustix::event::EventfdFlags;
use rustix::event::eventfd;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

/// Answers the questions of containers, on a thread of its own that ends when this is dropped.
#[derive(Debug)]
pub struct Resolver {
    shared: Arc<Shared>,
    commands: Sender<Command>,
    wake: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl Resolver {
    /// Starts the thread, with an empty zone and nobody to forward to.
    pub fn start() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let (commands, orders) = channel();
        let shared = Arc::new(Shared::default());
        let (theirs, bell) = (Arc::clone(&shared), wake.try_clone()?);
        // What the loop keeps must be made on its thread; a failure comes back before anybody relies on it.
        let (ready, started) = channel();
        let run = move || match Worker::new(theirs, orders, bell) {
            Ok(worker) => {
                let _ = ready.send(Ok(()));
                worker.run();
            }
            Err(error) => drop(ready.send(Err(error))),
        };
        let thread = std::thread::Builder::new().name("dns".into()).spawn(run)?;
        started.recv().map_err(|_| io::ErrorKind::BrokenPipe)??;
        Ok(Self {
            shared,
            commands,
            wake,
            thread: Some(thread),
        })
    }

    /// Answers on a container's sockets from now on: `udp` bound, `tcp` listening, both IPv4 and in its namespace.
    ///
    /// Handed again (by an adopter), the new ones replace the old.
    pub fn serve(&self, container: ContainerId, udp: OwnedFd, tcp: OwnedFd) {
        self.tell(Command::Serve {
            container,
            udp,
            tcp,
        });
    }

    /// Closes a container's sockets.
    pub fn remove(&self, container: &ContainerId) {
        self.tell(Command::Remove(container.clone()));
    }

    /// Replaces what everybody sees. A question asked after this returned is answered from `zone`.
    pub fn publish(&self, zone: Arc<Zone>) {
        self.shared.publish(zone);
    }

    /// Replaces the servers that are asked for names that are not ours, unless a container has its own.
    pub fn set_upstream(&self, servers: Vec<SocketAddr>) {
        self.shared.set_upstream(servers.into());
    }

    fn tell(&self, command: Command) {
        // A thread that is gone has closed everything already.
        let _ = self.commands.send(command);
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.tell(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The servers of a `resolv.conf`, in its order.
pub fn nameservers(resolv_conf: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let text = words
            .next()
            .filter(|word| *word == "nameserver")
            .and(words.next())?;
        // A link-local server says by which link: `fe80::1%eth0`.
        let (text, link) = text.split_once('%').unwrap_or((text, ""));
        match text.parse().ok()? {
            IpAddr::V6(address) if !link.is_empty() => {
                let index = nix::net::if_::if_nametoindex(link).ok()?;
                Some(std::net::SocketAddrV6::new(address, 53, 0, index).into())
            }
            address => Some(SocketAddr::new(address, 53)),
        }
    };
    resolv_conf.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_a_resolv_conf() {
        let text = "# nameserver 9.9.9.9\nsearch lan\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 \nnameserver x\n";
        assert_eq!(
            nameservers(text),
            ["192.0.2.1:53", "[2001:db8::1]:53"].map(|text| text.parse().unwrap())
        );
    }

    #[test]
    fn a_resolver_that_is_dropped_ends() {
        let resolver = Resolver::start().unwrap();
        resolver.remove(&ContainerId::random());
        drop(resolver);
    }
}
