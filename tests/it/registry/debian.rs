//! Whole Debian systems as images of several layers: the trees that we, umoci and other engines make of them.

use super::real::comparable;
use super::server::{Server, hoist, skopeo};
use super::trees;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What is installed, and what becomes of the system in each further layer.
const SYSTEMS: [(&str, &[&str]); 3] = [
    (
        "nginx-light",
        &[
            "chroot . dpkg --purge nginx-light; rm -rf usr/share/doc/[a-m]*",
            "mkdir -p usr/share/doc/back; echo x > usr/share/doc/back/file; chown -R 33:33 usr/share/doc/back; rm -r etc/init.d",
        ],
    ),
    (
        "redis-server,libcap2-bin",
        &[
            "chroot . setcap cap_net_bind_service+ep usr/bin/redis-check-rdb; rm -rf var/log; mkdir var/log; rm -r etc/redis",
            "chroot . dpkg --purge --force-depends libcap2-bin; ln -s /srv etc/redis",
        ],
    ),
    (
        "python3-minimal,perl",
        &[
            "rm -rf usr/share/perl; cp -al usr/lib/python3.[0-9]* usr/lib/copy; chown -R 1000:1000 usr/lib/copy",
            "rm -rf usr/lib/copy usr/share/man; chmod -R g+w etc",
            "mknod dev/extra c 10 200; touch -d 2001-02-03 etc/hostname; mv etc/init.d etc/moved",
        ],
    ),
];

#[test]
#[ignore = "makes three Debian systems with mmdebstrap, which takes minutes and a mirror"]
fn debian_systems_are_the_same_trees_everywhere() {
    let server = Server::start("", None);
    let folder = tempfile::tempdir().unwrap();
    let engines = std::env::var("HOIST_TEST_ENGINES").unwrap_or_default();
    for (n, (packages, changes)) in SYSTEMS.iter().enumerate() {
        let layout = folder.path().join("oci");
        build(folder.path(), packages, changes);
        let image = format!("debian/s{n}:1");
        let from = format!("oci:{}:1", layout.display());
        let to = server.docker(&image);
        skopeo(&["copy", "-q", "--dest-tls-verify=false", &from, &to]);
        hoist(folder.path(), &[], &["pull", "-q", &server.name(&image)]);
        let implied = implied(&layout);
        let ours = trees::of_store(&folder.path().join("root"), &server.name(&image));
        let ours = timeless(ours, &implied);
        assert!(ours.len() > 3000, "{packages}: {} files", ours.len());
        let theirs = timeless(trees::of_umoci(&layout, folder.path()), &implied);
        trees::assert_equal(&ours, &theirs, packages);
        let ours = comparable(ours);
        for engine in engines.split(';').filter(|it| !it.is_empty()) {
            let words: Vec<&str> = engine.split_whitespace().collect();
            let theirs = trees::of_engine(&words, &layout, folder.path());
            let theirs = comparable(timeless(theirs, &implied));
            trees::assert_equal(&ours, &theirs, &format!("{packages} by {engine}"));
        }
        println!("{packages}: {} files", ours.len());
        fs::remove_dir_all(&layout).unwrap();
    }
}

/// Makes the layout `oci` in a folder: a system with packages, and a layer more for each change.
fn build(folder: &Path, packages: &str, changes: &[&str]) {
    let run = |script: &str, text: &str| {
        let done = Command::new("sh")
            .args(["-euc", script, "sh", text])
            .current_dir(folder)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{script} {text}: {error}");
    };
    run(
        r#"umoci init --layout oci; umoci new --image oci:1; umoci unpack --image oci:1 system
        . /etc/os-release; mmdebstrap --quiet --variant=essential --aptopt='APT::Install-Recommends "false"' \
            --include="$1" "$VERSION_CODENAME" system/rootfs; umoci repack --refresh-bundle --image oci:1 system"#,
        packages,
    );
    for change in changes {
        run(
            r#"(cd system/rootfs; sh -euc "$1"); umoci repack --refresh-bundle --image oci:1 system"#,
            change,
        );
    }
    run("rm -rf system", "");
}

/// The folders that a layer has something in without listing them: they get the time of their making, in every engine.
fn implied(layout: &Path) -> BTreeSet<String> {
    let blob = |digest: &Value| {
        let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
        layout.join("blobs/sha256").join(hex)
    };
    let read = |path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let index = read(layout.join("index.json"));
    let manifest = read(blob(&index["manifests"][0]["digest"]));
    let mut implied = BTreeSet::new();
    for layer in manifest["layers"].as_array().unwrap() {
        let listed = members(&blob(&layer["digest"]));
        for path in &listed {
            let above = Path::new(path).ancestors().skip(1);
            let above = above.map(|path| path.to_str().unwrap().to_owned());
            implied.extend(above.filter(|path| !listed.contains(path)));
        }
        // What a later layer lists has the time that is listed.
        implied.retain(|path| !listed.contains(path));
    }
    implied
}

/// What a layer lists.
fn members(layer: &Path) -> BTreeSet<String> {
    let done = Command::new("tar").arg("-tzf").arg(layer).output().unwrap();
    assert!(done.status.success());
    let lines = String::from_utf8(done.stdout).unwrap();
    let plain = |line: &str| line.trim_start_matches("./").trim_matches('/').to_owned();
    lines.lines().map(plain).collect()
}

/// A tree without the times of these folders.
fn timeless(mut tree: trees::Tree, folders: &BTreeSet<String>) -> trees::Tree {
    for folder in folders {
        if let Some(text) = tree.get_mut(folder) {
            let words: Vec<&str> = text.split(' ').collect();
            if let Some(at) = words.iter().position(|word| *word == "time") {
                *text = [&words[..at], &words[at + 2..]].concat().join(" ");
            }
        }
    }
    tree
}
