//! Projects that nobody wrote: both programs are asked about thousands of them and must say the same.
//!
//! A project is put together from the attributes of `attributes.txt`, random texts with variables, and random lines of
//! `.env`; a second file often changes what the first said. Left out is what is known to differ (`differences.md`), and what
//! fails by itself, since it would hide the rest. `HOIST_GENERATED` says how many (otherwise 2,000), `HOIST_SEED`
//! which: the same seed gives the same projects. What differs is made as small as it gets and printed as a case.

use super::answer;
use super::case;
use super::case::Case;
use super::oracle;
use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest::test_runner::RngAlgorithm;
use proptest::test_runner::TestCaseError;
use proptest::test_runner::TestError;
use proptest::test_runner::TestRng;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

const SERVICES: [&str; 3] = ["a", "b", "c"];

/// Between them all operators, escapes and breakages can be written.
const WORDS: [&str; 20] = [
    "$", "${", "}", "A", "B", "NO", ":-", "-", ":+", "+", ":?", "?", "x", " ", "$$", "$A", "${B}",
    "${NO:-", "${A:+", "{",
];

const LINES: [&str; 26] = [
    "A", "B", "C", "=", "=", "=", "\"", "\"", "'", "'", " ", " #", "#", "\\", "\\n", "$A", "${B}",
    "${NO:-d}", "$$", ":", "export ", "x", "y", "\n", "\n", " \t",
];

/// What differs as soon as it is merged (see `me-gpus-all`, `me-ports-mode` and `me-build-lists` in `differences.md`): it is
/// only in projects of one file.
const ALONE: [&str; 3] = ["gpus: all", "published: 8080", "ssh: "];

/// One piece of a project: which service, and which of the pieces; in the second file also whether to change what is there.
type Piece = (usize, usize, bool);

#[derive(Debug, Clone)]
struct Plan {
    base: Vec<Piece>,
    over: Option<Vec<Piece>>,
    text: Vec<&'static str>,
    lines: Vec<&'static str>,
    environment: BTreeMap<String, String>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let piece = || {
        (
            0..SERVICES.len(),
            any::<prop::sample::Index>(),
            any::<bool>(),
        )
    };
    let piece =
        move || piece().prop_map(|(service, index, same)| (service, index.index(100_000), same));
    let value = prop::sample::select(vec!["1", "", "x y", "$B", "true"]);
    let environment = prop::collection::btree_map(
        prop::sample::select(vec!["A", "B", "COMPOSE_PROFILES"]).prop_map(str::to_owned),
        value.prop_map(str::to_owned),
        0..3,
    );
    (
        prop::collection::vec(piece(), 1..8),
        prop::option::of(prop::collection::vec(piece(), 1..6)),
        prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..7),
        prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..12),
        environment,
    )
        .prop_map(|(base, over, text, lines, environment)| Plan {
            base,
            over,
            text,
            lines,
            environment,
        })
}

/// What attributes may be given: the texts, by their first key.
struct Pieces {
    all: Vec<(BTreeSet<String>, String)>,
    /// Those that can be merged.
    merging: Vec<(BTreeSet<String>, String)>,
}

impl Pieces {
    /// All that loads, from the cases with one service, without what is known to differ.
    fn new() -> Self {
        let mut cases = case::cases("attributes");
        let mut known = super::names("differences.md");
        known.extend(super::names("pending.txt"));
        cases.retain(|case| !known.contains(&case.name) && case.files[0].1.contains("image: x, "));
        let texts = cases.iter().filter(|case| !case.fails).map(|case| {
            let text = &case.files[0].1;
            let text = text.strip_prefix("services: {a: {image: x, ").unwrap();
            text.trim_end().strip_suffix("}}").unwrap().to_owned()
        });
        let all: Vec<_> = texts.map(|text| (keys(&text), text)).collect();
        let mut merging = all.clone();
        merging.retain(|(_, text)| !ALONE.iter().any(|alone| text.contains(alone)));
        Self { all, merging }
    }

    fn get(&self, index: usize, merges: bool) -> &(BTreeSet<String>, String) {
        let pieces = match merges {
            true => &self.merging,
            false => &self.all,
        };
        &pieces[index % pieces.len()]
    }

    /// One with a key of `keys`, if there is one.
    fn like(&self, index: usize, keys: &BTreeSet<String>) -> &(BTreeSet<String>, String) {
        let alike: Vec<_> = self
            .merging
            .iter()
            .filter(|(own, _)| !own.is_disjoint(keys))
            .collect();
        match alike.is_empty() {
            true => self.get(index, true),
            false => alike[index % alike.len()],
        }
    }
}

/// The keys at the top of a flow map's content.
fn keys(text: &str) -> BTreeSet<String> {
    let mut depth = 0;
    let mut keys = BTreeSet::new();
    let mut word = String::new();
    for character in text.chars() {
        match character {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ':' if depth == 0 && !word.is_empty() => {
                keys.insert(std::mem::take(&mut word));
            }
            _ => {}
        }
        match character.is_ascii_lowercase() || character == '_' || character == '-' {
            true => word.push(character),
            false => word.clear(),
        }
    }
    keys
}

impl Plan {
    fn case(&self, pieces: &Pieces) -> Case {
        let mut used: [BTreeSet<String>; 3] = Default::default();
        let mut files = vec![(
            "compose.yaml".to_owned(),
            self.file(&self.base, pieces, &mut used, true),
        )];
        if let Some(over) = &self.over {
            let text = self.file(over, pieces, &mut used, false);
            files.push(("compose.override.yaml".to_owned(), text));
        }
        files.push((".env".to_owned(), self.dotenv()));
        Case {
            name: "generated".to_owned(),
            environment: self.environment.clone(),
            files,
            ..Case::default()
        }
    }

