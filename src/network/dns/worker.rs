//! The resolver's thread: one epoll loop over the sockets of all containers and the questions asked upstream.

use super::batch;
use super::batch::Batch;
use super::connection::Connection;
use super::exchange;
use super::exchange::Exchange;
use super::exchange::Progress;
use super::slots::Slots;
use super::slots::Token;
use super::zone;
use super::zone::Outcome;
use super::zone::Transport;
use super::zone::Zone;
use crate::id::ContainerId;
use nix::sys::socket::SockaddrIn;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::net::SocketFlags;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use std::time::Instant;

/// Questions on their way upstream, of all containers and of one: each holds a descriptor.
const EXCHANGES: usize = 1024;
const EXCHANGES_OF_ONE: usize = 256;

/// TCP connections of one container.
const CONNECTIONS_OF_ONE: usize = 32;

/// How long a TCP connection may be idle.
pub(super) const IDLE: Duration = Duration::from_secs(10);

/// How long a listener rests when there are no descriptors left.
const REST: Duration = Duration::from_millis(200);

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

    fn zone(&self) -> Arc<Zone> {
        Arc::clone(&self.zone.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn upstream(&self) -> Arc<[SocketAddr]> {
        Arc::clone(&self.upstream.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A container, with what it has open.
pub(super) struct Client {
    container: ContainerId,
    pub(super) connections: Cell<usize>,
    exchanges: Cell<usize>,
}

enum Watched {
    Wake(OwnedFd),
    Udp(Rc<Client>, OwnedFd),
    Listener(Rc<Client>, OwnedFd),
    Connection(Connection),
    Asked(Asked),
}

impl Watched {
    fn client(&self) -> Option<&Rc<Client>> {
        match self {
            Self::Wake(_) => None,
            Self::Udp(client, _) | Self::Listener(client, _) => Some(client),
            Self::Connection(connection) => Some(&connection.client),
            Self::Asked(asked) => Some(&asked.client),
        }
    }
}

/// A question on its way upstream, and where its answer goes.
struct Asked {
    client: Rc<Client>,
    exchange: Exchange,
    packet: Vec<u8>,
    back: Back,
    deadline: Instant,
}

/// Where an answer goes: the socket it came by.
#[derive(Clone, Copy)]
enum Back {
    Udp(Token, SockaddrIn),
    Tcp(Token),
}

pub(super) struct Worker {
    epoll: OwnedFd,
    watched: Slots<Watched>,
    deadlines: BTreeSet<(Instant, Token)>,
    batch: Batch,
    /// Room for the longest answer over TCP.
    long: Vec<u8>,
    turn: usize,
    exchanges: usize,
    shared: Arc<Shared>,
    commands: Receiver<Command>,
}

impl Worker {
    /// Ready to run; `wake` is readable whenever a command was sent.
    pub(super) fn new(
        shared: Arc<Shared>,
        commands: Receiver<Command>,
        wake: OwnedFd,
    ) -> io::Result<Self> {
        let mut worker = Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            watched: Slots::new(),
            deadlines: BTreeSet::new(),
            batch: Batch::new(),
            long: vec![0; usize::from(u16::MAX)],
            turn: 0,
            exchanges: 0,
            shared,
            commands,
        };
        let token = worker.watched.insert(Watched::Wake(wake));
        if let Some(Watched::Wake(wake)) = worker.watched.get_mut(token) {
            epoll::add(&worker.epoll, wake, data(token), EventFlags::IN)?;
        }
        Ok(worker)
    }

    /// Serves until told to stop.
    pub(super) fn run(mut self) {
        let mut events = Vec::with_capacity(64);
        loop {
            let timeout = self.timeout();
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            for event in &events {
                let token = Token::from_u64(event.data.u64());
                if self.event(token, event.flags).is_break() {
                    return;
                }
            }
            self.expire();
        }
    }

    fn timeout(&self) -> Option<Timespec> {
        let (first, _) = self.deadlines.first()?;
        let left = first.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        Some(Timespec {
            tv_sec: left.as_secs().cast_signed(),
            tv_nsec: left.subsec_nanos().into(),
        })
    }

    fn event(&mut self, token: Token, flags: EventFlags) -> std::ops::ControlFlow<()> {
        match self.watched.get_mut(token) {
            Some(Watched::Wake(wake)) => {
                let _ = rustix::io::read(&*wake, &mut [0u8; 8]);
                return self.obey();
            }
            Some(Watched::Udp(..)) => self.datagrams(token),
            Some(Watched::Listener(..)) => self.accept(token),
            Some(Watched::Connection(_)) => self.converse(token, flags),
            Some(Watched::Asked(asked)) => {
                let progress = asked.exchange.ready();
                self.progress(token, progress);
            }
            None => {}
        }
        std::ops::ControlFlow::Continue(())
    }

    fn obey(&mut self) -> std::ops::ControlFlow<()> {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Serve {
                    container,
                    udp,
                    tcp,
                } => self.serve(container, udp, tcp),
                Command::Remove(container) => self.forget(&container),
                Command::Stop => return std::ops::ControlFlow::Break(()),
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn serve(&mut self, container: ContainerId, udp: OwnedFd, tcp: OwnedFd) {
        // Whoever adopts a container hands the same sockets again.
        self.forget(&container);
        let client = Rc::new(Client {
            container,
            connections: Cell::new(0),
            exchanges: Cell::new(0),
        });
        for fd in [&udp, &tcp] {
            let _ = rustix::io::ioctl_fionbio(fd, true);
        }
        for watched in [
            Watched::Udp(Rc::clone(&client), udp),
            Watched::Listener(client, tcp),
        ] {
            self.watch(watched);
        }
    }

    /// Takes a socket in. One that epoll refuses is closed.
    fn watch(&mut self, watched: Watched) -> Token {
        let token = self.watched.insert(watched);
        let added = match self.watched.get_mut(token) {
            Some(Watched::Udp(_, fd) | Watched::Listener(_, fd) | Watched::Wake(fd)) => {
                epoll::add(&self.epoll, fd, data(token), EventFlags::IN)
            }
            Some(Watched::Connection(connection)) => {
                epoll::add(&self.epoll, &*connection, data(token), EventFlags::IN)
            }
            Some(Watched::Asked(asked)) => {
                epoll::add(&self.epoll, &asked.exchange, data(token), EventFlags::IN)
            }
            None => Ok(()),
        };
        if added.is_err() {
            self.watched.remove(token);
        }
        token
    }

    fn forget(&mut self, container: &ContainerId) {
        let of_it = |watched: &Watched| {
            watched
                .client()
                .is_some_and(|client| client.container == *container)
        };
        let tokens: Vec<_> = self
            .watched
            .tokens()
            .filter(|(_, w)| of_it(w))
            .map(|(token, _)| token)
            .collect();
        for token in tokens {
            self.drop_watched(token);
        }
    }

    /// Closes what has this number.
    fn drop_watched(&mut self, token: Token) {
        match self.watched.remove(token) {
            Some(Watched::Asked(asked)) => {
                self.deadlines.remove(&(asked.deadline, token));
                self.exchanges -= 1;
                asked.client.exchanges.update(|count| count - 1);
            }
            Some(Watched::Connection(connection)) => {
                self.deadlines.remove(&(connection.deadline, token));
                connection.client.connections.update(|count| count - 1);
            }
            _ => {}
        }
    }

    /// Answers the packets that wait in a container's UDP socket.
    fn datagrams(&mut self, token: Token) {
        let Some(Watched::Udp(client, socket)) = self.watched.get_mut(token) else {
            return;
        };
        let count = self.batch.receive(socket.as_fd());
        // Looked up after the packets were taken: no answer is older than a zone that was published before the question.
        let zone = self.shared.zone();
        let view = zone.view(&client.container);
        let mut forward = [false; batch::SIZE];
        for (index, forward) in forward.iter_mut().enumerate().take(count) {
            self.turn = self.turn.wrapping_add(1);
            let (packet, buffer, from) = self.batch.exchange(index);
            match zone::respond(view, packet, Transport::Udp, self.turn, buffer) {
                Outcome::Reply(len) => self.batch.keep(len, from),
                Outcome::Forward => *forward = true,
                Outcome::Ignore => {}
            }
        }
        self.batch.send(socket.as_fd());
        let client = Rc::clone(client);
        for (index, _) in forward.iter().enumerate().filter(|(_, forward)| **forward) {
            let (packet, _, from) = self.batch.exchange(index);
            let packet = packet.to_vec();
            if let Some(from) = from {
                self.forward(&client, packet, Back::Udp(token, from), &zone);
            }
        }
    }

    fn accept(&mut self, token: Token) {
        let Some(Watched::Listener(client, listener)) = self.watched.get_mut(token) else {
            return;
        };
        match rustix::net::accept_with(&*listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok(socket) if client.connections.get() < CONNECTIONS_OF_ONE => {
                client.connections.update(|count| count + 1);
                let connection = Connection::new(Rc::clone(client), socket);
                let deadline = connection.deadline;
                let token = self.watch(Watched::Connection(connection));
                self.deadlines.insert((deadline, token));
            }
            Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => {
                // Else the waiting connection would keep the loop busy.
                let _ = epoll::delete(&self.epoll, &*listener);
                self.deadlines.insert((Instant::now() + REST, token));
            }
            // Too many of one container (closed at once), or gone before it was accepted.
            Ok(_) | Err(_) => {}
        }
    }

    fn converse(&mut self, token: Token, flags: EventFlags) {
        let Some(Watched::Connection(connection)) = self.watched.get_mut(token) else {
            return;
        };
        if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
            return self.drop_watched(token);
        }
        let (client, messages) = (Rc::clone(&connection.client), connection.read());
        let zone = self.shared.zone();
        for packet in messages {
            self.turn = self.turn.wrapping_add(1);
            let view = zone.view(&client.container);
            match zone::respond(view, &packet, Transport::Tcp, self.turn, &mut self.long) {
                Outcome::Reply(len) => {
                    if let Some(Watched::Connection(connection)) = self.watched.get_mut(token) {
                        connection.push(&self.long[..len]);
                    }
                }
                Outcome::Forward => {
                    if let Some(Watched::Connection(connection)) = self.watched.get_mut(token) {
                        connection.open_questions += 1;
                    }
                    self.forward(&client, packet, Back::Tcp(token), &zone);
                }
                Outcome::Ignore => {}
            }
        }
        self.settle(token);
    }

    /// After something happened to a connection: sends, watches for what it waits for, closes it when it is through.
    fn settle(&mut self, token: Token) {
        let Some(Watched::Connection(connection)) = self.watched.get_mut(token) else {
            return;
        };
        match connection.settle() {
            Some(interest) if interest != connection.interest => {
                connection.interest = interest;
                let _ = epoll::modify(&self.epoll, &*connection, data(token), interest);
            }
            Some(_) => {}
            None => self.drop_watched(token),
        }
    }

    fn forward(&mut self, client: &Rc<Client>, packet: Vec<u8>, back: Back, zone: &Zone) {
        let own = zone
            .view(&client.container)
            .and_then(|view| view.dns().cloned());
        let servers = own.unwrap_or_else(|| self.shared.upstream());
        let is_room = self.exchanges < EXCHANGES && client.exchanges.get() < EXCHANGES_OF_ONE;
        let long = matches!(back, Back::Tcp(_));
        let exchange = is_room
            .then(|| Exchange::start(&packet, servers, long))
            .flatten();
        let Some(exchange) = exchange else {
            return self.fail(&packet, back);
        };
        self.exchanges += 1;
        client.exchanges.update(|count| count + 1);
        let deadline = Instant::now() + exchange::TIMEOUT;
        let token = self.watch(Watched::Asked(Asked {
            client: Rc::clone(client),
            exchange,
            packet,
            back,
            deadline,
        }));
        self.deadlines.insert((deadline, token));
    }

    fn progress(&mut self, token: Token, progress: Progress) {
        let Some(Watched::Asked(asked)) = self.watched.get_mut(token) else {
            return;
        };
        let back = asked.back;
        match progress {
            Progress::Waiting => {
                if !asked.exchange.wants_to_write() {
                    let _ =
                        epoll::modify(&self.epoll, &asked.exchange, data(token), EventFlags::IN);
                }
            }
            Progress::Moved => {
                self.deadlines.remove(&(asked.deadline, token));
                asked.deadline = Instant::now() + exchange::TIMEOUT;
                self.deadlines.insert((asked.deadline, token));
                // The old socket left epoll when it was closed.
                let output = asked.exchange.wants_to_write();
                let flags = if output {
                    EventFlags::IN | EventFlags::OUT
                } else {
                    EventFlags::IN
                };
                let _ = epoll::add(&self.epoll, &asked.exchange, data(token), flags);
            }
            Progress::Answer(answer) => {
                self.drop_watched(token);
                self.deliver(&answer, back);
            }
            Progress::Failed => {
                let packet = std::mem::take(&mut asked.packet);
                self.drop_watched(token);
                self.fail(&packet, back);
            }
        }
    }

    fn fail(&mut self, packet: &[u8], back: Back) {
        let mut buffer = [0u8; 512];
        let len = zone::failure(packet, &mut buffer);
        self.deliver(&buffer[..len], back);
    }

    fn deliver(&mut self, answer: &[u8], back: Back) {
        match back {
            Back::Udp(token, to) => {
                if let Some(Watched::Udp(_, socket)) = self.watched.get_mut(token) {
                    let to = std::net::SocketAddrV4::new(to.ip(), to.port());
                    let _ = rustix::net::sendto(&*socket, answer, SendFlags::DONTWAIT, &to);
                }
            }
            Back::Tcp(token) => {
                if let Some(Watched::Connection(connection)) = self.watched.get_mut(token) {
                    connection.open_questions -= 1;
                    connection.push(answer);
                    self.settle(token);
                }
            }
        }
    }

    fn expire(&mut self) {
        if self.deadlines.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some((deadline, token)) = self
            .deadlines
            .first()
            .copied()
            .filter(|(deadline, _)| *deadline <= now)
        {
            self.deadlines.remove(&(deadline, token));
            match self.watched.get_mut(token) {
                Some(Watched::Asked(asked)) => {
                    let progress = asked.exchange.timed_out();
                    self.progress(token, progress);
                }
                Some(Watched::Connection(connection)) if connection.active_until() > now => {
                    connection.deadline = connection.active_until();
                    self.deadlines.insert((connection.deadline, token));
                }
                Some(Watched::Connection(_)) => self.drop_watched(token),
                Some(Watched::Listener(_, listener)) => {
                    let _ = epoll::add(&self.epoll, &*listener, data(token), EventFlags::IN);
                }
                _ => {}
            }
        }
    }
}

fn data(token: Token) -> epoll::EventData {
    epoll::EventData::new_u64(token.to_u64())
}
