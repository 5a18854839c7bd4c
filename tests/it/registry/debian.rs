//! Whole Debian systems as images of several layers: the trees that we, umoci and other engines make of them.

use super::real::comparable;
use super::server::{Server, hoist, skopeo};
use super::trees;
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
            "chroot . setcap cap_net_bind_service+ep usr/bin/redis-check-rdb; rm -rf var/log; mkdir var/log",
            "chroot . dpkg --purge --force-depends libcap2-bin; rm -r etc/redis; ln -s /srv etc/redis",
        ],
    ),
    (
        "python3-minimal,perl",
        &[
            "rm -rf usr/share/perl; cp -al usr/lib/python3 usr/lib/copy; chown -R 1000:1000 usr/lib/copy/..",
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
        let ours = trees::of_store(&folder.path().join("root"), &server.name(&image));
        assert!(ours.len() > 3000, "{packages}: {} files", ours.len());
        let theirs = trees::of_umoci(&layout, folder.path());
        trees::assert_equal(&ours, &theirs, packages);
        let ours = comparable(ours);
        for engine in engines.split(';').filter(|it| !it.is_empty()) {
            let words: Vec<&str> = engine.split_whitespace().collect();
            let theirs = comparable(trees::of_engine(&words, &layout, folder.path()));
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
