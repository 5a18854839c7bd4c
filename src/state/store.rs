//! Reading and replacing whole files.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A record that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system said no.
    #[error("cannot {what} `{path}`")]
    Io {
        /// read, write, …
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It was written by a newer program: ours would misread it.
    #[error("`{path}` is of version {version}, and this hoist knows {known}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The newest that we know.
        known: u32,
    },
    /// The text is not a record of ours.
    #[error("the record `{path}` is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Replaces a record whole: a reader sees the old one or the new one. Not synced: see [`sync`].
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let error = |source| Error::Io {
        what: "write",
        path: path.to_owned(),
        source,
    };
    let text = serde_json::to_vec(value).map_err(|e| error(e.into()))?;
    let aside = path.with_extension("tmp");
    fs::write(&aside, text)
        .and_then(|()| fs::rename(&aside, path))
        .map_err(error)
}

/// [`write`], for records that people read, too.
pub fn write_pretty<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let error = |source| Error::Io {
        what: "write",
        path: path.to_owned(),
        source,
    };
    let text = serde_json::to_string_pretty(value).map_err(|e| error(e.into()))? + "\n";
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    fs::write(&aside, text)
        .and_then(|()| fs::rename(&aside, path))
        .map_err(error)
}

/// Reads a record; `None` if there is none.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let text = match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(Error::Io {
                what: "read",
                path: path.to_owned(),
                source,
            });
        }
        Ok(text) => text,
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|source| Error::Damaged {
            path: path.to_owned(),
            source,
        })
}

/// Makes everything written to the file system of `folder` durable; once an operation, since it costs milliseconds.
pub fn sync(folder: &Path) -> Result<(), Error> {
    let error = |source| Error::Io {
        what: "sync",
        path: folder.to_owned(),
        source,
    };
    let dir = fs::File::open(folder).map_err(error)?;
    rustix::fs::syncfs(&dir).map_err(|e| error(e.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.json");
        assert!(read::<Vec<u32>>(&path).unwrap().is_none());
        write(&path, &vec![1u32, 2]).unwrap();
        assert_eq!(read::<Vec<u32>>(&path).unwrap(), Some(vec![1, 2]));
        fs::write(&path, "[1,").unwrap();
        let error = read::<Vec<u32>>(&path).unwrap_err();
        assert!(error.to_string().contains("r.json"), "{error}");
    }
}
