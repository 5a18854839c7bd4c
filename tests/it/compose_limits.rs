//! Hostile and huge compose files: bounded time, bounded memory, a clear error; and how fast ordinary ones are.

use hoist::compose::LoadOptions;
use hoist::compose::load;
use hoist::compose::load_canonical;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Ten megabytes; a quarter of one where the build is not optimized.
const SIZE: usize = if cfg!(debug_assertions) {
    256 * 1024
} else {
    10 * 1024 * 1024
};

/// What this thread has worked: other tests on the machine do not count.
fn cpu_time() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    nix::time::clock_gettime(clock).unwrap().into()
}

/// Loads `text` as a file; its time, and the report if it fails.
fn timed(text: &str) -> (Duration, Option<String>) {
    timed_with(&[("compose.yaml", text.to_owned())])
}

/// The same of several files.
fn timed_with(files: &[(impl AsRef<Path>, String)]) -> (Duration, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let options = LoadOptions::new(folder.path().to_owned(), BTreeMap::new());
    let start = cpu_time();
    let report = load(&options)
        .err()
        .map(|problems| problems.render(false, 100));
    (cpu_time() - start, report)
}

fn repeated(unit: &str) -> String {
    unit.repeat(SIZE / unit.len().max(1))
}

fn wrapped(before: &str, unit: &str, after: &str) -> String {
    format!(
        "{before}{}{after}\nservices: {{a: {{image: x}}}}\n",
        repeated(unit)
    )
}

