//! The built-in image of a made-up host, and of this one.

use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};

fn write(root: &Path, path: &str, content: &str, mode: u32) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A host with secrets in every place that might leak them.
fn host(root: &Path) {
    for (path, mode) in [
        ("usr/bin", 0o755),
        ("usr/local/etc", 0o755),
        ("usr/local/keys", 0o700),
        ("etc", 0o755),
    ] {
        fs::create_dir_all(root.join(path)).unwrap();
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("usr/bin", root.join("bin")).unwrap();
    write(
        root,
        "etc/passwd",
        "root:$6$SECRET:0:0:SECRET:/root:/bin/sh\nme:x:1000:1000::/home/SECRET:/bin/sh\n",
        0o644,
    );
    write(root, "etc/group", "root:x:0:\nSECRET:x:1000:\n", 0o644);
    write(root, "etc/shadow", "SECRET", 0o640);
    write(root, "etc/environment", "TOKEN=SECRET", 0o644);
    write(root, "etc/services", "http 80/tcp", 0o644);
    write(root, "etc/protocols", "SECRET", 0o600);
    write(root, "etc/ssl/certs/ca.pem", "CERTIFICATE", 0o644);
    write(
        root,
        "etc/ssl/certs/mine.pem",
        "-----BEGIN RSA PRIVATE KEY-----\nSECRET",
        0o644,
    );
    write(root, "etc/ssl/private/key.pem", "SECRET", 0o644);
    write(root, "etc/python3.11/conf", "fine", 0o644);
    write(root, "etc/fonts/fonts.conf", "SECRET", 0o644);
    fs::set_permissions(root.join("etc/fonts"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("/usr/share/zoneinfo/UTC", root.join("etc/localtime")).unwrap();
    write(root, "usr/local/etc/token", "SECRET", 0o644);
    write(root, "usr/local/keys/key", "SECRET", 0o644);
    write(root, "usr/local/lib/app/secret", "SECRET", 0o600);
    write(root, "usr/local/lib/app/code", "fine", 0o644);
    write(root, "root/.ssh/id", "SECRET", 0o600);
}

/// Asserts that nothing below `folder` has the word in it, in names or contents.
fn assert_no_secret(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(
            !path.to_string_lossy().contains("SECRET"),
            "{}",
            path.display()
        );
        if path.is_symlink() {
        } else if path.is_dir() {
            assert_no_secret(&path);
        } else {
            let content = fs::read(&path).unwrap();
            assert!(
                !String::from_utf8_lossy(&content).contains("SECRET"),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn no_secret_of_the_host_is_in_the_layer_or_left_uncovered() {
    let folder = tempfile::tempdir().unwrap();
    let (host_root, root) = (folder.path().join("h"), folder.path().join("r"));
    fs::create_dir_all(&root).unwrap();
    fs::create_dir_all(&host_root).unwrap();
    host(&host_root);
    let made = build::layer(&host_root, &root).unwrap();
    let layer = root.join(made.id.hex());
    assert_no_secret(&layer);
    assert_eq!(
        fs::read_to_string(layer.join("etc/services")).unwrap(),
        "http 80/tcp"
    );
    assert_eq!(
        fs::read_to_string(layer.join("etc/python3.11/conf")).unwrap(),
        "fine"
    );
    assert_eq!(
        fs::read_to_string(layer.join("etc/ssl/certs/ca.pem")).unwrap(),
        "CERTIFICATE"
    );
    assert_eq!(
        fs::read_link(layer.join("bin")).unwrap(),
        Path::new("usr/bin")
    );
    assert_eq!(
        fs::read_link(layer.join("etc/localtime")).unwrap(),
        Path::new("/usr/share/zoneinfo/UTC")
    );
    let mode = |path: &str| fs::metadata(layer.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(
        (mode("tmp"), mode("root"), mode("etc"), mode("")),
        (0o1777, 0o700, 0o755, 0o755)
    );
    let targets: Vec<&str> = made.binds.iter().map(|bind| bind.1.as_str()).collect();
    assert_eq!(
        targets,
        [
            "/usr",
            "/usr/local/etc",
            "/usr/local/keys",
            "/usr/local/lib/app/secret"
        ]
    );
    assert!(made.binds[1].0.ends_with(".empty") && made.binds[3].0.ends_with(".empty-file"));
}

#[test]
fn the_watch_holds_until_the_host_changes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    host(root);
    let watch = Watch::new(root);
    assert!(watch.holds(root));
    write(root, "etc/ssl/private/key.pem", "other", 0o600);
    write(root, "usr/local/lib/app/code", "other", 0o644);
    assert!(watch.holds(root), "what is not shown may change");
    let changes: [&dyn Fn(); 6] = [
        &|| write(root, "etc/services", "http 8080/tcp", 0o644),
        &|| symlink("/x", root.join("etc/ssl/certs/new")).unwrap(),
        &|| write(root, "etc/python3.12/conf", "new", 0o644),
        &|| write(root, "usr/local/new", "", 0o600),
        &|| write(root, "etc/python3.11/conf", "fine", 0o600),
        &|| fs::remove_file(root.join("etc/localtime")).unwrap(),
    ];
    for (i, change) in changes.iter().enumerate() {
        let watch = Watch::new(root);
        assert!(watch.holds(root), "before change {i}");
        change();
        assert!(!watch.holds(root), "after change {i}");
    }
}

#[test]
fn this_host_gives_the_same_image_twice() {
    let folder = tempfile::tempdir().unwrap();
    let first = image(folder.path()).unwrap();
    assert_eq!(image(folder.path()).unwrap(), first);
    let layer = &first.layers[0];
    assert!(layer.join("etc/passwd").is_file() && !layer.join("etc/shadow").exists());
    assert_eq!(
        first.host_binds[0],
        (PathBuf::from("/usr"), "/usr".to_owned())
    );
    collect(folder.path(), &|_| false).unwrap();
    assert!(layer.is_dir(), "the newest layer is never collected");
}
