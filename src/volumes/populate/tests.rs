//! The copy equals the original, also after a crash.

use super::*;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

fn source(root: &Path) {
    fs::create_dir_all(root.join("d/e")).unwrap();
    fs::write(root.join("d/f"), "text").unwrap();
    fs::hard_link(root.join("d/f"), root.join("d/e/g")).unwrap();
    symlink("/nowhere", root.join("link")).unwrap();
    let holes = File::create(root.join("holes")).unwrap();
    holes.write_all_at(b"end", 64 << 20).unwrap();
    rustix::fs::fsetxattr(&holes, "user.a", b"b", XattrFlags::empty()).unwrap();
    fs::write(root.join("suid"), "").unwrap();
    chown(root.join("suid"), Some(999), Some(998)).unwrap();
    fs::set_permissions(root.join("suid"), Permissions::from_mode(0o4755)).unwrap();
    for (name, kind, device) in [
        ("fifo", rustix::fs::FileType::Fifo, 0),
        (
            "null",
            rustix::fs::FileType::CharacterDevice,
            rustix::fs::makedev(1, 3),
        ),
    ] {
        rustix::fs::mknodat(rustix::fs::CWD, root.join(name), kind, Mode::RUSR, device).unwrap();
    }
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    chown(root, Some(70), Some(71)).unwrap();
    fs::set_permissions(root, Permissions::from_mode(0o2770)).unwrap();
}

/// A line for each file: mode, owner, size, links, times, target, type.
fn listing(root: &Path) -> String {
    let done = Command::new("find")
        .args([".", "-printf", "%p %y %m %U %G %s %n %T@ %l\n"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(done.status.success());
    let text = String::from_utf8(done.stdout).unwrap();
    // The sizes of folders are the file system's own business.
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("./socket "))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines.join("\n")
}

fn copy(src: &Path, dst: &Path) {
    copy_up(
        File::open(src).unwrap().as_fd(),
        File::open(dst).unwrap().as_fd(),
    )
    .unwrap();
}

fn folders() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (src, dst) = (folder.path().join("src"), folder.path().join("dst"));
    fs::create_dir(&src).unwrap();
    fs::create_dir(&dst).unwrap();
    (folder, src, dst)
}

#[test]
fn a_copy_equals_its_source_in_everything() {
    let (_folder, src, dst) = folders();
    source(&src);
    copy(&src, &dst);
    assert_eq!(listing(&dst), listing(&src));
    assert!(!dst.join("socket").exists());
    let holes = fs::metadata(dst.join("holes")).unwrap();
    assert!(holes.blocks() * 512 < 1 << 20, "{}", holes.blocks());
    let mut value = [0u8; 8];
    let file = File::open(dst.join("holes")).unwrap();
    let n = rustix::fs::fgetxattr(&file, "user.a", &mut value).unwrap();
    assert_eq!(&value[..n], b"b");
    assert!(!is_marked(File::open(&dst).unwrap().as_fd()));
}

#[test]
fn a_volume_with_content_is_left_alone() {
    let (_folder, src, dst) = folders();
    source(&src);
    fs::write(dst.join("mine"), "").unwrap();
    let before = listing(&dst);
    copy(&src, &dst);
    assert_eq!(listing(&dst), before);
}

#[test]
fn half_a_copy_is_made_again() {
    let (_folder, src, dst) = folders();
    source(&src);
    fs::create_dir(dst.join("d")).unwrap();
    fs::write(dst.join("d/f"), "te").unwrap();
    mark(File::open(&dst).unwrap().as_fd()).unwrap();
    copy(&src, &dst);
    assert_eq!(listing(&dst), listing(&src));
}

#[test]
fn containers_that_share_a_new_volume_all_see_the_whole_copy() {
    let (_folder, src, dst) = folders();
    source(&src);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                copy(&src, &dst);
                assert_eq!(listing(&dst), listing(&src));
            });
        }
    });
}
