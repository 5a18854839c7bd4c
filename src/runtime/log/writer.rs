//! The writing side: one process, no locks.

use super::{LONGEST, Stream, encode, segment_path, segments};
use crate::runtime::shim::protocol::LogLimits;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

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

    /// Writes what one read gave, as one record a line, in one system call.
    pub fn write(&mut self, stream: Stream, mut bytes: &[u8]) -> io::Result<()> {
        let time = now();
        while !bytes.is_empty() {
            let line_end = bytes.iter().take(LONGEST + 1).position(|b| *b == b'\n');
            let (text, rest, partial) = match line_end {
                Some(end) => (&bytes[..end], &bytes[end + 1..], false),
                None => {
                    let (text, rest) = bytes.split_at(bytes.len().min(LONGEST));
                    (text, rest, true)
                }
            };
            encode(&mut self.batch, time, stream, partial, text);
            bytes = rest;
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.file.is_none() || self.written >= self.limits.segment {
            self.rotate()?;
        }
        let file = self.file.as_mut().expect("rotate makes one");
        let result = file.write_all(&self.batch);
        self.written += self.batch.len() as u64;
        self.batch.clear();
        // Shims live long and mostly sleep: a burst must not keep its memory.
        self.batch.shrink_to(8 << 10);
        if result.is_err() {
            // The record may be torn (disk full): whatever comes next goes to a segment of its own.
            self.file = None;
        }
        result
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
            if total > allowed + allowed / 8 + (1 << 20) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as i64)
}
