//! The writing side: one process, no locks.

use super::{Decoded, LONGEST, Stream, decode, encode, segment_path, segments};
use crate::runtime::shim::protocol::LogLimits;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Room for encoded records that is kept between two writes of a busy log.
const ROOM: usize = 1 << 20;

/// Appends what a container wrote.
#[derive(Debug)]
pub struct LogWriter {
    dir: PathBuf,
    limits: LogLimits,
    number: u64,
    /// Made with the first record: a silent container has no file.
    file: Option<File>,
    written: u64,
    batch: Vec<u8>,
}

/// Where in a log something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of the segment.
    pub segment: u64,
    /// Offset in it.
    pub offset: u64,
}

impl LogWriter {
    /// Goes on in the existing folder `dir` with a segment of its own.
    pub fn open(dir: &Path, limits: LogLimits) -> io::Result<Self> {
        Ok(Self {
            dir: dir.to_owned(),
            limits,
            number: segments(dir)?.last().copied().unwrap_or(0),
            file: None,
            written: 0,
            batch: Vec::new(),
        })
    }

    /// Where the next write will be.
    pub fn position(&mut self) -> io::Result<Position> {
        if self.file.is_none() || self.written >= self.limits.segment {
            self.rotate()?;
        }
        Ok(Position {
            segment: self.number,
            offset: self.written,
        })
    }

    /// Writes what one read gave, as one record a line, in one system call.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let time = now();
        let mut encode =
            |text: &[u8], partial| encode(&mut self.batch, time, stream, partial, text);
        let mut rest = bytes;
        while !rest.is_empty() {
            let window = &rest[..rest.len().min(LONGEST + 1)];
            match memchr::memchr(b'\n', window) {
                Some(end) => {
                    encode(&rest[..end], false);
                    rest = &rest[end + 1..];
                }
                None => {
                    let (text, after) = rest.split_at(rest.len().min(LONGEST));
                    encode(text, true);
                    rest = after;
                }
            }
        }
        self.flush()
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Gives memory back that a burst has taken.
    pub fn rest(&mut self) {
        self.batch = Vec::new();
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.position().and_then(|_| {
            let file = self.file.as_mut().expect("a position is in a file");
            file.write_all(&self.batch)
        });
        self.written += self.batch.len() as u64;
        self.batch.clear();
        self.batch.shrink_to(ROOM);
        if written.is_err() {
            // The record may be torn (disk full): whatever comes next goes to a segment of its own.
            self.file = None;
        }
        written
    }

    fn rotate(&mut self) -> io::Result<()> {
        let path = segment_path(&self.dir, self.number + 1);
        let file = File::options().append(true).create_new(true).open(path)?;
        self.number += 1;
        self.file = Some(file);
        self.written = 0;
        self.drop_oldest()
    }

    /// Deletes the oldest segments while those without the newest hold more than the limits allow.
    fn drop_oldest(&self) -> io::Result<()> {
        let allowed = self.limits.segment * u64::from(self.limits.segments.max(2) - 1);
        let mut total = 0;
        for number in segments(&self.dir)?.into_iter().rev().skip(1) {
            let path = segment_path(&self.dir, number);
            total += std::fs::metadata(&path)?.len();
            // Segments overshoot their limit by up to a batch.
            if total > allowed + allowed / 8 + (1 << 20).min(self.limits.segment) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// What was written in whole records from `from` on in its segment: the bytes as the container wrote them.
pub(in crate::runtime) fn written_since(dir: &Path, from: Position) -> io::Result<Vec<u8>> {
    let mut file = match File::open(segment_path(dir, from.segment)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    file.seek(SeekFrom::Start(from.offset))?;
    let (mut encoded, mut bytes, mut at) = (Vec::new(), Vec::new(), 0);
    file.read_to_end(&mut encoded)?;
    while let Decoded::Record(record, size) = decode(&encoded[at..]) {
        bytes.extend_from_slice(&record.bytes);
        if !record.partial {
            bytes.push(b'\n');
        }
        at += size;
    }
    Ok(bytes)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as i64)
}
