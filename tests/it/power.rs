//! Power loss: a state file that was cut anywhere, emptied, zeroed or lost is recovered, or named. Data stays.

use crate::world::World;
use std::fs;
use std::path::{Path, PathBuf};

const COMPOSE: &str = "services:\n  a:\n    image: host\n    stop_grace_period: 0s\n    volumes: ['precious:/data']\n    \
    command: [sh, -c, 'test -s /data/file || echo kept > /data/file; exec sleep 1000']\nvolumes: {precious: {}}\n";

/// Cuts of a longer file, spread evenly; beside these, around each line end.
const CUTS: usize = 5;

/// What can have become of a file.
fn ruins(whole: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
    let length = whole.len();
    let mut cuts: Vec<usize> = (0..CUTS).map(|part| part * length / CUTS).collect();
    let ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    cuts.extend(
        ends.map(|(at, _)| at)
            .flat_map(|at| [at, at + 1])
            .take(2 * CUTS),
    );
    cuts.retain(|cut| *cut < length);
    cuts.sort_unstable();
    cuts.dedup();
    let cut = |at: usize| {
        (
            format!("its first {at} of {length} bytes"),
            Some(whole[..at].to_vec()),
        )
    };
    let mut all: Vec<_> = cuts.into_iter().map(cut).collect();
    all.push(("zeroes".to_owned(), Some(vec![0; length])));
    let half = [&whole[..length / 2], &vec![0; length - length / 2][..]].concat();
    all.push(("half of it zeroes".to_owned(), Some(half)));
    all.push(("nothing: it is lost".to_owned(), None));
    all
}

/// The files that say how things stand, below the state root; not images' content, data and logs.
fn state_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().into_string().unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir()
            && !matches!(
                name.as_str(),
                "blobs" | "layers" | "bottom" | "host" | "upper" | "work" | "log" | "_data"
            )
        {
            state_files(&path, found);
        } else if kind.is_file() && entry.metadata().unwrap().len() > 0 {
            found.push(path);
        }
    }
}

fn settled(world: &World) {
    world.until("the supervisor has ended", || world.processes().is_empty());
}

/// What is in the volume.
fn precious(world: &World) -> String {
    let script = "cat \"$HOIST_ROOT\"/volumes/*precious*/_data/file";
    world.run(&["sh", "-c", script]).stdout
}

#[test]
fn a_cut_state_file_is_recovered_or_named() {
    let world = World::new("power");
    world.write("compose.yaml", COMPOSE);
    world.hoist(&["up", "-d"]).ok();
    world.until("the data is there", || precious(&world) == "kept\n");
    world.hoist(&["stop"]).ok();
    settled(&world);
    let (state, backup) = (world.state(), world.project().join("backup"));
    let copy = |from: &Path, to: &Path| {
        let (from, to) = (from.display(), to.display());
        let script = format!("rm -rf {to} && cp -a {from} {to}");
        world.run(&["sh", "-c", &script]).ok();
    };
    copy(&state, &backup);
    let mut files = Vec::new();
    state_files(&state, &mut files);
    assert!(files.iter().any(|f| f.ends_with("ledger")), "{files:?}");
    let mut count = 0;
    for file in &files {
        for (what, ruin) in ruins(&fs::read(file).unwrap()) {
            match ruin {
                Some(bytes) => fs::write(file, bytes).unwrap(),
                None => fs::remove_file(file).unwrap(),
            }
            let name = file.file_name().unwrap().to_str().unwrap();
            for words in [
                &["ps", "-a"][..],
                &["up", "-d"],
                &["down", "--remove-orphans"],
            ] {
                let output = world.hoist(words);
                let named = output.stderr.contains(name);
                assert!(
                    output.code == 0 || named,
                    "`{}` with {what} left of `{}`: {output:?}",
                    words.join(" "),
                    file.display()
                );
            }
            settled(&world);
            assert_eq!(
                precious(&world),
                "kept\n",
                "{what} left of `{}`",
                file.display()
            );
            world.run(&["sh", "-c", "rm -rf /run/hoist"]).ok();
            copy(&backup, &state);
            count += 1;
        }
    }
    println!("{count} ruins of {} files: {files:?}", files.len());
    world.hoist(&["up", "-d"]).ok();
    world.hoist(&["down", "-v"]).ok();
}

/// An error with all its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Reads what a state root says by the library, as every command does; what it cannot read it names.
fn read_all(root: &Path) -> Result<(), String> {
    use hoist::image::Store;
    use hoist::state::ledger;
    use hoist::volumes::named::Volumes;
    use serde::de::IgnoredAny;
    let images = Store::open(root).and_then(|store| {
        store.list()?;
        store.resolve(&"tiny:latest".parse().expect("a name"))?;
        store.resolve(&"host".parse().expect("a name"))
    });
    images.map_err(|e| told(&e))?;
    let volumes = Volumes::open(root).and_then(|volumes| volumes.list());
    let volumes = volumes.map_err(|e| told(&e))?;
    assert_eq!(
        volumes.len(),
        1,
        "a volume is what it is without its record"
    );
    let ledger = root.join("projects/project/ledger");
    ledger::read::<IgnoredAny, IgnoredAny>(&ledger).map_err(|e| told(&e))?;
    Ok(())
}

