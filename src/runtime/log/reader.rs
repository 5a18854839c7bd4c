//! The reading side: any process, while the log is written and rotated.

use super::seek::{LineCounter, halve, newest_record};
use super::{
    CHUNK, Decoded, Found, HEADER, LONGEST, Record, Stream, TRAILER, decode, segment_path, segments,
};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Reads records in the order they were written. To follow: at `None`, wait for the folder to change (inotify) and go on.
#[derive(Debug)]
pub struct LogReader {
    dir: PathBuf,
    /// Number of the open segment, 0 before the first.
    number: u64,
    file: Option<File>,
    /// Where in the file `buffer` begins.
    offset: u64,
    buffer: Vec<u8>,
    /// How much of `buffer` was given out.
    taken: usize,
    /// The record that is being given out, line by line.
    open: Option<Open>,
    /// How much of the text of the next one is passed over.
    skip: usize,
    /// Where the log ended when it was opened for its last lines.
    seen: Option<End>,
    /// Nothing behind this is read.
    end: Option<End>,
}

/// A place in a log: the number of a segment, and how much of it comes before.
#[derive(Debug, Clone, Copy)]
struct End {
    number: u64,
    length: u64,
}

/// A record of which not all lines were given out.
#[derive(Debug)]
struct Open {
    time: i64,
    stream: Stream,
    /// As in the record.
    has_lines: bool,
    is_partial: bool,
    /// Where what is left of its text begins in the buffer.
    at: usize,
    /// Where that ends.
    end: usize,
}

impl Open {
    /// For a record at this place in the buffer.
    fn new(found: &Found<'_>, at: usize, skip: usize) -> Self {
        let text = at + HEADER;
        Self {
            time: found.time,
            stream: found.stream,
            has_lines: found.has_lines(),
            is_partial: found.is_partial(),
            at: text + skip.min(found.text.len()),
            end: text + found.text.len(),
        }
    }

    /// The next line, and whether it is the last.
    fn line(&mut self, buffer: &[u8]) -> (Record, bool) {
        let rest = &buffer[self.at..self.end];
        let end = match self.has_lines {
            true => memchr::memchr(b'\n', rest),
            false => None,
        };
        let bytes = &rest[..end.unwrap_or(rest.len())];
        self.at += end.map_or(rest.len(), |end| end + 1);
        let record = Record {
            time: self.time,
            stream: self.stream,
            partial: end.is_none() && (self.has_lines || self.is_partial),
            bytes: bytes.to_vec(),
        };
        (record, self.at == self.end)
    }
}

