//! Plain, gzip or zstd, told apart by the first bytes and never by a name.

use std::io::{self, BufRead, Read};

/// Bytes needed to tell the formats apart.
const MAGIC: usize = 6;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// A stream of plain bytes.
pub(super) enum Plain<R: BufRead> {
    None(R),
    Gzip(Box<flate2::bufread::MultiGzDecoder<R>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, R>>),
}

impl<R: BufRead> Read for Plain<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::None(inner) => inner.read(buffer),
            Self::Gzip(inner) => inner.read(buffer),
            Self::Zstd(inner) => inner.read(buffer),
        }
    }
}

/// Looks at the first bytes; formats that are recognised but not read here are errors that name them.
pub(super) fn detect(magic: &[u8]) -> io::Result<Compression> {
    match magic {
        [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Compression::Zstd),
        // A skippable frame, as zstd:chunked and pzstd put first.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Compression::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Err(unread("xz", "xz -dc FILE | hoist …")),
        [b'B', b'Z', b'h', ..] => Err(unread("bzip2", "bzip2 -dc FILE | hoist …")),
        _ => Ok(Compression::None),
    }
}

fn unread(format: &str, how: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!(
            "it is compressed with {format}, which is not read here; decompress it first: `{how}`"
        ),
    )
}

/// Wraps a stream in the decoder its first bytes ask for.
pub(super) fn open<R: Read>(inner: R) -> io::Result<(Plain<Peek<R>>, Compression)> {
    let inner = Peek::new(inner)?;
    let compression = detect(inner.first())?;
    let plain = match compression {
        Compression::None => Plain::None(inner),
        Compression::Gzip => Plain::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(inner))),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(inner)?;
            // 128 MiB of window: what `zstd --long=27` makes, and the most a stream may make us hold.
            decoder.window_log_max(27)?;
            Plain::Zstd(Box::new(decoder))
        }
    };
    Ok((plain, compression))
}

/// A buffered reader that has already seen the first bytes.
pub(super) struct Peek<R> {
    inner: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<R: Read> Peek<R> {
    fn new(inner: R) -> io::Result<Self> {
        let mut peek = Self {
            inner,
            buffer: vec![0; 128 << 10].into_boxed_slice(),
            start: 0,
            end: 0,
        };
        while peek.end < MAGIC {
            match peek.inner.read(&mut peek.buffer[peek.end..]) {
                Ok(0) => break,
                Ok(n) => peek.end += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(peek)
    }

    fn first(&self) -> &[u8] {
        &self.buffer[..self.end.min(MAGIC)]
    }
}

impl<R: Read> Read for Peek<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end && out.len() >= self.buffer.len() {
            return self.inner.read(out);
        }
        let mut available = self.fill_buf()?;
        let n = available.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: Read> BufRead for Peek<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.end = self.inner.read(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.start = (self.start + amount).min(self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn round(bytes: &[u8]) -> (Vec<u8>, Compression) {
        let (mut plain, compression) = open(bytes).unwrap();
        let mut out = Vec::new();
        plain.read_to_end(&mut out).unwrap();
        (out, compression)
    }

    #[test]
    fn each_format_is_told_by_its_first_bytes() {
        let text = b"some text, some text, some text".repeat(10_000);
        assert_eq!(round(&text), (text.clone(), Compression::None));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let mut gzip = gzip.finish().unwrap();
        gzip.extend(gzip.clone());
        assert_eq!(round(&gzip), (text.repeat(2), Compression::Gzip));
        let zstd = zstd::encode_all(&text[..], 1).unwrap();
        assert_eq!(round(&zstd), (text, Compression::Zstd));
        assert_eq!(round(b""), (Vec::new(), Compression::None));
    }

    #[test]
    fn formats_not_read_are_named() {
        let error = open(&b"\xfd7zXZ\0rest"[..]).err().unwrap();
        assert!(error.to_string().contains("xz"), "{error}");
    }
}
