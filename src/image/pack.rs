//! Folders become a tar stream: the layers of a container as it sees them, or its writable layer alone.
//!
//! Layers are merged by overlayfs's rules without a mount: whiteouts hide, opaque folders hide what is below them. The
//! container may run meanwhile: every file is opened below its folder's descriptor without following links, and what it
//! is decides what was opened, never a name; a file that changes its length while it is read keeps the one it began with.

use super::Error;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use tar::{EntryType, Header};

/// How layers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// What a container sees.
    Merged,
    /// One layer, with its whiteouts as OCI layers have them.
    Layer,
}

/// Writes what a container sees of `layers`, topmost first.
pub(super) fn merged(layers: &[PathBuf], out: &mut dyn Write) -> Result<(), Error> {
    Packer::new(out, Form::Merged, &[]).all(layers)
}

/// Writes a writable layer. Of `mounted` (paths inside, without a leading slash), what is empty is only there as the place
/// of a mount and is left out.
pub(super) fn layer(upper: &Path, mounted: &[String], out: &mut dyn Write) -> Result<(), Error> {
    Packer::new(out, Form::Layer, mounted).all(&[upper.to_owned()])
}

struct Packer<'a> {
    tar: tar::Builder<&'a mut dyn Write>,
    form: Form,
    mounted: &'a [String],
    /// Files with several names, by device and inode.
    links: HashMap<(u64, u64), Vec<u8>>,
}

impl<'a> Packer<'a> {
    fn new(out: &'a mut dyn Write, form: Form, mounted: &'a [String]) -> Self {
        Self {
            tar: tar::Builder::new(out),
            form,
            mounted,
            links: HashMap::new(),
        }
    }

    fn all(mut self, layers: &[PathBuf]) -> Result<(), Error> {
        let mut stack = Vec::new();
        for layer in layers {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = rustix::fs::open(layer, flags, Mode::empty());
            stack.push(folder.map_err(Error::io("open", layer))?);
        }
        if let Some(top) = stack.first() {
            let stat = rustix::fs::fstat(top).map_err(Error::io("read", "/"))?;
            self.write(b"./", &stat, EntryType::Directory, b"", Some(top.as_fd()))?;
        }
        self.folder(b"", &stack)?;
        self.tar.finish().map_err(Error::Output)?;
        self.tar.get_mut().flush().map_err(Error::Output)
    }

    /// The content of a folder; `stack` is what the layers have of it, topmost first.
    fn folder(&mut self, path: &[u8], stack: &[OwnedFd]) -> Result<(), Error> {
        let fail = unreadable;
        let mut names: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for (depth, folder) in stack.iter().enumerate() {
            for entry in Dir::read_from(folder).map_err(fail(path))? {
                let entry = entry.map_err(fail(path))?;
                let name = entry.file_name().to_bytes();
                if name != b"." && name != b".." {
                    names.entry(name.to_owned()).or_insert(depth);
                }
            }
        }
        for (name, depth) in names {
            let full = join(path, &name);
            let Some(stat) = stat(stack[depth].as_fd(), &name).map_err(fail(&full))? else {
                continue; // gone meanwhile
            };
            self.entry(&full, &name, (stack, depth), &stat)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        full: &[u8],
        name: &[u8],
        (stack, depth): (&[OwnedFd], usize),
        stat: &Stat,
    ) -> Result<(), Error> {
        let parent = stack[depth].as_fd();
        let fail = || unreadable(full);
        if is_whiteout(stat) {
            return match self.form {
                Form::Merged => Ok(()),
                Form::Layer => self.marker(full, name),
            };
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => self.subfolder(full, name, (stack, depth), stat),
            FileType::RegularFile => self.file(full, name, parent, stat),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(parent, name, Vec::new()).map_err(fail())?;
                self.write(full, stat, EntryType::Symlink, target.as_bytes(), None)
            }
            FileType::CharacterDevice => self.write(full, stat, EntryType::Char, b"", None),
            FileType::BlockDevice => self.write(full, stat, EntryType::Block, b"", None),
            FileType::Fifo => self.write(full, stat, EntryType::Fifo, b"", None),
            // A socket means nothing without its process.
            _ => Ok(()),
        }
    }

