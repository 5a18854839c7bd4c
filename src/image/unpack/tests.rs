//! Archives that are right, and archives that attack.

use super::*;
use crate::image::testing::{Tar, listing};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use tar::EntryType;

/// A layer's folder beside a secret and a sentinel that no archive may read or change.
struct Room {
    folder: tempfile::TempDir,
}

const PLENTY: Limits = Limits {
    bytes: 1 << 30,
    members: 10_000,
};

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("layer")).unwrap();
        fs::create_dir_all(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/secret"), "secret").unwrap();
        Self { folder }
    }

    fn layer(&self, path: &str) -> PathBuf {
        self.folder.path().join("layer").join(path)
    }

    fn outside(&self) -> String {
        self.folder
            .path()
            .join("outside")
            .to_str()
            .unwrap()
            .to_owned()
    }

    fn unpack_within(&self, tar: Tar, limits: Limits) -> Result<Stats, Error> {
        let before = listing(&self.folder.path().join("outside"));
        let root = fs::File::open(self.layer("")).unwrap();
        let bytes = tar.finish();
        let result = unpack(&mut Members::new(&bytes[..]), root.as_fd(), limits);
        assert_eq!(listing(&self.folder.path().join("outside")), before);
        let beside = fs::read_dir(self.folder.path()).unwrap().count();
        assert_eq!(beside, 2, "something was made beside the layer");
        result
    }

    fn unpack(&self, tar: Tar) -> Result<Stats, Error> {
        self.unpack_within(tar, PLENTY)
    }

    fn refused(&self, tar: Tar) {
        let result = self.unpack(tar);
        assert!(matches!(result, Err(Error::Refused { .. })), "{result:?}");
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.layer(path)).unwrap()
    }

    fn is_whiteout(&self, path: &str) -> bool {
        let found = fs::symlink_metadata(self.layer(path)).unwrap();
        found.file_type().is_char_device() && found.rdev() == 0
    }

    fn is_opaque(&self, path: &str) -> bool {
        let folder = fs::File::open(self.layer(path)).unwrap();
        let mut value = [0u8; 8];
        rustix::fs::fgetxattr(&folder, "trusted.overlay.opaque", &mut value) == Ok(1)
            && value[0] == b'y'
    }
}

#[test]
#[allow(clippy::too_many_lines)]
fn everything_an_archive_says_of_a_file_is_kept() {
    let room = Room::new();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let tar = Tar::default()
        .pax("mtime", b"1600000000.5")
        .entry(EntryType::Directory, "./", "", b"", |h| h.set_mode(0o711))
        .entry(EntryType::Directory, "d/", "", b"", |h| {
            h.set_mode(0o1770);
            h.set_uid(70);
            h.set_gid(71);
        })
        .pax("SCHILY.xattr.user.color", b"blue")
        .pax("SCHILY.xattr.security.capability", &capability)
        .pax("mtime", b"1500000000.25")
        .entry(EntryType::Regular, "d/f", "", b"text", |h| {
            h.set_mode(0o4755);
            h.set_uid(70);
        })
        .hard_link("d/g", "d/f")
        .symlink("s", "/d/../f")
        .device("null", EntryType::Char, 1, 3)
        .device("disk", EntryType::Block, 8, 1)
        .entry(EntryType::Fifo, "fifo", "", b"", |h| h.set_mode(0o600))
        .pax("path", "long/".repeat(40).as_bytes())
        .folder("x")
        .pax(
            "path",
            ["long/".repeat(40), "é".repeat(100)].concat().as_bytes(),
        )
        .file("x", "long");
    let stats = room.unpack(tar).unwrap();
    assert_eq!((stats.bytes, stats.members), (8, 10));
    let long = "long/".repeat(40);
    let listed = listing(&room.layer(""));
    for line in [
        " d 711 0:0 4 1600000000 ",
        "d d 1770 70:71 2 1000000000 ",
        "d/f f 4755 70:0 2 1500000000 ",
        "d/g f 4755 70:0 2 1500000000 ",
        "s l 777 0:0 1 1000000000 /d/../f",
        "null c 644 0:0 1 1000000000 ",
        "disk b 644 0:0 1 1000000000 ",
        "fifo p 600 0:0 1 1000000000 ",
    ] {
        assert!(
            listed.lines().any(|listed| listed == line),
            "no `{line}` in\n{listed}"
        );
    }
    assert_eq!(
        fs::metadata(room.layer("null")).unwrap().rdev(),
        rustix::fs::makedev(1, 3)
    );
    assert_eq!(
        fs::metadata(room.layer("d/f")).unwrap().mtime_nsec(),
        250_000_000
    );
    assert_eq!(room.read(&format!("{long}{}", "é".repeat(100))), "long");
    let file = fs::File::open(room.layer("d/f")).unwrap();
    let mut value = [0u8; 32];
    assert_eq!(
        rustix::fs::fgetxattr(&file, "user.color", &mut value),
        Ok(4)
    );
    assert_eq!(
        rustix::fs::fgetxattr(&file, "security.capability", &mut value),
        Ok(20)
    );
    assert_eq!(value[..20], capability);
}

