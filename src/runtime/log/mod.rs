//! The log of one container: written by its shim alone, read by anybody, also while it is written.
//!
//! A folder of numbered segments, append-only. A record is
//! `length u32 · checksum u32 · time i64 (ns since 1970) · stream u8 · flags u8 · bytes · length u32`, little endian; the
//! checksum (CRC-32) covers everything between the lengths but itself, and the second length lets a reader walk backwards.
//! A line that came in several reads, or is longer than [`LONGEST`], is several records, all but the last flagged as partial,
//! so that nothing a program wrote waits in memory for its line end.
//!
//! Invariants: a segment that has a successor never changes; a writer never appends to a segment it did not make, so
//! a record torn by a crash is the last of its segment; what fails its checksum is never shown; the times in a segment never
//! go back, as a clock that was set back begins another one.

mod reader;
pub(in crate::runtime) mod writer;

pub use reader::LogReader;
pub use writer::LogWriter;
pub use writer::Position;

use crc32fast::hash;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of the longest record's text.
pub const LONGEST: usize = 64 << 10;
const HEADER: usize = 18;
const TRAILER: usize = 4;
const PARTIAL: u8 = 1;

/// Where bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output, or the terminal.
    Out,
    /// Standard error.
    Err,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Nanoseconds since 1970.
    pub time: i64,
    /// Where it came from.
    pub stream: Stream,
    /// The line goes on in the next record of the same stream.
    pub partial: bool,
    /// The text, without its line feed.
    pub bytes: Vec<u8>,
}

/// Appends the encoded record to `to`.
fn encode(to: &mut Vec<u8>, time: i64, stream: Stream, partial: bool, bytes: &[u8]) {
    let length = (bytes.len() as u32).to_le_bytes();
    let start = to.len();
    to.extend_from_slice(&length);
    to.extend_from_slice(&[0; 4]);
    to.extend_from_slice(&time.to_le_bytes());
    to.extend_from_slice(&[stream as u8, if partial { PARTIAL } else { 0 }]);
    to.extend_from_slice(bytes);
    let checksum = hash(&to[start + 8..]);
    to[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    to.extend_from_slice(&length);
}

/// What is at the beginning of some bytes.
enum Decoded {
    /// A record and its encoded size.
    Record(Record, usize),
    /// The beginning of one.
    Short,
    /// None: torn or garbled.
    Broken,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0u8; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn decode(from: &[u8]) -> Decoded {
    if from.len() < HEADER {
        return Decoded::Short;
    }
    let length = u32_at(from, 0) as usize;
    if length > LONGEST {
        return Decoded::Broken;
    }
    let size = HEADER + length + TRAILER;
    if from.len() < size {
        return Decoded::Short;
    }
    let body = &from[8..HEADER + length];
    if u32_at(from, HEADER + length) as usize != length || u32_at(from, 4) != hash(body) {
        return Decoded::Broken;
    }
    let mut time = [0u8; 8];
    time.copy_from_slice(&body[..8]);
    let record = Record {
        time: i64::from_le_bytes(time),
        stream: if body[8] == 0 {
            Stream::Out
        } else {
            Stream::Err
        },
        partial: body[9] & PARTIAL != 0,
        bytes: body[10..].to_vec(),
    };
    Decoded::Record(record, size)
}

/// Numbers of the segments in `dir`, ascending.
fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|n| n.strip_suffix(".log"));
        numbers.extend(number.and_then(|n| n.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_and_every_flipped_bit_is_noticed() {
        let mut bytes = Vec::new();
        encode(&mut bytes, -5, Stream::Err, true, b"hello");
        let Decoded::Record(record, size) = decode(&bytes) else {
            panic!("not decoded");
        };
        assert_eq!(size, bytes.len());
        assert_eq!(
            (record.time, record.stream, record.partial),
            (-5, Stream::Err, true)
        );
        assert_eq!(record.bytes, b"hello");
        for bit in 0..bytes.len() * 8 {
            let mut torn = bytes.clone();
            torn[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(decode(&torn), Decoded::Record(..)), "bit {bit}");
        }
    }
}
