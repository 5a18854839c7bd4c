//! Which files of the host's `/etc` an image may show.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files, and folders whose files are taken too (they end in a slash; `*` stands for the rest of a name), below `/etc`.
///
/// Each is data of a package or of the machine's set-up that any user of the host can read: name services and the
/// dynamic linker; certificates of public authorities; time zone, languages, types and terminals; defaults that
/// interpreters read. Deliberately not here: `environment`, `profile` and shell start files (people export tokens in
/// them), `hosts`, `hostname`, `resolv.conf`, `machine-id` (a container has its own), `pam.d`, `security`, `sudoers`,
/// `ssh`, `ssl/private`, `apt`, `cron*` and the configuration of servers.
const ALLOWED: &[&str] = &[
    "alternatives/",
    "ca-certificates.conf",
    "debian_version",
    "default/locale",
    "ethertypes",
    "fonts/",
    "gai.conf",
    "host.conf",
    "inputrc",
    "java-*/",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d/",
    "locale.alias",
    "locale.conf",
    "localtime",
    "lsb-release",
    "magic",
    "magic.mime",
    "mailcap",
    "mime.types",
    "networks",
    "nginx/fastcgi.conf",
    "nginx/fastcgi_params",
    "nginx/mime.types",
    "nginx/proxy_params",
    "nginx/scgi_params",
    "nginx/uwsgi_params",
    "nsswitch.conf",
    "os-release",
    "perl/",
    "pki/tls/certs/",
    "pki/ca-trust/extracted/",
    "protocols",
    "python3*/",
    "rpc",
    "services",
    "shells",
    "ssl/certs/",
    "ssl/openssl.cnf",
    "terminfo/",
    "timezone",
];

/// What else decides the content of the layer.
const ALSO: &[&str] = &[
    "bin",
    "etc",
    "sbin",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "etc/passwd",
    "etc/group",
    "usr",
    "usr/sbin",
    "usr/bin",
];

/// Longest file that is taken.
pub(super) const MAX_FILE: u64 = 8 << 20;

/// One thing below `/etc` that may be shown.
#[derive(Debug)]
pub(super) struct Source {
    /// Below the host's root, e.g. `etc/ssl/certs`.
    pub path: PathBuf,
    pub kind: SourceKind,
}

/// What it is.
#[derive(Debug)]
pub(super) enum SourceKind {
    Folder,
    File,
    Link,
}

/// Everything that may be shown, parents first, in a fixed order.
pub(super) fn allowed(host: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    for pattern in ALLOWED {
        let etc = PathBuf::from("etc");
        match pattern.strip_suffix('/') {
            Some(folder) => {
                for folder in expand(host, folder) {
                    walk(host, &etc.join(folder), &mut sources);
                }
            }
            None => add(host, &etc.join(pattern), &mut sources),
        }
    }
    sources
}

/// `python3*` → `python3`, `python3.11`.
fn expand(host: &Path, folder: &str) -> Vec<String> {
    let Some((prefix, "")) = folder.split_once('*') else {
        return vec![folder.to_owned()];
    };
    let entries = fs::read_dir(host.join("etc"))
        .into_iter()
        .flatten()
        .flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    found.sort();
    found
}

/// Adds a file or link, with the folders that lead to it.
fn add(host: &Path, path: &Path, sources: &mut Vec<Source>) {
    let Ok(found) = fs::symlink_metadata(host.join(path)) else {
        return;
    };
    if !parents_are_open(host, path) {
        return;
    }
    let kind = if found.is_symlink() {
        SourceKind::Link
    } else if is_public_file(&found) {
        SourceKind::File
    } else {
        return;
    };
    sources.push(Source {
        path: path.to_owned(),
        kind,
    });
}

fn is_public_file(found: &Metadata) -> bool {
    found.is_file() && found.mode() & 0o004 != 0 && found.len() <= MAX_FILE
}

fn is_public_folder(found: &Metadata) -> bool {
    found.is_dir() && found.mode() & 0o005 == 0o005
}