    fn subfolder(
        &mut self,
        full: &[u8],
        name: &[u8],
        (stack, depth): (&[OwnedFd], usize),
        found: &Stat,
    ) -> Result<(), Error> {
        let fail = || unreadable(full);
        let mut below = Vec::new();
        for folder in &stack[depth..] {
            match stat(folder.as_fd(), name).map_err(fail())? {
                None => continue,
                Some(found) if FileType::from_raw_mode(found.st_mode) == FileType::Directory => {}
                Some(_) => break,
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(folder, name, flags, Mode::empty()).map_err(fail())?;
            let is_opaque = has_xattr(opened.as_fd(), c"trusted.overlay.opaque");
            if has_xattr(opened.as_fd(), c"trusted.overlay.redirect") {
                let why =
                    "overlayfs has renamed a folder of it (redirect_dir), which cannot be packed";
                return Err(Error::malformed(String::from_utf8_lossy(full), why));
            }
            below.push(opened);
            if is_opaque {
                break;
            }
        }
        let Some(top) = below.first() else {
            return Ok(());
        };
        let is_empty = || {
            Dir::read_from(top).is_ok_and(|dir| {
                dir.filter_map(Result::ok)
                    .all(|it| matches!(it.file_name().to_bytes(), b"." | b".."))
            })
        };
        if self.is_mounted(full) && is_empty() {
            return Ok(());
        }
        self.write(full, found, EntryType::Directory, b"", Some(top.as_fd()))?;
        if self.form == Form::Layer && has_xattr(top.as_fd(), c"trusted.overlay.opaque") {
            self.empty(&join(full, b".wh..wh..opq"))?;
        }
        self.folder(full, &below)
    }

    fn file(
        &mut self,
        full: &[u8],
        name: &[u8],
        parent: BorrowedFd<'_>,
        stat: &Stat,
    ) -> Result<(), Error> {
        if self.is_mounted(full) && stat.st_size == 0 {
            return Ok(());
        }
        if stat.st_nlink > 1
            && let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)).cloned()
        {
            return self.write(full, stat, EntryType::Link, &first, None);
        }
        let fail = || unreadable(full);
        let Some(file) = open_file(parent, name).map_err(fail())? else {
            return Ok(()); // something else took its place
        };
        let stat = rustix::fs::fstat(&file).map_err(fail())?;
        self.write(full, &stat, EntryType::Regular, b"", Some(file.as_fd()))?;
        if stat.st_nlink > 1 {
            self.links
                .insert((stat.st_dev, stat.st_ino), full.to_owned());
        }
        Ok(())
    }

    fn is_mounted(&self, full: &[u8]) -> bool {
        self.mounted.iter().any(|target| target.as_bytes() == full)
    }

    /// `.wh.NAME`
    fn marker(&mut self, full: &[u8], name: &[u8]) -> Result<(), Error> {
        let parent = &full[..full.len() - name.len()];
        self.empty(&[parent, b".wh.", name].concat())
    }

    fn empty(&mut self, path: &[u8]) -> Result<(), Error> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(0);
        self.extended(path, b"", &mut header, Vec::new())?;
        self.append(&mut header, &mut io::empty())
    }

    /// Writes a member; of a regular file, with the content that `source` has.
    fn write(
        &mut self,
        path: &[u8],
        stat: &Stat,
        kind: EntryType,
        link: &[u8],
        source: Option<BorrowedFd<'_>>,
    ) -> Result<(), Error> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(stat.st_mode & 0o7777);
        header.set_uid(stat.st_uid.into());
        header.set_gid(stat.st_gid.into());
        header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
        let size = match kind {
            EntryType::Regular => u64::try_from(stat.st_size).unwrap_or(0),
            _ => 0,
        };
        header.set_size(size);
        if matches!(kind, EntryType::Char | EntryType::Block) {
            let device = stat.st_rdev;
            header
                .set_device_major(rustix::fs::major(device))
                .and_then(|()| header.set_device_minor(rustix::fs::minor(device)))
                .map_err(Error::Output)?;
        }
        let mut records = source.map(xattrs).unwrap_or_default();
        if stat.st_mtime_nsec != 0 || stat.st_mtime < 0 {
            let text = format!("{}.{:09}", stat.st_mtime, stat.st_mtime_nsec);
            if stat.st_mtime >= 0 {
                records.push(("mtime".to_owned(), text.into_bytes()));
            }
        }
        self.extended(path, link, &mut header, records)?;
        match source.filter(|_| kind == EntryType::Regular) {
            Some(source) => {
                let source = source.try_clone_to_owned().map_err(Error::Output)?;
                let mut content = File::from(source).chain(io::repeat(0)).take(size);
                self.append(&mut header, &mut content)
            }
            None => self.append(&mut header, &mut io::empty()),
        }
    }

    /// Names that fit the header are in it; longer ones go before it as pax records, with what else the header has no
    /// field for.
    fn extended(
        &mut self,
        path: &[u8],
        link: &[u8],
        header: &mut Header,
        mut records: Vec<(String, Vec<u8>)>,
    ) -> Result<(), Error> {
        let old = header.as_old_mut();
        for (key, text, field) in [
            ("path", path, &mut old.name),
            ("linkpath", link, &mut old.linkname),
        ] {
            let short = &text[..text.len().min(field.len())];
            field[..short.len()].copy_from_slice(short);
            if short.len() < text.len() {
                records.push((key.to_owned(), text.to_owned()));
            }
        }
        if records.is_empty() {
            return Ok(());
        }
        let records = records
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_slice()));
        self.tar
            .append_pax_extensions(records)
            .map_err(Error::Output)
    }

    fn append(&mut self, header: &mut Header, content: &mut dyn Read) -> Result<(), Error> {
        header.set_cksum();
        self.tar.append(header, content).map_err(Error::Output)
    }
}

