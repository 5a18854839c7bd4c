//! The shape of the house: who may import whom, how long a file or function may be, where words and files are written.
//!
//! The checks read the sources as text. They know Rust as rustfmt lays it out, which `make test` asserts first.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// What each module may name with `crate::`, beside itself. `state::event` means that part alone.
const IMPORTS: &[(&str, &[&str])] = &[
    ("id", &[]),
    ("compose", &["id"]),
    ("runtime", &["id"]),
    ("network", &["id"]),
    ("volumes", &["id"]),
    ("image", &["id", "runtime"]),
    ("state", &["id"]),
    (
        "scheduler",
        &[
            "id", "compose", "image", "runtime", "network", "volumes", "state",
        ],
    ),
    ("engine", &["id", "compose", "scheduler", "image", "state"]),
    (
        "cli",
        &[
            "id",
            "engine",
            "compose::diagnostic",
            "compose::SourceMap",
            "compose::Cache",
            "compose::is_signal",
            "compose::load",
            "compose::LoadOptions",
            "compose::Loaded",
            "compose::project_name",
            "compose::publish",
            "compose::fingerprint",
            "compose::render",
            "compose::canonical",
            "compose::explain",
            "compose::variables",
            "compose::variables_of_files",
            "compose::yaml",
            "compose::Variable",
            "compose::Written",
            "compose::load_written",
            "compose::load_resolved",
            "compose::Resolved",
            "state::event",
        ],
    ),
];

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 60;
const SHORT_FUNCTION_LINES: usize = 35;