/// Every folder on the way is one that all users may enter, and none is a link.
fn parents_are_open(host: &Path, path: &Path) -> bool {
    let parents = path
        .ancestors()
        .skip(1)
        .filter(|parent| !parent.as_os_str().is_empty());
    parents.into_iter().all(|parent| {
        fs::symlink_metadata(host.join(parent)).is_ok_and(|found| is_public_folder(&found))
    })
}

/// Adds a folder and everything in it that all users can read.
fn walk(host: &Path, folder: &Path, sources: &mut Vec<Source>) {
    if parents_are_open(host, folder) {
        walk_open(host, folder, sources);
    }
}

fn walk_open(host: &Path, folder: &Path, sources: &mut Vec<Source>) {
    let Ok(found) = fs::symlink_metadata(host.join(folder)) else {
        return;
    };
    if !is_public_folder(&found) {
        return;
    }
    sources.push(Source {
        path: folder.to_owned(),
        kind: SourceKind::Folder,
    });
    let entries = fs::read_dir(host.join(folder))
        .into_iter()
        .flatten()
        .flatten();
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk_open(host, &path, sources),
            // A link is what its folder says; there is no need to look at it.
            Ok(kind) if kind.is_symlink() => sources.push(Source {
                path,
                kind: SourceKind::Link,
            }),
            Ok(kind) if kind.is_file() => add_open(host, path, sources),
            _ => {}
        }
    }
}

fn add_open(host: &Path, path: PathBuf, sources: &mut Vec<Source>) {
    if let Ok(found) = fs::symlink_metadata(host.join(&path))
        && is_public_file(&found)
    {
        sources.push(Source {
            path,
            kind: SourceKind::File,
        });
    }
}

/// The state of every path that decides what the layer is: as long as it holds, the layer is up to date. Checking it is
/// a `lstat` a path, without listing a folder: a folder whose change time is the same lists the same names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watch {
    /// The rules of this module are part of what a layer is made from.
    rules: String,
    paths: Vec<(PathBuf, Option<State>)>,
}

/// Inode, size, mode, and change time in seconds and nanoseconds.
type State = (u64, u64, u32, i64, i64);

/// Goes up when the rules change.
const RULES: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");

impl Watch {
    /// The state now; to be taken before the layer is made, so that a change meanwhile is seen.
    pub(super) fn new(host: &Path) -> Self {
        let mut paths: BTreeSet<PathBuf> = ALSO.iter().map(PathBuf::from).collect();
        paths.extend(super::build::programs().map(PathBuf::from));
        paths.extend(super::covers::watched(host));
        let plain = ALLOWED.iter().filter(|pattern| !pattern.ends_with('/'));
        paths.extend(plain.map(|file| Path::new("etc").join(file)));
        for source in allowed(host) {
            // A link is what its folder says.
            let own = usize::from(matches!(source.kind, SourceKind::Link));
            let folders = source.path.ancestors().skip(own);
            paths.extend(
                folders
                    .filter(|path| !path.as_os_str().is_empty())
                    .map(Path::to_owned),
            );
        }
        let with_state = |path: PathBuf| {
            let state = state(&host.join(&path));
            (path, state)
        };
        Self {
            rules: RULES.to_owned(),
            paths: paths.into_iter().map(with_state).collect(),
        }
    }

    /// Nothing has changed since.
    pub(super) fn holds(&self, host: &Path) -> bool {
        let same = |(path, before): &(PathBuf, Option<State>)| state(&host.join(path)) == *before;
        self.rules == RULES && self.paths.iter().all(same)
    }
}

fn state(path: &Path) -> Option<State> {
    let found = rustix::fs::lstat(path).ok()?;
    let size = found.st_size.cast_unsigned();
    let nanoseconds = i64::try_from(found.st_ctime_nsec).unwrap_or_default();
    Some((
        found.st_ino,
        size,
        found.st_mode,
        found.st_ctime,
        nanoseconds,
    ))
}