impl LogReader {
    /// Reads from the oldest record on. A folder that does not exist yet is an empty log.
    pub fn open(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            number: 0,
            file: None,
            offset: 0,
            buffer: Vec::new(),
            taken: 0,
            open: None,
            skip: 0,
            seen: None,
            end: None,
        }
    }

    /// Reads no further than the log goes now: one that grows faster than it is read would never end. After
    /// [`Self::tail`], no further than it went then.
    pub fn bounded(mut self) -> io::Result<Self> {
        match self.seen {
            Some(seen) => self.end = Some(seen),
            None => self.bound()?,
        }
        Ok(self)
    }

    /// Reads on, and no further than the log goes now.
    pub fn bound(&mut self) -> io::Result<()> {
        let nothing = End {
            number: 0,
            length: 0,
        };
        self.end = Some(nothing);
        for number in existing_segments(&self.dir)?.into_iter().rev() {
            if let Some(file) = open_segment(&self.dir, number)? {
                let length = file.metadata()?.len();
                self.end = Some(End { number, length });
                break;
            }
        }
        Ok(())
    }

    /// Reads from the beginning of the last `lines` lines on, found from the end without reading the rest.
    pub fn tail(dir: &Path, lines: usize) -> io::Result<Self> {
        let mut reader = Self::open(dir);
        let mut counter = LineCounter::new(lines);
        for number in existing_segments(dir)?.into_iter().rev() {
            let Some(file) = open_segment(dir, number)? else {
                break;
            };
            let length = file.metadata()?.len();
            reader.seen.get_or_insert(End { number, length });
            let start = counter.walk_back(&file, length)?;
            reader.number = number;
            (reader.offset, reader.skip) = start.unwrap_or((0, 0));
            reader.file = Some(file);
            if start.is_some() {
                break;
            }
        }
        Ok(reader)
    }

    /// Reads from about the first record of that time or later: found by halving, since the records of a segment are in the
    /// order of time. Some earlier ones may come first.
    pub fn since(dir: &Path, time: i64) -> io::Result<Self> {
        let mut reader = Self::open(dir);
        for number in existing_segments(dir)? {
            let Some(file) = open_segment(dir, number)? else {
                continue;
            };
            let (end, newest) = newest_record(&file)?;
            reader.number = number;
            let found = newest.is_some_and(|newest| newest >= time);
            reader.offset = if found { halve(&file, time)? } else { end };
            reader.file = Some(file);
            if found {
                break;
            }
        }
        Ok(reader)
    }

    /// Goes to the next segment; false if there is none yet.
    pub fn leave_segment(&mut self) -> io::Result<bool> {
        let more = self.successor()?.is_some();
        if more {
            self.step_over()?;
        }
        Ok(more)
    }

    /// The folder, to watch it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The next line or part of one, `None` at the end of what is there now.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        let mut last_look = false;
        loop {
            match self.buffered() {
                Some(record) => return Ok(Some(record)),
                None if self.fill()? => {}
                None => {
                    // A record may have been written before its segment got a successor: look again, then leave.
                    if last_look {
                        self.step_over()?;
                        last_look = false;
                    } else if self.successor()?.is_some() {
                        // What is in the buffer may have been cut off meanwhile, and written anew.
                        self.forget_broken();
                        last_look = true;
                    } else {
                        self.forget_broken();
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn buffered(&mut self) -> Option<Record> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match decode(&self.buffer[self.taken..]) {
                Decoded::Record(found) => {
                    let skip = std::mem::take(&mut self.skip);
                    Open::new(&found, self.taken, skip)
                }
                Decoded::Short | Decoded::Broken => return None,
            },
        };
        let (record, is_last) = open.line(&self.buffer);
        match is_last {
            true => self.taken = open.end + TRAILER,
            false => self.open = Some(open),
        }
        Some(record)
    }

    /// Reads on; whether there was anything new.
    fn fill(&mut self) -> io::Result<bool> {
        let Some(file) = &self.file else {
            return Ok(false);
        };
        self.offset += self.taken as u64;
        self.buffer.drain(..self.taken);
        self.taken = 0;
        // A whole record that does not decode will not get better by reading on.
        if self.buffer.len() >= HEADER + LONGEST + TRAILER {
            return Ok(false);
        }
        let have = self.buffer.len();
        let left = match self.end {
            Some(end) if end.number == self.number => {
                end.length.saturating_sub(self.offset + have as u64)
            }
            _ => u64::MAX,
        };
        let more = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        self.buffer.resize(have + more, 0);
        let got = file.read_at(&mut self.buffer[have..], self.offset + have as u64)?;
        self.buffer.truncate(have + got);
        Ok(got > 0)
    }

    /// What was half-written when it was read is read again next time.
    fn forget_broken(&mut self) {
        self.offset += self.taken as u64;
        self.buffer.clear();
        self.taken = 0;
    }

    fn successor(&self) -> io::Result<Option<u64>> {
        let all = existing_segments(&self.dir)?;
        let last = self.end.map_or(u64::MAX, |end| end.number);
        Ok(all.into_iter().find(|n| *n > self.number && *n <= last))
    }

    fn step_over(&mut self) -> io::Result<()> {
        while let Some(next) = self.successor()? {
            self.number = next;
            self.file = open_segment(&self.dir, next)?;
            if self.file.is_some() {
                break;
            }
        }
        self.offset = 0;
        self.taken = 0;
        self.skip = 0;
        self.open = None;
        self.buffer.clear();
        Ok(())
    }
}

fn existing_segments(dir: &Path) -> io::Result<Vec<u64>> {
    match segments(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

/// `None` if it was rotated away meanwhile.
fn open_segment(dir: &Path, number: u64) -> io::Result<Option<File>> {
    match File::open(segment_path(dir, number)) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::log::seek::{valid_end, valid_end_from_start};
    use crate::runtime::log::{LogWriter, PARTIAL, Stream};
    use crate::runtime::shim::protocol::LogLimits;
    use std::io::Write;

    fn texts(reader: &mut LogReader) -> Vec<String> {
        std::iter::from_fn(|| reader.next_record().unwrap())
            .map(|r| String::from_utf8(r.bytes).unwrap() + if r.partial { "…" } else { "" })
            .collect()
    }

    fn small() -> LogLimits {
        LogLimits {
            segment: 256,
            segments: 3,
            blocking: false,
        }
    }

    #[test]
    fn lines_come_back_and_a_missing_line_end_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), LogLimits::default()).unwrap();
        let mut reader = LogReader::open(dir.path());
        assert!(texts(&mut reader).is_empty());
        writer.write(Stream::Out, b"a\n\nb\nhal").unwrap();
        writer.write(Stream::Err, b"e\n").unwrap();
        writer.write(Stream::Out, b"f\n").unwrap();
        assert_eq!(texts(&mut reader), ["a", "", "b", "hal…", "e", "f"]);
        writer
            .write(Stream::Out, &vec![b'x'; LONGEST + 10])
            .unwrap();
        assert_eq!(
            texts(&mut reader)
                .iter()
                .map(String::len)
                .collect::<Vec<_>>(),
            [LONGEST + 3, 13]
        );
    }

    #[test]
    fn tail_finds_the_last_lines_over_segments_and_partial_records() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), small()).unwrap();
        for i in 0..100 {
            writer
                .write(Stream::Out, format!("{i} ").as_bytes())
                .unwrap();
            writer.write(Stream::Out, b"end\n").unwrap();
        }
        let mut last = LogReader::tail(dir.path(), 2).unwrap();
        assert_eq!(texts(&mut last), ["98 …", "end", "99 …", "end"]);
        assert!(texts(&mut LogReader::tail(dir.path(), 0).unwrap()).is_empty());
        let all = texts(&mut LogReader::open(dir.path()));
        assert_eq!(texts(&mut LogReader::tail(dir.path(), 1000).unwrap()), all);
        writer.write(Stream::Out, b"open").unwrap();
        assert_eq!(
            texts(&mut LogReader::tail(dir.path(), 1).unwrap()),
            ["open…"]
        );
    }

    #[test]
    fn a_bounded_reader_ends_whatever_comes() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), small()).unwrap();
        let mut write = |text: &str| writer.write(Stream::Out, text.as_bytes()).unwrap();
        (0..20).for_each(|i| write(&format!("line {i}\n")));
        let open = || LogReader::open(dir.path()).bounded().unwrap();
        let tail = || LogReader::tail(dir.path(), 2).unwrap();
        let since = || LogReader::since(dir.path(), 0).unwrap().bounded().unwrap();
        let (mut all, last, mut later) = (open(), tail(), since());
        (0..30).for_each(|i| write(&format!("later {i}\n")));
        let mut last = last.bounded().unwrap();
        // Old segments may be gone by now.
        assert_eq!(texts(&mut all).last().unwrap(), "line 19");
        assert_eq!(texts(&mut later).last().unwrap(), "line 19");
        assert_eq!(texts(&mut last), ["line 18", "line 19"]);
        assert_eq!(all.next_record().unwrap(), None, "and stays at its end");
        all.bound().unwrap();
        assert_eq!(texts(&mut all).last().unwrap(), "later 29");
        let empty = tempfile::tempdir().unwrap();
        let mut none = LogReader::open(empty.path()).bounded().unwrap();
        let mut other = LogWriter::open(empty.path(), small()).unwrap();
        other.write(Stream::Out, b"late\n").unwrap();
        assert_eq!(none.next_record().unwrap(), None);
    }

    #[test]
    fn tail_finds_the_last_lines_within_records() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), small()).unwrap();
        let mut text = Vec::new();
        for i in 0..60 {
            text.extend_from_slice(format!("line {i}\n").as_bytes());
            if i % 7 == 3 || i == 59 {
                // Between two lines, or in the middle of one.
                let cut = text.len() - if i % 2 == 0 { 3 } else { 0 };
                writer.write(Stream::Out, &text[..cut]).unwrap();
                text.drain(..cut);
            }
        }
        let whole = |reader: &mut LogReader| -> Vec<String> {
            let pieces = texts(reader).into_iter();
            let joined: String = pieces
                .map(|text| match text.strip_suffix('…') {
                    Some(begun) => begun.to_owned(),
                    None => text + "\n",
                })
                .collect();
            joined.lines().map(str::to_owned).collect()
        };
        let all = whole(&mut LogReader::open(dir.path()));
        assert!(all.len() == 60 && segments(dir.path()).unwrap().len() > 2);
        for wanted in 0..=65 {
            let tail = whole(&mut LogReader::tail(dir.path(), wanted).unwrap());
            assert_eq!(tail, all[60 - wanted.min(60)..], "{wanted} lines");
        }
    }

    #[test]
    fn records_of_one_line_each_as_earlier_versions_wrote_them_are_read() {
        let line = |time: i64, flags: u8, text: &[u8]| {
            let length = (text.len() as u32).to_le_bytes();
            let about = [&time.to_le_bytes()[..], &[0, flags]].concat();
            let checksum = super::super::checksum(&about, text).to_le_bytes();
            [&length[..], &checksum, &about, text, &length].concat()
        };
        let dir = tempfile::tempdir().unwrap();
        let old = [
            line(1, 0, b"one"),
            line(2, 0, b""),
            line(3, PARTIAL, b"be"),
            line(4, 0, b"gun"),
        ];
        std::fs::write(segment_path(dir.path(), 1), old.concat()).unwrap();
        let mut writer = LogWriter::open(dir.path(), LogLimits::default()).unwrap();
        writer.write(Stream::Out, b"new\nnewer\n").unwrap();
        let all = ["one", "", "be…", "gun", "new", "newer"];
        assert_eq!(texts(&mut LogReader::open(dir.path())), all);
        for (wanted, records) in [(1, 1), (2, 2), (3, 4), (4, 5), (5, 6)] {
            let tail = texts(&mut LogReader::tail(dir.path(), wanted).unwrap());
            assert_eq!(tail, all[6 - records..], "{wanted} lines");
        }
        let since = texts(&mut LogReader::since(dir.path(), 4).unwrap());
        assert_eq!(since[since.len() - 3..], ["gun", "new", "newer"]);
    }

    #[test]
    fn a_follower_sees_every_line_through_rotations() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), small()).unwrap();
        let mut reader = LogReader::open(dir.path());
        let mut seen = Vec::new();
        for i in 0..500 {
            writer
                .write(Stream::Out, format!("{i}\n").as_bytes())
                .unwrap();
            if i % 7 == 0 {
                seen.extend(texts(&mut reader));
            }
        }
        seen.extend(texts(&mut reader));
        assert_eq!(seen, (0..500).map(|i| i.to_string()).collect::<Vec<_>>());
        assert!(segments(dir.path()).unwrap().len() > 3);
    }

    #[test]
    fn a_time_is_found_without_reading_what_is_before() {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits {
            segment: 1 << 20,
            segments: 100,
            blocking: false,
        };
        let mut writer = LogWriter::open(dir.path(), limits).unwrap();
        let mut middle = 0;
        for i in 0..40_000 {
            writer
                .write(Stream::Out, format!("{i} {}\n", "x".repeat(100)).as_bytes())
                .unwrap();
            if i == 25_000 {
                let mut last = LogReader::tail(dir.path(), 1).unwrap();
                middle = last.next_record().unwrap().unwrap().time;
            }
        }
        let mut reader = LogReader::since(dir.path(), middle).unwrap();
        let first = reader.next_record().unwrap().unwrap();
        assert!(first.time <= middle, "nothing is passed over");
        let passed = std::iter::from_fn(|| reader.next_record().unwrap())
            .take_while(|record| record.time < middle)
            .count();
        assert!(passed < 2000, "{passed} records were read in vain");
        let mut all = LogReader::since(dir.path(), 0).unwrap();
        assert!(all.next_record().unwrap().unwrap().bytes.starts_with(b"0 "));
        let late = LogReader::since(dir.path(), i64::MAX).unwrap();
        assert!(late.number > 1);
    }

    #[test]
    fn a_clock_that_is_set_back_hides_nothing() {
        const SECOND: i64 = 1_000_000_000;
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), LogLimits::default()).unwrap();
        let mut write = |time: i64, text: &str| {
            writer
                .write_at(time * SECOND, Stream::Out, text.as_bytes())
                .unwrap()
        };
        write(1000, "early\n");
        write(9000, "ahead of its time\n");
        write(2000, "corrected\n");
        write(2001, "later\n");
        let from = |time: i64| texts(&mut LogReader::since(dir.path(), time * SECOND).unwrap());
        assert_eq!(from(0).len(), 4);
        assert!(from(2001).contains(&"later".to_owned()));
        assert!(from(8000).contains(&"ahead of its time".to_owned()));
        assert_eq!(segments(dir.path()).unwrap().len(), 2);
        let mut reader = LogReader::open(dir.path());
        let times: Vec<_> = std::iter::from_fn(|| reader.next_record().unwrap())
            .map(|r| r.time / SECOND)
            .collect();
        assert_eq!(times, [1000, 9000, 2000, 2001]);
        let tail = texts(&mut LogReader::tail(dir.path(), 3).unwrap());
        assert_eq!(tail, ["ahead of its time", "corrected", "later"]);
    }

    #[test]
    fn a_clock_that_is_being_corrected_stands_still() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), LogLimits::default()).unwrap();
        for time in [5_000_000, 4_000_000, 6_000_000] {
            writer.write_at(time, Stream::Out, b"x\n").unwrap();
        }
        let mut reader = LogReader::open(dir.path());
        let times: Vec<_> = std::iter::from_fn(|| reader.next_record().unwrap())
            .map(|r| r.time)
            .collect();
        assert_eq!(times, [5_000_000, 5_000_000, 6_000_000]);
    }

    #[test]
    fn a_segment_with_a_torn_end_is_entered_from_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), LogLimits::default()).unwrap();
        for time in 0..20_000 {
            let text = format!("{time} {}\n", "x".repeat(50));
            writer.write_at(time, Stream::Out, text.as_bytes()).unwrap();
        }
        let path = segment_path(dir.path(), 1);
        let whole = std::fs::metadata(&path).unwrap().len();
        let mut torn = File::options().append(true).open(&path).unwrap();
        torn.write_all(&[90, 0, 0, 0, 1, 2, 3]).unwrap();
        let file = File::open(&path).unwrap();
        assert_eq!(valid_end(&file).unwrap(), whole);
        assert_eq!(valid_end_from_start(&file).unwrap(), whole);
        assert_eq!(newest_record(&file).unwrap(), (whole, Some(19_999)));
        let last = texts(&mut LogReader::tail(dir.path(), 1).unwrap());
        assert!(last[0].starts_with("19999 "), "{last:?}");
    }

    #[test]
    fn old_segments_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits {
            segment: 1 << 20,
            segments: 2,
            blocking: false,
        };
        let mut writer = LogWriter::open(dir.path(), limits).unwrap();
        for _ in 0..200 {
            writer.write(Stream::Out, &[b'x'; 50 << 10]).unwrap();
        }
        let numbers = segments(dir.path()).unwrap();
        assert!(numbers.len() <= 4 && numbers[0] > 1, "{numbers:?}");
    }

    #[test]
    fn a_torn_record_hides_nothing_but_itself() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(dir.path(), LogLimits::default()).unwrap();
        writer.write(Stream::Out, b"one\ntwo\n").unwrap();
        let path = segment_path(dir.path(), 1);
        let mut torn = File::options().append(true).open(path).unwrap();
        torn.write_all(&[9, 0, 0, 0, 1, 2, 3]).unwrap();
        let mut reader = LogReader::open(dir.path());
        assert_eq!(texts(&mut reader), ["one", "two"]);
        assert_eq!(texts(&mut LogReader::tail(dir.path(), 1).unwrap()), ["two"]);
        let mut writer = LogWriter::open(dir.path(), LogLimits::default()).unwrap();
        writer.write(Stream::Out, b"three\n").unwrap();
        assert_eq!(texts(&mut reader), ["three"]);
        assert_eq!(
            texts(&mut LogReader::tail(dir.path(), 2).unwrap()),
            ["two", "three"]
        );
    }
}