/// For `map_err`: what could not be read, by its path inside.
fn unreadable(path: &[u8]) -> impl FnOnce(Errno) -> Error + use<> {
    let path = String::from_utf8_lossy(path).into_owned();
    move |errno| Error::io("read", path)(errno)
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    match path {
        b"" => name.to_owned(),
        path => [path, b"/", name].concat(),
    }
}

fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn stat(parent: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Stat>, Errno> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Opens a regular file for reading; `None` if it is none (any more). What it is, is known before it is opened for good:
/// to open a device or a FIFO would have effects.
fn open_file(parent: BorrowedFd<'_>, name: &[u8]) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let path = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        done => done?,
    };
    let found = rustix::fs::fstat(&path)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let by_fd = format!("/proc/self/fd/{}", path.as_raw_fd());
    rustix::fs::open(by_fd, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map(Some)
}

fn has_xattr(folder: BorrowedFd<'_>, name: &std::ffi::CStr) -> bool {
    rustix::fs::fgetxattr(folder, name, &mut [0u8; 256]).is_ok()
}

/// The attributes that are a file's own: those of users, capabilities and ACLs.
fn xattrs(fd: BorrowedFd<'_>) -> Vec<(String, Vec<u8>)> {
    let mut names = vec![0; 64 << 10];
    let Ok(length) = rustix::fs::flistxattr(fd, names.as_mut_slice()) else {
        return Vec::new();
    };
    let names = names[..length].split(|&byte| byte == 0);
    let wanted = names
        .filter_map(|name| std::str::from_utf8(name).ok())
        .filter(|name| {
            let own = name.starts_with("user.") && !name.starts_with("user.overlay.");
            own || *name == "security.capability" || name.starts_with("system.posix_acl_")
        });
    wanted
        .filter_map(|name| {
            let mut value = vec![0; 64 << 10];
            let length = rustix::fs::fgetxattr(fd, name, value.as_mut_slice()).ok()?;
            value.truncate(length);
            Some((format!("SCHILY.xattr.{name}"), value))
        })
        .collect()
}
