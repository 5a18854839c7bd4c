//! Device nodes: finding them on the host, making them in a container's `/dev`.

use super::Error;
use super::Kind;
use crate::runtime::spec::DeviceSpec;
use rustix::fs::AtFlags;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::RawMode;
use rustix::fs::ResolveFlags;
use rustix::fs::chmodat;
use rustix::fs::makedev;
use rustix::fs::mkdirat;
use rustix::fs::mknodat;
use rustix::fs::openat2;
use rustix::fs::stat;
use rustix::fs::symlinkat;
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// The nodes every `/dev` has: name, major, minor; all 0666.
const NODES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// Where `/dev` is, and what is in it, as [`Node::name`] has it.
const DEV: &str = "/dev/";
const BELOW_DEV: &str = "dev/";

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// A link that docker makes where the kernel has what it leads to.
const CORE: (&str, &str) = ("core", "/proc/kcore");

/// A device node of the host that the container gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// Path inside: below `/dev` for what every `/dev` has and the host's, below `/` for an extra one.
    name: String,
    pub(super) kind: Kind,
    pub(super) device: u64,
    mode: RawMode,
    owner: (u32, u32),
}

/// Fills a fresh `/dev`: the standard nodes and links, extra devices; all devices of the
/// host if `privileged`; an empty `console` to mount a terminal on if `tty`.
///
/// The caller still sees the host's devices by their paths.
pub fn populate_dev(
    dev: BorrowedFd<'_>,
    extra: &[DeviceSpec],
    privileged: bool,
    tty: bool,
) -> Result<(), Error> {
    for (name, major, minor) in NODES {
        let (kind, device) = (Kind::Char, makedev(major, minor));
        let node = Node {
            name: name.into(),
            kind,
            device,
            mode: 0o666,
            owner: (0, 0),
        };
        make((dev, DEV), &node.name, &node)?;
    }
    let core = Path::new(CORE.1).exists().then_some(CORE);
    for (name, target) in LINKS.into_iter().chain(core) {
        ignore_existing(symlinkat(target, dev, name)).map_err(create(DEV, name))?;
    }
    if tty {
        let made = mknodat(
            dev,
            "console",
            FileType::RegularFile,
            Mode::from_raw_mode(0o600),
            0,
        );
        ignore_existing(made).map_err(create(DEV, "console"))?;
    }
    if privileged {
        for node in host_nodes(Path::new("/dev"), "") {
            make((dev, DEV), &node.name, &node)?;
        }
    }
    for node in all_of(extra)? {
        if let Some(name) = node.name.strip_prefix(BELOW_DEV) {
            make((dev, DEV), name, &node)?;
        }
    }
    Ok(())
}

/// Makes the extra devices that are not below `/dev` in a container's root, before anything of the user's is mounted there.
pub fn populate_root(root: BorrowedFd<'_>, extra: &[DeviceSpec]) -> Result<(), Error> {
    for node in all_of(extra)? {
        if !node.name.starts_with(BELOW_DEV) {
            make((root, "/"), &node.name, &node)?;
        }
    }
    Ok(())
}

fn all_of(extra: &[DeviceSpec]) -> Result<Vec<Node>, Error> {
    let nodes: Vec<_> = extra.iter().map(nodes_of).collect::<Result<_, _>>()?;
    Ok(nodes.into_iter().flatten().collect())
}

fn create(folder: &'static str, name: &str) -> impl Fn(Errno) -> Error {
    move |source| Error::Create {
        path: format!("{folder}{name}"),
        source,
    }
}

fn ignore_existing(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// Makes a node in a folder, of which the path inside is given, with the folders on its way; one of the same name that is
/// there already stays.
fn make((at, path): (BorrowedFd<'_>, &'static str), name: &str, node: &Node) -> Result<(), Error> {
    let failed = create(path, name);
    let (folders, leaf) = name.rsplit_once('/').unwrap_or(("", name));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let open = |at: BorrowedFd<'_>, name: &str| openat2(at, name, flags, Mode::empty(), resolve);
    let mut folder = open(at, ".").map_err(&failed)?;
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        ignore_existing(mkdirat(&folder, part, Mode::from_raw_mode(0o755))).map_err(&failed)?;
        folder = open(folder.as_fd(), part).map_err(&failed)?;
    }
    let kind = match node.kind {
        Kind::Char => FileType::CharacterDevice,
        Kind::Block => FileType::BlockDevice,
    };
    let mode = Mode::from_raw_mode(node.mode);
    match mknodat(&folder, leaf, kind, mode, node.device) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(errno) => return Err(failed(errno)),
    }
    // Not `mknodat`'s mode alone: a umask would have cut it.
    chmodat(&folder, leaf, mode, AtFlags::empty()).map_err(&failed)?;
    if node.owner == (0, 0) {
        return Ok(());
    }
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(node.owner.0),
        rustix::fs::Gid::from_raw(node.owner.1),
    );
    rustix::fs::chownat(
        &folder,
        leaf,
        Some(uid),
        Some(gid),
        AtFlags::SYMLINK_NOFOLLOW,
    )
    .map_err(&failed)
}

