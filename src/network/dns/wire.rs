//! The wire format, as far as the fast path needs it: reading a question, writing an answer. No allocation.
//!
//! Whatever is not understood here is either answered with an error or passed on as it is; nothing is guessed.

use std::net::IpAddr;
use std::ops::Range;

/// Length of the header.
pub const HEADER: usize = 12;

/// The longest name on the wire.
pub const LONGEST_NAME: usize = 255;

/// What we can take in and give out over UDP: well below the size of a loopback packet.
pub const LARGEST_UDP: usize = 4096;

/// Seconds an answer may be kept: docker's value. Programs that cache by it see an address at most this long after its
/// container is gone; a recreated container keeps its address where it can, and `libc` does not cache at all.
const TTL: u32 = 600;

/// Record types.
pub mod kind {
    #![allow(missing_docs)]
    pub const A: u16 = 1;
    pub const PTR: u16 = 12;
    pub const AAAA: u16 = 28;
    pub const OPT: u16 = 41;
    pub const ANY: u16 = 255;
}

/// Response codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Code {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    /// Only with EDNS: its high bits are in the OPT record.
    BadVers = 16,
}

/// A question we understand.
#[derive(Debug)]
pub struct Query<'a> {
    /// The packet's first twelve bytes.
    header: &'a [u8],
    /// The question section as it came.
    question: &'a [u8],
    name: NameKey,
    /// Type of the records asked for.
    pub kind: u16,
    /// Class of the records asked for.
    pub class: u16,
    /// What its OPT record says, if it has one.
    pub edns: Option<Edns>,
}

/// The parts of an OPT record that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edns {
    /// Largest UDP packet the asker takes.
    pub size: u16,
    /// EDNS version.
    pub version: u8,
    /// The DO bit.
    pub dnssec: bool,
}

/// A packet that gets no ordinary answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Too short, or an answer: replying would only help an attacker.
    Ignore,
    /// To be answered with this code and nothing else.
    Answer(Code),
}

/// A name on the wire in lower case: length-prefixed labels and the final zero.
#[derive(Debug, Clone)]
pub struct NameKey {
    bytes: [u8; LONGEST_NAME],
    len: usize,
}

impl NameKey {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The labels, first to last.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.as_bytes();
        std::iter::from_fn(move || {
            let (len, after) = rest.split_first().filter(|(len, _)| **len > 0)?;
            let (label, next) = after.split_at(usize::from(*len));
            rest = next;
            Some(label)
        })
    }
}

/// A dotted name as a key (a final dot does not matter); `None` if it cannot be on the wire.
pub fn key(name: &str) -> Option<Box<[u8]>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut key = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        key.push(
            u8::try_from(label.len())
                .ok()
                .filter(|len| (1..=63).contains(len))?,
        );
        key.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    key.push(0);
    (key.len() <= LONGEST_NAME).then(|| key.into())
}

fn u16_at(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?))
}

/// Reads a query.
pub fn parse(packet: &[u8]) -> Result<Query<'_>, Malformed> {
    let header = packet.get(..HEADER).ok_or(Malformed::Ignore)?;
    if header[2] & 0x80 != 0 {
        return Err(Malformed::Ignore);
    }
    if header[2] >> 3 & 15 != 0 {
        return Err(Malformed::Answer(Code::NotImp));
    }
    let count = |at| u16_at(header, at).unwrap_or(0);
    if (count(4), count(6), count(8)) != (1, 0, 0) {
        return Err(Malformed::Answer(Code::FormErr));
    }
    let rest = question(packet).and_then(|(name, end)| {
        let edns = additional(packet, end, count(10))?;
        Some((name, end, edns))
    });
    let (name, end, edns) = rest.ok_or(Malformed::Answer(Code::FormErr))?;
    let number = |at| u16_at(packet, at).unwrap_or(0);
    Ok(Query {
        header,
        question: &packet[HEADER..end],
        name,
        kind: number(end - 4),
        class: number(end - 2),
        edns,
    })
}

