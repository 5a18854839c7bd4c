//! Scenarios: what a user types, and what is there then. `tests/scenarios/*.txt` hold them, one file a test here.
//!
//! ```text
//! == what it shows
//! | services: {a: {SLEEP, scale: 2}}     lines of compose.yaml; SLEEP, BASE and SLOW stand for what services need
//! $ up -d                               a command; it must succeed
//! = 1                                   … or end with this code
//! out TEXT / err TEXT                   its output has this; `!out`, `!err`: it has not
//! a-1 up new                            a container: state, and what became of it since the command before
//! ~ a-1 exit 3                          soon
//! & up                                  begun in the background; `wait 0` waits for its end
//! % printf X=1 > .env                   a shell command in the project folder
//! ! docker: reason                      docker compose is known to differ, and why that is so
//! ```
//!
//! States: `up created restarting exit N healthy unhealthy starting gone`. Becoming: `new` (another container than before),
//! `same`, `untouched` (same, and its process too), `restarted` (same, another process).
//!
//! The same files are run against another command by `tests/scenarios/against COMMAND…`.

mod parse;
mod run;

use crate::world::World;
use run::{Foreign, Outcome, Subject};
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/scenarios")
        .join(name)
}

/// Runs all scenarios of a file in one box and tells every one that is not as it says.
fn hold(name: &str) {
    let world = World::new("scenario");
    let only = std::env::var("HOIST_SCENARIO").ok();
    let mut wrong = Vec::new();
    for scenario in parse::file(&file(name)) {
        if only
            .as_ref()
            .is_some_and(|only| !scenario.title.contains(only.as_str()))
        {
            continue;
        }
        if let Outcome::Wrong(text) = run::scenario(&Subject::Hoist(&world), &scenario) {
            wrong.push(text);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

macro_rules! files {
    ($($name:ident)*) => {
        $(#[test] fn $name() { hold(concat!(stringify!($name), ".txt")); })*
        const FILES: &[&str] = &[$(concat!(stringify!($name), ".txt")),*];
    };
}

files! { every recreate scale order stop health restart attached flags volumes networks logs errors }

#[test]
fn every_file_of_scenarios_is_run_and_they_are_many() {
    let mut found: Vec<String> = std::fs::read_dir(file(""))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.ends_with(".txt"))
        .collect();
    found.sort();
    let mut known: Vec<_> = FILES.iter().map(|name| (*name).to_owned()).collect();
    known.sort();
    assert_eq!(found, known);
    let count: usize = FILES
        .iter()
        .map(|name| parse::file(&file(name)).len())
        .sum();
    assert!(count >= 120, "{count} scenarios");
}

/// What another program does in the same scenarios; started by `tests/scenarios/against`.
#[test]
#[ignore = "needs another command, and what it needs"]
fn against_another_command() {
    let command = std::env::var("HOIST_SCENARIO_COMMAND").expect("tests/scenarios/against sets it");
    let image = std::env::var("HOIST_SCENARIO_IMAGE").expect("an image with a shell");
    let only = std::env::var("HOIST_SCENARIO").unwrap_or_default();
    let (mut agree, mut excused, mut differ) = (0, Vec::new(), Vec::new());
    for name in FILES {
        for scenario in parse::file(&file(name))
            .iter()
            .filter(|s| s.title.contains(&only))
        {
            let foreign = Foreign::new(&command, &image);
            match (
                run::scenario(&Subject::Foreign(&foreign), scenario),
                &scenario.excuse,
            ) {
                (Outcome::Right, _) => agree += 1,
                (Outcome::Wrong(_), Some(reason)) => {
                    excused.push(format!("{}: {reason}", scenario.title))
                }
                (Outcome::Wrong(text), None) => {
                    println!("{text}\n");
                    differ.push(scenario.title.clone());
                }
            }
        }
    }
    println!(
        "{agree} agree, {} differ for a reason, {} differ",
        excused.len(),
        differ.len()
    );
    println!("for a reason:\n  {}", excused.join("\n  "));
    assert!(differ.is_empty(), "differ:\n  {}", differ.join("\n  "));
}
