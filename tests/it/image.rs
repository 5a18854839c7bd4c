//! The store against other people's tools: umoci makes and unpacks images, skopeo carries them.

use hoist::id::ImageRef;
use hoist::image::{Image, Importing, Store};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a command line of `sh` and gives what it printed.
fn sh(folder: &Path, script: &str) -> String {
    let done = Command::new("sh")
        .args(["-euc", script])
        .current_dir(folder)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{script}\n{stderr}");
    String::from_utf8(done.stdout).unwrap()
}

fn has(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .output();
        !found.unwrap().status.success()
    });
    if let Some(missing) = missing {
        println!("skipped: `{missing}` is not installed");
    }
    missing.is_none()
}

/// A tree with one of everything that a layer can have.
fn tree(root: &Path) {
    fs::create_dir_all(root).unwrap();
    let script = "
        mkdir -p etc usr/bin var/lib/app tmp gone/deep opaque/old run
        chmod 1777 tmp; chmod 0711 var/lib/app; chown 70:71 var/lib/app
        echo a > etc/a; echo b > etc/b; chmod 0600 etc/b
        echo x > gone/deep/x; echo old > opaque/old/file
        printf '#!/bin/sh\\n' > usr/bin/run; chmod 4755 usr/bin/run
        ln usr/bin/run usr/bin/walk; ln -s usr/bin bin; ln -s /absolute/nowhere dangling
        mknod null c 1 3; mknod disk b 8 1; mkfifo fifo
        truncate -s 5M sparse; printf end >> sparse
        touch 'with space' \"$(printf 'new\\nline')\" 'ünicode'
        touch -d '2001-02-03 04:05:06' etc/a usr/bin
    ";
    sh(root, script);
    let deep = root.join("long".repeat(20)).join("name".repeat(40));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("file".repeat(30)), "long").unwrap();
    symlink("t".repeat(150), root.join("longlink")).unwrap();
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    if has(&["setfattr"]) {
        sh(root, "setfattr -n user.color -v blue etc/a");
    }
}

/// A line for each file: path, type, mode, owner, links, size, target, time (of folders not: merging changes it), and
/// a checksum of every file.
fn listing(root: &Path) -> String {
    let script = "
        find . -mindepth 1 ! -type d -printf '%P %y %m %U:%G %n %s %l %Ts\\n' | sort
        find . -type d -printf '%P %y %m %U:%G\\n' | sort
        find . -type f -print0 | sort -z | xargs -0 sha256sum
    ";
    sh(root, script)
}