/// The nodes a spec stands for: one, or all below a folder of the host.
pub(super) fn nodes_of(spec: &DeviceSpec) -> Result<Vec<Node>, Error> {
    let target = || Error::Target {
        target: spec.target.clone(),
    };
    let name = spec
        .target
        .strip_prefix('/')
        .map(|rest| rest.trim_end_matches('/'));
    let name = name.filter(|name| {
        let plain = |part: &str| !matches!(part, "" | "." | "..");
        *name != "dev" && name.split('/').all(plain)
    });
    let name = name.ok_or_else(target)?;
    let info = stat(&spec.source).map_err(|errno| Error::Source {
        path: spec.source.clone(),
        source: errno.into(),
    })?;
    if FileType::from_raw_mode(info.st_mode) == FileType::Directory {
        return Ok(host_nodes(&spec.source, &format!("{name}/")));
    }
    node(name.into(), &info)
        .map(|node| vec![node])
        .ok_or_else(|| Error::NotADevice {
            path: spec.source.clone(),
        })
}

fn node(name: String, info: &rustix::fs::Stat) -> Option<Node> {
    let kind = match FileType::from_raw_mode(info.st_mode) {
        FileType::CharacterDevice => Kind::Char,
        FileType::BlockDevice => Kind::Block,
        _ => return None,
    };
    Some(Node {
        name,
        kind,
        device: info.st_rdev,
        mode: info.st_mode & 0o7777,
        owner: (info.st_uid, info.st_gid),
    })
}

/// Every device node below a folder of the host, without following links and without what a container has of its own.
fn host_nodes(folder: &Path, prefix: &str) -> Vec<Node> {
    const OWN: [&str; 8] = [
        "pts",
        "shm",
        "fd",
        "mqueue",
        "console",
        ".lxc",
        ".lxd-mounts",
        ".udev",
    ];
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if OWN.contains(&name.as_str()) {
            continue;
        }
        let Ok(info) = rustix::fs::lstat(entry.path()) else {
            continue;
        };
        if FileType::from_raw_mode(info.st_mode) == FileType::Directory {
            found.extend(host_nodes(&entry.path(), &format!("{prefix}{name}/")));
        } else {
            found.extend(node(format!("{prefix}{name}"), &info));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileTypeExt;
    use std::os::unix::fs::MetadataExt;

    fn spec(source: &str, target: &str, access: &str) -> DeviceSpec {
        DeviceSpec {
            source: source.into(),
            target: target.into(),
            access: access.into(),
        }
    }

    #[test]
    fn dev_gets_nodes_and_links() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let fd = std::fs::File::open(dir.path()).unwrap();
        let extra = [spec("/dev/null", "/dev/deep/er/nix", "rw")];
        for _ in 0..2 {
            populate_dev(fd.as_fd(), &extra, false, true).unwrap();
        }
        for (name, major, minor) in NODES {
            let meta = std::fs::symlink_metadata(dir.path().join(name)).unwrap();
            assert!(meta.file_type().is_char_device(), "{name}");
            assert_eq!(
                (meta.rdev(), meta.mode() & 0o777),
                (makedev(major, minor), 0o666),
                "{name}"
            );
        }
        assert_eq!(
            std::fs::read_link(dir.path().join("ptmx")).unwrap(),
            Path::new("pts/ptmx")
        );
        assert!(dir.path().join("console").metadata().unwrap().is_file());
        let nix = std::fs::symlink_metadata(dir.path().join("deep/er/nix")).unwrap();
        assert_eq!(nix.rdev(), makedev(1, 3));
    }

    #[test]
    fn devices_elsewhere_are_made_in_the_root() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let fd = std::fs::File::open(dir.path()).unwrap();
        let extra = [
            spec("/dev/null", "/dev/nix", "rw"),
            spec("/dev/null", "/deep/nix", "rw"),
        ];
        populate_root(fd.as_fd(), &extra).unwrap();
        let nix = std::fs::symlink_metadata(dir.path().join("deep/nix")).unwrap();
        assert_eq!(nix.rdev(), makedev(1, 3));
        assert!(!dir.path().join("dev").exists());
        for bad in ["nix", "/", "/a/../nix", "/a//nix"] {
            let refused = populate_root(fd.as_fd(), &[spec("/dev/null", bad, "rw")]);
            assert!(matches!(refused, Err(Error::Target { .. })), "{bad}");
        }
    }

    #[test]
    fn nodes_are_not_made_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("deep")).unwrap();
        let fd = std::fs::File::open(dir.path()).unwrap();
        let extra = [spec("/dev/null", "/dev/deep/er/nix", "rw")];
        assert!(populate_dev(fd.as_fd(), &extra, false, false).is_err());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn all_devices_of_the_host_but_not_its_terminals() {
        let nodes = host_nodes(Path::new("/dev"), "");
        assert!(nodes.iter().any(|node| node.name == "null"));
        assert!(!nodes.iter().any(|node| node.name.starts_with("pts/")));
    }
}
