//! Images go out and come back with the same digests.

use super::*;
use crate::id::ImageRef;
use crate::image::store::digest;
use crate::image::testing::Tar;
use crate::image::{Importing, Name, Saving};

struct Room {
    folder: tempfile::TempDir,
    store: Store,
}

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap();
        Self { folder, store }
    }

    /// One with an image of this name, with a gzip layer.
    fn with(name: &str) -> Self {
        let room = Self::new();
        room.import(name, "x");
        room
    }

    fn import(&self, name: &str, content: &str) {
        use std::io::Write;
        let tar = Tar::default().file("f", content).finish();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).unwrap();
        let layer = gzip.finish().unwrap();
        self.store
            .import(&layer[..], Importing::new(Some(name), &[]))
            .unwrap();
    }

    fn place(&self, text: &str) -> Reference {
        let (kind, rest) = text.split_once(':').unwrap();
        let text = format!("{kind}:{}/{rest}", self.folder.path().display());
        Reference::place(&text).unwrap().unwrap()
    }

    fn save(&self, images: &[&str], to: &str) -> Result<(), Error> {
        let images: Vec<String> = images.iter().map(|&image| image.to_owned()).collect();
        let saving = Saving {
            images: &images,
            platform: None,
        };
        self.store.save_to(&saving, &self.place(to))
    }

    /// Has a layout's index say what an image runs on, as other tools write it.
    fn mark_platform(&self, layout: &str, name: &str, architecture: &str) {
        let path = self.folder.path().join(layout).join("index.json");
        let mut index: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let name = Name::parse(name).unwrap().to_string();
        let mut entries = index["manifests"].as_array_mut().unwrap().iter_mut();
        let entry = entries.find(|it| it["annotations"][REF_NAME] == name.as_str());
        entry.unwrap()["platform"] =
            serde_json::json!({ "os": "linux", "architecture": architecture });
        fs::write(&path, index.to_string()).unwrap();
    }

    fn resolve(&self, name: &str) -> Image {
        self.store.resolve(&ImageRef::new(name).unwrap()).unwrap()
    }

    /// What another store makes of a place of ours.
    fn load_elsewhere(&self, from: &str) -> (Room, Vec<Loaded>) {
        let other = Room::new();
        let loaded = other
            .store
            .load_from(&self.place(from), None, &mut |_| {})
            .unwrap();
        (other, loaded)
    }
}

const PLACES: [&str; 4] = [
    "oci:layout",
    "oci-archive:oci.tar",
    "docker-archive:docker.tar",
    "dir:dir",
];

#[test]
fn every_place_keeps_every_digest() {
    let room = Room::with("app:1");
    let image = room.resolve("app:1");
    for place in PLACES {
        room.save(&["app:1"], place).unwrap();
        let (other, loaded) = room.load_elsewhere(place);
        let back = other.resolve(image.id.as_str());
        assert_eq!(
            (&back.id, &back.digest),
            (&image.id, &image.digest),
            "{place}"
        );
        let names: &[&str] = if place.starts_with("dir") {
            &[]
        } else {
            &["app:1"]
        };
        assert_eq!(loaded[0].names, names, "{place}");
        // And from there to every other place.
        for next in PLACES {
            let next = next.replace(':', ":next-");
            other.save(&[image.id.hex()], &next).unwrap();
            let (third, _) = other.load_elsewhere(&next);
            let again = third.resolve(image.id.as_str());
            assert_eq!(again.digest, image.digest, "{place} to {next}");
        }
    }
}

#[test]
fn equal_images_give_equal_archives() {
    let room = Room::with("app:1");
    for place in ["oci-archive:a", "docker-archive:b"] {
        let file = room.folder.path().join(&place[place.len() - 1..]);
        room.save(&["app:1"], place).unwrap();
        let first = fs::read(&file).unwrap();
        room.save(&["app:1"], place).unwrap();
        assert_eq!(fs::read(&file).unwrap(), first);
    }
}

#[test]
fn several_images_are_one_archive_and_a_bare_name_is_all_its_tags() {
    let room = Room::with("app:1");
    room.import("app:2", "y");
    room.import("other:1", "z");
    room.store.tag("app:1", "app:one").unwrap();
    room.save(&["app", "other:1", "app:1"], "docker-archive:a.tar")
        .unwrap();
    let (other, loaded) = room.load_elsewhere("docker-archive:a.tar");
    assert_eq!(loaded.len(), 3);
    for name in ["app:1", "app:2", "app:one", "other:1"] {
        assert_eq!(
            other.resolve(name).digest,
            room.resolve(name).digest,
            "{name}"
        );
    }
    let (other, loaded) = room.load_elsewhere("docker-archive:a.tar:app:2");
    assert_eq!((loaded.len(), other.store.list().unwrap().len()), (1, 1));
    assert_eq!(other.resolve("app:2").id, room.resolve("app:2").id);
    let missing = room.place("docker-archive:a.tar:app:3");
    let error = Room::new()
        .store
        .load_from(&missing, None, &mut |_| {})
        .unwrap_err();
    assert!(error.to_string().contains("only: app:1"), "{error}");
}

