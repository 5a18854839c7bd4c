//! Many processes, and processes that die: every byte is fetched once.

use super::assert_sound;
use super::fake::{Answer, Fake};
use super::images::{self, Layer, noise};
use hoist::image::Store;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `hoist pull -q` of an image of the fake.
fn words(fake: &Fake, image: &str) -> [String; 4] {
    let image = format!("{}/{image}", fake.host());
    let hoist = env!("CARGO_BIN_EXE_hoist");
    [hoist.to_owned(), "pull".to_owned(), "-q".to_owned(), image]
}

/// The same, into a store.
fn command(fake: &Fake, root: &Path, image: &str) -> Child {
    let words = words(fake, image);
    Command::new(&words[0])
        .args(&words[1..])
        .env_clear()
        .env("HOIST_ROOT", root)
        .env("HOME", root)
        .current_dir(root)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[track_caller]
fn ends_well(child: Child) {
    let done = child.wait_with_output().unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn twenty_processes_with_overlapping_images_fetch_each_blob_once() {
    let fake = Fake::start();
    let layers: Vec<Layer> = (0..6)
        .map(|n| images::layer(&format!("file{n}"), &noise(n, 200_000)))
        .collect();
    // image n has three neighbouring layers, so that each is wanted by several
    for n in 0..5usize {
        let own: Vec<Layer> = (0..3).map(|k| layers[(n + k) % 6].clone()).collect();
        images::publish(&fake, &format!("app{n}"), "1", &own);
    }
    // slow enough that they meet
    fake.behave(|seen, _| {
        seen.is_blob()
            .then_some(Answer::Drip(50_000, Duration::from_millis(20)))
    });
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<Child> = (0..20)
        .map(|n| command(&fake, folder.path(), &format!("app{}:1", n % 5)))
        .collect();
    children.into_iter().for_each(ends_well);
    for layer in &layers {
        let sent = fake.sent(&layer.digest);
        assert_eq!(sent, layer.bytes.len() as u64, "{}", layer.digest);
    }
    assert_sound(folder.path());
    assert_eq!(Store::open(folder.path()).unwrap().list().unwrap().len(), 5);
}

#[test]
fn a_second_service_that_shares_layers_costs_only_the_difference() {
    let fake = Fake::start();
    let layers: Vec<Layer> = (0..4)
        .map(|n| images::layer(&format!("file{n}"), &noise(n, 1_000_000)))
        .collect();
    images::publish(&fake, "web", "1", &layers[..3]);
    images::publish(&fake, "worker", "1", &[&layers[..2], &layers[3..]].concat());
    let folder = tempfile::tempdir().unwrap();
    let compose = |services: &[&str]| {
        let line = |name: &&str| format!("  {name}: {{image: '{}/{name}:1'}}\n", fake.host());
        let lines: String = services.iter().map(line).collect();
        std::fs::write(
            folder.path().join("compose.yaml"),
            format!("services:\n{lines}"),
        )
        .unwrap();
    };
    let disk = || {
        Store::open(&folder.path().join("root"))
            .unwrap()
            .usage(&Default::default())
    };
    compose(&["web"]);
    super::hoist(folder.path(), &["pull"]);
    let (before, sent) = (disk().unwrap(), fake.sent_at_all());
    compose(&["web", "worker"]);
    super::hoist(folder.path(), &["pull"]);
    let small = 4096;
    let more = fake.sent_at_all() - sent;
    let own = layers[3].bytes.len() as u64;
    assert!(
        more >= own && more < own + small,
        "{more} bytes came for a layer of {own}"
    );
    let grown = disk().unwrap().total - before.total;
    let (least, most) = (own + 1_000_000, own + 1_000_000 + small);
    assert!((least..most).contains(&grown), "the store grew by {grown}");
}

#[test]
fn a_pull_killed_at_any_moment_is_completed_from_what_was_there() {
    let fake = Fake::start();
    let layers: Vec<Layer> = (0..3)
        .map(|n| images::layer(&format!("file{n}"), &noise(n, 3_000_000)))
        .collect();
    images::publish(&fake, "app", "1", &layers);
    let all: u64 = layers.iter().map(|it| it.bytes.len() as u64).sum();
    let folder = tempfile::tempdir().unwrap();
    let drip = |seen: &super::fake::Seen, _| {
        seen.is_blob()
            .then_some(Answer::Drip(20_000, Duration::from_millis(1)))
    };
    fake.behave(drip);
    let kills = 6;
    for n in 1..=kills {
        let mut child = command(&fake, folder.path(), "app:1");
        let goal = all * n / (kills + 1);
        let deadline = Instant::now() + Duration::from_secs(30);
        while fake.sent_at_all() < goal && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert!(store.list().unwrap().is_empty(), "it is not complete");
        assert_sound(folder.path());
    }
    ends_well(command(&fake, folder.path(), "app:1"));
    assert_sound(folder.path());
    assert_eq!(Store::open(folder.path()).unwrap().list().unwrap().len(), 1);
    // What was on the wire when a process died comes again, a little for each layer and kill.
    let again: u64 = layers.iter().map(|it| fake.sent(&it.digest)).sum::<u64>() - all;
    assert!(again < all / 3, "{again} of {all} bytes came twice");
}

/// An image of three small layers, and what a store is to be like after a pull of it was killed: what is there is whole,
/// and the next pull brings the rest.
fn small(fake: &Fake) {
    let layers: Vec<Layer> = (0..3)
        .map(|n| images::layer(&format!("file{n}"), &noise(n, 300_000)))
        .collect();
    images::publish(fake, "app", "1", &layers);
}

#[track_caller]
fn assert_completes(fake: &Fake, root: &Path) {
    assert_sound(root);
    ends_well(command(fake, root, "app:1"));
    assert_sound(root);
    assert_eq!(Store::open(root).unwrap().list().unwrap().len(), 1);
}

#[test]
fn a_pull_killed_at_each_step_that_shows_on_disk_leaves_a_whole_store() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: `strace` is not installed");
        return;
    }
    let fake = Fake::start();
    small(&fake);
    let calls = "rename,symlink,fdatasync,fsync,mkdir,unlink";
    let mut kills = 0;
    for step in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let pull = words(&fake, "app:1");
        let done = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e"])
            .arg(format!("trace={calls}"))
            .args(["-e", &format!("inject={calls}:signal=KILL:when={step}")])
            .args(pull)
            .env("HOIST_ROOT", folder.path())
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        if done.success() {
            break;
        }
        kills += 1;
        assert_completes(&fake, folder.path());
    }
    // strace counts each thread by itself; a layer's does: link, its name, the blob's sync, its name, the layer's name
    assert!(kills >= 8, "only {kills} pulls were killed");
}

