//! `lock`, `vendor`, `up --locked` and `up --offline`: a project runs on the images that were locked, or not at all.

use super::trees;
use crate::world::{Output, World};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const MULTI: &str = "127.0.0.1:5000/multi:1";

/// A box with a registry in it, which has [`MULTI`] for two platforms.
struct Place {
    world: World,
    registry: i32,
    /// What the tag means.
    digest: String,
}

impl Place {
    fn new(name: &str) -> Self {
        let world = World::new(name);
        let data = world.project().parent().unwrap().join("registry");
        let config = world.write(
            "../registry.yml",
            &format!(
                "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\nhttp: {{addr: '127.0.0.1:5000'}}\n",
                data.display()
            ),
        );
        let server = world.spawn(&["docker-registry", "serve", config.to_str().unwrap()]);
        world.until("the registry listens", || {
            world.connect("127.0.0.1:5000").is_ok()
        });
        let mut place = Self {
            registry: server.pid,
            world,
            digest: String::new(),
        };
        place.digest = place.publish("first");
        place.file("multi:1");
        place
    }

    /// Another image under the same tag; its digest.
    fn publish(&self, content: &str) -> String {
        let layout = self.world.project().join("../layout");
        let digest = trees::write_index(&layout, content);
        self.push(&layout.display().to_string(), "multi:1");
        fs::remove_dir_all(layout).unwrap();
        digest
    }

    fn push(&self, layout: &str, image: &str) {
        self.world
            .run(&[
                "skopeo",
                "copy",
                "-q",
                "--all",
                "--preserve-digests",
                "--dest-tls-verify=false",
                &format!("oci:{layout}:1"),
                &format!("docker://127.0.0.1:5000/{image}"),
            ])
            .ok();
    }

    /// A service of that image, and one that no lock is about.
    fn file(&self, image: &str) {
        let text = format!(
            "services:\n  one: {{image: '127.0.0.1:5000/{image}', network_mode: none}}\n  self: {{image: host, network_mode: none}}\n"
        );
        self.world.write("compose.yaml", &text);
    }

    fn hoist(&self, line: &str) -> Output {
        let words: Vec<&str> = line.split(' ').collect();
        self.world.hoist(&words)
    }

    fn up(&self, flag: &str) -> Output {
        self.world.hoist(&["up", "--no-start", flag])
    }

    /// It fails as an operation does, with all of these words.
    #[track_caller]
    fn refuses(&self, flag: &str, words: &[&str]) {
        let said = self.up(flag).ended(1).stderr;
        for word in words {
            assert!(said.contains(word), "`{word}` is missing in: {said}");
        }
    }

    fn lock_file(&self) -> PathBuf {
        self.world.project().join("compose.lock")
    }

    fn locked(&self) -> Value {
        serde_json::from_slice(&fs::read(self.lock_file()).unwrap()).unwrap()
    }

    /// What the store has under the tag.
    fn here(&self) -> String {
        let said = self.hoist("image ls --digests --format {{.Repository}}:{{.Tag}}={{.Digest}}");
        said.ok().stdout.trim_end().to_owned()
    }

    /// No container, and no image.
    fn forget(&self) {
        self.hoist("down").ok();
        self.hoist("image prune -a -f").ok();
        assert_eq!(self.here(), "");
    }

    fn stop_registry(&self) {
        self.world.kill("-KILL", self.registry);
        self.world.until("the registry is gone", || {
            self.world.connect("127.0.0.1:5000").is_err()
        });
    }

    fn end(self) {
        self.hoist("down").ok();
        self.stop_registry();
    }
}

