//! Volumes come, stay and go.

use super::*;
use std::fs::File;
use std::os::unix::fs::symlink;

fn name(text: &str) -> VolumeName {
    VolumeName::new(text).unwrap()
}

fn bind(device: &Path) -> Request {
    let options = [
        ("type", "none"),
        ("o", "bind"),
        ("device", device.to_str().unwrap()),
    ];
    Request {
        driver_opts: options
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        ..Request::default()
    }
}

#[test]
fn creating_twice_is_creating_once() {
    let root = tempfile::tempdir().unwrap();
    let volumes = Volumes::open(root.path()).unwrap();
    let request = Request {
        labels: BTreeMap::from([("a".into(), "b".into())]),
        project: Some(ProjectName::new("p").unwrap()),
        ..Request::default()
    };
    assert!(volumes.create(&name("v"), &request).unwrap());
    fs::write(volumes.path(&name("v")).join("f"), "data").unwrap();
    assert!(!volumes.create(&name("v"), &Request::default()).unwrap());
    let volume = volumes.get(&name("v")).unwrap();
    assert_eq!(volume.metadata.labels, request.labels);
    assert_eq!(volume.metadata.project, request.project);
    assert_eq!(fs::read_to_string(volume.path.join("f")).unwrap(), "data");
    assert_eq!(volumes.list().unwrap(), [volume]);
}

#[test]
fn threads_that_create_one_volume_make_one() {
    let root = tempfile::tempdir().unwrap();
    let volumes = Volumes::open(root.path()).unwrap();
    let made = std::thread::scope(|scope| {
        let create = || {
            Volumes::open(root.path())
                .unwrap()
                .create(&name("v"), &Request::default())
                .unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
        threads
            .into_iter()
            .map(|thread| usize::from(thread.join().unwrap()))
            .sum::<usize>()
    });
    assert_eq!(made, 1);
    assert_eq!(fs::read_dir(volumes.trash()).unwrap().count(), 0);
}

#[test]
fn removing_takes_the_data_and_nothing_a_link_leads_to() {
    let root = tempfile::tempdir().unwrap();
    let kept = root.path().join("kept");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("f"), "kept").unwrap();
    let volumes = Volumes::open(root.path()).unwrap();
    volumes.create(&name("v"), &Request::default()).unwrap();
    let data = volumes.path(&name("v"));
    symlink(&kept, data.join("link")).unwrap();
    fs::hard_link(kept.join("f"), data.join("hard")).unwrap();
    volumes.remove(&name("v")).unwrap();
    assert!(!volumes.exists(&name("v")));
    assert_eq!(fs::read_to_string(kept.join("f")).unwrap(), "kept");
    assert!(matches!(
        volumes.remove(&name("v")),
        Err(Error::NotFound(_))
    ));
    assert_eq!(fs::read_dir(volumes.trash()).unwrap().count(), 0);
}

#[test]
fn what_a_crash_left_is_swept() {
    let root = tempfile::tempdir().unwrap();
    let volumes = Volumes::open(root.path()).unwrap();
    volumes.create(&name("v"), &Request::default()).unwrap();
    // A removal that died after its rename, and a creation that died before it, an hour ago.
    fs::rename(volumes.folder(&name("v")), volumes.trash().join("gone-1")).unwrap();
    let unfinished = volumes.trash().join("new-1");
    fs::create_dir(&unfinished).unwrap();
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    File::open(&unfinished)
        .unwrap()
        .set_modified(hour_ago)
        .unwrap();
    Volumes::open(root.path()).unwrap();
    assert_eq!(fs::read_dir(volumes.trash()).unwrap().count(), 0);
}

#[test]
fn a_record_cut_short_costs_no_data() {
    let root = tempfile::tempdir().unwrap();
    let volumes = Volumes::open(root.path()).unwrap();
    volumes.create(&name("v"), &Request::default()).unwrap();
    fs::write(volumes.folder(&name("v")).join(METADATA), "").unwrap();
    assert!(!volumes.create(&name("v"), &Request::default()).unwrap());
    assert_eq!(volumes.list().unwrap().len(), 1);
}