#[test]
fn ten_megabytes_of_anything_end_soon() {
    let mut services = String::from("services:\n");
    for index in 0..SIZE / 100 {
        services +=
            &format!("  s{index}: {{image: x, ports: [\"{index}:80\"], depends_on: [t{index}]}}\n");
    }
    let aliases = format!(
        "x-a: &a [1,2,3,4,5,6,7,8,9]\nx-b: [{}]\nservices: {{a: {{image: x}}}}\n",
        repeated("*a,")
    );
    let cases = [
        ("flow list", wrapped("x-a: [", "a,", "]")),
        ("lists of lists", wrapped("x-a: [", "[],", "]")),
        ("maps", wrapped("x-a: [", "{a: b},", "]")),
        ("block list", wrapped("x-a:\n", "  - a\n", "")),
        ("one text", wrapped("x-a: \"", "a", "\"")),
        ("escapes", wrapped("x-a: \"", "\\u00e9", "\"")),
        ("wide characters", wrapped("x-a: [", "ß,", "]")),
        ("folded text", wrapped("x-a: ", "word ", "")),
        ("literal text", wrapped("x-a: |\n", "  line\n", "")),
        ("comments", wrapped("", "# c\n", "")),
        ("blank lines", wrapped("", "\n", "")),
        ("spaces", wrapped("x-a: ", " ", "b")),
        ("open brackets", repeated("[")),
        ("open braces", repeated("{")),
        ("dashes", repeated("- ")),
        ("question marks", repeated("? ")),
        ("colons", repeated(": ")),
        ("anchors", repeated("&a ")),
        ("exclamation marks", repeated("!")),
        ("documents", repeated("---\n")),
        ("documents with content", repeated("---\na: b\n")),
        ("binary", "\u{1}\u{2}".repeat(SIZE / 2)),
        ("variables", wrapped("x-a: \"", "${A:-b}", "\"")),
        ("unset variables", wrapped("x-a: [", "$A,", "]")),
        ("open variables", wrapped("x-a: \"", "${A:-", "\"")),
        ("broken variables", wrapped("x-a: [", "'${',", "]")),
        ("duplicate keys", repeated("a: b\n")),
        ("numeric keys", wrapped("x-a: {", "1: 2, ", "}")),
        (
            "unknown keys",
            wrapped(
                "",
                "",
                &(0..SIZE / 30)
                    .map(|i| format!("k{i}: v\n"))
                    .collect::<String>(),
            ),
        ),
        ("aliases", aliases),
        ("services", services),
    ];
    let limit = Duration::from_secs(2);
    let mut slow = Vec::new();
    for (name, text) in cases {
        let (time, _) = timed(&text);
        println!("{name}: {time:?}");
        if time > limit {
            slow.push(format!("{name}: {time:?}"));
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
}

/// Found by fuzzing: each port was compared with each.
#[test]
fn sixty_thousand_ports_take_no_longer_than_their_count() {
    let few = timed("services: {a: {image: x, ports: ['1000-7000']}}").0;
    let (many, problem) = timed("services: {a: {image: x, ports: ['1-60000']}}");
    assert_eq!(problem, None);
    assert!(
        many < few * 40 + Duration::from_millis(500),
        "{few:?} {many:?}"
    );
}

/// A few bytes that would be millions of values: each is refused, soon.
#[test]
fn what_makes_much_of_little_is_refused() {
    let address = |n: usize| format!("'10.0.{}.{}:1-60000:1-60000'", n / 250, n % 250);
    let ranges: Vec<String> = (0..40).map(address).collect();
    let ranges = format!(
        "services: {{a: {{image: x, ports: [{}]}}}}",
        ranges.join(", ")
    );
    let labels: String = (0..1000).map(|n| format!("l{n}: v, ")).collect();
    let services: String = (0..5000)
        .map(|n| format!("  s{n}: {{extends: base}}\n"))
        .collect();
    let extends = format!("services:\n  base: {{image: x, labels: {{{labels}}}}}\n{services}");
    for text in [ranges, extends] {
        let (time, report) = timed(&text);
        let report = report.expect("it is too large");
        assert!(report.contains("error[too-many-values]"), "{report}");
        assert_eq!(report.matches("error[").count(), 1, "{report}");
        let limit = if cfg!(debug_assertions) { 20 } else { 2 };
        assert!(time < Duration::from_secs(limit), "{time:?}");
    }
}

/// A few bytes that would be gigabytes of text: each is refused, soon.
#[test]
fn what_makes_much_text_of_little_is_refused() {
    let long = "y".repeat(100_000);
    let env = (".env", format!("B={long}\n"));
    let services = |what: &str| -> String {
        let service = |n: usize| format!("  s{n}: {{image: x, {what}}}\n");
        format!("services:\n{}", (0..2000).map(service).collect::<String>())
    };
    let ten = |n: usize| format!("A{n}={}\n", format!("${{A{}}}", n - 1).repeat(10));
    let made_of_each_other: String = (1..12).map(ten).collect();
    let cases = [
        vec![
            ("compose.yaml", services("environment: {V: $A11}")),
            (".env", format!("A0=xxxxxxxxxx\n{made_of_each_other}")),
        ],
        vec![
            ("compose.yaml", services("environment: {V: $B}")),
            env.clone(),
        ],
        vec![("compose.yaml", services("environment: [B]")), env.clone()],
        vec![("compose.yaml", services("env_file: [.env]")), env.clone()],
        vec![(
            "compose.yaml",
            format!(
                "{}  base: {{image: x, x-long: {long}}}\n",
                services("extends: base")
            ),
        )],
    ];
    for files in cases {
        let (time, report) = timed_with(&files);
        let report = report.expect("it is too large");
        assert!(report.contains("error[too-much-text]"), "{report}");
        assert_eq!(report.matches("error[").count(), 1, "{report}");
        let limit = if cfg!(debug_assertions) { 20 } else { 2 };
        assert!(time < Duration::from_secs(limit), "{time:?}");
    }
}

/// Two files, each with two files, each with two files: a thousand million files.
#[test]
fn files_that_include_much_are_refused_and_long_chains_are_not() {
    let chain = |length: usize, include: &dyn Fn(&str) -> String| {
        let name = |n: usize| match n {
            0 => "compose.yaml".to_owned(),
            n => format!("f{n}.yaml"),
        };
        let text = |n: usize| match n + 1 == length {
            true => "services: {z: {image: z}}\n".to_owned(),
            false => format!("include: [{}]\n", include(&name(n + 1))),
        };
        let files: Vec<_> = (0..length).map(|n| (name(n), text(n))).collect();
        timed_with(&files)
    };
    let once = |name: &str| name.to_owned();
    assert_eq!(chain(60, &once).1, None);
    let report = chain(120, &once).1.unwrap();
    let wanted = "error[include-cycle]: a chain of more than 100 files that include each other";
    assert!(report.contains(wanted), "{report}");
    let (time, report) = chain(30, &|name| format!("{name}, {name}"));
    let report = report.unwrap();
    assert!(report.contains("error[too-many-values]"), "{report}");
    assert_eq!(report.matches("error[").count(), 1, "{report}");
    let limit = if cfg!(debug_assertions) { 20 } else { 2 };
    assert!(time < Duration::from_secs(limit), "{time:?}");
}

/// Ten times the services take ten times as long, with some room for a busy machine.
#[test]
fn ten_thousand_services_are_linear() {
    let project = |count: usize| {
        let service = |n: usize| {
            let needs = match n {
                0 => String::new(),
                n => format!(", depends_on: [s{}]", n / 2),
            };
            format!(
                "  s{n}: {{image: x, ports: ['{}:80'], environment: {{N: {n}}}{needs}}}\n",
                1 + n
            )
        };
        format!("services:\n{}", (0..count).map(service).collect::<String>())
    };
    let (few, problem) = timed(&project(1000));
    assert_eq!(problem, None);
    let (many, problem) = timed(&project(10_000));
    assert_eq!(problem, None);
    assert!(
        many < few * 25 + Duration::from_millis(500),
        "{few:?} {many:?}"
    );
}

#[test]
fn an_alias_bomb_is_an_error_that_says_so() {
    let mut text = String::from("x-0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..30 {
        let item = format!("*a{},", level - 1).repeat(10);
        text += &format!("x-{level}: &a{level} [{item}]\n");
    }
    let (_, report) = timed(&text);
    assert!(report.unwrap().contains("error[alias-bomb]"));
}

#[test]
fn a_fifo_given_as_a_file_does_not_block() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("compose.yaml");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let options = LoadOptions::new(folder.path().to_owned(), BTreeMap::new());
    let report = load(&options).unwrap_err().to_string();
    assert!(report.contains("is a FIFO, not a regular file"), "{report}");
}

#[test]
fn the_canonical_text_of_fifty_services_reads_back_fast() {
    let mut text = String::from("services:\n");
    for index in 0..50 {
        text += &format!(
            "  s{index}:\n    image: busybox\n    command: [sleep, \"{index}\"]\n    ports: [\"{}:80\"]\n    \
             environment: {{A: 1, B: two}}\n    volumes: [\"data:/d\", \"./x:/x:ro\"]\n    \
             healthcheck: {{test: \"true\", interval: 5s}}\n    labels: {{l: m}}\n",
            8000 + index
        );
    }
    text += "volumes: {data: }\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("compose.yaml"), text).unwrap();
    let options = LoadOptions::new(folder.path().to_owned(), BTreeMap::new());
    let loaded = load(&options).unwrap();
    let project = loaded.project;
    let text = loaded.canonical.text();
    let best = (0..20)
        .map(|_| {
            let start = cpu_time();
            assert_eq!(load_canonical(&text, &[]).unwrap().project, project);
            cpu_time() - start
        })
        .min()
        .unwrap();
    println!("canonical: {best:?}");
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 40 } else { 2 });
    assert!(best < limit, "{best:?}");
}
