//! One synchronous netlink socket that sends many messages at once and collects an answer for each.
//!
//! The kernel handles a request while `sendmsg` runs, so every answer waits in the receive queue when it returns: no
//! waiting, and one pair of system calls for a batch.

use netlink_packet_core::NetlinkMessage;
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::Socket as RawSocket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::protocols::NETLINK_ROUTE;
use std::io;
use std::ops::Range;

const HEADER: usize = 16;
const ACK: u16 = libc::NLM_F_ACK as u16;
const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const DUMP: u16 = libc::NLM_F_DUMP as u16;
const DUMP_INTERRUPTED: u16 = 0x10;
/// What one `sendmsg` carries at most; well below the default send buffer of 208 KiB.
const CHUNK: usize = 64 * 1024;
/// Room for the answers to one chunk: an acknowledgement counts about 768 bytes against the buffer.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Room for one nftables transaction.
const SEND_BUFFER: usize = 1 << 20;
const EXTENDED_ACK_TEXT: u16 = 1;
const CAPPED: u16 = 0x100;
const EXTENDED_ACK: u16 = 0x200;

/// The kernel's no to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The errno, positive.
    pub errno: i32,
    /// The kernel's own words, if it gave any.
    pub text: Option<String>,
}

/// What came back for one message of a batch.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    /// Set if the message was refused.
    pub refusal: Option<Refusal>,
    /// The reply to a query, header included.
    pub reply: Option<Vec<u8>>,
}

