//! Makes the layer of `image: host`.

use super::accounts::{self, Account};
use super::covers::{self, EMPTY_FILE, EMPTY_FOLDER, TOP};
use super::sources::{self, MAX_FILE, Source, SourceKind, Watch};
use super::{Current, Error};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A layer that is being made or removed; under the lock there is at most one.
pub(super) const UNFINISHED: &str = ".unfinished";

/// Folders that every image has, and their modes.
const FOLDERS: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("media", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("run/lock", 0o1777),
    ("srv", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
    ("var/cache", 0o755),
    ("var/lib", 0o755),
    ("var/local", 0o755),
    ("var/log", 0o755),
    ("var/mail", 0o755),
    ("var/opt", 0o755),
    ("var/spool", 0o755),
    ("var/tmp", 0o1777),
];

/// Links that every image has.
const LINKS: &[(&str, &str)] = &[
    ("etc/mtab", "../proc/self/mounts"),
    ("var/lock", "/run/lock"),
    ("var/run", "/run"),
];

/// Files the runtime mounts over; a read-only image must have them already.
const TARGETS: &[&str] = &["etc/hostname", "etc/hosts", "etc/resolv.conf"];

/// Folders that a program expects where it is installed: (program, folder, owner, mode).
const STATE: &[(&str, &str, &str, u32)] = &[
    ("usr/sbin/nginx", "var/lib/nginx", "root", 0o755),
    ("usr/sbin/nginx", "var/log/nginx", "root", 0o755),
    ("usr/bin/redis-server", "var/lib/redis", "redis", 0o750),
    ("usr/bin/redis-server", "var/log/redis", "redis", 0o750),
    ("usr/lib/postgresql", "run/postgresql", "postgres", 0o2775),
    (
        "usr/lib/postgresql",
        "var/lib/postgresql",
        "postgres",
        0o755,
    ),
    (
        "usr/lib/postgresql",
        "var/log/postgresql",
        "postgres",
        0o755,
    ),
    ("usr/sbin/mariadbd", "run/mysqld", "mysql", 0o755),
    ("usr/sbin/mariadbd", "var/lib/mysql", "mysql", 0o755),
    ("usr/sbin/mysqld", "run/mysqld", "mysql", 0o755),
    ("usr/sbin/mysqld", "var/lib/mysql", "mysql", 0o755),
];

/// Programs whose presence decides what is in the layer.
pub(super) fn programs() -> impl Iterator<Item = &'static Path> {
    STATE.iter().map(|state| Path::new(state.0))
}

/// Makes the layer of the host at `host` in `root` and names it by its content.
pub(super) fn layer(host: &Path, root: &Path) -> Result<Current, Error> {
    let watch = Watch::new(host);
    make_covers(root)?;
    let unfinished = root.join(UNFINISHED);
    let _ = fs::remove_dir_all(&unfinished);
    let mut layer = Layer::new(unfinished.clone())?;
    layer.skeleton(host)?;
    for source in sources::allowed(host) {
        layer.take(host, &source)?;
    }
    let binds = covers::binds(host, root);
    for bind in &binds {
        layer.note(&[b"bind", bind.1.as_bytes()]);
    }
    let id = super::super::store::digest_of(layer.hash);
    let target = root.join(id.hex());
    if target.is_dir() {
        fs::remove_dir_all(&unfinished).map_err(Error::io("remove", &unfinished))?;
    } else {
        fs::rename(&unfinished, &target).map_err(Error::io("make", &target))?;
    }
    Ok(Current { watch, id, binds })
}

fn make_covers(root: &Path) -> Result<(), Error> {
    let folder = root.join(EMPTY_FOLDER);
    if !folder.is_dir() {
        fs::create_dir(&folder).map_err(Error::io("make folder", &folder))?;
        fs::set_permissions(&folder, Permissions::from_mode(0o755))
            .map_err(Error::io("make folder", &folder))?;
    }
    let file = root.join(EMPTY_FILE);
    File::create(&file)
        .and_then(|file| file.set_permissions(Permissions::from_mode(0o644)))
        .map_err(Error::io("make", &file))
}

/// A layer in the making, and the digest of what is in it.
struct Layer {
    root: PathBuf,
    hash: Sha256,
}

impl Layer {
    fn new(root: PathBuf) -> Result<Self, Error> {
        let mut layer = Self {
            root,
            hash: Sha256::new(),
        };
        layer.folder(Path::new(""), 0o755)?;
        Ok(layer)
    }

