//! The reading side: any process, while the log is written and rotated.

use super::{
    Decoded, HEADER, LONGEST, PARTIAL, Record, TRAILER, decode, segment_path, segments, u32_at,
};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const CHUNK: usize = 64 << 10;

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
        }
    }

    /// Reads from the beginning of the last `lines` lines on, found from the end without reading the rest.
    pub fn tail(dir: &Path, lines: usize) -> io::Result<Self> {
        let mut reader = Self::open(dir);
        let mut counter = LineCounter {
            wanted: lines,
            seen: 0,
            any: false,
        };
        for number in existing_segments(dir)?.into_iter().rev() {
            let Some(file) = open_segment(dir, number)? else {
                break;
            };
            let start = counter.walk_back(&file)?;
            reader.number = number;
            reader.offset = start.unwrap_or(0);
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

    /// The next record, `None` at the end of what is there now.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        let mut last_look = false;
        loop {
            match self.buffered() {
                Some((record, size)) => {
                    self.taken += size;
                    return Ok(Some(record));
                }
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

    fn buffered(&self) -> Option<(Record, usize)> {
        match decode(&self.buffer[self.taken..]) {
            Decoded::Record(record, size) => Some((record, size)),
            Decoded::Short | Decoded::Broken => None,
        }
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
        self.buffer.resize(have + CHUNK, 0);
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
        Ok(all.into_iter().find(|n| *n > self.number))
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

/// An offset where a record begins that is older than `time`, not far before the first that is not.
fn halve(file: &File, time: i64) -> io::Result<u64> {
    let (mut old, mut young) = (0, file.metadata()?.len());
    while young - old > CHUNK as u64 {
        let middle = old + (young - old) / 2;
        match record_after(file, middle)? {
            Some((offset, found)) if found < time && offset < young => old = offset,
            _ => young = middle,
        }
    }
    Ok(old)
}

/// Offset and time of the first whole record at `from` or behind it.
fn record_after(file: &File, from: u64) -> io::Result<Option<(u64, i64)>> {
    let mut window = vec![0; 2 * (HEADER + LONGEST + TRAILER)];
    let mut have = 0;
    loop {
        match file.read_at(&mut window[have..], from + have as u64)? {
            0 => break,
            got => have += got,
        }
    }
    let found = (0..have).find_map(|at| match decode(&window[at..have]) {
        Decoded::Record(record, _) => Some((from + at as u64, record.time)),
        Decoded::Short | Decoded::Broken => None,
    });
    Ok(found)
}

/// `None` if it was rotated away meanwhile.
fn open_segment(dir: &Path, number: u64) -> io::Result<Option<File>> {
    match File::open(segment_path(dir, number)) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Counts line ends from the end of the log backwards.
struct LineCounter {
    wanted: usize,
    seen: usize,
    /// Whether any record was met: the last one may be a line that is not ended.
    any: bool,
}

impl LineCounter {
    /// Offset at which the wanted lines begin, `None` if they begin in an earlier segment.
    fn walk_back(&mut self, file: &File) -> io::Result<Option<u64>> {
        let mut end = file.metadata()?.len();
        let mut block = Block::default();
        if end > 0 && block.record_before(file, end)?.is_none() {
            end = valid_end(file)?;
            block = Block::default();
        }
        while end > 0 {
            let Some((start, partial)) = block.record_before(file, end)? else {
                // Garbled in the middle: show what is after it.
                return Ok(Some(end));
            };
            if !partial || !self.any {
                if self.seen == self.wanted {
                    return Ok(Some(end));
                }
                self.seen += 1;
            }
            self.any = true;
            end = start;
        }
        Ok(None)
    }
}

/// Where the last whole record ends, and its time.
fn newest_record(file: &File) -> io::Result<(u64, Option<i64>)> {
    let mut end = file.metadata()?.len();
    let mut block = Block::default();
    if end > 0 && block.record_before(file, end)?.is_none() {
        end = valid_end(file)?;
        block = Block::default();
    }
    let Some((start, _)) = block.record_before(file, end)? else {
        return Ok((end, None));
    };
    let header = block.slice(file, start, start + HEADER as u64)?;
    let mut time = [0u8; 8];
    time.copy_from_slice(&header[8..16]);
    Ok((end, Some(i64::from_le_bytes(time))))
}

/// Where the last whole record ends of a segment with a torn one behind it: looked for near the end, or else from the
/// beginning.
fn valid_end(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(2 * (HEADER + LONGEST + TRAILER) as u64);
    let mut window = vec![0; (length - from) as usize];
    file.read_exact_at(&mut window, from)?;
    let near = (0..window.len())
        .rev()
        .find_map(|at| match decode(&window[at..]) {
            Decoded::Record(_, size) => Some(from + (at + size) as u64),
            Decoded::Short | Decoded::Broken => None,
        });
    near.map_or_else(|| valid_end_from_start(file), Ok)
}

fn valid_end_from_start(file: &File) -> io::Result<u64> {
    let (mut end, mut buffer) = (0, Vec::new());
    loop {
        let have = buffer.len();
        buffer.resize(have + CHUNK, 0);
        let got = file.read_at(&mut buffer[have..], end + have as u64)?;
        buffer.truncate(have + got);
        let mut taken = 0;
        let broken = loop {
            match decode(&buffer[taken..]) {
                Decoded::Record(_, size) => taken += size,
                Decoded::Short => break false,
                Decoded::Broken => break true,
            }
        };
        end += taken as u64;
        buffer.drain(..taken);
        if broken || got == 0 {
            return Ok(end);
        }
    }
}

/// A piece of a segment in memory.
#[derive(Default)]
struct Block {
    start: u64,
    bytes: Vec<u8>,
}

impl Block {
    /// Start and partial flag of the record that ends at `end`.
    fn record_before(&mut self, file: &File, end: u64) -> io::Result<Option<(u64, bool)>> {
        let smallest = (HEADER + TRAILER) as u64;
        if end < smallest {
            return Ok(None);
        }
        let trailer = self.slice(file, end - TRAILER as u64, end)?;
        let length = u32_at(trailer, 0) as usize;
        let size = smallest + length as u64;
        if length > LONGEST || size > end {
            return Ok(None);
        }
        let header = self.slice(file, end - size, end)?;
        if u32_at(header, 0) as usize != length {
            return Ok(None);
        }
        Ok(Some((end - size, header[17] & PARTIAL != 0)))
    }

    fn slice(&mut self, file: &File, from: u64, to: u64) -> io::Result<&[u8]> {
        let inside = from >= self.start && to <= self.start + self.bytes.len() as u64;
        if !inside {
            self.start = to.saturating_sub((CHUNK + LONGEST) as u64);
            self.bytes.resize((to - self.start) as usize, 0);
            file.read_exact_at(&mut self.bytes, self.start)?;
        }
        let at = (from - self.start) as usize;
        Ok(&self.bytes[at..at + (to - from) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::log::{LogWriter, Stream};
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
