//! One blob as a stream that does not break: what came before is read from disk, the rest from the registry, and after
//! each cut it goes on where it was.
//!
//! Invariants: no more bytes pass than the descriptor says; every byte that passes is in the file first; a registry that
//! brings nothing for long, or less than `Patience::least` bytes in `Patience::stall`, is given up.

use super::Error;
use super::answer::Answer;
use super::ask::Ask;
use super::error::Why;
use super::meter::Meter;
use super::source::Source;
use crate::image::oci::Descriptor;
use reqwest::Method;
use reqwest::header::CONTENT_RANGE;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::time::Instant;

/// Getting this much further makes a new beginning of counting tries.
const FURTHER: u64 = 64 << 10;

/// The bytes of one blob, in order.
pub(super) struct BlobReader<'a> {
    source: &'a Source<'a>,
    wanted: &'a Descriptor,
    meter: &'a Meter,
    file: File,
    /// Bytes in the file.
    stored: u64,
    /// Bytes that have passed.
    at: u64,
    body: Option<Answer>,
    /// Which server is asked, how often without getting further than `mark`.
    server: usize,
    tries: u32,
    mark: u64,
    /// Where we were when the present stretch of time began.
    window: (Instant, u64),
    /// Why reading failed.
    pub failure: Option<Error>,
}

impl<'a> BlobReader<'a> {
    /// A reader that goes on after what `file` has.
    pub(super) fn new(
        source: &'a Source<'a>,
        wanted: &'a Descriptor,
        meter: &'a Meter,
        file: File,
    ) -> io::Result<Self> {
        let stored = file.metadata()?.len();
        if stored > wanted.size {
            file.set_len(0)?;
        }
        Ok(Self {
            source,
            wanted,
            meter,
            stored: if stored > wanted.size { 0 } else { stored },
            file,
            at: 0,
            body: None,
            server: 0,
            tries: 0,
            mark: 0,
            window: (Instant::now(), 0),
            failure: None,
        })
    }

    fn what(&self) -> String {
        format!("blob `{}`", self.wanted.digest)
    }

    fn step(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.meter.check()?;
        self.source.client.check()?;
        if self.at < self.stored {
            let most = buffer.len().min(whole(self.stored - self.at));
            let n = self
                .file
                .read_at(&mut buffer[..most], self.at)
                .map_err(Error::io("read", "a partial download"))?;
            self.passed(n);
            return Ok(n);
        }
        let most = buffer.len().min(whole(self.wanted.size - self.at));
        if most == 0 {
            return Ok(0);
        }
        loop {
            match self.receive(&mut buffer[..most]) {
                Ok(n) => {
                    self.file
                        .write_all(&buffer[..n])
                        .map_err(Error::io("write", "a partial download"))?;
                    self.stored += n as u64;
                    self.passed(n);
                    return Ok(n);
                }
                Err(error) => self.recover(error)?,
            }
        }
    }

    fn passed(&mut self, n: usize) {
        self.at += n as u64;
        self.meter.moved(n as u64);
    }

    /// Some bytes from the registry; never none.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if self.body.is_none() {
            self.body = Some(self.connect()?);
            self.window = (Instant::now(), self.at);
        }
        let Some(body) = &mut self.body else {
            return Ok(0);
        };
        let host = body.host.clone();
        let cut = |source| Error::Cut {
            host: host.clone(),
            what: format!("blob `{}`", self.wanted.digest),
            at: self.at,
            size: self.wanted.size,
            source,
        };
        let n = match body.response.read(buffer) {
            Ok(0) => return Err(cut(Why("the connection was closed".to_owned()))),
            Ok(n) => n,
            Err(error) => return Err(cut(Why::of(&error))),
        };
        let patience = &self.source.client.settings.patience;
        let (since, from) = self.window;
        if since.elapsed() >= patience.stall {
            if self.at + (n as u64) - from < patience.least {
                return Err(Error::Stalled {
                    host,
                    what: format!("{} bytes of {}", patience.least, self.what()),
                    limit: patience.stall,
                });
            }
            self.window = (Instant::now(), self.at + n as u64);
        }
        Ok(n)
    }

    /// Asks for what is missing.
    fn connect(&self) -> Result<Answer, Error> {
        let target = self.source.blob_path(&self.wanted.digest);
        let mut ask = Ask::new(Method::GET, &target);
        ask.from = (self.at > 0).then_some(self.at);
        let (_, endpoint) = self.source.endpoint(self.server);
        let client = self.source.client;
        let mut answer = client.ask(endpoint, &self.source.scope, &ask, &self.what())?;
        let bad = |why: String| Error::Answer {
            host: answer.host.clone(),
            what: self.what(),
            why,
        };
        let begins = match answer.response.status().as_u16() {
            206 => {
                let range = answer.response.headers().get(CONTENT_RANGE);
                let range = range.and_then(|value| value.to_str().ok()).unwrap_or("");
                if !range.starts_with(&format!("bytes {}-", self.at)) {
                    return Err(bad(format!(
                        "asked for a part, it sends another: `{range}`"
                    )));
                }
                self.at
            }
            // It cannot send parts: what we have comes again.
            _ => 0,
        };
        let left = self.wanted.size - begins;
        if let Some(length) = answer.response.content_length()
            && length != left
        {
            return Err(bad(format!(
                "it is {} bytes long, and {} by the manifest",
                begins + length,
                self.wanted.size
            )));
        }
        self.skip(&mut answer, self.at - begins)?;
        Ok(answer)
    }

    /// Passes over bytes that we have.
    fn skip(&self, answer: &mut Answer, bytes: u64) -> Result<(), Error> {
        let mut body = answer.response.by_ref().take(bytes);
        let skipped = io::copy(&mut body, &mut io::sink());
        match skipped {
            Ok(n) if n == bytes => Ok(()),
            other => Err(Error::Cut {
                host: answer.host.clone(),
                what: self.what(),
                at: 0,
                size: self.wanted.size,
                source: match other {
                    Ok(_) => Why("the connection was closed".to_owned()),
                    Err(error) => Why::of(&error),
                },
            }),
        }
    }

    /// Makes ready for another try: with the same server, or with the next one.
    fn recover(&mut self, error: Error) -> Result<(), Error> {
        self.body = None;
        if self.at >= self.mark + FURTHER {
            self.tries = 0;
        }
        self.mark = self.at;
        let error = match self.source.client.pause(error, self.tries) {
            Ok(()) => {
                self.tries += 1;
                return Ok(());
            }
            Err(error) => error,
        };
        if !error.elsewhere() || !self.next_server() {
            return Err(error);
        }
        Ok(())
    }

    fn next_server(&mut self) -> bool {
        self.server += 1;
        self.tries = 0;
        self.server < self.source.count()
    }
}

fn whole(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.step(buffer).map_err(|error| {
            let text = io::Error::other(error.to_string());
            self.failure = Some(error);
            text
        })
    }
}
