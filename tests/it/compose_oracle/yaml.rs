//! The YAML that `config` prints, letter by letter: order of keys, indentation, quotes, blocks.
//!
//! `expected/yaml/config.json` holds what docker compose prints for each case that is asked nothing else. In
//! `differences.md`, `yaml:NAME` is a case whose text differs though the project does not.

use super::answer;
use super::case;
use super::case::Case;
use super::each;
use super::names;
use super::oracle;
use serde_json::Map;
use serde_json::Value;
use std::path::PathBuf;

fn file() -> PathBuf {
    case::folder().join("expected/yaml/config.json")
}

/// The cases that load, but for those that are read differently.
fn cases() -> Vec<Case> {
    let different = names("differences.md");
    let mut cases = case::all();
    cases
        .retain(|case| case.arguments.is_empty() && !case.fails && !different.contains(&case.name));
    cases
}

fn expected() -> Map<String, Value> {
    let text = std::fs::read_to_string(file()).unwrap_or_else(|_| "{}".to_owned());
    serde_json::from_str(&text).unwrap()
}

fn theirs(case: &Case, oracle: &std::path::Path, root: &std::path::Path) -> Value {
    let asked = Case {
        arguments: vec!["config".to_owned()],
        ..case.clone()
    };
    asked.theirs(oracle, &case.write(root))
}

#[test]
fn the_yaml_of_every_case_is_that_of_docker_compose_letter_by_letter() {
    let root = tempfile::tempdir().unwrap();
    let expected = expected();
    let mut different = names("differences.md");
    different.retain(|name| name.starts_with("yaml:"));
    let mut wrong = Vec::new();
    let cases = cases();
    for (case, ours) in each(&cases, |case| case.our_yaml(&case.write(root.path()))) {
        let theirs = expected.get(&case.name).cloned().unwrap_or_default();
        let listed = different.remove(&format!("yaml:{}", case.name));
        match (ours == theirs, listed) {
            (false, false) => wrong.push(format!("{}\n{}", case.name, changes(&ours, &theirs))),
            (true, true) => wrong.push(format!("`yaml:{}` does not differ", case.name)),
            _ => {}
        }
    }
    wrong.extend(different.iter().map(|name| format!("`{name}` is no case")));
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The lines that only one side has.
fn changes(ours: &Value, theirs: &Value) -> String {
    let lines = |value: &Value| -> Vec<String> {
        let text = value.as_str().map_or(value.to_string(), str::to_owned);
        text.lines().map(str::to_owned).collect()
    };
    let (ours, theirs) = (lines(ours), lines(theirs));
    let only = |sign: &str, one: &[String], other: &[String]| -> String {
        let lines = one.iter().filter(|line| !other.contains(line));
        lines.map(|line| format!("  {sign} {line}\n")).collect()
    };
    only("ours  ", &ours, &theirs) + &only("theirs", &theirs, &ours)
}

#[test]
fn the_recorded_yaml_is_that_of_docker_compose() {
    let Some(oracle) = oracle::oracle() else {
        return;
    };
    let record = std::env::var_os("HOIST_RECORD").is_some();
    let cases: Vec<Case> = cases()
        .into_iter()
        .step_by(if record { 1 } else { 13 })
        .collect();
    let root = tempfile::tempdir().unwrap();
    let answers = each(&cases, |case| theirs(case, oracle, root.path()));
    if record {
        let line = |(case, answer): &(&Case, Value)| {
            format!("{}: {answer}", Value::from(case.name.as_str()))
        };
        let lines: Vec<String> = answers.iter().map(line).collect();
        std::fs::create_dir_all(file().parent().unwrap()).unwrap();
        std::fs::write(file(), format!("{{\n{}\n}}\n", lines.join(",\n"))).unwrap();
    }
    let expected = expected();
    for (case, answer) in &answers {
        let before = expected.get(&case.name).cloned().unwrap_or_default();
        assert!(answer::same(answer, &before), "{}: {answer}", case.name);
    }
}