#[test]
fn a_leading_slash_means_the_root_of_the_layer() {
    let room = Room::new();
    let path = format!("{}/secret", room.outside());
    room.unpack(Tar::default().file(&path, "mine").file("/etc/x", "x"))
        .unwrap();
    assert_eq!(room.read("etc/x"), "x");
    assert_eq!(room.read(path.trim_start_matches('/')), "mine");
}

#[test]
fn dot_dot_is_refused_wherever_it_stands() {
    for path in [
        "../outside/x",
        "a/../../outside/x",
        "/../outside/x",
        "..",
        "a/..",
    ] {
        let room = Room::new();
        room.refused(Tar::default().folder("a").file(path, "x"));
    }
}

#[test]
fn a_link_as_parent_leads_nowhere_but_into_the_layer() {
    let room = Room::new();
    room.refused(
        Tar::default()
            .symlink("evil", &room.outside())
            .file("evil/secret", "x"),
    );
    let room = Room::new();
    room.refused(
        Tar::default()
            .symlink("evil", "../outside")
            .file("evil/secret", "x"),
    );
    let room = Room::new();
    let looped = Tar::default()
        .symlink("a", "b")
        .symlink("b", "a")
        .file("a/x", "x");
    assert!(room.unpack(looped).is_err());
}

#[test]
fn a_link_to_a_folder_of_the_layer_is_followed() {
    let room = Room::new();
    let tar = Tar::default()
        .folder("usr/bin")
        .symlink("bin", "usr/bin")
        .file("bin/sh", "sh");
    room.unpack(tar.symlink("up", "../../..").file("up/top", "top"))
        .unwrap();
    assert_eq!(room.read("usr/bin/sh"), "sh");
    assert_eq!(room.read("top"), "top");
}

#[test]
fn a_file_is_never_written_through_a_link() {
    let room = Room::new();
    let secret = format!("{}/secret", room.outside());
    room.unpack(Tar::default().symlink("f", &secret).file("f", "mine"))
        .unwrap();
    assert_eq!(room.read("f"), "mine");
    assert!(!room.layer("f").is_symlink());
}

#[test]
fn a_folder_swapped_for_a_link_is_looked_up_again() {
    let room = Room::new();
    let tar = Tar::default()
        .folder("d")
        .file("d/a", "a")
        .symlink("d", &room.outside());
    room.refused(tar.file("d/b", "b"));
    let room = Room::new();
    let tar = Tar::default()
        .folder("d")
        .file("d/a", "a")
        .folder("e")
        .symlink("d", "/e");
    room.unpack(tar.file("d/b", "b")).unwrap();
    assert_eq!(room.read("e/b"), "b");
    assert!(!room.layer("e/a").exists());
}

