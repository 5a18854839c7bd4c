//! The logs of a project as one stream, in the order of time. Read from files: no supervisor is needed for it.

pub use crate::runtime::log::Stream;

use crate::runtime::log::{LogReader, Record};
use std::collections::VecDeque;
use std::io;
use std::path::Path;

/// A line of a longer one's records is put together up to this many bytes, then shown as it is.
const LONGEST_LINE: usize = 16 << 20;

/// A whole line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it began, nanoseconds since the epoch.
    pub time: i64,
    /// Where it came from.
    pub stream: Stream,
    /// Without its line feed.
    pub bytes: Vec<u8>,
}

/// The log of one container, by lines.
#[derive(Debug)]
pub struct LogLines {
    reader: LogReader,
    /// Begun lines of the two streams.
    partial: [Option<Line>; 2],
    ready: VecDeque<Line>,
    until: Option<i64>,
}

impl LogLines {
    /// From about the first line of that time or later, without reading what is before.
    pub fn since(dir: &Path, time: i64) -> io::Result<Self> {
        Ok(Self::reading(LogReader::since(dir, time)?))
    }

    /// From the beginning, or from the last `tail` lines.
    pub fn open(dir: &Path, tail: Option<usize>) -> io::Result<Self> {
        let reader = match tail {
            Some(lines) => LogReader::tail(dir, lines)?,
            None => LogReader::open(dir),
        };
        Ok(Self::reading(reader))
    }

    fn reading(reader: LogReader) -> Self {
        Self {
            reader,
            partial: [None, None],
            ready: VecDeque::new(),
            until: None,
        }
    }

    /// No further than the log goes now, however fast it grows.
    pub fn bounded(mut self) -> io::Result<Self> {
        self.reader = self.reader.bounded()?;
        Ok(self)
    }

    /// Goes on, and no further than the log goes now.
    pub fn bound(&mut self) -> io::Result<()> {
        self.reader.bound()
    }

    /// Nothing that was written after this time, if one is given: the rest of a long log is not read for it.
    pub fn until(mut self, time: Option<i64>) -> Self {
        self.until = time;
        self
    }

    /// The next whole line that is there, without taking it.
    pub fn peek(&mut self) -> io::Result<Option<&Line>> {
        while self.ready.is_empty() {
            match self.reader.next_record()? {
                Some(record) if self.until.is_some_and(|until| record.time > until) => {
                    // A segment is in the order of time. The next one may begin earlier, if the clock was set back.
                    if !self.reader.leave_segment()? {
                        return Ok(None);
                    }
                }
                Some(record) => self.take_in(record),
                None => return Ok(None),
            }
        }
        Ok(self.ready.front())
    }

    /// The next whole line that is there.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        self.peek()?;
        Ok(self.ready.pop_front())
    }

    /// What was begun and will not be ended, since the container has.
    pub fn rest(&mut self) -> Vec<Line> {
        self.partial.iter_mut().filter_map(Option::take).collect()
    }

    fn take_in(&mut self, record: Record) {
        let slot = &mut self.partial[usize::from(record.stream == Stream::Err)];
        let line = slot.get_or_insert(Line {
            time: record.time,
            stream: record.stream,
            bytes: Vec::new(),
        });
        line.bytes.extend_from_slice(&record.bytes);
        if !record.partial || line.bytes.len() >= LONGEST_LINE {
            self.ready.extend(slot.take());
        }
    }
}
