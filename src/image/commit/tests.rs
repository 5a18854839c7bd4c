//! What overlayfs shows is what is exported, and what is committed comes back.

use super::*;
use crate::image::Importing;
use crate::image::testing::{Tar, listing};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

struct Room {
    folder: tempfile::TempDir,
    store: Store,
}

impl Room {
    /// An image `base` of two layers, and a writable layer that changes it.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap();
        let room = Self { folder, store };
        let tar = Tar::default()
            .folder("etc")
            .file("etc/a", "a")
            .file("etc/b", "b")
            .folder("gone")
            .file("gone/x", "x")
            .folder("opaque")
            .file("opaque/old", "old")
            .file("becomes-folder", "file");
        let changes = ["ENV A=b".to_owned(), "LABEL k=v".to_owned()];
        room.store
            .import(&tar.finish()[..], Importing::new(Some("base"), &changes))
            .unwrap();
        room.write_upper();
        room
    }

    fn upper(&self) -> PathBuf {
        self.folder.path().join("upper")
    }

    fn write_upper(&self) {
        let upper = self.upper();
        fs::create_dir_all(upper.join("etc")).unwrap();
        fs::write(upper.join("etc/a"), "A").unwrap();
        fs::write(upper.join("etc/new"), "n").unwrap();
        fs::hard_link(upper.join("etc/new"), upper.join("etc/linked")).unwrap();
        symlink("/nowhere", upper.join("dangling")).unwrap();
        let long = upper.join("l".repeat(120));
        fs::create_dir(&long).unwrap();
        fs::write(long.join("f".repeat(200)), "long").unwrap();
        fs::create_dir(upper.join("becomes-folder")).unwrap();
        fs::create_dir(upper.join("opaque")).unwrap();
        fs::write(upper.join("opaque/new"), "new").unwrap();
        fs::set_permissions(upper.join("etc/new"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::create_dir_all(upper.join("proc")).unwrap();
        fs::write(upper.join("etc/hosts"), "").unwrap();
        let script = "mknod gone c 0 0; mknod etc/b c 0 0; mknod null c 1 3; mkfifo pipe
            setfattr -n trusted.overlay.opaque -v y opaque; setfattr -n user.k -v v etc/new
            python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'";
        let done = Command::new("sh")
            .args(["-euc", script])
            .current_dir(&upper)
            .status();
        assert!(done.unwrap().success());
    }

    fn commit(&self, changes: &[String]) -> Result<Digest, Error> {
        let base = &self.store.list().unwrap()[0].id.clone();
        self.store.commit_container(&Commit {
            base,
            upper: &self.upper(),
            mounted: ["proc", "etc/hosts", "etc/a"].map(str::to_owned).to_vec(),
            name: Some("made:1"),
            changes,
            author: Some("me"),
            message: Some("why"),
        })
    }

    /// What an archive holds, unpacked by tar.
    fn unpacked(&self, archive: &[u8]) -> PathBuf {
        let folder = self.folder.path().join("unpacked");
        fs::create_dir(&folder).unwrap();
        let file = self.folder.path().join("archive.tar");
        fs::write(&file, archive).unwrap();
        let mut tar = Command::new("tar");
        tar.args(["--xattrs", "--xattrs-include=*", "-xpf"])
            .arg(&file)
            .arg("-C")
            .arg(&folder);
        assert!(tar.status().unwrap().success());
        folder
    }
}

#[test]
fn an_export_is_what_overlayfs_shows() {
    let room = Room::new();
    let mut archive = Vec::new();
    room.store
        .export("base", &room.upper(), &mut archive)
        .unwrap();
    let unpacked = room.unpacked(&archive);
    let image = room.store.resolve(&ImageRef::new("base").unwrap()).unwrap();
    let script = format!(
        "mkdir merged; mount -t overlay o -o lowerdir={}:{} merged; cp -a merged copy; rm -f copy/socket; \
         touch -r merged copy",
        room.upper().display(),
        image.layers[0].display(),
    );
    let done = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-euc", &script])
        .current_dir(room.folder.path())
        .status();
    assert!(done.unwrap().success());
    assert_eq!(
        listing(&unpacked),
        listing(&room.folder.path().join("copy"))
    );
    assert_eq!(fs::read_to_string(unpacked.join("etc/a")).unwrap(), "A");
    assert!(!unpacked.join("gone").exists() && !unpacked.join("opaque/old").exists());
}

#[test]
fn a_commit_is_the_writable_layer_on_top_of_its_image() {
    let room = Room::new();
    let base = room.store.resolve(&ImageRef::new("base").unwrap()).unwrap();
    let id = room.commit(&["CMD [\"run\"]".to_owned()]).unwrap();
    let made = room
        .store
        .resolve(&ImageRef::new("made:1").unwrap())
        .unwrap();
    assert_eq!(made.id, id);
    assert_eq!(made.layers[1..], base.layers);
    assert_eq!(made.config.env, ["A=b"]);
    assert_eq!(made.config.labels, base.config.labels);
    assert_eq!(made.config.cmd, ["run"]);
    // The same but for what is only the place of a mount, and the socket.
    let upper = room.upper();
    for path in ["proc", "etc/hosts", "socket"] {
        let path = upper.join(path);
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
    }
    let untimed = |text: String| {
        let lines = text.lines().filter(|line| line.contains(' '));
        let kept = lines.map(|line| line.split(' ').take(5).collect::<Vec<_>>().join(" "));
        // A whiteout has no mode of its own.
        kept.filter(|line| !line.contains(" c ") || line.starts_with("null"))
            .collect::<Vec<_>>()
    };
    assert_eq!(untimed(listing(&made.layers[0])), untimed(listing(&upper)));
    let history = room.store.history("made:1").unwrap();
    assert_eq!((history.len(), history[0].comment.as_str()), (2, "why"));
    assert_eq!(history[0].id.as_ref(), Some(&id));
    let seen = room.store.inspect("made:1").unwrap();
    assert_eq!(
        (seen["Author"].as_str(), seen["RepoTags"][0].as_str()),
        (Some("me"), Some("made:1"))
    );
    assert!(room.commit(&["RUN x".to_owned()]).is_err());
}
