//! The worker's way out: questions that are not ours go upstream, and their answers come back.

use super::exchange;
use super::exchange::Exchange;
use super::exchange::Progress;
use super::slots::Token;
use super::watched::Asked;
use super::watched::Back;
use super::watched::Client;
use super::watched::Watched;
use super::worker::Worker;
use super::worker::data;
use super::zone;
use super::zone::Zone;
use rustix::event::epoll;
use rustix::event::epoll::EventFlags;
use rustix::net::SendFlags;
use std::net::SocketAddrV4;
use std::rc::Rc;
use std::time::Instant;

/// Questions on their way upstream, of all containers and of one: each holds a descriptor.
const EXCHANGES: usize = 1024;
const EXCHANGES_OF_ONE: usize = 256;

impl Worker {
    /// Asks upstream; the answer goes `back`.
    pub(super) fn forward(
        &mut self,
        client: &Rc<Client>,
        packet: Vec<u8>,
        back: Back,
        zone: &Zone,
    ) {
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

    /// After something happened to a question: moves on, or gives its answer.
    pub(super) fn progress(&mut self, token: Token, progress: Progress) {
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
                    let to = SocketAddrV4::new(to.ip(), to.port());
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
}
