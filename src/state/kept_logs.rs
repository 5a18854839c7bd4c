//! Logs that `down` has kept: `kept-logs/PROJECT/ID/{container.json,log/}` below the state root.

use super::record::KeptLogRecord;
use super::store;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Whose log it is, in its folder.
pub const RECORD: &str = "container.json";
/// The segments.
pub const LOG: &str = "log";

/// A log that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its folder.
    pub folder: PathBuf,
    /// Whose it is.
    pub record: KeptLogRecord,
}

/// The kept logs of a project, by service, number and age. A folder that is half made is none.
pub fn list(folder: &Path) -> Result<Vec<Kept>, store::Error> {
    let failed = |source| store::Error::Io {
        what: "read",
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut all = Vec::new();
    for entry in entries {
        let folder = entry.map_err(failed)?.path();
        let Some(record) = store::read(&folder.join(RECORD))? else {
            continue;
        };
        if folder.join(LOG).is_dir() {
            all.push(Kept { folder, record });
        }
    }
    all.sort_by(|a, b| key(a).cmp(&key(b)));
    Ok(all)
}

fn key(kept: &Kept) -> (&str, u32, i64) {
    let record = &kept.record;
    (&record.service, record.number, record.created)
}

/// Forgets them.
pub fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        other => other?,
    }
    // With the last project's, the folder above goes.
    if let Some(above) = folder.parent() {
        let _ = fs::remove_dir(above);
    }
    Ok(())
}
