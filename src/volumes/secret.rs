//! Files of the user that become secrets and configs: read once, whole, with a bound.

use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Longest secret or config; docker's limit for swarm is 500 KiB.
pub const MAX_BYTES: u64 = 1 << 20;

/// A secret or config that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder, device or pipe.
    #[error("`{}` is not a file", .0.display())]
    NotAFile(PathBuf),
    /// More than [`MAX_BYTES`].
    #[error("`{}` is longer than {MAX_BYTES} bytes", .0.display())]
    TooLong(PathBuf),
}

/// The bytes of a file. Never waits: a pipe is an error, not a hang.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let fail = |source: io::Error| Error::Io {
        path: path.to_owned(),
        source,
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| fail(errno.into()))?;
    let found = rustix::fs::fstat(&file).map_err(|errno| fail(errno.into()))?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(Error::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    File::from(file)
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::TooLong(path.to_owned()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_bounded_length_are_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::fs::write(&path, "secret").unwrap();
        assert_eq!(read(&path).unwrap(), b"secret");
        assert!(matches!(read(folder.path()), Err(Error::NotAFile(_))));
        assert!(matches!(
            read(Path::new("/dev/zero")),
            Err(Error::NotAFile(_))
        ));
        assert!(matches!(
            read(&folder.path().join("no")),
            Err(Error::Io { .. })
        ));
        File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(matches!(read(&path), Err(Error::TooLong(_))));
    }
}
