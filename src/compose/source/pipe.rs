//! Pipes that a user names: read to their end, but not waited for without end.

use super::MAX_BYTES;
use super::ReadError;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

/// The file system of pipes without a name.
const PIPES: i64 = 0x5049_5045;

/// How long a pipe may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What was read from pipes: they give it but once, and a command loads its project more than once.
static PIPED: Mutex<BTreeMap<PathBuf, Vec<u8>>> = Mutex::new(BTreeMap::new());

/// All that the pipe at `path`, opened as `file`, gives; also if it gave it before.
pub fn read(path: &Path, file: File) -> Result<Vec<u8>, ReadError> {
    let mut piped = PIPED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = piped.get(path) {
        return Ok(bytes.clone());
    }
    let bytes = drain(path, file, PATIENCE)?;
    piped.insert(path.to_owned(), bytes.clone());
    Ok(bytes)
}

/// What a pipe gives until its last writer is gone.
fn drain(path: &Path, mut file: File, patience: Duration) -> Result<Vec<u8>, ReadError> {
    let name = || path.display().to_string();
    let io = |source| ReadError::Io {
        path: name(),
        source,
    };
    let until = Instant::now() + patience;
    // A FIFO has no writer at first; a pipe that has none will never have one again.
    let mut begun = rustix::fs::fstatfs(&file).is_ok_and(|system| system.f_type == PIPES);
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while bytes.len() as u64 <= MAX_BYTES {
        match file.read(&mut buffer) {
            Ok(0) if begun => break,
            Ok(0) => {}
            Ok(length) => {
                begun = true;
                bytes.extend_from_slice(&buffer[..length]);
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(io(error)),
        }
        let left = until.saturating_duration_since(Instant::now());
        let mut ends = [PollFd::new(&file, PollFlags::IN)];
        let ready = Timespec::try_from(left).map(|left| poll(&mut ends, Some(&left)));
        match ready {
            Ok(Ok(0)) | Err(_) => {
                let what = match bytes.is_empty() {
                    true => "nobody has written to",
                    false => "has not ended",
                };
                return Err(ReadError::Late { path: name(), what });
            }
            // Whoever had it open is gone by now: that was all.
            Ok(Ok(_)) => begun = true,
            Ok(Err(rustix::io::Errno::INTR)) => {}
            Ok(Err(errno)) => return Err(io(errno.into())),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_read_to_its_end_or_not_at_all() {
        let short = Duration::from_millis(1);
        let drained = |file| drain(Path::new("p"), file, short);
        let (reader, writer) = std::io::pipe().unwrap();
        let reader = File::from(std::os::fd::OwnedFd::from(reader));
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let mut second = writer.try_clone().unwrap();
        let half = drained(reader.try_clone().unwrap()).unwrap_err();
        assert!(half.to_string().contains("nobody has written to"), "{half}");
        std::io::Write::write_all(&mut second, b"ab").unwrap();
        let half = drained(reader.try_clone().unwrap()).unwrap_err();
        assert!(half.to_string().contains("has not ended"), "{half}");
        std::io::Write::write_all(&mut second, b"cd").unwrap();
        drop((writer, second));
        assert_eq!(drained(reader.try_clone().unwrap()).unwrap(), b"cd");
        assert_eq!(drained(reader).unwrap(), b"");
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(drained(super::super::open(&fifo).unwrap().0).is_err());
    }
}
