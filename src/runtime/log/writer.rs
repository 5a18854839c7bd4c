//! The writing side: one process, no locks.

use super::{Decoded, LONGEST, Stream, decode, encode, segment_path, segments};
use crate::runtime::shim::protocol::LogLimits;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Room for encoded records that is kept between two writes of a busy log.
const ROOM: usize = 1 << 20;
/// A clock that goes back by no more is being corrected: time stands still meanwhile. By more, it was set.
const CORRECTION: i64 = 1_000_000_000;

/// Appends what a container wrote.
#[derive(Debug)]
pub struct LogWriter {
    dir: PathBuf,
    limits: LogLimits,
    number: u64,
    /// Made with the first record: a silent container has no file.
    file: Option<File>,
    written: u64,
    /// Time of the newest record in it.
    newest: i64,
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
        let number = segments(dir)?.last().copied().unwrap_or(0);
        let path = segment_path(dir, number);
        if std::fs::metadata(&path).is_ok_and(|last| last.len() == 0) {
            // Of a writer whose disk was full to its end.
            let _ = std::fs::remove_file(path);
        }
        Ok(Self {
            dir: dir.to_owned(),
            limits,
            number,
            file: None,
            written: 0,
            newest: i64::MIN,
            batch: Vec::new(),
        })
    }

    /// Where the next [`Self::append`] will be.
    pub fn position(&mut self) -> io::Result<Position> {
        self.position_at(now())
    }

    fn position_at(&mut self, now: i64) -> io::Result<Position> {
        let set_back = now < self.newest.saturating_sub(CORRECTION) && self.written > 0;
        if self.file.is_none() || self.written >= self.limits.segment || set_back {
            self.rotate()?;
        }
        Ok(Position {
            segment: self.number,
            offset: self.written,
        })
    }

    /// Writes what one read gave, as one record a line, in one system call.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self.write_at(now(), stream, bytes)
    }

    /// The same at a time of one's own.
    pub(super) fn write_at(&mut self, now: i64, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self.position_at(now)?;
        self.append_at(now, stream, bytes)
    }

    /// [`Self::write`], where [`Self::position`] said.
    pub fn append(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self.append_at(now(), stream, bytes)
    }

    fn append_at(&mut self, now: i64, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let time = now.max(self.newest);
        self.newest = time;
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
        let written = match &mut self.file {
            Some(file) => file.write_all(&self.batch),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        match &written {
            Ok(()) => self.written += self.batch.len() as u64,
            Err(_) => self.mend(),
        }
        self.batch.clear();
        self.batch.shrink_to(ROOM);
        written
    }

    /// After a write that was cut short (disk full): what is torn goes, whole records count, the segment goes on. If that
    /// fails, too, whatever comes next goes to a segment of its own.
    fn mend(&mut self) {
        let whole = self.file.as_ref().map(|file| -> io::Result<u64> {
            let there = file.metadata()?.len().saturating_sub(self.written) as usize;
            let whole = whole_records(&self.batch[..there.min(self.batch.len())]);
            file.set_len(self.written + whole)?;
            Ok(whole)
        });
        match whole {
            Some(Ok(whole)) => self.written += whole,
            _ => self.file = None,
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let path = segment_path(&self.dir, self.number + 1);
        let file = File::options().append(true).create_new(true).open(path)?;
        self.number += 1;
        self.file = Some(file);
        self.written = 0;
        self.newest = i64::MIN;
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

/// Bytes of the whole records that encoded ones begin with.
fn whole_records(batch: &[u8]) -> u64 {
    let mut at = 0;
    while let Decoded::Record(_, size) = decode(&batch[at..]) {
        at += size;
    }
    at as u64
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as i64)
}