#[test]
fn hard_links_reach_only_files_of_the_layer() {
    for target in [
        "../outside/secret",
        "/../outside/secret",
        "a/../../outside/secret",
    ] {
        let room = Room::new();
        room.refused(Tar::default().folder("a").hard_link("l", target));
    }
    let room = Room::new();
    let absolute = format!("{}/secret", room.outside());
    assert!(matches!(
        room.unpack(Tar::default().hard_link("l", &absolute)),
        Err(Error::Io { .. })
    ));
    let through = Tar::default()
        .symlink("evil", &room.outside())
        .hard_link("l", "evil/secret");
    assert!(matches!(room.unpack(through), Err(Error::Io { .. })));
    assert!(!room.layer("l").exists());
    room.refused(Tar::default().folder("d").hard_link("l", "d"));
    // A link to a link is the link, not what it leads to.
    room.unpack(Tar::default().symlink("s", &absolute).hard_link("l", "s"))
        .unwrap();
    assert!(room.layer("l").is_symlink());
    assert_eq!(fs::metadata(&absolute).unwrap().nlink(), 1);
}

#[test]
fn a_hard_link_to_itself_keeps_the_file() {
    let room = Room::new();
    room.unpack(Tar::default().file("f", "text").hard_link("f", "f"))
        .unwrap();
    assert_eq!(room.read("f"), "text");
}

#[test]
fn whiteouts_and_opaque_folders_are_those_of_overlayfs() {
    let room = Room::new();
    let tar = Tar::default()
        .file("a/.wh.gone", "")
        .file("b/.wh..wh..opq", "")
        .file("b/kept", "x");
    room.unpack(tar.file(".wh..wh.plnk/1.2", "").file(".wh..wh.aufs", ""))
        .unwrap();
    assert!(room.is_whiteout("a/gone"));
    assert!(room.is_opaque("b") && !room.is_opaque("a"));
    assert!(!room.layer("a/.wh.gone").exists());
    assert!(!room.layer("b/.wh..wh..opq").exists());
    assert!(!room.layer(".wh..wh.aufs").exists());
}

#[test]
fn a_whiteout_hides_lower_layers_only_in_either_order() {
    for first in [true, false] {
        let room = Room::new();
        let white = |tar: Tar| tar.file(".wh.d", "").file(".wh.f", "");
        let mut tar = Tar::default();
        if first {
            tar = white(tar);
        }
        tar = tar.file("d/x", "x").file("f", "f");
        if !first {
            tar = white(tar);
        }
        room.unpack(tar).unwrap();
        assert_eq!(
            (room.read("d/x").as_str(), room.read("f").as_str()),
            ("x", "f")
        );
        assert!(room.is_opaque("d"), "whiteout first: {first}");
    }
}

#[test]
fn a_whiteout_below_a_link_stays_in_the_layer() {
    for below in [".wh.secret", ".wh..wh..opq"] {
        // What is put in the place of a folder hides its old members, which archives list all the same.
        let room = Room::new();
        room.unpack(
            Tar::default()
                .symlink("s", &room.outside())
                .file(&format!("s/{below}"), "")
                .file("f", "text")
                .file(&format!("f/{below}"), ""),
        )
        .unwrap();
        assert!(room.layer("s").is_symlink());
        assert_eq!(room.read("f"), "text");
    }
    let room = Room::new();
    room.unpack(
        Tar::default()
            .symlink("s", &room.outside())
            .file(".wh.s", ""),
    )
    .unwrap();
    assert!(room.layer("s").is_symlink());
    for name in [".wh.", ".wh..", ".wh..."] {
        Room::new().refused(Tar::default().file(name, ""));
    }
}

