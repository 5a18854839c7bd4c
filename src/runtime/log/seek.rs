//! Finding a place in a segment without reading all of it.

use super::{CHUNK, Decoded, HEADER, LINES, LONGEST, PARTIAL, TRAILER, decode, time_in, u32_at};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// An offset where a record begins that is older than `time`, not far before the first that is not.
pub(super) fn halve(file: &File, time: i64) -> io::Result<u64> {
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
        Decoded::Record(record) => Some((from + at as u64, record.time)),
        Decoded::Short | Decoded::Broken => None,
    });
    Ok(found)
}

/// Counts line ends from the end of the log backwards.
pub(super) struct LineCounter {
    wanted: usize,
    seen: usize,
    /// Whether any record was met: the last one may be a line that is not ended.
    any: bool,
}

impl LineCounter {
    /// For the last `wanted` lines.
    pub(super) fn new(wanted: usize) -> Self {
        Self {
            wanted,
            seen: 0,
            any: false,
        }
    }

    /// In the first `length` bytes: offset of the record in which the wanted lines begin, and how much of its text comes before; `None` if they begin
    /// in an earlier segment.
    pub(super) fn walk_back(
        &mut self,
        file: &File,
        length: u64,
    ) -> io::Result<Option<(u64, usize)>> {
        let mut end = length;
        let mut block = Block::default();
        if end > 0 && block.record_before(file, end)?.is_none() {
            end = valid_end(file)?;
            block = Block::default();
        }
        while end > 0 {
            let Some((start, flags)) = block.record_before(file, end)? else {
                // Garbled in the middle: show what is after it.
                return Ok(Some((end, 0)));
            };
            if flags & PARTIAL == 0 || !self.any {
                if self.seen == self.wanted {
                    return Ok(Some((end, 0)));
                }
                self.seen += 1;
            }
            self.any = true;
            if flags & LINES != 0 {
                let (from, to) = (start + HEADER as u64, end - TRAILER as u64);
                if let Some(before) = self.look_through(block.slice(file, from, to)?) {
                    return Ok(Some((start, before)));
                }
            }
            end = start;
        }
        Ok(None)
    }

    /// How much of a text comes before the wanted lines, if they begin in it; its last line is counted already.
    fn look_through(&mut self, text: &[u8]) -> Option<usize> {
        let rest = text.strip_suffix(b"\n").unwrap_or(text);
        for end in memchr::memrchr_iter(b'\n', rest) {
            if self.seen == self.wanted {
                return Some(end + 1);
            }
            self.seen += 1;
        }
        None
    }
}

/// Where the last whole record ends, and its time.
pub(super) fn newest_record(file: &File) -> io::Result<(u64, Option<i64>)> {
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
    Ok((end, Some(time_in(header))))
}

/// Where the last whole record ends of a segment with a torn one behind it: looked for near the end, or else from the
/// beginning.
pub(super) fn valid_end(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(2 * (HEADER + LONGEST + TRAILER) as u64);
    let mut window = vec![0; (length - from) as usize];
    file.read_exact_at(&mut window, from)?;
    let near = (0..window.len())
        .rev()
        .find_map(|at| match decode(&window[at..]) {
            Decoded::Record(found) => Some(from + (at + found.size) as u64),
            Decoded::Short | Decoded::Broken => None,
        });
    near.map_or_else(|| valid_end_from_start(file), Ok)
}

pub(super) fn valid_end_from_start(file: &File) -> io::Result<u64> {
    let (mut end, mut buffer) = (0, Vec::new());
    loop {
        let have = buffer.len();
        buffer.resize(have + CHUNK, 0);
        let got = file.read_at(&mut buffer[have..], end + have as u64)?;
        buffer.truncate(have + got);
        let mut taken = 0;
        let broken = loop {
            match decode(&buffer[taken..]) {
                Decoded::Record(found) => taken += found.size,
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
    /// Start and flags of the record that ends at `end`.
    fn record_before(&mut self, file: &File, end: u64) -> io::Result<Option<(u64, u8)>> {
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
        Ok(Some((end - size, header[17])))
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
