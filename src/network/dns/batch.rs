//! UDP in batches: one system call takes in up to [`SIZE`] packets, one gives out their answers. Nothing is allocated
//! after the start.

use nix::sys::socket::MsgFlags;
use nix::sys::socket::MultiHeaders;
use nix::sys::socket::SockaddrIn;
use nix::sys::socket::recvmmsg;
use nix::sys::socket::sendmmsg;
use std::io::IoSlice;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;

/// Packets a system call.
pub const SIZE: usize = 32;

/// Queries are short; a longer packet is cut here and then ignored.
const LARGEST_QUERY: usize = 2048;

/// Buffers for one batch.
pub struct Batch {
    incoming: MultiHeaders<SockaddrIn>,
    outgoing: MultiHeaders<SockaddrIn>,
    queries: Vec<[u8; LARGEST_QUERY]>,
    received: [(usize, Option<SockaddrIn>); SIZE],
    replies: Vec<[u8; super::wire::LARGEST_UDP]>,
    lengths: [usize; SIZE],
    to: [Option<SockaddrIn>; SIZE],
    waiting: usize,
}

impl Batch {
    /// Allocates the buffers.
    pub fn new() -> Self {
        Self {
            incoming: MultiHeaders::preallocate(SIZE, None),
            outgoing: MultiHeaders::preallocate(SIZE, None),
            queries: vec![[0; LARGEST_QUERY]; SIZE],
            received: [(0, None); SIZE],
            replies: vec![[0; super::wire::LARGEST_UDP]; SIZE],
            lengths: [0; SIZE],
            to: [None; SIZE],
            waiting: 0,
        }
    }

    /// Takes in what waits in a socket; the number of packets.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> usize {
        let mut buffers = self.queries.iter_mut();
        let mut slices: [[IoSliceMut<'_>; 1]; SIZE] = std::array::from_fn(|_| {
            [IoSliceMut::new(
                buffers.next().expect("there are SIZE buffers"),
            )]
        });
        let flags = MsgFlags::MSG_DONTWAIT;
        let fd = socket.as_raw_fd();
        let Ok(results) = recvmmsg(fd, &mut self.incoming, slices.iter_mut(), flags, None) else {
            return 0;
        };
        let mut count = 0;
        for (message, place) in results.zip(&mut self.received) {
            let cut = message.flags.contains(MsgFlags::MSG_TRUNC);
            *place = (if cut { 0 } else { message.bytes }, message.address);
            count += 1;
        }
        count
    }

    /// The packet at a place of the last batch, where its answer is to be written, and who sent it.
    pub fn exchange(&mut self, index: usize) -> (&[u8], &mut [u8], Option<SockaddrIn>) {
        let (len, from) = self.received[index];
        (
            &self.queries[index][..len],
            &mut self.replies[self.waiting],
            from,
        )
    }

    /// Keeps the answer just written for sending.
    pub fn keep(&mut self, len: usize, to: Option<SockaddrIn>) {
        self.lengths[self.waiting] = len;
        self.to[self.waiting] = to;
        self.waiting += 1;
    }

    /// Sends what was kept. What the kernel does not take is lost, as UDP may be.
    pub fn send(&mut self, socket: BorrowedFd<'_>) {
        let count = std::mem::take(&mut self.waiting);
        let slices: [[IoSlice<'_>; 1]; SIZE] = std::array::from_fn(|index| {
            [IoSlice::new(&self.replies[index][..self.lengths[index]])]
        });
        let mut sent = 0;
        while sent < count {
            let (slices, to) = (&slices[sent..count], &self.to[sent..count]);
            let result = sendmmsg(
                socket.as_raw_fd(),
                &mut self.outgoing,
                slices,
                to,
                [],
                MsgFlags::MSG_DONTWAIT,
            );
            // The first one failed: it is skipped, the rest may do.
            sent += result.map_or(1, |results| results.count().max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    #[test]
    fn packets_come_back_to_their_senders_batch_after_batch() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let clients: Vec<_> = (0..SIZE + 3)
            .map(|_| {
                let client = UdpSocket::bind("127.0.0.1:0").unwrap();
                client.connect(server.local_addr().unwrap()).unwrap();
                client
            })
            .collect();
        let mut batch = Batch::new();
        for round in 0..3u8 {
            for (number, client) in clients.iter().enumerate() {
                client.send(&[round, number as u8]).unwrap();
            }
            let mut seen = 0;
            while seen < clients.len() {
                let count = batch.receive(server.as_fd());
                for index in 0..count {
                    let (packet, reply, from) = batch.exchange(index);
                    let len = packet.len();
                    reply[..len].copy_from_slice(packet);
                    batch.keep(len, from);
                }
                batch.send(server.as_fd());
                seen += count;
            }
            for (number, client) in clients.iter().enumerate() {
                let mut buffer = [0; 9];
                assert_eq!(client.recv(&mut buffer).unwrap(), 2);
                assert_eq!(buffer[..2], [round, number as u8]);
            }
        }
    }

    #[test]
    fn a_giant_is_seen_as_empty() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .send_to(&[7; LARGEST_QUERY + 1], server.local_addr().unwrap())
            .unwrap();
        let mut batch = Batch::new();
        assert_eq!(batch.receive(server.as_fd()), 1);
        assert!(batch.exchange(0).0.is_empty());
        assert_eq!(batch.receive(server.as_fd()), 0);
    }
}