/// A project at rest, an image in the store.
fn at_rest(world: &World) {
    let image = "mkdir tiny && echo x > tiny/file && tar -C tiny -cf tiny.tar . && \
                 \"$HOIST\" import tiny.tar tiny:latest";
    let image = image.replace("\"$HOIST\"", env!("CARGO_BIN_EXE_hoist"));
    world.run(&["sh", "-c", &image]).ok();
    world.write("compose.yaml", COMPOSE);
    world.hoist(&["up", "-d"]).ok();
    world.hoist(&["stop"]).ok();
    settled(world);
}

#[test]
fn every_prefix_of_every_state_file_is_read_or_named() {
    let world = World::new("power");
    at_rest(&world);
    let root = world.state();
    read_all(&root).unwrap();
    let mut files = Vec::new();
    state_files(&root, &mut files);
    // What blobs say of images is state as well.
    let blobs = fs::read_dir(root.join("oci/blobs/sha256")).unwrap();
    let small = |path: &PathBuf| fs::metadata(path).unwrap().len() < 4096;
    files.extend(blobs.map(|entry| entry.unwrap().path()).filter(small));
    let mut count = 0;
    for file in &files {
        let whole = fs::read(file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        for cut in 0..whole.len() {
            fs::write(file, &whole[..cut]).unwrap();
            if let Err(text) = read_all(&root) {
                let place = file.display();
                assert!(
                    text.contains(name),
                    "the first {cut} bytes of `{place}`: {text}"
                );
            }
            count += 1;
        }
        fs::write(file, &whole).unwrap();
    }
    println!("{count} prefixes of {} files", files.len());
    assert!(files.len() >= 6, "{files:?}");
    read_all(&root).unwrap();
    world.hoist(&["down", "-v"]).ok();
    world.hoist(&["rmi", "tiny"]).ok();
}

/// What the state files below a folder hold, by their place in it.
fn contents(root: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut files = Vec::new();
    state_files(root, &mut files);
    let inside = |path: &PathBuf| path.strip_prefix(root).unwrap().to_owned();
    files
        .iter()
        .map(|f| (inside(f), fs::read(f).unwrap()))
        .collect()
}

/// Files reach the disk in any order: between two moments, each may be the old or the new one whatever the others are.
#[test]
fn reordered_renames_are_recovered_or_named() {
    let world = World::new("power");
    let state = world.state();
    let copy = |from: &Path, to: &Path| {
        let (from, to) = (from.display(), to.display());
        let script = format!("rm -rf {to} && cp -a {from} {to}");
        world.run(&["sh", "-c", &script]).ok();
    };
    let mut moments = Vec::new();
    let mut keep = || {
        let gone = state.join("projects/project/gone");
        world.until("what was removed is gone", || !gone.exists());
        let moment = world.project().join(format!("moment{}", moments.len()));
        copy(&state, &moment);
        moments.push(moment);
    };
    at_rest(&world);
    keep();
    world.hoist(&["start"]).ok();
    keep();
    let changed = COMPOSE.replace("    stop_grace", "    labels: {v: '2'}\n    stop_grace");
    world.write("compose.yaml", &changed);
    world.hoist(&["up", "-d"]).ok();
    keep();
    world.hoist(&["stop"]).ok();
    settled(&world);
    keep();
    world.hoist(&["down"]).ok();
    settled(&world);
    keep();
    let mut count = 0;
    for pair in moments.windows(2) {
        let both = [contents(&pair[0]), contents(&pair[1])];
        let names: std::collections::BTreeSet<_> = both.iter().flat_map(|m| m.keys()).collect();
        for name in names {
            if both[0].get(name) == both[1].get(name) {
                continue;
            }
            for (whole, other) in [(0, 1), (1, 0)] {
                copy(&pair[whole], &state);
                let place = state.join(name);
                match both[other].get(name) {
                    Some(bytes) if place.parent().is_some_and(Path::exists) => {
                        fs::write(&place, bytes).unwrap();
                    }
                    Some(_) => continue,
                    None => fs::remove_file(&place).unwrap(),
                }
                let what = format!(
                    "{} of moment {other} in {}",
                    name.display(),
                    pair[whole].display()
                );
                for words in [
                    &["ps", "-a"][..],
                    &["up", "-d"],
                    &["down", "--remove-orphans"],
                ] {
                    let output = world.hoist(words);
                    let file = name.file_name().unwrap().to_str().unwrap();
                    let named = output.stderr.contains(file);
                    assert!(output.code == 0 || named, "{words:?}: {what}: {output:?}");
                }
                settled(&world);
                let cat = "cat \"$HOIST_ROOT\"/volumes/*precious*/_data/file";
                assert_eq!(world.run(&["sh", "-c", cat]).stdout, "kept\n", "{what}");
                let left = world.run(&["sh", "-c", "ls \"$HOIST_ROOT\"/projects 2>/dev/null"]);
                assert_eq!(left.stdout, "", "{what}");
                world.run(&["sh", "-c", "rm -rf /run/hoist"]).ok();
                count += 1;
            }
        }
    }
    println!("{count} orders");
    assert!(count >= 6);
    copy(&moments[3], &state);
    world.hoist(&["up", "-d"]).ok();
    world.hoist(&["down", "-v"]).ok();
    world.hoist(&["rmi", "tiny"]).ok();
}
