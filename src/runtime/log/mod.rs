//! The log of one container: written by its shim alone, read by anybody, also while it is written.
//!
//! A folder of numbered segments, append-only. A record is
//! `length u32 · checksum u32 · time i64 (ns since 1970) · stream u8 · flags u8 · text · length u32`, little endian; the
//! checksum (CRC-32) covers everything between the lengths but itself, and the second length lets a reader walk backwards.
//! The text is what one read gave, as the program wrote it, so that a container that floods costs little more than to copy
//! what it says: many lines with their line feeds, all of one instant, and maybe the beginning of one more, which the flags
//! tell. What is longer than [`LONGEST`] is several records. Nothing waits in memory for the end of its line.
//! Earlier, a record was one line without its line feed, and no flag said otherwise: those are read as well.
//!
//! Invariants: a segment that has a successor never changes; a writer never appends to a segment it did not make, so
//! a record torn by a crash is the last of its segment; what fails its checksum is never shown; the times in a segment never
//! go back, as a clock that was set back begins another one.

mod reader;
mod seek;
pub(in crate::runtime) mod writer;

pub use reader::LogReader;
pub use writer::LogWriter;
pub use writer::Position;

use std::io;
use std::path::{Path, PathBuf};

/// Bytes of the longest record's text.
pub const LONGEST: usize = 64 << 10;
const HEADER: usize = 18;
const TRAILER: usize = 4;
/// Read at once.
const CHUNK: usize = 64 << 10;
/// The last line goes on in the next record of the same stream.
const PARTIAL: u8 = 1;
/// The text has the line feeds that were written, also the last one.
const LINES: u8 = 2;

/// Where bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output, or the terminal.
    Out,
    /// Standard error.
    Err,
}

/// A line, or a part of one.
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

/// What stands around a record's text.
struct Frame {
    before: [u8; HEADER],
    after: [u8; TRAILER],
}

impl Frame {
    fn of(time: i64, stream: Stream, text: &[u8]) -> Self {
        let length = (text.len() as u32).to_le_bytes();
        let partial = if text.ends_with(b"\n") { 0 } else { PARTIAL };
        let mut before = [0; HEADER];
        before[..4].copy_from_slice(&length);
        before[8..16].copy_from_slice(&time.to_le_bytes());
        before[16..].copy_from_slice(&[stream as u8, LINES | partial]);
        let checksum = checksum(&before[8..], text);
        before[4..8].copy_from_slice(&checksum.to_le_bytes());
        Self {
            before,
            after: length,
        }
    }
}

fn checksum(about: &[u8], text: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(about);
    hasher.update(text);
    hasher.finalize()
}

/// A record in the bytes of a segment.
struct Found<'a> {
    time: i64,
    stream: Stream,
    flags: u8,
    text: &'a [u8],
    /// Of everything.
    size: usize,
}

impl Found<'_> {
    /// Whether the text has its line feeds.
    fn has_lines(&self) -> bool {
        self.flags & LINES != 0
    }

    /// Whether the last line goes on in another record.
    fn is_partial(&self) -> bool {
        self.flags & PARTIAL != 0
    }
}

/// What is at the beginning of some bytes.
enum Decoded<'a> {
    /// A record.
    Record(Found<'a>),
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

fn time_in(header: &[u8]) -> i64 {
    let mut time = [0u8; 8];
    time.copy_from_slice(&header[8..16]);
    i64::from_le_bytes(time)
}

fn decode(from: &[u8]) -> Decoded<'_> {
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
    let (header, text) = from[..HEADER + length].split_at(HEADER);
    let is_whole = u32_at(from, HEADER + length) as usize == length
        && u32_at(from, 4) == checksum(&header[8..], text);
    if !is_whole {
        return Decoded::Broken;
    }
    Decoded::Record(Found {
        time: time_in(header),
        stream: if header[16] == 0 {
            Stream::Out
        } else {
            Stream::Err
        },
        flags: header[17],
        text,
        size,
    })
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

    /// As a segment has it.
    fn encoded(time: i64, stream: Stream, text: &[u8]) -> Vec<u8> {
        let frame = Frame::of(time, stream, text);
        [&frame.before, text, &frame.after].concat()
    }

    #[test]
    fn a_record_survives_and_every_flipped_bit_is_noticed() {
        let bytes = encoded(-5, Stream::Err, b"hello\nyou");
        let Decoded::Record(record) = decode(&bytes) else {
            panic!("not decoded");
        };
        assert_eq!(record.size, bytes.len());
        assert_eq!((record.time, record.stream), (-5, Stream::Err));
        assert!(record.has_lines() && record.is_partial());
        assert_eq!(record.text, b"hello\nyou");
        for bit in 0..bytes.len() * 8 {
            let mut torn = bytes.clone();
            torn[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(decode(&torn), Decoded::Record(..)), "bit {bit}");
        }
    }

    #[test]
    fn only_a_line_feed_ends_the_last_line() {
        for (text, partial) in [(&b"a\n"[..], false), (b"\n", false), (b"a\nb", true)] {
            let bytes = encoded(0, Stream::Out, text);
            let Decoded::Record(record) = decode(&bytes) else {
                panic!("not decoded");
            };
            assert_eq!(record.is_partial(), partial, "{text:?}");
        }
    }
}
