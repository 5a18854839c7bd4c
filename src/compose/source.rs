//! Where text comes from: the only place of this module that reads files, with limits on what it accepts.
//!
//! Invariants: never more than [`MAX_BYTES`] of a file are read, and it is UTF-8 afterwards. What a file names must be a
//! regular file; what a user names may be a pipe, too, which is waited for no longer than [`pipe::PATIENCE`], or `/dev/null`.

mod pipe;

use rustix::fs::Mode;
use rustix::fs::OFlags;
use std::fs::File;
use std::fs::Metadata;
use std::io;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::MetadataExt;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

/// Larger files are refused: a compose file of this size is a mistake.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A place between two characters: line from 1, column from 0, both counted in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Characters before it in the line.
    pub column: u32,
}

/// A range of text in one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Index into the [`SourceMap`].
    pub source: u32,
    /// First character.
    pub start: Position,
    /// Behind the last character.
    pub end: Position,
}

impl Span {
    /// The part from the `from`th to before the `to`th character of a span that stays on one line.
    pub fn part(self, from: usize, to: usize) -> Span {
        let at = |n: usize| Position {
            line: self.start.line,
            column: self.start.column.saturating_add(n as u32),
        };
        Span {
            source: self.source,
            start: at(from),
            end: at(to),
        }
    }
}

impl Span {
    /// The part of a span where the bytes `range` of what is `written` in it are.
    pub fn within(self, written: &str, range: &std::ops::Range<usize>) -> Span {
        let at = |bytes: usize| {
            let before = written.get(..bytes).unwrap_or_default();
            let (lines, last) = match before.rsplit_once('\n') {
                Some((lines, last)) => (lines.matches('\n').count() + 1, last),
                None => (0, before),
            };
            let column = if lines == 0 { self.start.column } else { 0 };
            Position {
                line: self.start.line.saturating_add(lines as u32),
                column: column.saturating_add(last.chars().count() as u32),
            }
        };
        Span {
            source: self.source,
            start: at(range.start),
            end: at(range.end),
        }
    }
}

/// One text that was read.
#[derive(Debug, Clone)]
pub struct Source {
    /// How messages call it: the path as a user would write it.
    pub name: String,
    /// What relative paths in it resolve against.
    pub directory: PathBuf,
    /// The text, without a byte order mark.
    pub text: Arc<str>,
    /// Where another text names it, and what for; none if it was found or asked for.
    pub named: Option<(Span, &'static str)>,
}

/// All texts of one load. A [`Span`] points into it.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
}

impl SourceMap {
    /// Adds a text and returns its number.
    pub fn add(&mut self, source: Source) -> u32 {
        self.sources.push(source);
        (self.sources.len() - 1) as u32
    }

    /// The text a span points into.
    pub fn get(&self, index: u32) -> Option<&Source> {
        self.sources.get(index as usize)
    }

    /// The folder that relative paths of this place resolve against.
    pub fn directory(&self, span: Span) -> &Path {
        self.get(span.source)
            .map_or(Path::new("/"), |source| &source.directory)
    }

    /// Where the text of this place is named by another one, and that by a third: the nearest first.
    pub fn named(&self, span: Span) -> impl Iterator<Item = (Span, &'static str)> {
        let named = |source: u32| self.get(source)?.named;
        std::iter::successors(named(span.source), move |(at, _)| named(at.source))
    }

    /// `name:line:column`, counted from 1, as compilers print it.
    pub fn locate(&self, span: Span) -> String {
        let name = self.get(span.source).map_or("?", |source| &source.name);
        format!("{name}:{}:{}", span.start.line, span.start.column + 1)
    }
}

/// How many bytes a [`Finder`] looks at.
const MAX_LOOKED_AT: usize = 256 * 1024 * 1024;

/// Finds what is written at places, at little cost if they are asked for in the order of the text.
pub struct Finder<'a> {
    sources: &'a SourceMap,
    /// A source, one of its lines, and the byte where that begins.
    found: (u32, u32, usize),
    left: usize,
}