#[test]
fn a_lock_holds_every_platform_asked_for_until_it_is_updated() {
    let place = Place::new("lock");
    let said = place.hoist("lock").ok().stdout;
    assert_eq!(said, format!("Locked: {MULTI}\n"));
    let first = place.locked()["images"][MULTI].clone();
    assert_eq!(first["digest"], place.digest.as_str());
    let platforms = first["platforms"].as_object().unwrap();
    assert_eq!(platforms.keys().collect::<Vec<_>>(), ["linux/amd64"]);
    assert!(place.locked()["images"].get("host").is_none());

    // the tag moves, and the lock stays, for another platform, too
    let moved = place.publish("second");
    place.hoist("image prune -a -f").ok();
    let said = place.hoist("lock --platform arm64").ok().stdout;
    assert_eq!(said, format!("Locked: {MULTI}\n"));
    let both = place.locked()["images"][MULTI].clone();
    assert_eq!(both["digest"], place.digest.as_str());
    assert_eq!(
        both["platforms"]["linux/amd64"],
        first["platforms"]["linux/amd64"]
    );
    assert_ne!(
        both["platforms"]["linux/arm64"],
        both["platforms"]["linux/amd64"]
    );
    assert_eq!(place.hoist("lock").ok().stdout, "", "nothing changes");

    let said = place.hoist("lock --update one").ok().stdout;
    assert_eq!(said, format!("Locked: {MULTI}\n"));
    let after = place.locked()["images"][MULTI].clone();
    assert_eq!(after["digest"], moved.as_str());
    assert_eq!(after["platforms"].as_object().unwrap().len(), 2);

    // what nothing names any more
    place.file("multi:2");
    let failed = place.hoist("lock").ended(1).stderr;
    assert!(failed.contains("has no image"), "{failed}");
    assert_eq!(place.locked()["images"][MULTI], after, "nothing is half");
    place.world.write(
        "compose.yaml",
        "services: {self: {image: host, network_mode: none}}\n",
    );
    assert_eq!(
        place.hoist("lock").ok().stdout,
        format!("Dropped: {MULTI}\n")
    );
    place.end();
}

#[test]
fn a_lock_refuses_what_it_cannot_hold() {
    let place = Place::new("lock-refuses");
    let failed = place.hoist("lock --platform linux/s390x").ended(1).stderr;
    assert!(failed.contains("no variant for `linux/s390x`"), "{failed}");
    let failed = place.hoist("lock --platform a/b/c/d").ended(1).stderr;
    assert!(failed.contains("invalid platform `a/b/c/d`"), "{failed}");
    assert!(!place.lock_file().exists());
    let failed = place.hoist("lock one").ended(2).stderr;
    assert!(failed.contains("hoist lock --update"), "{failed}");
    let failed = place.hoist("lock --update on").ended(1).stderr;
    assert!(failed.contains("did you mean `one`"), "{failed}");
    let failed = place.hoist("vendor there").ended(1).stderr;
    assert!(failed.contains("there is no `"), "{failed}");
    // an image that is for one platform is not locked for another
    let layout = place.world.project().join("../plain");
    trees::write_layout(&layout, &[super::images::tar("file", b"plain")]);
    place.push(&layout.display().to_string(), "plain:1");
    place.file("plain:1");
    let failed = place.hoist("lock --platform linux/arm64").ended(1).stderr;
    assert!(failed.contains("no variant for `linux/arm64`"), "{failed}");
    place.hoist("lock").ok();
    place.end();
}

#[test]
fn up_locked_takes_what_is_locked_and_nothing_else() {
    let place = Place::new("locked");
    place.refuses("--locked", &["there is no `", "hoist lock"]);
    place.hoist("lock").ok();
    let expected = format!("{MULTI}={}", place.digest);

    // another image is here under that name, and another one in the registry
    let moved = place.publish("second");
    place.hoist(&format!("pull -q {MULTI}")).ok();
    assert_eq!(
        place
            .hoist("image ls -q --filter reference=127.0.0.1:5000/multi")
            .ok()
            .stdout
            .lines()
            .count(),
        1
    );
    place.up("--locked").ok();
    assert!(place.here().contains(&expected), "{}", place.here());
    assert!(!place.here().contains(&format!("{MULTI}={moved}")));
    place.up("--locked").ok();

    place.file("multi:2");
    place.refuses("--locked", &["multi:2` is not in", "hoist lock"]);
    place.file("multi:1");
    let good = fs::read_to_string(place.lock_file()).unwrap();
    for (from, to, words) in [
        (
            "linux/amd64",
            "linux/arm64",
            "is not locked for `linux/amd64`",
        ),
        ("\"version\": 1", "\"version\": 99", "of version 99"),
        ("\"images\"", "images", "is damaged"),
        (&place.digest[..20], "sha256:0000000000000", "has no image"),
    ] {
        assert!(good.contains(from), "{good}");
        place.forget();
        place.world.write("compose.lock", &good.replace(from, to));
        place.refuses("--locked", &[words]);
        assert_eq!(place.here(), "", "{words}");
    }
    place.hoist("up --locked --pull always").ended(2);
    place.end();
}

