//! A load that is killed at any step leaves a store that the next command finds whole.

use hoist::id::ImageRef;
use hoist::image::Store;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const ROOT: &str = "HOIST_TEST_IMAGE_ROOT";

/// Not a test of its own: the process that is killed. Loads its stdin into the store.
#[test]
#[ignore = "run by the tests below"]
fn child_loads_its_stdin() {
    let Some(root) = std::env::var_os(ROOT) else {
        return;
    };
    let store = Store::open(Path::new(&root)).unwrap();
    store.load(std::io::stdin(), &mut |_| {}).unwrap();
}

fn child(root: &Path, prefix: &[&str]) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut words: Vec<_> = prefix.iter().map(std::ffi::OsString::from).collect();
    words.push(this.into_os_string());
    let mut command = Command::new(words.remove(0));
    command
        .args(words)
        .args([
            "--exact",
            "image_kill::child_loads_its_stdin",
            "--ignored",
            "--test-threads=1",
        ])
        .env(ROOT, root)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A docker-archive of one image with one layer of a few files.
fn archive(content: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        r#"
        mkdir t; for i in $(seq 50); do printf '{content}%s' $i > t/$i; done
        tar --sort=name --mtime=@1 -C t -cf layer.tar .
        diff=$(sha256sum layer.tar | cut -d' ' -f1)
        printf '{{"os":"linux","rootfs":{{"type":"layers","diff_ids":["sha256:%s"]}}}}' $diff > config.json
        printf '[{{"Config":"config.json","RepoTags":["app:1"],"Layers":["layer.tar"]}}]' > manifest.json
        tar -cf - layer.tar config.json manifest.json
        "#
    );
    let done = Command::new("sh")
        .args(["-euc", &script])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(done.status.success());
    done.stdout
}

/// The store is whole: what it lists resolves, its layers are complete, and a load brings it to where it should be.
fn assert_heals(root: &Path, archive: &[u8], content: &str) {
    let store = Store::open(root).unwrap();
    assert_eq!(
        fs::read_dir(root.join("layers/.work")).unwrap().count(),
        0,
        "work was not swept"
    );
    for image in store.list().unwrap() {
        let image = store
            .resolve(&ImageRef::new(image.id.hex()).unwrap())
            .unwrap();
        assert_eq!(fs::read_dir(&image.layers[0]).unwrap().count(), 50);
    }
    store.load(archive, &mut |_| {}).unwrap();
    let image = store.resolve(&ImageRef::new("app:1").unwrap()).unwrap();
    for i in 1..=50 {
        let text = fs::read_to_string(image.layers[0].join(i.to_string())).unwrap();
        assert_eq!(text, format!("{content}{i}"));
    }
}

#[test]
fn a_load_killed_while_it_reads_leaves_a_whole_store() {
    let (old, new) = (archive("old"), archive("new"));
    let folder = tempfile::tempdir().unwrap();
    Store::open(folder.path())
        .unwrap()
        .load(&old[..], &mut |_| {})
        .unwrap();
    for cut in [0, 700, new.len() / 3, new.len() - 2048] {
        let mut killed = child(folder.path(), &[]).spawn().unwrap();
        let mut stdin = killed.stdin.take().unwrap();
        stdin.write_all(&new[..cut]).unwrap();
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert_heals(folder.path(), &old, "old");
    }
}

#[test]
fn a_load_killed_at_each_rename_leaves_a_whole_store() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: `strace` is not installed");
        return;
    }
    let (old, new) = (archive("old"), archive("new"));
    let mut kills = 0;
    for step in 1..100 {
        let folder = tempfile::tempdir().unwrap();
        Store::open(folder.path())
            .unwrap()
            .load(&old[..], &mut |_| {})
            .unwrap();
        let inject = format!("inject=rename,renameat,renameat2:signal=KILL:when={step}");
        let trace = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=rename,renameat,renameat2",
            "-e",
            &inject,
        ];
        let mut killed = child(folder.path(), &trace).spawn().unwrap();
        let mut stdin = killed.stdin.take().unwrap();
        // The child may die before it has read everything.
        let _ = stdin.write_all(&new);
        drop(stdin);
        if killed.wait().unwrap().success() {
            break;
        }
        kills += 1;
        assert_heals(folder.path(), &new, "new");
    }
    assert!(
        kills >= 4,
        "blobs, layer and index are renamed, but only {kills} loads were killed"
    );
}
