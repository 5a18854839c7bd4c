//! The cases: text files of small projects.
//!
//! `=== NAME [!] [env:A=b,C=d]` begins a case (`!`: it must fail). Then come, if wanted, one line `$ ARGUMENTS` (otherwise
//! it is `config --format json`), `compose.yaml`, and further files, each after `--- NAME`; the file `stdin` is read from the
//! standard input. A line `----` is the `---` of YAML.
//! `=+= NAME [!] | ATTRIBUTES` is a case with one service `a` of image `x` and these attributes.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

/// A project, and what is asked about it.
#[derive(Debug, Clone, Default)]
pub struct Case {
    /// Also the name of its folder, and so of the project.
    pub name: String,
    /// Whether it must fail.
    pub fails: bool,
    /// All of it.
    pub environment: BTreeMap<String, String>,
    /// Names below the case's folder, and texts.
    pub files: Vec<(String, String)>,
    /// What is typed after the program's name; empty for `config --format json`.
    pub arguments: Vec<String>,
}

/// Where the cases are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/compose-oracle")
}

/// The topics, in order.
pub fn topics() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let topics = names.filter_map(|name| name.strip_suffix(".txt").map(str::to_owned));
    let lists = ["pending", "forms", "forms-pending"];
    let topics: BTreeSet<String> = topics
        .filter(|name| !lists.contains(&name.as_str()))
        .collect();
    topics.into_iter().collect()
}

/// The cases of a topic.
pub fn cases(topic: &str) -> Vec<Case> {
    let file = folder().join(format!("{topic}.txt"));
    parse(&std::fs::read_to_string(file).unwrap())
}

/// All cases, whose names must differ.
pub fn all() -> Vec<Case> {
    let all: Vec<Case> = topics().iter().flat_map(|topic| cases(topic)).collect();
    let mut names = BTreeSet::new();
    for case in &all {
        assert!(names.insert(&case.name), "two cases `{}`", case.name);
    }
    all
}

fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("=== ") {
            cases.push(begin(header));
        } else if let Some(short) = line.strip_prefix("=+= ") {
            let (header, attributes) = short.split_once(" | ").unwrap();
            let mut case = begin(header);
            case.files[0].1 = format!("services: {{a: {{image: x, {attributes}}}}}\n");
            cases.push(case);
        } else if let Some(case) = cases.last_mut() {
            case.line(line);
        }
    }
    cases
}

fn begin(header: &str) -> Case {
    let mut words = header.split(' ');
    let mut case = Case {
        name: words.next().unwrap_or_default().to_owned(),
        files: vec![("compose.yaml".to_owned(), String::new())],
        ..Case::default()
    };
    for word in words {
        match word.strip_prefix("env:") {
            Some(list) => case.environment.extend(variables(list)),
            None => {
                assert_eq!(word, "!", "in the header of {}", case.name);
                case.fails = true;
            }
        }
    }
    case
}

/// `A=b,c` is one variable: a word without `=` belongs to the one before.
fn variables(list: &str) -> BTreeMap<String, String> {
    let mut all: Vec<(String, String)> = Vec::new();
    for word in list.split(',') {
        match (word.split_once('='), all.last_mut()) {
            (Some((key, value)), _) => all.push((key.to_owned(), value.to_owned())),
            (None, Some(last)) => {
                last.1.push(',');
                last.1.push_str(word);
            }
            (None, None) => {}
        }
    }
    all.into_iter().collect()
}

impl Case {
    fn line(&mut self, line: &str) {
        if let Some(file) = line.strip_prefix("--- ") {
            self.files.push((file.to_owned(), String::new()));
            return;
        }
        let first = self.files.len() == 1 && self.files[0].1.is_empty();
        if let Some(arguments) = line.strip_prefix("$ ").filter(|_| first) {
            self.arguments = arguments.split(' ').map(str::to_owned).collect();
            return;
        }
        let text = &mut self.files.last_mut().unwrap().1;
        let line = if line.starts_with("----") {
            "---"
        } else {
            line
        };
        text.push_str(line);
        text.push('\n');
    }

    /// Writes the files below `root/NAME` and returns that folder. An empty `compose.yaml` beside others is not written.
    pub fn write(&self, root: &Path) -> PathBuf {
        let folder = root.join(&self.name);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in &self.files {
            if text.is_empty() && name == "compose.yaml" && self.files.len() > 1 {
                continue;
            }
            let file = folder.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        folder
    }
}
