//! Every attribute takes effect: the tables of `tests/attributes`, each in a box of its own.
//!
//! A row that cannot run on this machine is told on standard error, where the test harness lets it through.

use crate::world::{World, patience};
use std::io::Write;

/// Holds a table against hoist; fails with the rows that differ.
fn table(name: &str) {
    let mut world = World::new(&format!("rows-{name}"));
    world.set_env("PATIENCE", &patience().as_secs().to_string());
    world.copy("tests/attributes");
    world.set_env("VERBOSE", "1");
    let table = format!("{name}.txt");
    let words = [
        "perl",
        "run",
        "--engine",
        env!("CARGO_BIN_EXE_hoist"),
        &table,
    ];
    let running = world.spawn(&words);
    let mut said = Vec::new();
    while let Some(line) = running.line() {
        if line.starts_with("skipped") {
            writeln!(std::io::stderr(), "attributes, {table}: {line}").ok();
        }
        said.push(line);
    }
    let output = running.wait();
    assert_eq!(output.code, 0, "{}\n{}", said.join("\n"), output.stderr);
    world.assert_no_trace();
}

#[test]
fn what_runs_and_as_whom() {
    table("process");
}

#[test]
fn how_much_of_the_machine() {
    table("limits");
}

#[test]
fn what_it_may_do_and_see() {
    table("isolation");
}

#[test]
fn names_and_packets() {
    table("network");
}

#[test]
fn data() {
    table("storage");
}

#[test]
fn starts_ends_and_restarts() {
    table("life");
}

#[test]
fn files_become_services() {
    table("language");
}

#[test]
fn updates_and_what_runs_before() {
    table("updates");
}

#[test]
fn every_table_has_a_test() {
    let tables = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/attributes"));
    let names = tables
        .expect("the repository has them")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    for name in names.filter_map(|name| name.strip_suffix(".txt").map(str::to_owned)) {
        let call = format!("table(\"{name}\")");
        assert!(include_str!("attributes.rs").contains(&call), "{name}");
    }
}
