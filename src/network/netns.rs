//! Network namespaces made ready ahead of time, by a thread that hops into each and back.
//!
//! A fresh namespace costs half a millisecond; `lo`, sysctls, rewriting rules and the resolver's sockets come on top.
//! None of it depends on the container, so it is done while images unpack or a dependency starts.
//!
//! Sysctls, as docker sets them for a private network: `net.ipv4.ip_unprivileged_port_start=0` and
//! `net.ipv4.ping_group_range="0 2147483647"`. For IPv6: no duplicate detection, and no address the network did not give.

use super::bridge::check;
use super::error::Error;
use super::netlink::Batch;
use super::netlink::Socket;
use super::nftables::resolver;
use super::sysctl;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkFlags;
use netlink_packet_route::link::LinkMessage;
use nix::sched::CloneFlags;
use rustix::net::AddressFamily;
use rustix::net::SocketFlags;
use rustix::net::SocketType;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;

const OWN_NAMESPACE: &str = "/proc/thread-self/ns/net";
const LOOPBACK_INDEX: u32 = 1;
/// Queries wait here while the supervisor restarts: about 4000 of them.
const QUERY_BUFFER: usize = 4 << 20;

/// For some hundred containers: five descriptors each, of namespace, resolver and ports.
const DESCRIPTORS: u64 = 2048;

/// A namespace with everything in it that every container gets.
pub(super) struct Ready {
    pub netns: OwnedFd,
    /// A route socket opened inside.
    pub route: Socket,
    pub dns_udp: OwnedFd,
    pub dns_tcp: OwnedFd,
}

#[derive(Default)]
struct Shelf {
    ready: VecDeque<Result<Ready, Error>>,
    /// How many are to lie ready.
    target: usize,
    /// How many callers wait for one.
    waiting: usize,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    shelf: Mutex<Shelf>,
    changed: Condvar,
}

/// The thread and what it has made.
pub(super) struct Pool {
    shared: Arc<Shared>,
}

impl Pool {
    /// Starts the thread, in the namespace of the caller.
    pub(super) fn start() -> Result<Self, Error> {
        widen_descriptor_table();
        let shared = Arc::new(Shared::default());
        let home = File::open(OWN_NAMESPACE).map_err(Error::system("open", OWN_NAMESPACE))?;
        let thread = Arc::clone(&shared);
        thread::Builder::new()
            .name("hoist-netns".into())
            .stack_size(256 * 1024)
            .spawn(move || run(&thread, &home))
            .map_err(Error::system("start thread", "hoist-netns"))?;
        Ok(Self { shared })
    }

    /// Has `n` namespaces lie ready.
    pub(super) fn prepare(&self, n: usize) {
        let mut shelf = self.shared.lock();
        shelf.target = shelf.target.max(n);
        self.shared.changed.notify_all();
    }