#[test]
fn the_last_of_several_entries_wins_whatever_they_are() {
    let room = Room::new();
    let tar = Tar::default()
        .file("a", "file")
        .file("a/", "")
        .folder("a")
        .file("a/x", "x")
        .file("b/c/d", "deep")
        .file("b", "file")
        .file("f", "one")
        .file("f", "two")
        .symlink("s", "f")
        .folder("s")
        .file("s/y", "y")
        .folder("t")
        .file("t/z", "z")
        .symlink("t", "s");
    room.unpack(tar).unwrap();
    assert_eq!(room.read("a/x"), "x");
    assert_eq!(room.read("b"), "file");
    assert_eq!(room.read("f"), "two");
    assert_eq!(room.read("s/y"), "y");
    assert_eq!(fs::read_link(room.layer("t")).unwrap(), PathBuf::from("s"));
}

#[test]
fn a_folder_listed_twice_keeps_its_content() {
    let room = Room::new();
    let tar = Tar::default().folder("d").file("d/x", "x");
    room.unpack(tar.entry(EntryType::Directory, "d", "", b"", |h| h.set_mode(0o700)))
        .unwrap();
    assert_eq!(room.read("d/x"), "x");
    assert_eq!(
        fs::metadata(room.layer("d")).unwrap().mode() & 0o7777,
        0o700
    );
}

#[test]
fn a_member_below_a_file_is_refused() {
    Room::new().refused(Tar::default().file("f", "x").file("f/x", "x"));
    Room::new().refused(
        Tar::default()
            .device("null", EntryType::Char, 1, 3)
            .file("null/x", "x"),
    );
}

#[test]
fn what_overlayfs_reads_as_instructions_is_not_taken_from_an_archive() {
    let room = Room::new();
    let tar = Tar::default()
        .pax("SCHILY.xattr.trusted.overlay.redirect", b"/../outside")
        .pax("SCHILY.xattr.trusted.overlay.opaque", b"y")
        .pax("SCHILY.xattr.user.overlay.metacopy", b"")
        .pax("SCHILY.xattr.security.selinux", b"label")
        .folder("d");
    room.unpack(tar).unwrap();
    let folder = fs::File::open(room.layer("d")).unwrap();
    assert_eq!(rustix::fs::flistxattr(&folder, &mut [0u8; 256]), Ok(0));
}

#[test]
fn declared_limits_are_held_before_anything_is_written() {
    let room = Room::new();
    let little = Limits {
        bytes: 10,
        members: 3,
    };
    let big = Tar::default().file("f", &"x".repeat(11));
    let result = room.unpack_within(big, little);
    assert!(
        matches!(result, Err(Error::Limit { what: "bytes", .. })),
        "{result:?}"
    );
    assert_eq!(fs::metadata(room.layer("f")).unwrap().len(), 0);
    let many = Tar::default()
        .folder("a")
        .folder("b")
        .folder("c")
        .folder("d");
    let result = room.unpack_within(many, little);
    assert!(
        matches!(
            result,
            Err(Error::Limit {
                what: "members",
                ..
            })
        ),
        "{result:?}"
    );
}

#[test]
fn links_cannot_make_a_tree_deeper_than_paths_may_be() {
    let room = Room::new();
    let deep = vec!["d"; 200].join("/");
    let mut tar = Tar::default().pax("path", deep.as_bytes()).folder("x");
    tar = tar
        .symlink("jump", &deep[..99])
        .pax("linkpath", deep.as_bytes())
        .symlink("jump", "");
    tar = tar
        .pax("path", format!("jump/{deep}/file").as_bytes())
        .file("x", "x");
    room.refused(tar);
}

#[test]
fn owners_that_are_no_ids_are_refused() {
    for id in ["4294967295", "18446744073709551615"] {
        Room::new().refused(Tar::default().pax("uid", id.as_bytes()).file("f", "x"));
    }
}

#[test]
fn zeros_take_no_room() {
    let room = Room::new();
    let zeros = "\0".repeat(8 << 20);
    room.unpack(Tar::default().file("f", &zeros)).unwrap();
    let found = fs::metadata(room.layer("f")).unwrap();
    assert_eq!(found.len(), 8 << 20);
    assert!(found.blocks() * 512 <= 64 << 10, "{}", found.blocks());
}

