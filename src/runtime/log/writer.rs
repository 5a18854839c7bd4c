//! The writing side: one process, no locks.

use super::{Decoded, Frame, HEADER, LONGEST, Stream, TRAILER, decode, segment_path, segments};
use crate::runtime::shim::protocol::LogLimits;
use std::fs::File;
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

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

    /// Writes what one read gave, in one system call.
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
        let frame = |text| (Frame::of(time, stream, text), text);
        let records: Vec<(Frame, &[u8])> = texts(bytes).map(frame).collect();
        let mut slices = Vec::with_capacity(3 * records.len());
        for (frame, text) in &records {
            slices.extend([&frame.before[..], *text, &frame.after[..]].map(IoSlice::new));
        }
        let written = match &mut self.file {
            Some(file) => write_all(file, &mut slices),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        let sizes = records
            .iter()
            .map(|(_, text)| HEADER + text.len() + TRAILER);
        match &written {
            Ok(()) => self.written += sizes.sum::<usize>() as u64,
            Err(_) => self.mend(sizes),
        }
        written
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// After a write that was cut short (disk full): what is torn goes, whole records count, the segment goes on. If that
    /// fails, too, whatever comes next goes to a segment of its own.
    fn mend(&mut self, sizes: impl Iterator<Item = usize>) {
        let whole = self.file.as_ref().map(|file| -> io::Result<u64> {
            let there = file.metadata()?.len();
            let ends = sizes.scan(self.written, |end, size| {
                *end += size as u64;
                Some(*end)
            });
            let whole = ends.take_while(|end| *end <= there).last();
            let whole = whole.unwrap_or(self.written);
            file.set_len(whole)?;
            Ok(whole)
        });
        match whole {
            Some(Ok(whole)) => self.written = whole,
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
        let others = u64::from(self.limits.segments.max(2) - 1);
        let allowed = self.limits.segment.saturating_mul(others);
        // Segments overshoot their limit by up to a batch.
        let overshoot = allowed / 8 + (1 << 20).min(self.limits.segment);
        let mut total = 0;
        for number in segments(&self.dir)?.into_iter().rev().skip(1) {
            let path = segment_path(&self.dir, number);
            total += std::fs::metadata(&path)?.len();
            if total > allowed.saturating_add(overshoot) {
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
    while let Decoded::Record(record) = decode(&encoded[at..]) {
        bytes.extend_from_slice(record.text);
        if !record.has_lines() && !record.is_partial() {
            bytes.push(b'\n');
        }
        at += record.size;
    }
    Ok(bytes)
}

/// Cuts what one read gave into texts of records, behind a line feed where there is one.
fn texts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let window = &rest[..rest.len().min(LONGEST)];
        let end = match memchr::memrchr(b'\n', window) {
            Some(last) if window.len() < rest.len() => last + 1,
            _ => window.len(),
        };
        let (text, after) = rest.split_at(end);
        rest = after;
        (!text.is_empty()).then_some(text)
    })
}

/// All of it, also if the kernel takes it in pieces.
fn write_all(file: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut slices, count),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_behind_line_feeds_where_there_are_some() {
        let long = [
            &vec![b'a'; LONGEST - 10][..],
            b"\n",
            &[b'b'; 100][..],
            b"\n",
        ]
        .concat();
        let lengths = |bytes: &[u8]| texts(bytes).map(<[u8]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(&long), [LONGEST - 9, 101]);
        assert_eq!(lengths(&vec![b'x'; LONGEST + 10]), [LONGEST, 10]);
        assert_eq!(lengths(b"a\nb\nc"), [5], "nothing is cut that fits");
        assert!(lengths(b"").is_empty());
        for bytes in [&long[..], b"a\n\n", &[b'\n'; 3 * LONGEST + 7]] {
            let together: Vec<u8> = texts(bytes).flatten().copied().collect();
            assert!(together == bytes);
        }
    }

    #[test]
    fn a_log_without_a_limit_goes_on_and_keeps_all() {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits {
            segment: u64::MAX,
            segments: 5,
            blocking: false,
        };
        for _ in 0..3 {
            let mut writer = LogWriter::open(dir.path(), limits).unwrap();
            writer.write(Stream::Out, b"one\n").unwrap();
        }
        assert_eq!(segments(dir.path()).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn what_a_torn_write_left_in_whole_records_counts() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), LogLimits::default()).unwrap();
        writer.write(Stream::Out, b"one\n").unwrap();
        let at = writer.position().unwrap();
        let whole = HEADER + 4 + TRAILER;
        let path = segment_path(dir.path(), at.segment);
        // As a full disk leaves it: the first of two records, and a part of the second.
        writer.write(Stream::Out, b"two\n").unwrap();
        writer.write(Stream::Out, b"three\n").unwrap();
        let torn = at.offset + whole as u64 + 7;
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(torn)
            .unwrap();
        writer.written = at.offset;
        writer.mend([whole, whole + 2].into_iter());
        assert_eq!(writer.written, at.offset + whole as u64);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), writer.written);
        assert_eq!(written_since(dir.path(), at).unwrap(), b"two\n");
    }
}
