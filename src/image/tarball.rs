//! A streaming tar reader with bounded memory: ustar, GNU long names and sparse files, pax records.
//!
//! The `tar` crate reads the fields of a header; iteration is ours because it holds a declared limit on what an archive
//! may make us keep in memory, and gives sparse files as segments instead of zeros.

mod extensions;

use extensions::Extensions;
use std::io::{self, Read};
use tar::{EntryType, Header};

const BLOCK: usize = 512;
/// One extension header (a long name, or a set of pax records with its xattrs) may be this long.
const MAX_EXTENSION: u64 = 1 << 20;
/// Extension headers before one member; tools write up to three.
const MAX_EXTENSIONS: usize = 16;
/// A sparse file may have this many segments.
const MAX_SEGMENTS: usize = 1 << 20;

/// The archive is not a tar file, or breaks off.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The stream failed.
    #[error("cannot read the tar stream")]
    Read(#[from] io::Error),
    /// A header that says something impossible.
    #[error("malformed tar header: {0}")]
    Malformed(String),
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
    Char(u32, u32),
    Block(u32, u32),
    Fifo,
    /// A type flag that is not known; such members are skipped.
    Other(u8),
}

/// One member of an archive, without its bytes.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// As it is written in the archive.
    pub path: Vec<u8>,
    pub kind: Kind,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    /// Seconds and nanoseconds since 1970.
    pub mtime: (i64, u32),
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Length of the file, holes included.
    pub size: u64,
    /// Where the bytes of the body go, as (offset, length); one segment unless the file is sparse.
    pub segments: Vec<(u64, u64)>,
}

/// The members of an archive in order.
pub(super) struct Members<R> {
    input: R,
    /// Bytes of the current body not read yet.
    left: u64,
    /// Bytes that fill its last block.
    padding: u64,
}

