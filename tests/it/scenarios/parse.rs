//! The form of the files; see the module above.

use std::path::Path;

/// What every service needs: `IMAGE` is put in when it is run.
const BASE: &str = "image: \"IMAGE\", stop_grace_period: 0s";

/// One scenario.
pub struct Scenario {
    pub title: String,
    pub steps: Vec<Step>,
    /// Why docker compose differs.
    pub excuse: Option<String>,
}

/// One line of it (or more, of a file).
#[derive(Debug, Clone)]
pub enum Step {
    Compose(String),
    Command(Vec<String>),
    Background(Vec<String>),
    Wait(i32),
    Shell(String),
    Code(i32),
    Has { out: bool, text: String },
    HasNot { out: bool, text: String },
    Container(Expected),
}

/// What a container is to be like.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    pub line: String,
    pub name: String,
    pub state: String,
    pub becoming: Option<String>,
    pub soon: bool,
}

pub fn file(path: &Path) -> Vec<Scenario> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut all: Vec<Scenario> = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
    {
        if let Some(title) = line.strip_prefix("== ") {
            let title = title.to_owned();
            all.push(Scenario {
                title,
                steps: Vec::new(),
                excuse: None,
            });
            continue;
        }
        let scenario = all.last_mut().expect("a file begins with a title");
        match line.strip_prefix("! docker: ") {
            Some(reason) => scenario.excuse = Some(reason.to_owned()),
            None => scenario.take_in(line),
        }
    }
    all
}

impl Scenario {
    fn take_in(&mut self, line: &str) {
        if let Some(yaml) = line.strip_prefix("| ") {
            let yaml = yaml
                .replace("SLEEP", &format!("{BASE}, command: [sleep, \"1000\"]"))
                .replace("BASE", BASE)
                .replace("SLOW", "image: \"IMAGE\"");
            match self.steps.last_mut() {
                Some(Step::Compose(text)) => *text += &format!("{yaml}\n"),
                _ => self.steps.push(Step::Compose(format!("{yaml}\n"))),
            }
            return;
        }
        self.steps
            .push(step(line).unwrap_or_else(|| panic!("`{line}` in `{}`", self.title)));
    }
}

fn step(line: &str) -> Option<Step> {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest_text = || rest.to_owned();
    Some(match first {
        "$" => Step::Command(words(rest)),
        "&" => Step::Background(words(rest)),
        "%" => Step::Shell(rest_text()),
        "=" => Step::Code(rest.trim().parse().ok()?),
        "wait" => Step::Wait(rest.trim().parse().ok()?),
        "out" => Step::Has {
            out: true,
            text: rest_text(),
        },
        "err" => Step::Has {
            out: false,
            text: rest_text(),
        },
        "!out" => Step::HasNot {
            out: true,
            text: rest_text(),
        },
        "!err" => Step::HasNot {
            out: false,
            text: rest_text(),
        },
        "~" => Step::Container(expected(line, rest, true)?),
        _ => Step::Container(expected(line, line, false)?),
    })
}

fn expected(line: &str, text: &str, soon: bool) -> Option<Expected> {
    let mut words = text.split_whitespace();
    let name = words.next()?.to_owned();
    let mut state = words.next()?.to_owned();
    if state == "exit" {
        state = format!("exit {}", words.next()?);
    }
    let becoming = words.next().map(str::to_owned);
    Some(Expected {
        line: line.to_owned(),
        name,
        state,
        becoming,
        soon,
    })
}

/// Splits at blanks that are not inside single quotes.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in text.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().expect("never empty").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
