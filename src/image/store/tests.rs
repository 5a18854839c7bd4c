//! Images come, are found, and go.

use super::*;
use crate::image::Importing;
use crate::image::testing::{Tar, listing};
use crate::image::{Loaded, UnpackError};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::Command;
use std::time::Duration;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn name(text: &str) -> ImageRef {
    ImageRef::new(text).unwrap()
}

fn load(store: &Store, archive: &[u8]) -> Result<Vec<Loaded>, Error> {
    store.load(archive, &mut |_| {})
}

fn hex(bytes: &[u8]) -> String {
    blob::digest(bytes).hex().to_owned()
}

/// Two layers, the second hiding and replacing things of the first.
fn layers() -> [Vec<u8>; 2] {
    let base = Tar::default()
        .folder("etc")
        .file("etc/a", "a")
        .file("etc/b", "b")
        .folder("gone")
        .file("gone/x", "x");
    let top = Tar::default()
        .file("etc/.wh.b", "")
        .file("etc/a", "A")
        .file(".wh.gone", "")
        .file("new", "n");
    [base.finish(), top.finish()]
}

fn config(layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers
        .iter()
        .map(|layer| format!("sha256:{}", hex(layer)))
        .collect();
    serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64", "os": "linux", "created": "2024-05-06T07:08:09Z",
        "config": { "Cmd": ["run"], "Env": ["A=b"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    }))
    .unwrap()
}

fn outer(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, path, content.as_slice())
            .unwrap();
    }
    tar.into_inner().unwrap()
}

/// As `docker save` before version 25 made it, with the list at the end.
fn docker_archive(tag: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let config = config(layers);
    let id = hex(&config);
    let mut members: Vec<(String, Vec<u8>)> = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        members.push((format!("layer{i}/layer.tar"), layer.clone()));
    }
    let names: Vec<_> = members.iter().map(|member| member.0.clone()).collect();
    let list =
        serde_json::json!([{ "Config": format!("{id}.json"), "RepoTags": [tag], "Layers": names }]);
    members.push((format!("{id}.json"), config));
    members.push(("manifest.json".into(), list.to_string().into_bytes()));
    outer(&members)
}

/// An OCI archive with gzip and zstd layers behind a nested index.
fn oci_archive(reference: &str, layers: &[Vec<u8>; 2]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&layers[0]).unwrap();
    let blobs = [
        gzip.finish().unwrap(),
        zstd::encode_all(&layers[1][..], 1).unwrap(),
    ];
    let config = config(layers);
    let descriptor = |media: &str, blob: &[u8]| {
        serde_json::json!({
            "mediaType": media, "digest": format!("sha256:{}", hex(blob)), "size": blob.len(),
        })
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": oci::MANIFEST,
        "config": descriptor(oci::CONFIG, &config),
        "layers": [descriptor(oci::LAYER_GZIP, &blobs[0]), descriptor(oci::LAYER_ZSTD, &blobs[1])],
    })
    .to_string()
    .into_bytes();
    let mut here = descriptor(oci::MANIFEST, &manifest);
    here["platform"] = serde_json::to_value(oci::Platform::here()).unwrap();
    let mut elsewhere = descriptor(oci::MANIFEST, b"not in the archive");
    elsewhere["platform"] = serde_json::json!({ "os": "linux", "architecture": "s390x" });
    let nested = serde_json::json!({ "schemaVersion": 2, "manifests": [elsewhere, here] });
    let nested = nested.to_string().into_bytes();
    let mut entry = descriptor(oci::INDEX, &nested);
    entry["annotations"] = serde_json::json!({ "org.opencontainers.image.ref.name": reference });
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [entry] });
    let mut members = vec![
        (
            "oci-layout".to_owned(),
            br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
        ),
        ("index.json".to_owned(), index.to_string().into_bytes()),
    ];
    for blob in [nested, manifest, config, blobs[0].clone(), blobs[1].clone()] {
        members.push((format!("blobs/sha256/{}", hex(&blob)), blob));
    }
    outer(&members)
}

/// Nothing is in the work folder once nobody works.
fn assert_no_work(store: &Store) {
    assert_eq!(fs::read_dir(store.work_root()).unwrap().count(), 0);
}