impl<R: Read> Members<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            left: 0,
            padding: 0,
        }
    }

    /// The next member; what is left of the last body is skipped. `None` at the end of the archive.
    pub(super) fn next(&mut self) -> Result<Option<Member>, TarError> {
        let mut extensions = Extensions::default();
        for _ in 0..=MAX_EXTENSIONS {
            self.skip_body()?;
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let size = header.entry_size()?;
            self.expect_body(size);
            match header.entry_type() {
                EntryType::GNULongName => extensions.long_name(self.extension(size)?),
                EntryType::GNULongLink => extensions.long_link(self.extension(size)?),
                EntryType::XHeader => extensions.pax(&self.extension(size)?)?,
                // Global records are comments in practice (git archive) and never describe one file.
                EntryType::XGlobalHeader => {}
                _ => return self.member(&header, extensions).map(Some),
            }
        }
        Err(TarError::Malformed(format!(
            "more than {MAX_EXTENSIONS} extension headers before one member"
        )))
    }

    /// Reads the stream to its end, so that whoever writes it is not cut off.
    pub(super) fn drain(mut self) -> io::Result<()> {
        io::copy(&mut self.input, &mut io::sink()).map(drop)
    }

    /// Bytes of the current member's body.
    pub(super) fn read_body(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let n = self.input.read(&mut buffer[..want])?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= n as u64;
        Ok(n)
    }

    fn expect_body(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip_body(&mut self) -> io::Result<()> {
        let (content, total) = (self.left, self.left.saturating_add(self.padding));
        (self.left, self.padding) = (0, 0);
        let skipped = io::copy(&mut self.input.by_ref().take(total), &mut io::sink())?;
        // Some writers leave out what follows the last byte of the last file; other readers take that.
        if skipped < content {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// The next header block; `None` at two zero blocks, or where the stream ends between members.
    fn header(&mut self) -> Result<Option<Header>, TarError> {
        for zero_blocks in 0.. {
            let Some(header) = self.block()? else {
                return Ok(None);
            };
            if header.iter().any(|&b| b != 0) {
                let header = Header::from_byte_slice(&header).clone();
                check_sum(&header)?;
                return Ok(Some(header));
            }
            if zero_blocks == 1 {
                break;
            }
        }
        Ok(None)
    }

    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(block))
    }

    /// The whole body of an extension header, whose declared length is checked before a byte is kept.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        if size > MAX_EXTENSION {
            return Err(TarError::Malformed(format!(
                "an extension header of {size} bytes, more than {MAX_EXTENSION}"
            )));
        }
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while self.left > 0 {
            let n = self.read_body(&mut buffer)?;
            bytes.extend_from_slice(&buffer[..n]);
        }
        Ok(bytes)
    }

    fn member(&mut self, header: &Header, mut ext: Extensions) -> Result<Member, TarError> {
        let kind = kind(header, &mut ext)?;
        let body = match kind {
            // As Go's reader: links, folders and devices have no body, whatever the size field says.
            Kind::File | Kind::Other(_) => ext.size.unwrap_or(header.entry_size()?),
            _ => 0,
        };
        self.expect_body(body);
        let (size, segments) = self.segments(header, &ext, body)?;
        let mut path = ext
            .sparse_name
            .or(ext.path)
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let old = header.as_old();
        let folder_by_slash = kind == Kind::File && path.ends_with(b"/");
        while path.len() > 1 && path.ends_with(b"/") {
            path.pop();
        }
        Ok(Member {
            path,
            // Archives older than POSIX mark folders by a slash only.
            kind: if folder_by_slash { Kind::Folder } else { kind },
            mode: (or_zero(&old.mode, || header.mode().map(u64::from))? & 0o7777) as u32,
            uid: ext
                .uid
                .map_or_else(|| or_zero(&old.uid, || header.uid()), Ok)?,
            gid: ext
                .gid
                .map_or_else(|| or_zero(&old.gid, || header.gid()), Ok)?,
            mtime: match ext.mtime {
                Some(time) => time,
                None => (or_zero(&old.mtime, || header.mtime())?.cast_signed(), 0),
            },
            xattrs: ext.xattrs,
            size,
            segments,
        })
    }

    /// Full length and segments of the body.
    fn segments(
        &mut self,
        header: &Header,
        ext: &Extensions,
        body: u64,
    ) -> Result<(u64, Vec<(u64, u64)>), TarError> {
        let (size, segments) = if header.entry_type() == EntryType::GNUSparse {
            self.gnu_sparse(header)?
        } else if ext.sparse_version == (1, 0) {
            (ext.sparse_size, self.pax_sparse()?)
        } else if let Some(map) = &ext.sparse_map {
            (ext.sparse_size, map.clone())
        } else {
            return Ok((body, vec![(0, body)]));
        };
        check_segments(size, &segments, self.left)?;
        Ok((size, segments))
    }

    /// The map of an old GNU sparse file: four segments in the header, then blocks of 21.
    fn gnu_sparse(&mut self, header: &Header) -> Result<(u64, Vec<(u64, u64)>), TarError> {
        let gnu = header
            .as_gnu()
            .ok_or_else(|| TarError::Malformed("a sparse file without a GNU header".into()))?;
        let mut segments = Vec::new();
        for segment in gnu.sparse.iter().filter(|segment| !segment.is_empty()) {
            segments.push((segment.offset()?, segment.length()?));
        }
        let mut more = gnu.is_extended();
        while more {
            let block = self
                .block()?
                .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            let mut extended = tar::GnuExtSparseHeader::new();
            extended.as_mut_bytes().copy_from_slice(&block);
            for segment in extended
                .sparse()
                .iter()
                .filter(|segment| !segment.is_empty())
            {
                segments.push((segment.offset()?, segment.length()?));
            }
            if segments.len() > MAX_SEGMENTS {
                return Err(TarError::Malformed(
                    "too many segments in a sparse file".into(),
                ));
            }
            more = extended.is_extended();
        }
        Ok((gnu.real_size()?, segments))
    }

    /// The map of pax sparse format 1.0: decimal numbers, a line each, at the head of the body, filled to a block.
    fn pax_sparse(&mut self) -> Result<Vec<(u64, u64)>, TarError> {
        let malformed =
            || TarError::Malformed("the map of a sparse file is not a list of numbers".into());
        let mut numbers = Vec::new();
        let mut digits = Vec::new();
        let mut wanted = None;
        while wanted.is_none_or(|wanted| numbers.len() < wanted) {
            let mut block = [0; BLOCK];
            let mut filled = 0;
            while filled < BLOCK {
                match self.read_body(&mut block[filled..])? {
                    0 => return Err(malformed()),
                    n => filled += n,
                }
            }
            for &byte in &block {
                if byte != b'\n' {
                    digits.push(byte);
                    continue;
                }
                let number = extensions::decimal(&digits).ok_or_else(malformed)?;
                digits.clear();
                match wanted {
                    None if number <= MAX_SEGMENTS as u64 => wanted = Some(number as usize * 2),
                    None => return Err(malformed()),
                    Some(wanted) if numbers.len() < wanted => numbers.push(number),
                    Some(_) => break,
                }
            }
        }
        Ok(numbers
            .chunks_exact(2)
            .map(|pair| (pair[0], pair[1]))
            .collect())
    }
}

