use super::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

/// A tree whose root is a folder: an absolute link in it means what it means to a container.
fn tree(root: &Path) -> Tree {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Tree::whole(openat(CWD, root, flags, Mode::empty()).unwrap())
}

struct Pair {
    from: tempfile::TempDir,
    to: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        let make = || tempfile::tempdir().unwrap();
        let pair = Self {
            from: make(),
            to: make(),
        };
        fs::create_dir_all(pair.from.path().join("d/sub")).unwrap();
        fs::write(pair.from.path().join("d/f"), "one").unwrap();
        fs::write(pair.from.path().join("d/sub/g"), "two").unwrap();
        fs::set_permissions(
            pair.from.path().join("d/f"),
            fs::Permissions::from_mode(0o640),
        )
        .unwrap();
        symlink("f", pair.from.path().join("d/link")).unwrap();
        pair
    }

    fn copy(&self, source: &str, target: &str) -> Result<(), Error> {
        let manner = Manner::default();
        let (from, to) = (tree(self.from.path()), tree(self.to.path()));
        copy((&from, Path::new(source)), (&to, Path::new(target)), manner)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.to.path().join(path)).unwrap_or_else(|e| format!("{e}"))
    }
}

#[test]
fn a_file_goes_under_a_new_name_or_into_a_folder() {
    let pair = Pair::new();
    pair.copy("/d/f", "/new").unwrap();
    assert_eq!(pair.read("new"), "one");
    assert_eq!(
        fs::metadata(pair.to.path().join("new")).unwrap().mode() & 0o777,
        0o640
    );
    fs::create_dir(pair.to.path().join("there")).unwrap();
    pair.copy("/d/f", "/there").unwrap();
    assert_eq!(pair.read("there/f"), "one");
    let error = pair.copy("/d/f", "/nowhere/").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot copy to `/nowhere/`: it does not exist"
    );
}

#[test]
fn a_folder_becomes_the_target_or_goes_into_it_and_its_content_is_meant_by_a_dot() {
    let pair = Pair::new();
    pair.copy("/d", "/new").unwrap();
    assert_eq!(pair.read("new/sub/g"), "two");
    assert_eq!(
        fs::read_link(pair.to.path().join("new/link")).unwrap(),
        Path::new("f")
    );
    pair.copy("/d", "/new").unwrap();
    assert_eq!(pair.read("new/d/f"), "one");
    fs::create_dir(pair.to.path().join("flat")).unwrap();
    pair.copy("/d/.", "/flat").unwrap();
    assert_eq!(pair.read("flat/f"), "one");
}

#[test]
fn links_stay_links_unless_they_are_followed() {
    let pair = Pair::new();
    pair.copy("/d/link", "/a").unwrap();
    assert_eq!(
        fs::read_link(pair.to.path().join("a")).unwrap(),
        Path::new("f")
    );
    let (from, to) = (tree(pair.from.path()), tree(pair.to.path()));
    let follow = Manner {
        follow: true,
        ..Manner::default()
    };
    copy(
        (&from, Path::new("/d/link")),
        (&to, Path::new("/b")),
        follow,
    )
    .unwrap();
    assert_eq!(pair.read("b"), "one");
}

#[test]
fn links_of_a_container_lead_nowhere_outside_of_it() {
    let pair = Pair::new();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), pair.to.path().join("out")).unwrap();
    // beneath the root of the container there is no such folder
    assert!(pair.copy("/d/f", "/out/f").is_err());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    symlink("/d/f", pair.from.path().join("d/absolute")).unwrap();
    let follow = Manner {
        follow: true,
        ..Manner::default()
    };
    let (from, to) = (tree(pair.from.path()), tree(pair.to.path()));
    copy(
        (&from, Path::new("/d/absolute")),
        (&to, Path::new("/x")),
        follow,
    )
    .unwrap();
    assert_eq!(pair.read("x"), "one");
}

#[test]
fn an_archive_cannot_write_through_a_link_it_brought_or_above_its_folder() {
    let to = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder
        .append_link(&mut header, "evil", outside.path())
        .unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    builder
        .append_data(&mut header, "evil/file", &b"x"[..])
        .unwrap();
    let archive = builder.into_inner().unwrap();
    fs::create_dir(to.path().join("in")).unwrap();
    let result = from_archive(
        &archive[..],
        &tree(to.path()),
        Path::new("/in"),
        Manner::default(),
    );
    assert!(result.is_err());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_is_never_replaced_by_a_file_nor_a_file_by_a_folder() {
    let pair = Pair::new();
    fs::create_dir_all(pair.to.path().join("t/f")).unwrap();
    let error = pair.copy("/d/f", "/t").unwrap_err();
    assert!(error.to_string().contains("over the folder"), "{error}");
    fs::write(pair.to.path().join("file"), "kept").unwrap();
    assert!(pair.copy("/d", "/file").is_err());
    assert_eq!(pair.read("file"), "kept");
}

#[test]
fn an_archive_of_a_folder_has_its_name_and_comes_back() {
    let pair = Pair::new();
    let mut archive = Vec::new();
    let from = tree(pair.from.path());
    to_archive(&from, Path::new("/d"), Manner::default(), &mut archive).unwrap();
    let to = tree(pair.to.path());
    from_archive(&archive[..], &to, Path::new("/"), Manner::default()).unwrap();
    assert_eq!(pair.read("d/sub/g"), "two");
}