#[test]
fn what_is_for_another_machine_comes_when_its_platform_is_asked_for() {
    let room = Room::with("app:1");
    let layer = Tar::default().file("foreign", "x").finish();
    let importing = Importing {
        name: Some("app:2"),
        message: Some("from afar"),
        platform: Some("linux/s390x"),
        ..Importing::default()
    };
    room.store.import(&layer[..], importing).unwrap();
    assert_eq!(
        room.store.inspect("app:2").unwrap()["Architecture"],
        "s390x"
    );
    let step = &room.store.history("app:2").unwrap()[0];
    assert_eq!(step.comment, "from afar");
    room.save(&["app:1", "app:2"], "oci:layout").unwrap();
    room.mark_platform("layout", "app:2", "s390x");
    let other = Room::new();
    let layout = room.place("oci:layout");
    let load = |platform: Option<&str>| other.store.load_from(&layout, platform, &mut |_| {});
    assert_eq!(load(None).unwrap()[0].names, ["app:1"]);
    let loaded = load(Some("linux/s390x")).unwrap();
    assert_eq!(loaded[0].names, ["app:2"]);
    assert_eq!(loaded.len(), 1);
    let archive = {
        room.save(&["app:1"], "docker-archive:a.tar").unwrap();
        room.place("docker-archive:a.tar")
    };
    for place in [&layout, &archive] {
        let load = |platform| other.store.load_from(place, Some(platform), &mut |_| {});
        let error = load("linux/riscv64").unwrap_err().to_string();
        assert!(error.contains("linux/riscv64"), "{error}");
        assert!(load("a/b/c/d").is_err());
    }
    assert_eq!(
        other.store.inspect("app:2").unwrap()["Architecture"],
        "s390x"
    );
}

#[test]
fn a_layout_takes_more_images_and_a_tag_moves() {
    let room = Room::with("app:1");
    room.import("app:2", "y");
    room.save(&["app:1"], "oci:layout:stable").unwrap();
    room.save(&["app:2"], "oci:layout:new").unwrap();
    room.save(&["app:2"], "oci:layout:stable").unwrap();
    let layout = room.folder.path().join("layout");
    let stable = room.resolve(&format!("oci:{}:stable", layout.display()));
    assert_eq!(stable.id, room.resolve("app:2").id);
    let index = fs::read_to_string(layout.join("index.json")).unwrap();
    assert_eq!(index.matches("\"digest\"").count(), 2, "{index}");
    assert!(!index.contains("dev.hoist"), "{index}");
}

#[test]
fn one_place_for_one_image() {
    let room = Room::with("app:1");
    room.import("app:2", "y");
    for place in ["oci:l:tag", "docker-archive:f:name", "dir:d"] {
        let result = room.save(&["app"], place);
        assert!(
            matches!(result, Err(Error::OneImage { count: 2 })),
            "{place}: {result:?}"
        );
    }
    assert!(
        !room.folder.path().join("f").exists(),
        "an unfinished file was left"
    );
    fs::create_dir(room.folder.path().join("mine")).unwrap();
    fs::write(room.folder.path().join("mine/file"), "x").unwrap();
    for place in ["oci:mine", "dir:mine"] {
        let error = room.save(&["app:1"], place).unwrap_err().to_string();
        assert!(error.contains("something else in it"), "{error}");
    }
    assert_eq!(
        fs::read_dir(room.folder.path().join("mine"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn what_is_damaged_in_the_store_is_not_passed_on() {
    let room = Room::with("app:1");
    let layers = fs::read_dir(room.folder.path().join("state/oci/blobs/sha256")).unwrap();
    let blob = layers
        .map(|entry| entry.unwrap().path())
        .find(|path| fs::read(path).unwrap().starts_with(&[0x1f, 0x8b]))
        .unwrap();
    let mut bytes = fs::read(&blob).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&blob, bytes).unwrap();
    for place in PLACES {
        assert!(room.save(&["app:1"], place).is_err(), "{place}");
    }
    for file in [
        "oci.tar",
        "docker.tar",
        "layout/index.json",
        "dir/manifest.json",
    ] {
        assert!(!room.folder.path().join(file).exists(), "{file}");
    }
    let name = blob.file_name().unwrap().to_str().unwrap();
    assert!(
        !room
            .folder
            .path()
            .join("layout/blobs/sha256")
            .join(name)
            .exists()
    );
    assert!(!room.folder.path().join("dir").join(name).exists());
}

#[test]
fn an_image_in_a_dir_folder_is_used_where_it_lies_and_checked() {
    let room = Room::with("app:1");
    room.save(&["app:1"], "dir:d").unwrap();
    let dir = room.folder.path().join("d");
    let image = room.resolve(&format!("dir:{}", dir.display()));
    assert_eq!(image.digest, room.resolve("app:1").digest);
    let manifest = fs::read(dir.join("manifest.json")).unwrap();
    assert_eq!(digest(&manifest), image.digest);
    let text = String::from_utf8(manifest).unwrap();
    fs::write(dir.join("manifest.json"), text.replace("layers", "lawyers")).unwrap();
    let name = ImageRef::new(format!("dir:{}", dir.display())).unwrap();
    assert!(room.store.resolve(&name).is_err());
}
