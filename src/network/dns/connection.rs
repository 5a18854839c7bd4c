//! A TCP connection of a container.

use super::stream::Stream;
use super::watched::Client;
use rustix::event::epoll::EventFlags;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use std::time::Instant;

/// How long it may be idle.
const IDLE: Duration = Duration::from_secs(10);

/// The longest query taken in.
const LONGEST_QUERY: usize = 4096;

pub(super) struct Connection {
    pub(super) client: Rc<Client>,
    stream: Stream,
    /// When the loop looks at it again.
    pub(super) deadline: Instant,
    last: Instant,
    /// Questions of it that are being asked upstream.
    pub(super) open_questions: usize,
    /// Nothing more will come from it.
    ended: bool,
    /// What epoll watches it for.
    pub(super) interest: EventFlags,
}

impl Connection {
    pub(super) fn new(client: Rc<Client>, socket: OwnedFd) -> Self {
        let now = Instant::now();
        Self {
            client,
            stream: Stream::new(socket, LONGEST_QUERY),
            deadline: now + IDLE,
            last: now,
            open_questions: 0,
            ended: false,
            interest: EventFlags::IN,
        }
    }

    /// Until when it may stay if nothing more happens.
    pub(super) fn active_until(&self) -> Instant {
        self.last + IDLE
    }

    /// The whole questions that have arrived.
    pub(super) fn read(&mut self) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        self.ended |= self.stream.fill().is_err();
        loop {
            match self.stream.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => {
                    self.ended = true;
                    break;
                }
            }
        }
        if !messages.is_empty() {
            self.last = Instant::now();
        }
        messages
    }

    pub(super) fn push(&mut self, answer: &[u8]) {
        self.last = Instant::now();
        self.stream.push(answer);
    }

    /// Sends what can be sent; what to watch for then, `None` if the connection is through.
    pub(super) fn settle(&mut self) -> Option<EventFlags> {
        self.stream.flush().ok()?;
        if self.ended && self.open_questions == 0 && !self.stream.has_output() {
            return None;
        }
        let mut interest = EventFlags::empty();
        interest.set(EventFlags::IN, !self.ended && self.stream.wants_more());
        interest.set(EventFlags::OUT, self.stream.has_output());
        Some(interest)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
