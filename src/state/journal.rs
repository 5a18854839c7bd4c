//! The project's events, one JSON line each, in the order they happened. One process appends; anybody may read.

use super::event::Event;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A journal larger than this is started anew (the old one is kept aside as `journal.1`).
const MAX_BYTES: u64 = 4 << 20;

/// Appends events.
#[derive(Debug)]
pub struct Writer {
    file: File,
    path: std::path::PathBuf,
}

impl Writer {
    /// Opens or makes the journal.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Appends one event with one write, so that a reader never sees two events mixed.
    pub fn append(&mut self, event: &Event) -> io::Result<()> {
        if self.file.metadata()?.len() > MAX_BYTES {
            std::fs::rename(&self.path, self.path.with_extension("1"))?;
            *self = Self::open(&self.path)?;
        }
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

/// Reads events as they come.
#[derive(Debug)]
pub struct Reader {
    file: Option<File>,
    path: std::path::PathBuf,
    partial: Vec<u8>,
}

impl Reader {
    /// A reader of what comes from now on.
    pub fn at_end(path: &Path) -> io::Result<Self> {
        let mut reader = Self::at_start(path);
        reader.reopen()?;
        if let Some(file) = &mut reader.file {
            file.seek(SeekFrom::End(0))?;
        }
        Ok(reader)
    }

    /// A reader of everything there is.
    pub fn at_start(path: &Path) -> Self {
        Self {
            file: None,
            path: path.to_owned(),
            partial: Vec::new(),
        }
    }

    /// The events appended since the last call; lines that are not events are passed over. Follows a journal started anew.
    pub fn read(&mut self) -> io::Result<Vec<Event>> {
        let mut events = Vec::new();
        if self.file.is_none() {
            self.reopen()?;
        }
        self.drain(&mut events)?;
        if self.replaced()? {
            self.reopen()?;
            self.drain(&mut events)?;
        }
        Ok(events)
    }

    fn drain(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.read_to_end(&mut self.partial)?;
        let complete = self
            .partial
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        for line in self.partial[..complete].split(|b| *b == b'\n') {
            events.extend(serde_json::from_slice::<Event>(line).ok());
        }
        self.partial.drain(..complete);
        Ok(())
    }

    fn replaced(&self) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let (Some(file), Ok(now)) = (&self.file, std::fs::metadata(&self.path)) else {
            return Ok(false);
        };
        Ok(file.metadata()?.ino() != now.ino())
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.partial.clear();
        self.file = match File::open(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            other => Some(other?),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::event::{Subject, What};

    fn event(time: i64) -> Event {
        Event {
            time,
            subject: Subject::Project,
            what: What::Created,
            cause: String::new(),
            until: None,
        }
    }

    #[test]
    fn a_reader_sees_each_event_once_and_no_half_of_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut reader = Reader::at_end(&path).unwrap();
        let mut writer = Writer::open(&path).unwrap();
        writer.append(&event(1)).unwrap();
        assert_eq!(reader.read().unwrap(), vec![event(1)]);
        assert_eq!(reader.read().unwrap(), vec![]);
        let line = serde_json::to_vec(&event(2)).unwrap();
        let mut raw = OpenOptions::new().append(true).open(&path).unwrap();
        raw.write_all(&line[..10]).unwrap();
        assert_eq!(reader.read().unwrap(), vec![]);
        raw.write_all(&line[10..]).unwrap();
        raw.write_all(b"\n").unwrap();
        assert_eq!(reader.read().unwrap(), vec![event(2)]);
    }

    #[test]
    fn a_reader_follows_a_journal_started_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut writer = Writer::open(&path).unwrap();
        let mut reader = Reader::at_start(&path);
        writer.append(&event(1)).unwrap();
        assert_eq!(reader.read().unwrap(), vec![event(1)]);
        writer.append(&event(2)).unwrap();
        std::fs::rename(&path, path.with_extension("1")).unwrap();
        Writer::open(&path).unwrap().append(&event(3)).unwrap();
        assert_eq!(reader.read().unwrap(), vec![event(2), event(3)]);
    }
}
