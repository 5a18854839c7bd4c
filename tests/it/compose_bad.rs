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

fn report(folder: &Path) -> String {
    let mut options = LoadOptions::new(folder.to_owned(), BTreeMap::new());
    options.project_name = match folder.ends_with("bad-project-name") {
        true => None,
        false => Some("test".to_owned()),
    };
    match load(&options) {
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
    assert!(folders.len() >= 50);
    for folder in folders {
        let ours = report(&folder);
        let file = folder.join("expected.txt");
        if record {
            std::fs::write(&file, &ours).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if ours != expected || !ours.contains("error[") {
            wrong.push(format!("{}:\n{ours}", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
