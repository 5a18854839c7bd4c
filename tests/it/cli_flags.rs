//! Every command and flag of docker compose, from a table made of its reference: each is known here, with its letter, its
//! kind of value, and a line of help.

use assert_cmd::Command;
use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = include_str!("../fixtures/cli/compose.txt");
const EXCEPTIONS: &str = include_str!("../fixtures/cli/exceptions.txt");

struct Row<'a> {
    command: &'a str,
    /// Empty: the command itself.
    letter: &'a str,
    flag: &'a str,
    hidden: bool,
    takes_value: bool,
}

fn rows() -> Vec<Row<'static>> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let (letter, flag) = cells[1].split_once(", ").unwrap_or(("", cells[1]));
            Row {
                command: cells[0].trim_start_matches('-'),
                letter,
                flag,
                hidden: cells[2] == "hidden",
                takes_value: !cells[3].is_empty(),
            }
        })
        .collect()
}

/// `command [--flag]` to the reason why it is not as docker's.
fn exceptions() -> BTreeMap<&'static str, &'static str> {
    let lines = EXCEPTIONS
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| line.split_once(": ").expect("`command --flag: reason`"))
        .collect()
}

fn hoist(words: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hoist"))
        .env_clear()
        .env("HOIST_ROOT", "/nowhere")
        .env("COLUMNS", "200")
        .args(words)
        .output()
        .expect("hoist can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().expect("no signal ended it"),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// What is wrong with one row; `None` = nothing.
fn problem(row: &Row<'_>, help: &str) -> Option<String> {
    if row.flag.is_empty() {
        return (help.is_empty()).then(|| "unknown command".to_owned());
    }
    if row.hidden {
        let mut words: Vec<&str> = row.command.split_whitespace().collect();
        words.push(row.flag);
        let (_, _, stderr) = hoist(&words);
        return stderr
            .contains(&format!("unknown flag `{}`", row.flag))
            .then(|| "unknown flag".to_owned());
    }
    let line = help.lines().find(|line| {
        let words: BTreeSet<&str> = line
            .split_whitespace()
            .map(|word| word.split(['[', '=']).next().unwrap_or(word))
            .collect();
        line.trim_start().starts_with('-') && words.contains(row.flag)
    });
    let Some(line) = line else {
        return Some("not in the help".to_owned());
    };
    if !row.letter.is_empty() && !line.contains(&format!("{}, {}", row.letter, row.flag)) {
        return Some(format!("has no letter {}", row.letter));
    }
    let value = line.contains(&format!("{} <", row.flag));
    if value != row.takes_value && !line.contains(&format!("{}[=<", row.flag)) {
        return Some(format!("takes a value: {value}"));
    }
    let words = line.split_whitespace().skip_while(|word| {
        word.starts_with(['-', '<', '[']) || word.ends_with(['>', ']']) || word.ends_with("...")
    });
    (words.count() < 2).then(|| "has no help".to_owned())
}

#[test]
fn every_command_and_flag_of_docker_compose_is_known() {
    assert!(exceptions().values().all(|reason| reason.len() > 8));
    let rows = rows();
    let commands = rows.iter().filter(|row| row.flag.is_empty()).count();
    assert_eq!(
        (commands, rows.len() - commands),
        (48, 246),
        "the table is whole"
    );
    let exceptions = exceptions();
    let mut helps: BTreeMap<&str, String> = BTreeMap::new();
    let mut problems = Vec::new();
    for row in &rows {
        let help = helps.entry(row.command).or_insert_with(|| {
            let mut words: Vec<&str> = row.command.split_whitespace().collect();
            words.push("--help");
            match hoist(&words) {
                (0, help, _) => help,
                _ => String::new(),
            }
        });
        let name = format!("{} {}", row.command, row.flag);
        let excuse = exceptions
            .keys()
            .find(|key| **key == row.command || **key == name.trim());
        if let (Some(what), None) = (problem(row, help), excuse) {
            problems.push(format!("{name}: {what}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Every test of the command line as a text of its own: a function, or a line that a scenario types.
fn behaviours() -> Vec<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut folders = vec![
        root.join("it"),
        root.join("scenarios"),
        root.join("fixtures/compose-oracle"),
    ];
    let mut all = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the repository has it") {
            let path = entry.expect("it is readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            match path.extension().and_then(|end| end.to_str()) {
                Some("rs") => all.extend(text.split("\nfn ").map(str::to_owned)),
                Some("txt") => {
                    let typed = text.lines().filter(|line| line.starts_with(['$', '&']));
                    all.extend(typed.map(str::to_owned));
                }
                _ => {}
            }
        }
    }
    all
}

/// The words of a text that may be commands or flags.
fn words(text: &str) -> BTreeSet<&str> {
    let between = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
    text.split(between).collect()
}

/// Not a proof, but the flag that nobody types in any test is found.
#[test]
fn every_flag_of_docker_compose_is_typed_by_a_test_of_its_command() {
    let exceptions = exceptions();
    let behaviours = behaviours();
    let typed: Vec<BTreeSet<&str>> = behaviours.iter().map(|text| words(text)).collect();
    let mut untested = Vec::new();
    for row in rows().iter().filter(|row| !row.flag.is_empty()) {
        let name = format!("{} {}", row.command, row.flag);
        if exceptions
            .keys()
            .any(|key| *key == row.command || *key == name.trim())
        {
            continue;
        }
        // `convert` is another name of `config`, and what is tried out in `alpha` is what it became.
        let verb = row
            .command
            .split_whitespace()
            .last()
            .map(|verb| match verb {
                "convert" => "config",
                verb => verb,
            });
        let is_typed = |words: &&BTreeSet<&str>| {
            let flag =
                words.contains(row.flag) || (!row.letter.is_empty() && words.contains(row.letter));
            flag && verb.is_none_or(|verb| words.contains(verb))
        };
        if !typed.iter().any(|words| is_typed(&words)) {
            untested.push(name);
        }
    }
    assert!(
        untested.is_empty(),
        "no test types:\n{}",
        untested.join("\n")
    );
}

#[test]
fn what_was_probably_meant_is_told_for_commands_and_flags() {
    for (line, hint) in [
        ("contianer ls", "did you mean `container`?"),
        ("container lss", "did you mean `ls`?"),
        ("up --remove-orphan", "did you mean `--remove-orphans`?"),
        ("run --entry-point x web", "did you mean `--entrypoint`?"),
        ("--dryrun up", "did you mean `--dry-run`?"),
        ("frobnicate", "`hoist --help` lists the commands"),
        ("ps --frobnicate", "`hoist ps --help` lists the flags"),
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (code, stdout, stderr) = hoist(&words);
        assert_eq!((code, stdout.as_str()), (2, ""), "{line}");
        assert!(stderr.starts_with("error: unknown "), "{line}: {stderr}");
        assert!(
            stderr.ends_with(&format!("hint: {hint}\n")),
            "{line}: {stderr}"
        );
    }
}

#[test]
fn what_was_probably_meant_is_told_for_values() {
    for (line, told, hint) in [
        (
            "config --format yml",
            "`--format` cannot be `yml`",
            "did you mean `yaml`?",
        ),
        (
            "config --format xml",
            "`--format` cannot be `xml`",
            "expected `yaml`, `json`, `dot`, `mermaid`, `svg`",
        ),
        (
            "--ansi nevr ps",
            "`--ansi` cannot be `nevr`",
            "did you mean `never`?",
        ),
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (code, _, stderr) = hoist(&words);
        assert_eq!(code, 2, "{line}");
        assert_eq!(stderr, format!("error: {told}\nhint: {hint}\n"));
    }
}

#[test]
fn what_no_value_can_be_is_told_with_the_command_whose_help_says_more() {
    for (line, told, help) in [
        ("up --wait-timeout x", "must be a whole number", "up"),
        ("port web http", "must be a whole number", "port"),
        ("--parallel x ps", "must be a whole number", "ps"),
        (
            "logs --tail x",
            "must be a number of lines, or `all`",
            "logs",
        ),
        (
            "container stop -t x a",
            "must be a whole number",
            "container stop",
        ),
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (code, _, stderr) = hoist(&words);
        assert_eq!(code, 2, "{line}");
        let hint = format!("hint: hoist {help} --help\n");
        assert!(
            stderr.starts_with("error: invalid value `"),
            "{line}: {stderr}"
        );
        assert!(
            stderr.contains(told) && stderr.ends_with(&hint),
            "{line}: {stderr}"
        );
        assert!(!stderr.contains("For more"), "{line}: {stderr}");
    }
    let (code, _, stderr) = hoist(&["kill", "-s", "SIGTREM"]);
    assert_eq!(code, 2);
    assert_eq!(
        stderr,
        "error: `SIGTREM` is not a signal\nhint: did you mean `SIGTERM`?\n"
    );
}

/// Whether a command needs the file or can do without, and whether the service that was meant is on or off.
#[test]
fn a_service_that_is_not_there_is_told_with_the_one_that_was_meant() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let text = "services: {web: {image: host, profiles: [p]}, db: {image: host}}\n";
    std::fs::write(folder.path().join("compose.yaml"), text).expect("it is ours");
    let run = |line: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_hoist"))
            .env_clear()
            .env("HOIST_ROOT", folder.path().join("state"))
            .env("HOIST_RUN", folder.path().join("run"))
            .current_dir(folder.path())
            .args(line.split_whitespace())
            .output()
            .expect("hoist can be run");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    for line in [
        "attach @",
        "commit @",
        "config @",
        "config --hash @",
        "cp @:/x y",
        "create @",
        "down @",
        "events @",
        "exec @ x",
        "export @",
        "images @",
        "kill @",
        "lock -u @",
        "logs @",
        "pause @",
        "port @ 80",
        "ps @",
        "pull @",
        "push @",
        "restart @",
        "rm @",
        "run @",
        "scale @=2",
        "start @",
        "stats @",
        "stop @",
        "top @",
        "unpause @",
        "up @",
        "up --attach @",
        "up --exit-code-from @",
        "up --no-attach @",
        "up --scale @=2",
        "volumes @",
        "wait @",
        "watch @",
    ] {
        let (code, stderr) = run(&line.replace('@', "wbe"));
        assert_eq!(code, Some(1), "{line}: {stderr}");
        assert!(
            stderr.contains("no such service: `wbe`"),
            "{line}: {stderr}"
        );
        assert!(stderr.contains("did you mean `web`?"), "{line}: {stderr}");
    }
    for line in ["config --hash web", "up --attach web", "up --scale web=2"] {
        let (code, stderr) = run(line);
        assert_eq!(code, Some(1), "{line}: {stderr}");
        let told = "service `web` is off: none of its profiles is active";
        assert!(
            stderr.contains(told) && stderr.contains("hint: switch it on"),
            "{line}: {stderr}"
        );
    }
    let (_, stderr) = run("--profile q config -q");
    assert!(stderr.contains("did you mean `p`?"), "{stderr}");
}

#[test]
fn under_dockers_names_it_is_the_same_program() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let name = folder.path().join("docker-compose");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hoist"), &name).expect("it is ours");
    let run = |words: &[&str]| {
        let output = std::process::Command::new(&name)
            .env_clear()
            .env("HOIST_ROOT", folder.path().join("state"))
            .args(words)
            .output()
            .expect("hoist can be run");
        assert!(output.status.success(), "{words:?}");
        String::from_utf8(output.stdout).expect("it is text")
    };
    let metadata: serde_json::Value =
        serde_json::from_str(&run(&["docker-cli-plugin-metadata"])).expect("it is JSON");
    assert_eq!(metadata["SchemaVersion"], "0.1.0");
    assert_eq!(metadata["Vendor"], "hoist");
    assert!(run(&["up", "--help"]).contains("Usage: docker-compose up"));
    assert!(run(&["compose", "up", "--help"]).contains("Usage: docker compose up"));
    assert!(run(&["compose", "version", "--short"]).starts_with("2."));
    assert!(run(&["version"]).starts_with("Docker Compose version v2."));
    assert_eq!(run(&["compose", "ls", "-q"]), "");
}
