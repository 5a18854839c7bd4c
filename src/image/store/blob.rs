//! Blobs: content under its own digest.

use super::{Store, Work};
use crate::id::Digest;
use crate::image::unpack::Limits;
use crate::image::{Error, oci};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A blob that is written and hashed, but not yet in its place.
#[derive(Debug, Clone)]
pub(in crate::image) struct StagedBlob {
    pub digest: Digest,
    pub size: u64,
    pub path: PathBuf,
}

/// Hashes what passes through, and writes it to a file if there is one.
pub(in crate::image) struct Tee<R> {
    inner: R,
    hash: Sha256,
    file: Option<File>,
    bytes: u64,
}

impl<R: Read> Tee<R> {
    pub(super) fn new(inner: R, file: Option<File>) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            file,
            bytes: 0,
        }
    }

    /// Reads what is left; digest and length of everything that passed.
    pub(super) fn finish(mut self) -> io::Result<(Digest, u64)> {
        let mut buffer = vec![0; 128 << 10];
        while self.read(&mut buffer)? > 0 {}
        Ok((digest_of(self.hash), self.bytes))
    }
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done?,
            }
        };
        self.hash.update(&buffer[..n]);
        if let Some(file) = &mut self.file {
            file.write_all(&buffer[..n]).map_err(not_written)?;
        }
        self.bytes += n as u64;
        Ok(n)
    }
}

/// A stream whose end is an error unless it had the promised digest.
pub(in crate::image) struct Verified<R> {
    tee: Tee<R>,
    expected: Digest,
}

impl<R: Read> Verified<R> {
    pub(in crate::image) fn new(inner: R, expected: Digest) -> Self {
        let tee = Tee::new(inner, None);
        Self { tee, expected }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.tee.read(buffer)?;
        if n == 0 && !buffer.is_empty() {
            let actual = digest_of(self.tee.hash.clone());
            if actual != self.expected {
                let why = format!("its content has digest `{actual}`: it was damaged");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
        Ok(n)
    }
}

/// Tells a full disk from a broken stream.
fn not_written(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write to the store: {error}"))
}

/// A stream that may not be longer than declared: against bombs, and streams without end.
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R> Bounded<R> {
    /// The content that is allowed, plus a GiB for headers and padding.
    pub(super) fn new(inner: R, limits: Limits) -> Self {
        Self {
            inner,
            left: limits.bytes.saturating_add(1 << 30),
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(n as u64)
            .ok_or_else(|| io::Error::other("it is larger than what fits on the file system"))?;
        Ok(n)
    }
}

pub(in crate::image) fn digest_of(hash: Sha256) -> Digest {
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in hash.finalize() {
        use std::fmt::Write as _;
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    Digest::new(text).expect("a SHA-256 is 64 hex digits")
}

/// Digest of bytes in memory.
pub(in crate::image) fn digest(bytes: &[u8]) -> Digest {
    digest_of(Sha256::new_with_prefix(bytes))
}

/// Writes a stream to a blob in the writer's folder.
pub(in crate::image) fn stage(work: &Work, input: impl Read) -> Result<StagedBlob, Error> {
    let path = work.fresh();
    let file = File::create_new(&path).map_err(Error::io("make", &path))?;
    let (digest, size) = Tee::new(input, Some(file)).finish().map_err(Error::Input)?;
    Ok(StagedBlob { digest, size, path })
}

/// Has the disk take a blob.
pub(super) fn sync_file(path: &Path) -> Result<(), Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    file.sync_data().map_err(Error::io("sync", path))
}

/// Reads a small file whole; `what` names it in errors.
pub(in crate::image) fn read_small(path: &Path, what: &str) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut bytes = Vec::new();
    file.take(oci::MAX_JSON + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", path))?;
    if bytes.len() as u64 > oci::MAX_JSON {
        return Err(Error::malformed(
            what,
            format!("it is longer than {} bytes", oci::MAX_JSON),
        ));
    }
    Ok(bytes)
}

impl Store {
    /// A manifest or config from the store, verified again: it is small, and decides what runs.
    pub(in crate::image) fn read_blob(&self, expected: &Digest) -> Result<Vec<u8>, Error> {
        read_verified(&self.blob_path(expected), expected)
    }
}

/// Reads a small blob and checks its digest.
pub(in crate::image) fn read_verified(path: &Path, expected: &Digest) -> Result<Vec<u8>, Error> {
    let bytes = read_small(path, expected.as_str())?;
    let actual = digest(&bytes);
    if actual != *expected {
        return Err(Error::Mismatch {
            what: path.display().to_string(),
            expected: expected.clone(),
            actual,
        });
    }
    Ok(bytes)
}
