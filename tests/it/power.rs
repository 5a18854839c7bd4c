//! Power loss: a state file that was cut anywhere, emptied, zeroed or lost is recovered, or named. Data stays.

use crate::world::World;
use std::fs;
use std::path::{Path, PathBuf};

const COMPOSE: &str = "services:\n  a:\n    image: host\n    stop_grace_period: 0s\n    volumes: ['precious:/data']\n    \
    command: [sh, -c, 'echo kept > /data/file; exec sleep 1000']\nvolumes: {precious: {}}\n";

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

#[test]
fn a_cut_state_file_is_recovered_or_named() {
    let world = World::new("power");
    world.write("compose.yaml", COMPOSE);
    world.hoist(&["up", "-d"]).ok();
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
            let kept = world.run(&[
                "sh",
                "-c",
                "cat \"$HOIST_ROOT\"/volumes/*precious*/_data/file",
            ]);
            assert_eq!(kept.stdout, "kept\n", "{what} left of `{}`", file.display());
            world.run(&["sh", "-c", "rm -rf /run/hoist"]).ok();
            copy(&backup, &state);
            count += 1;
        }
    }
    println!("{count} ruins of {} files: {files:?}", files.len());
    world.hoist(&["up", "-d"]).ok();
    world.hoist(&["down", "-v"]).ok();
}
