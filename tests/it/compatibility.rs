//! `docs/compatibility.md` is the schema's table as a page: it cannot say anything else than what `up` does.
//!
//! `docs/diagnostics.md` is the table of codes in the same way.
//!
//! `HOIST_BLESS=1 cargo test --test it compatibility` writes it anew.

use hoist::compose::codes::CODES;
use hoist::compose::schema::{self, State};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const HEAD: &str = "# Compatibility\n\nEvery attribute of the Compose specification, and what becomes of it. This page is made from the table that `hoist` \
                    itself works with\n(`src/compose/schema`); a test fails if the two differ. *Rows* names the tables of `tests/attributes` that look at \
                    the attribute from\ninside a container; a test fails if none does. *Same* are those where docker compose showed the same for the same file\n\
                    (`tests/attributes/run --engine 'docker compose' --image IMAGE --record docker.results TABLE…`).\n\n| | |\n|---|---|\n| works | it does what the specification says |\n| works in part | the \
                    note says which |\n| accepted | it means nothing on one Linux host: kept, with a warning |\n| rejected | `config` prints it, `up` \
                    refuses it with an error that names it |\n\n| attribute | state | note | rows | docker |\n|---|---|---|---|---|\n";

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The attributes that the tables name, each with the names of the tables.
fn tested() -> BTreeMap<String, BTreeSet<String>> {
    let folder = fs::read_dir(repository("tests/attributes")).expect("the repository has it");
    let tables = folder.map(|entry| entry.expect("it is readable").path());
    let tables = tables.filter(|path| path.extension().is_some_and(|e| e == "txt"));
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for table in tables {
        let text = fs::read_to_string(&table).expect("tables are UTF-8");
        let name = table.file_stem().expect("it has a name").to_string_lossy();
        let heads = text.lines().filter_map(|line| line.strip_prefix("== "));
        let heads = heads.filter_map(|line| line.split_once(": "));
        for attribute in heads.flat_map(|(all, _)| all.split(", ")) {
            let tables = names.entry(attribute.to_owned()).or_default();
            tables.insert(name.clone().into_owned());
        }
    }
    names
}

/// The attributes of the rows in which docker compose showed the same.
fn same_with_docker() -> BTreeSet<String> {
    let text = fs::read_to_string(repository("tests/attributes/docker.results"));
    let text = text.expect("the repository has it");
    let rows = text.lines().filter_map(|line| line.strip_prefix("ok "));
    let heads = rows.filter_map(|row| row.trim_start().split_once(": "));
    heads
        .flat_map(|(all, _)| all.split(", ").map(str::to_owned))
        .collect()
}

fn word(state: State) -> &'static str {
    match state {
        State::Honoured => "works",
        State::Partly => "works in part",
        State::Accepted => "accepted",
        State::Rejected => "rejected",
    }
}

fn page() -> String {
    let (tested, same) = (tested(), same_with_docker());
    let mut page = HEAD.to_owned();
    // What is below something without effect has none, either.
    let mut above: Option<(String, State)> = None;
    schema::each(&mut |path, row| {
        let below = |(parent, _): &(String, State)| path.starts_with(&format!("{parent}."));
        above = above.take().filter(below);
        let state = above.as_ref().map_or(row.state, |(_, state)| *state);
        if above.is_none() && matches!(row.state, State::Accepted | State::Rejected) {
            above = Some((path.to_owned(), row.state));
        }
        let tables: Vec<&str> = (tested.get(path).into_iter().flatten())
            .map(String::as_str)
            .collect();
        let tables = tables.join(" ");
        let docker = if same.contains(path) { "same" } else { "" };
        let (state, note) = (word(state), row.note);
        let _ = writeln!(
            page,
            "| `{path}` | {state} | {note} | {tables} | {docker} |"
        );
    });
    page + COMMANDS_HEAD + &exceptions()
}

const COMMANDS_HEAD: &str = "\n## Commands and flags\n\nEvery command and flag of docker compose v5.5 is here (`tests/fixtures/cli/compose.txt` lists \
                             them, and a test walks them), with docker's\nmeaning and a test that types it, but for these.\n\n| command, flag | why \
                             not |\n|---|---|\n";

/// What of the command line is not as docker's.
fn exceptions() -> String {
    let lines = include_str!("../fixtures/cli/exceptions.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(": "));
    pairs
        .map(|(name, why)| format!("| `{name}` | {why} |\n"))
        .collect()
}

const CODES_HEAD: &str = "# Diagnostics\n\nEvery problem of a compose file has a code that stays what it is; words and hints may become better. It stands in \
                          brackets\n(`error[unknown-attribute]: …`) and as `code` in the JSON lines of `hoist config --format json`, which has a problem a line, \
                          with\n`severity`, `message`, `file`, `range` (as in the Language Server Protocol: lines and UTF-16 columns from 0), `hint`, `service` and\n\
                          `relatedInformation`. This page is made from the table in `src/compose/codes.rs`; a test fails if the two differ.\n\n\
                          | code | what it means |\n|---|---|\n";

fn codes() -> String {
    let row = |(code, meaning): &(&str, &str)| format!("| `{code}` | {meaning} |\n");
    CODES_HEAD.to_owned() + &CODES.iter().map(row).collect::<String>()
}

fn holds(path: &str, text: &str) {
    let file = repository(path);
    if std::env::var_os("HOIST_BLESS").is_some() {
        fs::write(&file, text).expect("the repository is writable");
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == text,
        "{path} is stale: run `HOIST_BLESS=1 cargo test --test it compatibility`"
    );
}

#[test]
fn the_page_says_what_the_table_says() {
    holds("docs/compatibility.md", &page());
}

#[test]
fn the_page_of_codes_says_what_their_table_says() {
    holds("docs/diagnostics.md", &codes());
}

#[test]
fn every_attribute_that_a_row_names_exists() {
    let mut known = BTreeSet::new();
    schema::each(&mut |path, _| {
        known.insert(path.to_owned());
    });
    let tested: BTreeSet<String> = tested().into_keys().collect();
    let unknown: Vec<_> = tested.difference(&known).collect();
    assert_eq!(unknown, Vec::<&String>::new());
}

#[test]
fn every_attribute_has_a_row() {
    let tested = tested();
    let mut untested = Vec::new();
    schema::each(&mut |path, _| {
        if !tested.contains_key(path) {
            untested.push(path.to_owned());
        }
    });
    assert_eq!(untested, Vec::<String>::new());
}