impl<'a> Finder<'a> {
    /// In these texts.
    pub fn new(sources: &'a SourceMap) -> Self {
        Self {
            sources,
            found: (0, 1, 0),
            left: MAX_LOOKED_AT,
        }
    }

    /// What is written from there on, and how long the span is in it, bytes; none if there is no such place, or it would
    /// take too long to find it.
    pub fn rest(&mut self, span: Span) -> Option<(&'a str, usize)> {
        let text = &*self.sources.get(span.source)?.text;
        let start = self.byte(text, span.source, span.start)?;
        let end = self.byte(text, span.source, span.end)?;
        Some((text.get(start..)?, end.checked_sub(start)?))
    }

    fn byte(&mut self, text: &str, source: u32, at: Position) -> Option<usize> {
        let (known, mut line, mut byte) = self.found;
        if known != source || line > at.line {
            (line, byte) = (1, 0);
        }
        let begun = byte;
        while line < at.line {
            byte += text.get(byte..)?.find('\n')? + 1;
            line += 1;
        }
        self.left = self.left.checked_sub(byte - begun)?;
        self.found = (source, line, byte);
        let rest = text.get(byte..)?;
        let column = rest.char_indices().nth(at.column as usize);
        Some(byte + column.map_or(rest.len(), |(column, _)| column))
    }
}

/// Why a text could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused.
    #[error("cannot read `{path}`")]
    Io {
        /// The file.
        path: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A folder, FIFO, device or socket.
    #[error("`{path}` is {kind}, not a regular file")]
    NotRegular {
        /// The file.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A pipe whose other end gives nothing, or does not end.
    #[error("`{path}` is a pipe that {what} for {} seconds", pipe::PATIENCE.as_secs())]
    Late {
        /// The file.
        path: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Longer than [`MAX_BYTES`].
    #[error("`{path}` is larger than {} MiB", MAX_BYTES / 1024 / 1024)]
    TooLarge {
        /// The file.
        path: String,
    },
    /// No text, from one place on.
    #[error("`{path}` {what}")]
    NotText {
        /// The file.
        path: String,
        /// Why it is none.
        what: &'static str,
        /// What it is as far as it is text.
        text: String,
        /// The first character that is none.
        at: Position,
    },
}

impl ReadError {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads the whole of a regular file as text.
pub fn read(path: &Path) -> Result<String, ReadError> {
    let (file, metadata) = open(path)?;
    match metadata.is_file() {
        true => regular(path, file, metadata.len()),
        false => Err(irregular(path, &metadata)),
    }
}

/// Reads what a user names: a regular file, a pipe to its end, or `/dev/null`.
pub fn read_given(path: &Path) -> Result<String, ReadError> {
    let (file, metadata) = open(path)?;
    if metadata.is_file() {
        return regular(path, file, metadata.len());
    }
    if metadata.rdev() == rustix::fs::makedev(1, 3) && metadata.file_type().is_char_device() {
        return Ok(String::new());
    }
    if !metadata.file_type().is_fifo() {
        return Err(irregular(path, &metadata));
    }
    let bytes = pipe::read(path, file)?;
    decode(&path.display().to_string(), bytes)
}

fn open(path: &Path) -> Result<(File, Metadata), ReadError> {
    let name = || path.display().to_string();
    // O_NONBLOCK: opening a FIFO must not wait for its writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| ReadError::Io {
        path: name(),
        source: errno.into(),
    })?;
    let file = File::from(fd);
    let io = |source| ReadError::Io {
        path: name(),
        source,
    };
    let metadata = file.metadata().map_err(io)?;
    Ok((file, metadata))
}

fn irregular(path: &Path, metadata: &Metadata) -> ReadError {
    ReadError::NotRegular {
        path: path.display().to_string(),
        kind: kind_of(&metadata.file_type()),
    }
}

fn regular(path: &Path, file: File, length: u64) -> Result<String, ReadError> {
    let name = path.display().to_string();
    let mut bytes = Vec::with_capacity(length.min(MAX_BYTES) as usize);
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|source| ReadError::Io {
        path: name.clone(),
        source,
    })?;
    decode(&name, bytes)
}