/// Segments must be in order, within the file, and as long together as the body.
fn check_segments(size: u64, segments: &[(u64, u64)], body: u64) -> Result<(), TarError> {
    let mut end = 0u64;
    let mut total = 0u64;
    for &(offset, length) in segments {
        let next = offset
            .checked_add(length)
            .filter(|&next| offset >= end && next <= size);
        end = next.ok_or_else(|| {
            TarError::Malformed("segments of a sparse file overlap or exceed it".into())
        })?;
        total += length;
    }
    if total != body || i64::try_from(size).is_err() {
        return Err(TarError::Malformed(
            "a sparse file whose map does not fit its bytes".into(),
        ));
    }
    Ok(())
}

fn kind(header: &Header, ext: &mut Extensions) -> Result<Kind, TarError> {
    let device = || -> io::Result<(u32, u32)> {
        Ok((
            header.device_major()?.unwrap_or(0),
            header.device_minor()?.unwrap_or(0),
        ))
    };
    let mut link = || {
        ext.link
            .take()
            .or_else(|| header.link_name_bytes().map(|link| link.into_owned()))
            .ok_or_else(|| TarError::Malformed("a link without a target".into()))
    };
    Ok(match header.entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
        EntryType::Directory => Kind::Folder,
        EntryType::Symlink => Kind::Symlink(link()?),
        EntryType::Link => Kind::HardLink(link()?),
        EntryType::Char => device().map(|(major, minor)| Kind::Char(major, minor))?,
        EntryType::Block => device().map(|(major, minor)| Kind::Block(major, minor))?,
        EntryType::Fifo => Kind::Fifo,
        other => Kind::Other(other.as_byte()),
    })
}

/// A field that is left empty means zero, as Go's reader takes it.
fn or_zero(field: &[u8], read: impl FnOnce() -> io::Result<u64>) -> io::Result<u64> {
    if field.iter().all(|&b| b == 0 || b == b' ') {
        return Ok(0);
    }
    read()
}

/// The sum of all bytes, with the field itself read as spaces.
fn check_sum(header: &Header) -> Result<(), TarError> {
    let bytes = header.as_bytes();
    let field = 148..156;
    let rest = bytes.iter().enumerate().filter(|(i, _)| !field.contains(i));
    let sum: u32 = rest.map(|(_, &b)| u32::from(b)).sum::<u32>() + 8 * u32::from(b' ');
    match header.cksum() {
        Ok(expected) if expected == sum => Ok(()),
        _ => Err(TarError::Malformed(
            "wrong checksum; this is not a tar archive".into(),
        )),
    }
}

#[cfg(test)]
mod tests;
