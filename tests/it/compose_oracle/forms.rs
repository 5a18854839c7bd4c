//! Every attribute in every form: each of the 353 is given a text, numbers, a boolean, nothing, lists and maps.
//!
//! `forms.txt` has a line an attribute, `ATTRIBUTE | DOCUMENT`, with `@` for the value and `; ` for a new line.
//! `expected/forms.json` says what docker compose made of each (`"!"`: an error); what every answer has is left out.
//! In `forms-pending.txt` are those where we still differ, in `differences.md` those that stay (`ATTRIBUTE *`: all of them).

use super::Pending;
use super::answer;
use super::case;
use super::case::Case;
use super::each;
use super::names;
use super::oracle;
use serde_json::Map;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

const VALUES: [&str; 10] = [
    "x", "\"1\"", "1", "1.5", "true", "null", "[x]", "{x: y}", "[]", "{}",
];

/// A case for each attribute and value, called `ATTRIBUTE VALUE`.
fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(case::folder().join("forms.txt")).unwrap();
    let lines = text.lines().map(|line| line.split_once(" | ").unwrap());
    let mut cases = Vec::new();
    for (attribute, document) in lines {
        for value in VALUES {
            let text = document.replace('@', value).replace("; ", "\n") + "\n";
            cases.push(Case {
                name: format!("{attribute} {value}"),
                files: vec![
                    ("compose.yaml".to_owned(), text),
                    ("b.yaml".to_owned(), "services: {}\n".to_owned()),
                ],
                ..Case::default()
            });
        }
    }
    cases
}

/// Writes the case into a folder that can be used again.
fn write(case: &Case, root: &Path) -> std::path::PathBuf {
    let thread = format!("{:?}", std::thread::current().id());
    let folder = root.join(thread.replace(['(', ')'], "")).join("forms");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in &case.files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    folder
}

/// The answer without what is the same in all.
fn brief(answer: Value) -> Value {
    if answer::failed(&answer) {
        return "!".into();
    }
    let mut answer = answer;
    let fields = answer.as_object_mut().unwrap();
    fields.retain(|key, value| key != "name" || value != "forms");
    if let Some(Value::Object(services)) = fields.get_mut("services") {
        services.remove("b");
        for service in services.values_mut().filter_map(Value::as_object_mut) {
            let plain = |key: &str, value: &Value| match key {
                "image" => value == "x",
                "command" | "entrypoint" => value.is_null(),
                "networks" => *value == serde_json::json!({"default": null}),
                _ => false,
            };
            service.retain(|key, value| !plain(key, value));
        }
    }
    let default = serde_json::json!({"default": {"ipam": {}, "name": "forms_default"}});
    fields.retain(|key, value| key != "networks" || *value != default);
    answer
}

fn expected() -> Map<String, Value> {
    let file = case::folder().join("expected/forms.json");
    let text = std::fs::read_to_string(file).unwrap_or_else(|_| "{}".to_owned());
    let attributes: Map<String, Value> = serde_json::from_str(&text).unwrap();
    let mut all = Map::new();
    for (attribute, values) in attributes {
        for (value, answer) in values.as_object().unwrap() {
            all.insert(format!("{attribute} {value}"), answer.clone());
        }
    }
    all
}

#[test]
fn every_attribute_takes_the_forms_that_docker_compose_takes() {
    let root = tempfile::tempdir().unwrap();
    let expected = expected();
    let mut different = names("forms-pending.txt");
    different.extend(
        names("differences.md")
            .into_iter()
            .filter(|n| n.contains(' ')),
    );
    let cases = cases();
    let mut wrong = Vec::new();
    let mut pending = Pending::default();
    let mut whole = BTreeSet::new();
    for (case, ours) in each(&cases, |case| case.ours(&write(case, root.path()))) {
        let ours = brief(ours);
        let theirs = expected.get(&case.name).cloned().unwrap_or_default();
        let same = answer::same(&ours, &theirs);
        pending.saw(&case.name, same);
        let listed = different.remove(&case.name);
        if !same && !listed {
            let attribute = case.name.split(' ').next().unwrap_or_default();
            let every = format!("{attribute} *");
            whole.extend(different.get(&every).cloned());
            if different.contains(&every) {
                continue;
            }
        }
        match (same, listed) {
            (false, false) => {
                let name = &case.name;
                wrong.push(format!("- `{name}`\n  ours   {ours}\n  theirs {theirs}"));
            }
            (true, true) => wrong.extend(pending.outdated(&case.name, "forms-pending.txt")),
            _ => {}
        }
    }
    let unseen = different.difference(&whole);
    wrong.extend(unseen.map(|name| format!("`{name}` is no case, or does not differ")));
    assert!(cases.len() >= 3500);
    pending.save("forms-pending.txt");
    let count = wrong.len();
    assert!(wrong.is_empty(), "{count} wrong:\n{}", wrong.join("\n"));
}

/// The real program is asked about all only to record (it takes minutes), and else about every hundredth.
#[test]
fn the_recorded_forms_are_those_of_docker_compose() {
    let Some(oracle) = oracle::oracle() else {
        return;
    };
    let record = std::env::var_os("HOIST_RECORD").is_some();
    let step = if record { 1 } else { 101 };
    let cases: Vec<Case> = cases().into_iter().step_by(step).collect();
    let root = tempfile::tempdir().unwrap();
    let answers = each(&cases, |case| {
        brief(case.theirs(oracle, &write(case, root.path())))
    });
    if record {
        save(&answers);
    }
    let expected = expected();
    for (case, answer) in &answers {
        assert_eq!(expected.get(&case.name), Some(answer), "{}", case.name);
    }
}

/// One line an attribute.
fn save(answers: &[(&Case, Value)]) {
    let mut attributes: Map<String, Value> = Map::new();
    for (case, answer) in answers {
        let (attribute, value) = case.name.split_once(' ').unwrap();
        let entry = attributes
            .entry(attribute)
            .or_insert_with(|| Map::new().into());
        entry[value] = answer.clone();
    }
    let lines = attributes
        .iter()
        .map(|(name, values)| format!("{}: {values}", Value::from(name.as_str())));
    let lines: Vec<String> = lines.collect();
    let text = format!("{{\n{}\n}}\n", lines.join(",\n"));
    std::fs::write(case::folder().join("expected/forms.json"), text).unwrap();
}