/// Checks size and encoding of `bytes` and drops a byte order mark. UTF-16 is read if it begins with one, as by YAML.
pub fn decode(name: &str, bytes: Vec<u8>) -> Result<String, ReadError> {
    let path = || name.to_owned();
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ReadError::TooLarge { path: path() });
    }
    let not_text = |what, text: String, at: usize| {
        let at = Span::default().within(&text, &(at..at)).start;
        let line = at.line + 1;
        ReadError::NotText {
            path: path(),
            what,
            text,
            at: Position { line, ..at },
        }
    };
    let mut text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            utf16(&bytes).ok_or_else(|| {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                not_text("is not UTF-8", text, at)
            })?
        }
    };
    if let Some(at) = text.find('\0') {
        return Err(not_text("is no text: it has a NUL byte", text, at));
    }
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// The text of UTF-16 with a byte order mark.
fn utf16(bytes: &[u8]) -> Option<String> {
    let number: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return None,
    };
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| number(*pair)).collect();
    rest.is_empty().then(|| String::from_utf16(&units).ok())?
}

fn kind_of(kind: &std::fs::FileType) -> &'static str {
    match kind {
        k if k.is_dir() => "a folder",
        k if k.is_fifo() => "a FIFO",
        k if k.is_socket() => "a socket",
        _ => "a device",
    }
}

/// `base` joined with `path`, with `.` and `..` folded without looking at the disk, as the reference does.
pub fn absolute(base: &Path, path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// `path` as a user in `directory` would write it.
pub fn display_name(directory: &Path, path: &Path) -> String {
    path.strip_prefix(directory)
        .unwrap_or(path)
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(
            read(&fifo),
            Err(ReadError::NotRegular { kind: "a FIFO", .. })
        ));
        assert!(matches!(
            read(dir.path()),
            Err(ReadError::NotRegular { .. })
        ));
        assert!(matches!(
            read(Path::new("/dev/zero")),
            Err(ReadError::NotRegular { .. })
        ));
        assert!(read(&dir.path().join("none")).unwrap_err().is_missing());
    }

    #[test]
    fn what_a_user_names_may_be_a_pipe_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let writer = fifo.clone();
        let writer = std::thread::spawn(move || std::fs::write(writer, "a: 1\n").unwrap());
        assert_eq!(read_given(&fifo).unwrap(), "a: 1\n");
        writer.join().unwrap();
        // Once more: what it gave is known.
        assert_eq!(read_given(&fifo).unwrap(), "a: 1\n");
        assert_eq!(read_given(Path::new("/dev/null")).unwrap(), "");
        let zero = read_given(Path::new("/dev/zero"));
        assert!(matches!(zero, Err(ReadError::NotRegular { .. })));
        assert!(matches!(
            read_given(dir.path()),
            Err(ReadError::NotRegular { .. })
        ));
    }

    #[test]
    fn size_and_encoding_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, b"\xef\xbb\xbfa: 1\n").unwrap();
        assert_eq!(read(&file).unwrap(), "a: 1\n");
        std::fs::write(&file, b"ab\xff").unwrap();
        let place = |bytes: &[u8]| match decode("f", bytes.to_vec()) {
            Err(ReadError::NotText { at, .. }) => (at.line, at.column),
            other => panic!("{other:?}"),
        };
        assert_eq!(place(b"ab\xff"), (1, 2));
        assert_eq!(place("é: 1\nü\0".as_bytes()), (2, 1));
        assert_eq!(place(b"\xff\xfea\0b"), (1, 0));
        assert_eq!(decode("f", b"\xff\xfea\0\n\0".to_vec()).unwrap(), "a\n");
        File::create(&file).unwrap().set_len(1 << 40).unwrap();
        assert!(matches!(read(&file), Err(ReadError::TooLarge { .. })));
    }

    #[test]
    fn dots_are_folded() {
        let path = |p| absolute(Path::new("/a/b"), Path::new(p));
        assert_eq!(path("../c/./d"), Path::new("/a/c/d"));
        assert_eq!(path("../../../.."), Path::new("/"));
        assert_eq!(path("/x/../y"), Path::new("/y"));
        assert_eq!(path("."), Path::new("/a/b"));
    }
}
