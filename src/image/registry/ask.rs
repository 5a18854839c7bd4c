//! What is asked of a registry, in a form that can be asked again.

use super::Error;
use super::meter::Meter;
use reqwest::Method;
use reqwest::blocking::Body;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Bytes a second: an upload that is slower is given up.
const SLOWEST: u64 = 16 << 10;

/// What is asked of a registry.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub method: Method,
    /// Below the endpoint's base, or a whole URL.
    pub target: &'a str,
    pub accept: Option<&'a str>,
    pub from: Option<u64>,
    pub payload: Payload,
    pub content_type: Option<&'a str>,
    /// First and last byte of a chunk.
    pub chunk: Option<(u64, u64)>,
}

/// What is sent along.
#[derive(Debug, Clone)]
pub(super) enum Payload {
    None,
    Bytes(Vec<u8>),
    /// A part of a file.
    File {
        path: PathBuf,
        from: u64,
        length: u64,
        meter: Arc<Meter>,
    },
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, target: &'a str) -> Self {
        Self {
            method,
            target,
            accept: None,
            from: None,
            payload: Payload::None,
            content_type: None,
            chunk: None,
        }
    }
}

impl Payload {
    pub(super) fn body(&self) -> Result<Option<Body>, Error> {
        Ok(match self {
            Self::None => None,
            Self::Bytes(bytes) => Some(bytes.clone().into()),
            Self::File {
                path,
                from,
                length,
                meter,
            } => {
                let mut file = File::open(path).map_err(Error::io("read", path))?;
                file.seek(SeekFrom::Start(*from))
                    .map_err(Error::io("read", path))?;
                let counted = Counted {
                    inner: file.take(*length),
                    meter: meter.clone(),
                };
                Some(Body::sized(counted, *length))
            }
        })
    }

    /// The time that sending it may take at the slowest rate that is put up with.
    pub(super) fn allowance(&self) -> Duration {
        match self {
            Self::File { length, .. } => Duration::from_secs(length / SLOWEST),
            Self::None | Self::Bytes(_) => Duration::ZERO,
        }
    }
}

/// Tells the meter what is sent.
struct Counted<R> {
    inner: R,
    meter: Arc<Meter>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.meter.moved(n as u64);
        Ok(n)
    }
}