#[test]
fn a_docker_archive_is_loaded_and_found_by_every_name_it_has() {
    let (_folder, store) = store();
    let layers = layers();
    let loaded = load(&store, &docker_archive("app:1", &layers)).unwrap();
    let id = Digest::new(format!("sha256:{}", hex(&config(&layers)))).unwrap();
    let names = vec!["app:1".to_owned()];
    assert_eq!(
        loaded,
        [Loaded {
            names: names.clone(),
            id: id.clone()
        }]
    );
    let digest = store.resolve(&name("app:1")).unwrap().digest;
    for text in [
        "app:1",
        digest.as_str(),
        "docker.io/library/app:1",
        id.as_str(),
        id.hex(),
        &id.hex()[..12],
        &id.hex()[..3],
    ] {
        let image = store.resolve(&name(text)).unwrap();
        assert_eq!(
            (&image.id, image.config.cmd.as_slice()),
            (&id, &["run".to_owned()][..]),
            "{text}"
        );
        let expected = [
            store.layer_path(&blob::digest(&layers[1])),
            store.layer_path(&blob::digest(&layers[0])),
        ];
        assert_eq!(image.layers, expected);
    }
    let created = Some("2024-05-06T07:08:09Z".parse().unwrap());
    assert_eq!(
        store.list().unwrap(),
        [ImageSummary {
            id,
            names,
            digest,
            created,
            size: 5
        }]
    );
    assert!(
        store
            .layer_path(&blob::digest(&layers[0]))
            .join("etc/b")
            .is_file()
    );
    assert_no_work(&store);
}

#[test]
fn an_oci_archive_gives_the_same_layers_whatever_their_compression() {
    let (_folder, store) = store();
    let layers = layers();
    for archive in [
        oci_archive("app:2", &layers),
        docker_archive("app:1", &layers),
    ] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&archive).unwrap();
        load(&store, &gzip.finish().unwrap()).unwrap();
    }
    let one = store.resolve(&name("app:1")).unwrap();
    let two = store.resolve(&name("app:2")).unwrap();
    assert_eq!((&one.id, &one.layers), (&two.id, &two.layers));
    assert_ne!(one.digest, two.digest);
    assert_eq!(store.list().unwrap()[0].names, ["app:1", "app:2"]);
    let removed = store.remove("app:1", &Uses::default(), false).unwrap();
    assert_eq!(removed, [Removed::Untagged("app:1".into())]);
    assert_eq!(store.resolve(&name(one.id.as_str())).unwrap(), two);
}

#[test]
fn an_oci_archive_with_a_bare_tag_has_no_name() {
    let (_folder, store) = store();
    let loaded = load(&store, &oci_archive("latest", &layers())).unwrap();
    assert_eq!(loaded[0].names, Vec::<String>::new());
    store.tag(loaded[0].id.hex(), "named").unwrap();
    assert_eq!(store.list().unwrap()[0].names, ["named:latest"]);
}

#[test]
fn content_that_is_not_what_it_says_is_never_visible() {
    let (_folder, store) = store();
    let layers = layers();
    let other = [layers[0].clone(), Tar::default().file("evil", "x").finish()];
    let config = config(&layers);
    let lie = |config_name: String| {
        let list = serde_json::json!([{ "Config": config_name, "RepoTags": ["app:1"], "Layers": ["0.tar", "1.tar"] }]);
        outer(&[
            ("0.tar".into(), other[0].clone()),
            ("1.tar".into(), other[1].clone()),
            (config_name, config.clone()),
            ("manifest.json".into(), list.to_string().into_bytes()),
        ])
    };
    let swapped_layer = load(&store, &lie(format!("{}.json", hex(&config))));
    assert!(
        matches!(swapped_layer, Err(Error::Mismatch { .. })),
        "{swapped_layer:?}"
    );
    let wrong_config = load(&store, &lie(format!("{}.json", "0".repeat(64))));
    assert!(
        matches!(wrong_config, Err(Error::Mismatch { .. })),
        "{wrong_config:?}"
    );
    assert!(store.list().unwrap().is_empty());
    assert_eq!(
        fs::read_dir(store.oci.join("blobs/sha256"))
            .unwrap()
            .count(),
        0
    );
    assert!(!store.layer_path(&blob::digest(&other[1])).exists());
    assert_no_work(&store);
}