#[test]
fn a_pull_killed_at_random_leaves_a_whole_store() {
    let fake = Fake::start();
    small(&fake);
    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    ends_well(command(&fake, folder.path(), "app:1"));
    let whole = begun.elapsed();
    for n in 0..24 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = command(&fake, folder.path(), "app:1");
        // Any instant will do; these are spread evenly and unevenly.
        std::thread::sleep(whole.mul_f64(f64::from(noise(n, 1)[0]) / 255.0));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_completes(&fake, folder.path());
    }
}

#[test]
fn what_a_crash_of_the_machine_left_is_not_trusted() {
    let fake = Fake::start();
    let layer = images::layer("file", &noise(1, 300_000));
    images::publish(&fake, "app", "1", std::slice::from_ref(&layer));
    let folder = tempfile::tempdir().unwrap();
    Store::open(folder.path()).unwrap();
    let partial = folder.path().join("layers/.partial");
    std::fs::create_dir(&partial).unwrap();
    let hex = layer.digest.strip_prefix("sha256:").unwrap();
    for left in [vec![0; 100_000], vec![1; 400_000]] {
        std::fs::write(partial.join(hex), left).unwrap();
        ends_well(command(&fake, folder.path(), "app:1"));
        assert_sound(folder.path());
        let store = Store::open(folder.path()).unwrap();
        store
            .remove(&format!("{}/app:1", fake.host()), &Default::default(), true)
            .unwrap();
    }
}

#[test]
fn a_bomb_fills_no_disk() {
    // 2 GiB of zeros in 2 MiB, into a store of 64 MiB
    let fake = Fake::start();
    let mut archive = images::tar("bomb", b"");
    archive.truncate(0);
    let mut header = tar::Header::new_gnu();
    header.set_path("bomb").unwrap();
    header.set_size(2 << 30);
    header.set_mode(0o644);
    header.set_cksum();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..2048 {
        std::io::Write::write_all(&mut encoder, &zeros).unwrap();
    }
    let bytes = encoder.finish().unwrap();
    let layer = Layer {
        digest: images::digest(&bytes),
        diff_id: images::digest(b""),
        bytes,
    };
    images::publish(&fake, "app", "1", &[layer]);
    let folder = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=128m none "$1" && cd "$1" && HOIST_ROOT="$1/root" HOME="$1" "$2" pull -q "$3"
        code=$?; [ -z "$(ls -A "$1/root/oci/blobs/sha256" | head -c1)" ] || exit 9; du -sm "$1" | cut -f1 >&2; exit $code"#;
    let done = Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(env!("CARGO_BIN_EXE_hoist"))
        .arg(format!("{}/app:1", fake.host()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{text}");
    assert!(
        text.contains("more than") && text.contains("bytes"),
        "{text}"
    );
}