#[test]
fn a_bound_volume_is_the_folder_and_removing_it_leaves_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let device = root.path().join("device");
    fs::create_dir(&device).unwrap();
    fs::write(device.join("f"), "kept").unwrap();
    let volumes = Volumes::open(root.path()).unwrap();
    volumes.create(&name("v"), &bind(&device)).unwrap();
    assert_eq!(volumes.path(&name("v")), device);
    assert!(matches!(
        volumes.create(&name("v"), &Request::default()),
        Err(Error::Different { .. })
    ));
    volumes.remove(&name("v")).unwrap();
    assert_eq!(fs::read_to_string(device.join("f")).unwrap(), "kept");
}

#[test]
fn a_file_system_is_kept_and_its_volume_is_another_than_one_without() {
    let root = tempfile::tempdir().unwrap();
    let volumes = Volumes::open(root.path()).unwrap();
    let options = [("type", "nfs"), ("o", "addr=1.2.3.4,ro"), ("device", ":/x")];
    let request = Request {
        driver_opts: options.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        ..Request::default()
    };
    assert!(volumes.create(&name("v"), &request).unwrap());
    assert!(!volumes.create(&name("v"), &request).unwrap());
    assert!(volumes.is_file_system(&name("v")));
    assert!(matches!(
        volumes.create(&name("v"), &Request::default()),
        Err(Error::Different { .. })
    ));
    // Nobody mounted it, so there is nothing to take away.
    volumes.unmount(&name("v")).unwrap();
    volumes.remove(&name("v")).unwrap();
}

#[test]
fn options_that_cannot_be_kept_are_errors() {
    let root = tempfile::tempdir().unwrap();
    let volumes = Volumes::open(root.path()).unwrap();
    for options in [
        &[("type", "tmpfs")][..],
        &[("o", "size=1m"), ("device", "tmpfs")],
        &[("type", "nfs"), ("o", "addr=nas.test"), ("device", ":/x")],
        &[("type", "nfs"), ("o", "bind"), ("device", "/etc")],
        &[("o", "bind")],
        &[("o", "bind"), ("device", "relative")],
        &[("o", "bind"), ("device", "/etc/passwd")],
        &[("o", "bind"), ("device", "/no/such/folder")],
        &[("size", "1G")],
    ] {
        let request = Request {
            driver_opts: options
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            ..Request::default()
        };
        assert!(volumes.create(&name("v"), &request).is_err(), "{options:?}");
    }
    let driver = "nfs".to_owned();
    assert!(
        volumes
            .create(
                &name("v"),
                &Request {
                    driver,
                    ..Request::default()
                }
            )
            .is_err()
    );
    assert!(volumes.list().unwrap().is_empty());
}

#[test]
fn a_record_that_was_lost_is_written_anew_and_a_bound_folder_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let host = tempfile::tempdir().unwrap();
    let volumes = Volumes::open(dir.path()).unwrap();
    let (name, request) = (name("bound"), bind(host.path()));
    assert!(volumes.create(&name, &request).unwrap());
    let record = dir.path().join("volumes/bound/volume.json");
    let whole = fs::read(&record).unwrap();
    for cut in 0..whole.len() {
        fs::write(&record, &whole[..cut]).unwrap();
        // A new container must not find an empty folder in the place of its data.
        assert!(!volumes.create(&name, &request).unwrap(), "{cut}");
        assert_eq!(volumes.path(&name), host.path(), "{cut}");
        assert_eq!(fs::read_dir(record.parent().unwrap()).unwrap().count(), 2);
    }
    // What is in the volume is never given up for a folder elsewhere.
    fs::remove_file(&record).unwrap();
    fs::write(dir.path().join("volumes/bound/_data/file"), "kept").unwrap();
    let refused = volumes.create(&name, &request);
    assert!(
        matches!(refused, Err(Error::Different { .. })),
        "{refused:?}"
    );
}