/// One source file below `src/`.
struct Source {
    /// Relative to `src/`.
    path: String,
    /// All lines.
    lines: Vec<String>,
    /// How many of them come before the tests.
    code: usize,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("sources are UTF-8");
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let tests = lines
            .iter()
            .zip(lines.iter().skip(1))
            .position(|(attribute, item)| {
                attribute == "#[cfg(test)]" && item.starts_with("mod tests {")
            });
        Self {
            path: path
                .strip_prefix(root)
                .expect("it was listed below root")
                .display()
                .to_string(),
            code: tests.unwrap_or(lines.len()),
            lines,
        }
    }

    fn module(&self) -> &str {
        let top = self
            .path
            .split('/')
            .next()
            .expect("split yields at least one part");
        top.strip_suffix(".rs").unwrap_or(top)
    }

    /// A file that holds tests only (`foo/tests.rs` beside `#[cfg(test)] mod tests;`).
    fn is_tests(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Code lines with their numbers; comment lines are left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let code = if self.is_tests() { 0 } else { self.code };
        self.lines[..code]
            .iter()
            .enumerate()
            .map(|(index, line)| (index + 1, line.trim()))
            .filter(|(_, line)| !line.starts_with("//"))
    }

    fn module_doc(&self) -> String {
        self.lines
            .iter()
            .filter_map(|line| line.strip_prefix("//!"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &mut found);
    found.sort();
    assert!(found.len() > 20, "no sources below {}", root.display());
    found.iter().map(|path| Source::read(&root, path)).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder was just listed") {
        let path = entry.expect("the folder is readable").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn assert_none(what: &str, violations: &[String]) {
    assert!(
        violations.is_empty(),
        "{what}:\n  {}",
        violations.join("\n  ")
    );
}

/// What follows each `crate::` of a line, e.g. `state::event::Event`.
fn crate_paths(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("crate::").filter_map(move |(at, word)| {
        let before = line[..at].chars().next_back();
        let starts = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$');
        let rest = &line[at + word.len()..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':' || c == '{'));
        starts.then(|| &rest[..end.unwrap_or(rest.len())])
    })
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let table: BTreeMap<_, _> = IMPORTS.iter().copied().collect();
    let mut violations = Vec::new();
    for source in sources() {
        let module = source.module();
        if module == "lib" || module == "main" {
            continue;
        }
        let Some(allowed) = table.get(module) else {
            violations.push(format!(
                "src/{}: `{module}` is not in the import table",
                source.path
            ));
            continue;
        };
        for (number, line) in source.code() {
            for path in crate_paths(line) {
                let grouped = path.starts_with('{');
                let permitted = allowed
                    .iter()
                    .chain([&module])
                    .any(|name| path == *name || path.starts_with(&format!("{name}::")));
                if grouped || !permitted {
                    violations.push(format!("src/{}:{number}: {line}", source.path));
                }
            }
        }
    }
    assert_none(
        "imports outside the table of IMPORTS, or grouped `use crate::{…}`",
        &violations,
    );
}

#[test]
fn only_the_door_names_the_library_by_its_own_name() {
    let violations: Vec<_> = sources()
        .iter()
        .filter(|source| source.path != "main.rs")
        .flat_map(|source| {
            source
                .code()
                .map(move |(number, line)| (source, number, line))
        })
        .filter(|(_, _, line)| line.contains("use hoist::") || line.contains("extern crate"))
        .map(|(source, number, line)| format!("src/{}:{number}: {line}", source.path))
        .collect();
    assert_none("imports that hide from the table", &violations);
}

#[test]
fn files_are_short() {
    let violations: Vec<_> = sources()
        .iter()
        .filter(|source| !source.is_tests() && source.code > FILE_LINES)
        .map(|source| {
            format!(
                "src/{}: {} lines before its tests, {FILE_LINES} allowed",
                source.path, source.code
            )
        })
        .collect();
    assert_none("long files", &violations);
}

/// `(line number, name, length)` of each function, by rustfmt's indentation: it ends at a `}` as deep as its `fn`.
fn functions(source: &Source) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    for (index, line) in source.lines[..source.code].iter().enumerate() {
        let Some(name) = function_name(line.trim_start()) else {
            continue;
        };
        let depth = line.len() - line.trim_start().len();
        let close = format!("{}}}", " ".repeat(depth));
        let one_line = line.ends_with('}') || line.ends_with(';');
        let ends = |line: &String| {
            // A body's brace, or the end of a declaration without a body.
            *line == close
                || (line.starts_with(&format!("{}) ", " ".repeat(depth))) && line.ends_with(';'))
        };
        let end = source.lines[index..]
            .iter()
            .position(ends)
            .filter(|_| !one_line);
        let length = end.unwrap_or(0) + 1;
        found.push((index + 1, name.to_owned(), length));
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let (qualifiers, rest) = line.split_once("fn ")?;
    let qualified = qualifiers.split_whitespace().all(|word| {
        word == "const"
            || word == "async"
            || word == "unsafe"
            || word == "extern"
            || word == "\"C\""
            || word.starts_with("pub")
            || word == "crate)"
    });
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    (qualified && end > 0).then(|| &rest[..end])
}

#[test]
fn functions_are_short() {
    let mut lengths = Vec::new();
    let mut violations = Vec::new();
    for source in sources().iter().filter(|source| !source.is_tests()) {
        for (number, name, length) in functions(source) {
            lengths.push(length);
            if length > FUNCTION_LINES {
                violations.push(format!(
                    "src/{}:{number}: `{name}` has {length} lines, {FUNCTION_LINES} allowed",
                    source.path
                ));
            }
        }
    }
    assert_none("long functions", &violations);
    let short = lengths
        .iter()
        .filter(|length| **length <= SHORT_FUNCTION_LINES)
        .count();
    assert!(
        short * 10 >= lengths.len() * 9,
        "only {short} of {} functions have at most {SHORT_FUNCTION_LINES} lines; nine in ten should",
        lengths.len()
    );
}

/// What a package of a lock file depends on, without versions.
fn locked(file: &str, package: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(path).expect("it is there");
    let header = format!("name = \"{package}\"\n");
    let (_, section) = text.split_once(&header).expect("it is locked");
    let section = section.split("[[package]]").next().unwrap_or_default();
    let quoted = section.lines().filter_map(|line| line.strip_prefix(" \""));
    let names = quoted.map(|line| line.split([' ', '"']).next().unwrap_or_default().to_owned());
    names.collect()
}

/// The fuzz targets are a workspace of their own, which nothing else builds: their lock file is to fit all the same.
#[test]
fn fuzz_targets_lock_what_the_package_needs() {
    let own = locked("Cargo.lock", "hoist");
    let fuzzed = locked("fuzz/Cargo.lock", "hoist");
    let missing: Vec<_> = fuzzed.difference(&own).cloned().collect();
    assert_none("dependencies that are gone, in fuzz/Cargo.lock", &missing);
    let manifest = include_str!("../../Cargo.toml");
    let (_, needed) = manifest
        .split_once("[dependencies]\n")
        .expect("it has some");
    let needed = needed.split("\n[").next().unwrap_or_default();
    let names = needed.lines().filter_map(|line| line.split_once(" = "));
    let missing: Vec<String> = names
        .map(|(name, _)| name.trim().to_owned())
        .filter(|name| !fuzzed.contains(name))
        .collect();
    assert_none("dependencies that fuzz/Cargo.lock does not have", &missing);
}

#[test]
fn every_file_says_what_it_is_for() {
    let violations: Vec<_> = sources()
        .iter()
        .filter(|source| !source.is_tests() && source.module_doc().trim().is_empty())
        .map(|source| format!("src/{}", source.path))
        .collect();
    assert_none("files without a module doc (`//!`)", &violations);
}

#[test]
fn every_module_says_its_invariants() {
    let violations: Vec<_> = sources()
        .iter()
        .filter(|source| source.path.ends_with("/mod.rs") && !source.is_tests())
        .filter(|source| !source.module_doc().to_lowercase().contains("invariant"))
        .map(|source| format!("src/{}", source.path))
        .collect();
    assert_none(
        "`mod.rs` whose doc does not name its invariants",
        &violations,
    );
}

#[test]
fn unsafe_code_is_in_one_place() {
    let violations: Vec<_> = sources()
        .iter()
        .filter(|source| {
            source.path != "runtime/sys.rs" && !source.path.starts_with("runtime/sys/")
        })
        .flat_map(|source| {
            source
                .lines
                .iter()
                .enumerate()
                .map(move |(index, line)| (source, index + 1, line.trim()))
        })
        .filter(|(_, _, line)| !line.starts_with("//"))
        .filter(|(_, _, line)| {
            [
                "unsafe {",
                "unsafe fn",
                "unsafe impl",
                "unsafe extern",
                "allow(unsafe_code)",
            ]
            .iter()
            .any(|word| line.contains(word))
        })
        .map(|(source, number, line)| format!("src/{}:{number}: {line}", source.path))
        .collect();
    assert_none("`unsafe` outside runtime/sys", &violations);
}

#[test]
fn only_views_print() {
    const PRINTING: &[&str] = &[
        "println!",
        "print!",
        "eprintln!",
        "eprint!",
        "io::stdout",
        "io::stderr",
    ];
    let violations: Vec<_> = sources()
        .iter()
        .filter(|source| !source.path.starts_with("cli/"))
        .flat_map(|source| {
            source
                .code()
                .map(move |(number, line)| (source, number, line))
        })
        .filter(|(_, _, line)| PRINTING.iter().any(|word| line.contains(word)))
        .map(|(source, number, line)| format!("src/{}:{number}: {line}", source.path))
        .collect();
    assert_none("printing outside cli", &violations);
}

#[test]
fn nothing_is_called_after_nothing() {
    const EMPTY_WORDS: &[&str] = &[
        "utils", "util", "common", "helpers", "helper", "manager", "handler", "service", "misc",
    ];
    let violations: Vec<_> = sources()
        .iter()
        .filter(|source| {
            let stem = source.path.trim_end_matches(".rs");
            // A service is the user's word: the model may have one.
            !stem.starts_with("compose/") && stem.split('/').any(|part| EMPTY_WORDS.contains(&part))
        })
        .map(|source| format!("src/{}", source.path))
        .collect();
    assert_none("names that say nothing", &violations);
}

#[test]
fn the_model_is_not_serialised() {
    let violations: Vec<_> = sources()
        .iter()
        .filter(|source| source.path.starts_with("compose/model"))
        .flat_map(|source| {
            source
                .code()
                .map(move |(number, line)| (source, number, line))
        })
        .filter(|(_, _, line)| line.contains("Serialize") || line.contains("Deserialize"))
        .map(|(source, number, line)| format!("src/{}:{number}: {line}", source.path))
        .collect();
    assert_none("the compose model knows serde", &violations);
}