/// [`listing`] of an image as a container sees it, mounted in a mount namespace that dies with the command.
fn listing_of(image: &Image) -> String {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in ["upper", "work", "merged"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    fs::set_permissions(
        root.join("upper"),
        fs::metadata(&image.layers[0]).unwrap().permissions(),
    )
    .unwrap();
    let lower: Vec<_> = image
        .layers
        .iter()
        .map(|layer| layer.to_str().unwrap())
        .collect();
    let options = format!("lowerdir={},upperdir=upper,workdir=work", lower.join(":"));
    let script = root.join("list.sh");
    let list = "
        find . -mindepth 1 ! -type d -printf '%P %y %m %U:%G %n %s %l %Ts\\n' | sort
        find . -type d -printf '%P %y %m %U:%G\\n' | sort
        find . -type f -print0 | sort -z | xargs -0 sha256sum
    ";
    fs::write(
        &script,
        format!("set -eu\nmount -t overlay overlay -o '{options}' merged\ncd merged\n{list}"),
    )
    .unwrap();
    sh(root, "unshare -m --propagation private sh list.sh")
}

fn resolve(store: &Store, reference: &str) -> Image {
    store.resolve(&ImageRef::new(reference).unwrap()).unwrap()
}

fn tar(root: &Path, to: &Path, options: &str) {
    let xattrs = if options.contains("pax") {
        "--xattrs --xattrs-include='user.*'"
    } else {
        ""
    };
    sh(
        root,
        &format!("tar {xattrs} -S {options} -cf {} .", to.display()),
    );
}

#[test]
fn an_imported_tree_is_the_tree_in_every_format_of_tar_and_compression() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tree");
    tree(&root);
    let expected = listing(&root);
    let store = Store::open(&folder.path().join("state")).unwrap();
    let mut compressed = vec![
        "--format=gnu",
        "--format=pax",
        "--format=pax -z",
        "--format=gnu -z",
    ];
    if has(&["zstd"]) {
        compressed.push("--format=pax --zstd");
    }
    for (i, options) in compressed.iter().enumerate() {
        let archive = folder.path().join("a.tar");
        tar(&root, &archive, options);
        let name = format!("tree:{i}");
        store
            .import(
                fs::File::open(&archive).unwrap(),
                Importing::new(Some(&name), &[]),
            )
            .unwrap();
        let image = resolve(&store, &name);
        assert_eq!(listing(&image.layers[0]), expected, "{options}");
        assert_eq!(listing_of(&image), expected, "{options}, mounted");
        if options.contains("pax") && has(&["getfattr"]) {
            let value = sh(
                &image.layers[0],
                "getfattr --only-values -n user.color etc/a",
            );
            assert_eq!(value, "blue");
        }
        let blocks = sh(&image.layers[0], "stat -c %b sparse");
        assert!(
            blocks.trim().parse::<u64>().unwrap() < 1000,
            "{options}: {blocks} blocks"
        );
    }
}

/// An OCI layout with an image of two layers, the second with whiteouts, an opaque folder and changed kinds; and the
/// tree that umoci unpacks from it.
fn two_layers(folder: &Path) -> (PathBuf, PathBuf) {
    tree(&folder.join("tree"));
    let script = "
        umoci init --layout layout
        umoci new --image layout:v1
        umoci unpack --image layout:v1 bundle
        cp -a tree/. bundle/rootfs/
        umoci repack --image layout:v1 bundle
        rm -rf bundle
        umoci unpack --image layout:v1 bundle
        cd bundle/rootfs
        rm -rf gone etc/b dangling
        rm -rf opaque && mkdir opaque && echo new > opaque/new
        rm -f fifo && mkdir fifo && echo in > fifo/in
        rm -rf run && echo file > run
        echo A > etc/a; echo more > etc/more
        cd ../..
        umoci repack --image layout:v1 bundle
        umoci config --image layout:v1 --config.cmd /bin/run --config.env A=b --config.volume /data
        rm -rf bundle
        umoci unpack --image layout:v1 unpacked
    ";
    sh(folder, script);
    (folder.join("layout"), folder.join("unpacked/rootfs"))
}