#[test]
fn a_vendored_project_runs_where_no_registry_is() {
    let place = Place::new("vendored");
    place.hoist("lock --platform amd64 --platform arm64").ok();
    place.hoist("image prune -a -f").ok();
    let said = place.hoist("vendor there").ok().stdout;
    assert_eq!(said, "Vendored 1 image into there\n");
    assert_eq!(place.locked()["vendor"], "there");
    assert_eq!(place.here(), "", "what passed through did not stay");
    place.stop_registry();

    // other tools find both platforms in it, under the name
    for architecture in ["amd64", "arm64"] {
        let to = format!("oci:{architecture}:1");
        let from = format!("oci:there:{MULTI}");
        let words = ["skopeo", "--override-arch", architecture, "copy", "-q"];
        place.world.run(&[&words[..], &[&from, &to]].concat()).ok();
        let to = place.world.project().join(architecture);
        let tree = trees::of_umoci(&to, &place.world.project());
        assert!(tree.contains_key(architecture), "{tree:?}");
    }
    place.up("--offline").ok();
    assert_eq!(place.here(), format!("{MULTI}={}", place.digest));
    // from what is here, everything can be vendored once more
    fs::remove_dir_all(place.world.project().join("there")).unwrap();
    place.up("--offline").ok();
    place.forget();
    place.refuses(
        "--offline",
        &["is not here, and neither is", "hoist vendor"],
    );
    place.end();
}

#[test]
fn a_vendored_folder_that_was_changed_is_refused() {
    let place = Place::new("tampered");
    place.hoist("lock").ok();
    place.refuses_nothing_vendored();
    place.hoist("vendor there").ok();
    let other = place.publish("second");
    place.hoist(&format!("pull -q {MULTI}")).ok();
    place
        .hoist(&format!("save -o oci:there:{MULTI} {MULTI}"))
        .ok();
    place.stop_registry();
    place.forget();
    // the name leads to another image
    place.refuses("--offline", &["has digest", &place.digest]);
    assert_eq!(place.here(), "");

    let there = place.world.project().join("there");
    let index = fs::read_to_string(there.join("index.json")).unwrap();
    let mut entry: Value = serde_json::from_str(&index).unwrap();
    let blob = |digest: &str| there.join("blobs/sha256").join(&digest["sha256:".len()..]);
    let root = &mut entry["manifests"][0];
    assert_ne!(root["digest"], other.as_str(), "a save takes one manifest");
    root["digest"] = place.digest.clone().into();
    root["size"] = fs::metadata(blob(&place.digest)).unwrap().len().into();
    root["mediaType"] = super::images::INDEX.into();
    fs::write(there.join("index.json"), entry.to_string()).unwrap();
    place.up("--offline").ok();
    place.forget();

    // every blob of it, changed or gone
    let json = |digest: &str| -> Value {
        serde_json::from_slice(&fs::read(blob(digest)).unwrap()).unwrap()
    };
    let manifest = place.locked()["images"][MULTI]["platforms"]["linux/amd64"].clone();
    let manifest = manifest.as_str().unwrap().to_owned();
    let parts = json(&manifest);
    let config = parts["config"]["digest"].as_str().unwrap().to_owned();
    let layer = parts["layers"][0]["digest"].as_str().unwrap().to_owned();
    for digest in [&place.digest, &manifest, &config, &layer] {
        let bytes = fs::read(blob(digest)).unwrap();
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(blob(digest), changed).unwrap();
        place.refuses("--offline", &["has digest", digest]);
        assert_eq!(place.here(), "", "{digest}");
        fs::remove_file(blob(digest)).unwrap();
        place.refuses("--offline", &["there", "No such file"]);
        assert_eq!(place.here(), "", "{digest}");
        fs::write(blob(digest), bytes).unwrap();
    }
    place.up("--offline").ok();
    place.end();
}

impl Place {
    /// `--offline` without a layout, and without the image.
    #[track_caller]
    fn refuses_nothing_vendored(&self) {
        self.hoist("image prune -a -f").ok();
        self.refuses("--offline", &["nothing is vendored", "hoist vendor"]);
    }
}