#[test]
fn archives_that_are_none_are_errors_that_say_so() {
    let (_folder, store) = store();
    let missing = serde_json::json!([{ "Config": "c.json", "RepoTags": [], "Layers": ["l.tar"] }])
        .to_string();
    for (archive, expected) in [
        (b"garbage".repeat(100), "not a tar archive"),
        (Vec::new(), "neither"),
        (
            outer(&[("etc/passwd".into(), b"x".to_vec())]),
            "hoist import",
        ),
        (outer(&[("manifest.json".into(), b"{".to_vec())]), "JSON"),
        (
            outer(&[("manifest.json".into(), missing.into_bytes())]),
            "`c.json` is missing",
        ),
        (
            outer(&[(
                "index.json".into(),
                br#"{"schemaVersion":2,"manifests":[]}"#.to_vec(),
            )]),
            "no variant",
        ),
    ] {
        let error = load(&store, &archive).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let full = docker_archive("app:1", &layers());
    for cut in [1, 511, 600, 3000, full.len() / 2] {
        assert!(load(&store, &full[..cut]).is_err(), "cut at {cut}");
    }
    assert!(store.list().unwrap().is_empty());
    assert_no_work(&store);
}

#[test]
fn a_hostile_layer_spoils_its_image_and_nothing_else() {
    let (folder, store) = store();
    let evil = [Tar::default().file("../../../evil", "x").finish()];
    let error = load(&store, &docker_archive("app:1", &evil)).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Unpack {
                source: UnpackError::Refused { .. },
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!folder.path().join("evil").exists() && !folder.path().join("layers/evil").exists());
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn importing_the_same_again_gives_the_same_image() {
    let (_folder, store) = store();
    let [base, _] = layers();
    let changes = ["CMD [\"a\"]".to_owned(), "ENV X=y".to_owned()];
    let id = store
        .import(&base[..], Importing::new(Some("base"), &changes))
        .unwrap();
    assert_eq!(
        store
            .import(&base[..], Importing::new(Some("base"), &changes))
            .unwrap(),
        id
    );
    assert_eq!(store.list().unwrap().len(), 1);
    let image = store.resolve(&name("base")).unwrap();
    assert_eq!(
        (image.config.cmd, image.config.env),
        (vec!["a".to_owned()], vec!["X=y".to_owned()])
    );
    let other = store
        .import(&base[..], Importing::new(Some("base"), &[]))
        .unwrap();
    assert_ne!(other, id);
    let list = store.list().unwrap();
    assert_eq!(
        list.len(),
        2,
        "the image that lost its name stays: {list:?}"
    );
    let nameless = store
        .import(&base[..], Importing::new(None, &changes))
        .unwrap();
    assert!(store.resolve(&name(nameless.hex())).is_ok());
}

#[test]
fn a_rootfs_that_is_no_tar_is_an_error() {
    let (_folder, store) = store();
    assert!(
        store
            .import(&b"x".repeat(1024)[..], Importing::new(Some("x"), &[]))
            .is_err()
    );
    assert!(
        store
            .import(&b"\xfd7zXZ\0"[..], Importing::new(Some("x"), &[]))
            .unwrap_err()
            .to_string()
            .contains("cannot unpack")
    );
    assert!(
        store
            .import(&b""[..], Importing::new(Some("UPPER"), &[]))
            .is_err()
    );
    assert!(
        store
            .import(&b""[..], Importing::new(None, &["RUN x".to_owned()]))
            .is_err()
    );
    assert_no_work(&store);
}

#[test]
fn a_layer_that_comes_twice_is_one_lower() {
    let (_folder, store) = store();
    let [base, top] = layers();
    let layers = [base.clone(), top.clone(), base.clone()];
    load(&store, &docker_archive("app:1", &layers)).unwrap();
    let image = store.resolve(&name("app:1")).unwrap();
    let expected = [
        store.layer_path(&blob::digest(&base)),
        store.layer_path(&blob::digest(&top)),
    ];
    assert_eq!(image.layers, expected);
}

#[test]
fn a_removed_image_takes_what_only_it_needed() {
    let (_folder, store) = store();
    let [base, top] = layers();
    load(
        &store,
        &docker_archive("app:1", &[base.clone(), top.clone()]),
    )
    .unwrap();
    load(
        &store,
        &docker_archive("base:1", std::slice::from_ref(&base)),
    )
    .unwrap();
    store.tag("app:1", "app:alias").unwrap();
    let nobody = Uses::default();
    let removed = store.remove("app:1", &nobody, false).unwrap();
    assert_eq!(removed, [Removed::Untagged("app:1".into())]);
    assert!(store.layer_path(&blob::digest(&top)).exists());
    let removed = store.remove("app:alias", &nobody, false).unwrap();
    assert!(
        matches!(
            removed.as_slice(),
            [Removed::Untagged(_), Removed::Deleted(_)]
        ),
        "{removed:?}"
    );
    assert!(!store.layer_path(&blob::digest(&top)).exists());
    assert!(!store.blob_path(&blob::digest(&top)).exists());
    assert!(store.resolve(&name("base:1")).is_ok());
    store.remove("base:1", &nobody, false).unwrap();
    assert_eq!(
        fs::read_dir(store.oci.join("blobs/sha256"))
            .unwrap()
            .count(),
        0
    );
    assert!(matches!(
        store.remove("base:1", &nobody, false),
        Err(Error::NotFound { .. })
    ));
}

#[test]
fn an_image_in_use_is_not_removed() {
    let (_folder, store) = store();
    let id = load(&store, &docker_archive("app:1", &layers()))
        .unwrap()
        .remove(0)
        .id;
    let mut used = Uses::default();
    used.add(id.clone(), "p-web-1".into());
    assert!(matches!(
        store.remove("app:1", &used, false),
        Err(Error::InUse { .. })
    ));
    assert!(matches!(
        store.remove(id.hex(), &used, false),
        Err(Error::InUse { .. })
    ));
    let removed = store.remove("app:1", &used, true).unwrap();
    assert_eq!(removed, [Removed::Untagged("app:1".into())]);
    assert!(store.resolve(&name(id.hex())).is_ok(), "it stays, by id");
    assert!(matches!(
        store.remove(id.hex(), &used, false),
        Err(Error::InUse { .. })
    ));
    assert_eq!(
        store.remove(id.hex(), &Uses::default(), false).unwrap(),
        [Removed::Deleted(id.clone())]
    );
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn an_id_with_several_names_is_removed_only_by_force() {
    let (_folder, store) = store();
    let id = load(&store, &docker_archive("a:1", &layers()))
        .unwrap()
        .remove(0)
        .id;
    store.tag("a:1", "a:2").unwrap();
    store.tag("a:1", "b:1").unwrap();
    assert!(matches!(
        store.remove(id.hex(), &Uses::default(), false),
        Err(Error::SeveralNames { .. })
    ));
    assert_eq!(
        store
            .remove(id.hex(), &Uses::default(), true)
            .unwrap()
            .len(),
        4
    );
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn an_id_whose_names_are_of_one_repository_is_removed_with_all_of_them() {
    let (_folder, store) = store();
    let id = load(&store, &docker_archive("a:1", &layers()))
        .unwrap()
        .remove(0)
        .id;
    store.tag("a:1", "a:2").unwrap();
    let removed = store.remove(id.hex(), &Uses::default(), false).unwrap();
    assert_eq!(removed.len(), 3, "{removed:?}");
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn what_a_container_needs_stays_even_if_somebody_takes_its_entry_away() {
    let (_folder, store) = store();
    let layers = layers();
    load(&store, &docker_archive("app:1", &layers)).unwrap();
    let image = store.resolve(&name("app:1")).unwrap();
    fs::remove_file(store.index_path()).unwrap();
    let mut uses = Uses::default();
    uses.add(image.id.clone(), "p-web-1".into());
    store.collect(&uses, Duration::ZERO).unwrap().unwrap();
    assert!(image.layers.iter().all(|layer| layer.is_dir()));
    assert!(store.blob_path(&image.id).exists());
    let freed = store.collect(&Uses::default(), Duration::ZERO).unwrap();
    assert!(freed.unwrap() > 0);
    assert!(!image.layers[0].exists() && !store.blob_path(&image.id).exists());
    assert_no_work(&store);
}

#[test]
fn what_nothing_leads_to_has_a_grace_time() {
    let (_folder, store) = store();
    let stray = store.blob_path(&blob::digest(b"stray"));
    fs::write(&stray, "stray").unwrap();
    let old = fs::File::open(&stray).unwrap();
    old.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    load(&store, &docker_archive("app:1", &layers())).unwrap();
    store.remove("app:1", &Uses::default(), false).unwrap();
    let left: Vec<_> = fs::read_dir(store.oci.join("blobs/sha256"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(
        left,
        [stray.as_path()],
        "the image goes at once, the stray does not"
    );
    assert_eq!(store.collect(&Uses::default(), GRACE).unwrap(), Some(0));
    assert!(stray.exists());
    assert_eq!(
        store.collect(&Uses::default(), Duration::ZERO).unwrap(),
        Some(5)
    );
    assert!(!stray.exists());
}

#[test]
fn what_somebody_reads_stays_while_it_is_held() {
    let (_folder, store) = store();
    load(&store, &docker_archive("app:1", &layers())).unwrap();
    let image = store.resolve(&name("app:1")).unwrap();
    let hold = store.hold().unwrap();
    store.remove("app:1", &Uses::default(), false).unwrap();
    assert!(store.list().unwrap().is_empty());
    assert!(image.layers.iter().all(|layer| layer.is_dir()));
    drop(hold);
    assert!(
        store
            .collect(&Uses::default(), Duration::ZERO)
            .unwrap()
            .is_some()
    );
    assert!(!image.layers[0].exists());
}

#[test]
fn what_others_attach_to_an_image_does_not_stop_the_collector() {
    let (_folder, store) = store();
    let [base, _] = layers();
    store
        .import(&base[..], Importing::new(Some("base"), &[]))
        .unwrap();
    let work = Work::new(&store).unwrap();
    let artifact = serde_json::json!({
        "schemaVersion": 2, "mediaType": oci::MANIFEST, "artifactType": "text/x",
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": blob::digest(b"{}"), "size": 2 },
        "layers": [],
    });
    let bytes = artifact.to_string();
    let digest = blob::digest(bytes.as_bytes());
    fs::write(store.blob_path(&digest), &bytes).unwrap();
    fs::write(store.blob_path(&blob::digest(b"{}")), "{}").unwrap();
    store
        .update_index(&work, |index| {
            let mut entry = index.manifests[0].clone();
            entry.digest = digest.clone();
            entry.size = bytes.len() as u64;
            entry.annotations = BTreeMap::new();
            index.manifests.push(entry);
            Ok(())
        })
        .unwrap();
    drop(work);
    assert!(
        store
            .collect(&Uses::default(), Duration::ZERO)
            .unwrap()
            .is_some()
    );
    assert!(store.blob_path(&digest).exists() && store.blob_path(&blob::digest(b"{}")).exists());
    assert!(store.resolve(&name("base")).is_ok());
}

#[test]
fn images_that_share_layers_cost_only_the_difference() {
    let (_folder, store) = store();
    let [base, top] = layers();
    load(
        &store,
        &docker_archive("one:1", std::slice::from_ref(&base)),
    )
    .unwrap();
    let blobs = || {
        fs::read_dir(store.oci.join("blobs/sha256"))
            .unwrap()
            .count()
    };
    let folders = || fs::read_dir(&store.layers).unwrap().count();
    let before = (blobs(), folders());
    let inode = |layer: &[u8]| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(store.layer_path(&blob::digest(layer)))
            .unwrap()
            .ino()
    };
    let shared = inode(&base);
    load(
        &store,
        &docker_archive("two:1", &[base.clone(), top.clone()]),
    )
    .unwrap();
    // The new layer, config and manifest; and one folder.
    assert_eq!((blobs(), folders()), (before.0 + 3, before.1 + 1));
    assert_eq!(inode(&base), shared);
    // Another compression of the same layers is another blob, and no other folder.
    load(&store, &oci_archive("three:1", &[base.clone(), top])).unwrap();
    assert_eq!(folders(), before.1 + 1);
    assert_eq!(inode(&base), shared);
}

#[test]
fn the_collector_waits_for_writers() {
    let (_folder, store) = store();
    let stray = store.blob_path(&blob::digest(b"stray"));
    fs::write(&stray, "stray").unwrap();
    let work = Work::new(&store).unwrap();
    assert!(
        store
            .collect(&Uses::default(), Duration::ZERO)
            .unwrap()
            .is_none()
    );
    assert!(stray.exists());
    drop(work);
    assert!(
        store
            .collect(&Uses::default(), Duration::ZERO)
            .unwrap()
            .is_some()
    );
    assert!(!stray.exists());
}

#[test]
fn what_a_dead_writer_left_is_swept_and_what_a_living_one_has_is_not() {
    let (folder, store) = store();
    let dead = store.work_root().join("dead");
    fs::create_dir_all(dead.join("1/etc")).unwrap();
    fs::write(store.work_root().join("gone-file"), "").unwrap();
    let work = Work::new(&store).unwrap();
    fs::write(work.fresh(), "half a blob").unwrap();
    Store::open(folder.path()).unwrap();
    let left: Vec<_> = fs::read_dir(store.work_root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left, [work.path().to_owned()]);
    assert_eq!(fs::read_dir(work.path()).unwrap().count(), 1);
}

#[test]
fn threads_that_load_at_once_all_succeed() {
    let (folder, store) = store();
    let layers = layers();
    std::thread::scope(|scope| {
        for i in 0..8 {
            let layers = &layers;
            let folder = folder.path();
            scope.spawn(move || {
                let store = Store::open(folder).unwrap();
                load(&store, &docker_archive(&format!("app:{}", i % 4), layers)).unwrap();
                load(&store, &oci_archive("oci:1", layers)).unwrap();
                store.resolve(&name("oci:1x")).unwrap_err();
                store.resolve(&name(&format!("app:{}", i % 4))).unwrap();
            });
        }
    });
    assert_eq!(
        store.list().unwrap()[0].names,
        ["app:0", "app:1", "app:2", "app:3", "oci:1"]
    );
    assert_no_work(&store);
}

#[test]
fn a_layer_whose_folder_is_lost_is_unpacked_again() {
    let (_folder, store) = store();
    let layers = layers();
    load(&store, &oci_archive("app:1", &layers)).unwrap();
    let layer = store.layer_path(&blob::digest(&layers[1]));
    // Whiteouts and folders the archive does not list have the time of their making.
    let untimed = |listing: String| {
        listing
            .lines()
            .map(|line| line[..line.len() - 12].to_owned())
            .collect::<Vec<_>>()
    };
    let before = untimed(listing(&layer));
    fs::remove_dir_all(&layer).unwrap();
    store.resolve(&name("app:1")).unwrap();
    assert_eq!(untimed(listing(&layer)), before);
}

#[test]
fn a_layer_is_measured_once() {
    let (_folder, store) = store();
    let [base, top] = layers();
    load(&store, &docker_archive("app:1", &[base.clone(), top])).unwrap();
    let size = || store.history("app:1").unwrap().last().unwrap().size;
    let (before, sizes) = (size(), store.layers.join(".sizes"));
    assert_eq!((before, fs::read_dir(&sizes).unwrap().count()), (3, 2));
    let layer = store.layer_path(&blob::digest(&base));
    fs::write(layer.join("more"), "more").unwrap();
    assert_eq!(size(), before);
    fs::remove_dir_all(&sizes).unwrap();
    assert_eq!(size(), before + 4);
    store.remove("app:1", &Uses::default(), false).unwrap();
    assert_eq!(fs::read_dir(&sizes).unwrap().count(), 0);
}

/// The marks of layers that the disk may not have.
fn fresh(store: &Store) -> Vec<PathBuf> {
    let marks = store.unsettled().unwrap().into_iter();
    marks.map(|(link, _)| link).collect()
}

#[test]
fn a_layer_that_another_boot_had_not_synced_is_made_again() {
    let (folder, store) = store();
    let [base, top] = layers();
    load(&store, &docker_archive("app:1", &[base.clone(), top])).unwrap();
    let marks = fresh(&store);
    assert_eq!(marks.len(), 2);
    // What a power failure does to files that were not synced.
    let layer = store.layer_path(&blob::digest(&base));
    fs::write(layer.join("etc/a"), "").unwrap();
    for mark in &marks {
        fs::remove_file(mark).unwrap();
        std::os::unix::fs::symlink("00000000-0000-0000-0000-000000000000", mark).unwrap();
    }
    let store = Store::open(folder.path()).unwrap();
    assert!(!layer.exists() && fresh(&store).is_empty());
    store.resolve(&name("app:1")).unwrap();
    assert_eq!(fs::read_to_string(layer.join("etc/a")).unwrap(), "a");
    assert_eq!(fresh(&store).len(), 2);
    assert_no_work(&store);
}

#[test]
fn a_layer_that_was_synced_outlives_a_boot() {
    let (folder, store) = store();
    let [base, top] = layers();
    load(&store, &docker_archive("app:1", &[base, top.clone()])).unwrap();
    let seen = store.unsettled().unwrap();
    // Made anew after the sync began: not known to be on the disk.
    store.mark_fresh(&blob::digest(&top)).unwrap();
    store.settled(&seen).unwrap();
    let left = fresh(&store);
    assert_eq!(left.len(), 1);
    assert!(left[0].ends_with(blob::digest(&top).hex()));
    store.settle().unwrap();
    assert!(fresh(&store).is_empty());
    let image = Store::open(folder.path()).unwrap();
    assert_eq!(image.resolve(&name("app:1")).unwrap().layers.len(), 2);
}

#[test]
fn a_blob_that_rotted_is_an_error() {
    let (_folder, store) = store();
    let layers = layers();
    load(&store, &docker_archive("app:1", &layers)).unwrap();
    fs::write(store.blob_path(&blob::digest(&config(&layers))), "{}").unwrap();
    assert!(matches!(
        store.resolve(&name("app:1")),
        Err(Error::Mismatch { .. })
    ));
}

#[test]
fn layouts_and_archives_are_used_where_they_lie() {
    let (folder, store) = store();
    let layers = layers();
    let archive = folder.path().join("a.tar");
    fs::write(&archive, oci_archive("v1", &layers)).unwrap();
    let layout = folder.path().join("layout");
    fs::create_dir(&layout).unwrap();
    assert!(
        Command::new("tar")
            .arg("-xf")
            .arg(&archive)
            .arg("-C")
            .arg(&layout)
            .status()
            .unwrap()
            .success()
    );
    let by_layout = store
        .resolve(&name(&format!("oci:{}:v1", layout.display())))
        .unwrap();
    assert_eq!(
        store
            .resolve(&name(&format!("oci:{}", layout.display())))
            .unwrap(),
        by_layout
    );
    assert!(
        store
            .resolve(&name(&format!("oci:{}:v2", layout.display())))
            .is_err()
    );
    let reference = name(&format!("oci-archive:{}", archive.display()));
    assert_eq!(store.resolve(&reference).unwrap(), by_layout);
    fs::write(&archive, docker_archive("other:1", &layers[..1])).unwrap();
    let changed = store.resolve(&reference).unwrap();
    assert_ne!(changed.id, by_layout.id);
    assert!(
        store
            .collect(&Uses::default(), Duration::ZERO)
            .unwrap()
            .is_some()
    );
    fs::remove_dir_all(&layout).unwrap();
    assert!(
        by_layout.layers.iter().all(|layer| layer.is_dir()),
        "a running container keeps its layers"
    );
}

#[test]
fn an_unknown_image_says_what_is_like_it() {
    let (_folder, store) = store();
    load(&store, &docker_archive("redis:7", &layers())).unwrap();
    let error = store.resolve(&name("redis:8")).unwrap_err();
    assert_eq!(error.to_string(), "image `redis:8` is not in the store");
    assert!(error.hint().unwrap().contains("`redis:7`"));
    let error = store.resolve(&name("mysql")).unwrap_err();
    assert!(error.hint().unwrap().contains("hoist load -i FILE"));
}

#[test]
fn the_index_keeps_what_others_wrote_into_it() {
    let (_folder, store) = store();
    let [base, _] = layers();
    store
        .import(&base[..], Importing::new(Some("base"), &[]))
        .unwrap();
    // As umoci tags: a bare name, and no annotation of ours.
    let mut index = store.index().unwrap();
    let mut entry = index.manifests[0].clone();
    entry.annotations = BTreeMap::from([(oci::REF_NAME.to_owned(), "bare".to_owned())]);
    index.manifests.push(entry);
    fs::write(store.index_path(), oci::write(&index)).unwrap();
    assert_eq!(store.list().unwrap().len(), 1);
    assert_eq!(
        store.resolve(&name("bare")).unwrap(),
        store.resolve(&name("base")).unwrap()
    );
}

#[test]
fn progress_tells_of_bytes_and_layers() {
    let (_folder, store) = store();
    let archive = docker_archive("app:1", &layers());
    let mut told = Vec::new();
    store
        .load(&archive[..], &mut |progress| told.push(progress))
        .unwrap();
    assert!(
        told.contains(&Progress::Read(archive.len() as u64)),
        "{told:?}"
    );
    assert_eq!(
        told.iter()
            .filter(|progress| matches!(progress, Progress::Layer { .. }))
            .count(),
        2
    );
}

/// A reader that fails after some bytes, like a connection that is cut.
struct Cut<'a>(&'a [u8]);

impl Read for Cut<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::ConnectionReset.into()),
            n => Ok(n),
        }
    }
}

#[test]
fn a_stream_that_is_cut_leaves_nothing() {
    let (_folder, store) = store();
    let archive = docker_archive("app:1", &layers());
    for cut in (0..archive.len()).step_by(997) {
        assert!(
            store.load(Cut(&archive[..cut]), &mut |_| {}).is_err(),
            "cut at {cut}"
        );
    }
    assert_eq!(
        fs::read_dir(store.oci.join("blobs/sha256"))
            .unwrap()
            .count(),
        0
    );
    assert_no_work(&store);
}

#[test]
fn a_thousand_images_are_listed_from_one_file() {
    let (_folder, store) = store();
    load(&store, &docker_archive("app:1", &layers())).unwrap();
    let mut index = store.index().unwrap();
    let entry = index.manifests[0].clone();
    for i in 0..1000 {
        let id = blob::digest(format!("image {i}").as_bytes());
        let mut entry = entry.clone();
        let name = format!("docker.io/library/app:{i}-x");
        entry.annotations.insert(oci::REF_NAME.into(), name);
        entry
            .annotations
            .insert(super::index::ID.into(), id.to_string());
        entry.digest = id;
        index.manifests.push(entry);
    }
    fs::write(store.index_path(), oci::write(&index)).unwrap();
    // None of their blobs is there, so none can be read.
    assert_eq!(store.list().unwrap().len(), 1001);
    let filter = Filter::parse(&["reference=app:99?-x".to_owned()]).unwrap();
    let found = store.filtered(&filter).unwrap();
    assert_eq!(found.len(), 10, "{found:?}");
}

#[test]
fn filters_choose_images_and_names() {
    let (_folder, store) = store();
    let [base, top] = layers();
    load(&store, &docker_archive("old:1", &[base.clone(), top])).unwrap();
    let change = ["LABEL tier=front".to_owned()];
    store
        .import(&base[..], Importing::new(Some("new:1"), &change))
        .unwrap();
    store.tag("new:1", "me/alias:2").unwrap();
    store.import(&base[..], Importing::new(None, &[])).unwrap();
    let names = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        let found = store.filtered(&Filter::parse(&texts).unwrap()).unwrap();
        let mut names: Vec<String> = found
            .into_iter()
            .flat_map(|it| match it.names.is_empty() {
                true => vec!["<none>".to_owned()],
                false => it.names,
            })
            .collect();
        names.sort();
        names.join(" ")
    };
    for (filter, expected) in [
        (&["dangling=true"][..], "<none>"),
        (&["dangling=false"], "me/alias:2 new:1 old:1"),
        (&["label=tier"], "me/alias:2 new:1"),
        (&["label=tier=back"], ""),
        (&["reference=new"], "new:1"),
        (&["reference=*:1"], "new:1 old:1"),
        (&["reference=new", "reference=old:*"], "new:1 old:1"),
        (&["since=old:1", "dangling=false"], "me/alias:2 new:1"),
        (&["before=new:1"], "old:1"),
        (&["until=2025-01-01"], "old:1"),
    ] {
        assert_eq!(names(filter), expected, "{filter:?}");
    }
    assert!(
        store
            .filtered(&Filter::parse(&["before=gone".to_owned()]).unwrap())
            .is_err()
    );
}