    /// What does not come from a list: accounts, folders, links.
    fn skeleton(&mut self, host: &Path) -> Result<(), Error> {
        for (path, mode) in FOLDERS {
            self.folder(Path::new(path), *mode)?;
        }
        for (path, target) in LINKS {
            self.link(Path::new(path), Path::new(target))?;
        }
        for name in TOP {
            match fs::read_link(host.join(name)) {
                Ok(target) => self.link(Path::new(name), &target)?,
                Err(_) if host.join(name).is_dir() => self.folder(Path::new(name), 0o755)?,
                Err(_) => {}
            }
        }
        for path in TARGETS {
            self.file(Path::new(path), b"")?;
        }
        let passwd = fs::read_to_string(host.join("etc/passwd")).unwrap_or_default();
        let group = fs::read_to_string(host.join("etc/group")).unwrap_or_default();
        self.file(
            Path::new("etc/passwd"),
            accounts::passwd(&passwd).as_bytes(),
        )?;
        self.file(
            Path::new("etc/group"),
            accounts::group(&group, &passwd).as_bytes(),
        )?;
        self.state_folders(host, &accounts::users(&passwd))
    }

    fn state_folders(&mut self, host: &Path, users: &[Account]) -> Result<(), Error> {
        for (program, path, owner, mode) in STATE {
            let owner = users.iter().find(|user| user.name == *owner);
            let (Some(owner), true) = (owner, host.join(program).exists()) else {
                continue;
            };
            let path = Path::new(path);
            if self.root.join(path).exists() {
                continue;
            }
            self.folder(path, *mode)?;
            self.note(&[&owner.uid.to_le_bytes(), &owner.gid.to_le_bytes()]);
            let made = self.root.join(path);
            std::os::unix::fs::chown(&made, Some(owner.uid), Some(owner.gid))
                .and_then(|()| fs::set_permissions(&made, Permissions::from_mode(*mode)))
                .map_err(Error::io("set owner of", &made))?;
        }
        Ok(())
    }

    /// Takes over one thing of the host's `/etc`.
    fn take(&mut self, host: &Path, source: &Source) -> Result<(), Error> {
        self.parents(&source.path)?;
        match &source.kind {
            SourceKind::Folder => self.folder(&source.path, 0o755),
            SourceKind::Link => match fs::read_link(host.join(&source.path)) {
                Ok(target) => self.link(&source.path, &target),
                Err(_) => Ok(()),
            },
            SourceKind::File => match read_public(&host.join(&source.path)) {
                Some(content) => self.file(&source.path, &content),
                None => Ok(()),
            },
        }
    }

    fn parents(&mut self, path: &Path) -> Result<(), Error> {
        let parent = path.parent().unwrap_or(Path::new(""));
        if !self.root.join(parent).is_dir() {
            self.parents(parent)?;
            self.folder(parent, 0o755)?;
        }
        Ok(())
    }

    /// A folder of root; one that is there already stays as it is.
    fn folder(&mut self, path: &Path, mode: u32) -> Result<(), Error> {
        let full = self.root.join(path);
        self.note(&[b"folder", path.as_os_str().as_bytes(), &mode.to_le_bytes()]);
        match DirBuilder::new().mode(0o700).create(&full) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            done => done.map_err(Error::io("make folder", &full))?,
        }
        fs::set_permissions(&full, Permissions::from_mode(mode))
            .map_err(Error::io("set mode of", &full))
    }

    fn link(&mut self, path: &Path, target: &Path) -> Result<(), Error> {
        let full = self.root.join(path);
        self.note(&[
            b"link",
            path.as_os_str().as_bytes(),
            target.as_os_str().as_bytes(),
        ]);
        std::os::unix::fs::symlink(target, &full).map_err(Error::io("make link", &full))
    }

    fn file(&mut self, path: &Path, content: &[u8]) -> Result<(), Error> {
        let full = self.root.join(path);
        self.note(&[b"file", path.as_os_str().as_bytes(), content]);
        let mut file = File::create_new(&full).map_err(Error::io("make", &full))?;
        file.write_all(content)
            .and_then(|()| file.set_permissions(Permissions::from_mode(0o644)))
            .map_err(Error::io("write", &full))
    }

    /// Every part of the layer goes into its digest, with its length, so that no two layers read the same.
    fn note(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.hash.update((part.len() as u64).to_le_bytes());
            self.hash.update(part);
        }
    }
}

/// The content of a file that every user of the host can read and that holds no private key; checked on the open file.
fn read_public(path: &Path) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let found = rustix::fs::fstat(&file).ok()?;
    let is_file =
        rustix::fs::FileType::from_raw_mode(found.st_mode) == rustix::fs::FileType::RegularFile;
    if !is_file || found.st_mode & 0o004 == 0 {
        return None;
    }
    let mut content = Vec::new();
    File::from(file)
        .take(MAX_FILE + 1)
        .read_to_end(&mut content)
        .ok()?;
    let key = b"PRIVATE KEY-----";
    let has_key = content.windows(key.len()).any(|window| window == key);
    (content.len() as u64 <= MAX_FILE && !has_key).then_some(content)
}