/// The name of the question and where the question ends. A compressed name has nothing to point to here, so is an error.
fn question(packet: &[u8]) -> Option<(NameKey, usize)> {
    let mut key = NameKey {
        bytes: [0; LONGEST_NAME],
        len: 0,
    };
    let mut at = HEADER;
    loop {
        let len = *packet.get(at)?;
        let label = packet
            .get(at..=at + usize::from(len))
            .filter(|_| len < 64)?;
        let place = key.bytes.get_mut(key.len..key.len + label.len())?;
        place.copy_from_slice(label);
        // The length byte is below 64, so it is no letter.
        place.make_ascii_lowercase();
        key.len += label.len();
        at += label.len();
        if len == 0 {
            break;
        }
    }
    (at + 4 <= packet.len()).then_some((key, at + 4))
}

/// Looks for the OPT record among `count` records from `at` on.
fn additional(packet: &[u8], mut at: usize, count: u16) -> Option<Option<Edns>> {
    let mut edns = None;
    for _ in 0..count {
        let start = at;
        at = skip_name(packet, at)?;
        let (kind, class) = (u16_at(packet, at)?, u16_at(packet, at + 2)?);
        let ttl = packet.get(at + 4..at + 8)?;
        at += 10 + usize::from(u16_at(packet, at + 8)?);
        if at > packet.len() {
            return None;
        }
        if kind == kind::OPT {
            if edns.is_some() || packet[start] != 0 {
                return None;
            }
            edns = Some(Edns {
                size: class,
                version: ttl[1],
                dnssec: ttl[2] & 0x80 != 0,
            });
        }
    }
    Some(edns)
}

/// Where a name of another section ends; it may be compressed.
fn skip_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *packet.get(at)? {
            0 => return Some(at + 1),
            len @ 1..=63 => at += 1 + usize::from(len),
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
}

impl Query<'_> {
    /// The name asked for.
    pub fn name(&self) -> &NameKey {
        &self.name
    }

    /// The largest answer the asker takes over UDP.
    pub fn udp_limit(&self) -> usize {
        let asked = self.edns.map_or(512, |edns| usize::from(edns.size));
        asked.clamp(512, LARGEST_UDP)
    }
}

/// The address of `4.3.2.1.in-addr.arpa` or its IPv6 kin.
pub fn reverse(name: &NameKey) -> Option<IpAddr> {
    let labels = || name.labels();
    let count = labels().count();
    let mut tail = labels().skip(count.checked_sub(2)?);
    let zone = (tail.next()?, tail.next()?);
    match (zone, count) {
        ((b"in-addr", b"arpa"), 6) => {
            let mut octets = [0u8; 4];
            for (place, label) in octets.iter_mut().rev().zip(labels()) {
                *place = std::str::from_utf8(label).ok()?.parse().ok()?;
            }
            Some(IpAddr::from(octets))
        }
        ((b"ip6", b"arpa"), 34) => {
            let mut bits = 0u128;
            for (index, label) in labels().take(32).enumerate() {
                let [digit] = label else { return None };
                bits |= u128::from(char::from(*digit).to_digit(16)?) << (4 * index);
            }
            Some(IpAddr::from(bits.to_be_bytes()))
        }
        _ => None,
    }
}

/// An answer being written over a buffer.
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
    answers: u16,
    /// Bytes kept for the OPT record.
    reserve: usize,
}

const OPT_LEN: usize = 11;

/// Flag bits of the third and fourth byte of the header.
const RESPONSE: u8 = 0x80;
const AUTHORITATIVE: u8 = 0x04;
const TRUNCATED: u8 = 0x02;
const RECURSION_DESIRED: u8 = 0x01;
const RECURSION_AVAILABLE: u8 = 0x80;
const CHECKING_DISABLED: u8 = 0x10;