    /// What has no name is an error with us and nothing with them, also behind a quote: each is given one.
    fn dotenv(&self) -> String {
        let mut text = String::new();
        for word in self.lines.concat().split_inclusive(['=', ':']) {
            let (before, sign) = word.split_at(word.len() - 1);
            let (before, sign) = match sign {
                "=" | ":" => (before, sign),
                _ => (word, ""),
            };
            text += before;
            let known = text.trim_end_matches([' ', '\t']);
            let nameless = known.ends_with(['\'', '"', '\n']) || known.is_empty();
            if !sign.is_empty() && (nameless || known.ends_with("export")) {
                text += " A";
            }
            text += sign;
        }
        let lonely = |line: &str| {
            let before = line.trim().strip_suffix("export").map(str::trim_end);
            match before.is_some_and(|text| text.is_empty() || text.ends_with(['\'', '"'])) {
                true => format!("{line} A\n"),
                false => format!("{line}\n"),
            }
        };
        text.split('\n').map(lonely).collect()
    }

    fn file(
        &self,
        plan: &[Piece],
        pieces: &Pieces,
        used: &mut [BTreeSet<String>; 3],
        first: bool,
    ) -> String {
        let mut texts: [Vec<String>; 3] = Default::default();
        let mut own: [BTreeSet<String>; 3] = Default::default();
        for &(service, index, same) in plan {
            let (keys, text) = match same && !first {
                true => pieces.like(index, &used[service]),
                false => pieces.get(index, self.over.is_some()),
            };
            if own[service].is_disjoint(keys) {
                own[service].extend(keys.iter().cloned());
                texts[service].push(text.clone());
            }
        }
        let mut file = String::from("services:\n");
        for (service, texts) in texts.iter().enumerate() {
            used[service].extend(own[service].iter().cloned());
            if first && service == 0 && !own[0].contains("labels") && !self.text.is_empty() {
                let text = self.text.concat();
                file += &format!(
                    "  a: {{image: x, labels: {{l: '{text}'}}, {}}}\n",
                    texts.join(", ")
                );
            } else if first || !texts.is_empty() {
                let image = if first { "image: x, " } else { "" };
                file += &format!("  {}: {{{image}{}}}\n", SERVICES[service], texts.join(", "));
            }
        }
        file
    }
}

/// A case as it would stand in a file of cases.
fn written(case: &Case) -> String {
    let mut text = String::from("=== NAME");
    if !case.environment.is_empty() {
        let list: Vec<String> = case
            .environment
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        text += &format!(" env:{}", list.join(","));
    }
    for (index, (name, file)) in case.files.iter().enumerate() {
        if index > 0 {
            text += &format!("--- {name}");
        }
        text += "\n";
        text += file.trim_end_matches('\n');
        text += "\n";
    }
    text
}

fn compare(case: &Case, oracle: &Path, root: &Path) -> Result<(), String> {
    let folder = root.join("generated");
    let _ = std::fs::remove_dir_all(&folder);
    let folder = case.write(root);
    let (ours, theirs) = (case.ours(&folder), case.theirs(oracle, &folder));
    // Here what is wrong with a service that is off stops nobody (see `differences.md`).
    let off = || answer::failed(&theirs) && answer::failed(&case.ours_with_all(&folder));
    match answer::same(&ours, &theirs) || off() {
        true => Ok(()),
        false => Err(format!("{}ours   {ours}\ntheirs {theirs}\n", written(case))),
    }
}

/// Runs some plans from one seed; the smallest that differs.
fn stretch(seed: u64, count: u32, pieces: &Pieces, oracle: &Path, root: &Path) -> Option<String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: count,
        failure_persistence: None,
        max_shrink_iters: 60,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let found = runner.run(&plans(), |plan| {
        compare(&plan.case(pieces), oracle, root).map_err(TestCaseError::fail)
    });
    match found {
        Ok(()) => None,
        Err(TestError::Fail(_, plan)) => Some(match compare(&plan.case(pieces), oracle, root) {
            Err(words) => words,
            Ok(()) => format!("differs only sometimes:\n{}", written(&plan.case(pieces))),
        }),
        Err(TestError::Abort(why)) => Some(why.to_string()),
    }
}

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap())
}

#[test]
fn thousands_of_generated_projects_are_read_as_docker_compose_reads_them() {
    let Some(oracle) = oracle::oracle() else {
        return;
    };
    const STRETCHES: usize = 40;
    let wanted = number("HOIST_GENERATED", 2000);
    let count = wanted.div_ceil(STRETCHES as u64);
    let seed = number("HOIST_SEED", 1);
    eprintln!("{wanted} generated projects, HOIST_SEED={seed}");
    let pieces = Pieces::new();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let root = tempfile::tempdir().unwrap();
                loop {
                    let stretch_of = next.fetch_add(1, Ordering::Relaxed);
                    if stretch_of >= STRETCHES {
                        break;
                    }
                    let seed = seed * 1000 + stretch_of as u64;
                    let words = stretch(seed, count as u32, &pieces, oracle, root.path());
                    found.lock().unwrap().extend(words);
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    assert!(
        found.is_empty(),
        "{} differ:\n{}",
        found.len(),
        found.join("\n")
    );
}