/// Messages to be sent together.
#[derive(Debug, Default, Clone)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Batch {
    /// Appends a message made by `body`; returns its index.
    pub(super) fn push(&mut self, kind: u16, flags: u16, body: impl FnOnce(&mut Vec<u8>)) -> usize {
        let start = self.bytes.len();
        self.bytes.resize(start + HEADER, 0);
        body(&mut self.bytes);
        let length = (self.bytes.len() - start) as u32;
        self.bytes
            .resize(start + (length as usize).next_multiple_of(4), 0);
        let header = &mut self.bytes[start..start + HEADER];
        header[..4].copy_from_slice(&length.to_ne_bytes());
        header[4..6].copy_from_slice(&kind.to_ne_bytes());
        header[6..8].copy_from_slice(&(flags | REQUEST).to_ne_bytes());
        self.starts.push(start);
        self.starts.len() - 1
    }

    /// Appends an rtnetlink request that is to be acknowledged; returns its index.
    pub(super) fn route(&mut self, message: RouteNetlinkMessage, flags: u16) -> usize {
        let mut message = NetlinkMessage::from(message);
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
        self.push(kind, flags | ACK, |out| {
            out.extend_from_slice(&bytes[HEADER..])
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Number of messages.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The ranges of bytes to send one by one: whole messages, each range below [`CHUNK`] if it can.
    fn chunks(&self) -> Vec<Range<usize>> {
        let ends = self
            .starts
            .iter()
            .skip(1)
            .copied()
            .chain([self.bytes.len()]);
        let mut chunks: Vec<Range<usize>> = Vec::new();
        for (start, end) in self.starts.iter().copied().zip(ends) {
            match chunks.last_mut() {
                Some(chunk) if end - chunk.start <= CHUNK => chunk.end = end,
                _ => chunks.push(start..end),
            }
        }
        chunks
    }
}

/// A netlink socket, bound to the network namespace it was opened in.
pub(super) struct Socket {
    raw: RawSocket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Links, addresses, routes.
    pub(super) fn route() -> io::Result<Self> {
        Self::open(NETLINK_ROUTE)
    }

    /// nftables and connection tracking.
    pub(super) fn netfilter() -> io::Result<Self> {
        Self::open(NETLINK_NETFILTER)
    }

    fn open(protocol: isize) -> io::Result<Self> {
        let mut raw = RawSocket::new(protocol)?;
        raw.bind_auto()?;
        // Both are comfort: without them errors have no text, and answers repeat the request.
        let _ = raw.set_ext_ack(true);
        let _ = raw.set_cap_ack(true);
        let force = rustix::net::sockopt::set_socket_recv_buffer_size_force(&raw, RECEIVE_BUFFER);
        if force.is_err() {
            raw.set_rx_buf_sz(RECEIVE_BUFFER)?;
        }
        // A transaction cannot be cut; without the privilege only very big ones fail.
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&raw, SEND_BUFFER);
        Ok(Self {
            raw,
            sequence: 1,
            buffer: Vec::with_capacity(64 * 1024),
        })
    }

    /// Sends each message and returns an answer for each, in order. A refused one does not stop the others.
    pub(super) fn exchange(&mut self, batch: &Batch) -> io::Result<Vec<Answer>> {
        let mut answers = vec![Answer::default(); batch.len()];
        if batch.is_empty() {
            return Ok(answers);
        }
        let first = self.number(batch.len());
        let bytes = numbered(batch, first);
        for chunk in batch.chunks() {
            self.send(&bytes[chunk])?;
            self.drain(first, &mut answers)?;
        }
        Ok(answers)
    }

    /// Sends the messages as one piece (an nftables transaction) and returns the first refusal: its index and why.
    pub(super) fn transact(&mut self, batch: &Batch) -> io::Result<Result<(), (usize, Refusal)>> {
        let first = self.number(batch.len());
        self.send(&numbered(batch, first))?;
        let mut answers = vec![Answer::default(); batch.len()];
        self.drain(first, &mut answers)?;
        let refused = answers
            .into_iter()
            .enumerate()
            .find_map(|(index, answer)| answer.refusal.map(|refusal| (index, refusal)));
        Ok(refused.map_or(Ok(()), Err))
    }

    /// Asks for a list and returns its messages, headers included; again if it changed while it was read.
    pub(super) fn dump(&mut self, kind: u16, body: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        for _ in 0..16 {
            let mut batch = Batch::default();
            batch.push(kind, DUMP, |out| out.extend_from_slice(body));
            let first = self.number(1);
            self.send(&numbered(&batch, first))?;
            if let Some(messages) = self.collect(first)? {
                return Ok(messages);
            }
        }
        Err(io::Error::from_raw_os_error(libc::EAGAIN))
    }

    fn number(&mut self, count: usize) -> u32 {
        let first = self.sequence;
        self.sequence = self.sequence.wrapping_add(count as u32).max(1);
        first
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        loop {
            match self.raw.send(bytes, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return sent.map(|_| ()),
            }
        }
    }

    fn receive(&mut self, flags: i32) -> io::Result<()> {
        loop {
            self.buffer.clear();
            match self.raw.recv(&mut self.buffer, flags) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                received => return received.map(|_| ()),
            }
        }
    }

    /// Reads what the kernel has queued, filling in the answers.
    fn drain(&mut self, first: u32, answers: &mut [Answer]) -> io::Result<()> {
        loop {
            match self.receive(libc::MSG_DONTWAIT) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                received => received?,
            }
            for message in messages(&self.buffer) {
                let index = message.sequence.wrapping_sub(first) as usize;
                let Some(answer) = answers.get_mut(index) else {
                    continue;
                };
                if i32::from(message.kind) == libc::NLMSG_ERROR {
                    answer.refusal = answer.refusal.take().or(refusal(&message));
                } else {
                    answer.reply = Some(message.bytes.to_vec());
                }
            }
        }
    }

    /// Reads a dump to its end; `None` if it must be asked for again.
    fn collect(&mut self, sequence: u32) -> io::Result<Option<Vec<Vec<u8>>>> {
        let (mut found, mut interrupted) = (Vec::new(), false);
        loop {
            self.receive(0)?;
            for message in messages(&self.buffer).filter(|message| message.sequence == sequence) {
                interrupted |= message.flags & DUMP_INTERRUPTED != 0;
                match i32::from(message.kind) {
                    libc::NLMSG_DONE => return Ok((!interrupted).then_some(found)),
                    libc::NLMSG_ERROR => match refusal(&message) {
                        Some(refusal) if refusal.errno == libc::EINTR => return Ok(None),
                        Some(refusal) => return Err(io::Error::from_raw_os_error(refusal.errno)),
                        None => return Ok(Some(found)),
                    },
                    _ => found.push(message.bytes.to_vec()),
                }
            }
        }
    }
}

/// One message in a receive buffer.
struct Received<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    bytes: &'a [u8],
}

/// The messages in a receive buffer.
fn messages(mut buffer: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let length = read_u32(buffer, 0)? as usize;
        if length < HEADER || length > buffer.len() {
            return None;
        }
        let (bytes, rest) = buffer.split_at(length);
        buffer = rest
            .get(length.next_multiple_of(4) - length..)
            .unwrap_or_default();
        Some(Received {
            kind: read_u16(bytes, 4)?,
            flags: read_u16(bytes, 6)?,
            sequence: read_u32(bytes, 8)?,
            bytes,
        })
    })
}