impl<'b> Writer<'b> {
    /// Begins the answer to a query in a buffer that is as long as the answer may be, and at least 512 bytes.
    pub fn new(query: &Query<'_>, buffer: &'b mut [u8]) -> Self {
        buffer[..HEADER].fill(0);
        buffer[..2].copy_from_slice(&query.header[..2]);
        buffer[2] = RESPONSE | AUTHORITATIVE | query.header[2] & RECURSION_DESIRED;
        buffer[3] = RECURSION_AVAILABLE | query.header[3] & CHECKING_DISABLED;
        buffer[5] = 1;
        let len = HEADER + query.question.len();
        buffer[HEADER..len].copy_from_slice(query.question);
        Self {
            buffer,
            len,
            answers: 0,
            reserve: if query.edns.is_some() { OPT_LEN } else { 0 },
        }
    }

    /// Adds a record about the name asked for. `false`: it did not fit, and the answer says so.
    pub fn record(&mut self, kind: u16, data: &[u8]) -> bool {
        let end = self.len + 12 + data.len();
        if end + self.reserve > self.buffer.len() {
            self.buffer[2] |= TRUNCATED;
            return false;
        }
        let record = &mut self.buffer[self.len..end];
        // The name: a pointer to the question's.
        record[..2].copy_from_slice(&[0xc0, HEADER as u8]);
        record[2..4].copy_from_slice(&kind.to_be_bytes());
        record[4..6].copy_from_slice(&[0, 1]);
        record[6..10].copy_from_slice(&TTL.to_be_bytes());
        let len = u16::try_from(data.len()).expect("addresses and names are short");
        record[10..12].copy_from_slice(&len.to_be_bytes());
        record[12..].copy_from_slice(data);
        self.len = end;
        self.answers += 1;
        true
    }

    /// Adds the address, as the record of its family.
    pub fn address(&mut self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.record(kind::A, &address.octets()),
            IpAddr::V6(address) => self.record(kind::AAAA, &address.octets()),
        }
    }

    /// Ends the answer; its length.
    pub fn finish(mut self, query: &Query<'_>, code: Code) -> usize {
        let code = code as u16;
        self.buffer[3] |= (code & 15) as u8;
        self.buffer[6..8].copy_from_slice(&self.answers.to_be_bytes());
        if let Some(edns) = query.edns {
            let [high, low] = (LARGEST_UDP as u16).to_be_bytes();
            let flags = if edns.dnssec { 0x80 } else { 0 };
            let opt = [
                0,
                0,
                kind::OPT as u8,
                high,
                low,
                (code >> 4) as u8,
                0,
                flags,
                0,
                0,
                0,
            ];
            self.buffer[self.len..self.len + OPT_LEN].copy_from_slice(&opt);
            self.len += OPT_LEN;
            self.buffer[11] = 1;
        }
        self.len
    }
}

/// Answers a packet that [`parse`] did not like with a code and no question; its length.
pub fn error(packet: &[u8], code: Code, buffer: &mut [u8]) -> usize {
    buffer[..HEADER].fill(0);
    buffer[..2].copy_from_slice(&packet[..2]);
    buffer[2] = RESPONSE | packet[2] & (0x78 | RECURSION_DESIRED);
    buffer[3] = RECURSION_AVAILABLE | code as u8;
    HEADER
}

/// Where the question of a packet lies, if it has exactly one: what a reply must repeat.
pub fn question_of(packet: &[u8]) -> Option<Range<usize>> {
    (u16_at(packet, 4)? == 1).then_some(())?;
    question(packet).map(|(_, end)| HEADER..end)
}

/// Whether `reply` is the answer of a server to `query`: same id, same question, and an answer at all.
pub fn answers(reply: &[u8], query: &[u8]) -> bool {
    let same_question = || {
        let (ours, theirs) = (question_of(query)?, question_of(reply)?);
        Some(query[ours].eq_ignore_ascii_case(&reply[theirs]))
    };
    reply.len() >= HEADER
        && reply[..2] == query[..2]
        && reply[2] & RESPONSE != 0
        && same_question() == Some(true)
}

/// Whether a reply says that it was cut.
pub fn is_truncated(reply: &[u8]) -> bool {
    reply[2] & TRUNCATED != 0
}

/// The response code of a reply (without its EDNS part).
pub fn code(reply: &[u8]) -> u8 {
    reply[3] & 15
}