#[test]
fn times_of_folders_survive_what_comes_after_them() {
    let room = Room::new();
    let tar = Tar::default()
        .folder("d")
        .file("d/a", "a")
        .symlink("d/b", "a")
        .folder("d/e")
        .file("d/e/f", "");
    room.unpack(tar).unwrap();
    for path in ["d", "d/e"] {
        assert_eq!(
            fs::metadata(room.layer(path)).unwrap().mtime(),
            1_000_000_000,
            "{path}"
        );
    }
}

#[test]
fn names_that_differ_in_case_only_are_two_files() {
    let room = Room::new();
    let tar = Tar::default()
        .symlink("Etc", &room.outside())
        .folder("etc")
        .file("etc/x", "mine")
        .file("ETC/x", "other");
    room.unpack(tar).unwrap();
    assert_eq!(
        (room.read("etc/x"), room.read("ETC/x")),
        ("mine".into(), "other".into())
    );
    // Names that a case-folding or normalising file system would take for one stay apart, too.
    let room = Room::new();
    room.unpack(Tar::default().file("\u{e9}", "one").file("e\u{301}", "two"))
        .unwrap();
    assert_eq!(fs::read_dir(room.layer("")).unwrap().count(), 2);
}

#[test]
fn a_million_members_are_refused_in_bounded_memory() {
    /// Headers that are made as they are read.
    struct Endless(u64, Vec<u8>);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.1.is_empty() {
                self.0 += 1;
                self.1 = Tar::default()
                    .file(&format!(".wh..wh.{}", self.0), "")
                    .finish();
                self.1.truncate(512);
            }
            let n = buffer.len().min(self.1.len());
            buffer[..n].copy_from_slice(&self.1[..n]);
            self.1.drain(..n);
            Ok(n)
        }
    }
    let room = Room::new();
    let root = fs::File::open(room.layer("")).unwrap();
    let mut members = Members::new(Endless(0, Vec::new()));
    let limits = Limits {
        bytes: 1 << 20,
        members: 1_000_000 / 10,
    };
    let result = unpack(&mut members, root.as_fd(), limits);
    assert!(
        matches!(
            result,
            Err(Error::Limit {
                what: "members",
                ..
            })
        ),
        "{result:?}"
    );
    assert_eq!(fs::read_dir(room.layer("")).unwrap().count(), 0);
}

#[test]
fn a_bomb_of_pax_records_is_refused() {
    let room = Room::new();
    let mut tar = Tar::default();
    let value = vec![b'x'; 60_000];
    for i in 0..20 {
        tar = tar.pax(&format!("SCHILY.xattr.user.{i}"), &value);
    }
    let result = room.unpack(tar.file("f", "x"));
    assert!(
        matches!(result, Err(Error::Tar(TarError::Malformed(_)))),
        "{result:?}"
    );
    assert!(!room.layer("f").exists());
}

#[test]
fn set_id_bits_and_devices_stay_within_the_layer() {
    let room = Room::new();
    let secret = format!("{}/secret", room.outside());
    let tar = Tar::default()
        .symlink("l", &secret)
        .entry(EntryType::Regular, "su", "", b"x", |h| h.set_mode(0o6755))
        .device("l", EntryType::Char, 1, 3)
        .symlink("d", &room.outside())
        .entry(EntryType::Directory, "d", "", b"", |h| h.set_mode(0o2777));
    room.unpack(tar).unwrap();
    assert_eq!(
        fs::metadata(room.layer("su")).unwrap().mode() & 0o7777,
        0o6755
    );
    assert!(
        fs::symlink_metadata(room.layer("l"))
            .unwrap()
            .file_type()
            .is_char_device()
    );
    // The folder took the link's place: nothing was changed through it.
    assert!(room.layer("d").is_dir() && !room.layer("d").is_symlink());
}
