//! What of the host's `/usr` is bound, and what in it is covered.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Below the folder of generated layers: bound over a folder, and over a file, that must not be shown.
pub(super) const EMPTY_FOLDER: &str = ".empty";
pub(super) const EMPTY_FILE: &str = ".empty-file";

/// More entries than this in `/usr/local` and nothing of it is shown: a scan must end.
const MAX_ENTRIES: usize = 500_000;

/// The folders that are links into `/usr` on a merged system; on others they are bound themselves.
pub(super) const TOP: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Host paths to bind read-only and where, parents first.
pub(super) fn binds(host: &Path, root: &Path) -> Vec<(PathBuf, String)> {
    let mut binds = vec![(host.join("usr"), "/usr".to_owned())];
    for name in TOP {
        let path = host.join(name);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
            binds.push((path, format!("/{name}")));
        }
    }
    let local = host.join("usr/local");
    let mut covers = Vec::new();
    let mut entries = 0;
    if !scan(&local, &mut covers, &mut entries) {
        covers = vec![(local, true)];
    }
    covers.sort();
    for (path, is_folder) in covers {
        let cover = root.join(if is_folder { EMPTY_FOLDER } else { EMPTY_FILE });
        let below = path.strip_prefix(host).unwrap_or(&path);
        // A name that is not text cannot be a mount target; its folder was covered instead.
        if let Some(below) = below.to_str() {
            binds.push((cover, format!("/{below}")));
        }
    }
    binds
}

/// Collects what is to be covered, as (path, is a folder). `false` if there is too much to look at.
fn scan(folder: &Path, covers: &mut Vec<(PathBuf, bool)>, entries: &mut usize) -> bool {
    let Ok(listed) = fs::read_dir(folder) else {
        return true;
    };
    for entry in listed.flatten() {
        *entries += 1;
        if *entries > MAX_ENTRIES {
            return false;
        }
        let path = entry.path();
        let Ok(found) = fs::symlink_metadata(&path) else {
            continue;
        };
        let readable = if found.is_dir() { 0o005 } else { 0o004 };
        let is_etc = path.ends_with("usr/local/etc");
        if found.is_symlink() {
            continue;
        } else if found.mode() & readable != readable || is_etc {
            if path.to_str().is_none() {
                covers.push((folder.to_owned(), true));
                return true;
            }
            covers.push((path, found.is_dir()));
        } else if found.is_dir() && !scan(&path, covers, entries) {
            return false;
        }
    }
    true
}

/// Folders, below the host's root, whose change means that the scan must be made again: `/usr/local` and two levels
/// below it. A file made unreadable further down is covered after the next change up here.
pub(super) fn watched(host: &Path) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("usr/local")];
    let mut level = folders.clone();
    for _ in 0..2 {
        let below = |folder: &PathBuf| subfolders(host, folder);
        level = level.iter().flat_map(below).collect();
        folders.extend_from_slice(&level);
    }
    folders
}

fn subfolders(host: &Path, folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(host.join(folder))
        .into_iter()
        .flatten()
        .flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders
        .map(|entry| folder.join(entry.file_name()))
        .collect()
}
