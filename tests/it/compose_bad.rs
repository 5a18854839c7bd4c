//! Broken compose files, each with all that is to be said about it.
//!
//! `tests/fixtures/compose-bad/NAME/compose.yaml` is the file, `expected.txt` the drawn report. `HOIST_RECORD=1` writes
//! the reports anew, to be read before they are committed.

use hoist::compose::Diagnostics;
use hoist::compose::LoadOptions;
use hoist::compose::load;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/compose-bad");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    folders
}

fn options(folder: &Path) -> LoadOptions {
    let mut options = LoadOptions::new(folder.to_owned(), BTreeMap::new());
    options.project_name = match folder.ends_with("bad-project-name") {
        true => None,
        false => Some("test".to_owned()),
    };
    options
}

fn report(folder: &Path) -> String {
    match load(&options(folder)) {
        Ok(loaded) => match loaded.runnable() {
            Ok(()) => "loads without an error\n".to_owned(),
            Err(diagnostics) => drawn(folder, &diagnostics),
        },
        Err(diagnostics) => drawn(folder, &diagnostics),
    }
}

fn drawn(folder: &Path, diagnostics: &Diagnostics) -> String {
    let text = diagnostics.render(false, 100);
    text.replace(folder.to_str().unwrap(), "/CASE")
}

#[test]
fn each_broken_file_is_told_all_its_problems_with_their_places() {
    let record = std::env::var_os("HOIST_RECORD").is_some();
    let mut wrong = Vec::new();
    let folders = folders();
    let mut mistakes = std::collections::BTreeSet::new();
    for folder in folders {
        let ours = report(&folder);
        let file = folder.join("expected.txt");
        if record {
            std::fs::write(&file, &ours).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        for problem in expected.split("\n\n").filter(|text| !text.is_empty()) {
            if let Some(title) = problem.lines().find(|line| line.contains("]: ")) {
                mistakes.insert(title.to_owned());
            }
        }
        if ours != expected || !ours.contains("error[") {
            wrong.push(format!("{}:\n{ours}", folder.display()));
        }
    }
    assert!(mistakes.len() >= 200, "{} mistakes", mistakes.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_problem_says_what_to_do_about_it() {
    for folder in folders() {
        let found = match load(&options(&folder)) {
            Ok(loaded) => loaded.runnable().err().unwrap_or_default().list,
            Err(found) => found.list,
        };
        for problem in found {
            assert!(problem.hint.is_some(), "{folder:?}: {}", problem.message);
        }
    }
}