    /// Takes one, waiting until it is made.
    pub(super) fn take(&self) -> Result<Ready, Error> {
        let mut shelf = self.shared.lock();
        shelf.target = shelf.target.saturating_sub(1);
        shelf.waiting += 1;
        self.shared.changed.notify_all();
        loop {
            if let Some(ready) = shelf.ready.pop_front() {
                shelf.waiting -= 1;
                return ready;
            }
            if shelf.closed {
                shelf.waiting -= 1;
                return Err(Error::FactoryGone);
            }
            shelf = self.shared.wait(shelf);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut shelf = self.shared.lock();
        shelf.closed = true;
        shelf.ready.clear();
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, shelf: MutexGuard<'a, Shelf>) -> MutexGuard<'a, Shelf> {
        self.changed
            .wait(shelf)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for descriptors now. Each time the table of a process with threads grows, at 64, 128, 256…, the kernel
/// waits for RCU (up to 15 ms), and it never shrinks. Comfort only: a low limit is no error.
fn widen_descriptor_table() {
    let (soft, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
        .unwrap_or((DESCRIPTORS, DESCRIPTORS));
    let highest = soft.min(DESCRIPTORS).saturating_sub(1) as i32;
    if let Ok(file) = File::open("/") {
        let _ = rustix::io::fcntl_dupfd_cloexec(&file, highest);
    }
}

/// Makes namespaces while any are wanted, until the pool is dropped.
fn run(shared: &Shared, home: &File) {
    loop {
        let mut shelf = shared.lock();
        while !shelf.closed && shelf.ready.len() >= shelf.target.max(shelf.waiting) {
            shelf = shared.wait(shelf);
        }
        if shelf.closed {
            return;
        }
        drop(shelf);
        let made = make(home);
        let mut shelf = shared.lock();
        if made.is_err() {
            // Nobody asks for more of the same error than those who wait.
            shelf.target = 0;
        }
        if shelf.closed {
            return;
        }
        if made.is_ok() || shelf.waiting > 0 {
            shelf.ready.push_back(made);
        }
        shared.changed.notify_all();
    }
}

/// Makes one namespace and comes back; a thread that stayed would keep it alive.
fn make(home: &File) -> Result<Ready, Error> {
    nix::sched::unshare(CloneFlags::CLONE_NEWNET)
        .map_err(io::Error::from)
        .map_err(Error::system("create", "network namespace"))?;
    let furnished = furnish();
    nix::sched::setns(home, CloneFlags::CLONE_NEWNET)
        .map_err(io::Error::from)
        .map_err(Error::system("return to", "network namespace of the host"))?;
    furnished
}

/// Sets up the namespace this thread is in.
fn furnish() -> Result<Ready, Error> {
    let netns = File::open(OWN_NAMESPACE).map_err(Error::system("open", OWN_NAMESPACE))?;
    let mut route = Socket::route().map_err(Error::system("open", "route socket"))?;
    let mut batch = Batch::default();
    batch.route(RouteNetlinkMessage::SetLink(loopback_up()), 0);
    check(&mut route, &batch, "bring up link", "lo")?;
    sysctl::write_fresh("net/ipv4/ip_unprivileged_port_start", "0")?;
    sysctl::write_fresh("net/ipv4/ping_group_range", "0 2147483647")?;
    sysctl::write_fresh("net/ipv6/conf/default/addr_gen_mode", "1")?;
    sysctl::write_fresh("net/ipv6/conf/default/accept_dad", "0")?;
    sysctl::write_fresh("net/ipv6/conf/default/accept_ra", "0")?;
    let (dns_udp, dns_tcp) = resolver_sockets()?;
    Ok(Ready {
        netns: netns.into(),
        route,
        dns_udp,
        dns_tcp,
    })
}

/// Binds the resolver's sockets: behind the rewriting rules, or on port 53 itself where the kernel has no nftables.
fn resolver_sockets() -> Result<(OwnedFd, OwnedFd), Error> {
    let installed = Socket::netfilter()
        .map_err(Error::system("open", "netfilter socket"))
        .and_then(|mut socket| resolver::install(&mut socket));
    bind_resolver(installed.is_ok())
}

/// The resolver's sockets of a namespace that was furnished long ago.
pub(super) fn resolver_of(netns: &OwnedFd) -> Result<(OwnedFd, OwnedFd), Error> {
    let bind = || {
        nix::sched::setns(netns, CloneFlags::CLONE_NEWNET)
            .map_err(io::Error::from)
            .map_err(Error::system("enter", "network namespace"))?;
        let rewriting = Socket::netfilter()
            .map_err(Error::system("open", "netfilter socket"))
            .and_then(|mut socket| resolver::is_installed(&mut socket));
        bind_resolver(rewriting.unwrap_or(false))
    };
    // A thread of its own: it must not be somewhere else afterwards.
    thread::scope(|scope| scope.spawn(bind).join().unwrap_or(Err(Error::FactoryGone)))
}

/// A connection under way, not waited for, to an address inside a namespace (`None` = the host's).
pub fn connect_in(netns: Option<&OwnedFd>, to: SocketAddr) -> io::Result<TcpStream> {
    let connect = || {
        if let Some(netns) = netns {
            nix::sched::setns(netns, CloneFlags::CLONE_NEWNET)?;
        }
        let family = if to.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &to) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
            Err(error) => Err(error.into()),
        }
    };
    // A thread of its own: it must not be somewhere else afterwards.
    let gone = || Err(io::Error::other("the thread that connects is gone"));
    thread::scope(|scope| scope.spawn(connect).join().unwrap_or_else(|_| gone()))
}

fn bind_resolver(rewriting: bool) -> Result<(OwnedFd, OwnedFd), Error> {
    let port = if rewriting { resolver::PORT } else { 53 };
    let address = (resolver::ADDRESS, port);
    let failed = || {
        Error::system(
            "bind the resolver to",
            format!("{}:{port}", resolver::ADDRESS),
        )
    };
    let udp = UdpSocket::bind(address).map_err(failed())?;
    udp.set_nonblocking(true).map_err(failed())?;
    // Comfort only: the default holds some 200 queries.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&udp, QUERY_BUFFER);
    let tcp = TcpListener::bind(address).map_err(failed())?;
    tcp.set_nonblocking(true).map_err(failed())?;
    Ok((udp.into(), tcp.into()))
}

fn loopback_up() -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = LOOPBACK_INDEX;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message
}