#[test]
fn an_image_of_umoci_is_the_same_tree_through_every_door() {
    if !has(&["umoci", "skopeo"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (layout, rootfs) = two_layers(folder.path());
    let expected = listing(&rootfs);
    sh(
        folder.path(),
        "skopeo copy oci:layout:v1 oci-archive:oci.tar:example.org/app:1
         skopeo copy oci:layout:v1 docker-archive:docker.tar:example.org/app:2
         gzip -k docker.tar",
    );
    let store = Store::open(&folder.path().join("state")).unwrap();
    let by_layout = resolve(&store, &format!("oci:{}:v1", layout.display()));
    assert_eq!(listing_of(&by_layout), expected);
    assert_eq!(by_layout.config.cmd, ["/bin/run"]);
    assert_eq!(by_layout.config.volumes, ["/data"]);
    assert!(by_layout.config.env.contains(&"A=b".to_owned()));
    for (file, name) in [
        ("oci.tar", "example.org/app:1"),
        ("docker.tar.gz", "example.org/app:2"),
    ] {
        let loaded = store
            .load_file(&folder.path().join(file), &mut |_| {})
            .unwrap();
        assert_eq!(loaded[0].names, [name]);
        assert_eq!(resolve(&store, name).layers, by_layout.layers, "{file}");
    }
}

#[test]
fn umoci_and_skopeo_read_the_store() {
    if !has(&["umoci", "skopeo"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tree");
    tree(&root);
    let archive = folder.path().join("a.tar");
    tar(&root, &archive, "--format=pax -z");
    let state = folder.path().join("state");
    let store = Store::open(&state).unwrap();
    let changes = ["CMD [\"/bin/run\"]".to_owned(), "EXPOSE 80".to_owned()];
    let id = store
        .import(
            fs::File::open(&archive).unwrap(),
            Importing::new(Some("app:1"), &changes),
        )
        .unwrap();
    let script = "
        skopeo copy oci:state/oci:docker.io/library/app:1 docker-archive:out.tar:app:copy
        skopeo copy oci:state/oci:docker.io/library/app:1 oci:plain:app
        umoci unpack --image plain:app unpacked
    ";
    sh(folder.path(), script);
    assert_eq!(
        listing(&folder.path().join("unpacked/rootfs")),
        listing(&root)
    );
    let loaded = store
        .load_file(&folder.path().join("out.tar"), &mut |_| {})
        .unwrap();
    assert_eq!(
        resolve(&store, "app:copy").layers,
        resolve(&store, "app:1").layers
    );
    let inspected = sh(
        folder.path(),
        "skopeo inspect --config oci:state/oci:docker.io/library/app:1",
    );
    let config: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(config["config"]["Cmd"][0], "/bin/run");
    assert_eq!(
        config["config"]["ExposedPorts"]["80/tcp"],
        serde_json::json!({})
    );
    assert!(
        store.list().unwrap().iter().any(|image| image.id == id),
        "{loaded:?}"
    );
}

#[test]
fn the_host_image_runs_what_is_installed_and_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let image = resolve(&store, "host");
    assert_eq!(resolve(&store, "host"), image);
    for name in ["new", "work", "upper"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let mut script = format!(
        "set -eu\nmount -t overlay o -o lowerdir={},upperdir=upper,workdir=work new\nmount -t proc proc new/proc\nmount --bind /dev new/dev\n",
        image.layers[0].display()
    );
    for (source, target) in &image.host_binds {
        script += &format!(
            "mount --bind {} new{target}\nmount -o remount,bind,ro new{target}\n",
            source.display()
        );
    }
    let inside = "
        python3 -c 'import ssl, sqlite3, socket; ssl.create_default_context(); print(socket.getservbyname(\"http\"))'
        perl -e 'use Socket; print getpwnam(\"root\"), \"\\n\"'
        bash -c 'id -un; echo bash'
        test ! -e /etc/shadow; test ! -e /etc/ssl/private; test ! -e /etc/sudoers; test ! -e /etc/environment
        for folder in /root /home /srv /opt /mnt /media /tmp /var/lib/dpkg /usr/local/etc; do
            test -z \"$(ls -A $folder 2>/dev/null)\" || { echo $folder is not empty; exit 1; }
        done
        ! touch /usr/x 2>/dev/null
        ! grep -r 'PRIVATE KEY' /etc >/dev/null
        touch /etc/x /tmp/x /root/x
        grep -c . /etc/passwd
    ";
    fs::write(
        folder.path().join("inside.sh"),
        format!("set -eu\n{inside}"),
    )
    .unwrap();
    script += "cp inside.sh new/run/inside.sh\nexec chroot new /bin/sh /run/inside.sh\n";
    fs::write(folder.path().join("outside.sh"), script).unwrap();
    let printed = sh(
        folder.path(),
        "env -i PATH=$PATH unshare -m --propagation private sh outside.sh",
    );
    assert!(
        printed.contains("80\n") && printed.contains("root\nbash\n"),
        "{printed}"
    );
    assert!(
        !image.layers[0].join("etc/x").exists(),
        "the layer is never written"
    );
}