/// The refusal in an `NLMSG_ERROR`; `None` if it is an acknowledgement.
fn refusal(message: &Received<'_>) -> Option<Refusal> {
    let errno = -(read_u32(message.bytes, HEADER).unwrap_or(0) as i32);
    if errno == 0 {
        return None;
    }
    let text = (message.flags & EXTENDED_ACK != 0)
        .then(|| extended_text(message))
        .flatten();
    Some(Refusal { errno, text })
}

fn extended_text(message: &Received<'_>) -> Option<String> {
    let echoed = match message.flags & CAPPED {
        0 => (read_u32(message.bytes, HEADER + 4)? as usize).next_multiple_of(4),
        _ => HEADER,
    };
    let attributes = message.bytes.get(HEADER + 4 + echoed..)?;
    let text = find_attribute(attributes, EXTENDED_ACK_TEXT)?;
    Some(
        String::from_utf8_lossy(text)
            .trim_end_matches('\0')
            .to_owned(),
    )
}

/// The bytes of the batch with sequence numbers from `first` on.
fn numbered(batch: &Batch, first: u32) -> Vec<u8> {
    let mut bytes = batch.bytes.clone();
    for (index, start) in batch.starts.iter().enumerate() {
        let sequence = first.wrapping_add(index as u32);
        bytes[start + 8..start + 12].copy_from_slice(&sequence.to_ne_bytes());
    }
    bytes
}

/// Parses the rtnetlink message in `bytes` (header included); what we cannot read is not for us.
pub(super) fn parse_route(bytes: &[u8]) -> Option<RouteNetlinkMessage> {
    match NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes)
        .ok()?
        .payload
    {
        NetlinkPayload::InnerMessage(message) => Some(message),
        _ => None,
    }
}

/// Appends one attribute.
pub(super) fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = (4 + value.len()) as u16;
    out.extend_from_slice(&length.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Appends an attribute that holds attributes.
pub(super) fn nested(out: &mut Vec<u8>, kind: u16, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = (out.len() - start) as u16;
    out[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    out[start + 2..start + 4].copy_from_slice(&(kind | libc::NLA_F_NESTED as u16).to_ne_bytes());
}

/// The attributes in `bytes`: kind without its flag bits, and value.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = read_u16(bytes, 0)? as usize;
        let kind = read_u16(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of the first attribute of that kind.
pub(super) fn find_attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes)
        .find(|(found, _)| *found == kind)
        .map(|(_, value)| value)
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(
        word.try_into().expect("four bytes were taken"),
    ))
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    let word = bytes.get(at..at + 2)?;
    Some(u16::from_ne_bytes(
        word.try_into().expect("two bytes were taken"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_found_again() {
        let mut out = Vec::new();
        attribute(&mut out, 1, b"abc");
        nested(&mut out, 2, |out| attribute(out, 7, &[9]));
        assert_eq!(out.len(), 8 + 4 + 8);
        assert_eq!(find_attribute(&out, 1), Some(&b"abc"[..]));
        let inner = find_attribute(&out, 2).unwrap();
        assert_eq!(attributes(inner).collect::<Vec<_>>(), [(7, &[9u8][..])]);
    }

    #[test]
    fn broken_lengths_end_the_reading() {
        for bytes in [&[0u8, 0, 0, 0][..], &[3, 0, 1, 0], &[200, 0, 1, 0, 1], &[4]] {
            assert_eq!(attributes(bytes).count(), 0, "{bytes:?}");
        }
        assert_eq!(messages(&[8, 0, 0, 0, 0, 0, 0, 0]).count(), 0);
    }

    #[test]
    fn a_long_batch_is_cut_between_messages() {
        let mut batch = Batch::default();
        for _ in 0..10 {
            batch.push(1, 0, |out| out.resize(out.len() + 20_000, 0));
        }
        let chunks = batch.chunks();
        assert_eq!(chunks.len(), 4);
        assert!(
            chunks
                .iter()
                .all(|chunk| chunk.len() <= CHUNK && batch.starts.contains(&chunk.start))
        );
        assert!(chunks.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(chunks[3].end, batch.bytes.len());
    }
}