#[test]
fn a_prune_takes_what_is_meant_and_not_needed() {
    let (_folder, store) = store();
    let [base, top] = layers();
    store.import(&base[..], Importing::new(None, &[])).unwrap();
    let used = store.import(&top[..], Importing::new(None, &[])).unwrap();
    store
        .import(
            &top[..],
            Importing::new(Some("named"), &["ENV A=b".to_owned()]),
        )
        .unwrap();
    let mut uses = Uses::default();
    uses.add(used.clone(), "p-web-1".into());
    let dangling = |image: &ImageSummary| image.names.is_empty();
    let (removed, freed) = store.prune(&uses, &dangling).unwrap();
    assert_eq!(removed.len(), 1, "{removed:?}");
    assert!(freed > 0);
    assert!(!store.layer_path(&blob::digest(&base)).exists());
    let (removed, _) = store.prune(&uses, &|_| true).unwrap();
    assert_eq!(removed.len(), 2, "{removed:?}");
    let left = store.list().unwrap();
    assert_eq!((left.len(), &left[0].id), (1, &used));
    let usage = store.usage(&uses).unwrap();
    assert_eq!((usage.reclaimable, usage.images[0].containers), (0, 1));
    let usage = store.usage(&Uses::default()).unwrap();
    assert_eq!(usage.reclaimable, usage.total);
}
