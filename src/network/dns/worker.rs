//! The resolver's thread: one epoll loop over the sockets of all containers and the questions asked upstream.

use super::batch;
use super::batch::Batch;
use super::connection::Connection;
use super::shared::Command;
use super::shared::Shared;
use super::slots::Slots;
use super::slots::Token;
use super::watched::Back;
use super::watched::Client;
use super::watched::Watched;
use super::zone;
use super::zone::Outcome;
use super::zone::Transport;
use crate::id::ContainerId;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::SocketFlags;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use std::time::Instant;

/// TCP connections of one container.
const CONNECTIONS_OF_ONE: usize = 32;

/// How long a listener rests when there are no descriptors left.
const REST: Duration = Duration::from_millis(200);

/// The thread's state.
pub(super) struct Worker {
    pub(super) epoll: OwnedFd,
    pub(super) watched: Slots<Watched>,
    pub(super) deadlines: BTreeSet<(Instant, Token)>,
    batch: Batch,
    /// Room for the longest answer over TCP.
    long: Vec<u8>,
    turn: usize,
    pub(super) exchanges: usize,
    pub(super) shared: Arc<Shared>,
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
    pub(super) fn watch(&mut self, watched: Watched) -> Token {
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
    pub(super) fn drop_watched(&mut self, token: Token) {
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
    pub(super) fn settle(&mut self, token: Token) {
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

/// How epoll names it.
pub(super) fn data(token: Token) -> epoll::EventData {
    epoll::EventData::new_u64(token.to_u64())
}
