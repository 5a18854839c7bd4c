//! Host folders and files that are bound into containers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A bind that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is there, and nothing may be made.
    #[error("bind source path does not exist: `{}`", .0.display())]
    Missing(PathBuf),
    /// Paths are made absolute where the project is loaded.
    #[error("bind source path is not absolute: `{}`", .0.display())]
    Relative(PathBuf),
    /// The kernel refused.
    #[error("cannot {action} bind source `{}`", path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// The source.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Sees that the source of a bind is there; makes a folder if it is not and `create` says so (`create_host_path`).
pub fn prepare(source: &Path, create: bool) -> Result<(), Error> {
    let fail = |action| {
        let path = source.to_owned();
        move |source| Error::Io {
            action,
            path,
            source,
        }
    };
    if !source.is_absolute() {
        return Err(Error::Relative(source.to_owned()));
    }
    match fs::metadata(source) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fail("read")(error)),
        Err(_) if create => fs::create_dir_all(source).map_err(fail("make")),
        Err(_) => Err(Error::Missing(source.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_source_is_made_only_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("a/b");
        assert!(matches!(prepare(&source, false), Err(Error::Missing(_))));
        prepare(&source, true).unwrap();
        assert!(source.is_dir());
        prepare(&source, false).unwrap();
        assert!(matches!(
            prepare(Path::new("a"), true),
            Err(Error::Relative(_))
        ));
    }
}
